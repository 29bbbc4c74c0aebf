//! Finds citation markers in text that arrives in pieces, and takes them out.

/// A piece of what a model said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text without markers.
    Text(String),
    /// A marker that names these passages.
    Marker(Vec<usize>),
}

/// The longest marker that is recognised, in bytes; more is text. Bounds what is held back.
const MAX_MARKER: usize = 96;

/// Recognises `[ID:0]` in the shapes that models make of it: other brackets (`(ID: 0)`, `【ID:0】`), several ids
/// (`[ID:0, ID:2]`, `[ID:0,2]`), other digits, and bare `[0]` where it cannot be an index. Code is left alone, but for
/// `[ID:0]` in a block.
///
/// Holds back only what may still become a marker: an open bracket with what follows, and blanks at the end.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    pending: String,
    code: Code,
    last: Option<char>,
}

impl Scanner {
    /// Takes more text; gives what is certain.
    pub(super) fn push(&mut self, text: &str) -> Vec<Piece> {
        self.pending.push_str(text);
        self.scan(false)
    }

    /// Gives the rest.
    pub(super) fn finish(&mut self) -> Vec<Piece> {
        self.scan(true)
    }

    fn scan(&mut self, last: bool) -> Vec<Piece> {
        let pending = std::mem::take(&mut self.pending);
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = pending.as_str();
        while let Some(c) = rest.chars().next() {
            if !self.code.inline && opens(c) {
                match marker(rest, self.last, self.code.fence) {
                    Match::Yes { bytes, ids } => {
                        let kept = text.trim_end_matches([' ', '\t']).len();
                        text.truncate(kept);
                        flush(&mut pieces, &mut text);
                        pieces.push(Piece::Marker(ids));
                        rest = &rest[bytes..];
                        self.last = Some(']');
                        continue;
                    }
                    Match::NotYet if !last => break,
                    _ => {}
                }
            }
            self.code.see(c);
            self.last = Some(c);
            text.push(c);
            rest = &rest[c.len_utf8()..];
        }
        if !last {
            let kept = text.trim_end_matches([' ', '\t']).len();
            // A long run of blanks is layout, not the space before a marker.
            if text.len() - kept <= 4 {
                self.pending.push_str(&text[kept..]);
                text.truncate(kept);
            }
        }
        self.pending.push_str(rest);
        flush(&mut pieces, &mut text);
        pieces
    }
}

fn flush(pieces: &mut Vec<Piece>, text: &mut String) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text)));
    }
}

/// Whether the text so far stands inside Markdown code.
#[derive(Debug, Default)]
struct Code {
    fence: bool,
    inline: bool,
    ticks: u8,
}

impl Code {
    fn see(&mut self, c: char) {
        match c {
            '`' => {
                self.ticks += 1;
                if self.ticks == 3 {
                    self.fence = !self.fence;
                    self.inline = false;
                    self.ticks = 0;
                } else if !self.fence {
                    self.inline = !self.inline;
                }
            }
            '\n' => {
                self.inline = false;
                self.ticks = 0;
            }
            _ => self.ticks = 0,
        }
    }
}

enum Match {
    Yes {
        bytes: usize,
        ids: Vec<usize>,
    },
    /// It may become a marker with more text.
    NotYet,
    No,
}

fn opens(c: char) -> bool {
    closing(c).is_some()
}

fn closing(open: char) -> Option<char> {
    Some(match open {
        '[' => ']',
        '(' => ')',
        '【' => '】',
        '（' => '）',
        _ => return None,
    })
}

/// Reads a marker at the start of `text`, which begins with an opening bracket; `before` is the character before it.
/// In a block of code only a marker that says `ID` is one: a quoted block may be cut before its end.
fn marker(text: &str, before: Option<char>, in_code_block: bool) -> Match {
    let mut reader = Reader { rest: text, read: 0 };
    let Some(close) = reader.next().and_then(closing) else { return Match::No };
    let mut ids = Vec::new();
    let mut named_any = false;
    loop {
        reader.skip_blanks();
        let named = match reader.label() {
            Some(named) => named,
            None => return Match::NotYet,
        };
        named_any |= named;
        let Some(id) = reader.number() else {
            return if reader.rest.is_empty() { Match::NotYet } else { Match::No };
        };
        ids.push(id);
        reader.skip_blanks();
        match reader.next() {
            None => return reader.not_yet(),
            Some(c) if c == close => break,
            Some(',' | ';' | '，' | '、' | '；' | '&') => {}
            Some(_) => return Match::No,
        }
        if reader.read > MAX_MARKER {
            return Match::No;
        }
    }
    let bare_index = !named_any
        && (in_code_block
            || close != ']'
            || before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ')' | ']' | '!')));
    if bare_index { Match::No } else { Match::Yes { bytes: reader.read, ids } }
}

