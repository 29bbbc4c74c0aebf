//! Cuts text of any script into the terms that the full-text index holds.
//!
//! Words of scripts with spaces are normalised (NFKC, lower case, without diacritics) and stemmed in their language.
//! Scripts without spaces (Han, kana, Hangul, Thai and their like) become overlapping pairs of characters, which needs
//! no dictionary, and Han characters also stand for themselves, because many are words. A text may mix all of them.
//! Queries are cut in the same way and nothing else: no query language is parsed, so there is nothing to inject.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use frostem::{Algorithm, Stemmer};
use rustc_hash::FxHashSet;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::language::{Language, Votes, without_asking};

/// Changes whenever the terms of any text change, so that an index made with other terms is rebuilt.
pub(crate) const REVISION: u32 = 1;

/// Longer words are cut: nobody searches for them, and they bloat the dictionary.
const MOST_TERM_CHARS: usize = 40;

/// Calls `each` with every term of a passage in this language, in order. Terms hold letters, digits and marks only.
pub(crate) fn passage_terms(text: &str, language: Language, mut each: impl FnMut(&str)) {
    let mut words = Words::default();
    for run in Runs::new(text) {
        match run.script {
            Script::Spaced => words.of(&text[run.range], |word| stem(word, language, &mut each)),
            Script::Unspaced => pairs(&text[run.range], &mut each),
        }
    }
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

/// The different words to look for, without those that only ask, unless there are no others. The passages may be in
/// another language than the query, so a word comes as several terms: as the query's language stems it and as English
/// does, and when nothing tells the query's language, as each language would. At most about `most` terms altogether.
pub(crate) fn query_words(text: &str, most: usize) -> Vec<BTreeSet<String>> {
    let language = votes(text).winner();
    let words = QueryWords::collect(text, language, most, true);
    if words.is_empty() { QueryWords::collect(text, language, most, false) } else { words }
}

/// Gathers the words of a query.
struct QueryWords {
    words: Vec<BTreeSet<String>>,
    seen: FxHashSet<String>,
}

impl QueryWords {
    fn collect(
        text: &str,
        language: Option<Language>,
        most: usize,
        drop_asking: bool,
    ) -> Vec<BTreeSet<String>> {
        let stemmed_as: Vec<Language> = match language {
            Some(language) => vec![language, Language::ENGLISH],
            None => Language::all().collect(),
        };
        let language = language.unwrap_or(Language::ENGLISH);
        let mut gathered = Self { words: Vec::new(), seen: FxHashSet::default() };
        let mut words = Words::default();
        for run in Runs::new(text) {
            let run_text = &text[run.range];
            match run.script {
                Script::Spaced => words.of(run_text, |word| {
                    if !(drop_asking && language.is_asking(word)) {
                        gathered.add(|add| {
                            stemmed_as.iter().for_each(|language| stem(word, *language, add));
                        });
                    }
                }),
                Script::Unspaced if drop_asking => {
                    without_asking(run_text).into_iter().for_each(|part| gathered.add_pairs(part));
                }
                Script::Unspaced => gathered.add_pairs(run_text),
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

    fn add_pairs(&mut self, run: &str) {
        pairs(run, &mut |term| self.add(|add| add(term)));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    /// Words stand between spaces.
    Spaced,
    /// Words follow each other without a border.
    Unspaced,
}

struct Run {
    script: Script,
    range: Range<usize>,
}

/// The longest runs of one kind of script.
struct Runs<'a> {
    text: &'a str,
    from: usize,
}

impl<'a> Runs<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, from: 0 }
    }
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let rest = &self.text[self.from..];
        let (start, script) =
            rest.char_indices().find_map(|(at, c)| script(c).map(|script| (at, script)))?;
        let end = run_end(&rest[start..], script);
        let range = self.from + start..self.from + start + end;
        self.from = range.end;
        Some(Run { script, range })
    }
}

/// Where the run of `script` that the text begins with ends.
fn run_end(text: &str, kind: Script) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let continues = script(c) == Some(kind) || is_mark(c);
        let mut joins = || {
            let next = chars.peek().and_then(|(_, next)| script(*next));
            kind == Script::Spaced && is_apostrophe(c) && next == Some(Script::Spaced)
        };
        if !continues && !joins() {
            return at;
        }
    }
    text.len()
}

