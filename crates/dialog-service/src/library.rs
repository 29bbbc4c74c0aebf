//! [`Library`]: evidence from datasets.

use std::ops::Range;
use std::sync::Arc;

use futures::future::BoxFuture;
use llm_bundle::SyncPool;
use rag_core::{Dataset, DocumentId, KnownField};
use rag_retrieve::{Retrieval, RetrieveError, RetrieveRequest, RetrievedChunk, Retriever};

use crate::{DialogError, Evidence, EvidenceRequest, EvidenceSource, Leads, Passage, Tables};

/// Hits of either kind that are fused.
const CANDIDATES: usize = 64;

/// Values of a field that are told of.
const MOST_VALUES: usize = 24;

/// The datasets as a source of evidence. Retrieval is synchronous and CPU-bound, so it runs on a pool of threads; from
/// there it reaches async embedding models through its own bridge. The pool must not be one for models, since the
/// threads wait for models.
#[derive(Clone)]
pub struct Library {
    retriever: Arc<Retriever>,
    threads: SyncPool,
    tables: Option<TablesFor>,
}

/// The tables of datasets; see [`EvidenceSource::tables`].
pub type TablesFor = Arc<
    dyn Fn(Vec<Dataset>) -> BoxFuture<'static, Result<Option<Arc<dyn Tables>>, DialogError>>
        + Send
        + Sync,
>;

impl Library {
    /// Retrieves with `retriever`, on `threads`.
    pub fn new(retriever: Arc<Retriever>, threads: SyncPool) -> Self {
        Self { retriever, threads, tables: None }
    }

    /// The same whose datasets of tables are asked in SQL, too.
    pub fn with_tables(mut self, tables: TablesFor) -> Self {
        self.tables = Some(tables);
        self
    }

    /// Retrieves, with everything that retrieval can do. The future borrows nothing; dropping it gives up waiting, and
    /// a retrieval that has not begun is not begun.
    ///
    /// # Errors
    /// [`DialogError::Retrieval`].
    pub fn retrieve(
        &self,
        request: RetrieveRequest,
    ) -> BoxFuture<'static, Result<Retrieval, DialogError>> {
        self.on_thread(move |retriever| retriever.retrieve(&request))
    }

    fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Retriever) -> Result<T, RetrieveError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, DialogError>> {
        let Self { retriever, threads, .. } = self.clone();
        Box::pin(async move {
            let done = threads.run(move || work(&retriever)).await;
            let done = done.map_err(|error| DialogError::Retrieval(Box::new(error)))?;
            done.map_err(|error| DialogError::Retrieval(Box::new(error)))
        })
    }
}

impl EvidenceSource for Library {
    fn find(&self, request: EvidenceRequest) -> BoxFuture<'static, Result<Evidence, DialogError>> {
        let library = self.clone();
        Box::pin(async move {
            let request = RetrieveRequest {
                question: request.question,
                datasets: request.datasets,
                documents: request.documents,
                metadata: request.metadata,
                top: request.top,
                candidates: CANDIDATES.max(request.top),
                vector_weight: request.vector_weight,
                rerank: request.rerank,
                embedders: request.embedders,
                threshold: request.threshold,
                ..RetrieveRequest::default()
            };
            library.retrieve(request).await.map(evidence)
        })
    }

    fn tables(
        &self,
        datasets: Vec<Dataset>,
    ) -> BoxFuture<'static, Result<Option<Arc<dyn Tables>>, DialogError>> {
        match &self.tables {
            Some(tables) => tables(datasets),
            None => Box::pin(async { Ok(None) }),
        }
    }

    fn fields(
        &self,
        datasets: Vec<Dataset>,
    ) -> BoxFuture<'static, Result<Vec<KnownField>, DialogError>> {
        let datasets: Vec<_> = datasets.into_iter().map(|dataset| dataset.id).collect();
        self.on_thread(move |retriever| retriever.metadata_fields(&datasets, MOST_VALUES))
    }

    fn changed_at(
        &self,
        documents: Vec<DocumentId>,
    ) -> BoxFuture<'static, Result<Vec<Option<i64>>, DialogError>> {
        self.on_thread(move |retriever| retriever.changed_at(&documents))
    }

    fn leads(&self) -> Option<&dyn Leads> {
        Some(self)
    }
}

impl Leads for Library {
    fn contents(
        &self,
        document: DocumentId,
    ) -> BoxFuture<'static, Result<Option<String>, DialogError>> {
        self.on_thread(move |retriever| {
            Ok(retriever.contents(&document)?.map(|contents| contents.text))
        })
    }

    fn passages_at(
        &self,
        document: DocumentId,
        numbers: Vec<Range<u32>>,
        most: usize,
        score: f32,
    ) -> BoxFuture<'static, Result<Vec<Passage>, DialogError>> {
        self.on_thread(move |retriever| {
            let found = retriever.passages_at(&document, &numbers, most, score)?;
            Ok(found.into_iter().map(passage).collect())
        })
    }

    fn graph(
        &self,
        datasets: Vec<Dataset>,
        question: String,
        names: Vec<String>,
        score: f32,
    ) -> BoxFuture<'static, Result<Vec<Passage>, DialogError>> {
        self.on_thread(move |retriever| {
            let found = retriever.graph(&datasets, &question, &names, score)?;
            Ok(found.into_iter().map(passage).collect())
        })
    }
}

fn evidence(retrieval: Retrieval) -> Evidence {
    Evidence {
        passages: retrieval.chunks.into_iter().map(passage).collect(),
        total: retrieval.total,
        warnings: retrieval.warnings,
    }
}

fn passage(found: RetrievedChunk) -> Passage {
    Passage {
        chunk: found.chunk,
        document_name: found.document_name,
        title: found.title,
        url: None,
        score: found.score,
        why: found.why,
    }
}
