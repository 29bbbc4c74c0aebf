//! The full-text index on disk.
//!
//! Every term carries the number of its dataset, so that each dataset has posting lists of its own: a search walks
//! through those of the datasets it asks for and no others, however many there are, and how rare a word is does not
//! depend on what other tenants wrote.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tantivy::directory::MmapDirectory;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use tantivy::{
    Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term,
};

use crate::key::ChunkKey;
use crate::prepared::PreparedDocument;
use rag_terms::{FIELDS, SAME_PLACE, TextField};

/// Changes whenever an index made before can no longer be used; analysis has a revision of its own.
const FORMAT: u32 = 2;
const TOKENIZER: &str = "scoped";
const KEY: &str = "key";
/// The least that the engine takes.
const WRITER_MEMORY: usize = 15_000_000;

/// Stands with each commit: which documents are in the index, and which files belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    analysis: u32,
    /// The last completed document that the indexes hold.
    pub(crate) sequence: u64,
    /// Names of the files with vectors, oldest first.
    pub(crate) files: Vec<String>,
}

impl Manifest {
    pub(crate) fn new(sequence: u64, files: Vec<String>) -> Self {
        Self { format: FORMAT, analysis: rag_terms::REVISION, sequence, files }
    }
}

/// An index in a directory.
pub(crate) struct FullText {
    index: Index,
    reader: IndexReader,
    fields: Fields,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    texts: [Field; FIELDS],
    key: Field,
    version: Field,
    dataset: Field,
}

impl Fields {
    pub(crate) fn text(&self, field: TextField) -> Field {
        *field.of(&self.texts)
    }
}

impl FullText {
    /// Makes an empty index in an empty directory.
    pub(crate) fn create(directory: &Path) -> tantivy::Result<Self> {
        let (schema, _) = schema();
        let index = Index::create(
            MmapDirectory::open(directory)?,
            schema,
            IndexSettings { docstore_compress_dedicated_thread: false, ..Default::default() },
        )?;
        let full_text = Self::over(index)?;
        full_text.writer()?.commit(&Manifest::new(0, Vec::new()))?;
        Ok(full_text)
    }

    /// Opens the index of a directory; `None` when it was made in another way than this program would. With `verify`
    /// checks that no byte has changed since it was written, which reads all of it.
    pub(crate) fn open(
        directory: &Path,
        verify: bool,
    ) -> tantivy::Result<Option<(Self, Manifest)>> {
        let index = Index::open(MmapDirectory::open(directory)?)?;
        let manifest = index
            .load_metas()?
            .payload
            .and_then(|payload| serde_json::from_str::<Manifest>(&payload).ok());
        let usable = manifest.filter(|manifest| {
            manifest.format == FORMAT && manifest.analysis == rag_terms::REVISION
        });
        let Some(manifest) = usable.filter(|_| index.schema() == schema().0) else {
            return Ok(None);
        };
        if verify && !index.validate_checksum()?.is_empty() {
            return Ok(None);
        }
        Ok(Some((Self::over(index)?, manifest)))
    }

    fn over(index: Index) -> tantivy::Result<Self> {
        index.tokenizers().register(TOKENIZER, ScopedTerms::default());
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, reader, fields: schema().1 })
    }

    pub(crate) fn fields(&self) -> Fields {
        self.fields
    }

    /// The state of the last commit that was [reloaded](Self::reload).
    pub(crate) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    pub(crate) fn reload(&self) -> tantivy::Result<Searcher> {
        self.reader.reload()?;
        Ok(self.reader.searcher())
    }

    pub(crate) fn writer(&self) -> tantivy::Result<FullTextWriter> {
        let writer = self.index.writer_with_num_threads(1, WRITER_MEMORY)?;
        Ok(FullTextWriter { writer, fields: self.fields })
    }
}

/// Writes the index. Nothing is seen or survives before [`commit`](Self::commit).
pub(crate) struct FullTextWriter {
    writer: IndexWriter,
    fields: Fields,
}

impl FullTextWriter {
    pub(crate) fn add(
        &self,
        dataset: u32,
        version: u64,
        document: &PreparedDocument,
    ) -> tantivy::Result<()> {
        for (position, words) in document.words.iter().enumerate() {
            let mut entry = TantivyDocument::new();
            for field in TextField::ALL {
                let words = words.of(field);
                if words.length > 0 {
                    let scoped = format!("{dataset:x} {}", words.joined);
                    entry.add_text(self.fields.text(field), scoped);
                }
            }
            entry.add_u64(self.fields.key, ChunkKey::new(version, position).0);
            entry.add_u64(self.fields.version, version);
            entry.add_u64(self.fields.dataset, u64::from(dataset));
            self.writer.add_document(entry)?;
        }
        Ok(())
    }

