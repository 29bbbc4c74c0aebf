//! Taking files into a dataset: for `serve --ingest`, `ask --docs` and `ingest`.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rag_core::{Dataset, DatasetSettings, DocumentId, MetadataStore};
use rag_ingest::{Scan, ScanOptions, SubmitOptions};

use crate::app::App;

/// What became of the files.
#[derive(Clone, Debug, Default)]
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
pub async fn ingest(app: &Arc<App>, name: &str, paths: &[PathBuf]) -> Result<Ingested> {
    let began = Instant::now();
    let dataset = dataset(app, name).await?;
    let scan = scan(app, paths).await?;
    let names: HashSet<String> = scan.files.iter().map(|file| file.name.clone()).collect();
    let submission = app.pipeline.submit(&dataset.id, scan, SubmitOptions::default()).await?;
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
        documents: searchable(app, &dataset, names).await?,
        took: began.elapsed(),
    })
}

async fn dataset(app: &Arc<App>, name: &str) -> Result<Dataset> {
    let embedding = app.embedding_identity().await.context("asking the embedding model")?;
    let (store, tenant, name) = (app.store.clone(), app.tenant(), name.to_owned());
    let settings = DatasetSettings::default();
    let ensured = move || store.ensure_dataset(&tenant, &name, &embedding, &settings);
    Ok(app.callers.run(ensured).await??)
}

/// Finds the files. Those of a folder are named after it (`docs/guide.md`), so that the `README.md` of one folder does
/// not replace another's, whichever command brought it in.
async fn scan(app: &Arc<App>, paths: &[PathBuf]) -> Result<Scan> {
    let mut all = Scan::default();
    for path in paths {
        let mut scan = app.pipeline.scan(vec![path.clone()], ScanOptions::default()).await?;
        if let Some(folder) = folder_name(path) {
            for file in &mut scan.files {
                file.name = format!("{folder}/{}", file.name);
            }
        }
        all.files.append(&mut scan.files);
        all.skipped.append(&mut scan.skipped);
    }
    let mut seen: HashMap<String, PathBuf> = HashMap::new();
    all.files.retain(|file| match seen.insert(file.name.clone(), file.path.clone()) {
        None => true,
        Some(first) => {
            if first != file.path {
                tracing::warn!(name = file.name, "two folders of one name hold this file");
            }
            false
        }
    });
    Ok(all)
}

fn folder_name(path: &Path) -> Option<String> {
    let folder = path.canonicalize().ok().filter(|path| path.is_dir())?;
    Some(folder.file_name()?.to_string_lossy().into_owned())
}

/// The documents of these names that have something to find.
async fn searchable(
    app: &Arc<App>,
    dataset: &Dataset,
    names: HashSet<String>,
) -> Result<Vec<DocumentId>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let (store, dataset) = (app.store.clone(), dataset.id.clone());
    let all = app.callers.run(move || store.documents(&dataset)).await??;
    let wanted = all.into_iter().filter(|it| it.chunks > 0 && names.contains(&it.name));
    Ok(wanted.map(|document| document.id).collect())
}
