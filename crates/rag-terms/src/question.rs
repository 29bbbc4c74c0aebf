//! Cuts a question into what is looked for: words, and quoted phrases.
//!
//! Questions are cut in the same way as passages and nothing else: no query language is parsed, so there is nothing to
//! inject.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use crate::analysis::{Form, Words, pairs, question_term, stem, votes};
use crate::compound::Stretches;
use crate::language::{Language, without_asking};
use crate::quotes::quoted;
use crate::script::Script;

/// Words of a phrase that count; the rest of a longer one may be anything.
const MOST_PHRASE_WORDS: usize = 32;

/// What a question counts that stands word for word among those of a passage, compared to its words there: more than
/// all words that another passage may have.
pub const SAME_QUESTION: f32 = 20.0;

/// Words that follow each other, each by the terms that may stand for it.
pub type Phrase = Vec<BTreeSet<String>>;

/// The different words to look for, without those that only ask, unless there are no others. The passages may be in
/// another language than the question, so a word comes as several terms: as the question's language stems it and as
/// English does, and when nothing tells the question's language, as each language would. At most about `most` terms
/// altogether.
pub fn question_words(text: &str, most: usize) -> Vec<BTreeSet<String>> {
    let language = votes(text).winner();
    let words = QuestionWords::collect(text, language, most, true);
    if words.is_empty() { QuestionWords::collect(text, language, most, false) } else { words }
}

/// A term of a question, and which of the question's words it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionTerm {
    /// As it stands in passages.
    pub text: String,
    /// The word's number. A word that has several terms needs only one of them.
    pub word: usize,
    /// What it counts, compared to words.
    pub boost: f32,
}

/// What to look for, at most about `most` terms: the terms of all words, and the one that stands for the question as a
/// whole. That one stands for the first word, too, so that a passage lacks nothing without it.
pub fn question_terms(text: &str, most: usize) -> Vec<QuestionTerm> {
    let words = question_words(text, most);
    let whole = question_term(text).filter(|_| !words.is_empty());
    let whole = whole.map(|text| QuestionTerm { text, word: 0, boost: SAME_QUESTION });
    let of_word = |(word, terms): (usize, BTreeSet<String>)| {
        terms.into_iter().map(move |text| QuestionTerm { text, word, boost: 1.0 })
    };
    whole.into_iter().chain(words.into_iter().enumerate().flat_map(of_word)).collect()
}

/// The phrases that a question quotes.
pub fn phrases(text: &str) -> Vec<Phrase> {
    let parts = quoted(text);
    if parts.is_empty() {
        return Vec::new();
    }
    let languages = stemmed_as(votes(text).winner());
    let phrases = parts.into_iter().map(|part| phrase(part, &languages));
    phrases.filter(|phrase| !phrase.is_empty()).collect()
}

fn stemmed_as(language: Option<Language>) -> Vec<Language> {
    match language {
        Some(language) => vec![language, Language::ENGLISH],
        None => Language::all().collect(),
    }
}

fn phrase(text: &str, languages: &[Language]) -> Phrase {
    let mut phrase = Phrase::new();
    let mut words = Words::default();
    for stretch in Stretches::new(text) {
        let of_text = &text[stretch.range];
        match stretch.script {
            Script::Spaced => words.forms(of_text, &mut |form| {
                if let Form::Word(word) = form {
                    let mut terms = BTreeSet::new();
                    for language in languages {
                        stem(word, *language, &mut |term: &str| {
                            terms.insert(term.to_owned());
                        });
                    }
                    phrase.push(terms);
                }
            }),
            Script::Unspaced => {
                pairs(of_text, &mut |term| phrase.push(BTreeSet::from([term.to_owned()])));
            }
        }
        if phrase.len() >= MOST_PHRASE_WORDS {
            break;
        }
    }
    phrase.retain(|terms| !terms.is_empty());
    phrase.truncate(MOST_PHRASE_WORDS);
    phrase
}

/// Gathers the words of a question.
struct QuestionWords {
    words: Vec<BTreeSet<String>>,
    seen: FxHashSet<String>,
}

