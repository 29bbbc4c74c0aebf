//! What the tools are called, do and take.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

pub(super) const LIST_DATASETS: &str = "list_datasets";
pub(super) const SEARCH: &str = "search";
pub(super) const ASK: &str = "ask";
pub(super) const READ_DOCUMENT: &str = "read_document";

/// All of them.
pub(super) fn tools() -> Vec<Tool> {
    vec![
        tool(
            LIST_DATASETS,
            "List datasets",
            "Lists the datasets that can be searched: collections of documents, with how many they hold.",
            json!({}),
            &[],
        ),
        tool(
            SEARCH,
            "Search documents",
            "Finds the passages of documents that fit a question best, with where they stand. Use it to answer from the \
             passages yourself.",
            json!({
                "query": { "type": "string", "description": "What to look for, in words or as a question." },
                "datasets": datasets(),
                "top": {
                    "type": "integer", "minimum": 1, "maximum": 50, "default": 8,
                    "description": "The most passages.",
                },
                "filter": {
                    "type": "string",
                    "description": "Only documents whose metadata pass this, as `year >= 2024 and department = \"sales\"`.",
                },
            }),
            &["query"],
        ),
        tool(
            ASK,
            "Ask about documents",
            "Answers a question from documents, with citations of what each part of the answer rests on. Takes longer \
             than searching.",
            json!({
                "question": { "type": "string", "description": "The question, complete in itself." },
                "dialog": {
                    "type": "string",
                    "description": "The name of a dialog that is set up on the server. Goes without `datasets`.",
                },
                "datasets": datasets(),
                "model": {
                    "type": "string",
                    "description": "The chat model that answers, as `provider/model`. Left out: the server's choice.",
                },
            }),
            &["question"],
        ),
        tool(
            READ_DOCUMENT,
            "Read a document",
            "Gives the passages of a document in order, a page at a time.",
            json!({
                "dataset": { "type": "string", "description": "The name of the dataset." },
                "document": { "type": "string", "description": "The document's id or name." },
                "offset": {
                    "type": "integer", "minimum": 0, "default": 0,
                    "description": "The number of the first passage, from 0.",
                },
                "limit": {
                    "type": "integer", "minimum": 1, "maximum": 100, "default": 20,
                    "description": "The most passages.",
                },
            }),
            &["dataset", "document"],
        ),
    ]
}

fn datasets() -> Value {
    json!({
        "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 64,
        "description": "Names of the datasets to search. Left out: all.",
    })
}

fn tool(
    name: &'static str,
    title: &str,
    description: &'static str,
    properties: Value,
    required: &[&str],
) -> Tool {
    let schema = JsonObject::from_iter([
        ("type".to_owned(), "object".into()),
        ("properties".to_owned(), properties),
        ("required".to_owned(), json!(required)),
        ("additionalProperties".to_owned(), false.into()),
    ]);
    let hints = ToolAnnotations::with_title(title).read_only(true).open_world(false);
    Tool::new(name, description, Arc::new(schema)).with_title(title).with_annotations(hints)
}
