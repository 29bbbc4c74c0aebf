//! From files found to durable jobs.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use rag_core::{
    ChunkingOptions, ContentHash, DatasetId, Document, DocumentSource, DocumentStatus, IngestJob,
    StoreError, Submitted,
};

use crate::IngestStore;
use crate::pipeline::Shared;
use crate::scan::{self, FoundFile, Scan, ScanOptions, SkippedFile};
use crate::watch::{self, Seen};
use crate::{IngestError, IngestEvent, hash, names};

/// How files are submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubmitOptions {
    /// How [`Pipeline::ingest`](crate::Pipeline::ingest) finds files.
    pub scan: ScanOptions,
    /// Remove documents that came from the scanned folders and are not among the files. Those that came from elsewhere
    /// stay, and so does what cannot be read: it may only be out of reach.
    pub prune: bool,
    /// Which jobs are taken first.
    pub urgency: Urgency,
    /// How to cut these files; `None`: as the dataset says.
    pub chunking: Option<ChunkingOptions>,
}

/// How soon somebody waits for a document. Jobs of higher urgency are taken first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// A folder that is watched changed.
    Watch,
    /// Files and folders that a command names.
    #[default]
    Scan,
    /// A person sent a file and looks on.
    Upload,
}

impl Urgency {
    /// What jobs carry.
    pub fn priority(self) -> u8 {
        match self {
            Urgency::Watch => 50,
            Urgency::Scan => 100,
            Urgency::Upload => 200,
        }
    }
}

/// What became of files submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// Files that are durable jobs now.
    pub queued: u64,
    /// Files whose content is known already.
    pub unchanged: u64,
    /// What could not be read: name or path, and reason, sorted.
    pub failed: Vec<(String, String)>,
    /// Names of the files' documents.
    pub names: Vec<String>,
    /// Names of documents that came from the scanned folders and are not among the files.
    pub missing: Vec<String>,
    /// Whether those were removed.
    pub pruned: bool,
}

/// Files hashed and submitted in one go on the pool: enough to share the price of a disk write, few enough to leave
/// the pool to others in between.
const AT_ONCE: usize = 32;

pub(crate) async fn submit(
    shared: &Arc<Shared>,
    dataset: &DatasetId,
    scan: Scan,
    options: SubmitOptions,
    seen: Option<Arc<Seen>>,
) -> Result<Submission, IngestError> {
    let known = known_documents(shared, dataset).await?;
    let (found, names) = (scan.files, known.clone());
    let files = shared.on_pool(move || names::settle(found, &names)).await?;
    let mut submission = Submission {
        names: files.iter().map(|file| file.name.clone()).collect(),
        ..Submission::default()
    };
    for SkippedFile { path, reason } in &scan.skipped {
        let name = path.display().to_string();
        let failed = IngestEvent::Failed { name: name.clone(), reason: reason.clone() };
        shared.tell_of(dataset, failed);
        submission.failed.push((name, reason.clone()));
    }

    let part = Part { dataset: dataset.clone(), known, options: options.clone(), seen };
    let parts: Vec<Vec<FoundFile>> = files.chunks(AT_ONCE).map(<[FoundFile]>::to_vec).collect();
    let threads = shared.parts.pool.status().threads;
    let mut outcomes = stream::iter(parts)
        .map(|files| submit_part(shared, part.clone(), files))
        .buffer_unordered(threads);
    while let Some(outcome) = outcomes.try_next().await? {
        submission.unchanged += outcome.unchanged;
        submission.queued += outcome.queued;
        if outcome.queued > 0 {
            shared.queued(outcome.queued, outcome.queued_bytes);
        }
        for (name, reason) in outcome.failed {
            let failed = IngestEvent::Failed { name: name.clone(), reason: reason.clone() };
            shared.tell_of(dataset, failed);
            submission.failed.push((name, reason));
        }
    }
    drop(outcomes);

    let (known, names) = (part.known, submission.names.clone());
    let gone = move || gone(&known, &names, &scan.folders, &scan.skipped);
    let gone = shared.on_pool(gone).await?;
    submission.missing = gone.iter().map(|document| document.name.clone()).collect();
    submission.missing.sort();
    if options.prune {
        remove(shared, gone).await?;
        submission.pruned = true;
    }
    submission.failed.sort();
    Ok(submission)
}

