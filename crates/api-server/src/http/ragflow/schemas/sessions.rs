//! Sessions of chats.

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// A session that is to be, or its other name.
#[derive(ToSchema)]
#[schema(as = RagflowSessionName, example = json!({ "name": "Tea" }))]
pub(in super::super) struct SessionName {
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
}

/// A session with its messages.
#[derive(ToSchema)]
#[schema(as = RagflowSession)]
pub(in super::super) struct Session {
    id: String,
    chat_id: String,
    name: String,
    messages: Vec<Message>,
    user_id: String,
    create_time: i64,
    create_date: String,
    update_time: i64,
    update_date: String,
}

/// What one of both said.
#[derive(ToSchema)]
#[schema(as = RagflowMessage)]
struct Message {
    /// The turn; not there for what a chat opens with.
    id: Option<String>,
    role: String,
    content: String,
    /// Seconds since the epoch.
    created_at: Option<f64>,
    /// Chunks that it refers to.
    #[schema(value_type = Option<Vec<Object>>)]
    reference: Option<Vec<Value>>,
    thumbup: Option<bool>,
    feedback: Option<String>,
}

/// What is thought of an answer; without `thumbup` it is taken back.
#[derive(ToSchema)]
#[schema(as = RagflowFeedback, example = json!({ "thumbup": true }))]
pub(in super::super) struct Judgement {
    thumbup: Option<bool>,
    #[schema(max_length = 8192)]
    feedback: Option<String>,
}

/// Which sessions.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct SessionQuery {
    /// Only the one of this id.
    id: Option<String>,
    /// Only those of this name.
    name: Option<String>,
}
