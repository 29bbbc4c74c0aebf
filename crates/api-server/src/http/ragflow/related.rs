//! Questions that could be asked next.

use axum::http::HeaderMap;
use llm_core::{ChatRequest, ChatResponse, Message};

use super::envelope::{Refusal, Reply, data};
use super::fields::{Body, Fields};
use super::schemas::ListAnswer;
use super::schemas::chats::RelatedRequest;
use crate::app::App;

/// Questions that are given, at most.
const MOST: usize = 10;
/// The longest question that is asked about, in characters.
const MOST_QUESTION: usize = 4_096;

const PROMPT: &str = "Somebody searched for the question below. Write five to ten other questions that \
they might want to ask next, in the language of the question, one a line, without numbers and without anything else.\n\n";

/// Asks the default chat model.
#[utoipa::path(
    post,
    path = "/api/v1/chat/recommendation",
    request_body = RelatedRequest,
    responses((status = 200, description = "What was asked for", body = ListAnswer<String>)),
)]
pub(super) async fn questions(app: App, headers: HeaderMap, Body(body): Body) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let question = fields.text("question", 1..=MOST_QUESTION);
    fields.finish()?;
    let question =
        question.ok_or_else(|| Refusal::argument("required argument are missing: question; "))?;
    let model = app.chat_model(None).await?;
    if model.info().capabilities.instructions == Some(false) {
        let message = "the default chat model only quotes; name another one with `defaults.chat`";
        return Err(Refusal::data(message));
    }
    let request = ChatRequest::new(vec![Message::user(format!("{PROMPT}{question}"))]);
    let reply = ChatResponse::collect(model.chat(request).await?).await?.text();
    data(listed(&reply))
}

/// The lines of a reply without what models put before them.
fn listed(reply: &str) -> Vec<String> {
    let lines = reply.lines().map(|line| {
        let line = line.trim().trim_start_matches(|c: char| c.is_ascii_digit());
        line.trim_start_matches(['.', ')', '-', '*', '•', ' ']).trim()
    });
    lines.filter(|line| !line.is_empty()).take(MOST).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_however_they_are_numbered() {
        let expected = ["How hot?", "How long?", "Why?"];
        assert_eq!(listed("1. How hot?\n2) How long?\n\n- Why?\n"), expected);
    }
}
