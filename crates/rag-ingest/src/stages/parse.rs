//! Reading structure out of the file's bytes.

use std::time::{Duration, Instant};

use rag_core::{
    ArtifactKey, ArtifactKind, ArtifactStore, ClaimedJob, DocumentParser, ParseRequest,
    ParsedDocument,
};

use crate::artifacts;
use crate::held_job::HeldJob;
use crate::trouble::Trouble;

/// Parsing that took longer is not done twice.
const DEAR: Duration = Duration::from_millis(250);

/// The form in which parsed documents are kept. It changes with [`ParsedDocument`].
const FORM: u32 = 1;

/// The most bytes of a parsed document that is kept. Larger ones are rare and would push out many others.
const MOST_KEPT: usize = 32 << 20;

/// The document as its parser sees it, or saw it before where that was dear.
pub(crate) async fn parse(held: &HeldJob, bytes: Vec<u8>) -> Result<ParsedDocument, Trouble> {
    let shared = held.shared();
    let (parser, store) = (shared.parts.parser.clone(), shared.parts.store.clone());
    let (job, pictures) = (held.job().clone(), shared.parts.vision.is_some());
    let work = move || {
        let pages = &job.settings.chunking.pages;
        let name = job.job.name.as_str();
        let request = ParseRequest { name, bytes: &bytes, pages, pictures };
        let key = key(&job, &*parser, pictures);
        if let Some(kept) = kept(&*store, key) {
            return Ok(kept);
        }
        let began = Instant::now();
        let parsed = parser.parse(&request)?;
        if began.elapsed() > DEAR || parsed.pages > 0 || !parsed.pictures.is_empty() {
            keep(&*store, key, &parsed);
        }
        Ok(parsed)
    };
    let parsed = shared.on_pool(work).await?;
    parsed.map_err(|error: rag_core::ParseError| Trouble::Failed(error.reason))
}

fn key(job: &ClaimedJob, parser: &dyn DocumentParser, pictures: bool) -> ArtifactKey {
    let ranges = job.settings.chunking.pages.iter();
    let pages: Vec<u8> = ranges
        .flat_map(|(first, last)| [first.to_le_bytes(), last.to_le_bytes()].concat())
        .collect();
    artifacts::key(
        ArtifactKind::Parsed,
        &[
            &job.job.content.0,
            job.job.name.as_bytes(),
            &pages,
            &[u8::from(pictures)],
            &parser.revision().to_le_bytes(),
            &FORM.to_le_bytes(),
        ],
    )
}

fn kept<S: ArtifactStore + ?Sized>(store: &S, key: ArtifactKey) -> Option<ParsedDocument> {
    let bytes = artifacts::find(store, &[key]).pop().flatten()?;
    serde_json::from_slice(&bytes).ok()
}

fn keep<S: ArtifactStore + ?Sized>(store: &S, key: ArtifactKey, parsed: &ParsedDocument) {
    match serde_json::to_vec(parsed) {
        Ok(bytes) if bytes.len() <= MOST_KEPT => artifacts::keep(store, vec![(key, bytes)]),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "a parsed document could not be written down"),
    }
}
