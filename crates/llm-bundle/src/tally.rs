//! [`Tally`]: what the events of a call tell about its cost.

use std::sync::Arc;

use llm_core::{ChatEvent, FinishReason, Started, Usage};

/// Roughly how many bytes of text a token is, for calls that end before their provider has counted.
const BYTES_PER_TOKEN: u64 = 4;

/// Roughly how many tokens a text of so many bytes has.
pub(crate) fn estimated_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// What is known of a call so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    usage: Usage,
    finish: Option<FinishReason>,
    output_bytes: u64,
    whole: bool,
    started: Names,
}

/// What the provider called the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) id: Option<Arc<str>>,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) request_id: Option<Arc<str>>,
}

impl Names {
    fn of(started: &Started) -> Self {
        let shared = |name: &Option<String>| name.as_deref().map(Arc::from);
        Self {
            id: shared(&started.id),
            model: shared(&started.model),
            request_id: shared(&started.request_id),
        }
    }
}

impl Tally {
    /// Takes an event of a chat.
    pub(crate) fn chat(&mut self, event: &ChatEvent) {
        let bytes = match event {
            ChatEvent::Started(started) => {
                self.started = Names::of(started);
                0
            }
            ChatEvent::Usage(usage) => {
                self.usage.merge(usage.clone());
                0
            }
            ChatEvent::Finished { reason, .. } => {
                self.finish = Some(*reason);
                self.whole = true;
                0
            }
            ChatEvent::Text { text, .. } | ChatEvent::Refusal { text, .. } => text.len(),
            ChatEvent::Reasoning(delta) => delta.text.len(),
            ChatEvent::ToolCall(delta) => delta.arguments.len(),
            ChatEvent::Audio(delta) => delta.transcript.len(),
            _ => 0,
        };
        self.output_bytes += bytes as u64;
    }

    /// Takes an answer in one piece, with this many bytes of text.
    pub(crate) fn whole(&mut self, usage: &Usage, output_bytes: usize) {
        self.usage.merge(usage.clone());
        self.output_bytes += output_bytes as u64;
        self.whole = true;
    }

    /// Whether the answer is complete.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Why the answer ended, where it says.
    pub(crate) fn finish(&self) -> Option<FinishReason> {
        self.finish
    }

    /// What the provider called the answer, as far as it said.
    pub(crate) fn started(&self) -> Names {
        self.started.clone()
    }

    /// The provider's count; estimated from the text and marked so where the provider has not told.
    pub(crate) fn usage(&self, input_bytes: u64) -> Usage {
        let mut usage = self.usage.clone();
        if usage.input_tokens.is_none() && input_bytes > 0 {
            usage.input_tokens = Some(estimated_tokens(input_bytes));
            usage.estimated = true;
        }
        if usage.output_tokens.is_none() && self.output_bytes > 0 {
            usage.output_tokens = Some(estimated_tokens(self.output_bytes));
            usage.estimated = true;
        }
        usage
    }
}

/// What two calls consumed together.
pub(crate) fn sum(a: Usage, b: Usage) -> Usage {
    Usage {
        input_tokens: add(a.input_tokens, b.input_tokens),
        output_tokens: add(a.output_tokens, b.output_tokens),
        search_units: add(a.search_units, b.search_units),
        cost: add(a.cost, b.cost),
        cache_read_tokens: add(a.cache_read_tokens, b.cache_read_tokens),
        cache_write_tokens: add(a.cache_write_tokens, b.cache_write_tokens),
        reasoning_tokens: add(a.reasoning_tokens, b.reasoning_tokens),
        audio_input_tokens: add(a.audio_input_tokens, b.audio_input_tokens),
        audio_output_tokens: add(a.audio_output_tokens, b.audio_output_tokens),
        estimated: a.estimated || b.estimated,
        raw: None,
    }
}

/// Both together, where both are known.
pub(crate) fn add<T: std::ops::Add<Output = T>>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_provider_counts_wins_and_the_rest_is_estimated() {
        let mut tally = Tally::default();
        tally.chat(&ChatEvent::text("eight by"));
        let cut = tally.usage(40);
        assert_eq!((cut.input_tokens, cut.output_tokens, cut.estimated), (Some(10), Some(2), true));

        tally.chat(&ChatEvent::Usage(Usage {
            input_tokens: Some(9),
            output_tokens: Some(3),
            ..Usage::default()
        }));
        let told = tally.usage(40);
        assert_eq!(
            (told.input_tokens, told.output_tokens, told.estimated),
            (Some(9), Some(3), false)
        );
    }
}
