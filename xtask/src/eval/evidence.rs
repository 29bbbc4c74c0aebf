//! Labelled sets with the exact spans of documents that answer questions.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::retrieval_set::read_lines;

/// Documents and questions: `corpus.jsonl` and `queries.jsonl` of one directory.
pub(crate) struct EvidenceSet {
    /// Names and texts.
    pub(crate) documents: Vec<(String, String)>,
    pub(crate) questions: Vec<Question>,
}

pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) evidence: Vec<Evidence>,
}

/// A stretch that answers a question.
pub(crate) struct Evidence {
    /// The document's name.
    pub(crate) document: String,
    /// Bytes of its text.
    pub(crate) span: Range<usize>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "_id")]
    id: String,
    text: String,
}

#[derive(Deserialize)]
struct Query {
    text: String,
    #[serde(default)]
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    /// Characters before it.
    start: usize,
    doc: String,
}

impl EvidenceSet {
    pub(crate) fn load(directory: &Path) -> Result<Self> {
        let documents: Vec<Document> = read_lines(&directory.join("corpus.jsonl"))?;
        let queries: Vec<Query> = read_lines(&directory.join("queries.jsonl"))?;
        let starts: HashMap<&str, (&str, Vec<usize>)> = documents
            .iter()
            .map(|document| {
                let starts = document.text.char_indices().map(|(start, _)| start).collect();
                (&*document.id, (&*document.text, starts))
            })
            .collect();
        let span = |answer: &Answer| -> Result<Evidence> {
            let (text, starts) =
                starts.get(&*answer.doc).with_context(|| format!("the document {}", answer.doc))?;
            let start =
                *starts.get(answer.start).context("an answer starts within its document")?;
            let span = start..start + answer.text.len();
            let is_there = text.get(span.clone()) == Some(&*answer.text);
            ensure!(is_there, "{:?} is not at character {}", answer.text, answer.start);
            Ok(Evidence { document: answer.doc.clone(), span })
        };
        let question = |query: &Query| -> Result<Question> {
            let evidence = query.answers.iter().map(span).collect::<Result<_>>()?;
            Ok(Question { text: query.text.clone(), evidence })
        };
        let questions: Vec<Question> = queries.iter().map(question).collect::<Result<_>>()?;
        let questions: Vec<Question> =
            questions.into_iter().filter(|question| !question.evidence.is_empty()).collect();
        ensure!(!questions.is_empty(), "{} holds no spans of evidence", directory.display());
        let documents = documents.into_iter().map(|document| (document.id, document.text));
        Ok(Self { documents: documents.collect(), questions })
    }
}
