//! [`SseDecoder`]: server-sent events out of bytes, cut anywhere. Pure: somebody else owns the socket.
//!
//! Follows the event-stream format of the HTML standard (any of LF, CR, CRLF ends a line; comments; several `data:`
//! lines; a byte-order mark), with one difference that clients of models need: [`SseDecoder::finish`] hands out an
//! event that lacks its blank line at the end of the body, instead of losing it.
//!
//! ```
//! use llm_providers::sse::SseDecoder;
//!
//! let mut decoder = SseDecoder::new(1024);
//! let mut seen = Vec::new();
//! for chunk in [&b": hello\nda"[..], b"ta: one\r", b"\n\r\ndata:two\n\n"] {
//!     let mut input = chunk;
//!     while let Some(event) = decoder.next(&mut input)? {
//!         seen.push(event.data.into_owned());
//!     }
//! }
//! assert_eq!(seen, ["one", "two"]);
//! # Ok::<(), llm_providers::sse::EventTooLong>(())
//! ```

use std::borrow::Cow;

/// One event. Borrows from the decoder until it is asked for the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// The `event:` field; empty when there was none.
    pub name: Cow<'a, str>,
    /// The `data:` lines joined by line feeds. Bytes that are no UTF-8 become U+FFFD.
    pub data: Cow<'a, str>,
    /// The last `id:` field of the stream so far; empty when there was none.
    pub id: Cow<'a, str>,
}

/// A line, or the lines of one event together, exceed the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is longer than {max_bytes} bytes")]
pub struct EventTooLong {
    /// The bound.
    pub max_bytes: usize,
}

/// An incremental decoder. Keeps at most one unfinished event, and never more than its bound; allocates nothing per
/// event once its buffers have grown.
#[derive(Clone, Debug)]
pub struct SseDecoder {
    max_bytes: usize,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// The lines of the event so far, each followed by a line feed.
    data: Vec<u8>,
    name: Vec<u8>,
    id: Vec<u8>,
    /// The event in `data` has been handed out; clear it before reading on.
    handed_out: bool,
    /// The last line ended in CR at the end of the input; an LF that follows belongs to it.
    after_cr: bool,
    /// No line has been read yet, so a byte-order mark may come.
    at_start: bool,
}

impl SseDecoder {
    /// A decoder that refuses events of more than `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            line: Vec::new(),
            data: Vec::new(),
            name: Vec::new(),
            id: Vec::new(),
            handed_out: false,
            after_cr: false,
            at_start: true,
        }
    }

    /// Consumes `input` up to the end of the next event and returns that; `None` when the input is used up. Events
    /// without data are skipped, as the standard says.
    ///
    /// # Errors
    /// When an event exceeds the bound. The decoder is of no further use then.
    pub fn next<'a>(&'a mut self, input: &mut &[u8]) -> Result<Option<SseEvent<'a>>, EventTooLong> {
        self.forget_handed_out();
        self.skip_line_feed(input);
        while let Some(end) = memchr::memchr2(b'\n', b'\r', input) {
            let (head, tail) = input.split_at(end);
            self.check_room(head.len())?;
            *input = self.after_line_end(tail);
            if self.take_line(head) {
                self.handed_out = true;
                return Ok(Some(self.event()));
            }
        }
        self.check_room(input.len())?;
        self.line.extend_from_slice(input);
        *input = &[];
        Ok(None)
    }

    /// The event that the end of the body cut off from its blank line, if there is one.
    pub fn finish(&mut self) -> Option<SseEvent<'_>> {
        self.forget_handed_out();
        self.take_line(b"");
        self.handed_out = true;
        (!self.data.is_empty()).then(|| self.event())
    }

    fn forget_handed_out(&mut self) {
        if std::mem::take(&mut self.handed_out) {
            self.data.clear();
            self.name.clear();
        }
    }

    fn skip_line_feed(&mut self, input: &mut &[u8]) {
        if self.after_cr && !input.is_empty() {
            self.after_cr = false;
            *input = input.strip_prefix(b"\n").unwrap_or(input);
        }
    }

    /// What follows the line end that `tail` begins with.
    fn after_line_end<'b>(&mut self, tail: &'b [u8]) -> &'b [u8] {
        match tail {
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\r'] => {
                self.after_cr = true;
                &[]
            }
            [_, rest @ ..] => rest,
            [] => &[],
        }
    }

    fn check_room(&self, more: usize) -> Result<(), EventTooLong> {
        let held = self.line.len() + self.data.len() + self.name.len() + self.id.len();
        if held.saturating_add(more) > self.max_bytes {
            return Err(EventTooLong { max_bytes: self.max_bytes });
        }
        Ok(())
    }

    /// Takes a whole line, whose last piece is `tail`. Returns whether it ended an event that has data.
    fn take_line(&mut self, tail: &[u8]) -> bool {
        if self.line.is_empty() {
            return self.take_whole_line(tail);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(tail);
        let ended = self.take_whole_line(&line);
        line.clear();
        self.line = line;
        ended
    }

    fn take_whole_line(&mut self, mut line: &[u8]) -> bool {
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            let has_data = !self.data.is_empty();
            if !has_data {
                self.name.clear();
            }
            return has_data;
        }
        let colon = memchr::memchr(b':', line);
        let (field, value) = match colon {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => replace(&mut self.name, value),
            b"id" if !value.contains(&0) => replace(&mut self.id, value),
            // Comments have an empty field name; `retry` and unknown fields mean nothing here.
            _ => {}
        }
        false
    }

    fn event(&self) -> SseEvent<'_> {
        let data = self.data.strip_suffix(b"\n").unwrap_or(&self.data);
        SseEvent {
            name: String::from_utf8_lossy(&self.name),
            data: String::from_utf8_lossy(data),
            id: String::from_utf8_lossy(&self.id),
        }
    }
}

