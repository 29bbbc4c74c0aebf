//! Finds the sentence of a passage that bears out a claim.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// The sentences of all passages with their terms, and how telling each term is among them.
#[derive(Debug)]
pub(super) struct Quotes {
    passages: Vec<Vec<Sentence>>,
    rarity: HashMap<String, f32>,
}

#[derive(Debug)]
struct Sentence {
    span: Range<usize>,
    terms: HashSet<String>,
}

/// The best sentence for a claim.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quote {
    /// Byte range in the passage.
    pub(super) span: Range<usize>,
    /// Share of the claim's terms, weighted by how telling they are, that stand in it: 0 to 1.
    pub(super) support: f32,
}

impl Quotes {
    pub(super) fn new<'a>(passages: impl IntoIterator<Item = &'a str>) -> Self {
        let passages: Vec<Vec<Sentence>> = passages.into_iter().map(sentences).collect();
        let mut counts: HashMap<String, f32> = HashMap::new();
        for term in passages.iter().flatten().flat_map(|sentence| &sentence.terms) {
            *counts.entry(term.clone()).or_default() += 1.0;
        }
        let total = passages.iter().map(Vec::len).sum::<usize>() as f32;
        let rarity =
            counts.into_iter().map(|(term, count)| (term, (1.0 + total / count).ln())).collect();
        Self { passages, rarity }
    }

    /// The sentence of passage `index` that bears out `claim` best. The whole passage with support 0 when none does;
    /// `None` when there is no such passage.
    pub(super) fn find(&self, index: usize, claim: &str) -> Option<Quote> {
        let sentences = self.passages.get(index)?;
        let claim = terms(claim);
        let best = sentences
            .iter()
            .map(|sentence| (self.support(&claim, &sentence.terms), sentence))
            .max_by(|(a, x), (b, y)| a.total_cmp(b).then(y.span.len().cmp(&x.span.len())));
        match best {
            Some((support, sentence)) if support > 0.0 => {
                Some(Quote { span: sentence.span.clone(), support })
            }
            _ => {
                let end = sentences.last().map_or(0, |sentence| sentence.span.end);
                Some(Quote { span: 0..end, support: 0.0 })
            }
        }
    }

    /// The sentence of any passage that bears out `claim` best: by its words and, where cosines to all sentences in order
    /// are known, by its meaning.
    pub(super) fn best(&self, claim: &str, cosines: Option<&[f32]>) -> Option<(usize, Quote)> {
        let claim = terms(claim);
        let all =
            self.passages.iter().enumerate().flat_map(|(index, sentences)| {
                sentences.iter().map(move |sentence| (index, sentence))
            });
        let scored = all.enumerate().map(|(number, (index, sentence))| {
            let words = self.support(&claim, &sentence.terms);
            let near = cosines.and_then(|cosines| cosines.get(number)).copied();
            let support = near.map_or(words, |near| supported(words, near));
            (index, Quote { span: sentence.span.clone(), support })
        });
        // Of equal ones, the first.
        scored.reduce(|best, next| if next.1.support > best.1.support { next } else { best })
    }

    /// All sentences in order: the number of the passage, and where in it.
    pub(super) fn spans(&self) -> Vec<(usize, Range<usize>)> {
        let of = |(index, sentences): (usize, &Vec<Sentence>)| -> Vec<(usize, Range<usize>)> {
            sentences.iter().map(|sentence| (index, sentence.span.clone())).collect()
        };
        self.passages.iter().enumerate().flat_map(of).collect()
    }

    fn support(&self, claim: &HashSet<String>, sentence: &HashSet<String>) -> f32 {
        // A term that stands nowhere in the evidence is as telling as the rarest one.
        let unseen = (1.0 + self.passages.iter().map(Vec::len).sum::<usize>() as f32).ln();
        let weight = |term: &String| self.rarity.get(term).copied().unwrap_or(unseen);
        let all: f32 = claim.iter().map(weight).sum();
        let shared: f32 = claim.intersection(sentence).map(weight).sum();
        if all > 0.0 { shared / all } else { 0.0 }
    }
}

/// How far words and meaning together bear a claim out. An exact quote has 1 in both.
fn supported(words: f32, cosine: f32) -> f32 {
    const MEANING: f32 = 0.5;
    (1.0 - MEANING) * words + MEANING * cosine.clamp(0.0, 1.0)
}