fn script(c: char) -> Option<Script> {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric().then_some(Script::Spaced);
    }
    if is_unspaced(c) {
        return Some(Script::Unspaced);
    }
    c.is_alphanumeric().then_some(Script::Spaced)
}

fn is_unspaced(c: char) -> bool {
    is_han(c)
        || matches!(c,
            '\u{0e00}'..='\u{0eff}'     // Thai, Lao
            | '\u{1000}'..='\u{109f}'   // Myanmar
            | '\u{1100}'..='\u{11ff}'   // Hangul letters
            | '\u{1780}'..='\u{17ff}'   // Khmer
            | '\u{3041}'..='\u{30fa}'   // kana
            | '\u{30fc}'..='\u{30ff}'   // kana, but for the middle dot between names
            | '\u{3130}'..='\u{318f}'   // Hangul letters
            | '\u{31f0}'..='\u{31ff}'   // kana
            | '\u{ac00}'..='\u{d7af}'   // Hangul
            | '\u{ff66}'..='\u{ff9f}'   // kana of half width
        )
}

fn is_han(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}'
    )
}

/// Normalisation can bring in other characters than a run began with.
fn is_part_of_term(c: char) -> bool {
    c.is_alphanumeric() || is_mark(c)
}

fn is_mark(c: char) -> bool {
    !c.is_ascii() && is_combining_mark(c)
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{02bc}' | '\u{ff07}')
}

/// Every two neighbouring characters of a run, and each Han character; a lone one as itself.
fn pairs(run: &str, each: &mut impl FnMut(&str)) {
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

/// Normalises the words of a run; holds the buffer.
#[derive(Default)]
struct Words {
    word: String,
}

impl Words {
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
fn stem(word: &str, language: Language, each: &mut (impl FnMut(&str) + ?Sized)) {
    let stem = match algorithm(word, language) {
        Some(algorithm) => Stemmer::new(algorithm).stem(word),
        None => word.into(),
    };
    if stem.is_ascii() {
        return each(&stem);
    }
    let letters = stem.nfd().filter(|c| is_part_of_term(*c) && !is_diacritic(*c));
    let folded: String = letters.map(plain_letter).collect();
    if !folded.is_empty() {
        each(&folded);
    }
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
        passage_terms(text, language, |term| all.push(term.to_owned()));
        all
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
        check("snake_case v1.2", "snake case v1 2");
        check("東京に住む", "東 東京 京 京に に住 住 住む");
        check("丢了 308分，NFL", "丢 丢了 了 308 分 nfl");
        check("ｶﾞｲﾄﾞ ＡＢＣ", "ガイ イド abc");
        check("حَضَارَة", "حضار");
        check("हिन्दी भाषा", "हिन्दी भाषा");
        check("Москва́ столица", "москв столиц");
        check("", "");
        check("!? -- ''", "");
    }

    fn joined(terms: &BTreeSet<String>) -> String {
        terms.iter().map(String::as_str).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn queries_lose_the_words_that_ask() {
        let check = |text: &str, expected: &str| {
            let words = query_words(text, 100);
            let words: Vec<String> = words.iter().map(joined).collect();
            assert_eq!(words.join(" "), expected, "{text}");
        };
        check("How many points did the Panthers surrender?", "point the panther surrend");
        check("Who was it?", "it");
        check("what is", "what is");
        check("Wie heißen die Häuser?", "heiss|heissen die haus|hauser");
        check("首都はどこですか", "首 首都 都 都は");
        check("", "");
    }

    #[test]
    fn bounds_words_and_queries() {
        let terms = collect(&"x".repeat(10_000));
        assert_eq!(terms, ["x".repeat(MOST_TERM_CHARS)]);
        let long: String = (0..10_000).map(|number| format!("word{number} ")).collect();
        assert_eq!(query_words(&long, 50).len(), 50);
    }

    proptest! {
        #[test]
        fn terms_hold_no_separator(text in "\\PC{0,60}") {
            let of_query = query_words(&text, 100).into_iter().flatten();
            for term in collect(&text).into_iter().chain(of_query) {
                prop_assert!(!term.is_empty());
                prop_assert!(!term.contains(|c: char| c.is_whitespace() || c == ':'), "{term:?}");
            }
        }
    }
}
