//! Finding and blanking text that may be escaped: as in JSON, as in JSON within JSON, or percent-encoded.

use std::ops::Range;

/// The deepest run of backslashes that is understood: JSON four times within JSON.
const MAX_BACKSLASHES: usize = 16;

/// A text that is looked for.
#[derive(Clone)]
pub(super) struct Needle {
    characters: Vec<char>,
    /// The first byte of it.
    first: u8,
}

impl Needle {
    pub(super) fn new(text: &str) -> Self {
        let first = text.bytes().next().unwrap_or_default();
        Self { characters: text.chars().collect(), first }
    }

    /// Adds every place where it stands.
    pub(super) fn find_all(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let mut at = 0;
        while at < text.len() {
            match self.end_at(text, at) {
                Some(end) => {
                    found.push(at..end);
                    at = end.max(at + 1);
                }
                None => at += 1,
            }
        }
    }

    /// Where it ends if it stands here.
    pub(super) fn end_at(&self, text: &[u8], at: usize) -> Option<usize> {
        if !self.may_begin(*text.get(at)?) {
            return None;
        }
        // A backslash or a percent sign may be itself or begin an escape, so there can be more than one reading.
        let mut ends = vec![at];
        for wanted in &self.characters {
            let mut next = Vec::new();
            for end in ends {
                for (character, length) in readings(text, end).into_iter().flatten() {
                    if character == *wanted && !next.contains(&(end + length)) {
                        next.push(end + length);
                    }
                }
            }
            if next.is_empty() {
                return None;
            }
            ends = next;
        }
        ends.into_iter().max()
    }

    /// Whether it can begin with this byte, as itself or as an escape.
    pub(super) fn may_begin(&self, byte: u8) -> bool {
        byte == self.first || matches!(byte, b'\\' | b'%')
    }
}

/// The characters that may begin here, with their lengths in bytes: as it stands, as an escape, and for backslashes how
/// many of them JSON makes of one, at each depth.
pub(super) fn readings(text: &[u8], at: usize) -> [Option<(char, usize)>; 5] {
    let rest = text.get(at..).unwrap_or_default();
    let (escape, run) = match rest.first() {
        Some(b'\\') => (json_escape(rest), backslashes(rest)),
        Some(b'%') => (percent_escape(rest), 0),
        _ => (None, 0),
    };
    let backslash = |length| (length <= run).then_some(('\\', length));
    [plain(rest), escape, backslash(2), backslash(4), backslash(8)]
}

fn plain(text: &[u8]) -> Option<(char, usize)> {
    let first = *text.first()?;
    if first.is_ascii() {
        return Some((first.into(), 1));
    }
    let length = first.leading_ones() as usize;
    let character = std::str::from_utf8(text.get(..length)?).ok()?.chars().next()?;
    Some((character, length))
}

fn backslashes(text: &[u8]) -> usize {
    text.iter().take(MAX_BACKSLASHES).take_while(|byte| **byte == b'\\').count()
}

/// `\n`, `\"`, `\u0041`, `\ud83d\ude00`, and the same behind more backslashes.
fn json_escape(text: &[u8]) -> Option<(char, usize)> {
    let run = backslashes(text);
    let character = match text.get(run)? {
        b'u' => return unicode_escape(text, run),
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        byte @ (b'"' | b'/' | b'\'') => char::from(*byte),
        _ => return None,
    };
    Some((character, run + 1))
}

fn unicode_escape(text: &[u8], run: usize) -> Option<(char, usize)> {
    let length = run + 5;
    let unit = hex(text.get(run + 1..length)?)?;
    if let Some(character) = char::from_u32(unit) {
        return Some((character, length));
    }
    let low = text.get(length..)?;
    let run = backslashes(low);
    if run == 0 || low.get(run) != Some(&b'u') {
        return None;
    }
    let low = hex(low.get(run + 1..run + 5)?)?;
    let pair = [u16::try_from(unit).ok()?, u16::try_from(low).ok()?];
    let character = char::decode_utf16(pair).next()?.ok()?;
    Some((character, length + run + 5))
}

/// `%2F`, and `%C3%A9` for a character of several bytes.
fn percent_escape(text: &[u8]) -> Option<(char, usize)> {
    let byte = |at: usize| {
        let escape = text.get(at * 3..at * 3 + 3)?;
        let value = escape.strip_prefix(b"%").and_then(hex)?;
        u8::try_from(value).ok()
    };
    let first = byte(0)?;
    let count = if first.is_ascii() { 1 } else { first.leading_ones() as usize };
    let bytes: Vec<u8> = (0..count).map(byte).collect::<Option<_>>()?;
    let character = std::str::from_utf8(&bytes).ok()?.chars().next()?;
    Some((character, count * 3))
}

fn hex(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Whether what stands before `at` is part of the same word: then no key begins there.
pub(super) fn is_within_word(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let Some(last) = before.last() else { return false };
    if !(last.is_ascii_alphanumeric() || matches!(last, b'_' | b'-' | b'+')) {
        return false;
    }
    // The last letter may belong to an escape, which is a sign and no word.
    let tail = |length: usize| before.get(before.len().wrapping_sub(length)..);
    let ends_escape = matches!(tail(2), Some([b'\\', b'n' | b't' | b'r' | b'b' | b'f']))
        || tail(3).is_some_and(|tail| tail.strip_prefix(b"%").and_then(hex).is_some())
        || tail(6).is_some_and(|tail| tail.strip_prefix(b"\\u").and_then(hex).is_some());
    !ends_escape
}

/// Overwrites letters with `X` and digits with `1`, also where they are escaped. Signs stay, and so do length and
/// validity of JSON, UTF-8 and percent-encoding.
pub(super) fn blank(text: &mut [u8]) {
    // A number can be a secret, too; its exponent must stay one.
    let is_number =
        text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let mut at = 0;
    while let Some(rest) = text.get_mut(at..).filter(|rest| !rest.is_empty()) {
        at += match rest.first() {
            Some(b'\\') => blank_json_escape(rest),
            Some(b'%') => blank_percent_escape(rest),
            _ => blank_plain(rest, is_number),
        };
    }
}

fn blank_plain(text: &mut [u8], is_number: bool) -> usize {
    if let Some(byte) = text.first_mut() {
        match byte {
            b'0'..=b'9' => *byte = b'1',
            b'a'..=b'z' | b'A'..=b'Z' if !is_number => *byte = b'X',
            _ if !byte.is_ascii() => *byte = b'X',
            _ => {}
        }
    }
    1
}

fn blank_json_escape(text: &mut [u8]) -> usize {
    let run = backslashes(text);
    if text.get(run) == Some(&b'u')
        && let Some(digits) = text.get_mut(run + 1..run + 5)
        && hex(digits).is_some()
    {
        digits.copy_from_slice(b"0058");
        return run + 5;
    }
    // The escape of a sign tells nothing.
    run + usize::from(json_escape(text).is_some())
}

fn blank_percent_escape(text: &mut [u8]) -> usize {
    match text.get_mut(1..3) {
        Some(digits) if hex(digits).is_some() => {
            digits.copy_from_slice(b"58");
            3
        }
        _ => 1,
    }
}
