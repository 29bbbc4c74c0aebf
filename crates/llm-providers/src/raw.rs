//! [`RawRequest`]: the door to everything of a provider that has no type here (files, batches, moderations, pictures …).
//!
//! A raw call goes through the client's own connections with its own credentials, is bounded as every other, and fails
//! with the dialect's errors; what is inside is the caller's affair.
//!
//! ```no_run
//! use llm_providers::{OpenAi, RawRequest};
//! use serde_json::json;
//!
//! # async fn example(openai: OpenAi) -> Result<(), Box<dyn std::error::Error>> {
//! let body = json!({ "model": "omni-moderation-latest", "input": "hello" });
//! let answer = openai.raw(RawRequest::post("moderations").json(body)).await?;
//! println!("{}", answer.json()?["results"][0]["flagged"]);
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::form::Form;

/// A request in the provider's own terms.
#[derive(Clone, Debug, PartialEq)]
pub struct RawRequest {
    /// HTTP method.
    pub method: Method,
    /// Where: below the client's base URL, or, when it begins with a slash, below the same host. What stands behind `?` is
    /// sent as it is. Segments that climb (`..`) are refused.
    pub path: String,
    /// Names and values, to be encoded into the URL.
    pub query: Vec<(String, String)>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// What is sent.
    pub body: RawBody,
}

/// What a [`RawRequest`] sends.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RawBody {
    /// Nothing.
    #[default]
    Empty,
    /// JSON.
    Json(Value),
    /// A form of several parts.
    Form(Form),
    /// Bytes as they are.
    Bytes {
        /// Their MIME type.
        media_type: String,
        /// The bytes.
        data: Bytes,
    },
}

/// A successful answer in the provider's own terms.
#[derive(Clone, Debug, PartialEq)]
pub struct RawResponse {
    /// HTTP status, 200 to 299.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body, at most [`TransportOptions::max_body_bytes`](crate::TransportOptions::max_body_bytes).
    pub body: Bytes,
}

impl RawRequest {
    /// A request without a body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: BTreeMap::new(),
            body: RawBody::Empty,
        }
    }

    /// Asks for something.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Sends something; the body is still empty.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// Adds a parameter to the URL.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Sends JSON.
    pub fn json(mut self, body: Value) -> Self {
        self.body = RawBody::Json(body);
        self
    }

    /// Sends a form.
    pub fn form(mut self, form: Form) -> Self {
        self.body = RawBody::Form(form);
        self
    }

    /// Sends bytes as they are.
    pub fn bytes(mut self, media_type: impl Into<String>, data: impl Into<Bytes>) -> Self {
        self.body = RawBody::Bytes { media_type: media_type.into(), data: data.into() };
        self
    }
}

impl RawResponse {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}
