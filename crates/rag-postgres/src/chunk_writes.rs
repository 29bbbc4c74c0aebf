//! Chunks, their terms and their vectors as they are written to the database.

use rag_core::{CompletedDocument, EmbeddedChunk, StoreError};
use rag_terms::{ChunkWords, TextField, chunk_words};

use crate::chunks::Rest;
use crate::connection::{Connection, column, storable};
use crate::failure::{damaged, mismatch};
use crate::lexemes::Lexemes;
use crate::pg_vector::PgVector;
use crate::{documents, fields};

/// Chunks that are written by one statement.
const AT_ONCE: usize = 200;

/// What is searched of a document, made before the database is asked for anything.
pub(crate) struct Prepared {
    /// Those that are searched, by their places among all chunks.
    searched: Vec<usize>,
    /// One for each of them.
    words: Vec<ChunkWords>,
}

impl Prepared {
    pub(crate) fn new(document: &CompletedDocument) -> Self {
        let chunks = &document.chunks;
        let searched: Vec<usize> =
            (0..chunks.len()).filter(|at| chunks[*at].chunk.is_searched()).collect();
        let words =
            chunk_words(document.title.as_deref(), searched.iter().map(|at| &chunks[*at].chunk));
        Self { searched, words }
    }

    fn terms(&self, field: TextField) -> i64 {
        self.words.iter().map(|words| i64::from(words.of(field).length)).sum()
    }
}

/// Refuses vectors that are not of the dataset's length.
pub(crate) fn check_vectors(chunks: &[EmbeddedChunk], dimensions: u32) -> Result<(), StoreError> {
    let wrong = |chunk: &&EmbeddedChunk| {
        let expected = if chunk.chunk.is_searched() { dimensions as usize } else { 0 };
        chunk.vector.len() != expected
    };
    match chunks.iter().find(wrong) {
        None => Ok(()),
        Some(chunk) => Err(mismatch(format!(
            "chunk {} has a vector of {} numbers, its dataset's have {dimensions}; chunks that are not searched have none",
            chunk.chunk.id,
            chunk.vector.len()
        ))),
    }
}

/// Where a document's chunks go.
pub(crate) struct Place {
    pub(crate) document: i64,
    pub(crate) dataset: i64,
    pub(crate) space: i64,
}

/// Replaces the chunks of a document, which is locked. What the owner gave of metadata goes before what was found.
pub(crate) fn replace(
    database: &mut Connection,
    place: &Place,
    completed: &CompletedDocument,
    prepared: &Prepared,
) -> Result<(), StoreError> {
    for table in ["chunk", "chunk_terms", "chunk_vector"] {
        let sql = format!("DELETE FROM {table} WHERE document = $1");
        database.execute(&sql, &[&place.document])?;
    }
    let keys = next_keys(database, completed.chunks.len())?;
    for (chunks, keys) in completed.chunks.chunks(AT_ONCE).zip(keys.chunks(AT_ONCE)) {
        insert_texts(database, place, keys, chunks)?;
    }
    let searched: Vec<usize> = (0..prepared.searched.len()).collect();
    for batch in searched.chunks(AT_ONCE) {
        insert_searched(database, place, &keys, completed, prepared, batch)?;
    }
    note_completed(database, place, completed, prepared)
}

fn note_completed(
    database: &mut Connection,
    place: &Place,
    completed: &CompletedDocument,
    prepared: &Prepared,
) -> Result<(), StoreError> {
    let given = database.one("SELECT given FROM document WHERE no = $1", &[&place.document])?;
    let mut metadata = completed.metadata.clone();
    metadata.extend(documents::metadata(column(&given, 0)?)?);
    let searched = prepared.searched.iter().map(|at| &completed.chunks[*at].chunk);
    let tokens: i64 = searched.map(|chunk| i64::from(chunk.tokens)).sum();
    database.execute(
        "UPDATE document SET is_complete = true, title = $2, pages = $3, chunks = $4, tokens = $5,
                body_terms = $6, title_terms = $7, metadata = $8, updated_at = colloquy_now()
         WHERE no = $1",
        &[
            &place.document,
            &completed.title.as_deref().map(storable),
            &i64::from(completed.pages),
            &(prepared.searched.len() as i64),
            &tokens,
            &prepared.terms(TextField::Body),
            &prepared.terms(TextField::Title),
            &documents::metadata_column(&metadata)?,
        ],
    )?;
    fields::replace(database, place.document, place.dataset, &metadata)
}

