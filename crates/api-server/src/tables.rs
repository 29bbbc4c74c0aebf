//! Tables of datasets, asked on threads.

use std::sync::Arc;

use dialog_service::{DialogError, Passage, Tables, TablesFor};
use futures::FutureExt;
use futures::future::BoxFuture;
use llm_bundle::SyncPool;
use rag_core::{Chunk, ChunkId, Dataset, DatasetId, DocumentId, MetadataStore};
use rag_retrieve::Explanation;
use rag_tables::{Answer, Database, TableShelf};
use uuid::Uuid;

/// The tables of datasets in `store`, opened and asked on `threads`.
pub(crate) fn tables(store: Arc<dyn MetadataStore>, threads: SyncPool) -> TablesFor {
    let shelf = Arc::new(TableShelf::new(store));
    Arc::new(move |datasets: Vec<Dataset>| {
        let (shelf, threads) = (shelf.clone(), threads.clone());
        let of = datasets.first().map(|dataset| dataset.id.clone());
        async move {
            let failed =
                |error: Box<dyn std::error::Error + Send + Sync>| DialogError::Retrieval(error);
            let opening = threads.clone();
            let opened = opening.run(move || shelf.open(&datasets)).await;
            let opened = opened.map_err(|error| failed(error.into()))?;
            let database = opened.map_err(|error| failed(error.into()))?;
            let tables = database.zip(of).map(|(database, dataset)| {
                Arc::new(OnThreads { database, dataset, threads }) as Arc<dyn Tables>
            });
            Ok(tables)
        }
        .boxed()
    })
}

struct OnThreads {
    database: Arc<Database>,
    dataset: DatasetId,
    threads: SyncPool,
}

impl Tables for OnThreads {
    fn schema(&self) -> &str {
        self.database.schema()
    }

    fn query(&self, sql: String) -> BoxFuture<'static, Result<Option<Passage>, String>> {
        let Self { database, dataset, threads } = self;
        let (asked, dataset, threads) = (database.clone(), dataset.clone(), threads.clone());
        async move {
            let work = move || {
                let answer = asked.query(&sql).map_err(|error| error.to_string())?;
                let name = name(asked.documents());
                Ok((!answer.rows.is_empty()).then(|| passage(&answer, sql, dataset, name)))
            };
            threads.run(work).await.unwrap_or_else(|error| Err(error.to_string()))
        }
        .boxed()
    }
}

/// What the rows come from, for people.
fn name(documents: &[String]) -> String {
    match documents {
        [] => "tables".to_owned(),
        [only] => only.clone(),
        [first, others @ ..] => format!("{first} and {} others", others.len()),
    }
}

/// Rows as a passage that is of no stored chunk; how they came about is its context.
fn passage(answer: &Answer, sql: String, dataset: DatasetId, document_name: String) -> Passage {
    let number = Uuid::now_v7().as_u128();
    let (id, document) = (ChunkId::from_u128(number), DocumentId::from_u128(number));
    Passage {
        chunk: Chunk {
            context: Some(sql),
            ..Chunk::new(id, dataset, document, answer.to_markdown())
        },
        document_name,
        title: None,
        url: None,
        score: 1.0,
        why: Explanation::default(),
    }
}
