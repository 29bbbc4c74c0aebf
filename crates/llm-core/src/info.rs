//! What a model is and can do, as data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Prices, Scripts};

/// A model's name: `provider/model`. The model's own name may contain further slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName {
    /// The provider instance.
    pub provider: String,
    /// The model, as that provider names it.
    pub model: String,
}

impl ModelName {
    /// The name of `model` at `provider`.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self { provider: provider.into(), model: model.into() }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl FromStr for ModelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => {
                Ok(Self::new(provider, model))
            }
            _ => Err(format!("`{text}` is no model name; write provider/model")),
        }
    }
}

impl TryFrom<String> for ModelName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> String {
        name.to_string()
    }
}

/// What a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ModelKind {
    Chat,
    Embedding,
    Rerank,
    Speech,
    Transcription,
    Vision,
}

impl ModelKind {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            ModelKind::Chat => "chat",
            ModelKind::Embedding => "embedding",
            ModelKind::Rerank => "rerank",
            ModelKind::Speech => "speech",
            ModelKind::Transcription => "transcription",
            ModelKind::Vision => "vision",
        }
    }
}

/// How a model runs. Callers need not care; operators may want to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Execution {
    /// It awaits I/O.
    #[default]
    Async,
    /// It computes or blocks, on threads of its own.
    Sync,
}

/// What a model is and can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name.
    pub name: ModelName,
    /// What it does.
    pub kind: ModelKind,
    /// How it runs.
    #[serde(default)]
    pub execution: Execution,
    /// What it takes; `None` fields are unknown, not absent.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// How much it takes.
    #[serde(default)]
    pub limits: Limits,
    /// What it costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// How to read its scores, for rerank models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreType>,
    /// Scripts that it was trained on; `None` is unknown. It takes text in others, but makes little of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<Scripts>,
    /// What it is in a sentence, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl ModelInfo {
    /// A model of which nothing more is known.
    pub fn new(name: ModelName, kind: ModelKind) -> Self {
        Self {
            name,
            kind,
            execution: Execution::default(),
            capabilities: Capabilities::default(),
            limits: Limits::default(),
            prices: None,
            scores: None,
            scripts: None,
            description: None,
        }
    }

    /// Takes what is not known here from `other`, field by field. Name, kind and execution stay.
    pub fn complete_from(&mut self, other: &ModelInfo) {
        let (ours, theirs) = (&mut self.capabilities, &other.capabilities);
        for (ours, theirs) in [
            (&mut ours.streaming, theirs.streaming),
            (&mut ours.tools, theirs.tools),
            (&mut ours.parallel_tools, theirs.parallel_tools),
            (&mut ours.image_input, theirs.image_input),
            (&mut ours.audio_input, theirs.audio_input),
            (&mut ours.file_input, theirs.file_input),
            (&mut ours.audio_output, theirs.audio_output),
            (&mut ours.json_schema, theirs.json_schema),
            (&mut ours.reasoning, theirs.reasoning),
            (&mut ours.prompt_caching, theirs.prompt_caching),
            (&mut ours.instructions, theirs.instructions),
            (&mut ours.prefix, theirs.prefix),
        ] {
            *ours = ours.or(theirs);
        }
        let (ours, theirs) = (&mut self.limits, &other.limits);
        for (ours, theirs) in [
            (&mut ours.context_tokens, theirs.context_tokens),
            (&mut ours.output_tokens, theirs.output_tokens),
            (&mut ours.dimensions, theirs.dimensions),
            (&mut ours.batch, theirs.batch),
        ] {
            *ours = ours.or(theirs);
        }
        self.prices = self.prices.take().or_else(|| other.prices.clone());
        self.scores = self.scores.or(other.scores);
        self.scripts = self.scripts.take().or_else(|| other.scripts.clone());
        self.description = self.description.take().or_else(|| other.description.clone());
    }
}

/// What a chat model takes. `None` is "unknown": it is tried, and the provider's answer decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Capabilities {
    pub streaming: Option<bool>,
    pub tools: Option<bool>,
    pub parallel_tools: Option<bool>,
    pub image_input: Option<bool>,
    pub audio_input: Option<bool>,
    pub file_input: Option<bool>,
    pub audio_output: Option<bool>,
    pub json_schema: Option<bool>,
    pub reasoning: Option<bool>,
    pub prompt_caching: Option<bool>,
    /// Whether it follows instructions in the prompt; a model that only quotes does not.
    pub instructions: Option<bool>,
    /// Whether an assistant message at the end is continued.
    pub prefix: Option<bool>,
}

/// How much a model takes. `None` is "unknown".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Limits {
    /// Tokens of prompt and answer together (chat) or of one input (embedding, rerank).
    pub context_tokens: Option<u32>,
    /// Tokens of an answer.
    pub output_tokens: Option<u32>,
    /// Length of the vectors.
    pub dimensions: Option<u32>,
    /// Inputs in one call.
    pub batch: Option<u32>,
}

/// How to read the scores of a rerank model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreType {
    /// In 0 to 1, calibrated or not.
    Probability,
    /// Log-odds: the logistic function maps it to 0 to 1.
    Logit,
    /// Any number; only its order and its relation to the other scores of one answer mean something.
    Unbounded,
}

impl ScoreType {
    /// Maps the scores of one answer to 0 to 1: unchanged (clamped), by the logistic function, or by min–max over the
    /// answer (all equal gives 1).
    pub fn normalise(self, scores: &mut [f32]) {
        match self {
            ScoreType::Probability => scores.iter_mut().for_each(|s| *s = s.clamp(0.0, 1.0)),
            ScoreType::Logit => scores.iter_mut().for_each(|s| *s = 1.0 / (1.0 + (-*s).exp())),
            ScoreType::Unbounded => {
                let low = scores.iter().copied().fold(f32::INFINITY, f32::min);
                let high = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let span = high - low;
                scores.iter_mut().for_each(|s| {
                    *s = if span > 0.0 { (*s - low) / span } else { 1.0 };
                });
            }
        }
    }
}
