//! Chat: the request, and the traits of models that answer it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_guards::Reply;

use crate::{ChatEvent, Extra, Message, ModelError, ModelInfo, Tool, ToolChoice};

/// A chat answer on its way: events, and the guards that hold until it ends. Dropping it cancels the call.
pub type ChatReply = Reply<ChatEvent, ModelError>;

/// A model that talks, without blocking.
pub trait ChatModel: Send + Sync {
    /// What this model is and can do.
    fn info(&self) -> &ModelInfo;

    /// Asks. The future resolves when the provider has accepted the call (for [`ChatRequest::stream`]) or has answered
    /// it (otherwise); the answer comes as events in both cases. The future borrows nothing, so it can be spawned.
    ///
    /// # Errors
    /// A failure before the first event is the future's error; a later one is the last item of the reply. Either way
    /// it comes once. Dropping the future or the reply cancels the call.
    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>>;
}

/// The synchronous twin of [`ChatModel`], for local and legacy models. It may block and compute as long as it likes:
/// it is only ever called on a thread made for that.
pub trait SyncChatModel: Send + Sync {
    /// What this model is and can do.
    fn info(&self) -> &ModelInfo;

    /// Answers by giving events to `sink`. When the sink says [`ControlFlow::Break`] the caller has left: return
    /// `Ok(())` as soon as possible.
    ///
    /// # Errors
    /// Once, at any point; events given before stay valid.
    fn chat(
        &self,
        request: &ChatRequest,
        sink: &mut dyn FnMut(ChatEvent) -> ControlFlow<()>,
    ) -> Result<(), ModelError>;
}

/// A question to a chat model. `Default` plus `messages` is a complete request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatRequest {
    /// The model, as its provider names it (without the `provider/` prefix).
    pub model: String,
    /// The conversation so far, oldest first.
    pub messages: Vec<Message>,
    /// Whether events shall come as they are made. `false` lets the provider answer in one piece.
    pub stream: bool,
    /// Tools on offer.
    pub tools: Vec<Tool>,
    /// Which of them may or must be used.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be asked for at once.
    pub parallel_tool_calls: Option<bool>,
    /// The form of the answer.
    pub response_format: Option<ResponseFormat>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The most tokens to answer with, reasoning included where the provider counts it so.
    pub max_output_tokens: Option<u32>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How many answers.
    pub n: Option<u32>,
    /// Whether to report log-probabilities of the answer's tokens.
    pub logprobs: Option<bool>,
    /// How many alternatives of each token to report.
    pub top_logprobs: Option<u32>,
    /// How much to think.
    pub reasoning: Option<ReasoningOptions>,
    /// The provider's service tier, in its words.
    pub service_tier: Option<String>,
    /// The end user, for the provider's abuse control.
    pub user: Option<String>,
    /// What to do with a parameter that the model does not take.
    pub unsupported: Unsupported,
    /// Further fields of the provider's request body, sent as they are.
    pub extra_body: Extra,
    /// Further headers of the provider's request.
    pub extra_headers: BTreeMap<String, String>,
}

impl ChatRequest {
    /// A request with these messages, to be answered in one piece.
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }

    /// The same, streamed.
    pub fn streamed(mut self) -> Self {
        self.stream = true;
        self
    }
}

/// How tokens are chosen. `None` leaves it to the provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 (sharp) to 2 (flat).
    pub temperature: Option<f64>,
    /// Nucleus: only the likeliest tokens that make up this share.
    pub top_p: Option<f64>,
    /// Only this many of the likeliest tokens.
    pub top_k: Option<u32>,
    /// -2 to 2; positive makes repeated tokens less likely by their count.
    pub frequency_penalty: Option<f64>,
    /// -2 to 2; positive makes tokens that occurred less likely.
    pub presence_penalty: Option<f64>,
    /// Makes sampling repeatable, as far as the provider can.
    pub seed: Option<i64>,
    /// Token id → bias.
    pub logit_bias: BTreeMap<String, f64>,
}

/// The form of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Free text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema {
        /// A name for the schema.
        name: String,
        /// What it is, for the model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// The JSON schema; key order is kept.
        schema: Value,
        /// Whether the provider shall enforce it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
}

/// How much to think, for models that do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReasoningOptions {
    /// `none`, `minimal`, `low`, `medium`, `high`, or what the provider takes.
    pub effort: Option<String>,
    /// The most tokens to think with; 0 switches thinking off where the provider can.
    pub budget_tokens: Option<u32>,
    /// Whether and how to report the reasoning (`auto`, `concise`, `detailed`).
    pub summary: Option<String>,
    /// Provider fields without a name here.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// What to do with a parameter or a part that the model does not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsupported {
    /// Leave it out, and say so in a [`ChatEvent::Warning`].
    #[default]
    Warn,
    /// Refuse the call with [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
    Refuse,
}
