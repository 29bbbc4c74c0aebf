//! Bodies of `/v1/chat/completions`. Fields that are not named here are taken, too, and go on to the provider.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// What a request says of itself in its head.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct CallHeaders {
    /// What to do with the cache; left out: as is configured.
    #[param(rename = "x-colloquy-cache", inline)]
    cache: Option<CacheChoice>,
    /// What to do with parameters that the model does not take; left out: as is configured.
    #[param(rename = "x-colloquy-unsupported", inline)]
    unsupported: Option<UnsupportedChoice>,
}

/// The same where no parameter may be left out.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct CacheHeader {
    /// What to do with the cache; left out: as is configured.
    #[param(rename = "x-colloquy-cache", inline)]
    cache: Option<CacheChoice>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum CacheChoice {
    Use,
    Bypass,
    Refresh,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum UnsupportedChoice {
    Warn,
    Refuse,
}

/// A question to a model or dialog.
#[derive(ToSchema)]
#[schema(example = json!({
    "model": "dialog/default",
    "messages": [{ "role": "user", "content": "How do I set a provider's key?" }]
}))]
pub(crate) struct ChatCompletionRequest {
    /// `provider/model`, a name of the configuration, or `dialog/NAME`.
    model: String,
    #[schema(min_items = 1)]
    messages: Vec<ChatMessage>,
    /// Whether to give the answer as it comes, as server-sent events.
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    /// Functions, tools of MCP servers (`{"type": "mcp"}`), and what the provider runs itself.
    tools: Option<Vec<ChatTool>>,
    tool_choice: Option<ToolChoice>,
    parallel_tool_calls: Option<bool>,
    response_format: Option<ResponseFormat>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u32>,
    frequency_penalty: Option<f64>,
    presence_penalty: Option<f64>,
    seed: Option<i64>,
    logit_bias: Option<BTreeMap<String, f64>>,
    /// The older name of `max_completion_tokens`; not both with different values.
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    stop: Option<TextOrTexts>,
    /// How many answers.
    n: Option<u32>,
    logprobs: Option<bool>,
    top_logprobs: Option<u32>,
    reasoning_effort: Option<String>,
    reasoning: Option<Reasoning>,
    service_tier: Option<String>,
    user: Option<String>,
}

/// What a stream holds besides.
#[derive(ToSchema)]
struct StreamOptions {
    /// Whether it ends with a chunk of usage.
    include_usage: Option<bool>,
}

/// How much to think.
#[derive(ToSchema)]
struct Reasoning {
    effort: Option<String>,
    max_tokens: Option<u32>,
    summary: Option<String>,
}

/// One text, or several.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum TextOrTexts {
    One(String),
    Several(Vec<String>),
}

/// A message of a conversation.
#[derive(ToSchema)]
#[serde(tag = "role", rename_all = "lowercase")]
enum ChatMessage {
    /// Instructions.
    System(Said),
    /// Instructions.
    Developer(Said),
    /// The user's words.
    User(Said),
    /// The model's.
    Assistant(Answered),
    /// The result of a tool.
    Tool(ToolSaid),
    /// The same, older.
    Function(ToolSaid),
}

#[derive(ToSchema)]
struct Said {
    content: Option<MessageContent>,
    name: Option<String>,
}

#[derive(ToSchema)]
struct Answered {
    content: Option<MessageContent>,
    name: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CalledTool>>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    reasoning_details: Option<Vec<Value>>,
}

#[derive(ToSchema)]
struct ToolSaid {
    content: Option<MessageContent>,
    tool_call_id: Option<String>,
    name: Option<String>,
}

/// Text, or parts.
#[derive(ToSchema)]
#[serde(untagged)]
enum MessageContent {
    Text(String),
    Parts(Vec<ContentPart>),
}

/// A part of a message. Of other types are those that one provider has; they go on to it as they are.
#[derive(ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentPart {
    Text { text: String },
    ImageUrl { image_url: ImageAddress },
    InputAudio { input_audio: Sound },
    File { file: FileContent },
    Refusal { refusal: String },
}

