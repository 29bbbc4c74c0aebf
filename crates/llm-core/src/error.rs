//! [`ModelError`]: the one way a model call fails.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use service_guards::{Judge, Rejection, RestCause, Retry, RetryHint, Verdict};

/// Any error, boxed.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What was being done when a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Operation {
    Chat,
    Embed,
    Rerank,
    Speak,
    Transcribe,
    Describe,
    CountTokens,
    ListModels,
    /// Something without a type here.
    Raw,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Chat => "chat",
            Operation::Embed => "embedding",
            Operation::Rerank => "rerank",
            Operation::Speak => "speech",
            Operation::Transcribe => "transcription",
            Operation::Describe => "vision",
            Operation::CountTokens => "token count",
            Operation::ListModels => "model list",
            Operation::Raw => "raw",
        })
    }
}

/// Why a call failed; decided where the status code was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key is missing, malformed or refused.
    Authentication,
    /// The key is known but may not do this.
    Permission,
    /// The model (or another resource named in the request) does not exist.
    NotFound,
    /// The request is malformed.
    InvalidRequest,
    /// The model does not take a parameter or kind of content of the request.
    Unsupported,
    /// The prompt does not fit the model's context.
    ContextLength,
    /// The provider's policy refused the prompt or the answer.
    ContentFilter,
    /// Too many requests or tokens for now.
    RateLimit,
    /// The account's quota or money is used up.
    Quota,
    /// The provider or our own queue is overloaded for now.
    Overloaded,
    /// The provider failed (5xx).
    Upstream,
    /// Something took too long: connecting, the first event, a gap, or the whole.
    Timeout,
    /// The connection could not be made, or broke.
    Connection,
    /// The answer could not be read: broken JSON, a stream without its end, bounds exceeded.
    Malformed,
    /// The call was cancelled by our side.
    Cancelled,
    /// A synchronous caller used the async world from a place where it must not wait.
    Misuse,
    /// Our own failure (a panic in a local model).
    Internal,
    /// None of the above is known to be true. Never retried.
    Unknown,
}

impl ErrorKind {
    /// A stable name for logs, metrics and wire codes.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Authentication => "authentication",
            ErrorKind::Permission => "permission",
            ErrorKind::NotFound => "not_found",
            ErrorKind::InvalidRequest => "invalid_request",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::ContextLength => "context_length",
            ErrorKind::ContentFilter => "content_filter",
            ErrorKind::RateLimit => "rate_limit",
            ErrorKind::Quota => "quota",
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::Upstream => "upstream",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Connection => "connection",
            ErrorKind::Malformed => "malformed",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Misuse => "misuse",
            ErrorKind::Internal => "internal",
            ErrorKind::Unknown => "unknown",
        }
    }

    /// What the kind says about the health of who was asked, when nothing more is known.
    fn verdict(self) -> Verdict {
        match self {
            ErrorKind::Overloaded
            | ErrorKind::Upstream
            | ErrorKind::Timeout
            | ErrorKind::Connection
            | ErrorKind::Malformed
            | ErrorKind::Authentication
            | ErrorKind::RateLimit
            | ErrorKind::Quota => Verdict::Failing,
            ErrorKind::Permission
            | ErrorKind::NotFound
            | ErrorKind::InvalidRequest
            | ErrorKind::Unsupported
            | ErrorKind::ContextLength
            | ErrorKind::ContentFilter => Verdict::Fine,
            ErrorKind::Cancelled | ErrorKind::Misuse | ErrorKind::Internal | ErrorKind::Unknown => {
                Verdict::Nothing
            }
        }
    }

    /// The hint that fits the kind when nothing more is known.
    fn default_retry(self) -> Retry {
        match self {
            ErrorKind::RateLimit
            | ErrorKind::Overloaded
            | ErrorKind::Upstream
            | ErrorKind::Timeout
            | ErrorKind::Connection => Retry::Now,
            ErrorKind::Quota | ErrorKind::Authentication | ErrorKind::Permission => {
                Retry::Exhausted
            }
            _ => Retry::No,
        }
    }
}

