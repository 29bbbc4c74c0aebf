//! A document in the forms in which it is indexed, made on the thread of whoever completes it, before the writer is
//! asked for.

use rag_core::{Chunk, EmbeddedChunk};

use crate::analysis::{self, Step};
use crate::chunk_rows::{ChunkIds, DocumentRows, OwnedIds};
use crate::document_terms::DocumentTerms;
use crate::language::{Language, Votes};
use crate::vectors::OwnedVectors;

/// The fields of full text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TextField {
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
pub(crate) const FIELDS: usize = 4;

impl TextField {
    pub(crate) const ALL: [Self; FIELDS] =
        [Self::Body, Self::Title, Self::Keywords, Self::Questions];

    /// What belongs to this field, of one for each.
    pub(crate) fn of<T>(self, each: &[T; FIELDS]) -> &T {
        let [body, title, keywords, questions] = each;
        match self {
            Self::Body => body,
            Self::Title => title,
            Self::Keywords => keywords,
            Self::Questions => questions,
        }
    }

    pub(crate) fn of_mut<T>(self, each: &mut [T; FIELDS]) -> &mut T {
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
    /// [`SAME_QUESTION`](crate::question::SAME_QUESTION).
    pub(crate) fn boost(self) -> f32 {
        match self {
            Self::Body => 1.0,
            Self::Title => 0.25,
            Self::Keywords => 0.25,
            Self::Questions => 0.2,
        }
    }

    /// The terms that this field usually has, where most chunks have none: an average over all of them would make
    /// those that have it look long.
    pub(crate) fn usual_length(self) -> Option<u64> {
        match self {
            Self::Body | Self::Title => None,
            Self::Keywords => Some(8),
            Self::Questions => Some(16),
        }
    }

    /// Whether phrases are looked for in this field. What the title's holds is in the body's too.
    pub(crate) fn holds_phrases(self) -> bool {
        self != Self::Title
    }
}

/// Stands before terms that are at the same place as the one before; in no term.
pub(crate) const SAME_PLACE: char = '+';

/// A document ready to be indexed, but for its version.
#[derive(Debug)]
pub(crate) struct PreparedDocument {
    ids: OwnedIds,
    vectors: OwnedVectors,
    /// One for each chunk.
    pub(crate) words: Vec<ChunkWords>,
    /// Which of them hold a term.
    pub(crate) terms: DocumentTerms,
}

/// The terms of a chunk by field.
#[derive(Debug)]
pub(crate) struct ChunkWords([FieldWords; FIELDS]);

/// The terms of one field of a chunk.
#[derive(Debug)]
pub(crate) struct FieldWords {
    /// All terms in order, separated by spaces; those at the [same](Step::Same) place as the one before with
    /// [`SAME_PLACE`] before them.
    pub(crate) joined: String,
    /// How many there are.
    pub(crate) length: u32,
}

impl PreparedDocument {
    /// The vectors are of length `dimensions`.
    pub(crate) fn new(title: Option<&str>, chunks: &[EmbeddedChunk], dimensions: usize) -> Self {
        let mut vectors = OwnedVectors::new(dimensions);
        chunks.iter().for_each(|chunk| vectors.push(&chunk.vector));
        let votes: Vec<Votes> =
            chunks.iter().map(|chunk| analysis::votes(&chunk.chunk.text)).collect();
        let of_document = votes.iter().fold(Votes::default(), |sum, votes| sum.plus(votes));
        let usual = of_document.winner().unwrap_or(Language::ENGLISH);
        let words: Vec<ChunkWords> = chunks
            .iter()
            .zip(votes)
            .map(|(chunk, votes)| {
                ChunkWords::new(title, &chunk.chunk, votes.winner().unwrap_or(usual))
            })
            .collect();
        let terms = DocumentTerms::of(&words);
        let ids = chunks.iter().map(|chunk| chunk.chunk.id.as_str()).collect();
        Self { ids, vectors, words, terms }
    }

    /// The document as rows, at this place in the store.
    pub(crate) fn rows(&self, no: u64, version: u64) -> DocumentRows<'_> {
        let ids: ChunkIds<'_> = self.ids.all();
        DocumentRows { no, version, tokens: self.tokens(), ids, vectors: self.vectors.rows() }
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// Terms of all bodies and of all titles.
    fn tokens(&self) -> [u64; 2] {
        [TextField::Body, TextField::Title]
            .map(|field| self.words.iter().map(|words| u64::from(words.of(field).length)).sum())
    }
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

    pub(crate) fn of(&self, field: TextField) -> &FieldWords {
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

    /// The terms with the places where they stand, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, &str)> {
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
