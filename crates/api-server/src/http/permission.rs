//! What a caller must be allowed to do for each address.

use accounts::Role;
use axum::http::Method;

use crate::caller::Caller;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Finds out, or changes, who the caller is.
    Own,
    /// Asks models, dialogs or datasets.
    Ask,
    /// Reads what there is.
    Read,
    /// Changes it.
    Write,
    /// Decides who may.
    Manage,
}

impl Permission {
    /// What this route does. Addresses that are not named here are read, or changed, by their method: a new one asks for
    /// enough by itself.
    pub(super) fn of(method: &Method, route: &str) -> Self {
        let begins = |beginnings: &[&str]| beginnings.iter().any(|it| under(route, it));
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if begins(&["/api/v2/auth", "/api/v1/auth", "/api/v1/users/me"]) {
            return Self::Own;
        }
        if begins(&MANAGED) {
            return Self::Manage;
        }
        if begins(&["/v1", "/mcp"]) || (!reads && begins(&ASKED)) || FOLLOWED.contains(&route) {
            return Self::Ask;
        }
        match reads {
            true => Self::Read,
            false => Self::Write,
        }
    }

    /// Whether the caller may; and if not, what is missing.
    pub(super) fn check(self, caller: &Caller) -> Result<(), &'static str> {
        let needed = match self {
            Self::Own | Self::Ask | Self::Read => Role::Reader,
            Self::Write => Role::Member,
            Self::Manage => Role::Admin,
        };
        if caller.role < needed {
            return Err(match needed {
                Role::Admin => "only admins of the tenant may do that",
                _ => "readers may ask and look; that needs the role of a member",
            });
        }
        if caller.is_scoped() && !matches!(self, Self::Own | Self::Ask) {
            return Err(
                "this key opens some models or datasets only, so it may ask, and do nothing else",
            );
        }
        Ok(())
    }
}

/// Where it is decided who may do what.
const MANAGED: [&str; 6] = [
    "/api/v2/keys",
    "/api/v2/people",
    "/api/v2/invitations",
    "/api/v2/providers",
    "/api/v1/system/tokens",
    "/api/v1/tenants/{tenant}",
];

/// Where something is sent only to ask.
const ASKED: [&str; 14] = [
    "/api/v2/search",
    "/api/v2/ask",
    "/api/v2/dialogs/{name}/turns",
    "/api/v2/dialogs/{name}/sessions",
    "/api/v2/sessions",
    "/api/v2/turns",
    "/api/v1/retrieval",
    "/api/v1/datasets/search",
    "/api/v1/chats/{chat}/completions",
    "/api/v1/chats/{chat}/sessions",
    "/api/v1/chat",
    "/api/v1/sessions",
    "/api/v1/openai",
    "/api/v1/chats_openai",
];

/// What is read to follow one's own question.
const FOLLOWED: [&str; 1] = ["/api/v2/turns/{id}/events"];

/// Whether the route is this address, or one under it.
fn under(route: &str, address: &str) -> bool {
    let rest = route.strip_prefix(address);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::Permission::{self, Ask, Manage, Own, Read, Write};

    #[test]
    fn routes_ask_for_what_they_do() {
        let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
        for (method, route, needed) in [
            (&get, "/v1/models", Ask),
            (&post, "/v1/chat/completions", Ask),
            (&post, "/api/v2/search", Ask),
            (&get, "/api/v2/sessions", Read),
            (&get, "/api/v2/turns/{id}", Read),
            (&get, "/api/v2/turns/{id}/events", Ask),
            (&delete, "/api/v2/turns/{id}", Ask),
            (&get, "/api/v2/datasets", Read),
            (&post, "/api/v2/datasets", Write),
            (&delete, "/api/v1/chats", Write),
            (&post, "/api/v1/chats/{chat}/completions", Ask),
            (&post, "/api/v2/searches", Write),
            (&get, "/api/v2/keys", Manage),
            (&delete, "/api/v2/people/{id}", Manage),
            (&post, "/api/v2/auth/logout", Own),
            (&post, "/an/address/to/come", Write),
        ] {
            assert_eq!(Permission::of(method, route), needed, "{method} {route}");
        }
    }
}
