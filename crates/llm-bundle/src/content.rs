//! [`Capture`]: what is asked and answered, in the span of a call, where the operator wants it there.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use llm_core::FinishReason;
use serde_json::{Value, json};

/// Takes out of a text what must not be kept.
pub trait Redact: Send + Sync {
    /// The text as it may be kept. Runs on the path of a call, when it ends: it must neither block nor panic.
    fn redact<'a>(&self, text: &'a str) -> Cow<'a, str>;
}

/// Keeps all of it.
impl Redact for () {
    fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(text)
    }
}

/// Says that prompts and answers are written into the spans of calls, as the event
/// `gen_ai.client.inference.operation.details` with the target `gen_ai`, and how.
///
/// Texts only: of pictures and sound nothing is kept. Each text is redacted as a whole, and cut afterwards.
#[derive(Clone)]
pub struct Capture {
    redact: Arc<dyn Redact>,
    max_bytes: usize,
}

/// What is read beyond the bound, so that what stands across it is still seen by the redaction.
const MARGIN: usize = 4 << 10;

impl Capture {
    /// Keeps at most `max_bytes` of text of each prompt and of each answer, as `redact` leaves it.
    pub fn new(redact: Arc<dyn Redact>, max_bytes: usize) -> Self {
        Self { redact, max_bytes }
    }

    /// A page for a prompt or an answer.
    pub(crate) fn page(&self) -> Page {
        Page { texts: Vec::new(), room: self.max_bytes.saturating_add(MARGIN) }
    }

    /// The messages of a prompt, in the form of the conventions.
    pub(crate) fn input(&self, page: Page) -> Value {
        let messages = self.redacted(page).into_iter();
        messages.map(|(role, text)| json!({ "role": role, "parts": [part(&text)] })).collect()
    }

    /// The messages of an answer, in the form of the conventions.
    pub(crate) fn output(&self, page: Page, finish: Option<FinishReason>) -> Value {
        let parts: Vec<Value> =
            self.redacted(page).into_iter().map(|(_, text)| part(&text)).collect();
        let finish = finish.map(FinishReason::as_openai);
        json!([{ "role": "assistant", "parts": parts, "finish_reason": finish }])
    }

    fn redacted(&self, page: Page) -> Vec<(&'static str, String)> {
        let mut room = self.max_bytes;
        let mut kept = Vec::new();
        for (role, text) in page.texts {
            let text = start_of(&self.redact.redact(&text), room).to_owned();
            room -= text.len();
            kept.push((role, text));
        }
        kept
    }
}

fn part(text: &str) -> Value {
    json!({ "type": "text", "content": text })
}

/// At most `bytes` of the beginning, cut between characters.
fn start_of(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("max_bytes", &self.max_bytes).finish_non_exhaustive()
    }
}

/// The beginning of a prompt or an answer, by who speaks.
#[derive(Clone, Debug)]
pub struct Page {
    texts: Vec<(&'static str, String)>,
    room: usize,
}

impl Page {
    /// Adds what `role` says: to the last text, where the same role goes on in it.
    pub(crate) fn add(&mut self, role: &'static str, text: &str, goes_on: bool) {
        let text = start_of(text, self.room);
        if text.is_empty() {
            return;
        }
        self.room -= text.len();
        match self.texts.last_mut().filter(|(last, _)| goes_on && *last == role) {
            Some((_, last)) => last.push_str(text),
            None => self.texts.push((role, text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoDigits;

    impl Redact for NoDigits {
        fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
            text.replace(|c: char| c.is_ascii_digit(), "#").into()
        }
    }

    #[test]
    fn texts_are_redacted_and_bounded() {
        for (max, said, kept) in [
            (100, vec!["card 12", "34, ok"], "card ####, ok"),
            (6, vec!["card 1234"], "card #"),
            (5, vec!["häuser"], "häus"),
            (0, vec!["all"], ""),
        ] {
            let capture = Capture::new(Arc::new(NoDigits), max);
            let mut page = capture.page();
            for text in said {
                page.add("assistant", text, true);
            }
            let output = capture.output(page, Some(FinishReason::Stop));
            assert_eq!(output[0]["parts"][0]["content"], kept);
            assert_eq!(output[0]["finish_reason"], "stop");
        }
    }

    #[test]
    fn an_endless_answer_fills_one_page() {
        let capture = Capture::new(Arc::new(()), 10);
        let mut page = capture.page();
        for _ in 0..100_000 {
            page.add("assistant", "word ", true);
        }
        assert!(page.texts[0].1.len() <= 10 + MARGIN);
        let mut page = capture.page();
        for role in ["system", "user", "user"] {
            page.add(role, "hi", false);
        }
        let roles: Vec<Value> =
            capture.input(page).as_array().unwrap().iter().map(|m| m["role"].clone()).collect();
        assert_eq!(roles, ["system", "user", "user"]);
    }
}
