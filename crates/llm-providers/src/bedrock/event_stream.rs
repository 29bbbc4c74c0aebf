//! [`FrameDecoder`]: frames of `application/vnd.amazon.eventstream` out of bytes, cut anywhere. Pure: somebody else owns
//! the socket.
//!
//! A frame is, all numbers in network order: its length (u32), the length of its headers (u32), the CRC-32 of these eight
//! bytes (u32), the headers (each: length of the name as u8, name, type as u8, value), the payload, and the CRC-32 of
//! everything before (u32). Source: "Amazon Transcribe / Amazon S3 event stream encoding" in the AWS documentation, and
//! the recordings; Bedrock sends headers of type 7 (string) only.
//!
//! ```
//! use llm_providers::bedrock::event_stream::{FrameDecoder, encode_frame};
//!
//! let bytes = encode_frame(&[(":message-type", "event"), (":event-type", "ping")], b"{}");
//! let mut decoder = FrameDecoder::new(1024);
//! let mut seen = 0;
//! for mut input in bytes.chunks(3) {
//!     while let Some(frame) = decoder.next(&mut input)? {
//!         assert_eq!((frame.header(":event-type"), frame.payload), (Some("ping"), &b"{}"[..]));
//!         seen += 1;
//!     }
//! }
//! assert_eq!((seen, decoder.is_between_frames()), (1, true));
//! # Ok::<(), llm_providers::bedrock::event_stream::FrameError>(())
//! ```

/// The two lengths and their checksum.
const PRELUDE: usize = 12;

/// The checksum at the end.
const TRAILER: usize = 4;

/// One frame. Borrows from the decoder until it is asked for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    headers: &'a [u8],
    /// What it carries; JSON at Bedrock.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The value of a header, if it is there and a string.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        Headers(self.headers)
            .map_while(Result::ok)
            .find(|(known, _)| *known == name.as_bytes())
            .and_then(|(_, value)| std::str::from_utf8(value?).ok())
    }
}

/// Why bytes are no event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A frame says that it is longer than the bound.
    #[error("a frame of {bytes} bytes exceeds the bound of {max_bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        max_bytes: usize,
    },
    /// A checksum does not fit.
    #[error("the checksum of a frame's {part} does not fit")]
    Checksum {
        /// Which one.
        part: &'static str,
    },
    /// The lengths contradict each other, or headers are broken.
    #[error("a frame is broken: {problem}")]
    Broken {
        /// How.
        problem: &'static str,
    },
}

/// An incremental decoder. Keeps at most one unfinished frame, never more than its bound, and never more than has come:
/// a length is not believed before its bytes are there. Allocates nothing per frame once its buffer has grown.
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    max_bytes: usize,
    /// The frame so far.
    buffer: Vec<u8>,
    /// The frame in `buffer` has been handed out; clear it before reading on.
    handed_out: bool,
}

impl FrameDecoder {
    /// A decoder that refuses frames of more than `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, buffer: Vec::new(), handed_out: false }
    }

    /// Consumes `input` up to the end of the next frame and returns that; `None` when the input is used up.
    ///
    /// # Errors
    /// When a frame is too long or broken. The decoder is of no further use then.
    pub fn next<'a>(&'a mut self, input: &mut &[u8]) -> Result<Option<Frame<'a>>, FrameError> {
        if std::mem::take(&mut self.handed_out) {
            self.buffer.clear();
        }
        if !self.fill(PRELUDE, input) {
            return Ok(None);
        }
        let lengths = read_prelude(&self.buffer)?;
        if lengths.total > self.max_bytes {
            return Err(FrameError::TooLong { bytes: lengths.total, max_bytes: self.max_bytes });
        }
        if !self.fill(lengths.total, input) {
            return Ok(None);
        }
        self.handed_out = true;
        read_frame(&self.buffer, lengths).map(Some)
    }

    /// Whether no frame is unfinished, so that the stream may end here.
    pub fn is_between_frames(&self) -> bool {
        self.handed_out || self.buffer.is_empty()
    }

    /// Takes input until the buffer holds `length` bytes; says whether it does.
    fn fill(&mut self, length: usize, input: &mut &[u8]) -> bool {
        let missing = length.saturating_sub(self.buffer.len());
        let (head, tail) = input.split_at(missing.min(input.len()));
        self.buffer.extend_from_slice(head);
        *input = tail;
        self.buffer.len() >= length
    }
}

