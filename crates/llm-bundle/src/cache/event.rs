//! [`CacheableEvent`]: which answers are worth keeping.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use llm_core::{
    Annotation, ChatEvent, Description, EmbeddingResponse, FinishReason, MediaSource,
    RerankResponse, Transcript,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A piece of an answer that can be kept and given again.
pub trait CacheableEvent: Clone + Send + Serialize + DeserializeOwned + 'static {
    /// Whether one event is the whole answer.
    const IS_WHOLE: bool;

    /// Adds it to what is known of the answer to a question about so many `items`.
    fn check(&self, items: usize, completeness: &mut Completeness);

    /// Appends it in the form that [`read`](Self::read) takes; `None` if it has none.
    fn write(&self, bytes: &mut Vec<u8>) -> Option<()> {
        write_named(self, bytes)
    }

    /// Takes one from the front of what was written; `None` if it is none.
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        read_named(bytes)
    }
}

/// MessagePack with the names of fields, so that one that is added later can be left out.
fn write_named(value: &impl Serialize, bytes: &mut Vec<u8>) -> Option<()> {
    value.serialize(&mut rmp_serde::Serializer::new(bytes).with_struct_map()).ok()
}

fn read_named<T: DeserializeOwned>(bytes: &mut &[u8]) -> Option<T> {
    T::deserialize(&mut rmp_serde::Deserializer::new(bytes)).ok()
}

/// Whether the events so far are an answer to keep.
#[derive(Clone, Debug, Default)]
pub struct Completeness {
    /// Each of the answers that has begun, and whether it has ended well.
    answers: BTreeMap<u32, bool>,
    /// Something came that must not be given to anybody else, or that may be another thing next time.
    is_spoiled: bool,
}

impl Completeness {
    /// Whether all that began has ended well.
    pub(crate) fn is_complete(&self) -> bool {
        !self.is_spoiled && !self.answers.is_empty() && self.answers.values().all(|ended| *ended)
    }

    fn begins(&mut self, answer: u32) {
        self.answers.entry(answer).or_insert(false);
    }

    fn ends(&mut self, answer: u32, reason: FinishReason) {
        self.answers.insert(answer, true);
        // What a policy cut, or a provider paused or broke off, is not what the question deserves.
        self.is_spoiled |=
            !matches!(reason, FinishReason::Stop | FinishReason::Length | FinishReason::ToolCalls);
    }

    fn whole(&mut self, is_good: bool) {
        self.answers.insert(0, true);
        self.is_spoiled |= !is_good;
    }
}

impl CacheableEvent for ChatEvent {
    const IS_WHOLE: bool = false;

    fn check(&self, _: usize, completeness: &mut Completeness) {
        match self {
            ChatEvent::Text { choice, .. } | ChatEvent::TextEnd { choice } => {
                completeness.begins(*choice);
            }
            ChatEvent::Logprobs { choice, .. } => completeness.begins(*choice),
            ChatEvent::Reasoning(delta) => completeness.begins(delta.choice),
            ChatEvent::ToolCall(delta) => completeness.begins(delta.choice),
            ChatEvent::Finished { choice, reason, .. } => completeness.ends(*choice, *reason),
            ChatEvent::Audio(delta) => {
                completeness.begins(delta.choice);
                // Its id can be used in the next turn until the provider forgets it.
                completeness.is_spoiled |= delta.expires_at.is_some();
            }
            ChatEvent::Annotation { choice, annotation } => {
                completeness.begins(*choice);
                // The web was read.
                completeness.is_spoiled |= matches!(annotation, Annotation::UrlCitation { .. });
            }
            ChatEvent::Media { choice, media } => {
                completeness.begins(*choice);
                // The provider keeps what its links lead to for a while only.
                completeness.is_spoiled |= matches!(media.source, MediaSource::Url(_));
            }
            // A provider's tool ran, which may have changed something or read what changes.
            ChatEvent::Refusal { .. } | ChatEvent::Block { .. } => completeness.is_spoiled = true,
            ChatEvent::Started(_)
            | ChatEvent::Warning(_)
            | ChatEvent::Usage(_)
            | ChatEvent::Extra { .. } => {}
            // What is not known here is not kept.
            _ => completeness.is_spoiled = true,
        }
    }
}

impl CacheableEvent for EmbeddingResponse {
    const IS_WHOLE: bool = true;

    fn check(&self, items: usize, completeness: &mut Completeness) {
        let first = self.vectors.first().map_or(0, Vec::len);
        let is_good = |vector: &Vec<f32>| {
            !vector.is_empty() && vector.len() == first && vector.iter().all(|x| x.is_finite())
        };
        completeness.whole(self.vectors.len() == items && self.vectors.iter().all(is_good));
    }

    /// The vectors come first, as they are in memory: they are nearly all of it.
    fn write(&self, bytes: &mut Vec<u8>) -> Option<()> {
        let Self { vectors, model, usage, warnings } = self;
        let length = vectors.first().map_or(0, Vec::len);
        let floats = vectors.iter().map(Vec::len).sum::<usize>();
        if floats != length.checked_mul(vectors.len())? {
            return None;
        }
        bytes.extend(u32::try_from(vectors.len()).ok()?.to_le_bytes());
        bytes.extend(u32::try_from(length).ok()?.to_le_bytes());
        bytes.reserve(4 * floats);
        vectors.iter().flatten().for_each(|float| bytes.extend(float.to_le_bytes()));
        write_named(&(model, usage, warnings), bytes)
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (count, length) = (read_u32(bytes)?, read_u32(bytes)?);
        let size = count.checked_mul(length)?.checked_mul(4)?;
        let (floats, rest) = bytes.split_at_checked(size)?;
        *bytes = rest;
        let (floats, _) = floats.as_chunks();
        let vector = |floats: &[[u8; 4]]| floats.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let vectors = floats.chunks(length.max(1)).map(vector).collect();
        let (model, usage, warnings) = read_named(bytes)?;
        Some(Self { vectors, model, usage, warnings })
    }
}

fn read_u32(bytes: &mut &[u8]) -> Option<usize> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*number) as usize)
}

impl CacheableEvent for RerankResponse {
    const IS_WHOLE: bool = true;

    fn check(&self, items: usize, completeness: &mut Completeness) {
        let mut seen = HashSet::new();
        completeness.whole(self.results.iter().all(|ranked| {
            ranked.index < items && ranked.score.is_finite() && seen.insert(ranked.index)
        }));
    }
}

impl CacheableEvent for Bytes {
    const IS_WHOLE: bool = false;

    fn check(&self, _: usize, completeness: &mut Completeness) {
        if !self.is_empty() {
            completeness.whole(true);
        }
    }
}

impl CacheableEvent for Transcript {
    const IS_WHOLE: bool = true;

    fn check(&self, _: usize, completeness: &mut Completeness) {
        completeness.whole(true);
    }
}

impl CacheableEvent for Description {
    const IS_WHOLE: bool = true;

    fn check(&self, _: usize, completeness: &mut Completeness) {
        completeness.whole(!self.text.trim().is_empty());
    }
}
