//! [`EvidenceSource`]: where passages come from.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use futures::future::BoxFuture;
use rag_core::{Dataset, DocumentId, KnownField, MetadataFilter};
use rag_retrieve::{Embedders, Reranker};

use crate::{DialogError, Passage};

/// Finds passages for a question: the datasets, the web, a graph.
pub trait EvidenceSource: Send + Sync {
    /// The best passages, best first. The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// [`DialogError::Retrieval`]. A part that failed while others found something is a warning.
    fn find(&self, request: EvidenceRequest) -> BoxFuture<'static, Result<Evidence, DialogError>>;

    /// The fields that the documents of these datasets can be filtered by, by name; none where that is not known. The
    /// future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// [`DialogError::Retrieval`].
    fn fields(
        &self,
        datasets: Vec<Dataset>,
    ) -> BoxFuture<'static, Result<Vec<KnownField>, DialogError>> {
        drop(datasets);
        Box::pin(async { Ok(Vec::new()) })
    }

    /// When each of these documents changed last, in milliseconds since the epoch; `None` for one that is not known. The future
    /// borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// [`DialogError::Retrieval`].
    fn changed_at(
        &self,
        documents: Vec<DocumentId>,
    ) -> BoxFuture<'static, Result<Vec<Option<i64>>, DialogError>> {
        Box::pin(async move { Ok(vec![None; documents.len()]) })
    }

    /// What leads on from passages that it found, where it knows such.
    fn leads(&self) -> Option<&dyn Leads> {
        None
    }

    /// The tables of those of the datasets whose documents are tables; `None` where there are none. The future borrows
    /// nothing; dropping it cancels.
    ///
    /// # Errors
    /// [`DialogError::Retrieval`].
    fn tables(
        &self,
        datasets: Vec<Dataset>,
    ) -> BoxFuture<'static, Result<Option<Arc<dyn Tables>>, DialogError>> {
        drop(datasets);
        Box::pin(async { Ok(None) })
    }
}

/// What leads on from passages. All futures borrow nothing; dropping one gives up waiting.
///
/// # Errors
/// All: [`DialogError::Retrieval`].
#[allow(clippy::missing_errors_doc)]
pub trait Leads: Send + Sync {
    /// The table of contents of a document, where it has one: a line for each entry, with the number of the chunk that it
    /// begins in, as `Title [12]`.
    fn contents(
        &self,
        document: DocumentId,
    ) -> BoxFuture<'static, Result<Option<String>, DialogError>>;

    /// The passages of a document with these numbers, at most `most`, all with this score.
    fn passages_at(
        &self,
        document: DocumentId,
        numbers: Vec<Range<u32>>,
        most: usize,
        score: f32,
    ) -> BoxFuture<'static, Result<Vec<Passage>, DialogError>>;

    /// What the datasets say of the entities that a question is about, of those of these names, and of those that the
    /// former are related to; all with this score.
    fn graph(
        &self,
        datasets: Vec<Dataset>,
        question: String,
        names: Vec<String>,
        score: f32,
    ) -> BoxFuture<'static, Result<Vec<Passage>, DialogError>>;
}

/// Tables that are asked in SQL.
pub trait Tables: Send + Sync {
    /// What tables there are, as whoever writes SQL needs it.
    fn schema(&self) -> &str;

    /// What a query gives, as a passage; `None` when it gives no row. The future borrows nothing; dropping it gives up
    /// waiting.
    ///
    /// # Errors
    /// What is wrong with the SQL, in words that help to mend it.
    fn query(&self, sql: String) -> BoxFuture<'static, Result<Option<Passage>, String>>;
}

/// Sources of evidence besides the datasets, by name: the web, say.
#[derive(Clone, Default)]
pub struct Sources(pub Vec<(String, Arc<dyn EvidenceSource>)>);

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What to look for, and where.
#[derive(Clone, Debug)]
pub struct EvidenceRequest {
    /// The question, made to stand alone, with what else is to be searched for.
    pub question: String,
    /// Where to look.
    pub datasets: Vec<Dataset>,
    /// Only these documents; `None` is no restriction, an empty list finds nothing.
    pub documents: Option<Vec<DocumentId>>,
    /// Only documents whose metadata pass; `None` is no restriction, and when none passes nothing is found.
    pub metadata: Option<MetadataFilter>,
    /// The most passages.
    pub top: usize,
    /// Weight of the vectors against full text; `None` takes the one measured for the embedding model.
    pub vector_weight: Option<f32>,
    /// A model that orders the best passages anew.
    pub rerank: Option<Reranker>,
    /// The least score, 0 to 1.
    pub threshold: f32,
    /// The models that embed the question on the caller's behalf; `None`: those of the source.
    pub embedders: Option<Embedders>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Passages, best first.
    pub passages: Vec<Passage>,
    /// Chunks in the searched datasets.
    pub total: u64,
    /// What did not work, one line each.
    pub warnings: Vec<String>,
}
