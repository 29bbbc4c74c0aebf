//! Labelled retrieval sets.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Documents, questions, and which documents answer which question: `corpus.jsonl`, `queries.jsonl` and `qrels.tsv` of
/// one directory.
pub(crate) struct RetrievalSet {
    /// The directory's name.
    pub(crate) name: String,
    pub(crate) documents: Vec<Document>,
    /// Those that at least one document answers.
    pub(crate) questions: Vec<Question>,
}

#[derive(Deserialize)]
pub(crate) struct Document {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    pub(crate) title: String,
    pub(crate) text: String,
    /// Questions that it is known to answer.
    #[serde(skip)]
    pub(crate) questions: Vec<String>,
}

pub(crate) struct Question {
    pub(crate) text: String,
    /// The answering documents' places in the corpus, and their grades.
    pub(crate) relevant: HashMap<usize, f64>,
}

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "_id")]
    id: String,
    text: String,
}

impl RetrievalSet {
    pub(crate) fn load(directory: &Path) -> Result<Self> {
        let documents: Vec<Document> = read_lines(&directory.join("corpus.jsonl"))?;
        let queries: Vec<Query> = read_lines(&directory.join("queries.jsonl"))?;
        let grades = read_grades(&directory.join("qrels.tsv"))?;
        let places: HashMap<&str, usize> =
            documents.iter().enumerate().map(|(place, document)| (&*document.id, place)).collect();
        let questions: Vec<Question> = queries
            .into_iter()
            .map(|query| {
                let graded = grades.get(&query.id).into_iter().flatten();
                let relevant = graded
                    .filter_map(|(document, grade)| Some((*places.get(&**document)?, *grade)))
                    .collect();
                Question { text: query.text, relevant }
            })
            .filter(|question| !question.relevant.is_empty())
            .collect();
        ensure!(!questions.is_empty(), "{} holds no answered question", directory.display());
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, documents, questions })
    }
}

impl RetrievalSet {
    /// Makes up to `each` of the questions that a document answers part of what is known of it, as enrichment does with
    /// questions of a model. Only the others are left to be asked.
    pub(crate) fn tell(&mut self, each: usize) {
        let documents = &mut self.documents;
        self.questions.retain(|question| {
            let answering = question.relevant.keys().next().and_then(|at| documents.get_mut(*at));
            let Some(document) = answering.filter(|document| document.questions.len() < each)
            else {
                return true;
            };
            document.questions.push(question.text.clone());
            false
        });
    }

    /// Forgets them again.
    pub(crate) fn forget(&mut self) {
        self.documents.iter_mut().for_each(|document| document.questions.clear());
    }
}

/// Where the sets are when none is named.
const USUAL_PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/retrieval");

/// The sets among these directories and directly below them, by name. Without any, those beside the workspace.
pub(crate) fn find(directories: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let usual = [PathBuf::from(USUAL_PLACE)];
    let directories = if directories.is_empty() { &usual } else { directories };
    let mut found = Vec::new();
    for directory in directories {
        if is_set(directory) {
            found.push(directory.clone());
            continue;
        }
        let entries = fs::read_dir(directory)
            .with_context(|| format!("cannot read the directory {}", directory.display()))?;
        for entry in entries {
            found.extend(Some(entry?.path()).filter(|path| is_set(path)));
        }
    }
    found.sort();
    ensure!(
        !found.is_empty(),
        "there is no labelled set; name directories that hold a corpus.jsonl"
    );
    Ok(found)
}

fn is_set(directory: &Path) -> bool {
    directory.join("corpus.jsonl").is_file()
}

/// The JSON values of a file, one a line.
pub(crate) fn read_lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    text.lines()
        .enumerate()
        .map(|(line, text)| {
            serde_json::from_str(text)
                .with_context(|| format!("line {} of {}", line + 1, path.display()))
        })
        .collect()
}

/// Positive grades of documents, by question.
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
        let grade: f64 = grade.trim().parse().with_context(|| format!("the grade in {line:?}"))?;
        if grade > 0.0 {
            grades.entry(query.into()).or_default().push((document.into(), grade));
        }
    }
    Ok(grades)
}
