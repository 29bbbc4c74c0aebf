//! [`DialogSettings`]: how a dialog answers, as its owner says.

use std::collections::BTreeMap;

use dialog_service::{Dialog, DialogError, Filtering, Prompts, Research};
use rag_core::MetadataFilter;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::http::WrittenFilter;
use crate::search::written_filter;

/// Bounds of what a dialog may say.
const MOST_DATASETS: usize = 64;
const MOST_PASSAGES: usize = 256;
const MOST_TEXT: usize = 64 << 10;
const MOST_PARAMETERS: usize = 64;
const MOST_TOOLS: usize = 64;

/// How a dialog answers. What is left out is as in `[dialog]` of the server's configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DialogSettings {
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// What a conversation is opened with, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) prologue: String,
    /// Names of the datasets that are searched; none makes it a plain chat.
    #[schema(max_items = 64)]
    pub(crate) datasets: Vec<String>,
    /// The model that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Instructions to it, before ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instructions: Option<String>,
    /// A template in place of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prompt: Option<String>,
    /// What the template takes besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parameters: Vec<Parameter>,
    /// What to say when nothing was found; blank lets the model answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) empty_response: Option<String>,
    /// The most passages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 256)]
    pub(crate) top: Option<usize>,
    /// The least score of a passage.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) threshold: Option<f32>,
    /// Weight of the vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) vector_weight: Option<f32>,
    /// A model that orders the best passages anew; blank: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rerank: Option<String>,
    /// Only documents whose metadata pass: an expression, or its parts as JSON.
    #[serde(deserialize_with = "written_filter", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<WrittenFilter>)]
    pub(crate) filter: Option<MetadataFilter>,
    /// Whether the model makes a further filter of the question: yes, or of which fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auto_filter: Option<AutoFilter>,
    /// Whether to add sections that the model chooses from the contents of the best document.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) contents: bool,
    /// Whether to add what is said of entities that are related to those that were found.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) graph: bool,
    /// How far to dig: the model says what is still missing, which is searched for, too.
    #[serde(deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub(crate) research: Option<ResearchSettings>,
    /// Whether to give questions that may come next.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) related: bool,
    /// Whether to give a mind map of the evidence.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) mind_map: bool,
    /// How long answers are kept and given again to questions that mean the same, in seconds; 0: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep_answers_seconds: Option<u64>,
    /// How answers are spoken while they come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) speech: Option<SpeechSettings>,
    /// Whether to reword questions that lean on the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rewrite: Option<bool>,
    /// Whether to search for keywords that the model names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keywords: Option<bool>,
    /// Languages to search in, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) languages: Option<Vec<String>>,
    /// Tools that are run when the model asks for them: MCP servers of the configuration by name, or single tools as
    /// `SERVER/TOOL`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tools: Vec<String>,
    /// Search engines of the configuration that are asked, too, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) web: Vec<String>,
    /// The longest answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_output_tokens: Option<u32>,
    /// How the model chooses tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 2)]
    pub(crate) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -2, maximum = 2)]
    pub(crate) presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -2, maximum = 2)]
    pub(crate) frequency_penalty: Option<f64>,
    /// What client programs keep with it, by a name of theirs; nothing else reads it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    /// How long a turn may take; 0 sets no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline_seconds: Option<u64>,
}

/// Something that each question may set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameter {
    /// Its name: `parameters.NAME` in the template.
    pub(crate) name: String,
    /// Its value where a question sets none; left out, each question must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<String>,
}

/// How answers are spoken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpeechSettings {
    /// The model.
    pub(crate) model: String,
    /// The voice, in its provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) voice: Option<String>,
    /// `mp3`, `wav`, `opus` …, in its provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<String>,
}

/// How far to dig.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ResearchSettings {
    /// How often the model is asked what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rounds: Option<usize>,
    /// Further questions that are searched for each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) questions: Option<usize>,
}

impl ResearchSettings {
    fn check(&self) -> Result<(), String> {
        let bounds = [
            ("rounds", self.rounds, Research::MOST_ROUNDS),
            ("questions", self.questions, Research::MOST_QUESTIONS),
        ];
        match bounds
            .iter()
            .find(|(_, given, most)| given.is_some_and(|n| !(1..=*most).contains(&n)))
        {
            Some((name, _, most)) => Err(format!("`research.{name}` lies between 1 and {most}")),
            None => Ok(()),
        }
    }
}

impl From<ResearchSettings> for Research {
    fn from(given: ResearchSettings) -> Self {
        let usual = Self::default();
        Self {
            rounds: given.rounds.unwrap_or(usual.rounds),
            questions: given.questions.unwrap_or(usual.questions),
        }
    }
}

/// An object, and not the list of its values that would be taken for one, too.
fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let object = Option::<Map<String, Value>>::deserialize(from)?;
    let read = object.map(|object| serde_json::from_value(Value::Object(object)));
    read.transpose().map_err(D::Error::custom)
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

/// Whether the model makes a filter of the question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum AutoFilter {
    /// Of any field, or not at all.
    Any(bool),
    /// Of these fields.
    Fields(Vec<String>),
}

impl From<AutoFilter> for Filtering {
    fn from(chosen: AutoFilter) -> Self {
        match chosen {
            AutoFilter::Any(false) => Self::Off,
            AutoFilter::Any(true) => Self::Any,
            AutoFilter::Fields(names) => Self::Fields(names),
        }
    }
}

