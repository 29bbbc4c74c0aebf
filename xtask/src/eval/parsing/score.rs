//! How close two texts are.

use std::collections::HashMap;

/// F1 of what a text has of a reference: 1 is the same, 0 has nothing in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub(super) struct Score {
    /// Over words, in any order.
    pub(super) words: f64,
    /// Over runs of three words, which feels their order.
    pub(super) order: f64,
}

impl Score {
    pub(super) fn of(found: &str, expected: &str) -> Self {
        let (found, expected) = (words(found), words(expected));
        Self { words: f1(&found, &expected), order: f1(&triples(&found), &triples(&expected)) }
    }
}

/// Adds a value, if there is one, to a mean of `count` values.
pub(super) fn add_to_mean(mean: &mut Option<Score>, count: &mut usize, value: Option<Score>) {
    let Some(value) = value else { return };
    let before = mean.unwrap_or_default();
    *count += 1;
    let step = 1.0 / *count as f64;
    *mean = Some(Score {
        words: before.words + (value.words - before.words) * step,
        order: before.order + (value.order - before.order) * step,
    });
}

/// Words in lower case, without Markdown's marks, the targets of its links and its character references. Characters of scripts that are written
/// without spaces are words of their own.
fn words(text: &str) -> Vec<String> {
    let text = with_characters(text);
    let mut plain = String::new();
    let mut rest = &*text;
    while let Some((before, after)) = rest.split_once("](") {
        plain.push_str(before);
        plain.push(' ');
        rest = after.split_once(')').map_or(after, |(_, after)| after);
    }
    plain.push_str(rest);
    let (mut words, mut word) = (Vec::new(), String::new());
    for c in plain.chars() {
        let alone = is_written_without_spaces(c);
        if (alone || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone {
            words.push(c.to_string());
        } else if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// Character references as the characters that they stand for.
fn with_characters(text: &str) -> String {
    const NAMED: [(&str, &str); 7] = [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    NAMED.iter().fold(text.to_owned(), |text, (name, character)| text.replace(name, character))
}

fn is_written_without_spaces(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn triples(words: &[String]) -> Vec<String> {
    match words.len() {
        0 => Vec::new(),
        1 | 2 => vec![words.join(" ")],
        _ => words.windows(3).map(|triple| triple.join(" ")).collect(),
    }
}

fn f1(found: &[String], expected: &[String]) -> f64 {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    expected.iter().for_each(|word| *counts.entry(word).or_default() += 1);
    let mut common = 0_usize;
    for word in found {
        if let Some(count) = counts.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    match found.len() + expected.len() {
        0 => 1.0,
        total => 2.0 * common as f64 / total as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_by_words_and_their_order() {
        let cases = [
            ("a b c d", "a b c d", 1.0, 1.0),
            ("**a** [b](http://x) c | d", "a b c\n\nd", 1.0, 1.0),
            ("d c b a", "a b c d", 1.0, 0.0),
            ("a b", "a b c d", 2.0 / 3.0, 0.0),
            ("", "a", 0.0, 0.0),
            ("", "", 1.0, 1.0),
            ("日本 語", "日本語", 1.0, 1.0),
            ("a &lt; b", "a&nbsp;b", 1.0, 1.0),
        ];
        for (found, expected, words, order) in cases {
            let score = Score::of(found, expected);
            assert!((score.words - words).abs() < 1e-9, "{found:?}: {score:?}");
            assert!((score.order - order).abs() < 1e-9, "{found:?}: {score:?}");
        }
    }

    #[test]
    fn means_grow_value_by_value() {
        let (mut mean, mut count) = (None, 0);
        for words in [Some(1.0), None, Some(0.5)] {
            let value = words.map(|words| Score { words, order: 0.0 });
            add_to_mean(&mut mean, &mut count, value);
        }
        assert_eq!((mean, count), (Some(Score { words: 0.75, order: 0.0 }), 2));
    }
}
