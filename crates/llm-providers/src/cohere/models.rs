//! The list of models, page by page, and single entries of it.

use llm_core::{ErrorKind, ModelError, Operation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::provider::Shared;
use crate::openai::AvailableModel;
use crate::path_segment::path_segment;

/// Pages of the list that are read at most.
const MAX_PAGES: usize = 20;

/// Both operations exist in version 1 only.
const PATH: &str = "v1/models";

#[derive(Debug, Deserialize)]
struct Page {
    models: Vec<Map<String, Value>>,
    #[serde(default)]
    next_page_token: Option<String>,
}

pub(super) async fn list(shared: &Shared) -> Result<Vec<AvailableModel>, ModelError> {
    let operation = Operation::ListModels;
    let mut models = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let path = page_path(token.as_deref());
        let response = shared.transport.get(operation, &path).await?;
        let response = shared.accept(operation, response).await?;
        let body = shared.transport.read_body(operation, response).await?;
        let page: Page = serde_json::from_slice(&body).map_err(malformed)?;
        models.extend(page.models.into_iter().filter_map(available));
        token = page.next_page_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    Ok(models)
}

pub(super) async fn find(shared: &Shared, model: &str) -> Result<AvailableModel, ModelError> {
    let operation = Operation::ListModels;
    let response =
        shared.transport.get(operation, &format!("{PATH}/{}", path_segment(model))).await?;
    let response = shared.accept(operation, response).await?;
    let body = shared.transport.read_body(operation, response).await?;
    let entry: Map<String, Value> = serde_json::from_slice(&body).map_err(malformed)?;
    available(entry).ok_or_else(|| {
        ModelError::new(ErrorKind::Malformed, operation, "this is no model: it has no name")
    })
}

fn page_path(token: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("page_size", "1000");
    if let Some(token) = token {
        query.append_pair("page_token", token);
    }
    format!("{PATH}?{}", query.finish())
}

/// `None` for an entry without a name.
fn available(mut entry: Map<String, Value>) -> Option<AvailableModel> {
    let Some(Value::String(id)) = entry.shift_remove("name") else {
        return None;
    };
    Some(AvailableModel { id, created: None, owned_by: None, extra: entry })
}

fn malformed(error: serde_json::Error) -> ModelError {
    let message = "this is no list of models";
    ModelError::new(ErrorKind::Malformed, Operation::ListModels, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        assert_eq!(page_path(None), "v1/models?page_size=1000");
        assert_eq!(page_path(Some("a&b")), "v1/models?page_size=1000&page_token=a%26b");
    }
}