/// A failed model call: what was done, to which model, why it failed, and whether trying again can help.
///
/// `Display` is one line without the cause; the cause, if any, is [`source`](StdError::source). It never holds a
/// secret or a whole prompt. Boxed inside, so that a `Result` stays two words. A clone, for a further caller who waited for
/// the same call, shares the cause.
#[derive(Clone)]
pub struct ModelError(Box<Details>);

#[derive(Clone)]
struct Details {
    kind: ErrorKind,
    retry: Retry,
    is_refusal: bool,
    operation: Operation,
    provider: String,
    model: String,
    message: String,
    status: Option<u16>,
    code: Option<String>,
    param: Option<String>,
    request_id: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl ModelError {
    /// A failure of `operation`, with the retry hint that fits `kind`. `message` says what is wrong in one line.
    pub fn new(kind: ErrorKind, operation: Operation, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind,
            retry: kind.default_retry(),
            is_refusal: false,
            operation,
            provider: String::new(),
            model: String::new(),
            message: message.into(),
            status: None,
            code: None,
            param: None,
            request_id: None,
            source: None,
        }))
    }

    /// Names who failed.
    pub fn at(mut self, provider: impl Into<String>, model: impl Into<String>) -> Self {
        self.0.provider = provider.into();
        self.0.model = model.into();
        self
    }

    /// Names who failed unless that is known already.
    pub fn at_if_unknown(self, provider: &str, model: &str) -> Self {
        if self.0.provider.is_empty() { self.at(provider, model) } else { self }
    }

    /// Replaces the operation (for layers that learn it later than the error).
    pub fn during(mut self, operation: Operation) -> Self {
        self.0.operation = operation;
        self
    }

    /// Replaces the hint.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Marks it as the refusal of a guard of our own: nobody was asked, so it tells nothing of the provider.
    pub fn as_refusal(mut self) -> Self {
        self.0.is_refusal = true;
        self
    }

    /// Adds the HTTP status that the provider answered with.
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the provider's own code for the failure.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Adds the request's field at fault.
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// Adds the provider's id of the request.
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.0.request_id = Some(request_id.into());
        self
    }

    /// Adds the cause.
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Why it failed.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether a guard of our own refused the call before anybody was asked.
    pub fn is_refusal(&self) -> bool {
        self.0.is_refusal
    }

    /// What was being done.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// Who was asked; empty when the failure came before a provider was chosen.
    pub fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The model that was asked; may be empty.
    pub fn model(&self) -> &str {
        &self.0.model
    }

    /// What is wrong, without who and where.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status that the provider answered with.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The provider's own code.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The request's field at fault.
    pub fn param(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// The provider's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }
}

impl RetryHint for ModelError {
    fn retry(&self) -> Retry {
        self.0.retry
    }
}

impl Judge for ModelError {
    /// A refused key counts as a failure: nobody who asks with it is served.
    fn verdict(&self) -> Verdict {
        if self.is_refusal() {
            return Verdict::Nothing;
        }
        match (self.kind(), self.retry()) {
            (ErrorKind::RateLimit | ErrorKind::Quota, Retry::After(wait)) => {
                Verdict::Resting(Some(wait))
            }
            (ErrorKind::Quota, _) => Verdict::Resting(None),
            (kind, _) => kind.verdict(),
        }
    }
}

