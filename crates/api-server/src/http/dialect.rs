//! [`Dialect`]: how an address tells its callers that it does nothing for them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Failure;
use super::failure::{AnthropicFailure, TOO_SLOW};
use super::problem::Problem;
use super::ragflow;

/// Whose words an address speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenAi,
    Anthropic,
    Native,
    Ragflow,
}

/// Why nothing is done, whatever the address does otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Unauthorized,
    /// Why.
    Forbidden(&'static str),
    OtherSite,
    NotFound,
    MethodNotAllowed,
    /// There is no place for it.
    Busy,
    /// Its body did not arrive in time.
    TooSlow,
    Internal,
}

impl Dialect {
    /// That of an address, which need not exist.
    pub(super) fn of(path: &str) -> Self {
        let is_below = |root: &str| {
            path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match path {
            _ if is_below("/v1/messages") => Self::Anthropic,
            _ if is_below("/api/v1") => Self::Ragflow,
            _ if is_below("/api") => Self::Native,
            _ => Self::OpenAi,
        }
    }

    /// What a caller is told who asked for `path`.
    pub(super) fn refuse(self, path: &str, why: Refused) -> Response {
        match self {
            Self::OpenAi => failure(why).into_response(),
            Self::Anthropic => AnthropicFailure::from(failure(why)).into_response(),
            Self::Native => problem(why).into_response(),
            Self::Ragflow => ragflow::refused(path, why),
        }
    }
}

fn failure(why: Refused) -> Failure {
    match why {
        Refused::Unauthorized => Failure::unauthorized(),
        Refused::Forbidden(reason) => Failure::forbidden(reason),
        Refused::OtherSite => Failure::other_site(),
        Refused::NotFound => Failure::not_found("there is nothing at this address"),
        Refused::MethodNotAllowed => Failure::method_not_allowed(),
        Refused::Busy => Failure::busy(),
        Refused::TooSlow => Failure::unreadable_body(StatusCode::REQUEST_TIMEOUT, TOO_SLOW),
        Refused::Internal => Failure::internal(),
    }
}

fn problem(why: Refused) -> Problem {
    match why {
        Refused::Unauthorized => Problem::unauthorized(),
        Refused::Forbidden(reason) => Problem::forbidden(reason),
        Refused::OtherSite => Problem::other_site(),
        Refused::NotFound => Problem::not_found("there is nothing at this address"),
        Refused::MethodNotAllowed => Problem::method_not_allowed(),
        Refused::Busy => Problem::busy("the server is busy; try again in a second"),
        Refused::TooSlow => Problem::too_slow(),
        Refused::Internal => Problem::failed(),
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;

    #[test]
    fn an_address_has_the_dialect_of_its_root() {
        for (path, dialect) in [
            ("/v1/messages", Dialect::Anthropic),
            ("/v1/messages/count_tokens", Dialect::Anthropic),
            ("/v1/messages_of_others", Dialect::OpenAi),
            ("/v1/models", Dialect::OpenAi),
            ("/api/v1", Dialect::Ragflow),
            ("/api/v1/chats", Dialect::Ragflow),
            ("/api/v2/chats", Dialect::Native),
            ("/api/nothing", Dialect::Native),
            ("/metrics", Dialect::OpenAi),
            ("/", Dialect::OpenAi),
        ] {
            assert_eq!(Dialect::of(path), dialect, "{path}");
        }
    }
}
