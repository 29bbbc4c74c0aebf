//! Speaking an answer while it comes, sentence by sentence, without holding its text up.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use async_stream::stream;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{Stream, StreamExt, TryStreamExt};
use llm_core::{FinishReason, ModelError, SpeechReply, SpeechRequest};
use unicode_segmentation::UnicodeSegmentation;

use crate::{DialogError, DialogEvent};

/// Sentences that are spoken at the same time, and that wait; what comes when so many wait is not spoken.
const AT_ONCE: usize = 2;
const MOST_WAITING: usize = 256;

/// Shorter sentences are spoken together with the next, longer ones in pieces.
const SHORTEST: usize = 24;
const LONGEST: usize = 1_000;

/// Sound of one sentence that is taken.
const MOST_BYTES: usize = 8 << 20;

/// Speaks: asks a model for the sound of a text.
pub type Speak =
    Arc<dyn Fn(SpeechRequest) -> BoxFuture<'static, Result<SpeechReply, ModelError>> + Send + Sync>;

/// How a dialog speaks.
#[derive(Clone)]
pub struct Speech {
    /// The model.
    pub speak: Speak,
    /// Everything but the text.
    pub request: SpeechRequest,
}

impl fmt::Debug for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speech").field("request", &self.request).finish_non_exhaustive()
    }
}

/// The same events, with `Audio` for the sentences of the answer, in their order. Text never waits for sound; the last
/// event waits for the sound of a complete answer. When a sentence cannot be spoken, a warning says so, and no more are.
/// Dropping the stream cancels what is being spoken.
pub(crate) fn spoken(
    events: impl Stream<Item = Result<DialogEvent, DialogError>> + Send,
    speech: Speech,
) -> impl Stream<Item = Result<DialogEvent, DialogError>> + Send {
    stream! {
        let mut events = std::pin::pin!(events);
        let mut voice = Voice::new(speech);
        let last = loop {
            tokio::select! {
                // Text first: sound is never so urgent.
                biased;
                event = events.next() => match event {
                    None => return,
                    Some(event @ (Err(_) | Ok(DialogEvent::Done(_)))) => break event,
                    Some(event) => {
                        if let Ok(DialogEvent::Delta { text }) = &event {
                            voice.hear(text);
                        }
                        yield event;
                    }
                },
                Some(sound) = voice.next() => yield Ok(sound),
            }
        };
        if matches!(&last, Ok(DialogEvent::Done(done)) if done.finish == FinishReason::Stop) {
            voice.finish();
            while let Some(sound) = voice.next().await {
                yield Ok(sound);
            }
        }
        yield last;
    }
}

/// A sentence being spoken.
type Speaking = BoxFuture<'static, (String, Result<Bytes, ModelError>)>;

struct Voice {
    speech: Speech,
    sentences: Sentences,
    waiting: VecDeque<String>,
    speaking: FuturesOrdered<Speaking>,
    spoken: u32,
    has_failed: bool,
}

impl Voice {
    fn new(speech: Speech) -> Self {
        Self {
            speech,
            sentences: Sentences::default(),
            waiting: VecDeque::new(),
            speaking: FuturesOrdered::new(),
            spoken: 0,
            has_failed: false,
        }
    }

    fn hear(&mut self, text: &str) {
        if !self.has_failed {
            let complete = self.sentences.push(text);
            self.take(complete);
        }
    }

    fn finish(&mut self) {
        if !self.has_failed {
            let rest = self.sentences.finish();
            self.take(rest.into_iter().collect());
        }
    }

    fn take(&mut self, sentences: Vec<String>) {
        let room = MOST_WAITING - self.waiting.len();
        self.waiting.extend(sentences.into_iter().take(room));
        self.begin();
    }

    fn begin(&mut self) {
        while self.speaking.len() < AT_ONCE {
            let Some(text) = self.waiting.pop_front() else { return };
            let request = SpeechRequest { input: text.clone(), ..self.speech.request.clone() };
            let reply = (self.speech.speak)(request);
            self.speaking.push_back(Box::pin(async move { (text, whole(reply).await) }));
        }
    }