/// Keys that no chunk had or will have, ascending.
fn next_keys(database: &mut Connection, count: usize) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT nextval('chunk_key') FROM generate_series(1, $1::bigint)";
    let mut keys: Vec<i64> = database
        .query(sql, &[&(count as i64)])?
        .iter()
        .map(|row| column(row, 0))
        .collect::<Result<_, _>>()?;
    keys.sort_unstable();
    Ok(keys)
}

fn insert_texts(
    database: &mut Connection,
    place: &Place,
    keys: &[i64],
    chunks: &[EmbeddedChunk],
) -> Result<(), StoreError> {
    let chunks = || chunks.iter().map(|chunk| &chunk.chunk);
    let json = |text: serde_json::Result<String>| text.map_err(|e| damaged("a chunk", e));
    let ids: Vec<&str> = chunks().map(|chunk| chunk.id.as_str()).collect();
    let ordinals: Vec<i64> = chunks().map(|chunk| i64::from(chunk.ordinal)).collect();
    let texts: Vec<String> = chunks().map(|chunk| storable(&chunk.text)).collect();
    let starts: Vec<i64> = chunks().map(|chunk| chunk.span.start as i64).collect();
    let ends: Vec<i64> = chunks().map(|chunk| chunk.span.end as i64).collect();
    let tokens: Vec<i64> = chunks().map(|chunk| i64::from(chunk.tokens)).collect();
    let headings: Vec<String> = chunks()
        .map(|chunk| json(serde_json::to_string(&chunk.headings)))
        .collect::<Result<_, _>>()?;
    let places: Vec<String> = chunks()
        .map(|chunk| json(serde_json::to_string(&chunk.places)))
        .collect::<Result<_, _>>()?;
    let rest: Vec<Option<String>> = chunks()
        .map(|chunk| Rest::of(chunk).map(|rest| json(serde_json::to_string(&rest))).transpose())
        .collect::<Result<_, _>>()?;
    database.execute(
        "INSERT INTO chunk (document, key, id, ordinal, text, span_start, span_end, headings, places,
                            tokens, rest)
         SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[],
                                  $7::bigint[], $8::text[], $9::text[], $10::bigint[], $11::text[])",
        &[
            &place.document,
            &keys,
            &ids,
            &ordinals,
            &texts,
            &starts,
            &ends,
            &headings,
            &places,
            &tokens,
            &rest,
        ],
    )?;
    Ok(())
}

/// Writes terms and vectors of the chunks that are searched of which these are the numbers.
fn insert_searched(
    database: &mut Connection,
    place: &Place,
    keys: &[i64],
    completed: &CompletedDocument,
    prepared: &Prepared,
    batch: &[usize],
) -> Result<(), StoreError> {
    let at = |number: &usize| prepared.searched[*number];
    let keys: Vec<i64> = batch.iter().map(|number| keys[at(number)]).collect();
    let words = || batch.iter().map(|number| &prepared.words[*number]);
    let lengths: Vec<i32> = words()
        .map(|words| i32::try_from(words.of(TextField::Body).length).unwrap_or(i32::MAX))
        .collect();
    let terms: Vec<Lexemes> = words().map(|words| Lexemes::new(place.dataset, words)).collect();
    database.execute(
        "INSERT INTO chunk_terms (document, key, length, terms)
         SELECT $1, * FROM unnest($2::bigint[], $3::integer[], $4::tsvector[])",
        &[&place.document, &keys, &lengths, &terms],
    )?;
    let vectors: Vec<PgVector> =
        batch.iter().map(|number| PgVector::new(&completed.chunks[at(number)].vector)).collect();
    database.execute(
        "INSERT INTO chunk_vector (space, document, key, value)
         SELECT $1, $2, * FROM unnest($3::bigint[], $4::vector[])",
        &[&place.space, &place.document, &keys, &vectors],
    )?;
    Ok(())
}
