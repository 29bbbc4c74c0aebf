//! Which models the Gemini API has.

use llm_core::{ErrorKind, ModelError, Operation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::endpoint::Service;
use super::provider::Shared;

/// The most pages that are asked for; a page holds up to 1000 models.
const MOST_PAGES: usize = 20;

/// A model that the Gemini API lists.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AvailableModel {
    /// Its name, without `models/`.
    #[serde(rename = "name")]
    pub id: String,
    /// Its name for people.
    #[serde(default)]
    pub display_name: Option<String>,
    /// What it is, in a sentence or two.
    #[serde(default)]
    pub description: Option<String>,
    /// The most tokens of a prompt.
    #[serde(default)]
    pub input_token_limit: Option<u32>,
    /// The most tokens of an answer.
    #[serde(default)]
    pub output_token_limit: Option<u32>,
    /// What it can be called for: `generateContent`, `embedContent`, `countTokens` …
    #[serde(default)]
    pub supported_generation_methods: Vec<String>,
    /// Whatever else the provider tells.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

pub(super) async fn list(shared: &Shared) -> Result<Vec<AvailableModel>, ModelError> {
    const OPERATION: Operation = Operation::ListModels;
    if shared.service == Service::Vertex {
        let message = "Vertex AI has no list of the models that a project may use";
        return Err(ModelError::new(ErrorKind::Unsupported, OPERATION, message));
    }
    let mut models = Vec::new();
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let path = page_path(token.as_deref());
        let response = shared.get(OPERATION, &path).await?;
        let body = shared.transport.read_body(OPERATION, response).await?;
        let (page, next) = parse_page(&body)?;
        models.extend(page);
        // A server that gives the same token again has no more to tell.
        if next.is_none() || next == token {
            break;
        }
        token = next;
    }
    Ok(models)
}

fn page_path(token: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("pageSize", "1000");
    if let Some(token) = token {
        query.append_pair("pageToken", token);
    }
    format!("models?{}", query.finish())
}

/// One page, and the token of the next. Entries without a name are left out.
fn parse_page(body: &[u8]) -> Result<(Vec<AvailableModel>, Option<String>), ModelError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        #[serde(default)]
        models: Vec<Value>,
        #[serde(default)]
        next_page_token: Option<String>,
    }
    let page: Page = serde_json::from_slice(body).map_err(|error| {
        let message = "this is no list of models";
        ModelError::new(ErrorKind::Malformed, Operation::ListModels, message).with_source(error)
    })?;
    let read = |model| serde_json::from_value::<AvailableModel>(model).ok();
    let mut models: Vec<AvailableModel> = page.models.into_iter().filter_map(read).collect();
    for model in &mut models {
        if let Some(id) = model.id.strip_prefix("models/") {
            model.id = id.to_owned();
        }
    }
    Ok((models, page.next_page_token.filter(|token| !token.is_empty())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_pages() {
        let body = br#"{"models":[{"name":"models/a","inputTokenLimit":5,"thinking":true},{"no":1}],"nextPageToken":"t/1"}"#;
        let (models, token) = parse_page(body).unwrap();
        assert_eq!((models[0].id.as_str(), models[0].input_token_limit), ("a", Some(5)));
        assert_eq!((models.len(), models[0].extra["thinking"].clone()), (1, Value::Bool(true)));
        assert_eq!(page_path(token.as_deref()), "models?pageSize=1000&pageToken=t%2F1");
        assert_eq!(parse_page(b"7").unwrap_err().kind(), ErrorKind::Malformed);
    }
}
