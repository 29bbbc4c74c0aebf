//! A kept answer as bytes: when it was kept, and its events, one after the other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::event::{CacheableEvent, Completeness};

/// The first byte of every entry. What was written in another form is not read, which is a miss.
const FORM: u8 = 1;

/// [`FORM`], and the milliseconds since the epoch.
const HEAD: usize = 9;

/// Takes the events of an answer as they pass, as long as they fit.
pub(super) struct Tape {
    bytes: Vec<u8>,
    limit: usize,
    items: usize,
    completeness: Completeness,
    is_full: bool,
}

impl Tape {
    /// Records at most `limit` bytes of an answer about so many `items`.
    pub(super) fn new(limit: usize, items: usize) -> Self {
        let mut bytes = vec![FORM];
        bytes.extend([0; HEAD - 1]);
        Self { bytes, limit, items, completeness: Completeness::default(), is_full: false }
    }

    /// Records an event. Gives its size in bytes, also when it does not fit any more.
    pub(super) fn push<E: CacheableEvent>(&mut self, event: &E) -> usize {
        if self.is_full {
            self.bytes.clear();
        }
        let before = self.bytes.len();
        let written = event.write(&mut self.bytes);
        let size = self.bytes.len() - before;
        if written.is_none() || self.bytes.len() > self.limit {
            self.is_full = true;
            self.bytes = Vec::new();
        } else if !self.is_full {
            event.check(self.items, &mut self.completeness);
        }
        size
    }

    /// What to keep, once the answer has come to its end; nothing if it is not whole, not good, or too big.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        if self.is_full || !self.completeness.is_complete() {
            return None;
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.get_mut(1..HEAD)?.copy_from_slice(&now().to_le_bytes());
        self.is_full = true;
        Some(bytes.into())
    }
}

/// Reads an entry: the events, and how long ago they were kept. `None` for what cannot be read.
pub(super) fn read<E: CacheableEvent>(bytes: &[u8]) -> Option<(Vec<E>, Duration)> {
    let (head, mut rest) = bytes.split_at_checked(HEAD)?;
    let (form, kept_at) = head.split_first()?;
    if *form != FORM {
        return None;
    }
    let kept_at = u64::from_le_bytes(kept_at.try_into().ok()?);
    let mut events = Vec::new();
    while !rest.is_empty() {
        events.push(E::read(&mut rest)?);
    }
    Some((events, Duration::from_millis(now().saturating_sub(kept_at))))
}

/// Milliseconds since the epoch; replicas share entries, so that their clocks have to do.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use llm_core::{
        ChatEvent, Description, EmbeddingResponse, FinishReason, Ranked, RerankResponse, Started,
        Transcript, Usage, Warning,
    };
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn tape<E: CacheableEvent>(events: &[E], items: usize) -> Option<Bytes> {
        let mut tape = Tape::new(1 << 20, items);
        for event in events {
            tape.push(event);
        }
        tape.finish()
    }

    fn check<E: CacheableEvent + PartialEq + std::fmt::Debug>(events: &[E], items: usize) {
        let bytes = tape(events, items).unwrap();
        let (back, age) = read::<E>(&bytes).unwrap();
        assert_eq!(back, events);
        assert!(age < Duration::from_secs(60));
        // What is cut anywhere is nothing or a shorter list, never a panic.
        for end in (0..bytes.len()).step_by(13) {
            let _ = read::<E>(&bytes[..end]);
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), Just(String::new()), Just("a\u{0}\"é".into())]
    }

    /// Any JSON, numbers with all of their digits included.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>()
                .prop_filter("JSON has no such number", |x| x.is_finite())
                .prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((text(), inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn event() -> impl Strategy<Value = ChatEvent> {
        let usage = (any::<Option<u64>>(), prop::option::of(0.0..1e9), prop::option::of(json()));
        prop_oneof![
            (text(), prop::option::of(text())).prop_map(|(text, signature)| ChatEvent::Text {
                choice: 0,
                text,
                signature
            }),
            prop::option::of(text())
                .prop_map(|id| ChatEvent::Started(Started { id, ..Started::default() })),
            json().prop_map(|value| ChatEvent::Logprobs { choice: 0, value }),
            (text(), text()).prop_map(|(code, message)| {
                ChatEvent::Warning(Warning { code, param: None, message })
            }),
            (text(), json()).prop_map(|(name, value)| ChatEvent::Extra {
                fields: [(name, value)].into_iter().collect()
            }),
            usage.prop_map(|(input_tokens, cost, raw)| {
                // `null` reads as nothing, which is what it says.
                let raw = raw.filter(|raw| !raw.is_null());
                ChatEvent::Usage(Usage { input_tokens, cost, raw, ..Usage::default() })
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn chats_come_back_as_they_were(events in prop::collection::vec(event(), 0..8)) {
            let mut events = events;
            events.push(ChatEvent::finished(FinishReason::Stop));
            check(&events, 1);
        }

        #[test]
        fn vectors_come_back_as_they_were(
            count in 1_usize..5,
            length in 1_usize..9,
            float in any::<f32>().prop_filter("vectors have numbers", |x| x.is_finite()),
            model in prop::option::of(text()),
        ) {
            let vectors = (0..count).map(|n| vec![float / (n + 1) as f32; length]).collect();
            check(&[EmbeddingResponse { vectors, model, ..Default::default() }], count);
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            if let Some(form) = bytes.first_mut() {
                *form = FORM;
            }
            let _ = (read::<ChatEvent>(&bytes), read::<EmbeddingResponse>(&bytes));
            let _ = (read::<Bytes>(&bytes), read::<Transcript>(&bytes));
        }
    }

    #[test]
    fn other_answers_come_back_as_they_were() {
        let ranked = |index, score| Ranked::new(index, score);
        let results = vec![ranked(1, 0.1), ranked(0, -7.25)];
        check(&[RerankResponse { results, ..RerankResponse::default() }], 2);
        check(&[Bytes::from_static(b"\0\xff"), Bytes::from_static(b"more")], 1);
        check(&[Description { text: "a cat".into(), ..Description::default() }], 1);
        let extra = json!({ "x": 0.1 }).as_object().unwrap().clone();
        check(&[Transcript { seconds: Some(0.3), extra, ..Transcript::default() }], 1);
    }

    #[test]
    fn what_is_not_an_answer_is_not_kept() {
        let vectors = |vectors| vec![EmbeddingResponse { vectors, ..Default::default() }];
        for (events, items) in [
            (vectors(vec![vec![1.0]]), 2),
            (vectors(vec![vec![1.0], vec![1.0, 2.0]]), 2),
            (vectors(vec![vec![f32::NAN]]), 1),
            (vectors(vec![vec![]]), 1),
            (vec![], 0),
        ] {
            assert_eq!(tape(&events, items), None, "{events:?}");
        }
        let ranked = |index, score| Ranked::new(index, score);
        for results in
            [vec![ranked(2, 0.0)], vec![ranked(0, 0.0); 2], vec![ranked(0, f32::INFINITY)]]
        {
            let response = RerankResponse { results, ..RerankResponse::default() };
            assert_eq!(tape(&[response], 2), None);
        }
        assert_eq!(tape(&[Bytes::new()], 1), None);
        assert_eq!(tape(&[Description::default()], 1), None);
        let mut small = Tape::new(20, 1);
        assert!(small.push(&Bytes::from(vec![0; 30])) > 30);
        assert_eq!((small.push(&Bytes::from_static(b"x")) > 0, small.finish()), (true, None));
    }
}