fn replace(field: &mut Vec<u8>, value: &[u8]) {
    field.clear();
    field.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn decode(chunks: &[&[u8]], max_bytes: usize) -> Result<Vec<String>, EventTooLong> {
        let mut decoder = SseDecoder::new(max_bytes);
        let mut seen = Vec::new();
        let mut note = |event: SseEvent<'_>| {
            seen.push(format!("{}|{}|{:?}", event.name, event.id, event.data));
        };
        for chunk in chunks {
            let mut input = *chunk;
            while let Some(event) = decoder.next(&mut input)? {
                note(event);
            }
        }
        decoder.finish().into_iter().for_each(&mut note);
        Ok(seen)
    }

    /// `~` marks a chunk boundary.
    fn check(text: &[u8], expect: Expect) {
        let chunks: Vec<&[u8]> = text.split(|byte| *byte == b'~').collect();
        expect.assert_eq(&decode(&chunks, 1000).unwrap().join("\n"));
    }

    #[test]
    fn reads_every_line_end_and_field() {
        check(
            b"data: a\n\ndata:b\r\rdata: c\r\n\r\n",
            expect![[r#"
            ||"a"
            ||"b"
            ||"c""#]],
        );
        check(b"\xEF\xBB\xBFdata: a\n\n", expect![[r#"||"a""#]]);
        check(b"event: x\nid: 7\ndata: a\ndata\ndata:  b\n\n", expect![[r#"x|7|"a\n\n b""#]]);
        check(b": comment\n\nevent: lost\n\nretry: 5\ndata: a\n\n", expect![[r#"||"a""#]]);
        check(
            b"id: 1\ndata: a\n\ndata: b\n\n",
            expect![[r#"
            |1|"a"
            |1|"b""#]],
        );
    }

    #[test]
    fn reads_across_chunks() {
        check(
            b"data: h\xc3~\xa9llo\r~\n\r~\ndata: x\n\n",
            expect![[r#"
            ||"héllo"
            ||"x""#]],
        );
        check(b"~\xEF~\xBB\xBFda~ta: a\n~\n", expect![[r#"||"a""#]]);
    }

    #[test]
    fn hands_out_the_event_that_the_end_cut_off() {
        check(
            b"data: a\n\ndata: [DONE]",
            expect![[r#"
            ||"a"
            ||"[DONE]""#]],
        );
        check(b"data: [DONE]\n", expect![[r#"||"[DONE]""#]]);
        check(b": only a comment", expect![[""]]);
    }

    #[test]
    fn refuses_what_is_too_long() {
        let long = vec![b'x'; 600];
        assert_eq!(decode(&[&long, &long], 1000), Err(EventTooLong { max_bytes: 1000 }));
        let line = [b"data: ".as_slice(), &long, b"\n"].concat();
        assert_eq!(decode(&[&line, &line], 1000), Err(EventTooLong { max_bytes: 1000 }));
        let comment = [b": ".as_slice(), &long, b"\n"].concat();
        assert_eq!(decode(&[&comment, &comment, &comment], 1000), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            text in "([a-z:é\u{feff} ]{0,3}|data: ?x{0,3}|event:e|id: 1|\n|\r|\r\n){0,30}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> =
                cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decode(&chunks, 10_000), decode(&[bytes], 10_000));
        }

        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&[&bytes], 100);
        }
    }
}
