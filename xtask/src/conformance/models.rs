//! Recordings of lists of models in OpenAI's form.

use anyhow::Result;
use llm_providers::OpenAi;
use serde_json::Value;
use testkit::conformance::{Outcome, compare_failure};
use testkit::{Chunking, Exchange, ReplayServer};

use super::compare_sent;

/// Whether an exchange asks for the list.
pub(super) fn covers(exchange: &Exchange) -> bool {
    exchange.wire == "openai-models"
        && exchange.request.method == "GET"
        && exchange.request.url.ends_with("/models")
}

/// Replays an exchange and tells how it differs from its recording.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let origin = server.add(exchange.clone(), Chunking::Random { longest: 700, seed: 1 });
    let path = exchange.request.url.splitn(4, '/').nth(3).unwrap_or_default();
    let base = format!("{origin}/{}", path.strip_suffix("models").unwrap_or(path));
    let provider = OpenAi::builder(&exchange.provider, base).api_key("sk-replay".into()).build()?;
    let mut differences = match provider.list_models().await {
        Ok(models) => {
            let found: Vec<String> = models.into_iter().map(|model| model.id).collect();
            let expected = recorded_names(exchange);
            if found == expected && !found.is_empty() {
                Vec::new()
            } else {
                vec![format!("models: {found:?}, not {expected:?}")]
            }
        }
        Err(error) if exchange.response.status >= 400 => {
            let outcome = Outcome { response: Default::default(), error: Some(error) };
            compare_failure(exchange, &outcome)
        }
        Err(error) => vec![format!("failed: {error:?}")],
    };
    differences.extend(compare_sent(server, exchange, &[], true, |body| body));
    Ok(differences)
}

fn recorded_names(exchange: &Exchange) -> Vec<String> {
    let body: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let list = body.get("data").unwrap_or(&body).as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|model| Some(model.get("id")?.as_str()?.to_owned())).collect()
}
