//! Measures `local/extractive` and `local/lexical` on labelled retrieval sets.
//!
//! ```text
//! cargo run --release -p llm-local --example quality -- ../shared/retrieval/squad2-dev
//! ```
//!
//! For each answerable question `local/extractive` gets the right passage among eight (the others
//! are the nearest to the question by static embedding); counted are answers that hold the labelled
//! answer. Questions with eight passages that have nothing to do with them (from the other half of
//! the set) count how often it says so. `local/lexical` ranks all passages of the set.

use std::{collections::HashMap, env, error::Error, fs, path::Path};

use llm_core::{RerankRequest, SyncRerankModel};
use llm_local::{
    Lexical,
    extractive::{Evidence, quotes},
    static_embedding::embedded_table,
};
use serde_json::Value;

const PASSAGES: usize = 8;

struct Set {
    passages: Vec<String>,
    vectors: Vec<Vec<f32>>,
    questions: Vec<Question>,
}

struct Question {
    text: String,
    vector: Vec<f32>,
    answers: Vec<String>,
    /// Grades of the relevant passages.
    relevant: HashMap<usize, f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    for directory in env::args().skip(1) {
        let set = Set::load(Path::new(&directory))?;
        println!("{directory}: {} passages, {} questions", set.passages.len(), set.questions.len());
        set.measure_extractive();
        set.measure_lexical();
    }
    Ok(())
}

impl Set {
    fn load(directory: &Path) -> Result<Self, Box<dyn Error>> {
        let table = embedded_table()?;
        let corpus = read_lines(&directory.join("corpus.jsonl"))?;
        let places: HashMap<&str, usize> =
            corpus.iter().enumerate().map(|(place, line)| (text_of(line, "_id"), place)).collect();
        let mut grades: HashMap<String, HashMap<usize, f64>> = HashMap::new();
        for line in fs::read_to_string(directory.join("qrels.tsv"))?.lines().skip(1) {
            if let [query, document, grade] = line.split('\t').collect::<Vec<_>>()[..]
                && let Some(place) = places.get(document)
                && grade.parse::<f64>()? > 0.0
            {
                grades.entry(query.into()).or_default().insert(*place, grade.parse()?);
            }
        }
        let passages: Vec<String> =
            corpus.iter().map(|line| text_of(line, "text").into()).collect();
        let questions = read_lines(&directory.join("queries.jsonl"))?
            .iter()
            .filter_map(|line| {
                let text = text_of(line, "text").to_owned();
                Some(Question {
                    vector: table.embed_one(&text),
                    text,
                    answers: answers_of(line),
                    relevant: grades.get(text_of(line, "_id"))?.clone(),
                })
            })
            .collect();
        let vectors = passages.iter().map(|text| table.embed_one(text)).collect();
        Ok(Self { passages, vectors, questions })
    }

    fn measure_extractive(&self) {
        let with_answers = || self.questions.iter().filter(|question| !question.answers.is_empty());
        let count = with_answers().count();
        if count == 0 {
            return;
        }
        let (mut held, mut first, mut silent, mut sentences) = (0, 0, 0, 0);
        for question in with_answers() {
            let found = self.ask(question, &self.passages_with_answer(question));
            let holds =
                |quote: &String| question.answers.iter().any(|answer| quote.contains(answer));
            held += usize::from(found.iter().any(holds));
            first += usize::from(found.first().is_some_and(holds));
            silent += usize::from(found.is_empty());
            sentences += found.len();
        }
        let refused = with_answers()
            .filter(|question| {
                self.ask(question, &self.passages_without_answer(question)).is_empty()
            })
            .count();
        let share = |part: usize| part as f64 / count as f64;
        println!(
            "  extractive: answer quoted {:.3}, in the first quote {:.3}, {:.2} quotes each; nothing found {:.3} with the passage, {:.3} without",
            share(held),
            share(first),
            share(sentences),
            share(silent),
            share(refused),
        );
    }

    fn ask(&self, question: &Question, passages: &[usize]) -> Vec<String> {
        let evidence: Vec<Evidence> = (0..)
            .zip(passages)
            .map(|(id, &place)| Evidence {
                id,
                title: String::new(),
                text: self.passages[place].clone(),
            })
            .collect();
        let quotes = quotes(&question.text, &evidence).unwrap_or_default();
        quotes.into_iter().map(|quote| quote.text).collect()
    }

    fn passages_with_answer(&self, question: &Question) -> Vec<usize> {
        let right = *question.relevant.keys().min().unwrap_or(&0);
        let others = self.nearest(question).into_iter().filter(|place| *place != right);
        let mut passages: Vec<usize> = others.take(PASSAGES - 1).collect();
        passages.insert(question.text.len() % PASSAGES, right);
        passages
    }

    /// Passages far from the question in the set, where other articles stand.
    fn passages_without_answer(&self, question: &Question) -> Vec<usize> {
        let right = *question.relevant.keys().min().unwrap_or(&0);
        let count = self.passages.len();
        (0..PASSAGES).map(|step| (right + count / 2 + step) % count).collect()
    }

    fn nearest(&self, question: &Question) -> Vec<usize> {
        let mut scored: Vec<(f32, usize)> = self
            .vectors
            .iter()
            .enumerate()
            .map(|(place, vector)| {
                (vector.iter().zip(&question.vector).map(|(a, b)| a * b).sum(), place)
            })
            .collect();
        scored.sort_by(|left, right| right.0.total_cmp(&left.0));
        scored.into_iter().map(|(_, place)| place).collect()
    }

    /// Reranks the fifty passages that the static embedding ranks first.
    fn measure_lexical(&self) {
        let (mut before, mut after) = (0.0, 0.0);
        for question in &self.questions {
            let found: Vec<usize> = self.nearest(question).into_iter().take(50).collect();
            let request = RerankRequest {
                query: question.text.clone(),
                documents: found.iter().map(|&place| self.passages[place].clone()).collect(),
                top: Some(10),
                ..RerankRequest::default()
            };
            let Ok(response) = Lexical::new().rerank(&request) else { continue };
            let ranking: Vec<usize> =
                response.results.iter().map(|ranked| found[ranked.index]).collect();
            before += ndcg(&found[..found.len().min(10)], &question.relevant);
            after += ndcg(&ranking, &question.relevant);
        }
        let count = self.questions.len() as f64;
        println!(
            "  lexical: nDCG@10 {:.3} -> {:.3} (static embedding, its first 50 reranked)",
            before / count,
            after / count
        );
    }
}

fn read_lines(path: &Path) -> Result<Vec<Value>, Box<dyn Error>> {
    fs::read_to_string(path)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn text_of<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

fn answers_of(line: &Value) -> Vec<String> {
    let answers = line["answers"].as_array().into_iter().flatten();
    answers.map(|answer| text_of(answer, "text").to_owned()).collect()
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
    reached
        / grades.iter().take(10).enumerate().map(|(place, grade)| gain(place, *grade)).sum::<f64>()
}