#[derive(Clone, Copy)]
struct Lengths {
    total: usize,
    headers: usize,
}

fn read_prelude(bytes: &[u8]) -> Result<Lengths, FrameError> {
    let broken = FrameError::Broken { problem: "its prelude is short" };
    let (lengths, rest) = bytes.split_at_checked(8).ok_or(broken)?;
    if number(rest) != Some(crc32fast::hash(lengths)) {
        return Err(FrameError::Checksum { part: "prelude" });
    }
    let (total, headers) = lengths.split_at_checked(4).ok_or(broken)?;
    let (total, headers) = (number(total).ok_or(broken)?, number(headers).ok_or(broken)?);
    let lengths = Lengths { total: total as usize, headers: headers as usize };
    if lengths.total.saturating_sub(PRELUDE + TRAILER) < lengths.headers {
        return Err(FrameError::Broken { problem: "its headers are longer than itself" });
    }
    if lengths.total < PRELUDE + TRAILER {
        return Err(FrameError::Broken { problem: "it is shorter than its own frame" });
    }
    Ok(lengths)
}

fn read_frame(bytes: &[u8], lengths: Lengths) -> Result<Frame<'_>, FrameError> {
    let broken = FrameError::Broken { problem: "it is short" };
    let (body, checksum) = lengths
        .total
        .checked_sub(TRAILER)
        .and_then(|at| bytes.split_at_checked(at))
        .ok_or(broken)?;
    if number(checksum) != Some(crc32fast::hash(body)) {
        return Err(FrameError::Checksum { part: "body" });
    }
    let (_, body) = body.split_at_checked(PRELUDE).ok_or(broken)?;
    let (headers, payload) = body.split_at_checked(lengths.headers).ok_or(broken)?;
    for header in Headers(headers) {
        header?;
    }
    Ok(Frame { headers, payload })
}

/// The first four bytes as a number.
fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Walks over headers: name, and value where that is a string.
struct Headers<'a>(&'a [u8]);

impl<'a> Iterator for Headers<'a> {
    type Item = Result<(&'a [u8], Option<&'a [u8]>), FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let header = self.header().ok_or(FrameError::Broken { problem: "a header is cut short" });
        if header.is_err() {
            self.0 = &[];
        }
        Some(header)
    }
}

impl<'a> Headers<'a> {
    fn header(&mut self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let length = self.take(1)?.first().copied()?;
        let name = self.take(usize::from(length))?;
        let kind = self.take(1)?.first().copied()?;
        // true, false, i8, i16, i32, i64, bytes, string, timestamp, UUID
        let length = match kind {
            0 | 1 => 0,
            2 => 1,
            3 => 2,
            4 => 4,
            5 | 8 => 8,
            6 | 7 => usize::from(u16::from_be_bytes(*self.take(2)?.first_chunk()?)),
            9 => 16,
            _ => return None,
        };
        let value = self.take(length)?;
        Some((name, (kind == 7).then_some(value)))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }
}

