//! From files found to durable jobs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use rag_core::{
    ContentHash, DatasetId, Document, DocumentSource, DocumentStatus, IngestJob, StoreError,
    Submitted,
};

use crate::pipeline::{IngestStore, Shared};
use crate::scan::{self, FoundFile, Scan, ScanOptions};
use crate::{IngestError, IngestEvent, hash};

/// How files are submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubmitOptions {
    /// How [`Pipeline::ingest`](crate::Pipeline::ingest) finds files.
    pub scan: ScanOptions,
    /// Remove documents of the dataset that are not among the files. Only for a dataset that holds nothing but these
    /// files. Not done when something could not be read: what seems gone may only be out of reach.
    pub prune: bool,
    /// Which jobs are taken first.
    pub urgency: Urgency,
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
    /// Names of documents of the dataset that are not among the files.
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
) -> Result<Submission, IngestError> {
    let known = known_documents(shared, dataset).await?;
    let names: HashSet<String> = scan.files.iter().map(|file| file.name.clone()).collect();
    let mut submission = Submission::default();
    for skipped in scan.skipped {
        let name = skipped.path.display().to_string();
        shared.tell(IngestEvent::Failed { name: name.clone(), reason: skipped.reason.clone() });
        submission.failed.push((name, skipped.reason));
    }

    let parts: Vec<Vec<FoundFile>> =
        scan.files.chunks(AT_ONCE).map(<[FoundFile]>::to_vec).collect();
    let threads = shared.parts.pool.status().threads;
    let mut outcomes = stream::iter(parts)
        .map(|files| submit_part(shared, dataset, files, &known, options.urgency))
        .buffer_unordered(threads);
    while let Some(outcome) = outcomes.try_next().await? {
        submission.unchanged += outcome.unchanged;
        submission.queued += outcome.queued;
        if outcome.queued > 0 {
            shared.count(|progress| {
                progress.queued += outcome.queued;
                progress.queued_bytes += outcome.queued_bytes;
            });
            shared.tell(IngestEvent::Queued { total: outcome.queued });
            shared.submitted.notify_waiters();
        }
        for (name, reason) in outcome.failed {
            shared.tell(IngestEvent::Failed { name: name.clone(), reason: reason.clone() });
            submission.failed.push((name, reason));
        }
    }
    drop(outcomes);

    let unreadable: HashSet<&str> =
        submission.failed.iter().map(|(name, _)| name.as_str()).collect();
    let gone = known.values().filter(|document| {
        !names.contains(&document.name) && !unreadable.contains(document.name.as_str())
    });
    let gone: Vec<Document> = gone.cloned().collect();
    submission.missing = gone.iter().map(|document| document.name.clone()).collect();
    submission.missing.sort();
    if options.prune && submission.failed.is_empty() {
        remove(shared, gone).await?;
        submission.pruned = true;
    }
    submission.failed.sort();
    Ok(submission)
}

type Known = Arc<HashMap<String, Document>>;

async fn known_documents(shared: &Shared, dataset: &DatasetId) -> Result<Known, IngestError> {
    let dataset = dataset.clone();
    let documents = shared.with_store(move |store| store.documents(&dataset)).await??;
    let by_name = documents.into_iter().map(|document| (document.name.clone(), document));
    Ok(Arc::new(by_name.collect()))
}

#[derive(Default)]
struct PartOutcome {
    queued: u64,
    queued_bytes: u64,
    unchanged: u64,
    failed: Vec<(String, String)>,
}

async fn submit_part(
    shared: &Shared,
    dataset: &DatasetId,
    files: Vec<FoundFile>,
    known: &Known,
    urgency: Urgency,
) -> Result<PartOutcome, IngestError> {
    let (dataset, known) = (dataset.clone(), known.clone());
    let work = move |store: &dyn IngestStore| submit_files(store, &dataset, files, &known, urgency);
    Ok(shared.with_store(work).await??)
}

fn submit_files(
    store: &dyn IngestStore,
    dataset: &DatasetId,
    files: Vec<FoundFile>,
    known: &HashMap<String, Document>,
    urgency: Urgency,
) -> Result<PartOutcome, StoreError> {
    let mut outcome = PartOutcome::default();
    let mut jobs = Vec::new();
    for file in files {
        match hash::of_file(&file.path) {
            Ok((content, _)) if is_ready(known.get(&file.name), content) => outcome.unchanged += 1,
            Ok((content, bytes)) => {
                let source = DocumentSource::File { path: file.path };
                let job = IngestJob::new(dataset.clone(), file.name, source, content, bytes);
                jobs.push(IngestJob { priority: urgency.priority(), ..job });
            }
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

/// Known and searchable: no need to ask the store again, once for each of a million files.
fn is_ready(known: Option<&Document>, content: ContentHash) -> bool {
    known.is_some_and(|document| {
        document.content == content && document.status == DocumentStatus::Ready
    })
}

async fn remove(shared: &Shared, documents: Vec<Document>) -> Result<(), IngestError> {
    for document in documents {
        shared.with_store(move |store| store.delete_document(&document.id)).await??;
    }
    Ok(())
}
