//! Bodies of `/v1/responses`. Fields, items and parts that are not named here are taken, too, and go on to the provider.

use serde_json::Value;
use utoipa::ToSchema;

use super::chat::{McpTool, Warning};

/// A question to a model or dialog.
#[derive(ToSchema)]
#[schema(example = json!({ "model": "dialog/default", "input": "How do I set a provider's key?" }))]
pub(crate) struct ResponseRequest {
    /// `provider/model`, a name of the configuration, or `dialog/NAME`.
    model: String,
    input: Input,
    instructions: Option<String>,
    stream: Option<bool>,
    tools: Option<Vec<ResponseTool>>,
    tool_choice: Option<ResponseToolChoice>,
    parallel_tool_calls: Option<bool>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    max_output_tokens: Option<u32>,
    top_logprobs: Option<u32>,
    include: Option<Vec<Value>>,
    reasoning: Option<ResponseReasoning>,
    text: Option<TextOptions>,
    /// Is told again in the answer.
    metadata: Option<Value>,
    service_tier: Option<String>,
    user: Option<String>,
}

/// Text, or items.
#[derive(ToSchema)]
#[serde(untagged)]
enum Input {
    Text(String),
    Items(Vec<InputItem>),
}

/// What was said, called or answered so far.
#[derive(ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum InputItem {
    Message { role: Speaker, content: InputContent },
    FunctionCall { call_id: String, name: String, arguments: Option<String> },
    FunctionCallOutput { call_id: String, output: Option<InputContent> },
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum Speaker {
    User,
    Assistant,
    System,
    Developer,
}

#[derive(ToSchema)]
#[serde(untagged)]
enum InputContent {
    Text(String),
    Parts(Vec<InputPart>),
}

#[derive(ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum InputPart {
    InputText { text: String },
    OutputText { text: String },
    Refusal { refusal: String },
    InputImage { image_url: String, detail: Option<String> },
    InputFile { file_data: String, filename: Option<String> },
}

#[derive(ToSchema)]
#[serde(untagged)]
enum ResponseTool {
    Function(ResponseFunction),
    Mcp(McpTool),
}

#[derive(ToSchema)]
struct ResponseFunction {
    r#type: ResponseFunctionMark,
    name: String,
    description: Option<String>,
    /// A JSON schema.
    parameters: Option<Value>,
    strict: Option<bool>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum ResponseFunctionMark {
    Function,
}

#[derive(ToSchema)]
#[serde(untagged)]
enum ResponseToolChoice {
    Word(ResponseToolWord),
    #[schema(value_type = Object)]
    Named(Value),
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
enum ResponseToolWord {
    Auto,
    None,
    Required,
}

#[derive(ToSchema)]
struct ResponseReasoning {
    effort: Option<String>,
    summary: Option<String>,
}

#[derive(ToSchema)]
struct TextOptions {
    format: Option<TextFormat>,
    verbosity: Option<Value>,
}

#[derive(ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum TextFormat {
    Text,
    JsonObject,
    JsonSchema {
        name: String,
        description: Option<String>,
        schema: Option<Value>,
        strict: Option<bool>,
    },
}

/// An answer. It also repeats what the request said.
#[derive(ToSchema)]
pub(crate) struct ModelResponse {
    id: String,
    object: ResponseMark,
    /// Seconds since the epoch.
    created_at: i64,
    #[schema(inline)]
    status: ResponseStatus,
    #[schema(required)]
    error: Option<Value>,
    #[schema(required)]
    incomplete_details: Option<Value>,
    /// As it was asked for.
    model: String,
    /// What the model said: items of type `message`, `reasoning`, `function_call` …
    #[schema(value_type = Vec<Object>)]
    output: Vec<Value>,
    #[schema(required)]
    usage: Option<ResponseUsage>,
    /// What of the request was left out, and why.
    warnings: Option<Vec<Warning>>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ResponseMark {
    Response,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ResponseStatus {
    Completed,
    Incomplete,
    Failed,
}

#[derive(ToSchema)]
struct ResponseUsage {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    #[schema(value_type = Object)]
    input_tokens_details: Value,
    #[schema(value_type = Object)]
    output_tokens_details: Value,
}
