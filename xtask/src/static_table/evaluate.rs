//! Retrieval quality on labelled sets: nDCG@10 and recall@5 of ranking by cosine.

use std::{collections::HashMap, fmt, fs, path::Path};

use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::Deserialize;

/// A labelled retrieval set: `corpus.jsonl`, `queries.jsonl` and `qrels.tsv` of one directory.
pub struct RetrievalSet {
    name: String,
    /// The texts to be found: title and body.
    documents: Vec<String>,
    /// The questions that have at least one relevant document.
    questions: Vec<String>,
    /// For each question the relevant documents and their grades.
    relevant: Vec<HashMap<usize, f64>>,
}

/// Means over the questions of a set.
#[derive(Debug)]
pub struct Quality {
    set: String,
    ndcg_at_10: f64,
    recall_at_5: f64,
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { set, ndcg_at_10, recall_at_5 } = self;
        write!(f, "{set}: nDCG@10 {ndcg_at_10:.3}, recall@5 {recall_at_5:.3}")
    }
}

#[derive(Deserialize)]
struct Line {
    _id: String,
    #[serde(default)]
    title: String,
    text: String,
}

impl RetrievalSet {
    /// Reads a set.
    pub fn load(directory: &Path) -> Result<Self> {
        let corpus = read_lines(&directory.join("corpus.jsonl"))?;
        let queries = read_lines(&directory.join("queries.jsonl"))?;
        let grades = read_grades(&directory.join("qrels.tsv"))?;
        let places: HashMap<&str, usize> =
            corpus.iter().enumerate().map(|(place, line)| (line._id.as_str(), place)).collect();

        let (mut questions, mut relevant) = (Vec::new(), Vec::new());
        for query in queries {
            let of_query: HashMap<usize, f64> = grades
                .get(&query._id)
                .into_iter()
                .flatten()
                .filter_map(|(document, grade)| Some((*places.get(document.as_str())?, *grade)))
                .collect();
            if !of_query.is_empty() {
                questions.push(query.text);
                relevant.push(of_query);
            }
        }
        let documents =
            corpus.iter().map(|line| format!("{}\n{}", line.title, line.text)).collect();
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, documents, questions, relevant })
    }

    /// The quality of ranking the documents by the dot product of their embeddings with the
    /// question's.
    pub fn measure(&self, embed: impl Fn(&[String]) -> Result<Vec<Vec<f32>>>) -> Result<Quality> {
        let (documents, questions) = (embed(&self.documents)?, embed(&self.questions)?);
        let each: Vec<(f64, f64)> = questions
            .par_iter()
            .zip(&self.relevant)
            .map(|(question, relevant)| {
                let ranking = nearest(question, &documents, 10);
                (ndcg(&ranking, relevant), recall(&ranking[..ranking.len().min(5)], relevant))
            })
            .collect();
        let count = each.len().max(1) as f64;
        Ok(Quality {
            set: self.name.clone(),
            ndcg_at_10: each.iter().map(|(ndcg, _)| ndcg).sum::<f64>() / count,
            recall_at_5: each.iter().map(|(_, recall)| recall).sum::<f64>() / count,
        })
    }
}

fn read_lines(path: &Path) -> Result<Vec<Line>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn read_grades(path: &Path) -> Result<HashMap<String, Vec<(String, f64)>>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut grades: HashMap<String, Vec<(String, f64)>> = HashMap::new();
    for line in text.lines().skip(1) {
        let mut fields = line.split('\t');
        let (Some(query), Some(document), Some(grade)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let grade: f64 = grade.trim().parse().with_context(|| format!("grade in {line:?}"))?;
        if grade > 0.0 {
            grades.entry(query.into()).or_default().push((document.into(), grade));
        }
    }
    Ok(grades)
}

/// The indexes of the `count` documents nearest to the question, nearest first.
fn nearest(question: &[f32], documents: &[Vec<f32>], count: usize) -> Vec<usize> {
    let mut scored: Vec<(f32, usize)> = documents
        .iter()
        .enumerate()
        .map(|(index, document)| {
            (question.iter().zip(document).map(|(left, right)| left * right).sum(), index)
        })
        .collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    scored.into_iter().take(count).map(|(_, index)| index).collect()
}

fn ndcg(ranking: &[usize], relevant: &HashMap<usize, f64>) -> f64 {
    let gain = |place: usize, grade: f64| grade / ((place + 2) as f64).log2();
    let reached: f64 = ranking
        .iter()
        .enumerate()
        .filter_map(|(place, document)| Some(gain(place, *relevant.get(document)?)))
        .sum();
    let mut grades: Vec<f64> = relevant.values().copied().collect();
    grades.sort_by(|left, right| right.total_cmp(left));
    let ideal: f64 =
        grades.iter().take(10).enumerate().map(|(place, grade)| gain(place, *grade)).sum();
    reached / ideal
}

fn recall(ranking: &[usize], relevant: &HashMap<usize, f64>) -> f64 {
    let found = ranking.iter().filter(|document| relevant.contains_key(document)).count();
    found as f64 / relevant.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relevant_document_counts_less_the_later_it_comes() {
        let relevant = HashMap::from([(7, 1.0)]);
        assert_eq!(ndcg(&[7, 1, 2], &relevant), 1.0);
        assert!((ndcg(&[1, 7, 2], &relevant) - 0.6309).abs() < 1e-4);
        assert_eq!(ndcg(&[1, 2, 3], &relevant), 0.0);
        assert_eq!(recall(&[1, 7], &relevant), 1.0);
    }
}
