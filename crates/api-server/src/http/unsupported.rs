//! Parameters that a model does not take: what to do with them, and how the caller hears of what was done.

use axum::http::{HeaderMap, HeaderValue};
use llm_core::{Unsupported, Warning};

use super::Failure;

/// Says for one request what the configuration says for all: `warn` or `refuse`.
const CHOICE: &str = "x-colloquy-unsupported";

/// Lists the warnings that were known when the answer began, as `code` or `code=param`, with commas between.
const WARNINGS: &str = "x-colloquy-warnings";

/// Warnings beyond so many are in the body only.
const MOST_IN_HEADER: usize = 20;

/// What the caller wants done.
///
/// # Errors
/// When the header holds another word.
pub(super) fn choice(headers: &HeaderMap, configured: Unsupported) -> Result<Unsupported, Failure> {
    match headers.get(CHOICE).map(HeaderValue::as_bytes) {
        None => Ok(configured),
        Some(b"warn") => Ok(Unsupported::Warn),
        Some(b"refuse") => Ok(Unsupported::Refuse),
        Some(_) => {
            Err(Failure::invalid("the header x-colloquy-unsupported takes `warn` or `refuse`"))
        }
    }
}

/// Puts the warnings into the response's head, and into the trace of the request.
pub(super) fn announce(headers: &mut HeaderMap, warnings: &[Warning]) {
    for warning in warnings {
        let param = warning.param.as_deref();
        tracing::info!(code = warning.code, param, message = warning.message, "answered otherwise");
    }
    let words: Vec<_> = warnings.iter().take(MOST_IN_HEADER).map(word).collect();
    if let (false, Ok(value)) = (words.is_empty(), HeaderValue::from_str(&words.join(", "))) {
        headers.insert(WARNINGS, value);
    }
}

/// Codes are ours; names of parameters may be a caller's, so nothing else than names gets through.
fn word(warning: &Warning) -> String {
    let is_name = |param: &&str| {
        param.len() <= 64
            && param.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.[]".contains(&b))
    };
    match warning.param.as_deref().filter(is_name) {
        Some(param) => format!("{}={param}", warning.code),
        None => warning.code.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_names_only() {
        let warning = |code: &str, param: &str| Warning {
            code: code.into(),
            param: Some(param.into()),
            message: "as it is".into(),
        };
        let mut headers = HeaderMap::new();
        announce(&mut headers, &[]);
        assert!(headers.is_empty());
        announce(
            &mut headers,
            &[warning("dropped_parameter", "top_k"), warning("dropped_content", "a\r\nb: c")],
        );
        assert_eq!(headers[WARNINGS], "dropped_parameter=top_k, dropped_content");
    }
}
