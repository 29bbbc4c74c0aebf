//! [`RouteOptions`]: how a name with several targets chooses among them.

use llm_core::{ErrorKind, ModelKind, ModelName};

use crate::strategy::Strategy;

/// A target of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTarget {
    /// The model, `provider/model`.
    pub model: ModelName,
    /// How much of the load it takes, for the strategies that weigh. Default 1.
    pub weight: u32,
}

impl From<ModelName> for RouteTarget {
    fn from(model: ModelName) -> Self {
        Self { model, weight: 1 }
    }
}

/// How a route chooses among its targets, and what it does when one fails.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteOptions {
    /// In which order targets are asked.
    pub strategy: Strategy,
    /// After which failures the next one is asked.
    pub fallback: Fallback,
    /// Whether a second target is asked when the first is slow. Default: not.
    pub hedge: Option<HedgeOptions>,
    /// Whether an answer that breaks off half-way is continued by the next target that can go on with a text
    /// ([`Capabilities::prefix`](llm_core::Capabilities)), with a warning `continued` in the stream. Default: not.
    pub continuation: bool,
}

/// After which failures the next target is asked. All of them by default.
///
/// A request that is at fault itself is never sent to the next target, and neither is one whose failure nobody understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Too many calls for now, or the quota used up.
    pub rate_limit: bool,
    /// It is down, slow, refuses our key, or does not have the model or a feature.
    pub outage: bool,
    /// The prompt does not fit: only targets with a longer context are asked then.
    pub context_length: bool,
    /// Its policy refused the prompt, or cut the answer before it began.
    pub content_filter: bool,
}

impl Default for Fallback {
    fn default() -> Self {
        Self { rate_limit: true, outage: true, context_length: true, content_filter: true }
    }
}

impl Fallback {
    /// Whether another target shall be asked after a failure of this kind.
    pub(crate) fn helps(&self, kind: ErrorKind) -> bool {
        match kind {
            ErrorKind::RateLimit | ErrorKind::Quota => self.rate_limit,
            ErrorKind::ContextLength => self.context_length,
            ErrorKind::ContentFilter => self.content_filter,
            ErrorKind::Authentication
            | ErrorKind::Permission
            | ErrorKind::NotFound
            | ErrorKind::Unsupported
            | ErrorKind::Overloaded
            | ErrorKind::Upstream
            | ErrorKind::Timeout
            | ErrorKind::Connection
            | ErrorKind::Malformed
            | ErrorKind::Internal => self.outage,
            _ => false,
        }
    }
}

/// When a second call is made beside a slow first one. Whichever answer begins first is taken, the other is cancelled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HedgeOptions {
    /// After the time within which this share of the target's newest answers began. Default 0.95.
    pub percentile: f64,
    /// How many second calls there may be for each call. Default 0.05.
    pub share: f64,
    /// How many answers must be known before there are second calls. Default 20.
    pub least: usize,
}

impl Default for HedgeOptions {
    fn default() -> Self {
        Self { percentile: 0.95, share: 0.05, least: 20 }
    }
}

/// Why targets cannot stand for each other behind one name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// There is none.
    #[error("`{name}` has no target; name at least one")]
    NoTarget {
        /// The route.
        name: String,
    },
    /// Vectors of one embedding model mean nothing to another.
    #[error(
        "`{name}` leads to the embedding models `{one}` and `{other}`, whose vectors cannot be compared; \
         name the same model at several providers, or a name for each"
    )]
    DifferentEmbeddings {
        /// The route.
        name: String,
        /// A target.
        one: ModelName,
        /// A target that is another model.
        other: ModelName,
    },
}

/// Whether these targets can stand for each other.
pub(crate) fn check(
    kind: ModelKind,
    name: &str,
    targets: &[RouteTarget],
) -> Result<(), RouteError> {
    let Some((first, others)) = targets.split_first() else {
        return Err(RouteError::NoTarget { name: name.into() });
    };
    let differs = |target: &&RouteTarget| !is_same_model(&first.model, &target.model);
    match others.iter().find(differs) {
        Some(other) if kind == ModelKind::Embedding => Err(RouteError::DifferentEmbeddings {
            name: name.into(),
            one: first.model.clone(),
            other: other.model.clone(),
        }),
        _ => Ok(()),
    }
}

/// Whether two names are those of one model at two providers: the last part of the name decides, since resellers put the
/// maker's name before it, in whatever case. The tag `:latest`, which goes without saying, is no part of it; any other tag
/// is another size or precision, and so another model.
fn is_same_model(a: &ModelName, b: &ModelName) -> bool {
    fn own_name(name: &ModelName) -> &str {
        let own = name.model.rsplit('/').next().unwrap_or(&name.model);
        own.strip_suffix(":latest").unwrap_or(own)
    }
    own_name(a).eq_ignore_ascii_case(own_name(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_never_falls_back_to_another_model() {
        let targets = |names: &[&str]| -> Vec<RouteTarget> {
            names.iter().map(|name| name.parse::<ModelName>().unwrap().into()).collect()
        };
        for (kind, names, is_fine) in [
            (ModelKind::Chat, &["a/x", "b/y"][..], true),
            (ModelKind::Chat, &[], false),
            (ModelKind::Embedding, &["a/x", "b/y"], false),
            (ModelKind::Embedding, &["a/bge-m3", "b/BAAI/BGE-M3", "a/bge-m3"], true),
            (ModelKind::Embedding, &["a/bge-m3:latest", "b/@cf/baai/bge-m3"], true),
            (ModelKind::Embedding, &["a/qwen3-embedding:8b", "b/qwen3-embedding"], false),
            (ModelKind::Embedding, &["a/bge-m3", "b/bge-m3/"], false),
            (ModelKind::Rerank, &["a/x", "b/y"], true),
        ] {
            let checked = check(kind, "name", &targets(names));
            assert_eq!(checked.is_ok(), is_fine, "{names:?} {checked:?}");
        }
    }
}
