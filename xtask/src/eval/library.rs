//! [`Library`]: documents in a store, embedded and indexed as the server does it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use llm_bundle::SyncPool;
use llm_core::{EmbeddingRequest, SyncEmbeddingModel};
use rag_core::{
    Chunk, ChunkFilter, ChunkHit, ChunkId, ChunkIndex, ClaimedJob, ContentHash, Dataset, DatasetId,
    DatasetSettings, DocumentId, DocumentSource, EmbeddedChunk, EmbeddingIdentity, IngestJob,
    MetadataStore, SearchQuery, TenantId,
};
use rag_retrieve::{RetrieveRequest, RetrievedChunk, Retriever};
use rag_store::{Durability, EmbeddedStore, StoreOptions};
use tempfile::TempDir;

use super::retrieval_set::Document;

/// Longer documents are cut into passages, and found by their best one.
const LONGEST_PASSAGE: usize = 8000;
const PASSAGE: usize = 1500;
/// Hits that are ranked; several may be of one document.
const DEPTH: usize = 64;
/// Texts of one call of the model.
const TEXTS_TOGETHER: usize = 256;
/// Longer than any set takes to be embedded.
const LEASE: Duration = Duration::from_secs(24 * 3600);

/// Documents in a store, embedded by one model. Rankings are of a labelled set's documents, by their places in its
/// corpus, best first.
pub(crate) struct Library {
    store: Arc<EmbeddedStore>,
    dataset: Dataset,
    model: Arc<dyn SyncEmbeddingModel>,
    retriever: Retriever,
    _directory: TempDir,
}

impl Library {
    /// The corpus of a labelled set.
    pub(crate) fn of(documents: &[Document], model: Arc<dyn SyncEmbeddingModel>) -> Result<Self> {
        let library = Self::empty(model)?;
        let claim = |(place, document): (usize, &Document)| {
            library.claim(&place.to_string(), |dataset, of| {
                corpus_chunks(place, document, dataset, of)
            })
        };
        let claimed = documents.iter().enumerate().map(claim).collect::<Result<Vec<_>>>()?;
        library.complete(claimed)?;
        Ok(library)
    }

    pub(crate) fn empty(model: Arc<dyn SyncEmbeddingModel>) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let options =
            StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() };
        let store = EmbeddedStore::open(directory.path(), options)?;
        let info = model.info();
        let embedding = EmbeddingIdentity {
            model: info.name.to_string(),
            dimensions: info.limits.dimensions.context("the length of the model's vectors")?,
            ..EmbeddingIdentity::default()
        };
        let dataset = store.ensure_dataset(
            &TenantId::local(),
            "corpus",
            &embedding,
            &DatasetSettings::default(),
        )?;
        let for_questions = model.clone();
        let retriever = Retriever::new(
            store.clone(),
            store.clone(),
            Arc::new(move |_: &EmbeddingIdentity| Ok(for_questions.clone())),
        );
        Ok(Self { store, dataset, model, retriever, _directory: directory })
    }

    /// A document's job, and the chunks that are made for it.
    pub(crate) fn claim(
        &self,
        name: &str,
        chunks: impl FnOnce(&DatasetId, &DocumentId) -> Result<Vec<Chunk>>,
    ) -> Result<(ClaimedJob, Vec<Chunk>)> {
        self.store.submit(&IngestJob::new(
            self.dataset.id.clone(),
            name.to_owned(),
            DocumentSource::File { path: name.into() },
            ContentHash([0; 32]),
            0,
        ))?;
        let job = self.store.claim(LEASE, 1)?.context("the submitted job")?;
        let chunks = chunks(&self.dataset.id, &job.document)?;
        Ok((job, chunks))
    }

    /// Embeds what was claimed, and puts it into the index.
    pub(crate) fn complete(&self, claimed: Vec<(ClaimedJob, Vec<Chunk>)>) -> Result<()> {
        let searched = claimed.iter().flat_map(|(_, chunks)| chunks).filter(is_searched);
        let texts: Vec<String> = searched.map(Chunk::contextual_text).collect();
        let mut vectors = Vec::with_capacity(texts.len());
        for texts in texts.chunks(TEXTS_TOGETHER) {
            let request = EmbeddingRequest::documents(texts.iter().map(String::as_str));
            vectors.extend(self.model.embed(&request)?.vectors);
        }
        let mut vectors = vectors.into_iter();
        let mut embedded = |chunk: Chunk| {
            let vector = is_searched(&&chunk).then(|| vectors.next()).flatten();
            EmbeddedChunk { chunk, vector: vector.unwrap_or_default() }
        };
        for (job, chunks) in claimed {
            let chunks: Vec<EmbeddedChunk> = chunks.into_iter().map(&mut embedded).collect();
            self.store.complete(&job, chunks.into())?;
        }
        self.store.flush()?;
        Ok(())
    }

    /// What the retriever answers with its defaults.
    pub(crate) fn passages(&self, question: &str, top: usize) -> Result<Vec<RetrievedChunk>> {
        let request = RetrieveRequest {
            question: question.into(),
            datasets: vec![self.dataset.clone()],
            top,
            ..RetrieveRequest::default()
        };
        Ok(self.retriever.retrieve(&request)?.chunks)
    }

    /// The dataset that holds the documents.
    pub(crate) fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// What a dialog finds its evidence in. Retrieval runs on `threads`.
    pub(crate) fn source(&self, threads: SyncPool) -> dialog_service::Library {
        dialog_service::Library::new(Arc::new(self.retriever.clone()), threads)
    }

    pub(crate) fn by_text(&self, question: &str) -> Result<Vec<usize>> {
        let query = SearchQuery { text: Some(question.into()), ..self.query() };
        Ok(documents_of(ids(self.store.search(&query)?.text)))
    }

    pub(crate) fn by_vector(&self, question: &str) -> Result<Vec<usize>> {
        let vectors = self.model.embed(&EmbeddingRequest::query(question))?.vectors;
        let query = SearchQuery { vector: vectors.into_iter().next(), ..self.query() };
        Ok(documents_of(ids(self.store.search(&query)?.vector)))
    }

    pub(crate) fn by_both(&self, question: &str) -> Result<Vec<usize>> {
        let found = self.passages(question, DEPTH)?;
        Ok(documents_of(found.into_iter().map(|found| found.chunk.id).collect()))
    }

    fn query(&self) -> SearchQuery {
        SearchQuery {
            filter: ChunkFilter {
                datasets: vec![self.dataset.id.clone()],
                ..ChunkFilter::default()
            },
            limit: DEPTH,
            ..SearchQuery::default()
        }
    }
}

