//! A chunk as this dialect shows it.

use dialog_service::Passage;
use rag_core::{Chunk, Document};
use rag_retrieve::Explanation;
use serde_json::{Value, json};

use super::paging::{date, made_at};

/// A chunk of a document's list.
pub(super) fn listed(chunk: &Chunk, document: &Document) -> Value {
    let created_at = made_at(chunk.id.as_str()).unwrap_or(document.updated_at);
    json!({
        "id": chunk.id,
        "content": chunk.text,
        "document_id": chunk.document,
        "document_name": document.name,
        "docnm_kwd": document.name,
        "dataset_id": chunk.dataset,
        "important_keywords": chunk.keywords,
        "questions": chunk.questions,
        "tag_kwd": chunk.tags.iter().map(|tag| &tag.name).collect::<Vec<_>>(),
        "image_id": "",
        "doc_type_kwd": "",
        "available": !chunk.disabled,
        "positions": positions(chunk),
        "create_time": date(created_at),
        "create_timestamp": created_at as f64 / 1e3,
    })
}

/// A chunk that was found, with what its score is made of.
pub(super) fn found(chunk: &Chunk, document_name: &str, score: f32, why: &Explanation) -> Value {
    json!({
        "id": chunk.id,
        "content": chunk.text,
        "content_ltks": chunk.text.to_lowercase(),
        "document_id": chunk.document,
        "document_name": document_name,
        "document_keyword": document_name,
        "dataset_id": chunk.dataset,
        "kb_id": chunk.dataset,
        "important_keywords": chunk.keywords,
        "questions": chunk.questions,
        "tag_kwd": chunk.tags.iter().map(|tag| &tag.name).collect::<Vec<_>>(),
        "image_id": "",
        "doc_type": "",
        "positions": positions(chunk),
        "similarity": score,
        "vector_similarity": why.nearness,
        "term_similarity": why.coverage,
    })
}

/// What an answer refers to: all passages that the model saw, by their numbers, and how many of each document.
pub(super) fn reference(passages: &[Passage], cited: &[usize]) -> Value {
    let chunks = passages.iter().map(|it| {
        let mut shown = found(&it.chunk, &it.document_name, it.score, &it.why);
        shown["url"] = Value::Null;
        shown
    });
    let chunks: Vec<Value> = chunks.collect();
    let is_meant = |number: &usize| cited.is_empty() || cited.contains(number);
    let of_documents = passages.iter().enumerate().filter(|(number, _)| is_meant(number));
    let of_documents =
        of_documents.map(|(_, it)| (it.document_name.as_str(), it.chunk.document.as_str()));
    json!({ "total": chunks.len(), "chunks": chunks, "doc_aggs": by_document(of_documents) })
}

/// How many chunks there are of each document, the most first.
pub(super) fn by_document<'a>(chunks: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let mut counts: Vec<(&str, &str, usize)> = Vec::new();
    for (name, id) in chunks {
        match counts.iter_mut().find(|(_, known, _)| *known == id) {
            Some((_, _, count)) => *count += 1,
            None => counts.push((name, id, 1)),
        }
    }
    counts.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    let shown = counts
        .into_iter()
        .map(|(name, id, count)| json!({ "doc_name": name, "doc_id": id, "count": count }));
    shown.collect()
}

/// Boxes on pages: page, left, right, top, bottom.
fn positions(chunk: &Chunk) -> Vec<[f32; 5]> {
    let boxes = chunk.places.iter().filter_map(|placed| {
        let (page, bounds) = (placed.place.page?, placed.place.bounds.unwrap_or_default());
        Some([page as f32, bounds.left, bounds.right, bounds.top, bounds.bottom])
    });
    boxes.collect()
}
