//! [`Wire`]: which wire format a request speaks, told from its path and headers.

use http::HeaderMap;
use serde_json::Value;

/// What a request asks for and in which wire format, as far as its address tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wire {
    /// `openai-chat`, `anthropic-messages` …; `unknown` where no row fits.
    pub(crate) format: String,
    /// `chat`, `embedding` …
    pub(crate) operation: &'static str,
    /// The path up to where the wire format's own part begins, without a slash at the end.
    pub(crate) base_path: String,
}

/// A wire format and the paths that it is spoken at.
struct Row {
    /// What the path ends with.
    ends: &'static str,
    format: &'static str,
    operation: &'static str,
    /// Where the format's own part of the path begins, if not with `ends`.
    own: &'static str,
}

const fn row(ends: &'static str, format: &'static str, operation: &'static str) -> Row {
    Row { ends, format, operation, own: ends }
}

const fn below(
    own: &'static str,
    ends: &'static str,
    format: &'static str,
    operation: &'static str,
) -> Row {
    Row { ends, format, operation, own }
}

/// The first that fits counts.
const ROWS: &[Row] = &[
    row("/chat/completions", "openai-chat", "chat"),
    row("/completions", "openai-completions", "completion"),
    row("/responses", "openai-responses", "chat"),
    row("/responses/compact", "openai-responses-compact", "chat"),
    row("/responses/input_tokens", "openai-responses-input-tokens", "count_tokens"),
    row("/api/embeddings", "ollama-embeddings", "embedding"),
    row("/embeddings", "openai-embeddings", "embedding"),
    row("/audio/speech", "openai-speech", "speech"),
    row("/audio/transcriptions", "openai-transcriptions", "transcription"),
    row("/audio/translations", "openai-transcriptions", "transcription"),
    row("/images/generations", "openai-images", "image"),
    row("/images/edits", "openai-images", "image"),
    row("/moderations", "openai-moderations", "moderation"),
    row("/messages", "anthropic-messages", "chat"),
    row("/messages/count_tokens", "anthropic-count-tokens", "count_tokens"),
    below("/publishers/", ":rawPredict", "anthropic-messages", "chat"),
    below("/publishers/", ":streamRawPredict", "anthropic-messages", "chat"),
    below("/publishers/", ":predict", "vertex-predict", "embedding"),
    below("/models/", ":generateContent", "gemini-generate", "chat"),
    below("/models/", ":streamGenerateContent", "gemini-generate", "chat"),
    below("/models/", ":embedContent", "gemini-embed", "embedding"),
    below("/models/", ":batchEmbedContents", "gemini-embed", "embedding"),
    below("/models/", ":countTokens", "gemini-count-tokens", "count_tokens"),
    below("/model/", "/converse", "bedrock-converse", "chat"),
    below("/model/", "/converse-stream", "bedrock-converse", "chat"),
    below("/model/", "/invoke", "bedrock-invoke", "chat"),
    below("/model/", "/invoke-with-response-stream", "bedrock-invoke", "chat"),
    row("/v2/chat", "cohere-v2-chat", "chat"),
    row("/v2/embed", "cohere-v2-embed", "embedding"),
    row("/v2/rerank", "cohere-v2-rerank", "rerank"),
    row("/api/chat", "ollama-chat", "chat"),
    row("/api/generate", "ollama-generate", "completion"),
    row("/api/embed", "ollama-embed", "embedding"),
    row("/api/tags", "ollama-tags", "models"),
    row("/rerank", "rerank", "rerank"),
    row("/models", "openai-models", "models"),
];

impl Wire {
    /// The wire format of a request to this path, which is escaped as it was sent and has no query.
    pub(crate) fn of(path: &str, headers: &HeaderMap) -> Self {
        let Some(row) = ROWS.iter().find(|row| path.ends_with(row.ends)) else {
            return Self {
                format: "unknown".into(),
                operation: "unknown",
                base_path: String::new(),
            };
        };
        let own = path.rfind(row.own).unwrap_or(path.len());
        // On Vertex AI models belong to publishers.
        let base_path = path.get(..own).unwrap_or_default();
        let base_path = base_path.split_once("/publishers/").map_or(base_path, |(base, _)| base);
        let base_path = base_path.to_owned();
        Self { format: format(row, path, headers), operation: operation(row, path), base_path }
    }
}

/// The row's format, more exactly where headers or the model tell.
fn format(row: &Row, path: &str, headers: &HeaderMap) -> String {
    match row.format {
        "openai-models" if headers.contains_key("anthropic-version") => "anthropic-models".into(),
        "openai-models" if headers.contains_key("x-goog-api-key") => "gemini-models".into(),
        "bedrock-invoke" => format!("bedrock-invoke:{}", family(path)),
        format => format.into(),
    }
}

/// The row's operation, except where one path serves several and the model tells which.
fn operation(row: &Row, path: &str) -> &'static str {
    match row.format {
        "bedrock-invoke" if path.contains("embed") => "embedding",
        "bedrock-invoke" if path.contains("rerank") => "rerank",
        _ => row.operation,
    }
}

