//! A chunk as the fields of terms that are indexed of it.

use rag_core::Chunk;

use crate::analysis::{self, Step};
use crate::language::{Language, Votes};

/// The terms of each chunk of a document with this title. A chunk whose language nothing tells is in that of the others.
pub fn chunk_words<'a, C>(title: Option<&str>, chunks: C) -> Vec<ChunkWords>
where
    C: Iterator<Item = &'a Chunk> + Clone,
{
    let votes: Vec<Votes> = chunks.clone().map(|chunk| analysis::votes(&chunk.text)).collect();
    let of_document = votes.iter().fold(Votes::default(), |sum, votes| sum.plus(votes));
    let usual = of_document.winner().unwrap_or(Language::ENGLISH);
    let words = chunks.zip(votes);
    words
        .map(|(chunk, votes)| ChunkWords::new(title, chunk, votes.winner().unwrap_or(usual)))
        .collect()
}

/// The fields of full text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextField {
    /// The passage, with what stands above it and what one must know to read it.
    Body,
    /// The document's title and the headings above the passage.
    Title,
    /// Words that the passage should be found by.
    Keywords,
    /// Questions that the passage answers.
    Questions,
}

/// How many fields there are.
pub const FIELDS: usize = 4;

impl TextField {
    /// All of them.
    pub const ALL: [Self; FIELDS] = [Self::Body, Self::Title, Self::Keywords, Self::Questions];

    /// What belongs to this field, of one for each.
    pub fn of<T>(self, each: &[T; FIELDS]) -> &T {
        let [body, title, keywords, questions] = each;
        match self {
            Self::Body => body,
            Self::Title => title,
            Self::Keywords => keywords,
            Self::Questions => questions,
        }
    }

    /// The same, to be changed.
    pub fn of_mut<T>(self, each: &mut [T; FIELDS]) -> &mut T {
        let [body, title, keywords, questions] = each;
        match self {
            Self::Body => body,
            Self::Title => title,
            Self::Keywords => keywords,
            Self::Questions => questions,
        }
    }

    /// What a match in this field counts, compared to the body. Questions count little: those that a passage answers
    /// share words with many that it does not. One that is asked as it stands there counts as
    /// [`SAME_QUESTION`](crate::SAME_QUESTION).
    pub fn boost(self) -> f32 {
        match self {
            Self::Body => 1.0,
            Self::Title => 0.25,
            Self::Keywords => 0.25,
            Self::Questions => 0.2,
        }
    }

    /// The terms that this field usually has, where most chunks have none: an average over all of them would make
    /// those that have it look long.
    pub fn usual_length(self) -> Option<u64> {
        match self {
            Self::Body | Self::Title => None,
            Self::Keywords => Some(8),
            Self::Questions => Some(16),
        }
    }

    /// Whether phrases are looked for in this field. What the title's holds is in the body's too.
    pub fn holds_phrases(self) -> bool {
        self != Self::Title
    }
}

/// Stands before terms that are at the same place as the one before; in no term.
pub const SAME_PLACE: char = '+';

/// The terms of a chunk by field.
#[derive(Debug)]
pub struct ChunkWords([FieldWords; FIELDS]);

/// The terms of one field of a chunk.
#[derive(Debug)]
pub struct FieldWords {
    /// All terms in order, separated by spaces; those at the same place as the one before with
    /// [`SAME_PLACE`] before them.
    pub joined: String,
    /// How many there are.
    pub length: u32,
}

impl ChunkWords {
    fn new(title: Option<&str>, chunk: &Chunk, language: Language) -> Self {
        let headings = chunk.headings.iter().map(String::as_str);
        let title = title.filter(|title| headings.clone().all(|heading| heading != *title));
        let above = title.into_iter().chain(headings).collect::<Vec<_>>().join("\n");
        let context = chunk.context.as_deref().unwrap_or_default();
        let texts = |texts: &[String]| texts.join("\n");
        Self([
            FieldWords::new(&[&above, context, &chunk.text], language),
            FieldWords::new(&[&above], language),
            FieldWords::new(&[&texts(&chunk.keywords)], language),
            FieldWords::new(&[&texts(&chunk.questions)], language).and(
                chunk.questions.iter().filter_map(|question| analysis::question_term(question)),
            ),
        ])
    }

    /// The terms of one field.
    pub fn of(&self, field: TextField) -> &FieldWords {
        field.of(&self.0)
    }
}

impl FieldWords {
    fn new(texts: &[&str], language: Language) -> Self {
        let mut joined = String::new();
        for text in texts {
            analysis::passage_terms(text, language, |step, term| push(&mut joined, step, term));
        }
        Self::of(joined)
    }

    /// The same with these terms at the last place.
    fn and(self, terms: impl Iterator<Item = String>) -> Self {
        let mut joined = self.joined;
        terms.for_each(|term| push(&mut joined, Step::Same, &term));
        Self::of(joined)
    }

    fn of(joined: String) -> Self {
        let length = joined.split_ascii_whitespace().count() as u32;
        Self { joined, length }
    }

    /// The terms with the places where they stand, in order; several may stand at one.
    pub fn places(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut next = 0_usize;
        self.joined.split_ascii_whitespace().map(move |term| match term.strip_prefix(SAME_PLACE) {
            Some(term) => (next.saturating_sub(1), term),
            None => {
                next += 1;
                (next - 1, term)
            }
        })
    }
}

fn push(joined: &mut String, step: Step, term: &str) {
    if step == Step::Same {
        joined.push(SAME_PLACE);
    }
    joined.push_str(term);
    joined.push(' ');
}
