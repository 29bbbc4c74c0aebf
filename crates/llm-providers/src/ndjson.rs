//! [`LineDecoder`]: lines of JSON (`application/x-ndjson`) out of bytes, cut anywhere. Pure: somebody else owns the
//! socket.
//!
//! A line ends with LF; a CR before it belongs to the end. Lines of white space are skipped.
//!
//! ```
//! use llm_providers::ndjson::LineDecoder;
//!
//! let mut decoder = LineDecoder::new(1024);
//! let mut seen = Vec::new();
//! for chunk in [&b"{\"a\""[..], b":1}\r\n\n{\"a\":2}"] {
//!     let mut input = chunk;
//!     while let Some(line) = decoder.next(&mut input)? {
//!         seen.push(line.to_vec());
//!     }
//! }
//! seen.extend(decoder.finish().map(<[u8]>::to_vec));
//! assert_eq!(seen, [br#"{"a":1}"#, br#"{"a":2}"#]);
//! # Ok::<(), llm_providers::ndjson::LineTooLong>(())
//! ```

/// A line exceeds the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of the answer is longer than {max_bytes} bytes")]
pub struct LineTooLong {
    /// The bound.
    pub max_bytes: usize,
}

/// An incremental decoder. Keeps at most one line, and never more than its bound; allocates nothing per line once its
/// buffer has grown.
#[derive(Clone, Debug)]
pub struct LineDecoder {
    max_bytes: usize,
    line: Vec<u8>,
    /// The line has been handed out; clear it before reading on.
    handed_out: bool,
}

impl LineDecoder {
    /// A decoder that refuses lines of more than `max_bytes`, their end not counted.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, line: Vec::new(), handed_out: false }
    }

    /// Consumes `input` up to the end of the next line and returns that; `None` when the input is used up.
    ///
    /// # Errors
    /// When a line exceeds the bound. The decoder is of no further use then.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, LineTooLong> {
        self.forget_handed_out();
        while let Some(end) = memchr::memchr(b'\n', input) {
            let (head, tail) = input.split_at(end);
            *input = tail.get(1..).unwrap_or_default();
            self.keep(head)?;
            if self.line.trim_ascii().is_empty() {
                self.line.clear();
                continue;
            }
            self.handed_out = true;
            return Ok(Some(self.line.trim_ascii()));
        }
        self.keep(input)?;
        *input = &[];
        Ok(None)
    }

    /// The line that the end of the body cut off from its line end, if there is one.
    pub fn finish(&mut self) -> Option<&[u8]> {
        self.forget_handed_out();
        self.handed_out = true;
        Some(self.line.trim_ascii()).filter(|line| !line.is_empty())
    }

    fn forget_handed_out(&mut self) {
        if std::mem::take(&mut self.handed_out) {
            self.line.clear();
        }
    }

    fn keep(&mut self, more: &[u8]) -> Result<(), LineTooLong> {
        if self.line.len().saturating_add(more.len()) > self.max_bytes {
            return Err(LineTooLong { max_bytes: self.max_bytes });
        }
        self.line.extend_from_slice(more);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&[u8]], max_bytes: usize) -> Result<Vec<String>, LineTooLong> {
        let mut decoder = LineDecoder::new(max_bytes);
        let mut seen = Vec::new();
        for chunk in chunks {
            let mut input = *chunk;
            while let Some(line) = decoder.next(&mut input)? {
                seen.push(String::from_utf8_lossy(line).into_owned());
            }
        }
        seen.extend(decoder.finish().map(|line| String::from_utf8_lossy(line).into_owned()));
        Ok(seen)
    }

    #[test]
    fn lines_end_with_lf_or_the_body() {
        let chunks: [&[u8]; 4] = [b"{}\n\r\n  \n{\"a\"", b":1}\r", b"\n", b"[]"];
        assert_eq!(lines(&chunks, 16).unwrap(), ["{}", "{\"a\":1}", "[]"]);
        assert_eq!(lines(&[b"\n\n", b" "], 16).unwrap(), [""; 0]);
    }

    #[test]
    fn a_line_that_never_ends_is_refused_within_its_bound() {
        assert_eq!(lines(&[b"0123456789"], 10).unwrap(), ["0123456789"]);
        assert_eq!(lines(&[b"01234567", b"890"], 10), Err(LineTooLong { max_bytes: 10 }));
        assert_eq!(lines(&[b"01234567890\n"], 10), Err(LineTooLong { max_bytes: 10 }));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(
            text in proptest::collection::vec(prop::sample::select(&b"ab \r\n"[..]), 0..60),
            cut in 0_usize..60,
        ) {
            let (head, tail) = text.split_at(cut.min(text.len()));
            prop_assert_eq!(lines(&[head, tail], 100), lines(&[&text], 100));
        }
    }
}
