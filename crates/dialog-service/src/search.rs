//! Searching everywhere at once: the datasets, and what other sources there are.

use futures::future::{join, join_all, try_join_all};
use rag_core::MetadataFilter;

use crate::query::{Query, merged};
use crate::{DialogError, Evidence, EvidenceRequest, EvidenceSource, Passage, Turn};

/// What all searches of a query find together, under the dialog's filter and this one. A source that fails besides the
/// datasets costs a warning.
///
/// # Errors
/// As the datasets' source.
pub(crate) async fn found(
    turn: &Turn,
    library: &dyn EvidenceSource,
    query: &Query,
    guessed: Option<MetadataFilter>,
) -> Result<Evidence, DialogError> {
    let texts = query.texts();
    let (in_library, elsewhere) = join(
        in_datasets(turn, library, &texts, guessed),
        join_all(
            turn.dialog
                .sources
                .0
                .iter()
                .map(|(name, source)| in_source(turn, name, &**source, &texts[0])),
        ),
    )
    .await;
    let mut all = in_library?;
    all.extend(elsewhere);
    Ok(merged(all, turn.dialog.top))
}

async fn in_datasets(
    turn: &Turn,
    library: &dyn EvidenceSource,
    texts: &[String],
    guessed: Option<MetadataFilter>,
) -> Result<Vec<Evidence>, DialogError> {
    if turn.dialog.datasets.is_empty() {
        return Ok(Vec::new());
    }
    let metadata = match (turn.dialog.metadata.clone(), guessed) {
        (Some(own), Some(guessed)) => Some(MetadataFilter::All(vec![own, guessed])),
        (own, guessed) => own.or(guessed),
    };
    let asked =
        |text: &String| EvidenceRequest { metadata: metadata.clone(), ..request(turn, text) };
    let searches = texts.iter().map(|text| {
        let input = match &metadata {
            Some(filter) => format!("{text}\nwhere {filter}"),
            None => text.clone(),
        };
        async move { turn.trace.step("search", &input, library.find(asked(text)), told).await }
    });
    try_join_all(searches).await
}

async fn in_source(turn: &Turn, name: &str, source: &dyn EvidenceSource, text: &str) -> Evidence {
    let plain = EvidenceRequest { datasets: Vec::new(), documents: None, ..request(turn, text) };
    let input = format!("{text}\nin {name}");
    let found = turn.trace.step("search", &input, source.find(plain), told).await;
    found.unwrap_or_else(|error| {
        tracing::warn!(name, error = &error as &dyn std::error::Error, "a source failed");
        let warnings = vec![format!("`{name}` could not be searched")];
        Evidence { warnings, ..Evidence::default() }
    })
}

/// What was found, for the trace: scores and places, best first.
fn told(found: &Evidence) -> String {
    let line = |passage: &Passage| format!("{:.3} {}", passage.score, passage.location());
    let lines: Vec<String> = found.passages.iter().map(line).collect();
    format!("{} of {}\n{}", found.passages.len(), found.total, lines.join("\n"))
}

fn request(turn: &Turn, text: &str) -> EvidenceRequest {
    let dialog = &turn.dialog;
    EvidenceRequest {
        question: text.to_owned(),
        datasets: dialog.datasets.clone(),
        documents: dialog.documents.clone(),
        metadata: None,
        top: dialog.top,
        vector_weight: dialog.vector_weight,
        rerank: dialog.rerank.clone(),
        threshold: dialog.threshold,
        embedders: turn.embedders.clone(),
    }
}
