//! Which headers and parts of a query are kept, and which are secrets.

/// Request headers that are kept: they change what is answered.
const IN_REQUESTS: &[&str] = &[
    "accept",
    "anthropic-beta",
    "anthropic-version",
    "content-type",
    "http-referer",
    "openai-beta",
    "x-goog-api-client",
    "x-title",
];

/// Beginnings of further ones.
const IN_REQUESTS_FROM: &[&str] = &["x-amzn-bedrock-"];

/// Request headers that authorize.
const AUTHORIZATION: &[&str] = &[
    "api-key",
    "authorization",
    "ocp-apim-subscription-key",
    "proxy-authorization",
    "x-amz-security-token",
    "x-api-key",
    "x-goog-api-key",
];

/// Response headers that are kept.
const IN_RESPONSES: &[&str] = &[
    "apim-request-id",
    "cache-control",
    "content-type",
    "inference-id",
    "mistral-correlation-id",
    "openai-model",
    "openai-processing-ms",
    "openai-version",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "server",
    "server-timing",
    "via",
    "www-authenticate",
    "x-api-warning",
    "x-generation-id",
    "x-groq-region",
    "x-inference-provider",
    "x-request-id",
    "x-should-retry",
];

/// Beginnings of further ones.
const IN_RESPONSES_FROM: &[&str] =
    &["anthropic-ratelimit-", "ratelimit", "x-amzn-", "x-metrics-", "x-ms-", "x-ratelimit-"];

/// A header whose name holds one of these has a secret for its value.
const TELLS_OF_A_SECRET: &[&str] =
    &["auth", "cookie", "credential", "key", "password", "secret", "signature", "token"];

/// Parts of a query that are keys.
const QUERY_KEYS: &[&str] = &[
    "access_token",
    "api-key",
    "api_key",
    "apikey",
    "auth",
    "client_secret",
    "key",
    "password",
    "sig",
    "signature",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
];

pub(super) fn in_requests(name: &str) -> bool {
    is_one_of(name, IN_REQUESTS, IN_REQUESTS_FROM)
}

pub(super) fn in_responses(name: &str) -> bool {
    is_one_of(name, IN_RESPONSES, IN_RESPONSES_FROM)
}

pub(super) fn is_authorization(name: &str) -> bool {
    AUTHORIZATION.contains(&name)
}

pub(super) fn is_secret(name: &str) -> bool {
    TELLS_OF_A_SECRET.iter().any(|part| name.contains(part))
}

pub(super) fn is_query_key(name: &str) -> bool {
    QUERY_KEYS.iter().any(|key| key.eq_ignore_ascii_case(name))
}

fn is_one_of(name: &str, names: &[&str], beginnings: &[&str]) -> bool {
    names.contains(&name) || beginnings.iter().any(|beginning| name.starts_with(beginning))
}