/// Documents that came from the folders and are not among the files. What could not be read is not gone.
fn gone(
    known: &Known,
    names: &[String],
    folders: &[PathBuf],
    skipped: &[SkippedFile],
) -> Vec<Document> {
    let files: HashSet<&str> = names.iter().map(String::as_str).collect();
    let came_from_there = |document: &Document| match &document.source {
        Some(DocumentSource::File { path }) => {
            folders.iter().any(|folder| path.starts_with(folder))
                && !skipped.iter().any(|skipped| path.starts_with(&skipped.path))
        }
        _ => false,
    };
    known
        .values()
        .filter(|it| !files.contains(it.name.as_str()) && came_from_there(it))
        .cloned()
        .collect()
}

type Known = Arc<HashMap<String, Document>>;

async fn known_documents(shared: &Shared, dataset: &DatasetId) -> Result<Known, IngestError> {
    let dataset = dataset.clone();
    let known = move |store: &dyn IngestStore| {
        let documents = store.documents(&dataset)?.into_iter();
        let by_name = documents.map(|document| (document.name.clone(), document));
        Ok::<_, StoreError>(Arc::new(by_name.collect()))
    };
    Ok(shared.with_store(known).await??)
}

#[derive(Default)]
struct PartOutcome {
    queued: u64,
    queued_bytes: u64,
    unchanged: u64,
    failed: Vec<(String, String)>,
}

/// What all parts of a submission have in common.
#[derive(Clone)]
struct Part {
    dataset: DatasetId,
    known: Known,
    options: SubmitOptions,
    seen: Option<Arc<Seen>>,
}

async fn submit_part(
    shared: &Shared,
    part: Part,
    files: Vec<FoundFile>,
) -> Result<PartOutcome, IngestError> {
    let work = move |store: &dyn IngestStore| part.submit(store, files);
    Ok(shared.with_store(work).await??)
}

impl Part {
    fn submit(
        &self,
        store: &dyn IngestStore,
        files: Vec<FoundFile>,
    ) -> Result<PartOutcome, StoreError> {
        let mut outcome = PartOutcome::default();
        let mut jobs = Vec::new();
        for file in files {
            match self.content(&file.path) {
                Ok((content, _)) if is_ready(self.known.get(&file.name), &file, content) => {
                    outcome.unchanged += 1;
                }
                Ok((content, bytes)) => jobs.push(self.job(file, content, bytes)),
                Err(error) => {
                    let reason =
                        format!("{} cannot be read: {}", file.path.display(), scan::plain(&error));
                    outcome.failed.push((file.name, reason));
                }
            }
        }
        for (submitted, job) in store.submit_all(&jobs)?.into_iter().zip(&jobs) {
            match submitted {
                Submitted::Queued(_) => {
                    outcome.queued += 1;
                    outcome.queued_bytes += job.bytes;
                }
                Submitted::Unchanged(_) => outcome.unchanged += 1,
            }
        }
        Ok(outcome)
    }

    /// Hash and size of a file.
    fn content(&self, path: &Path) -> io::Result<(ContentHash, u64)> {
        let Some(seen) = &self.seen else { return hash::of_file(path) };
        if let Some(content) = seen.content(path) {
            return Ok(content);
        }
        let before = watch::stamp(path);
        let (content, bytes) = hash::of_file(path)?;
        seen.note(path, before, content);
        Ok((content, bytes))
    }

    fn job(&self, file: FoundFile, content: ContentHash, bytes: u64) -> IngestJob {
        let source = DocumentSource::File { path: file.path };
        let job = IngestJob::new(self.dataset.clone(), file.name, source, content, bytes);
        let (priority, chunking) = (self.options.urgency.priority(), self.options.chunking.clone());
        IngestJob { priority, chunking, ..job }
    }
}

/// Known from there and searchable: no need to ask the store again, once for each of a million files.
fn is_ready(known: Option<&Document>, file: &FoundFile, content: ContentHash) -> bool {
    known.is_some_and(|document| {
        let comes_from = |source: &DocumentSource| {
            matches!(source, DocumentSource::File { path } if *path == file.path)
        };
        document.content == content
            && document.status == DocumentStatus::Ready
            && document.source.as_ref().is_some_and(comes_from)
    })
}

async fn remove(shared: &Shared, documents: Vec<Document>) -> Result<(), IngestError> {
    for Document { id: document, dataset, name, .. } in documents {
        let id = document.clone();
        if shared.with_store(move |store| store.delete_document(&id)).await?? {
            shared.tell_of(&dataset, IngestEvent::Removed { document, name });
        }
    }
    Ok(())
}
