//! The terms of a chunk as PostgreSQL's `tsvector` holds them, and questions as its `tsquery`.
//!
//! The four fields are its four weights. Each field has a range of places of its own, so that no phrase goes from one to
//! another. What a field's range has no place for is still found, but by no phrase.

use std::collections::BTreeMap;
use std::error::Error;

use bytes::{BufMut, BytesMut};
use rag_terms::{ChunkWords, FIELDS, Phrase, TextField};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// Places that one term may have in a chunk; PostgreSQL keeps no more.
const MOST_PLACES: usize = 255;
/// Bytes that the terms of a chunk may have, a bit below what PostgreSQL allows.
const MOST_BYTES: usize = 900_000;
const PLACE_BITS: u16 = 14;

/// The places of a field: first and last. Nothing is beside the last place of the one before.
fn places_of(field: TextField) -> (u16, u16) {
    match field {
        TextField::Body => (1, 12_000),
        TextField::Title => (12_010, 12_900),
        TextField::Keywords => (12_910, 13_900),
        TextField::Questions => (13_910, 16_380),
    }
}

/// PostgreSQL's number for the weight of a field: D, A, B, C.
fn weight(field: TextField) -> u16 {
    match field {
        TextField::Body => 0,
        TextField::Title => 3,
        TextField::Keywords => 2,
        TextField::Questions => 1,
    }
}

/// The weights of the fields as `ts_rank` takes them: D, C, B, A.
pub(crate) fn rank_weights() -> [f32; FIELDS] {
    use TextField::{Body, Keywords, Questions, Title};
    [Body, Questions, Keywords, Title].map(TextField::boost)
}

fn field_of(place: u16) -> TextField {
    match place >> PLACE_BITS {
        3 => TextField::Title,
        2 => TextField::Keywords,
        1 => TextField::Questions,
        _ => TextField::Body,
    }
}

/// A term as it stands in the index: with the number of its dataset.
pub(crate) fn scoped(dataset: i64, term: &str) -> String {
    format!("{dataset}:{term}")
}

/// A `tsvector`, as it goes over the wire.
#[derive(Debug)]
pub(crate) struct Lexemes(BytesMut);

impl Lexemes {
    /// The terms of a chunk of this dataset.
    pub(crate) fn new(dataset: i64, words: &ChunkWords) -> Self {
        let mut terms: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        let mut room = MOST_BYTES;
        for field in TextField::ALL {
            let (first, last) = places_of(field);
            for (place, term) in words.of(field).places() {
                let place = u16::try_from(place).unwrap_or(u16::MAX);
                let place = first.saturating_add(place).min(last) | weight(field) << PLACE_BITS;
                let cost = 2 + if terms.contains_key(term) { 0 } else { term.len() + 16 };
                let Some(left) = room.checked_sub(cost) else { break };
                let places = terms.entry(term).or_default();
                if places.len() < MOST_PLACES && places.last() != Some(&place) {
                    places.push(place);
                    room = left;
                }
            }
        }
        let mut bytes = BytesMut::new();
        bytes.put_i32(terms.len() as i32);
        for (term, places) in terms {
            bytes.put_slice(scoped(dataset, term).as_bytes());
            bytes.put_u8(0);
            bytes.put_u16(places.len() as u16);
            places.into_iter().for_each(|place| bytes.put_u16(place));
        }
        Self(bytes)
    }
}

impl ToSql for Lexemes {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TS_VECTOR
    }

    to_sql_checked!();
}

/// A `tsvector` of a row.
#[derive(Debug)]
pub(crate) struct FoundLexemes<'a>(&'a [u8]);

impl<'a> FromSql<'a> for FoundLexemes<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(bytes.get(4..).ok_or("a tsvector without its length")?))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TS_VECTOR
    }
}

impl FoundLexemes<'_> {
    /// Calls `each` with every term and how often each field has it.
    pub(crate) fn each(&self, mut each: impl FnMut(&[u8], [u32; FIELDS])) {
        let mut rest = self.0;
        while let Some((term, after)) = split_at_zero(rest) {
            let Some((count, after)) = after.split_first_chunk::<2>() else { return };
            let bytes = usize::from(u16::from_be_bytes(*count)) * 2;
            let Some((places, after)) = after.split_at_checked(bytes) else { return };
            let mut counts = [0; FIELDS];
            for place in places.as_chunks::<2>().0 {
                *field_of(u16::from_be_bytes(*place)).of_mut(&mut counts) += 1;
            }
            each(term, counts);
            rest = after;
        }
    }
}

fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// A `tsquery` for chunks of these datasets that have the term.
pub(crate) fn term_query(datasets: &[i64], term: &str) -> String {
    let each = datasets.iter().map(|dataset| quoted(&scoped(*dataset, term)));
    each.collect::<Vec<_>>().join(" | ")
}

/// A `tsquery` for chunks of these datasets that have the words of a phrase side by side.
pub(crate) fn phrase_query(datasets: &[i64], phrase: &Phrase) -> String {
    let of_dataset = |dataset: &i64| {
        let words = phrase.iter().map(|terms| {
            let terms = terms.iter().map(|term| quoted(&scoped(*dataset, term)));
            format!("({})", terms.collect::<Vec<_>>().join(" | "))
        });
        format!("({})", words.collect::<Vec<_>>().join(" <-> "))
    };
    datasets.iter().map(of_dataset).collect::<Vec<_>>().join(" | ")
}

/// Terms hold letters, digits, marks and underscores only; what could end the quotation is doubled all the same.
fn quoted(term: &str) -> String {
    format!("'{}'", term.replace('\\', "\\\\").replace('\'', "''"))
}