fn sentences(passage: &str) -> Vec<Sentence> {
    let flowing = with_soft_breaks(passage);
    flowing
        .split_sentence_bound_indices()
        .filter_map(|(start, text)| {
            let blank = text.len() - text.trim_start().len();
            let trimmed = text.trim();
            let span = start + blank..start + blank + trimmed.len();
            (!trimmed.is_empty()).then(|| Sentence { span, terms: terms(trimmed) })
        })
        .collect()
}

/// The same text with a space in place of each line break inside a paragraph, byte for byte: a line that was wrapped
/// is no end of a sentence. Blank lines, list items, table rows and headings stay apart.
fn with_soft_breaks(text: &str) -> String {
    let mut flowing = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let wrapped = !line.trim().is_empty()
            && !line.trim_start().starts_with(['#', '|'])
            && lines.peek().is_some_and(|next| !next.trim().is_empty() && !begins_anew(next));
        match line.strip_suffix('\n').filter(|_| wrapped) {
            Some(line) => {
                flowing.push_str(line);
                flowing.push(' ');
            }
            None => flowing.push_str(line),
        }
    }
    flowing
}

fn begins_anew(line: &str) -> bool {
    let line = line.trim_start();
    let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = digits.len() < line.len() && digits.starts_with(['.', ')']);
    numbered || line.starts_with(['-', '*', '+', '|', '#', '>', '•']) || line.starts_with("```")
}

fn terms(text: &str) -> HashSet<String> {
    text.unicode_words().map(str::to_lowercase).collect()
}

/// Where the last sentence of `text` begins, white space at its end left out of account.
pub(super) fn last_sentence_start(text: &str) -> usize {
    /// A sentence is looked for in the last so many bytes, so that a long answer costs no more than a short one.
    const WINDOW: usize = 1_500;
    let text = text.trim_end();
    let from = text.floor_char_boundary(text.len().saturating_sub(WINDOW));
    let paragraph = text[from..].rfind('\n').map_or(from, |at| from + at + 1);
    text[paragraph..]
        .split_sentence_bound_indices()
        .filter(|(_, sentence)| sentence.chars().any(char::is_alphanumeric))
        .last()
        .map_or(paragraph, |(at, _)| paragraph + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_sentence_that_bears_out_the_claim() {
        let passage =
            "Tea comes from China. It is made with hot water at 80 degrees. Coffee does not.";
        let quotes = Quotes::new([passage, "Water boils at 100 degrees."]);
        let quote = quotes.find(0, "Use water of 80 degrees.").unwrap();
        assert_eq!(&passage[quote.span], "It is made with hot water at 80 degrees.");
        assert_eq!(quotes.best("Where does tea come from? China", None).unwrap().0, 0);
        assert_eq!(quotes.find(0, "xyz").unwrap().support, 0.0);
        assert_eq!(quotes.find(7, "tea"), None);
    }

    #[test]
    fn an_exact_quote_has_full_support() {
        let passage = "Wasser kocht bei 100 Grad. 水在一百度沸腾。";
        let quotes = Quotes::new([passage]);
        for sentence in ["Wasser kocht bei 100 Grad.", "水在一百度沸腾。"] {
            let quote = quotes.find(0, sentence).unwrap();
            assert_eq!((&passage[quote.span], quote.support), (sentence, 1.0));
        }
    }

    #[test]
    fn a_wrapped_line_is_no_end_of_a_sentence() {
        let passage =
            "# Tea\nKeep it dry\nand dark, always.\n- first item\n- second item\n\nNew text.";
        let quotes = Quotes::new([passage]);
        for (claim, expected) in [
            ("dry and dark", "Keep it dry\nand dark, always."),
            ("the second item", "- second item"),
            ("new text", "New text."),
        ] {
            assert_eq!(&passage[quotes.find(0, claim).unwrap().span], expected);
        }
    }

    #[test]
    fn the_last_sentence_is_the_one_before_the_end() {
        for (text, expected) in [
            ("One. Two three", "Two three"),
            ("One. Two three. ", "Two three."),
            ("- item one\n- item two", "- item two"),
            ("", ""),
            ("   ", ""),
        ] {
            assert_eq!(text[last_sentence_start(text)..].trim(), expected, "{text:?}");
        }
    }
}
