//! What leads on from passages that were found: sections of the same document by its table of contents, and entities that
//! are related to those that were found.

use std::collections::HashMap;
use std::ops::Range;

use futures::future::{OptionFuture, join};
use rag_core::{ChunkKind, DocumentId};

use crate::evidence::Leads;
use crate::prompt::Prompts;
use crate::{Dialog, DialogError, Passage, Turn, aside};

/// Sections that the model may choose.
const MOST_SECTIONS: usize = 4;

/// Related entities that are looked up.
const MOST_ENTITIES: usize = 8;

/// What leads on is worth less than what was found.
const SHARE: f32 = 0.5;

/// What leads on from `found`, which it does not repeat, as far as the dialog wants it; and a warning for each way that
/// failed.
pub(crate) async fn on(
    turn: &Turn,
    prompts: &Prompts,
    leads: Option<&dyn Leads>,
    question: &str,
    found: &[Passage],
) -> (Vec<Passage>, Vec<String>) {
    let Dialog { contents, graph, .. } = turn.dialog;
    let Some(leads) = leads.filter(|_| (contents || graph) && !found.is_empty()) else {
        return (Vec::new(), Vec::new());
    };
    let by_contents = (contents && aside::is_possible(turn))
        .then(|| sections(turn, prompts, leads, question, found));
    let by_graph = graph.then(|| related(turn, leads, question, found));
    let (by_contents, by_graph) =
        join(OptionFuture::from(by_contents), OptionFuture::from(by_graph)).await;
    let (mut further, mut warnings): (Vec<Passage>, _) = (Vec::new(), Vec::new());
    for (way, led) in [("contents", by_contents), ("entities", by_graph)] {
        match led {
            Some(Ok(passages)) => further.extend(passages.into_iter().take(turn.dialog.top)),
            Some(Err(error)) => {
                tracing::warn!(way, error = &error as &dyn std::error::Error, "led nowhere");
                warnings.push(format!("the {way} of the documents could not be followed"));
            }
            None => {}
        }
    }
    further.retain(|passage| !found.iter().any(|one| one.chunk.id == passage.chunk.id));
    (further, warnings)
}

/// The sections that the model chooses from the contents of the document with the best passages.
async fn sections(
    turn: &Turn,
    prompts: &Prompts,
    leads: &dyn Leads,
    question: &str,
    found: &[Passage],
) -> Result<Vec<Passage>, DialogError> {
    let Some((document, score)) = best_document(found) else { return Ok(Vec::new()) };
    let Some(contents) = leads.contents(document.clone()).await? else { return Ok(Vec::new()) };
    let prompt = prompts.contents(question, &contents, MOST_SECTIONS)?;
    let reply = aside::ask(turn, "contents", prompt).await?;
    let numbers = chosen(&reply, &contents);
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    leads.passages_at(document, numbers, turn.dialog.top, score * SHARE).await
}

/// The document with the greatest sum of scores, and its best score.
fn best_document(found: &[Passage]) -> Option<(DocumentId, f32)> {
    let mut sums: HashMap<&DocumentId, (f32, f32)> = HashMap::new();
    for passage in found.iter().filter(|passage| passage.url.is_none()) {
        let (sum, best) = sums.entry(&passage.chunk.document).or_default();
        *sum += passage.score;
        *best = best.max(passage.score);
    }
    let best = sums.into_iter().max_by(|(a, (x, _)), (b, (y, _))| x.total_cmp(y).then(b.cmp(a)));
    best.map(|(document, (_, score))| (document.clone(), score))
}

/// The chunks of the sections that a reply names by the numbers of their lines: each from its own beginning to that of
/// the next line.
fn chosen(reply: &str, contents: &str) -> Vec<Range<u32>> {
    let begins: Vec<Option<u32>> = contents.lines().map(begin).collect();
    let mut lines: Vec<usize> = listed_numbers(reply);
    lines.truncate(MOST_SECTIONS);
    let range = |line: &usize| {
        let start = (*begins.get(line.checked_sub(1)?)?)?;
        let later = begins.get(*line..).unwrap_or_default().iter().flatten();
        let end = later.copied().find(|begin| *begin > start).unwrap_or(u32::MAX);
        Some(start..end)
    };
    lines.iter().filter_map(range).collect()
}

fn begin(line: &str) -> Option<u32> {
    let (_, number) = line.trim_end().strip_suffix(']')?.rsplit_once('[')?;
    number.parse().ok()
}

fn listed_numbers(reply: &str) -> Vec<usize> {
    let numbers = reply.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok());
    let mut known = Vec::new();
    for number in numbers {
        if !known.contains(&number) {
            known.push(number);
        }
    }
    known
}

/// What is said of the entities that the question is about, and of those that these and those among the passages are
/// related to.
async fn related(
    turn: &Turn,
    leads: &dyn Leads,
    question: &str,
    found: &[Passage],
) -> Result<Vec<Passage>, DialogError> {
    let mut names: Vec<String> = Vec::new();
    let score = found.iter().map(|passage| passage.score).fold(0.0, f32::max);
    for passage in found.iter().filter(|passage| passage.chunk.kind == ChunkKind::Entity) {
        let new = passage.chunk.keywords.iter().filter(|name| !names.contains(name)).cloned();
        let new: Vec<String> = new.collect();
        names.extend(new);
    }
    names.truncate(MOST_ENTITIES);
    let datasets = turn.dialog.datasets.clone();
    let looked_up = leads.graph(datasets, question.to_owned(), names.clone(), score * SHARE);
    let told = |found: &Vec<Passage>| format!("{} found", found.len());
    let input = format!("{question}\n{}", names.join(", "));
    turn.trace.step("graph", &input, looked_up, told).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passage::tests::passages;

    #[test]
    fn sections_end_where_the_next_begins() {
        let contents = "Tea [0]\n  Water [2]\n  Leaves [2]\nCoffee [7]";
        for (reply, expected) in [
            ("2", &[(2, 7)][..]),
            ("1, 3", &[(0, 2), (2, 7)]),
            ("4.", &[(7, u32::MAX)]),
            ("none", &[]),
            ("99, 0", &[]),
            ("2, 2", &[(2, 7)]),
        ] {
            let numbers = chosen(reply, contents);
            let numbers: Vec<_> = numbers.iter().map(|range| (range.start, range.end)).collect();
            assert_eq!(numbers, expected, "{reply}");
        }
    }

    #[test]
    fn the_document_with_the_most_found_leads_on() {
        let mut found = passages(&["a", "b", "c"]).to_vec();
        for (passage, (document, score)) in
            found.iter_mut().zip([("x", 0.5), ("y", 0.4), ("y", 0.3)])
        {
            (passage.chunk.document, passage.score) = (document.parse().unwrap(), score);
        }
        assert_eq!(best_document(&found), Some(("y".parse().unwrap(), 0.4)));
        assert_eq!(best_document(&[]), None);
    }
}
