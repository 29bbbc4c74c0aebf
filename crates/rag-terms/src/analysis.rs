//! Cuts text of any script into the terms that the full-text index holds.
//!
//! Words of scripts with spaces are normalised (NFKC, lower case, without diacritics) and stemmed in their language;
//! [compounds](crate::compound) are also there as a whole. Scripts without spaces (Han, kana, Hangul, Thai and their
//! like) become overlapping pairs of characters, which needs no dictionary, and Han characters also stand for
//! themselves, because many are words. A text may mix all of them.

use std::borrow::Cow;

use frostem::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;

use crate::compound::{Stretches, Whole, humps, is_path_separator, quantity};
use crate::language::{Language, Votes};
use crate::script::{Runs, Script, is_apostrophe, is_han, is_part_of_term};

/// Changes whenever the terms of any text change, so that an index made with other terms is rebuilt.
pub const REVISION: u32 = 4;

/// Longer words are cut: nobody searches for them, and they bloat the dictionary.
const MOST_TERM_CHARS: usize = 40;

/// Where a term of a passage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Behind the term before.
    Next,
    /// At the same place: another form of the same word.
    Same,
}

/// Calls `each` with every term of a passage in this language, in order. Terms hold letters, digits, marks and
/// underscores only. The first one is at the [next](Step::Next) place.
pub(crate) fn passage_terms(text: &str, language: Language, mut each: impl FnMut(Step, &str)) {
    let mut words = Words::default();
    for stretch in Stretches::new(text) {
        let of_text = &text[stretch.range];
        match stretch.script {
            Script::Spaced => words.forms(of_text, &mut |form| match form {
                Form::Word(word) => stem(word, language, &mut |term: &str| each(Step::Next, term)),
                Form::Part(word) => stem(word, language, &mut |term: &str| each(Step::Same, term)),
                Form::Whole(term) => each(Step::Same, term),
            }),
            Script::Unspaced => pairs(of_text, &mut |term| each(Step::Next, term)),
        }
    }
}

/// A term that stands for a whole question, however it is punctuated and whichever of its letters are large; `None`
/// when it has no words. No word is such a term.
pub fn question_term(text: &str) -> Option<String> {
    const DIGITS: usize = 16;
    let mut whole = blake3::Hasher::new();
    let mut add = |term: &str| {
        whole.update(term.as_bytes()).update(b" ");
    };
    let mut words = Words::default();
    for run in Runs::new(text) {
        let of_text = &text[run.range];
        match run.script {
            Script::Spaced => words.of(of_text, &mut add),
            Script::Unspaced => pairs(of_text, &mut add),
        }
    }
    let is_empty = whole.count() == 0;
    (!is_empty).then(|| format!("_{}", &whole.finalize().to_hex()[..DIGITS]))
}

/// Counts for which languages the words of a text speak.
pub(crate) fn votes(text: &str) -> Votes {
    let mut votes = Votes::default();
    let mut words = Words::default();
    for run in Runs::new(text).filter(|run| run.script == Script::Spaced) {
        words.of(&text[run.range], |word| votes.count(word));
    }
    votes
}

