//! What every operation of a surface has in common, added to what its handler says.

use dialog_service::DialogEvent;
use rag_ingest::IngestEvent;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use super::OPEN;
use super::polish::{open_up, polish};
use super::share::{drop_unused, share_refusals};
use crate::http::dialect::Dialect;
use crate::http::schemas::refusals::{AnthropicError, OpenAiError, Problem, RagflowRefusal};

/// The methods that the server has.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Groups of operations, in the order in which they are shown.
const TAGS: [(&str, &str); 18] = [
    ("Models", "Any model, or a dialog as `dialog/NAME`, in OpenAI's dialect"),
    ("Messages", "The same in Anthropic's dialect"),
    ("Dialogs", "Dialogs, and questions to them"),
    ("Sessions", "Conversations with dialogs, and their turns"),
    ("Datasets", "Collections of documents"),
    ("Documents", "Documents, their metadata and chunks"),
    ("Ingestion", "How far ingestion is"),
    ("Search", "Retrieval alone"),
    ("Usage", "What model calls consumed"),
    ("Accounts", "Who may use the server"),
    ("RAGFlow: datasets", "Datasets in RAGFlow's dialect"),
    ("RAGFlow: documents", "Documents in RAGFlow's dialect"),
    ("RAGFlow: chunks", "Chunks and retrieval in RAGFlow's dialect"),
    ("RAGFlow: chats", "Chats and their answers in RAGFlow's dialect"),
    ("RAGFlow: sessions", "Sessions of chats in RAGFlow's dialect"),
    ("RAGFlow: system", "The server in RAGFlow's dialect"),
    ("Model Context Protocol", "The documents as tools, for programs that run models"),
    ("Operations", "For orchestrators and monitoring"),
];

/// What the parts of addresses are.
const PARTS: [(&str, &str); 9] = [
    ("name", "A name"),
    ("id", "An id"),
    ("dataset", "A dataset's id"),
    ("document", "A document's id"),
    ("chunk", "A chunk's id"),
    ("chat", "A chat's id"),
    ("session", "A session's id"),
    ("message", "A message's id"),
    ("key", "A key's id"),
];

/// The whole description.
pub(super) fn finish(document: &OpenApi) -> Value {
    let mut document = json!(document);
    let paths = document["paths"].as_object_mut().map(std::mem::take).unwrap_or_default();
    let mut finished = Map::new();
    for (path, mut item) in paths {
        // What the router calls the rest of an address.
        let path = path.replace("{*", "{");
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                complete(&path, method, operation);
            }
        }
        finished.insert(path, item);
    }
    document["paths"] = Value::Object(finished);
    let tag = |(name, description)| json!({ "name": name, "description": description });
    document["tags"] = TAGS.map(tag).into_iter().collect();
    document["security"] = json!([{ "bearer": [] }, { "apiKey": [] }]);
    let components = &mut document["components"];
    components["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`" },
        "apiKey": { "type": "apiKey", "in": "header", "name": "x-api-key" },
    });
    add::<OpenAiError>(components);
    add::<AnthropicError>(components);
    add::<Problem>(components);
    add::<RagflowRefusal>(components);
    add::<DialogEvent>(components);
    add::<IngestEvent>(components);
    for (event, data) in [("TurnEvent", "DialogEvent"), ("IngestionEvent", "IngestEvent")] {
        let text = &mut components["schemas"][event]["properties"]["data"];
        text["contentMediaType"] = json!("application/json");
        text["contentSchema"] = json!({ "$ref": format!("#/components/schemas/{data}") });
    }
    open_up(&mut components["schemas"]);
    share_refusals(&mut document);
    drop_unused(&mut document);
    polish(&mut document);
    document
}

/// Adds a type that no handler names, and those that it leads to.
fn add<T: ToSchema>(components: &mut Value) {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    for (name, schema) in schemas {
        components["schemas"][name] = json!(schema);
    }
}

