//! What every store must do, whatever its engine: [`run`] checks it through the traits alone.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use testkit::store_suite::Store;
//! fn check(open: impl Fn() -> Arc<dyn Store>) {
//!     testkit::store_suite::run(&|| open());
//! }
//! ```

mod artifacts;
mod concurrency;
mod content;
mod filters;
mod jobs;
mod owners;
mod queue;
mod reembedding;
mod searches;
mod shelf;
mod texts;

use std::sync::Arc;

use rag_core::{ArtifactStore, ChunkIndex, MetadataStore, ReembeddingStore};

/// All sides of a store.
pub trait Store: MetadataStore + ChunkIndex + ArtifactStore + ReembeddingStore {}

impl<S: MetadataStore + ChunkIndex + ArtifactStore + ReembeddingStore> Store for S {}

type Case = (&'static str, fn(&dyn Store));

const CASES: &[Case] = &[
    ("a dataset is made once and bound to its embedding", content::datasets_are_bound),
    ("a submission is idempotent", jobs::submission_is_idempotent),
    ("many submissions are accepted in order, all or none", jobs::submissions_at_once),
    ("a job has one holder at a time", jobs::jobs_have_one_holder),
    ("a job is given up after enough attempts", jobs::jobs_are_given_up),
    ("leases can be forgotten", jobs::leases_can_be_forgotten),
    ("a cancelled job is lost to its worker, and can come again", queue::jobs_are_cancelled),
    ("a failed or cancelled document can be tried again", queue::documents_are_retried),
    ("jobs of higher priority come first", queue::priorities_come_first),
    ("a postponed job waits, and counts no attempt", queue::jobs_are_postponed),
    ("jobs are listed as they are taken", queue::jobs_are_listed),
    ("datasets and documents are found by id and name, within their tenant", content::lookups),
    ("a document is found when it is complete, not before", content::completion_is_visible),
    ("a document is replaced as a whole", content::documents_are_replaced),
    ("a failed job leaves what was there", jobs::failures_leave_the_earlier_version),
    ("filters are exact", searches::filters_are_exact),
    ("filters over metadata let through what they say", filters::metadata_is_filtered),
    ("what filters can be made of is told", filters::fields_are_told),
    ("filters see changes of metadata at once", filters::changes_are_seen),
    ("filters that are too large are refused", filters::filters_are_bounded),
    ("what the owner knows goes before what the file says", filters::owners_go_first),
    ("artifacts are kept by what they were made of", artifacts::are_kept),
    ("a dataset moves to another embedding in one step", reembedding::switches_in_one_step),
    ("documents change while their dataset moves", reembedding::goes_with_changes),
    ("a move can be abandoned", reembedding::can_be_abandoned),
    ("a move refuses what does not fit", reembedding::refuses_what_does_not_fit),
    ("an empty filter finds nothing", searches::empty_filters_find_nothing),
    ("neither text nor vectors gate the other", searches::text_and_vectors_are_independent),
    ("hits come best first, ties by id, no more than asked for", searches::hits_are_ordered),
    ("a query is words, never a language", searches::queries_are_words),
    ("texts of any script are found", searches::scripts_are_found),
    ("chunks with the phrases of a question come first", texts::phrases_are_preferred),
    ("phrases can be required", texts::phrases_are_required),
    ("chunks are found by their keywords and questions", texts::keywords_and_questions_are_found),
    ("identifiers are found as they are and by their parts", texts::identifiers_are_found),
    ("words of a question are shown in a text", texts::words_are_highlighted),
    ("a dataset is renamed", owners::datasets_are_renamed),
    ("a document's name and cutting are changed", owners::documents_are_changed),
    ("a file is kept until its ingestion is asked for", owners::files_are_kept),
    ("a disabled document is not found", owners::documents_are_disabled),
    ("chunks are edited until the document is ingested again", owners::chunks_are_edited),
    ("vectors of another length are refused", content::other_vectors_are_refused),
    ("a deleted document is gone", content::deleted_documents_are_gone),
    ("a deleted dataset is gone", content::deleted_datasets_are_gone),
    ("chunks are read as they were written", content::chunks_are_read_back),
    (
        "readers see whole versions while a writer replaces them",
        concurrency::readers_see_whole_versions,
    ),
    ("many writers at once lose nothing", concurrency::writers_at_once),
];

/// Checks every case on a store of its own. Panics with the first thing that is wrong.
pub fn run(make_store: &dyn Fn() -> Arc<dyn Store>) {
    for (name, case) in CASES {
        eprintln!("store suite: {name}");
        case(&*make_store());
    }
}
