//! Bodies of `/v1/messages`. Fields and blocks that are not named here are taken, too, and go on to the provider.

use serde_json::Value;
use utoipa::ToSchema;

use super::chat::{AssistantMark, Warning};

/// A question to a model or dialog.
#[derive(ToSchema)]
#[schema(example = json!({
    "model": "dialog/default",
    "max_tokens": 500,
    "messages": [{ "role": "user", "content": "How do I set a provider's key?" }]
}))]
pub(crate) struct MessageRequest {
    max_tokens: u32,
    #[serde(flatten)]
    rest: CountTokensRequest,
}

/// A request whose tokens are counted.
#[derive(ToSchema)]
#[schema(example = json!({
    "model": "dialog/default",
    "messages": [{ "role": "user", "content": "How do I set a provider's key?" }]
}))]
pub(crate) struct CountTokensRequest {
    /// `provider/model`, a name of the configuration, or `dialog/NAME`.
    model: String,
    #[schema(min_items = 1)]
    messages: Vec<Message>,
    system: Option<Blocks>,
    stream: Option<bool>,
    tools: Option<Vec<MessageTool>>,
    tool_choice: Option<MessageToolChoice>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u32>,
    stop_sequences: Option<Vec<String>>,
    thinking: Option<Thinking>,
    service_tier: Option<String>,
    metadata: Option<MessageMetadata>,
}

/// What the user or the model said.
#[derive(ToSchema)]
#[schema(as = AnthropicMessage)]
struct Message {
    role: MessageRole,
    content: Blocks,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum MessageRole {
    User,
    Assistant,
    System,
}

/// Text, or blocks.
#[derive(ToSchema)]
#[serde(untagged)]
enum Blocks {
    Text(String),
    Blocks(Vec<Block>),
}

/// A block of a message.
#[derive(ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    Image {
        /// `base64`, `url`, `file`; others go on to the provider.
        source: Option<Value>,
    },
    Document {
        source: Option<Value>,
        title: Option<Value>,
    },
    Thinking {
        thinking: String,
        signature: Option<String>,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[schema(value_type = Object)]
        input: Value,
    },
    ToolResult {
        tool_use_id: String,
        content: Option<ResultContent>,
        is_error: Option<bool>,
    },
}

/// What a tool answered.
#[derive(ToSchema)]
#[serde(untagged)]
enum ResultContent {
    Text(String),
    Blocks(Vec<ResultBlock>),
}

#[derive(ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResultBlock {
    Text { text: String },
    Image { source: Option<Value> },
}

#[derive(ToSchema)]
struct MessageTool {
    name: String,
    description: Option<String>,
    /// A JSON schema.
    input_schema: Value,
    strict: Option<bool>,
}

/// Whether the model must or may ask for tools, and which.
#[derive(ToSchema)]
struct MessageToolChoice {
    /// `auto`, `any`, `none`, `tool`; others go on to the provider.
    r#type: String,
    /// Of the tool, where `type` is `tool`.
    name: Option<Value>,
    disable_parallel_tool_use: Option<bool>,
}

#[derive(ToSchema)]
struct Thinking {
    /// `enabled`, `disabled`, `adaptive`.
    r#type: String,
    budget_tokens: Option<u32>,
}

#[derive(ToSchema)]
struct MessageMetadata {
    user_id: Option<String>,
}

/// An answer.
#[derive(ToSchema)]
pub(crate) struct MessageAnswer {
    id: String,
    r#type: MessageMark,
    role: AssistantMark,
    /// As it was asked for.
    model: String,
    /// Blocks of type `text`, `thinking`, `tool_use` …
    #[schema(value_type = Vec<Object>)]
    content: Vec<Value>,
    #[schema(required)]
    stop_reason: Option<String>,
    #[schema(required)]
    stop_sequence: Option<String>,
    usage: MessageUsage,
    /// What of the request was left out, and why.
    warnings: Option<Vec<Warning>>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum MessageMark {
    Message,
}

#[derive(ToSchema)]
struct MessageUsage {
    input_tokens: u64,
    output_tokens: u64,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

/// An estimate of a request's tokens.
#[derive(ToSchema)]
pub(crate) struct TokenCount {
    input_tokens: u64,
}