/// Whose model a path names: `us.anthropic.claude-…` is one of `anthropic`.
fn family(path: &str) -> &'static str {
    const FAMILIES: [(&str, &str); 10] = [
        ("anthropic.", "anthropic"),
        ("amazon.titan-embed", "titan-embed"),
        ("amazon.titan", "titan"),
        ("amazon.nova", "nova"),
        ("cohere.embed", "cohere.embed"),
        ("cohere.", "cohere"),
        ("meta.llama", "llama"),
        ("mistral.", "mistral"),
        ("openai.", "openai"),
        ("ai21.", "ai21"),
    ];
    let found = FAMILIES.iter().find(|(part, _)| path.contains(part));
    found.map_or("other", |(_, family)| family)
}

/// The model that a request names in its body or its path.
pub(crate) fn model(path: &str, body: Option<&Value>) -> Option<String> {
    let in_body = body.and_then(|body| body.get("model")).and_then(Value::as_str);
    if let Some(model) = in_body {
        return Some(model.into());
    }
    let (_, rest) = path.split_once("/models/").or_else(|| path.split_once("/model/"))?;
    let model = rest.split('/').next()?;
    // A colon is part of Bedrock's names, and stands before the method in Gemini's.
    let is_method = |(_, method): &(&str, &str)| method.chars().all(char::is_alphabetic);
    let model = model.rsplit_once(':').filter(is_method).map_or(model, |(model, _)| model);
    Some(model.replace("%3A", ":").replace("%2F", "/"))
}

/// How a body is framed, told from its content type: `json`, `sse`, `ndjson`, `aws-eventstream`, `text`, `binary`,
/// `empty`.
pub(crate) fn framing(content_type: &str, body: &[u8]) -> &'static str {
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    match content_type.to_ascii_lowercase().as_str() {
        _ if body.is_empty() => "empty",
        "text/event-stream" => "sse",
        "application/x-ndjson" | "application/jsonl" | "application/stream+json" => "ndjson",
        "application/vnd.amazon.eventstream" => "aws-eventstream",
        "application/json" => "json",
        other if other.ends_with("+json") => "json",
        other if other.starts_with("text/") => "text",
        _ if std::str::from_utf8(body).is_ok() => "text",
        _ => "binary",
    }
}

/// What came back: the operation, `-stream` behind it where it was one, or `error`.
pub(crate) fn kind(operation: &str, status: u16, framing: &str) -> String {
    match framing {
        _ if status >= 400 => "error".into(),
        "sse" | "ndjson" | "aws-eventstream" => format!("{operation}-stream"),
        _ => operation.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_from_paths() {
        for (path, format, operation, base) in [
            ("/v1/chat/completions", "openai-chat", "chat", "/v1"),
            ("/openai/v1/responses", "openai-responses", "chat", "/openai/v1"),
            ("/v1/embeddings", "openai-embeddings", "embedding", "/v1"),
            ("/v1/messages", "anthropic-messages", "chat", "/v1"),
            (
                "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
                "gemini-generate",
                "chat",
                "/v1beta",
            ),
            (
                "/v1/projects/p/locations/l/publishers/google/models/m:generateContent",
                "gemini-generate",
                "chat",
                "/v1/projects/p/locations/l",
            ),
            ("/model/us.amazon.nova-lite-v1%3A0/converse-stream", "bedrock-converse", "chat", ""),
            ("/model/cohere.embed-v4%3A0/invoke", "bedrock-invoke:cohere.embed", "embedding", ""),
            ("/v2/chat", "cohere-v2-chat", "chat", ""),
            ("/api/chat", "ollama-chat", "chat", ""),
            ("/v1/rerank", "rerank", "rerank", "/v1"),
            ("/v9/surprise", "unknown", "unknown", ""),
        ] {
            let wire = Wire::of(path, &HeaderMap::new());
            let found = (wire.format.as_str(), wire.operation, wire.base_path.as_str());
            assert_eq!(found, (format, operation, base), "{path}");
        }
    }

    #[test]
    fn models_are_told_from_bodies_and_paths() {
        let body = serde_json::json!({ "model": "gpt-5" });
        assert_eq!(model("/v1/responses", Some(&body)).as_deref(), Some("gpt-5"));
        for (path, expected) in [
            ("/v1beta/models/gemini-2.5-pro:generateContent", Some("gemini-2.5-pro")),
            ("/model/us.amazon.nova-lite-v1%3A0/converse", Some("us.amazon.nova-lite-v1:0")),
            ("/v1/chat/completions", None),
        ] {
            assert_eq!(model(path, None).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn streams_are_told_from_content_types() {
        for (content_type, body, status, framed, expected) in [
            ("text/event-stream; charset=utf-8", "data: x", 200, "sse", "chat-stream"),
            ("application/json", "{}", 200, "json", "chat"),
            ("application/json", "{}", 429, "json", "error"),
            ("application/vnd.amazon.eventstream", "x", 200, "aws-eventstream", "chat-stream"),
            ("", "", 204, "empty", "chat"),
            ("", "x", 200, "text", "chat"),
        ] {
            let found = framing(content_type, body.as_bytes());
            assert_eq!(found, framed, "{content_type}");
            assert_eq!(kind("chat", status, found), expected, "{content_type}");
        }
    }
}
