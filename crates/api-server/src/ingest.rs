//! Taking files into a dataset: for `serve --ingest`, `ask --docs` and `ingest`.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rag_core::{ChunkMethod, ChunkingOptions, Dataset, DatasetSettings, DocumentId};
use rag_ingest::{ScanOptions, SubmitOptions, WatchOptions};
use serde::Serialize;

use crate::app::App;

/// What became of the files.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ingested {
    /// Documents that were new or had changed.
    pub added: u64,
    /// Documents that were there already.
    pub unchanged: u64,
    /// What could not be ingested: name and reason.
    pub failed: Vec<(String, String)>,
    /// Chunks of the documents that were added.
    pub chunks: u64,
    /// The documents at the paths that can be searched.
    pub documents: Vec<DocumentId>,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Ingested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, unchanged, failed, chunks, took, .. } = self;
        let (failed, seconds) = (failed.len(), took.as_secs_f64());
        write!(
            f,
            "{added} added, {unchanged} unchanged, {failed} failed ({chunks} chunks in {seconds:.1} s)"
        )
    }
}

/// Takes the files at `paths` into the dataset `name` (made if there is none), and finishes jobs that were accepted
/// earlier. [`Pipeline::events`](rag_ingest::Pipeline::events) tells what happens meanwhile.
///
/// # Errors
/// The store's, and an embedding model that the dataset cannot have. Files that fail are in the result.
pub async fn ingest(app: &App, name: &str, paths: &[PathBuf]) -> Result<Ingested> {
    ingest_cut(app, name, paths, Cut::default()).await
}

/// How files are cut, where that differs from their dataset.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cut {
    pub(crate) method: Option<ChunkMethod>,
    pub(crate) max_tokens: Option<u32>,
}

impl Cut {
    fn options(self, dataset: &Dataset) -> Option<ChunkingOptions> {
        let usual = dataset.settings.chunking.clone();
        let method = self.method.unwrap_or(usual.method);
        let max_tokens = self.max_tokens.unwrap_or(usual.max_tokens);
        let differs = self.method.is_some() || self.max_tokens.is_some();
        differs.then_some(ChunkingOptions { method, max_tokens, ..usual })
    }
}

/// The same, with files that are new or changed cut as is said.
pub(crate) async fn ingest_cut(
    app: &App,
    name: &str,
    paths: &[PathBuf],
    cut: Cut,
) -> Result<Ingested> {
    let began = Instant::now();
    let dataset = dataset(app, name).await?;
    let scan = app.pipeline.scan(paths.to_vec(), scan_options()).await?;
    let options = SubmitOptions { chunking: cut.options(&dataset), ..SubmitOptions::default() };
    let submission = app.pipeline.submit(&dataset.id, scan, options).await?;
    let run = app.pipeline.run_until_idle().await?;

    let mut failed = submission.failed;
    failed.extend(run.failed);
    app.metrics.ingested("added", run.added);
    app.metrics.ingested("unchanged", submission.unchanged);
    app.metrics.ingested("failed", failed.len() as u64);
    Ok(Ingested {
        added: run.added,
        unchanged: submission.unchanged,
        failed,
        chunks: run.chunks,
        documents: searchable(app, &dataset, submission.names).await?,
        took: began.elapsed(),
    })
}

/// Has the dataset `name` follow what is in the folders, until this is dropped.
///
/// # Errors
/// The store's.
pub(crate) async fn watch(app: &App, name: &str, paths: &[PathBuf]) -> Result<()> {
    let dataset = dataset(app, name).await?;
    let options = WatchOptions { scan: scan_options(), ..WatchOptions::default() };
    let watching = app.pipeline.watch(&dataset.id, paths.to_vec(), options, std::future::pending());
    let working = app.pipeline.run(std::future::pending());
    tokio::try_join!(watching, working)?;
    Ok(())
}

/// Files of a folder are named after it (`docs/guide.md`), so that a source reads well.
fn scan_options() -> ScanOptions {
    ScanOptions { folder_names: true, ..ScanOptions::default() }
}

/// The dataset of this name. One that is there keeps its embedding, whatever the default is by now.
pub(crate) async fn dataset(app: &App, name: &str) -> Result<Dataset> {
    let (store, tenant, wanted) = (app.store.clone(), app.tenant(), name.to_owned());
    if let Some(dataset) = app.callers.run(move || store.dataset(&tenant, &wanted)).await?? {
        return Ok(dataset);
    }
    let embedding = app.embedding_identity().await.context("asking the embedding model")?;
    let (store, tenant, name) = (app.store.clone(), app.tenant(), name.to_owned());
    let settings = DatasetSettings::default();
    let ensured = move || store.ensure_dataset(&tenant, &name, &embedding, &settings);
    Ok(app.callers.run(ensured).await??)
}

/// The documents of these names that have something to find.
async fn searchable(app: &App, dataset: &Dataset, names: Vec<String>) -> Result<Vec<DocumentId>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let names: HashSet<String> = names.into_iter().collect();
    let (store, dataset) = (app.store.clone(), dataset.id.clone());
    let all = app.callers.run(move || store.documents(&dataset)).await??;
    let wanted = all.into_iter().filter(|it| it.chunks > 0 && names.contains(&it.name));
    Ok(wanted.map(|document| document.id).collect())
}
