//! [`Quirks`]: how one provider's reading of the OpenAI dialect differs from the others', as data.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::embedding_quirks::EmbeddingQuirks;
use crate::rerank::RerankQuirks;
use crate::{StructuredOutput, ThinkTags};

/// Differences of one provider. `Default` is a provider that takes everything the dialect names: right for a server that
/// is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// Which field limits the answer.
    pub output_limit: OutputLimit,
    /// The role `developer` is unknown; send `system`.
    pub no_developer_role: bool,
    /// `stream_options` is unknown; usage comes by itself or not at all.
    pub no_stream_options: bool,
    /// Content must be one string where it is all text.
    pub flat_text: bool,
    /// `cache_control` on parts and tools is understood, as in Anthropic's dialect.
    pub cache_control: bool,
    /// How effort and budget of reasoning are asked for.
    pub reasoning_request: ReasoningRequest,
    /// In which field of an earlier answer its reasoning goes back.
    pub reasoning_return: ReasoningReturn,
    /// The word of `tool_choice` for "at least one", where it is not `required`.
    pub required_tool_word: Option<String>,
    /// `completion_tokens` does not hold the reasoning tokens.
    pub reasoning_outside_output: bool,
    /// What it enforces of the answer's form.
    pub structured_output: StructuredOutput,
    /// What becomes of `<think>` tags in the text of an answer.
    pub think_tags: ThinkTags,
    /// `encoding_format` of embeddings is unknown.
    pub no_encoding_format: bool,
    /// What stands behind this in a model's name is no part of what the provider calls it: RAGFlow's names end with `___` and
    /// the provider's name. [`connect`](crate::connect()) leaves it out.
    pub model_suffix: Option<String>,
    /// How its embeddings differ.
    pub embedding: EmbeddingQuirks,
    /// How it is asked for rerank.
    pub rerank: RerankQuirks,
    /// Parameters that the provider refuses, by their name in the dialect.
    pub drop: Vec<String>,
    /// Parameters that the provider names differently: name in the dialect → its own.
    pub rename: BTreeMap<String, String>,
    /// How speech is asked for.
    pub speech: SpeechShape,
    /// How a transcript is asked for.
    pub transcription: TranscriptionShape,
    /// Paths below the base URL that are not the dialect's: its own (`chat/completions`) → theirs.
    pub paths: BTreeMap<String, String>,
    /// Differences of families of models. The first rule that fits a model's name holds.
    pub models: Vec<ModelRule>,
}

/// Which field limits the length of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputLimit {
    /// `max_tokens`, which every provider knows.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI's reasoning models insist on.
    MaxCompletionTokens,
}

/// How effort and budget of reasoning are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningRequest {
    /// `reasoning_effort`; a budget has no name.
    #[default]
    Effort,
    /// A `reasoning` object with `effort`, `max_tokens` and more, as routers take it.
    Object,
    /// Not at all.
    Never,
}

/// In which field of an earlier answer its reasoning goes back to the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningReturn {
    /// In none: the provider refuses unknown fields.
    Never,
    /// As it most likely came from the same server: plain text in `reasoning_content`, the rest in `reasoning_details`.
    #[default]
    AsItCame,
    /// As text in `reasoning_content`.
    ReasoningContent,
    /// As text in `reasoning`.
    Reasoning,
    /// As `reasoning_details` where it is signed, encrypted or summarised, else as text in `reasoning`.
    ReasoningDetails,
}

/// How speech is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeechShape {
    /// `audio/speech` with `input`, `voice`, `response_format`.
    #[default]
    #[serde(rename = "openai")]
    OpenAi,
    /// `tts` with `text`, `voice_id`, `language`, `output_format`; there is one model, and it has no name.
    Xai,
}

/// How a transcript is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TranscriptionShape {
    /// A form at `audio/transcriptions`.
    #[default]
    Form,
    /// The same without `response_format`.
    PlainForm,
    /// A form at `stt` without the name of a model, since there is one.
    NamelessForm,
    /// JSON at `audio/transcriptions` with the sound in `input_audio`.
    InputAudio,
}

/// Differences of the models whose names begin so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelRule {
    /// Beginnings of names.
    pub prefixes: Vec<String>,
    /// Beginnings of names that fit but are meant by a later rule.
    pub except: Vec<String>,
    /// Replaces [`Quirks::output_limit`].
    pub output_limit: Option<OutputLimit>,
    /// Adds to [`Quirks::drop`].
    pub drop: Vec<String>,
    /// Replaces [`Quirks::structured_output`].
    pub structured_output: Option<StructuredOutput>,
    /// Replaces [`Quirks::think_tags`].
    pub think_tags: Option<ThinkTags>,
}

impl Quirks {
    /// The rule for a model, if it has one.
    pub fn rule_for(&self, model: &str) -> Option<&ModelRule> {
        let begins = |names: &[String]| names.iter().any(|name| model.starts_with(name.as_str()));
        self.models.iter().find(|rule| begins(&rule.prefixes) && !begins(&rule.except))
    }

    /// The field that limits the answer of a model.
    pub fn output_limit_of(&self, model: &str) -> OutputLimit {
        self.rule_for(model).and_then(|rule| rule.output_limit).unwrap_or(self.output_limit)
    }

    /// What is enforced of the form of a model's answer.
    pub fn structured_output_of(&self, model: &str) -> StructuredOutput {
        self.rule_for(model)
            .and_then(|rule| rule.structured_output)
            .unwrap_or(self.structured_output)
    }

    /// What becomes of `<think>` tags in the text of a model.
    pub fn think_tags_of(&self, model: &str) -> ThinkTags {
        self.rule_for(model).and_then(|rule| rule.think_tags).unwrap_or(self.think_tags)
    }

    /// Whether a model refuses a parameter.
    pub fn drops(&self, model: &str, parameter: &str) -> bool {
        let of_model = self.rule_for(model).map_or(&[][..], |rule| &rule.drop);
        self.drop.iter().chain(of_model).any(|name| name == parameter)
    }
}
