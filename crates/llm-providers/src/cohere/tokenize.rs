//! [`Tokens`]: a text as a model's tokens (`POST /v1/tokenize`).

use http::HeaderMap;
use llm_core::{ErrorKind, ModelError, Operation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::provider::Shared;

/// A text cut into tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Tokens {
    /// Their numbers.
    #[serde(rename = "tokens")]
    pub ids: Vec<u32>,
    /// Their texts.
    #[serde(rename = "token_strings", default)]
    pub texts: Vec<String>,
}

pub(super) async fn ask(shared: &Shared, model: &str, text: &str) -> Result<Tokens, ModelError> {
    let operation = Operation::CountTokens;
    let body = Map::from_iter([
        ("model".to_owned(), Value::from(model)),
        ("text".to_owned(), Value::from(text)),
    ]);
    let response = shared.post(operation, "v1/tokenize", HeaderMap::new(), &body).await?;
    let body = shared.transport.read_body(operation, response).await?;
    serde_json::from_slice(&body).map_err(|error| {
        ModelError::new(ErrorKind::Malformed, operation, "these are no tokens").with_source(error)
    })
}
