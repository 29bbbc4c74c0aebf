//! Chats, and questions to them.

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::chunks::{DocumentCount, FoundChunk};
use super::{MetadataConditions, TextOrTexts};

/// A chat that is to be, or what of one is to be another, in either form that clients use.
#[derive(ToSchema)]
#[schema(as = RagflowChatChange, example = json!({ "name": "Tea" }))]
pub(in super::super) struct ChatChange {
    /// 1 to 128 bytes, without a slash.
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    description: Option<String>,
    icon: Option<String>,
    avatar: Option<String>,
    /// Datasets that hold something.
    dataset_ids: Option<Vec<String>>,
    /// `model@provider`.
    #[schema(max_length = 255)]
    llm_id: Option<String>,
    llm_setting: Option<Sampling>,
    llm: Option<Sampling>,
    prompt_config: Option<PromptConfig>,
    prompt: Option<Prompt>,
    #[schema(minimum = 0, maximum = 1)]
    similarity_threshold: Option<f64>,
    #[schema(minimum = 0, maximum = 1)]
    vector_similarity_weight: Option<f64>,
    #[schema(minimum = 1, maximum = 256)]
    top_n: Option<u32>,
    #[schema(minimum = 1)]
    top_k: Option<u32>,
    #[schema(max_length = 255)]
    rerank_id: Option<String>,
}

/// How the model chooses tokens.
#[derive(ToSchema)]
#[schema(as = RagflowSampling)]
struct Sampling {
    #[schema(max_length = 255)]
    model_name: Option<String>,
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f64>,
    #[schema(minimum = 0, maximum = 1)]
    top_p: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    presence_penalty: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    frequency_penalty: Option<f64>,
    max_tokens: Option<u32>,
}

/// How it answers, in the newer form.
#[derive(ToSchema)]
#[schema(as = RagflowPromptConfig)]
struct PromptConfig {
    /// With `{knowledge}` where passages stand, and `{NAME}` for parameters.
    system: Option<String>,
    parameters: Option<Vec<Variable>>,
    prologue: Option<String>,
    empty_response: Option<String>,
    quote: Option<bool>,
    keyword: Option<bool>,
    refine_multiturn: Option<bool>,
    cross_languages: Option<Vec<String>>,
}

/// How it answers, in the older form.
#[derive(ToSchema)]
#[schema(as = RagflowPrompt)]
struct Prompt {
    prompt: Option<String>,
    variables: Option<Vec<Variable>>,
    opener: Option<String>,
    empty_response: Option<String>,
    show_quote: Option<bool>,
    #[schema(minimum = 0, maximum = 1)]
    similarity_threshold: Option<f64>,
    #[schema(minimum = 0, maximum = 1)]
    keywords_similarity_weight: Option<f64>,
    #[schema(minimum = 1, maximum = 256)]
    top_n: Option<u32>,
    #[schema(minimum = 1)]
    top_k: Option<u32>,
    #[schema(max_length = 255)]
    rerank_model: Option<String>,
}

/// A name in a prompt that a question gives a value.
#[derive(ToSchema)]
#[schema(as = RagflowVariable)]
struct Variable {
    key: String,
    optional: Option<bool>,
}

/// A chat, in both forms.
#[derive(ToSchema)]
#[schema(as = RagflowChat)]
pub(in super::super) struct Chat {
    id: String,
    name: String,
    description: String,
    icon: String,
    avatar: String,
    language: String,
    dataset_ids: Vec<String>,
    datasets: Vec<Searched>,
    #[schema(required)]
    llm_id: Option<String>,
    #[schema(value_type = Object)]
    llm_setting: Value,
    #[schema(value_type = Object)]
    llm: Value,
    prompt_type: String,
    #[schema(value_type = Object)]
    prompt_config: Value,
    #[schema(value_type = Object)]
    prompt: Value,
    similarity_threshold: f64,
    vector_similarity_weight: f64,
    top_n: u64,
    top_k: i64,
    rerank_id: String,
    do_refer: String,
    status: String,
    create_time: i64,
    create_date: String,
    update_time: i64,
    update_date: String,
}

#[derive(ToSchema)]
struct Searched {
    id: String,
    name: String,
}

/// A page of chats: as the newer clients read it, or the older ones.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = RagflowChats)]
pub(in super::super) enum Chats {
    Page(ChatPage),
    List(Vec<Chat>),
}