/// Where a picture is, `data:` among others.
#[derive(ToSchema)]
struct ImageAddress {
    url: String,
    detail: Option<String>,
}

#[derive(ToSchema)]
struct Sound {
    /// Base64.
    data: String,
    /// `wav`, `mp3` …
    format: Option<String>,
}

/// A file: its bytes as a `data:` address.
#[derive(ToSchema)]
struct FileContent {
    file_data: String,
    filename: Option<String>,
}

/// A tool that a model may ask for.
#[derive(ToSchema)]
#[serde(untagged)]
enum ChatTool {
    Function(FunctionTool),
    Mcp(McpTool),
}

#[derive(ToSchema)]
struct FunctionTool {
    r#type: Option<FunctionMark>,
    function: Function,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum FunctionMark {
    Function,
}

#[derive(ToSchema)]
struct Function {
    name: String,
    description: Option<String>,
    /// A JSON schema.
    parameters: Option<Value>,
    strict: Option<bool>,
}

/// Tools of an MCP server of the configuration.
#[derive(ToSchema)]
pub(crate) struct McpTool {
    r#type: McpMark,
    /// The server's `name` in the configuration.
    server_label: String,
    /// Left out: all.
    allowed_tools: Option<Vec<String>>,
    require_approval: Option<Never>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum McpMark {
    Mcp,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum Never {
    Never,
}

/// Whether the model must or may ask for tools, and which.
#[derive(ToSchema)]
#[serde(untagged)]
enum ToolChoice {
    Word(ToolChoiceWord),
    /// One of the tools, or what one provider has.
    #[schema(value_type = Object)]
    Named(Value),
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum ToolChoiceWord {
    Auto,
    None,
    Required,
    Any,
}

/// The form of the answer. Other types go on to the provider as they are.
#[derive(ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: NamedSchema },
}

#[derive(ToSchema)]
struct NamedSchema {
    name: Option<String>,
    description: Option<String>,
    /// A JSON schema.
    schema: Option<Value>,
    strict: Option<bool>,
}

/// An answer.
#[derive(ToSchema)]
pub(crate) struct ChatCompletion {
    id: String,
    object: CompletionMark,
    /// Seconds since the epoch.
    created: i64,
    /// As it was asked for.
    model: String,
    choices: Vec<Choice>,
    usage: Option<ChatUsage>,
    /// What of the request was left out, and why.
    warnings: Option<Vec<Warning>>,
}

#[derive(ToSchema)]
enum CompletionMark {
    #[schema(rename = "chat.completion")]
    Completion,
}

#[derive(ToSchema)]
struct Choice {
    index: u32,
    message: AnswerMessage,
    #[schema(required)]
    logprobs: Option<Value>,
    finish_reason: String,
}

#[derive(ToSchema)]
struct AnswerMessage {
    role: AssistantMark,
    #[schema(required)]
    content: Option<String>,
    #[schema(required)]
    refusal: Option<String>,
    reasoning_content: Option<String>,
    tool_calls: Option<Vec<CalledTool>>,
    /// Citations (`file_citation` of dialogs, `url_citation` of providers).
    annotations: Option<Vec<Value>>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum AssistantMark {
    Assistant,
}

/// A tool that the model asks for.
#[derive(ToSchema)]
struct CalledTool {
    id: String,
    r#type: Option<FunctionMark>,
    function: CalledFunction,
}

#[derive(ToSchema)]
struct CalledFunction {
    name: String,
    /// JSON text, as the model wrote it.
    arguments: String,
}

/// What it took.
#[derive(ToSchema)]
struct ChatUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: Option<Value>,
    completion_tokens_details: Option<Value>,
    /// US dollars, where the provider says so.
    cost: Option<f64>,
}

/// Something that was done otherwise than asked.
#[derive(ToSchema)]
pub(crate) struct Warning {
    /// A stable name.
    code: String,
    /// The parameter.
    param: Option<String>,
    /// In one line.
    message: String,
}
