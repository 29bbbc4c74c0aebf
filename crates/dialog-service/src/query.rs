//! [`Query`]: what is searched for, and putting together what was found.

use std::collections::{HashMap, HashSet};

use rag_core::{ChunkId, MetadataFilter};

use crate::{Evidence, Passage};

/// What is searched for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query {
    /// The question, made to stand alone.
    pub(crate) question: String,
    /// The same in other languages.
    pub(crate) translations: Vec<String>,
    /// Words to search for with the question.
    pub(crate) keywords: Vec<String>,
    /// What the model made of it: only documents whose metadata pass.
    pub(crate) filter: Option<MetadataFilter>,
}

impl Query {
    /// Just a question.
    pub(crate) fn plain(question: &str) -> Self {
        Self { question: question.to_owned(), ..Self::default() }
    }

    /// The texts to search for, each on its own: words of one language only water down what another one finds. The first
    /// one is the question's.
    pub(crate) fn texts(&self) -> Vec<String> {
        let mut first = self.question.clone();
        for keyword in &self.keywords {
            first.push_str(", ");
            first.push_str(keyword);
        }
        std::iter::once(first).chain(self.translations.iter().cloned()).collect()
    }
}

/// What several searches found, as one: the best of each, then the second of each, and so on, every passage once, at
/// most `most`.
pub(crate) fn interleaved(found: Vec<Evidence>, most: usize) -> Evidence {
    let mut whole = Evidence::default();
    let mut rows = Vec::new();
    for evidence in found {
        whole.total = whole.total.max(evidence.total);
        take_warnings(&mut whole, evidence.warnings);
        rows.push(evidence.passages.into_iter());
    }
    let mut known = HashSet::new();
    while whole.passages.len() < most {
        let before = known.len();
        let next: Vec<Passage> = rows
            .iter_mut()
            .filter_map(|row| row.find(|passage| known.insert(passage.chunk.id.clone())))
            .collect();
        if known.len() == before {
            break;
        }
        whole.passages.extend(next);
    }
    whole.passages.truncate(most);
    whole
}

fn take_warnings(whole: &mut Evidence, warnings: Vec<String>) {
    for warning in warnings {
        if !whole.warnings.contains(&warning) {
            whole.warnings.push(warning);
        }
    }
}

/// What several searches found, as one: every passage once, with its best score, best first, at most `top`.
pub(crate) fn merged(found: Vec<Evidence>, top: usize) -> Evidence {
    let mut whole = Evidence::default();
    let mut places: HashMap<ChunkId, usize> = HashMap::new();
    let mut passages: Vec<Passage> = Vec::new();
    for evidence in found {
        whole.total = whole.total.max(evidence.total);
        take_warnings(&mut whole, evidence.warnings);
        for passage in evidence.passages {
            match places.get(&passage.chunk.id) {
                Some(&place) if passages[place].score < passage.score => passages[place] = passage,
                Some(_) => {}
                None => {
                    places.insert(passage.chunk.id.clone(), passages.len());
                    passages.push(passage);
                }
            }
        }
    }
    // Stable: of equal ones, that of the question itself comes first.
    passages.sort_by(|a, b| b.score.total_cmp(&a.score));
    passages.truncate(top);
    whole.passages = passages;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passage::tests::passages;

    #[test]
    fn keywords_go_with_the_question_and_translations_alone() {
        let query = Query {
            question: "How hot?".into(),
            translations: vec!["Wie heiß?".into()],
            keywords: vec!["degrees".into(), "water".into()],
            filter: None,
        };
        assert_eq!(query.texts(), ["How hot?, degrees, water", "Wie heiß?"]);
    }

    #[test]
    fn each_search_has_its_turn() {
        let passages = passages(&["a", "b", "c", "d"]);
        let evidence = |places: &[usize]| Evidence {
            passages: places.iter().map(|place| passages[*place].clone()).collect(),
            ..Evidence::default()
        };
        let shown = |most| -> Vec<String> {
            let found = vec![evidence(&[0, 1, 2]), evidence(&[0, 3]), evidence(&[])];
            let whole = interleaved(found, most);
            whole.passages.into_iter().map(|passage| passage.chunk.text).collect()
        };
        assert_eq!(shown(9), ["a", "d", "b", "c"]);
        assert_eq!(shown(3), ["a", "d", "b"]);
    }

    #[test]
    fn a_passage_is_there_once_with_its_best_score() {
        let evidence = |scores: &[f32], total, warning: &str| {
            let mut passages = passages(&["a", "b", "c"]).to_vec();
            passages.iter_mut().zip(scores).for_each(|(passage, score)| passage.score = *score);
            passages.retain(|passage| passage.score > 0.0);
            Evidence { passages, total, warnings: vec![warning.into()] }
        };
        let found = vec![evidence(&[0.5, 0.4, 0.0], 9, "x"), evidence(&[0.1, 0.8, 0.5], 7, "x")];
        let whole = merged(found.clone(), 8);
        let shown: Vec<_> =
            whole.passages.iter().map(|p| (p.chunk.text.as_str(), p.score)).collect();
        assert_eq!(shown, [("b", 0.8), ("a", 0.5), ("c", 0.5)]);
        assert_eq!((whole.total, whole.warnings.len()), (9, 1));
        assert_eq!(merged(found, 1).passages.len(), 1);
    }
}