    /// The sound of the next sentence, or a warning; `None` when there is none to wait for.
    async fn next(&mut self) -> Option<DialogEvent> {
        let (text, sound) = self.speaking.next().await?;
        match sound {
            Ok(data) => {
                self.begin();
                let number = self.spoken;
                self.spoken += 1;
                Some(DialogEvent::Audio { number, text, data })
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "not spoken");
                self.has_failed = true;
                self.waiting.clear();
                self.speaking = FuturesOrdered::new();
                let message = "the answer is not spoken any further: the voice failed".to_owned();
                Some(DialogEvent::Warning { message })
            }
        }
    }
}

async fn whole(
    reply: BoxFuture<'static, Result<SpeechReply, ModelError>>,
) -> Result<Bytes, ModelError> {
    let mut reply = reply.await?;
    let mut sound = Vec::new();
    while let Some(piece) = reply.try_next().await? {
        if sound.len() + piece.len() > MOST_BYTES {
            break;
        }
        sound.extend_from_slice(&piece);
    }
    Ok(sound.into())
}

/// Cuts a text that comes in pieces into sentences to be spoken: without the marks of Markdown, and without code.
#[derive(Debug, Default)]
struct Sentences {
    rest: String,
    in_code: bool,
}

impl Sentences {
    /// The sentences that are complete with this piece: another one has begun.
    fn push(&mut self, text: &str) -> Vec<String> {
        self.rest.push_str(text);
        let mut complete = Vec::new();
        while let Some(end) = end_of_first(&self.rest) {
            let sentence: String = self.rest.drain(..end).collect();
            complete.extend(self.plain(&sentence));
        }
        complete
    }

    /// What is left.
    fn finish(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.rest);
        self.plain(&rest)
    }

    fn plain(&mut self, sentence: &str) -> Option<String> {
        let mut plain = String::with_capacity(sentence.len());
        for line in sentence.split_inclusive('\n') {
            if line.trim_start().starts_with("```") {
                self.in_code = !self.in_code;
            } else if !self.in_code {
                let said = line.chars().filter(|c| !matches!(c, '*' | '#' | '`' | '_' | '|' | '>'));
                plain.extend(said);
            }
        }
        let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        plain.chars().any(char::is_alphanumeric).then_some(plain)
    }
}

/// Where the first piece that is long enough to be spoken ends, if another has begun behind it.
fn end_of_first(text: &str) -> Option<usize> {
    let mut end = 0;
    for (at, sentence) in text.split_sentence_bound_indices() {
        if at > 0 && end >= SHORTEST {
            return Some(end);
        }
        end = at + sentence.len();
    }
    (text.len() > LONGEST).then(|| text.floor_char_boundary(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_into_sentences_to_be_spoken() {
        for (text, expected) in [
            (
                "Yes. Green tea needs water at 80 degrees. Black tea needs more.",
                &["Yes. Green tea needs water at 80 degrees.", "Black tea needs more."][..],
            ),
            ("# Tea\n\nIt is **hot** and wet, always.\n\n", &["Tea It is hot and wet, always."]),
            (
                "Use this command to begin with it:\n```\nls -la\n```\nThen look at what it says.",
                &["Use this command to begin with it:", "Then look at what it says."],
            ),
            ("水在一百度沸腾。茶需要八十度的水。", &["水在一百度沸腾。", "茶需要八十度的水。"]),
            ("...", &[]),
        ] {
            for size in [1, 3, 1_000] {
                let mut sentences = Sentences::default();
                let pieces: Vec<char> = text.chars().collect();
                let mut spoken: Vec<String> = pieces
                    .chunks(size)
                    .flat_map(|piece| sentences.push(&piece.iter().collect::<String>()))
                    .collect();
                spoken.extend(sentences.finish());
                let joined = |texts: &[String]| texts.join(" ");
                let wanted: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
                assert_eq!(joined(&spoken), joined(&wanted), "{text:?} in pieces of {size}");
            }
        }
    }
}
