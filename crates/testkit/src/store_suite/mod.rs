//! What every store must do, whatever its engine: [`run`] checks it through the traits alone.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use testkit::store_suite::Store;
//! fn check(open: impl Fn() -> Arc<dyn Store>) {
//!     testkit::store_suite::run(&|| open());
//! }
//! ```

mod concurrency;
mod content;
mod jobs;
mod searches;
mod shelf;

use std::sync::Arc;

use rag_core::{ChunkIndex, MetadataStore};

/// Both sides of a store.
pub trait Store: MetadataStore + ChunkIndex {}

impl<S: MetadataStore + ChunkIndex> Store for S {}

type Case = (&'static str, fn(&dyn Store));

const CASES: &[Case] = &[
    ("a dataset is made once and bound to its embedding", content::datasets_are_bound),
    ("a submission is idempotent", jobs::submission_is_idempotent),
    ("many submissions are accepted in order, all or none", jobs::submissions_at_once),
    ("a job has one holder at a time", jobs::jobs_have_one_holder),
    ("a job is given up after enough attempts", jobs::jobs_are_given_up),
    ("leases can be forgotten", jobs::leases_can_be_forgotten),
    ("a document is found when it is complete, not before", content::completion_is_visible),
    ("a document is replaced as a whole", content::documents_are_replaced),
    ("a failed job leaves what was there", jobs::failures_leave_the_earlier_version),
    ("filters are exact", searches::filters_are_exact),
    ("an empty filter finds nothing", searches::empty_filters_find_nothing),
    ("neither text nor vectors gate the other", searches::text_and_vectors_are_independent),
    ("hits come best first, ties by id, no more than asked for", searches::hits_are_ordered),
    ("a query is words, never a language", searches::queries_are_words),
    ("texts of any script are found", searches::scripts_are_found),
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
