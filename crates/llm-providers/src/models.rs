//! [`ModelCatalogue`]: what is known of models, as data that can be refreshed without a build.
//!
//! `models/models.tsv` beside this file holds the models of the providers of the [catalogue] with their
//! limits, capabilities and prices. It is made by `cargo xtask models FILE` out of a public price list. A model that it does
//! not name works all the same: nothing is known of it then, and nothing is made up.

mod line;
mod version;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, LazyLock};

use llm_core::{ModelInfo, ModelName};

use crate::catalogue::{self, Dialect};
use line::parse_line;

pub use line::{COLUMNS, format_line};

/// The most bytes of a file that are read.
const MAX_BYTES: u64 = 32 << 20;

/// What is known of models, by provider and name.
///
/// ```
/// use llm_core::ModelKind;
///
/// let model = llm_providers::models::find("anthropic", "claude-sonnet-4-5-20250929").unwrap();
/// assert_eq!((model.kind, model.limits.context_tokens), (ModelKind::Chat, Some(200_000)));
/// assert_eq!(model.prices.unwrap().output, Some(15e-6));
/// assert_eq!(llm_providers::models::find("anthropic", "claude-of-the-future"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelCatalogue {
    /// Provider → a name without its version, in lower case → the versions of that model.
    providers: BTreeMap<String, BTreeMap<String, Versions>>,
}

/// In the order of their names. Shared, so that a list with some models of one's own costs no more than those.
type Versions = Vec<Arc<ModelInfo>>;

/// Why a file of models cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelsError {
    /// It cannot be read, is no UTF-8, or ends in the middle.
    #[error("the list of models cannot be read")]
    Read(#[from] std::io::Error),
    /// It is longer than 32 MiB.
    #[error("the list of models is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// A line says something else than the columns.
    #[error("line {number} of the list of models: {reason}")]
    Line {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
}

static BUILT_IN: LazyLock<ModelCatalogue> = LazyLock::new(|| {
    ModelCatalogue::from_reader(&include_bytes!("models/models.tsv")[..])
        .expect("the list is part of this crate, and a test reads it")
});

/// What the built-in list knows of a model; see [`ModelCatalogue::find`].
pub fn find(provider: &str, model: &str) -> Option<ModelInfo> {
    ModelCatalogue::built_in().find(provider, model)
}

impl ModelCatalogue {
    /// The list that is part of this crate. It is read when it is first asked for, in a few milliseconds.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// Reads a list in the form of the built-in one: a line for each model, columns ([`COLUMNS`]) between tabs, `#` before
    /// comments. Columns at the end may be left out, and empty ones are unknown. A model that comes twice counts as
    /// the last line says.
    ///
    /// # Errors
    /// When it cannot be read or a line is not in order.
    pub fn from_reader(reader: impl Read) -> Result<Self, ModelsError> {
        let mut text = String::new();
        reader.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(ModelsError::TooLong);
        }
        let mut models = Self::default();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let number = at + 1;
            models.insert(parse_line(line).map_err(|reason| ModelsError::Line { number, reason })?);
        }
        Ok(models)
    }

    /// Adds a model, in place of what was known under the same name.
    pub fn insert(&mut self, info: ModelInfo) {
        let of_provider = self.providers.entry(info.name.provider.clone()).or_default();
        let versions = of_provider.entry(base(&info.name.model)).or_default();
        match place(versions, &info.name.model) {
            Ok(at) => versions[at] = Arc::new(info),
            Err(at) => versions.insert(at, Arc::new(info)),
        }
    }

    /// Adds what is known of a model to what this list knows of it: a field that `info` leaves open stays as it was.
    pub fn refine(&mut self, mut info: ModelInfo) {
        let name = &info.name;
        if let Some(known) = self.find(&name.provider, &name.model) {
            info.complete_from(&known);
        }
        self.insert(info);
    }

    /// Adds all models of another list, in place of those of the same names.
    pub fn extend(&mut self, other: ModelCatalogue) {
        let models = other.providers.into_values().flat_map(BTreeMap::into_values).flatten();
        models.for_each(|info| self.insert(Arc::unwrap_or_clone(info)));
    }

    /// What is known of a model, under the name that was asked for.
    ///
    /// `provider` is a name of the [catalogue] or an alias of one, or whatever name the list uses. A model is
    /// found, first to last,
    /// 1. by its exact name;
    /// 2. by its name without a version (letters' case does not count): a date (`-20250929`, `-2024-11-20`, `@20250929`), a
    ///    number of three digits or more (`-001`, `-0613`), `v` and a number (`-v2:0`), or one of `latest`, `preview`, `exp`,
    ///    `beta`, `stable`, `default`. Of several versions it is the one without any, else the newest. A number of one or two digits is
    ///    part of the name, so that `claude-sonnet-4-5` is no version of `claude-sonnet-4`;
    /// 3. on Bedrock, without the geography in front of an inference profile (`eu.`, `us.`, `global.` …), by 1 and 2.
    ///
    /// Anything else is unknown.
    pub fn find(&self, provider: &str, model: &str) -> Option<ModelInfo> {
        let row = catalogue::find(provider);
        let name = row.map_or(provider, |row| row.name.as_str());
        let models = self.providers.get(name).or_else(|| self.providers.get(provider))?;
        let mut found = of_name(models, model);
        if row.is_some_and(|row| row.dialect == Dialect::Bedrock) {
            found = found.or_else(|| of_name(models, version::without_geography(model)?));
        }
        let mut info = ModelInfo::clone(found?);
        info.name = ModelName::new(provider, model);
        Some(info)
    }

    /// All models of a provider, by name.
    pub fn of_provider(&self, provider: &str) -> impl Iterator<Item = &ModelInfo> {
        let models = self.providers.get(provider).into_iter().flat_map(BTreeMap::values);
        models.flatten().map(Arc::as_ref)
    }

    /// How many models are known.
    pub fn len(&self) -> usize {
        self.providers.values().flat_map(BTreeMap::values).map(Vec::len).sum()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }
}