/// A form of a word, in lower case.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form<'a> {
    /// The next word.
    Word(&'a str),
    /// A word that is a part of the last one.
    Part(&'a str),
    /// What the last word is the end of, or is in another form: a term as it is.
    Whole(&'a str),
}

/// Every two neighbouring characters of a run, and each Han character; a lone one as itself.
pub(crate) fn pairs(run: &str, each: &mut impl FnMut(&str)) {
    let run: Cow<'_, str> = match run.chars().any(|c| matches!(c, '\u{ff00}'..='\u{ffef}')) {
        true => run.nfkc().filter(|c| is_part_of_term(*c)).collect(),
        false => run.into(),
    };
    let starts: Vec<usize> = run.char_indices().map(|(at, _)| at).collect();
    for (at, start) in starts.iter().enumerate() {
        let end_of = |place: usize| starts.get(place).copied().unwrap_or(run.len());
        let single = &run[*start..end_of(at + 1)];
        if starts.len() == 1 || single.chars().all(is_han) {
            each(single);
        }
        if at + 1 < starts.len() {
            each(&run[*start..end_of(at + 2)]);
        }
    }
}

/// Normalises words; holds the buffer.
#[derive(Default)]
pub(crate) struct Words {
    word: String,
}

impl Words {
    /// Calls `each` with the forms of the words of a stretch.
    pub(crate) fn forms(&mut self, stretch: &str, each: &mut impl FnMut(Form<'_>)) {
        let (mut whole, mut segment, mut segments) = (Whole::default(), Whole::default(), 1);
        let mut end = 0;
        for run in Runs::new(stretch) {
            if stretch.get(end..run.range.start).is_some_and(is_path_separator) {
                segments += 1;
                emit(segment.take(), each);
            }
            let alone = run.range.len() == stretch.len();
            end = run.range.end;
            let run = &stretch[run.range];
            self.of(run, |word| each(Form::Word(word)));
            for hump in humps(run) {
                each(Form::Part(&hump.to_ascii_lowercase()));
            }
            for part in quantity(&self.word).into_iter().flatten() {
                each(Form::Whole(part));
            }
            if !alone {
                whole.push(folded(&self.word));
                segment.push(folded(&self.word));
            }
        }
        if segments > 1 {
            emit(segment.take(), each);
        }
        emit(whole.take(), each);
    }

    /// Calls `each` with the words of a run, which are several only around an apostrophe.
    fn of(&mut self, run: &str, mut each: impl FnMut(&str)) {
        self.word.clear();
        if run.is_ascii() {
            self.word.extend(run.chars().take(MOST_TERM_CHARS).map(|c| c.to_ascii_lowercase()));
        } else {
            let lower = run.nfkc().flat_map(char::to_lowercase).map(plain_apostrophe);
            // Marks that still stand apart would hide a word's ending from the stemmer.
            let letters = lower
                .filter(|c| (*c == '\'' || is_part_of_term(*c)) && !is_diacritic(*c))
                .take(MOST_TERM_CHARS);
            for c in letters {
                match c {
                    'ß' => self.word.push_str("ss"),
                    other => self.word.push(other),
                }
            }
        }
        split_at_apostrophes(&self.word, |word| {
            if !word.is_empty() {
                each(word);
            }
        });
    }
}

fn emit(whole: Option<String>, each: &mut impl FnMut(Form<'_>)) {
    if let Some(whole) = whole.filter(|whole| !whole.starts_with('_')) {
        each(Form::Whole(&whole));
    }
}

fn plain_apostrophe(c: char) -> char {
    if is_apostrophe(c) { '\'' } else { c }
}

/// `tesla's` is Tesla, `don't` one word, `l'eau` two.
fn split_at_apostrophes(word: &str, mut each: impl FnMut(&str)) {
    let word = word.strip_suffix("'s").unwrap_or(word);
    match word.split_once('\'') {
        Some((article, rest)) if article.chars().count() <= 2 && rest.chars().count() > 2 => {
            each(article);
            each(&rest.replace('\'', ""));
        }
        Some(_) => each(&word.replace('\'', "")),
        None => each(word),
    }
}

/// The term of a word.
pub(crate) fn stem(word: &str, language: Language, each: &mut (impl FnMut(&str) + ?Sized)) {
    let stem = match algorithm(word, language) {
        Some(algorithm) => Stemmer::new(algorithm).stem(word),
        None => word.into(),
    };
    if stem.is_ascii() {
        return each(&stem);
    }
    let folded: String = folded(&stem).collect();
    if !folded.is_empty() {
        each(&folded);
    }
}

/// The letters and digits of a word as they stand in terms.
fn folded(word: &str) -> impl Iterator<Item = char> {
    word.nfd().filter(|c| is_part_of_term(*c) && !is_diacritic(*c)).map(plain_letter)
}

/// The stemmer for a word: that of the text's language, or of the one language of the word's script that has one.
fn algorithm(word: &str, language: Language) -> Option<Algorithm> {
    if word.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match word.chars().next()? {
        'a'..='z' | '\u{df}'..='\u{24f}' => Some(language.stemmer()),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(Algorithm::Greek),
        '\u{400}'..='\u{52f}' => Some(Algorithm::Russian),
        '\u{600}'..='\u{6ff}' => Some(Algorithm::Arabic),
        '\u{b80}'..='\u{bff}' => Some(Algorithm::Tamil),
        _ => None,
    }
}

/// Marks that writers leave out at will: accents of Latin, Greek and Cyrillic, vowel signs of Hebrew and Arabic.
/// Not those of Indic scripts, which are vowels.
fn is_diacritic(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        | '\u{591}'..='\u{5c7}'
        | '\u{64b}'..='\u{65f}'
        | '\u{670}'
        | '\u{640}'
    )
}

/// Letters that are written for one another.
fn plain_letter(c: char) -> char {
    match c {
        'ø' => 'o',
        'ł' => 'l',
        'đ' => 'd',
        'ı' => 'i',
        'ς' => 'σ',
        'ى' => 'ي',
        'ة' => 'ه',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn collect(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        let language = votes(text).winner().unwrap_or(Language::ENGLISH);
        passage_terms(text, language, |step, term| {
            let mark = if step == Step::Same { "+" } else { "" };
            all.push(format!("{mark}{term}"));
        });
        all
    }

    #[test]
    fn a_question_is_the_same_however_it_is_punctuated() {
        let same = |left: &str, right: &str| question_term(left) == question_term(right);
        assert!(same("How do I reset the Router?", "how do I reset the router"));
        assert!(same("首都はどこですか", "首都はどこですか？"));
        assert!(!same("How do I reset the router?", "How do I set the router?"));
        assert!(!same("a b", "ab"));
        assert_eq!(question_term(" ?!"), None);
    }

    #[test]
    fn cuts_text_of_any_script() {
        let check = |text: &str, expected: &str| {
            assert_eq!(collect(text).join(" "), expected, "{text}");
        };
        check("The Panthers' defense, gave up 308 points", "the panther defens gave up 308 point");
        check("The Tesla's coil isn't e-mail", "the tesla coil isnt e mail");
        check("l’eau de l'État", "l eau de l etat");
        check("CAFÉ Müller straße", "cafe muller strass");
        check("die Häuser der Stadt", "die haus der stadt");
        check("snake_cases E0382", "snake case +snake_cases e0382");
        check("v1.2.3 10kg 1,000", "v1 2 3 +v1_2_3 10kg +10 +kg 1 000 +1_000");
        check("src/main.rs", "src main rs +main_rs +src_main_rs");
        check("parseConfigFile()", "parseconfigfil +pars +config +file");
        check("iPhone15手机", "iphone15 手 手机 机");
        check("東京に住む", "東 東京 京 京に に住 住 住む");
        check("丢了 308分，NFL", "丢 丢了 了 308 分 nfl");
        check("ｶﾞｲﾄﾞ ＡＢＣ", "ガイ イド abc");
        check("حَضَارَة", "حضار");
        check("हिन्दी भाषा", "हिन्दी भाषा");
        check("Москва́ столица", "москв столиц");
        check("", "");
        check("!? -- ''", "");
    }

    #[test]
    fn bounds_words() {
        let terms = collect(&"x".repeat(10_000));
        assert_eq!(terms, ["x".repeat(MOST_TERM_CHARS)]);
        let whole = collect(&"ab/".repeat(10_000));
        assert_eq!(whole.iter().map(String::len).max(), Some("+".len() + 80));
    }

    proptest! {
        #[test]
        fn terms_hold_no_separator(text in "\\PC{0,60}") {
            for term in collect(&text) {
                prop_assert!(!term.is_empty());
                prop_assert!(!term.contains(|c: char| c.is_whitespace() || c == ':'), "{term:?}");
            }
        }
    }
}
