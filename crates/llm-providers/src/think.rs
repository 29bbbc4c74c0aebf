//! [`ThinkSplitter`]: reasoning that open models write between `<think>` and `</think>` in their text, told as reasoning.
//!
//! Chat templates of DeepSeek R1, Qwen 3, MiniMax and others make a model think in front of its answer; servers without a
//! reasoning parser (vLLM without `--reasoning-parser`, older Ollama, hosted endpoints of open models) hand the tags out as
//! text. Only a tag that opens the answer counts: later ones are the model writing about tags.

use std::collections::BTreeMap;

use llm_core::{ChatEvent, ModelError, ReasoningDelta};
use serde::Deserialize;

use crate::answer::AnswerDecoder;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// What becomes of `<think>` tags in a provider's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkTags {
    /// What stands between them is reasoning, when they open the answer.
    #[default]
    Split,
    /// The model's template has written the opening tag already: the answer begins as reasoning.
    Opened,
    /// They are text: the provider separates reasoning by itself.
    Keep,
}

/// Takes the events of one answer and gives them with thinking split from text.
///
/// ```
/// use llm_core::{ChatEvent, ReasoningDelta};
/// use llm_providers::{ThinkSplitter, ThinkTags};
///
/// let mut splitter = ThinkSplitter::new(ThinkTags::Split);
/// let mut events = Vec::new();
/// for piece in ["<thi", "nk>\nTea is", " hot.</th", "ink>\n\nYes."] {
///     let from = events.len();
///     events.push(ChatEvent::text(piece));
///     splitter.rewrite(&mut events, from);
/// }
/// splitter.finish(&mut events);
/// let thought = |text: &str| ChatEvent::Reasoning(ReasoningDelta::text(text));
/// assert_eq!(events, [thought("Tea is"), thought(" hot."), ChatEvent::text("Yes.")]);
/// ```
#[derive(Debug, Default)]
pub struct ThinkSplitter {
    tags: ThinkTags,
    choices: BTreeMap<u32, Place>,
}

/// A decoder whose events are split.
#[derive(Debug)]
pub struct SplitThink<D> {
    decoder: D,
    splitter: ThinkSplitter,
}

impl<D: EventDecoder> SplitThink<D> {
    /// Splits what `decoder` gives.
    pub fn new(decoder: D, tags: ThinkTags) -> Self {
        Self { decoder, splitter: ThinkSplitter::new(tags) }
    }
}

impl<D: AnswerDecoder> AnswerDecoder for SplitThink<D> {
    fn whole(mut self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        let (mut events, result) = self.decoder.whole(body);
        self.splitter.rewrite(&mut events, 0);
        self.splitter.finish(&mut events);
        (events, result)
    }
}

impl<D: EventDecoder> EventDecoder for SplitThink<D> {
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        let from = events.len();
        let result = self.decoder.push(event, events);
        self.splitter.rewrite(events, from);
        if result.is_err() {
            self.splitter.finish(events);
        }
        result
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let from = events.len();
        let result = self.decoder.end(events);
        self.splitter.rewrite(events, from);
        self.splitter.finish(events);
        result
    }
}

/// Where one choice of the answer is.
#[derive(Debug)]
enum Place {
    /// Before its first letter; holds what may become the opening tag.
    Start(String),
    /// Between the tags; holds what may become the closing tag, and whether the thought has begun.
    Thought { held: String, has_begun: bool },
    /// After the closing tag, before the answer's first letter.
    Gap,
    /// In the answer.
    Text,
}

impl ThinkSplitter {
    /// A splitter for one answer.
    pub fn new(tags: ThinkTags) -> Self {
        Self { tags, choices: BTreeMap::new() }
    }

    /// Rewrites the events from `from` on, which came after all that were given before. Text that may be the beginning
    /// of a tag is held until the next event of its choice, or [`ThinkSplitter::finish`].
    pub fn rewrite(&mut self, events: &mut Vec<ChatEvent>, from: usize) {
        if self.tags == ThinkTags::Keep || !events.iter().skip(from).any(|it| self.concerns(it)) {
            return;
        }
        let tail = events.split_off(from.min(events.len()));
        for event in tail {
            self.event(event, events);
        }
    }

    /// Tells what is held: the answer is over, or broke off.
    pub fn finish(&mut self, events: &mut Vec<ChatEvent>) {
        for (&choice, place) in &mut self.choices {
            release(choice, place, events);
        }
    }

    /// Whether an event changes anything; in the middle of an answer none does.
    fn concerns(&self, event: &ChatEvent) -> bool {
        choice_of(event)
            .is_some_and(|choice| !matches!(self.choices.get(&choice), Some(Place::Text)))
    }

    fn event(&mut self, event: ChatEvent, events: &mut Vec<ChatEvent>) {
        let Some(choice) = choice_of(&event) else {
            return events.push(event);
        };
        let opened = self.tags == ThinkTags::Opened;
        let place = self
            .choices
            .entry(choice)
            .or_insert_with(|| if opened { Place::thought() } else { Place::Start(String::new()) });
        match event {
            ChatEvent::Text { text, signature: None, .. } => place.text(choice, text, events),
            other => {
                // A provider that tells reasoning by itself leaves no tags; after anything else no tag opens the answer.
                release(choice, place, events);
                *place = Place::Text;
                events.push(other);
            }
        }
    }
}

impl Place {
    fn thought() -> Self {
        Place::Thought { held: String::new(), has_begun: false }
    }