struct Reader<'a> {
    rest: &'a str,
    read: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.read += c.len_utf8();
        Some(c)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\u{a0}' | '\u{3000}')) {
            self.next();
        }
    }

    fn not_yet(&self) -> Match {
        if self.read > MAX_MARKER { Match::No } else { Match::NotYet }
    }

    /// Reads `ID`, `ID:`, `id #` and the like. `Some(false)` when there is none; `None` when more text must tell.
    fn label(&mut self) -> Option<bool> {
        match self.peek() {
            None => return None,
            Some('I' | 'i') => {}
            Some(_) => return Some(false),
        }
        let mut ahead = self.rest.chars();
        ahead.next();
        match ahead.next() {
            None => return None,
            Some('D' | 'd') => {}
            Some(_) => return Some(false),
        }
        self.next();
        self.next();
        self.skip_blanks();
        if matches!(self.peek(), Some(':' | '：' | '#' | '=' | '_' | '-')) {
            self.next();
        }
        self.skip_blanks();
        if self.rest.is_empty() { None } else { Some(true) }
    }

    /// Reads 1 to 4 digits of any script.
    fn number(&mut self) -> Option<usize> {
        let mut value = None;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(digit) else { break };
            value = Some(value.unwrap_or(0) * 10 + digit);
            self.next();
        }
        value
    }
}

fn digit(c: char) -> Option<usize> {
    let zero = match c {
        '0'..='9' => '0',
        '０'..='９' => '０',
        '\u{660}'..='\u{669}' => '\u{660}',
        '\u{6f0}'..='\u{6f9}' => '\u{6f0}',
        '\u{966}'..='\u{96f}' => '\u{966}',
        _ => return None,
    };
    Some(c as usize - zero as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Scans the pieces between `|` one by one; markers are shown as `<ids>`.
    fn scan(text: &str) -> String {
        let mut scanner = Scanner::default();
        let mut pieces: Vec<Piece> = text.split('|').flat_map(|part| scanner.push(part)).collect();
        pieces.extend(scanner.finish());
        show(pieces)
    }

    fn show(pieces: Vec<Piece>) -> String {
        pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Marker(ids) => format!(
                    "<{}>",
                    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
                ),
            })
            .collect()
    }

    #[test]
    fn recognises_the_shapes_of_models() {
        for (text, expected) in [
            ("Tea is hot [ID:0].", "Tea is hot<0>."),
            ("Tea is hot. [ID:0][ID:12] Yes", "Tea is hot.<0><12> Yes"),
            ("a [ID: 3] b (ID: 4) c 【ID:5】", "a<3> b<4> c<5>"),
            ("a [ID:1, ID:2; 3]", "a<1,2,3>"),
            ("a [id 7] b [ID#8]", "a<7> b<8>"),
            ("a [２] b [ID:٣]", "a<2> b<3>"),
            ("see [1] and [2, 3].", "see<1> and<2,3>."),
            ("cut [I|D|:|1|]| here", "cut<1> here"),
            ("cut |[ID:1", "cut [ID:1"),
            (
                "x[0] = f(1); [link](2) (3) [IDEA] [ID:] [ID:x]",
                "x[0] = f(1); [link](2) (3) [IDEA] [ID:] [ID:x]",
            ),
            (
                "`a [ID:1]` and\n```\nx [ID:2] [2]\n```\n[ID:3]",
                "`a [ID:1]` and\n```\nx<2> [2]\n```\n<3>",
            ),
            ("``|`\n[1]", "```\n[1]"),
            ("", ""),
        ] {
            assert_eq!(scan(text), expected, "{text}");
        }
    }

    #[test]
    fn holds_back_only_what_may_be_a_marker() {
        let mut scanner = Scanner::default();
        assert_eq!(scanner.push("one [two"), [Piece::Text("one [two".into())]);
        assert_eq!(scanner.push(" [I"), []);
        assert_eq!(scanner.push("nk]"), [Piece::Text(" [Ink]".into())]);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(parts in proptest::collection::vec("[ab \\[\\]()ID:0-9,`\n]{0,6}|\\[ID:[0-9]\\]|é【", 0..12)) {
            let whole: String = parts.concat();
            let mut at_once = Scanner::default();
            let mut expected = at_once.push(&whole);
            expected.extend(at_once.finish());
            let mut pieces = Vec::new();
            let mut scanner = Scanner::default();
            for c in whole.chars() {
                pieces.extend(scanner.push(c.encode_utf8(&mut [0; 4])));
            }
            pieces.extend(scanner.finish());
            prop_assert_eq!(show(pieces), show(expected));
        }
    }
}
