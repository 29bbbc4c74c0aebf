//! What stands in quotation marks in a question.

/// More are plain text.
const MOST_QUOTED: usize = 8;

/// The quoted parts of a question, in order, without their marks. A mark that nothing closes is plain text, and so is
/// one that belongs to a number or a word, as in `6" pipe`.
pub(crate) fn quoted(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    while let Some((start, closing)) = opening(text, from).filter(|_| parts.len() < MOST_QUOTED) {
        match end(text, start, closing) {
            Some(end) => {
                parts.extend(text.get(start..end).filter(|part| !part.trim().is_empty()));
                from = end + closing_bytes(text, end);
            }
            None => from = start,
        }
    }
    parts
}

/// Where the next quoted part may begin, and what closes it.
fn opening(text: &str, from: usize) -> Option<(usize, &'static [char])> {
    text.get(from..)?.char_indices().find_map(|(at, c)| {
        let at = from + at;
        let closing = closing_of(c)?;
        let in_word = c == '"' && is_word(text.get(..at)?.chars().next_back());
        (!in_word).then_some((at + c.len_utf8(), closing))
    })
}

fn closing_of(c: char) -> Option<&'static [char]> {
    Some(match c {
        '"' => &['"'],
        '“' => &['”'],
        '„' => &['“', '”'],
        '«' => &['»'],
        '»' => &['«'],
        '「' => &['」'],
        '『' => &['』'],
        _ => return None,
    })
}

/// Where the part that begins at `start` ends, if it is closed.
fn end(text: &str, start: usize, closing: &[char]) -> Option<usize> {
    let rest = text.get(start..)?;
    let mut marks = rest.char_indices().filter(|(_, c)| closing.contains(c));
    marks.find_map(|(at, c)| {
        let after = rest.get(at + c.len_utf8()..)?.chars().next();
        (c != '"' || !is_word(after)).then_some(start + at)
    })
}

fn closing_bytes(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8)
}

/// Letters of scripts that put spaces between words, as far as a quotation mark without a space tells anything.
fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_what_is_quoted() {
        let check = |text: &str, expected: &[&str]| assert_eq!(quoted(text), expected, "{text}");
        check(r#"who said "to be or not" and "et tu"?"#, &["to be or not", "et tu"]);
        check("die „blaue Blume“, die “rote”, «la vie»", &["blaue Blume", "rote", "la vie"]);
        check("什么是\"机器学习\"？「東京」とは", &["机器学习", "東京"]);
        check(r#"a 6" pipe and an 8" one"#, &[]);
        check(r#"an "open end"#, &[]);
        check(r#"" "" " and "b""#, &["b"]);
        check(&"\"a\" ".repeat(100), &["a"; MOST_QUOTED]);
    }

    proptest! {
        #[test]
        fn takes_any_text(text in "[\"“”„«»「」a 1é]{0,40}") {
            for part in quoted(&text) {
                prop_assert!(text.contains(part) && !part.trim().is_empty());
            }
        }
    }
}