    /// Takes more text in. Each turn of the loop finishes one stretch, so there are at most four.
    fn text(&mut self, choice: u32, mut text: String, events: &mut Vec<ChatEvent>) {
        loop {
            match self {
                Place::Text => {
                    if !text.is_empty() {
                        events.push(said(choice, text));
                    }
                    return;
                }
                Place::Gap => {
                    text.drain(..text.len() - text.trim_start().len());
                    if text.is_empty() {
                        return;
                    }
                    *self = Place::Text;
                }
                Place::Start(held) => {
                    held.push_str(&text);
                    let begun = held.trim_start();
                    if let Some(rest) = begun.strip_prefix(OPEN) {
                        text = rest.to_owned();
                        *self = Place::thought();
                    } else if OPEN.starts_with(begun) {
                        return;
                    } else {
                        text = std::mem::take(held);
                        *self = Place::Text;
                    }
                }
                Place::Thought { held, has_begun } => {
                    held.push_str(&text);
                    if !*has_begun {
                        held.drain(..held.len() - held.trim_start().len());
                    }
                    let closes_at = held.find(CLOSE);
                    let certain = closes_at.unwrap_or(held.len() - possible_tag(held));
                    if certain > 0 {
                        *has_begun = true;
                        events.push(thought(choice, held[..certain].to_owned()));
                    }
                    match closes_at {
                        Some(at) => {
                            text = held[at + CLOSE.len()..].to_owned();
                            *self = Place::Gap;
                        }
                        None => {
                            held.drain(..certain);
                            return;
                        }
                    }
                }
            }
        }
    }
}

/// The length of the longest end of a text that may be the beginning of the closing tag.
fn possible_tag(text: &str) -> usize {
    (1..CLOSE.len()).rev().find(|&length| text.ends_with(&CLOSE[..length])).unwrap_or(0)
}

fn release(choice: u32, place: &mut Place, events: &mut Vec<ChatEvent>) {
    match place {
        Place::Start(held) if !held.is_empty() => events.push(said(choice, std::mem::take(held))),
        Place::Thought { held, .. } if !held.is_empty() => {
            events.push(thought(choice, std::mem::take(held)));
        }
        _ => {}
    }
}

/// The choice whose answer an event goes on with.
fn choice_of(event: &ChatEvent) -> Option<u32> {
    match event {
        ChatEvent::Text { choice, .. }
        | ChatEvent::Refusal { choice, .. }
        | ChatEvent::Media { choice, .. }
        | ChatEvent::Finished { choice, .. } => Some(*choice),
        ChatEvent::Reasoning(delta) => Some(delta.choice),
        ChatEvent::ToolCall(delta) => Some(delta.choice),
        ChatEvent::Audio(delta) => Some(delta.choice),
        _ => None,
    }
}

fn said(choice: u32, text: String) -> ChatEvent {
    ChatEvent::Text { choice, text, signature: None }
}

fn thought(choice: u32, text: String) -> ChatEvent {
    ChatEvent::Reasoning(ReasoningDelta { choice, text, ..ReasoningDelta::default() })
}

#[cfg(test)]
mod tests {
    use llm_core::{ChatFold, FinishReason};
    use proptest::prelude::*;

    use super::*;

    /// Thought and text of an answer that comes in these pieces.
    fn split(tags: ThinkTags, pieces: &[&str]) -> (String, String) {
        let mut splitter = ThinkSplitter::new(tags);
        let mut events = Vec::new();
        for piece in pieces {
            let from = events.len();
            events.push(ChatEvent::text(*piece));
            splitter.rewrite(&mut events, from);
        }
        let from = events.len();
        events.push(ChatEvent::finished(FinishReason::Stop));
        splitter.rewrite(&mut events, from);
        splitter.finish(&mut events);
        let mut fold = ChatFold::default();
        events.into_iter().for_each(|event| fold.push(event));
        let response = fold.finish();
        (response.reasoning(), response.text())
    }

    #[test]
    fn thoughts_come_out_of_the_text() {
        use ThinkTags::{Keep, Opened, Split};
        for (tags, answer, reasoning, text) in [
            (Split, "<think>\nTea.\n</think>\n\nYes.", "Tea.\n", "Yes."),
            (Split, "\n <think></think>Yes.", "", "Yes."),
            (Split, "Yes. <think>no</think>", "", "Yes. <think>no</think>"),
            (Split, "<thinking>a</thinking>", "", "<thinking>a</thinking>"),
            (Split, "<think>a</thin", "a</thin", ""),
            (Split, "<thin", "", "<thin"),
            (Split, "<think>a<b</think>c</think>", "a<b", "c</think>"),
            (Split, "", "", ""),
            (Opened, "Tea.</think>Yes.", "Tea.", "Yes."),
            (Opened, "Tea.", "Tea.", ""),
            (Keep, "<think>a</think>b", "", "<think>a</think>b"),
        ] {
            let expected = (reasoning.to_owned(), text.to_owned());
            assert_eq!(split(tags, &[answer]), expected, "{answer:?}");
        }
    }

    #[test]
    fn a_provider_that_separates_reasoning_is_left_alone() {
        let mut splitter = ThinkSplitter::new(ThinkTags::Split);
        let told = vec![
            ChatEvent::Reasoning(ReasoningDelta::text("Tea.")),
            ChatEvent::text("<think>is a tag</think>"),
        ];
        let mut events = told.clone();
        splitter.rewrite(&mut events, 0);
        assert_eq!(events, told);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            answer in "(\n|a|é|<|<think>|</think>|</|think>){0,12}",
            cuts in prop::collection::vec(0usize..80, 0..12),
            opened: bool,
        ) {
            let tags = if opened { ThinkTags::Opened } else { ThinkTags::Split };
            let mut cuts: Vec<_> =
                cuts.into_iter().map(|at| at.min(answer.len())).filter(|&at| answer.is_char_boundary(at)).collect();
            cuts.extend([0, answer.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &answer[cut[0]..cut[1]]).collect();
            prop_assert_eq!(split(tags, &pieces), split(tags, &[&answer]));
        }
    }
}
