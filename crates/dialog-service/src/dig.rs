//! Digging deeper: the model says what is still missing, which is searched for, until it says that it is enough.

use std::collections::HashSet;

use rag_core::{ChunkId, MetadataFilter};

use crate::prompt::Prompts;
use crate::query::interleaved;
use crate::{Dialog, DialogError, Evidence, Passage, Turn, aside};

/// How far a dialog digs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Research {
    /// How often the model is asked what is missing, at most [`MOST_ROUNDS`](Self::MOST_ROUNDS).
    pub rounds: usize,
    /// Further questions that are searched for each time, all at once, at most
    /// [`MOST_QUESTIONS`](Self::MOST_QUESTIONS).
    pub questions: usize,
}

impl Research {
    /// The most rounds.
    pub const MOST_ROUNDS: usize = 4;
    /// The most questions of a round.
    pub const MOST_QUESTIONS: usize = 6;
}

impl Default for Research {
    fn default() -> Self {
        Self { rounds: 2, questions: 3 }
    }
}

/// How far the digging of a turn is.
#[derive(Debug, Default)]
pub(crate) struct Dig {
    searched: Vec<String>,
    found: Vec<Evidence>,
    /// What the model made of the question: it holds for further searches, too.
    pub(crate) filter: Option<MetadataFilter>,
    rounds: usize,
    is_over: bool,
}

impl Dig {
    /// Begins with what the question itself found, under this filter.
    pub(crate) fn new(question: &str, found: Evidence, filter: Option<MetadataFilter>) -> Self {
        let searched = vec![question.to_owned()];
        Self { searched, found: vec![found], filter, ..Self::default() }
    }

    /// Asks what is missing: further questions to search for, whose findings are to be [taken](Self::take); none when it is
    /// enough.
    ///
    /// # Errors
    /// The model's; what was found before stays.
    pub(crate) async fn ask(
        &mut self,
        turn: &Turn,
        prompts: &Prompts,
    ) -> Result<Vec<String>, DialogError> {
        let Some(Research { rounds, questions }) = turn.dialog.research else {
            return Ok(Vec::new());
        };
        if self.is_over || self.rounds >= rounds.min(Research::MOST_ROUNDS) {
            return Ok(Vec::new());
        }
        self.rounds += 1;
        // Whatever fails from here on ends the digging.
        self.is_over = true;
        let (known, most) = (self.passages(turn), questions.min(Research::MOST_QUESTIONS));
        let prompt = prompts.dig(&self.searched[0], &self.searched, &known, most)?;
        Ok(further(&aside::ask(turn, "research", prompt).await?, &self.searched, most))
    }

    /// Takes what was found for these questions. How many passages of it were not known before.
    pub(crate) fn take(&mut self, questions: Vec<String>, found: Vec<Evidence>) -> usize {
        let known = self.found.iter().flat_map(|evidence| &evidence.passages);
        let known: HashSet<&ChunkId> = known.map(|passage| &passage.chunk.id).collect();
        let passages = found.iter().flat_map(|evidence| &evidence.passages);
        let new = passages.filter(|passage| !known.contains(&passage.chunk.id)).count();
        self.found.extend(found);
        self.searched.extend(questions);
        self.is_over = new == 0;
        new
    }

    /// All that was found: the best of each search first.
    pub(crate) fn into_evidence(self, turn: &Turn) -> Evidence {
        let most = most_passages(turn, self.rounds);
        interleaved(self.found, most)
    }

    fn passages(&self, turn: &Turn) -> Vec<Passage> {
        interleaved(self.found.clone(), most_passages(turn, self.rounds)).passages
    }
}

/// Each round may add half as many passages as the dialog has without.
fn most_passages(turn: &Turn, rounds: usize) -> usize {
    let Dialog { top, contents, graph, .. } = turn.dialog;
    // What leads on, and the rows of tables, come besides.
    let ways = usize::from(contents) + usize::from(graph);
    1 + top + ways * top + rounds * top.div_ceil(2)
}

/// The questions of a reply, in whatever form models list them; none when it says that it is enough.
fn further(reply: &str, searched: &[String], most: usize) -> Vec<String> {
    let mut questions: Vec<String> = Vec::new();
    for line in aside::listed(reply) {
        let is_enough = line.trim_end_matches('.').eq_ignore_ascii_case("enough");
        let is_known = |known: &String| known.eq_ignore_ascii_case(line);
        if is_enough {
            break;
        }
        if !searched.iter().any(is_known) && !questions.iter().any(is_known) {
            questions.push(line.to_owned());
        }
    }
    questions.truncate(most);
    questions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_questions_are_read_in_the_forms_that_models_list_them() {
        let searched = ["How hot?".to_owned()];
        for (reply, expected) in [
            ("enough", &[][..]),
            ("Enough.", &[]),
            ("1. Which tea?\n2) \"Which water?\"", &["Which tea?", "Which water?"]),
            ("- Which tea?\n- which tea?\n- How hot?", &["Which tea?"]),
            ("a?\nb?\nc?\nd?", &["a?", "b?", "c?"]),
            ("Which tea?\nenough", &["Which tea?"]),
        ] {
            assert_eq!(further(reply, &searched, 3), expected, "{reply}");
        }
    }
}
