//! Whether a provider answers.

use std::time::{Duration, Instant};

use llm_bundle::Bundle;
use llm_core::{ChatRequest, ChatResponse, ErrorKind, Message, ModelError, Operation};

use crate::providers::Provider;
use crate::setup::first_chat_model;

/// Who has not answered by then is out of reach.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tokens of the answer: enough for a word, also with some reasoning before it.
const MOST_TOKENS: u32 = 64;

/// How a provider answered.
pub(crate) struct Trial {
    /// The model that answered, and what it said; or why none did.
    pub(crate) outcome: Result<(String, String), ModelError>,
    pub(crate) took: Duration,
}

/// Asks this model of a provider, else its default one, else the first that it lists, for one short answer.
pub(crate) async fn trial(bundle: &Bundle, provider: &Provider, model: Option<&str>) -> Trial {
    let began = Instant::now();
    let outcome = tokio::time::timeout(PATIENCE, ask(bundle, provider, model)).await;
    let outcome = outcome.unwrap_or_else(|_| {
        let message = format!("there was no answer within {} s", PATIENCE.as_secs());
        Err(ModelError::new(ErrorKind::Timeout, Operation::Chat, message).at(&provider.name, ""))
    });
    Trial { outcome, took: began.elapsed() }
}

async fn ask(
    bundle: &Bundle,
    provider: &Provider,
    model: Option<&str>,
) -> Result<(String, String), ModelError> {
    let name = match model {
        Some(model) => format!("{}/{model}", provider.name),
        None => first_chat_model(provider).await?,
    };
    let request = ChatRequest {
        max_output_tokens: Some(MOST_TOKENS),
        ..ChatRequest::new(vec![Message::user("Reply with the word: ready")])
    };
    let reply = bundle.chat_model(&name)?.chat(request).await?;
    let said = ChatResponse::collect(reply).await?.text();
    Ok((name, said))
}