fn complete(path: &str, method: &str, operation: &mut Value) {
    operation["operationId"] = json!(operation_id(path, method));
    let mut parameters = path_parameters(path);
    if let Some(own) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
        for parameter in own.iter_mut() {
            never_null(&mut parameter["schema"]);
        }
        parameters.extend(own.iter().filter(|own| own["in"] != "path").cloned());
    }
    let dialect = Dialect::of(path);
    if let Some(content) =
        operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut)
    {
        let may_be_left_out =
            content.values_mut().any(|content| never_null(&mut content["schema"]));
        operation["requestBody"]["required"] = json!(!may_be_left_out);
        if dialect == Dialect::Ragflow {
            operation["responses"]["413"] = refusal(dialect, "The body is too large");
        }
    }
    operation["parameters"] = json!(parameters);
    if parameters.is_empty()
        && let Some(operation) = operation.as_object_mut()
    {
        operation.remove("parameters");
    }
    let is_open = OPEN.contains(&path);
    if is_open {
        operation["security"] = json!([]);
    }
    for (status, why) in COMMON {
        let is_there = operation["responses"].get(status).is_some();
        let cannot_come = is_open && status != "403" && status != "500";
        if !is_there && !cannot_come {
            operation["responses"][status] = refusal(dialect, why);
        }
    }
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.sort_keys();
    }
}

/// Takes null out of what a value may be, and tells whether it was there: what is left out is not sent as a word.
fn never_null(schema: &mut Value) -> bool {
    let list = |name| {
        move |schema: &mut Value| {
            schema.get_mut(name).and_then(Value::as_array_mut).map(std::mem::take)
        }
    };
    if let Some(mut kinds) = list("type")(schema) {
        let before = kinds.len();
        kinds.retain(|kind| kind != "null");
        let is_fewer = kinds.len() < before;
        schema["type"] = match kinds.len() {
            1 => kinds.remove(0),
            _ => Value::Array(kinds),
        };
        return is_fewer;
    }
    let Some(mut parts) = list("oneOf")(schema) else { return false };
    let before = parts.len();
    parts.retain(|part| part["type"] != "null");
    let is_fewer = parts.len() < before;
    match parts.len() {
        1 => *schema = parts.remove(0),
        _ => schema["oneOf"] = Value::Array(parts),
    }
    is_fewer
}

/// What can come of any request, whatever the handler does.
const COMMON: [(&str, &str); 4] = [
    ("401", "No key, or none that opens the server"),
    ("403", "The request is of a page of another site"),
    ("500", "A defect of the server; its log tells which"),
    ("503", "As many requests as allowed are under way"),
];

fn refusal(dialect: Dialect, why: &str) -> Value {
    let (form, name) = match dialect {
        Dialect::OpenAi => ("application/json", "OpenAiError"),
        Dialect::Anthropic => ("application/json", "AnthropicError"),
        Dialect::Native => ("application/problem+json", "Problem"),
        Dialect::Ragflow => ("application/json", "RagflowRefusal"),
    };
    let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
    json!({ "description": why, "content": { form: { "schema": schema } } })
}

/// `get /api/v2/datasets/{name}` is `get_api_v2_datasets_name`.
fn operation_id(path: &str, method: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let known = PARTS.iter().find(|(known, _)| *known == name);
        json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": known.map_or("A part of the address", |(_, what)| *what),
            "schema": { "type": "string", "minLength": 1 },
        })
    };
    names.map(parameter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_after_their_addresses() {
        assert_eq!(operation_id("/api/v2/datasets/{name}", "get"), "get_api_v2_datasets_name");
        assert_eq!(operation_id("/v1/models/{id}", "get"), "get_v1_models_id");
        let parameters = path_parameters("/api/v2/datasets/{name}/documents");
        assert_eq!(parameters.len(), 1);
        assert_eq!(parameters[0]["name"], "name");
    }
}
