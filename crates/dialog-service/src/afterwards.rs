//! What a dialog gives besides the answer: questions that may come next, a mind map of the evidence.

use futures::future::{OptionFuture, join};
use serde::{Deserialize, Serialize};

use crate::prompt::Prompts;
use crate::{DialogError, DialogEvent, Passage, Turn, aside};

/// Related questions that are asked for.
const MOST_QUESTIONS: usize = 5;

/// Bounds of a mind map.
const MOST_DEPTH: usize = 4;
const MOST_ENTRIES: usize = 40;

/// An entry of a mind map, with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(no_recursion))]
pub struct MindMap {
    /// A short phrase.
    pub text: String,
    /// What belongs to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<MindMap>,
}

/// What the dialog wants besides an answer, asked for all at once; and a warning for each that failed.
pub(crate) async fn extras(
    turn: &Turn,
    prompts: &Prompts,
    question: &str,
    answer: &str,
    passages: &[Passage],
) -> (Vec<DialogEvent>, Vec<String>) {
    let (mut events, mut warnings) = (Vec::new(), Vec::new());
    let dialog = &turn.dialog;
    let related = dialog.related.then(|| related(turn, prompts, question, answer));
    let wants_map = dialog.mind_map && !passages.is_empty();
    let map = wants_map.then(|| mind_map(turn, prompts, question, passages));
    let (related, map) = join(OptionFuture::from(related), OptionFuture::from(map)).await;
    let mut failed = |what: &str, error: &DialogError| {
        tracing::warn!(what, error = error as &dyn std::error::Error, "left out");
        warnings.push(format!("there is no {what}: the model did not give any"));
    };
    match related {
        Some(Ok(questions)) if !questions.is_empty() => {
            events.push(DialogEvent::Related { questions });
        }
        Some(Err(error)) => failed("related question", &error),
        _ => {}
    }
    match map {
        Some(Ok(root)) => events.push(DialogEvent::MindMap { root }),
        Some(Err(error)) => failed("mind map", &error),
        None => {}
    }
    (events, warnings)
}

async fn related(
    turn: &Turn,
    prompts: &Prompts,
    question: &str,
    answer: &str,
) -> Result<Vec<String>, DialogError> {
    let reply =
        aside::ask(turn, "related", prompts.related(question, answer, MOST_QUESTIONS)?).await?;
    let others = aside::listed(&reply).filter(|line| *line != question);
    Ok(others.take(MOST_QUESTIONS).map(str::to_owned).collect())
}

async fn mind_map(
    turn: &Turn,
    prompts: &Prompts,
    question: &str,
    passages: &[Passage],
) -> Result<MindMap, DialogError> {
    let prompt = prompts.mind_map(question, passages, MOST_DEPTH, MOST_ENTRIES)?;
    let reply = aside::ask_long(turn, "mind_map", prompt).await?;
    read(&reply, question).ok_or_else(|| aside::malformed("the model wrote no list"))
}

/// The map of a nested list. One with several entries on its first level hangs below the question.
fn read(reply: &str, question: &str) -> Option<MindMap> {
    let mut roots: Vec<MindMap> = Vec::new();
    // The indents of the entries from the first level down to the last one read.
    let mut indents: Vec<usize> = Vec::new();
    let mut entries = 0;
    for line in reply.lines() {
        let indent = line.len() - line.trim_start().len();
        let Some(text) = line.trim_start().strip_prefix(['-', '*', '•']) else { continue };
        let text = text.trim().to_owned();
        if text.is_empty() || entries == MOST_ENTRIES {
            continue;
        }
        entries += 1;
        while indents.last().is_some_and(|last| *last >= indent) {
            indents.pop();
        }
        let level = indents.len().min(MOST_DEPTH - 1);
        let mut place = &mut roots;
        for _ in 0..level {
            place = &mut place.last_mut()?.parts;
        }
        place.push(MindMap { text, parts: Vec::new() });
        indents.truncate(level);
        indents.push(indent);
    }
    match roots.len() {
        0 => None,
        1 => roots.pop(),
        _ => Some(MindMap { text: question.to_owned(), parts: roots }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(map: &MindMap) -> String {
        let parts: Vec<String> = map.parts.iter().map(shown).collect();
        if parts.is_empty() {
            map.text.clone()
        } else {
            format!("{}({})", map.text, parts.join(" "))
        }
    }

    #[test]
    fn a_mind_map_is_read_from_a_nested_list() {
        for (reply, expected) in [
            ("- tea\n  - hot\n    - 80\n  - green", Some("tea(hot(80) green)")),
            ("Here it is:\n* tea\n\t* hot", Some("tea(hot)")),
            ("- tea\n- coffee", Some("Drinks?(tea coffee)")),
            ("- a\n      - b\n   - c", Some("a(b c)")),
            ("- a\n - b\n  - c\n   - d\n    - e", Some("a(b(c(d e)))")),
            ("nothing", None),
        ] {
            let map = read(reply, "Drinks?");
            assert_eq!(map.as_ref().map(shown).as_deref(), expected, "{reply}");
        }
    }
}