fn is_searched(chunk: &&Chunk) -> bool {
    chunk.kind.is_searched()
}

/// A document of a labelled set as one chunk, or a long one as several.
fn corpus_chunks(
    place: usize,
    document: &Document,
    dataset: &DatasetId,
    of: &DocumentId,
) -> Result<Vec<Chunk>> {
    let title = Some(document.title.clone()).filter(|title| !title.is_empty());
    let mut end = 0;
    let chunk = |(ordinal, text): (usize, &str)| -> Result<Chunk> {
        let id = format!("{place}-{ordinal}").parse()?;
        let start = end;
        end += text.len();
        Ok(Chunk {
            ordinal: ordinal as u32,
            span: start..end,
            headings: title.iter().cloned().collect(),
            questions: document.questions.clone(),
            ..Chunk::new(id, dataset.clone(), of.clone(), text.to_owned())
        })
    };
    cut(&document.text).into_iter().enumerate().map(chunk).collect()
}

fn ids(hits: Vec<ChunkHit>) -> Vec<ChunkId> {
    hits.into_iter().map(|hit| hit.chunk).collect()
}

/// The documents of these chunks, each where its best chunk stands.
fn documents_of(chunks: Vec<ChunkId>) -> Vec<usize> {
    let mut seen = HashSet::new();
    chunks
        .iter()
        .filter_map(|chunk| chunk.as_str().split('-').next()?.parse().ok())
        .filter(|document| seen.insert(*document))
        .collect()
}

/// A document as it is; a long one as pieces of paragraphs.
fn cut(text: &str) -> Vec<&str> {
    if text.len() <= LONGEST_PASSAGE {
        return vec![text];
    }
    let (mut passages, mut start) = (Vec::new(), 0);
    for (at, _) in text.match_indices('\n') {
        if at - start >= PASSAGE {
            passages.push(&text[start..at]);
            start = at;
        }
    }
    passages.push(&text[start..]);
    passages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_documents_are_cut_and_nothing_is_lost() {
        assert_eq!(cut("short\ntext"), ["short\ntext"]);
        let long = "A line of text.\n".repeat(1000);
        let pieces = cut(&long);
        assert!(pieces.len() > 5 && pieces.concat() == long);
    }

    #[test]
    fn a_document_stands_where_its_best_chunk_does() {
        let chunks = ["7-1", "2-0", "7-0", "3-9"].map(|id| id.parse().unwrap());
        assert_eq!(documents_of(chunks.to_vec()), [7, 2, 3]);
    }
}