    pub(crate) fn delete_version(&self, version: u64) {
        self.writer.delete_term(Term::from_field_u64(self.fields.version, version));
    }

    pub(crate) fn delete_dataset(&self, dataset: u32) {
        let dataset = u64::from(dataset);
        self.writer.delete_term(Term::from_field_u64(self.fields.dataset, dataset));
    }

    /// Brings everything to the disk, together with the manifest.
    pub(crate) fn commit(&mut self, manifest: &Manifest) -> tantivy::Result<()> {
        let payload = serde_json::to_string(manifest)
            .map_err(|error| tantivy::TantivyError::InternalError(error.to_string()))?;
        let mut prepared = self.writer.prepare_commit()?;
        prepared.set_payload(&payload);
        prepared.commit()?;
        Ok(())
    }
}

/// A word as it stands in the dictionary for a dataset: the word first, so that all datasets of a word are neighbours.
pub(crate) fn scoped_term(word: &str, dataset: u32) -> String {
    format!("{word}:{dataset:x}")
}

/// Where in the dictionary a word of any dataset stands: from the first of these on, before the second.
pub(crate) fn scopes_of(word: &str) -> (String, String) {
    (format!("{word}:"), format!("{word};"))
}

/// The dataset of a scoped term.
pub(crate) fn scope_of(scoped: &[u8]) -> Option<u32> {
    let scoped = std::str::from_utf8(scoped).ok()?;
    u32::from_str_radix(scoped.rsplit_once(':')?.1, 16).ok()
}

/// The name of the column that holds [`ChunkKey`]s.
pub(crate) fn key_column() -> &'static str {
    KEY
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let mut text = |field: TextField| {
        let option = match field.holds_phrases() {
            true => IndexRecordOption::WithFreqsAndPositions,
            false => IndexRecordOption::WithFreqs,
        };
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(TOKENIZER)
            .set_index_option(option)
            .set_fieldnorms(true);
        let name = match field {
            TextField::Body => "body",
            TextField::Title => "title",
            TextField::Keywords => "keywords",
            TextField::Questions => "questions",
        };
        schema.add_text_field(name, TextOptions::default().set_indexing_options(indexing))
    };
    let texts = TextField::ALL.map(&mut text);
    let fields = Fields {
        texts,
        key: schema.add_u64_field(KEY, FAST),
        version: schema.add_u64_field("version", INDEXED),
        dataset: schema.add_u64_field("dataset", INDEXED),
    };
    (schema.build(), fields)
}

/// Splits `DATASET word word +word …`, where the words are terms already, into one [scoped](scoped_term) term for each
/// word. One with a [`SAME_PLACE`] stands where the word before it stands.
#[derive(Clone, Default)]
struct ScopedTerms {
    token: Token,
}

struct ScopedTermStream<'a> {
    dataset: &'a str,
    words: std::str::SplitAsciiWhitespace<'a>,
    token: &'a mut Token,
}

impl Tokenizer for ScopedTerms {
    type TokenStream<'a> = ScopedTermStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> ScopedTermStream<'a> {
        self.token.reset();
        let mut words = text.split_ascii_whitespace();
        let dataset = words.next().unwrap_or_default();
        ScopedTermStream { dataset, words, token: &mut self.token }
    }
}

impl TokenStream for ScopedTermStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else { return false };
        let same = word.strip_prefix(SAME_PLACE).filter(|_| self.token.position != usize::MAX);
        if same.is_none() {
            // Before the first word, the engine has it at the largest number.
            self.token.position = self.token.position.wrapping_add(1);
        }
        let word = word.strip_prefix(SAME_PLACE).unwrap_or(word);
        self.token.text.clear();
        self.token.text.push_str(word);
        self.token.text.push(':');
        self.token.text.push_str(self.dataset);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_carries_its_dataset() {
        let mut tokenizer = ScopedTerms::default();
        let mut stream = tokenizer.token_stream("2a boil water +h2o now ");
        let mut words = Vec::new();
        while stream.advance() {
            words.push((stream.token().position, stream.token().text.clone()));
        }
        let expected = [(0, "boil"), (1, "water"), (1, "h2o"), (2, "now")];
        assert_eq!(words, expected.map(|(place, word)| (place, scoped_term(word, 42))));
        assert_eq!(scope_of(words[0].1.as_bytes()), Some(42));
    }
}