impl DialogSettings {
    /// What types alone cannot say.
    ///
    /// # Errors
    /// The field and what is wrong, in one line.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.datasets.len() > MOST_DATASETS {
            return Err(format!("`datasets` are {MOST_DATASETS} at most"));
        }
        for (name, names) in [("tools", &self.tools), ("web", &self.web)] {
            if names.len() > MOST_TOOLS {
                return Err(format!("`{name}` are {MOST_TOOLS} at most"));
            }
        }
        self.research.as_ref().map_or(Ok(()), ResearchSettings::check)?;
        if self.top.is_some_and(|top| !(1..=MOST_PASSAGES).contains(&top)) {
            return Err(format!("`top` lies between 1 and {MOST_PASSAGES}"));
        }
        for (name, share) in [("threshold", self.threshold), ("vector_weight", self.vector_weight)]
        {
            if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
                return Err(format!("`{name}` lies between 0 and 1"));
            }
        }
        let texts = [
            ("description", Some(&self.description)),
            ("prologue", Some(&self.prologue)),
            ("instructions", self.instructions.as_ref()),
            ("prompt", self.prompt.as_ref()),
            ("empty_response", self.empty_response.as_ref()),
        ];
        for (name, text) in texts {
            if text.is_some_and(|text| text.len() > MOST_TEXT) {
                return Err(format!("`{name}` has {MOST_TEXT} bytes at most"));
            }
        }
        let ranges = [
            ("temperature", self.temperature, 0.0..=2.0),
            ("top_p", self.top_p, 0.0..=1.0),
            ("presence_penalty", self.presence_penalty, -2.0..=2.0),
            ("frequency_penalty", self.frequency_penalty, -2.0..=2.0),
        ];
        for (name, value, range) in ranges {
            if value.is_some_and(|value| !range.contains(&value)) {
                let (least, most) = range.into_inner();
                return Err(format!("`{name}` lies between {least} and {most}"));
            }
        }
        if self.labels.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>() > MOST_TEXT
        {
            return Err(format!("`labels` have {MOST_TEXT} bytes at most"));
        }
        if let Some(Err(error)) = self.filter.as_ref().map(MetadataFilter::check) {
            return Err(format!("`filter`: {error}"));
        }
        if self.languages.as_ref().is_some_and(|all| all.len() > Dialog::MOST_LANGUAGES) {
            return Err(format!("`languages` are {} at most", Dialog::MOST_LANGUAGES));
        }
        if self.parameters.len() > MOST_PARAMETERS {
            return Err(format!("`parameters` are {MOST_PARAMETERS} at most"));
        }
        if !self.parameters.is_empty() && self.prompt.is_none() {
            return Err("`parameters` are for a `prompt`, and there is none".to_owned());
        }
        self.prompts().map(|_| ()).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            format!("`prompt`: {}", cause.unwrap_or_default())
        })
    }

    /// The templates of the dialog, if it has one of its own.
    ///
    /// # Errors
    /// [`DialogError::Prompt`].
    pub(crate) fn prompts(&self) -> Result<Option<Prompts>, DialogError> {
        let Some(prompt) = &self.prompt else { return Ok(None) };
        let names = self.parameters.iter().map(|parameter| parameter.name.as_str());
        Prompts::new().with_answer(prompt.clone(), names).map(Some)
    }

    /// The values of the parameters, as a question sets them.
    ///
    /// # Errors
    /// The one that it has not, or that has no value.
    pub(crate) fn values(
        &self,
        mut given: BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, String> {
        let mut values = BTreeMap::new();
        for Parameter { name, default } in &self.parameters {
            let value = given.remove(name).or_else(|| default.clone());
            let value = value.ok_or_else(|| format!("`parameters` lack `{name}`"))?;
            values.insert(name.clone(), value);
        }
        match given.into_keys().next() {
            Some(unknown) => Err(format!("the dialog has no parameter `{unknown}`")),
            None => Ok(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: Value) -> Result<DialogSettings, String> {
        let settings: DialogSettings =
            serde_json::from_value(settings).map_err(|error| error.to_string())?;
        settings.check().map(|()| settings)
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (settings, reason) in [
            (json!({ "datset": [] }), "unknown field `datset`"),
            (json!({ "research": [null, null] }), "expected a map"),
            (json!({ "top": 0 }), "`top` lies between 1 and 256"),
            (json!({ "threshold": 1.5 }), "`threshold` lies between 0 and 1"),
            (json!({ "filter": "year >" }), "`filter`: "),
            (json!({ "prompt": "Answer." }), "`prompt`: invalid operation: it shows no evidence"),
            (json!({ "prompt": "{{ passage" }), "`prompt`: syntax error"),
            (json!({ "parameters": [{ "name": "tone" }] }), "`parameters` are for a `prompt`"),
        ] {
            let error = read(settings).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn settings_are_read_as_they_were_written() {
        let prompt = "{{ parameters.tone }}{% for p in passages %}{{ p.text }}{% endfor %}";
        let settings = read(json!({
            "datasets": ["a"], "filter": "year >= 2024", "prompt": prompt,
            "parameters": [{ "name": "tone", "default": "kind" }],
        }))
        .unwrap();
        let written = serde_json::to_value(&settings).unwrap();
        assert_eq!(read(written).unwrap(), settings);
    }

    #[test]
    fn parameters_have_values() {
        let parameters = [("tone", Some("kind")), ("who", None)].map(|(name, default)| Parameter {
            name: name.into(),
            default: default.map(Into::into),
        });
        let settings = DialogSettings { parameters: parameters.into(), ..Default::default() };
        let given = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            settings.values(pairs.collect())
        };
        let values = given(&[("who", "Ada")]).unwrap();
        assert_eq!((values["tone"].as_str(), values["who"].as_str()), ("kind", "Ada"));
        assert_eq!(given(&[]).unwrap_err(), "`parameters` lack `who`");
        let unknown = given(&[("who", "Ada"), ("x", "y")]).unwrap_err();
        assert_eq!(unknown, "the dialog has no parameter `x`");
    }
}
