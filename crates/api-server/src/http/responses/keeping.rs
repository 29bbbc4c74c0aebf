//! [`Keeping`]: what is kept of a response, before its last word is said.

use std::sync::Arc;

use response_store::StoredResponse;
use serde_json::{Value, json};

use crate::app::App;
use crate::causes_line;

/// A response that shall be kept when it is whole.
pub(super) struct Keeping {
    pub(super) app: App,
    pub(super) id: String,
    pub(super) previous: Option<String>,
    pub(super) input: Vec<Value>,
}

impl Keeping {
    /// Keeps the response object, unless it tells of a failure, and gives it back. One that is not kept says so: its `store`
    /// is false, and a warning tells why it could not be.
    pub(super) async fn keep(self, mut body: Value) -> Value {
        if body["status"] == "failed" {
            body["store"] = false.into();
            return body;
        }
        let Self { app, id, previous, input } = self;
        let body = Arc::new(body);
        let written = body.clone();
        let made_by = app.caller().key_id();
        let response = move || StoredResponse {
            id,
            made_by,
            previous,
            input: Value::Array(input).to_string(),
            body: written.to_string(),
        };
        let kept = app.responses.keep(app.tenant(), response).await;
        let body = Arc::unwrap_or_clone(body);
        match kept {
            Ok(()) => body,
            Err(error) => {
                tracing::warn!(error = causes_line(&error), "a response was not kept");
                not_kept(body, &error.to_string())
            }
        }
    }
}

fn not_kept(mut body: Value, reason: &str) -> Value {
    body["store"] = false.into();
    let warning = json!({
        "code": "not_stored", "param": "store",
        "message": format!("the response was not kept: {reason}"),
    });
    match body.get_mut("warnings").and_then(Value::as_array_mut) {
        Some(warnings) => warnings.push(warning),
        None => body["warnings"] = json!([warning]),
    }
    body
}
