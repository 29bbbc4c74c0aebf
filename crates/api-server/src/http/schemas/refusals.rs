//! What callers are told when something is refused or fails, in each dialect.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// A failure in OpenAI's dialect.
#[derive(ToSchema)]
pub(crate) struct OpenAiError {
    #[schema(inline)]
    error: OpenAiErrorDetails,
}

/// What is wrong.
#[derive(ToSchema)]
struct OpenAiErrorDetails {
    /// In one line.
    message: String,
    /// `invalid_request_error`, `rate_limit_error`, `api_error` …
    r#type: String,
    /// The field at fault.
    #[schema(required)]
    param: Option<String>,
    /// A stable name of the reason.
    #[schema(required)]
    code: Option<Value>,
    /// What the model's provider said.
    #[schema(inline)]
    upstream: Option<Upstream>,
}

/// The provider's side of a failure.
#[derive(ToSchema)]
struct Upstream {
    provider: Option<String>,
    status: Option<u16>,
    request_id: Option<String>,
}

/// A failure in Anthropic's dialect.
#[derive(ToSchema)]
pub(crate) struct AnthropicError {
    #[schema(inline)]
    r#type: ErrorMark,
    #[schema(inline)]
    error: AnthropicErrorDetails,
    /// The provider's id of the request.
    request_id: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ErrorMark {
    Error,
}

/// What is wrong.
#[derive(ToSchema)]
struct AnthropicErrorDetails {
    /// `invalid_request_error`, `rate_limit_error`, `api_error` …
    r#type: String,
    /// In one line.
    message: String,
    /// A stable name of the reason.
    code: Option<String>,
    /// The field at fault.
    param: Option<String>,
}

/// A problem, as RFC 9457 has it.
#[derive(ToSchema)]
pub(crate) struct Problem {
    r#type: String,
    /// The status in words.
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, in one line that names the parameter.
    detail: String,
}

/// A refusal in RAGFlow's dialect. Most come with the status 200: clients of this dialect read the code.
#[derive(ToSchema)]
pub(crate) struct RagflowRefusal {
    /// 100: a failure of the server, or a method that the address does not have. 101: the request says something that it
    /// cannot say. 102: what it names is not there, or not as it must be. Others are HTTP's.
    #[schema(minimum = 100, maximum = 599)]
    code: u16,
    /// What is wrong, in one line for each field.
    message: String,
    /// Nothing, where it is there.
    data: Option<Value>,
    /// The status in words.
    error: Option<String>,
}

fn refusals(form: &str, name: &str, statuses: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let response = |(status, why): &(u16, &str)| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).build();
        let response = ResponseBuilder::new().description(*why).content(form, content).build();
        (status.to_string(), response.into())
    };
    statuses.iter().map(response).collect()
}

/// Declares what may come besides the answer.
macro_rules! refused {
    ($($(#[$doc:meta])* $name:ident = $form:literal $schema:literal [$($status:literal $why:literal),+];)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                refusals($form, $schema, &[$(($status, $why)),+])
            }
        }
    )+};
}

refused! {
    /// Of a model that is asked in OpenAI's dialect.
    ModelFailures = "application/json" "OpenAiError" [
        400 "The request says something that it cannot say, or the model does not take it",
        401 "No key, or none that opens the server; or the provider takes the server's no more",
        403 "The request is of a page of another site; or the provider forbids it",
        404 "There is no such model",
        413 "The body is too large",
        429 "A limit is reached, or the money is spent; `retry-after` says when to come back",
        499 "The call was cancelled",
        502 "The provider failed, or cannot be reached",
        503 "The provider or the server is overloaded",
        504 "The provider took too long"
    ];
    /// Of a model that is asked in Anthropic's dialect.
    MessageFailures = "application/json" "AnthropicError" [
        400 "The request says something that it cannot say, or the model does not take it",
        401 "No key, or none that opens the server; or the provider takes the server's no more",
        402 "The money is spent",
        403 "The request is of a page of another site; or the provider forbids it",
        404 "There is no such model",
        413 "The body is too large",
        429 "A limit is reached; `retry-after` says when to come back",
        499 "The call was cancelled",
        502 "The provider failed, or cannot be reached",
        504 "The provider took too long",
        529 "The provider is overloaded"
    ];
    /// Of a model that a native operation asks.
    Failures = "application/problem+json" "Problem" [
        401 "No key, or none that opens the server; or the provider takes the server's no more",
        403 "The request is of a page of another site; or the provider forbids it",
        404 "What the request names does not exist",
        429 "A limit is reached, or the money is spent; `retry-after` says when to come back",
        499 "The call was cancelled",
        502 "The provider failed, or cannot be reached",
        503 "The provider or the server is overloaded",
        504 "The provider took too long"
    ];
    /// The request says something that it cannot say.
    Invalid = "application/problem+json" "Problem" [
        400 "The request says something that it cannot say; `detail` names the parameter"
    ];
    /// What the request names is not there.
    Missing = "application/problem+json" "Problem" [404 "What the request names does not exist"];
    /// Something stands in the way.
    Conflict = "application/problem+json" "Problem" [409 "Something that is there stands in the way"];
    /// The password is not that of the address.
    WrongPassword = "application/problem+json" "Problem" [
        401 "The password is not that of the address; or no key opens the server",
        403 "The person belongs to no tenant; or may not do that",
        429 "Too many wrong passwords; `retry-after` says when to come back"
    ];
    /// There are no accounts, or they stand in the way.
    NoAccounts = "application/problem+json" "Problem" [
        409 "The server asks nobody who they are, or something that is there stands in the way"
    ];
    /// It was there.
    Gone = "application/problem+json" "Problem" [410 "It was there, and is not kept any more"];
}