fn base(model: &str) -> String {
    version::without_version(model).to_ascii_lowercase()
}

/// Where the version of this name is, or would be.
fn place(versions: &Versions, model: &str) -> Result<usize, usize> {
    versions.binary_search_by(|info| info.name.model.as_str().cmp(model))
}

fn of_name<'a>(models: &'a BTreeMap<String, Versions>, model: &str) -> Option<&'a ModelInfo> {
    let base = base(model);
    let versions = models.get(&base)?;
    let exact = place(versions, model).ok().and_then(|at| versions.get(at));
    exact
        .or_else(|| versions.iter().find(|info| info.name.model.eq_ignore_ascii_case(&base)))
        .or_else(|| versions.last())
        .map(Arc::as_ref)
}

#[cfg(test)]
mod tests {
    use llm_core::{Capabilities, Limits, ModelKind};

    use super::*;

    fn models(names: &[&str]) -> ModelCatalogue {
        let mut models = ModelCatalogue::default();
        for (at, name) in names.iter().enumerate() {
            let mut info = ModelInfo::new(name.parse().unwrap(), ModelKind::Chat);
            info.limits.context_tokens = Some(at as u32);
            models.insert(info);
        }
        models
    }

    #[test]
    fn versions_of_a_model_are_that_model() {
        let known = [
            "p/gpt-4o",
            "p/gpt-4o-2024-05-13",
            "p/claude-sonnet-4-20250514",
            "p/claude-haiku-4-5-20251001",
            "p/claude-haiku-4-5-20250901",
            "p/Qwen/Qwen3-8B",
            "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
            "bedrock/eu.amazon.nova-pro-v1:0",
            "p/gemini-2.5-flash-preview-05-20",
        ];
        let models = models(&known);
        for (provider, asked, found) in [
            ("p", "gpt-4o", Some("gpt-4o")),
            ("p", "gpt-4o-2024-05-13", Some("gpt-4o-2024-05-13")),
            ("p", "gpt-4o-2030-01-01", Some("gpt-4o")),
            ("p", "gpt-4o-latest", Some("gpt-4o")),
            ("p", "gpt-4o-mini", None),
            ("p", "gpt-4o-audio-preview", None),
            ("p", "gpt-4", None),
            ("p", "gpt-4.1", None),
            ("p", "claude-sonnet-4", Some("claude-sonnet-4-20250514")),
            ("p", "claude-sonnet-4@20250514", Some("claude-sonnet-4-20250514")),
            ("p", "claude-sonnet-4-5", None),
            ("p", "claude-sonnet-4-5-20250929", None),
            ("p", "claude-haiku-4-5", Some("claude-haiku-4-5-20251001")),
            ("p", "qwen/qwen3-8b", Some("Qwen/Qwen3-8B")),
            ("p", "gemini-2.5-flash", Some("gemini-2.5-flash-preview-05-20")),
            ("p", "gemini-2.5-flash-lite", None),
            ("p", "", None),
            ("p", "-latest", None),
            (
                "bedrock",
                "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
                Some("anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ),
            ("Bedrock", "amazon.nova-pro-v1:0", None),
            ("bedrock", "eu.amazon.nova-pro-v1:0", Some("eu.amazon.nova-pro-v1:0")),
            ("p", "eu.gpt-4o", None),
            ("nobody", "gpt-4o", None),
        ] {
            let info = models.find(provider, asked);
            let at = info.as_ref().and_then(|info| info.limits.context_tokens);
            let name = at.map(|at| known[at as usize].split_once('/').unwrap().1);
            assert_eq!(name, found, "{asked}");
            assert!(info.is_none_or(|info| info.name == ModelName::new(provider, asked)));
        }
    }

    #[test]
    fn a_list_of_the_operators_own_goes_before() {
        let mut models = models(&["p/a", "p/b"]);
        let list = "# comment\n\np\tb\tchat\t7\np\tc\tembedding\t9\t\t3\n";
        models.extend(ModelCatalogue::from_reader(list.as_bytes()).unwrap());
        let context = |name| models.find("p", name).and_then(|info| info.limits.context_tokens);
        assert_eq!([context("a"), context("b"), context("c")], [Some(0), Some(7), Some(9)]);
        assert_eq!(models.of_provider("p").count(), 3);

        let mut own = ModelInfo::new("p/b".parse().unwrap(), ModelKind::Chat);
        own.capabilities = Capabilities { tools: Some(false), ..Capabilities::default() };
        models.refine(own);
        let b = models.find("p", "b").unwrap();
        assert_eq!((b.capabilities.tools, b.limits.context_tokens), (Some(false), Some(7)));
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        for (list, expected) in [
            ("p\ta\tchat\n\np\tb", "line 3 of the list of models: the column `kind` is missing"),
            ("p\ta\tsong", "`kind`: `song` is no kind of model"),
            ("p\ta\tchat\tmany", "`context`: `many` is no count"),
            ("p\ta\tchat\t\t\t\tq", "`capabilities`: `q` stands for none"),
            ("p\ta\tchat\t\t\t\t\t-1", "`input`: `-1` is no price"),
            ("p\ta\tchat\t\t\t\t\tNaN", "`input`: `NaN` is no price"),
            ("\ta\tchat", "the column `provider` is missing"),
        ] {
            let error = ModelCatalogue::from_reader(list.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let too_long = std::io::repeat(b'#');
        assert!(matches!(ModelCatalogue::from_reader(too_long), Err(ModelsError::TooLong)));
    }

    #[test]
    fn the_built_in_list_is_in_order() {
        let models = ModelCatalogue::built_in();
        assert!(models.len() > 1_000, "{}", models.len());
        for provider in models.providers.keys() {
            assert!(catalogue::entries().iter().any(|row| row.name == *provider), "{provider}");
        }
        for row in catalogue::entries() {
            if let Some(model) = &row.default_chat {
                let known = models.find(&row.name, model);
                assert!(known.is_some_and(|info| info.limits != Limits::default()), "{model}");
            }
        }
    }
}
