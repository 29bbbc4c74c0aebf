//! The list of models, page by page.

use llm_core::{ErrorKind, ModelError, Operation};
use serde::Deserialize;
use serde_json::Value;

use crate::openai::AvailableModel;

/// A page of the list, and after which model the next one begins.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) models: Vec<AvailableModel>,
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
struct WirePage {
    data: Vec<Value>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    last_id: Option<String>,
}

/// Where the page that begins after a model is asked.
pub(super) fn models_path(after: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", "1000");
    if let Some(after) = after {
        query.append_pair("after_id", after);
    }
    format!("models?{}", query.finish())
}

/// Reads a page. Limits and capabilities of the models stand in [`AvailableModel::extra`]; entries without a name are
/// left out.
pub(super) fn parse_models(body: &[u8]) -> Result<Page, ModelError> {
    let page: WirePage = serde_json::from_slice(body).map_err(|error| {
        let message = "this is no list of models";
        ModelError::new(ErrorKind::Malformed, Operation::ListModels, message).with_source(error)
    })?;
    let models = page.data.into_iter().filter_map(|entry| serde_json::from_value(entry).ok());
    Ok(Page { models: models.collect(), next: page.last_id.filter(|_| page.has_more) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let body = br#"{"data":[{"type":"model","id":"a","max_tokens":5},{"no":"id"}],
            "has_more":true,"last_id":"a&b"}"#;
        let page = parse_models(body).unwrap();
        assert_eq!(page.models[0].id, "a");
        assert_eq!(page.models[0].extra["max_tokens"], 5);
        assert_eq!(page.models.len(), 1);
        let next = models_path(page.next.as_deref());
        assert_eq!(next, "models?limit=1000&after_id=a%26b");
        assert!(parse_models(b"{\"data\":[]}").unwrap().next.is_none());
        assert_eq!(parse_models(b"[]").unwrap_err().kind(), ErrorKind::Malformed);
    }
}