/// Writes one frame with string headers, for servers and tests. Names are cut at 255 bytes and values at 65,535, which is
/// what the format can carry.
pub fn encode_frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    for (name, value) in headers {
        let name = &name.as_bytes()[..name.len().min(usize::from(u8::MAX))];
        let value = &value.as_bytes()[..value.len().min(usize::from(u16::MAX))];
        written.push(name.len() as u8);
        written.extend_from_slice(name);
        written.push(7);
        written.extend_from_slice(&(value.len() as u16).to_be_bytes());
        written.extend_from_slice(value);
    }
    let total = PRELUDE + written.len() + payload.len() + TRAILER;
    let mut frame = Vec::with_capacity(total);
    frame.extend_from_slice(&(total as u32).to_be_bytes());
    frame.extend_from_slice(&(written.len() as u32).to_be_bytes());
    let checksum = crc32fast::hash(&frame);
    frame.extend_from_slice(&checksum.to_be_bytes());
    frame.extend_from_slice(&written);
    frame.extend_from_slice(payload);
    let checksum = crc32fast::hash(&frame);
    frame.extend_from_slice(&checksum.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Event type and payload of each frame, and whether the stream may end there.
    type Decoded = (Vec<(String, Vec<u8>)>, bool);

    fn decode<'a>(
        chunks: impl IntoIterator<Item = &'a [u8]>,
        max_bytes: usize,
    ) -> Result<Decoded, FrameError> {
        let mut decoder = FrameDecoder::new(max_bytes);
        let mut frames = Vec::new();
        for mut chunk in chunks {
            while let Some(frame) = decoder.next(&mut chunk)? {
                let name = frame.header(":event-type").unwrap_or_default();
                frames.push((name.to_owned(), frame.payload.to_vec()));
            }
        }
        Ok((frames, decoder.is_between_frames()))
    }

    /// The empty message and the one with a header of the format's public test vectors.
    #[test]
    fn known_frames_are_read() {
        let empty = [0, 0, 0, 16, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff];
        assert_eq!(encode_frame(&[], b""), empty);
        assert_eq!(decode([&empty[..]], 16), Ok((vec![(String::new(), vec![])], true)));
    }

    #[test]
    fn headers_of_every_type_are_passed_over() {
        let mut headers = Vec::new();
        for (kind, value) in [
            (0_u8, &[][..]),
            (1, &[]),
            (2, &[1]),
            (3, &[1, 2]),
            (4, &[1; 4]),
            (5, &[1; 8]),
            (6, &[0, 2, 9, 9]),
            (8, &[1; 8]),
            (9, &[1; 16]),
            (7, b"\0\x02hi"),
        ] {
            headers.extend_from_slice(&[1, b'a' + kind, kind]);
            headers.extend_from_slice(value);
        }
        let frame = Frame { headers: &headers, payload: &[] };
        assert_eq!(frame.header("h"), Some("hi"));
        assert_eq!(frame.header("g"), None);
        assert!(Headers(&headers).all(|header| header.is_ok()));
        assert!(Headers(&headers[..headers.len() - 1]).any(|header| header.is_err()));
        assert!(Headers(&[1, b'a', 10]).any(|header| header.is_err()));
    }

    #[test]
    fn bounds_hold_before_the_bytes_have_come() {
        let frame = encode_frame(&[], &[0; 100]);
        let error = decode([&frame[..PRELUDE]], 100).unwrap_err();
        assert_eq!(error, FrameError::TooLong { bytes: 116, max_bytes: 100 });
        // A length of four gigabytes makes no buffer.
        let mut decoder = FrameDecoder::new(usize::MAX);
        let mut prelude = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0].to_vec();
        prelude.extend_from_slice(&crc32fast::hash(&prelude).to_be_bytes());
        assert_eq!(decoder.next(&mut &prelude[..]), Ok(None));
        assert!(decoder.buffer.capacity() < 1024);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_frames(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
            chunk in 1_usize..30,
        ) {
            let bytes: Vec<u8> = payloads
                .iter()
                .flat_map(|payload| encode_frame(&[(":event-type", "x")], payload))
                .collect();
            let (frames, is_whole) = decode(bytes.chunks(chunk), 4096).unwrap();
            prop_assert!(is_whole);
            prop_assert_eq!(frames.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>(), payloads);
        }

        #[test]
        fn a_flipped_bit_is_noticed(at in 0_usize..60, bit in 0_u8..8) {
            let mut bytes = encode_frame(&[(":event-type", "delta")], b"{\"text\":\"hello world\"}");
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(decode([&bytes[..]], 4096).is_err());
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode([&bytes[..]], 64);
        }
    }
}
