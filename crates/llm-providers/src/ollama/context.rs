//! [`ContextWindow`]: how large a context the server makes room for. Pure.
//!
//! A server keeps a context of some thousand tokens (4096 for a long time, now after its memory) whatever the model could
//! take, and cuts a longer prompt from its beginning without a word. So a request that may not fit says how much room
//! it needs (`num_ctx`), and that it would rather fail than be cut (`truncate`, which servers before 0.12.6 do not know).

use serde_json::{Map, Value};

/// The smallest context that servers keep unless they are told otherwise.
const SMALLEST: u64 = 4096;

/// How many bytes of text make a token at the very least on average, over the languages and code that models know.
/// English has four; Chinese has one character of three bytes.
const BYTES_PER_TOKEN: u64 = 3;

/// What a message costs besides its text: its role and the marks around it.
const TOKENS_PER_MESSAGE: u64 = 8;

/// What a picture costs, in the models that cut it finest.
const TOKENS_PER_PICTURE: u64 = 1600;

/// What is kept free for an answer whose length is not limited.
const ANSWER: u64 = 1024;

/// How large a context the server makes room for. `num_ctx` in
/// [`ChatRequest::extra_body`](llm_core::ChatRequest::extra_body) outweighs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContextWindow {
    /// As large as the request needs by a cautious estimate (a token for every three bytes, and room for the answer), in
    /// powers of two, so that the server need not load the model anew for every request; never more than the model's
    /// [`context_tokens`](llm_core::Limits::context_tokens), where they are known. A request that fits 4096 tokens, which
    /// every server has, leaves it to the server. Where text might still not fit, the request asks to be refused
    /// instead of cut.
    #[default]
    Fit,
    /// Always this many tokens. Where text might not fit, the request asks to be refused instead of cut.
    Tokens(u32),
    /// Whatever the server has; it may cut prompts without a word.
    Server,
}

impl ContextWindow {
    /// Completes a body: `num_ctx` unless it is there, and `truncate` unless it is there.
    pub(super) fn settle(self, model_limit: Option<u32>, body: &mut Map<String, Value>) {
        if self == ContextWindow::Server {
            return;
        }
        let option = |name: &str| body.get("options")?.get(name)?.as_u64();
        let (asked, answer) = (option("num_ctx"), option("num_predict").unwrap_or(ANSWER));
        let prompt = Prompt::of(body);
        let chosen = match self {
            ContextWindow::Tokens(tokens) => Some(u64::from(tokens)),
            _ => fitting(prompt.estimate().saturating_add(answer), model_limit),
        };
        if let (None, Some(chosen)) = (asked, chosen) {
            let options = body.entry("options").or_insert_with(|| Map::new().into());
            if let Some(options) = options.as_object_mut() {
                options.insert("num_ctx".to_owned(), chosen.into());
            }
        }
        let window = asked.or(chosen).unwrap_or(SMALLEST);
        if prompt.most() > window && !body.contains_key("truncate") {
            body.insert("truncate".to_owned(), false.into());
        }
    }
}

/// The context that holds `need` tokens; `None` for what every server has.
fn fitting(need: u64, model_limit: Option<u32>) -> Option<u64> {
    let limit = model_limit.map_or(u64::from(u32::MAX), u64::from);
    let size = need.checked_next_power_of_two().unwrap_or(limit).min(limit);
    (need > SMALLEST && size > SMALLEST).then_some(size)
}

/// How much there is to read.
#[derive(Debug, Default, PartialEq)]
struct Prompt {
    bytes: u64,
    messages: u64,
    pictures: u64,
}

impl Prompt {
    fn of(body: &Map<String, Value>) -> Self {
        let mut prompt = Self::default();
        for name in ["prompt", "system", "suffix", "images", "tools", "format"] {
            prompt.add(name, body.get(name).unwrap_or(&Value::Null));
        }
        for message in body.get("messages").and_then(Value::as_array).into_iter().flatten() {
            prompt.messages += 1;
            for (name, value) in message.as_object().into_iter().flatten() {
                prompt.add(name, value);
            }
        }
        prompt
    }

    fn add(&mut self, name: &str, value: &Value) {
        match value {
            Value::Array(pictures) if name == "images" => self.pictures += pictures.len() as u64,
            Value::String(text) => self.bytes += text.len() as u64,
            Value::Object(_) | Value::Array(_) => self.bytes += value.to_string().len() as u64,
            _ => {}
        }
    }

    /// Tokens, more likely too many than too few.
    fn estimate(&self) -> u64 {
        self.besides_text() + self.bytes / BYTES_PER_TOKEN
    }

    /// Tokens that it cannot exceed: none is shorter than a byte.
    fn most(&self) -> u64 {
        self.besides_text() + self.bytes
    }

    fn besides_text(&self) -> u64 {
        self.messages * TOKENS_PER_MESSAGE + self.pictures * TOKENS_PER_PICTURE
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settled(window: ContextWindow, limit: Option<u32>, bytes: usize, options: Value) -> Value {
        let messages = json!([{ "role": "user", "content": "a".repeat(bytes) }]);
        let mut body = Map::from_iter([("messages".to_owned(), messages)]);
        body.insert("options".to_owned(), options);
        window.settle(limit, &mut body);
        json!([body["options"].get("num_ctx"), body.get("truncate")])
    }

    #[test]
    fn the_window_grows_with_the_prompt() {
        use ContextWindow::{Fit, Server, Tokens};
        let none = || json!({});
        for (window, limit, bytes, options, expected) in [
            (Fit, None, 100, none(), json!([null, null])),
            // Fits by the estimate, and might not: better refused than cut.
            (Fit, None, 6000, none(), json!([null, false])),
            (Fit, None, 12_000, none(), json!([8192, false])),
            (Fit, None, 30_000, none(), json!([16_384, false])),
            (Fit, Some(8192), 30_000, none(), json!([8192, false])),
            (Fit, Some(2048), 30_000, none(), json!([null, false])),
            // Room for the answer counts.
            (Fit, None, 100, json!({ "num_predict": 6000 }), json!([8192, null])),
            (Fit, None, 30_000, json!({ "num_ctx": 5000 }), json!([5000, false])),
            (Tokens(65_536), None, 30_000, none(), json!([65_536, null])),
            (Server, None, 30_000, none(), json!([null, null])),
        ] {
            let found = settled(window, limit, bytes, options.clone());
            assert_eq!(found, expected, "{window:?} {limit:?} {bytes} {options}");
        }
    }

    #[test]
    fn a_caller_who_wants_to_be_cut_is() {
        let mut body = Map::from_iter([
            ("prompt".to_owned(), "a".repeat(9000).into()),
            ("truncate".to_owned(), true.into()),
        ]);
        ContextWindow::Fit.settle(None, &mut body);
        assert_eq!(body["truncate"], true);
    }

    #[test]
    fn pictures_count_as_such() {
        let body = json!({ "messages": [{ "role": "user", "content": "four", "images": ["x".repeat(9000)] }] });
        let expected = Prompt { bytes: 8, messages: 1, pictures: 1 };
        assert_eq!(Prompt::of(body.as_object().unwrap()), expected);
    }
}