impl QuestionWords {
    fn collect(
        text: &str,
        language: Option<Language>,
        most: usize,
        drop_asking: bool,
    ) -> Vec<BTreeSet<String>> {
        let languages = stemmed_as(language);
        let language = language.unwrap_or(Language::ENGLISH);
        let mut gathered = Self { words: Vec::new(), seen: FxHashSet::default() };
        let mut words = Words::default();
        for stretch in Stretches::new(text) {
            let of_text = &text[stretch.range];
            match stretch.script {
                Script::Spaced => words.forms(of_text, &mut |form| match form {
                    _ if gathered.seen.len() >= most => {}
                    Form::Word(word) if drop_asking && language.is_asking(word) => {}
                    Form::Word(word) => gathered.add(|add| {
                        languages.iter().for_each(|language| stem(word, *language, add));
                    }),
                    Form::Whole(term) => gathered.add_form(term),
                    // Who asks for the whole does not ask for its parts.
                    Form::Part(_) => {}
                }),
                Script::Unspaced if drop_asking => {
                    without_asking(of_text).into_iter().for_each(|part| gathered.add_pairs(part));
                }
                Script::Unspaced => gathered.add_pairs(of_text),
            }
            if gathered.seen.len() >= most {
                break;
            }
        }
        gathered.words
    }

    /// Adds the terms of one word, those that are new.
    fn add(&mut self, terms: impl FnOnce(&mut dyn FnMut(&str))) {
        let mut word = BTreeSet::new();
        terms(&mut |term| {
            if self.seen.insert(term.to_owned()) {
                word.insert(term.to_owned());
            }
        });
        if !word.is_empty() {
            self.words.push(word);
        }
    }

    /// Adds another form of the last word. A passage lacks nothing that does not have it.
    fn add_form(&mut self, term: &str) {
        if self.seen.insert(term.to_owned()) {
            match self.words.last_mut() {
                Some(word) => {
                    word.insert(term.to_owned());
                }
                None => self.words.push(BTreeSet::from([term.to_owned()])),
            }
        }
    }

    fn add_pairs(&mut self, run: &str) {
        pairs(run, &mut |term| self.add(|add| add(term)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(words: &[BTreeSet<String>]) -> String {
        let word = |terms: &BTreeSet<String>| {
            terms.iter().map(String::as_str).collect::<Vec<_>>().join("|")
        };
        words.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn questions_lose_the_words_that_ask() {
        let check = |text: &str, expected: &str| {
            assert_eq!(joined(&question_words(text, 100)), expected, "{text}");
        };
        check("How many points did the Panthers surrender?", "point the panther surrend");
        check("Who was it?", "it");
        check("what is", "what is");
        check("Wie heißen die Häuser?", "heiss|heissen die haus|hauser");
        check("首都はどこですか", "首 首都 都 都は");
        check("the snake_case of it", "the snake case|snake_case of it");
        check("does it weigh 10kg", "it weigh 10|10kg|kg");
        check("what is parseConfigFile of it", "parseconfigfil of it");
        check("", "");
    }

    #[test]
    fn phrases_keep_every_word() {
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<String> = phrases(text).iter().map(|phrase| joined(phrase)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("where is \"who is the snake_case\" from", &["who is the snake case"]);
        check("der Titel „Die Häuser“ war", &["die haus|hauser"]);
        check("\"東京に\" \"...\" \"unbalanced", &["東 東京 京 京に"]);
    }

    #[test]
    fn bounds_words_and_phrases() {
        let long: String = (0..10_000).map(|number| format!("word{number} ")).collect();
        assert_eq!(question_words(&long, 50).len(), 50);
        assert_eq!(phrases(&format!("\"{long}\""))[0].len(), MOST_PHRASE_WORDS);
        let whole: String = (0..10_000).map(|number| format!("word{number}/")).collect();
        assert_eq!(question_words(&whole, 50).len(), 50);
    }

    proptest! {
        #[test]
        fn terms_hold_no_separator(text in "[\\PC\"]{0,60}") {
            let of_phrases = phrases(&text).into_iter().flatten();
            for term in question_words(&text, 100).into_iter().chain(of_phrases).flatten() {
                prop_assert!(!term.is_empty());
                prop_assert!(!term.contains(|c: char| c.is_whitespace() || ":+".contains(c)), "{term:?}");
            }
        }
    }
}