impl From<Rejection> for ModelError {
    fn from(rejection: Rejection) -> Self {
        let kind = match rejection {
            Rejection::Deadline { .. } | Rejection::FirstEvent { .. } | Rejection::Idle { .. } => {
                ErrorKind::Timeout
            }
            Rejection::Resting { cause: RestCause::Asked, .. } => ErrorKind::RateLimit,
            _ => ErrorKind::Overloaded,
        };
        let retry = match rejection {
            Rejection::Deadline { .. } | Rejection::Closed => Retry::No,
            Rejection::Resting { left, cause: RestCause::Asked } => Retry::After(left),
            Rejection::Resting { .. } | Rejection::QueueTimeout { .. } => Retry::Exhausted,
            _ => Retry::Now,
        };
        let is_limit = matches!(
            rejection,
            Rejection::Deadline { .. } | Rejection::FirstEvent { .. } | Rejection::Idle { .. }
        );
        let error = Self::new(kind, Operation::Chat, rejection.to_string()).with_retry(retry);
        if is_limit { error } else { error.as_refusal() }
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { operation, provider, model, message, .. } = &*self.0;
        match (provider.is_empty(), model.is_empty()) {
            (true, true) => write!(f, "{operation} request failed: {message}"),
            (false, true) => write!(f, "{operation} request to {provider} failed: {message}"),
            (true, false) => write!(f, "{operation} request to {model} failed: {message}"),
            _ => write!(f, "{operation} request to {provider}/{model} failed: {message}"),
        }
    }
}

impl fmt::Debug for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = &*self.0;
        f.debug_struct("ModelError")
            .field("kind", &details.kind)
            .field("retry", &details.retry)
            .field("operation", &details.operation)
            .field("provider", &details.provider)
            .field("model", &details.model)
            .field("message", &details.message)
            .field("status", &details.status)
            .field("code", &details.code)
            .field("param", &details.param)
            .field("request_id", &details.request_id)
            .field("source", &details.source)
            .finish()
    }
}

impl StdError for ModelError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn errors_say_how_the_provider_is() {
        let wait = Duration::from_secs(7);
        for (kind, retry, verdict) in [
            (ErrorKind::Upstream, Retry::Now, Verdict::Failing),
            (ErrorKind::Timeout, Retry::No, Verdict::Failing),
            (ErrorKind::Authentication, Retry::Exhausted, Verdict::Failing),
            (ErrorKind::RateLimit, Retry::Now, Verdict::Failing),
            (ErrorKind::RateLimit, Retry::After(wait), Verdict::Resting(Some(wait))),
            (ErrorKind::Quota, Retry::After(wait), Verdict::Resting(Some(wait))),
            (ErrorKind::Quota, Retry::Exhausted, Verdict::Resting(None)),
            (ErrorKind::ContextLength, Retry::No, Verdict::Fine),
            (ErrorKind::InvalidRequest, Retry::No, Verdict::Fine),
            (ErrorKind::Cancelled, Retry::No, Verdict::Nothing),
            (ErrorKind::Internal, Retry::No, Verdict::Nothing),
        ] {
            let error = ModelError::new(kind, Operation::Chat, "").with_retry(retry);
            assert_eq!(error.verdict(), verdict, "{kind:?} {retry:?}");
        }
    }

    #[test]
    fn refusals_of_guards_are_errors_with_a_hint() {
        let time = Duration::from_secs(7);
        let resting = |cause| Rejection::Resting { left: time, cause };
        for (rejection, kind, retry) in [
            (Rejection::Deadline { limit: time }, ErrorKind::Timeout, Retry::No),
            (Rejection::FirstEvent { limit: time }, ErrorKind::Timeout, Retry::Now),
            (Rejection::Busy { limit: 1 }, ErrorKind::Overloaded, Retry::Now),
            (Rejection::QueueTimeout { limit: time }, ErrorKind::Overloaded, Retry::Exhausted),
            (resting(RestCause::Failures), ErrorKind::Overloaded, Retry::Exhausted),
            (resting(RestCause::Asked), ErrorKind::RateLimit, Retry::After(time)),
        ] {
            let error = ModelError::from(rejection);
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{error}");
            let says_nothing = kind != ErrorKind::Timeout;
            assert_eq!(error.is_refusal(), says_nothing, "{error}");
            assert_eq!(error.verdict() == Verdict::Nothing, says_nothing, "{error}");
        }
    }
}
