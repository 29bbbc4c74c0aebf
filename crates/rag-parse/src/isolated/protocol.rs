//! What is said between parent and worker.
//!
//! The worker greets with one line that names the protocol's version (a program may print other lines before). Then
//! requests and replies alternate. Each frame is a length (`u64`, little endian) and so many bytes; a request is a frame
//! of JSON and one of the file's bytes, a reply is one frame of JSON.

use std::io::{self, Read, Write};

use rag_core::{ParseError, ParsedDocument};
use serde::{Deserialize, Serialize};

use crate::ParseLimits;

pub(super) const GREETING: &str = "colloquy-parse-worker 2";

#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) pages: Vec<(u32, u32)>,
    pub(super) pictures: bool,
    pub(super) limits: ParseLimits,
}

pub(super) type Reply = Result<ParsedDocument, ParseError>;

/// The most bytes of a request's JSON.
pub(super) const MOST_REQUEST: u64 = 1 << 20;

pub(super) fn write_frame(output: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    output.write_all(&(bytes.len() as u64).to_le_bytes())?;
    output.write_all(bytes)
}

/// Reads a frame; `None` when the other side closed instead.
///
/// # Errors
/// `FileTooLarge` for frames beyond `most`; `UnexpectedEof` when the other side closed within the frame.
pub(super) fn read_frame(input: &mut impl Read, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    let mut filled = 0;
    while let Some(rest) = length.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = u64::from_le_bytes(length);
    if length > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // Grows with what arrives, not with what was announced.
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length {
        Ok(Some(bytes))
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_arrive(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..5)) {
            let mut wire = Vec::new();
            for frame in &frames {
                write_frame(&mut wire, frame).unwrap();
            }
            let mut input = wire.as_slice();
            for frame in &frames {
                let read = read_frame(&mut input, 50).unwrap();
                prop_assert_eq!(read.as_ref(), Some(frame));
            }
            prop_assert!(read_frame(&mut input, 50).unwrap().is_none());
        }

        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let _ = read_frame(&mut bytes.as_slice(), 1 << 40);
        }
    }
}