/// A page of chats.
#[derive(ToSchema)]
#[schema(as = RagflowChatPage)]
pub(in super::super) struct ChatPage {
    chats: Vec<Chat>,
    total: u64,
}

/// A question. Values of the chat's parameters stand beside, by their names.
#[derive(ToSchema)]
#[schema(as = RagflowQuestion, example = json!({
    "chat_id": "0198f0c2a1b97c5e8a6f4d2b1c3e5f70",
    "question": "How hot is water for green tea?",
    "stream": false
}))]
pub(in super::super) struct Question {
    /// The chat, at the addresses that do not name it.
    chat_id: Option<String>,
    /// Left out with `messages`: the last of these. Left out with both: the chat opens a session.
    question: Option<String>,
    #[schema(value_type = Option<Vec<Object>>)]
    messages: Option<Vec<Value>>,
    session_id: Option<String>,
    /// Whether to give the answer as it comes; left out: yes.
    stream: Option<bool>,
    /// Whether each event holds all of the text so far.
    legacy: Option<bool>,
    /// Whether citations are shown.
    quote: Option<bool>,
    #[schema(max_length = 255)]
    llm_id: Option<String>,
    doc_ids: Option<TextOrTexts>,
    metadata_condition: Option<MetadataConditions>,
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f64>,
    #[schema(minimum = 0, maximum = 1)]
    top_p: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    frequency_penalty: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    presence_penalty: Option<f64>,
    #[schema(minimum = 1)]
    max_tokens: Option<u32>,
}

/// An answer.
#[derive(ToSchema)]
#[schema(as = RagflowChatAnswer)]
pub(in super::super) struct ChatAnswer {
    answer: String,
    reference: Reference,
    #[schema(required)]
    id: Option<String>,
    session_id: String,
    chat_id: Option<String>,
    created_at: Option<f64>,
    r#final: Option<bool>,
}

/// What the answer refers to.
#[derive(ToSchema)]
#[schema(as = RagflowReference)]
struct Reference {
    total: Option<u64>,
    chunks: Option<Vec<FoundChunk>>,
    doc_aggs: Option<Vec<DocumentCount>>,
}

/// A conversation with a chat, in the shape of OpenAI's chat completions.
#[derive(ToSchema)]
#[schema(as = RagflowCompletionRequest, example = json!({
    "model": "model",
    "messages": [{ "role": "user", "content": "How hot is water for green tea?" }],
    "stream": false
}))]
pub(in super::super) struct CompletionRequest {
    /// A name that leads nowhere means the chat's own model.
    model: String,
    #[schema(min_items = 1)]
    messages: Vec<CompletionMessage>,
    stream: Option<bool>,
    /// Whether to tell what the answer refers to.
    reference: Option<bool>,
    extra_body: Option<ExtraBody>,
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f64>,
    #[schema(minimum = 0, maximum = 1)]
    top_p: Option<f64>,
    #[schema(minimum = 1)]
    max_tokens: Option<u32>,
}

#[derive(ToSchema)]
struct CompletionMessage {
    #[schema(inline)]
    role: CompletionRole,
    content: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum CompletionRole {
    System,
    User,
    Assistant,
}

#[derive(ToSchema)]
struct ExtraBody {
    reference: Option<bool>,
    metadata_condition: Option<MetadataConditions>,
}

/// An answer in the shape of OpenAI's chat completions; or why there is none.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = RagflowCompletionAnswer)]
pub(in super::super) enum CompletionAnswer {
    Completion(Completion),
    Refusal(crate::http::schemas::refusals::RagflowRefusal),
}

/// An answer in the shape of OpenAI's chat completions.
#[derive(ToSchema)]
#[schema(as = RagflowCompletion)]
pub(in super::super) struct Completion {
    id: String,
    object: String,
    created: u64,
    model: String,
    #[schema(value_type = Vec<Object>)]
    choices: Vec<Value>,
    #[schema(value_type = Object)]
    usage: Value,
}

/// What to ask around.
#[derive(ToSchema)]
#[schema(as = RagflowRelatedRequest)]
pub(in super::super) struct RelatedRequest {
    #[schema(min_length = 1, max_length = 4096)]
    question: String,
}

/// Which chats.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct ChatQuery {
    /// Only the one of this id.
    id: Option<String>,
    /// Only the one of this name.
    name: Option<String>,
}
