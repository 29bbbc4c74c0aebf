//! Names as parts of paths.

/// A name as one segment of a path. Names come from callers, and must not reach another resource.
pub(crate) fn path_segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'@' => {
                segment.push(char::from(byte));
            }
            // A segment of dots alone would climb, even in its encoded form; this one names nothing.
            b'.' if name.bytes().all(|byte| byte == b'.') => segment.push_str("%252E"),
            b'.' => segment.push('.'),
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_segment() {
        for (name, segment) in [
            ("gpt-5.1-chat", "gpt-5.1-chat"),
            ("../../x", "..%2F..%2Fx"),
            ("..", "%252E%252E"),
            ("a?b#c%2F", "a%3Fb%23c%252F"),
        ] {
            assert_eq!(path_segment(name), segment);
        }
    }
}
