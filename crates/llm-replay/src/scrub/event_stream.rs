//! Checksums of AWS event streams (`application/vnd.amazon.eventstream`).
//!
//! A message is: total length (4 bytes, big-endian), length of the headers (4), CRC-32 of these eight (4), headers,
//! payload, CRC-32 of all before (4).

/// The lengths and their checksum.
const PRELUDE: usize = 12;
/// A checksum.
const CHECKSUM: usize = 4;

/// Writes the checksum of every whole message anew. What is no message is left as it is.
pub(super) fn seal(mut stream: &mut [u8]) {
    while let Some(length) = length(stream).filter(|length| *length <= stream.len()) {
        let (message, rest) = stream.split_at_mut(length);
        let (content, checksum) = message.split_at_mut(length - CHECKSUM);
        checksum.copy_from_slice(&crc32fast::hash(content).to_be_bytes());
        stream = rest;
    }
}

/// The length that the message here claims, unless that is too short for one.
fn length(stream: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(*stream.first_chunk()?) as usize;
    (length >= PRELUDE + CHECKSUM).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &[u8]) -> Vec<u8> {
        let length = (PRELUDE + payload.len() + CHECKSUM) as u32;
        let mut message = [length.to_be_bytes(), 0_u32.to_be_bytes()].concat();
        message.extend(crc32fast::hash(&message).to_be_bytes());
        message.extend(payload);
        message.extend(crc32fast::hash(&message).to_be_bytes());
        message
    }

    #[test]
    fn checksums_fit_after_a_change() {
        let mut stream = [message(b"one"), message(b"two"), b"\0\0".to_vec()].concat();
        stream[PRELUDE] = b'X';
        seal(&mut stream);
        assert_eq!(stream, [message(b"Xne"), message(b"two"), b"\0\0".to_vec()].concat());
    }

    #[test]
    fn what_is_no_stream_is_left_alone() {
        for bytes in [&b""[..], b"\0\0\0\x01", b"{\"message\":\"no\"}", &[0xff; 40]] {
            let mut stream = bytes.to_vec();
            seal(&mut stream);
            assert_eq!(stream, bytes);
        }
    }
}
