//! Which models a server has (`/api/tags`), and what it knows of one (`/api/show`).

use llm_core::{
    Capabilities, ErrorKind, Limits, ModelError, ModelInfo, ModelKind, ModelName, Operation,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::provider::Shared;

/// A model that a server has.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct AvailableModel {
    /// Its name, with its tag.
    #[serde(rename = "name")]
    pub id: String,
    /// How large it is, in bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// Family, format, number of parameters, quantization.
    #[serde(default)]
    pub details: Map<String, Value>,
    /// Whatever else the server tells.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

pub(super) async fn list(shared: &Shared) -> Result<Vec<AvailableModel>, ModelError> {
    let operation = Operation::ListModels;
    let response = shared.get(operation, "api/tags").await?;
    parse_models(&shared.transport.read_body(operation, response).await?)
}

/// Entries without a name are left out.
fn parse_models(body: &[u8]) -> Result<Vec<AvailableModel>, ModelError> {
    #[derive(Deserialize)]
    struct Body {
        models: Vec<Value>,
    }
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| malformed("this is no list of models").with_source(error))?;
    let models = body.models.into_iter();
    Ok(models.filter_map(|model| serde_json::from_value(model).ok()).collect())
}

pub(super) async fn show(shared: &Shared, model: &str) -> Result<ModelInfo, ModelError> {
    let operation = Operation::ListModels;
    let body = json!({ "model": model }).as_object().cloned().unwrap_or_default();
    let response = shared.post(operation, "api/show", Default::default(), &body).await?;
    let body = shared.transport.read_body(operation, response).await?;
    parse_model(&body, ModelName::new(&shared.name, model))
}

#[derive(Deserialize)]
struct Details {
    /// Fields of the model's file, most under the name of its architecture.
    #[serde(default)]
    model_info: Map<String, Value>,
    /// What it can be asked for; servers before 0.6.4 do not tell.
    #[serde(default)]
    capabilities: Option<Vec<String>>,
}

fn parse_model(body: &[u8], name: ModelName) -> Result<ModelInfo, ModelError> {
    let details: Details = serde_json::from_slice(body)
        .map_err(|error| malformed("this is no description of a model").with_source(error))?;
    let known = details.capabilities.as_deref();
    let can = |what: &str| known.map(|known| known.iter().any(|known| known == what));
    let is_embedding = can("embedding") == Some(true) && can("completion") == Some(false);
    let kind = if is_embedding { ModelKind::Embedding } else { ModelKind::Chat };
    let number = |field: &str| {
        let architecture = details.model_info.get("general.architecture")?.as_str()?;
        details.model_info.get(&format!("{architecture}.{field}"))?.as_u64()?.try_into().ok()
    };
    let limits = Limits {
        context_tokens: number("context_length"),
        dimensions: if is_embedding { number("embedding_length") } else { None },
        ..Limits::default()
    };
    let is_chat = (kind == ModelKind::Chat).then_some(true);
    let capabilities = Capabilities {
        streaming: is_chat,
        json_schema: is_chat,
        tools: can("tools"),
        image_input: can("vision"),
        audio_input: can("audio"),
        reasoning: can("thinking"),
        ..Capabilities::default()
    };
    Ok(ModelInfo { limits, capabilities, ..ModelInfo::new(name, kind) })
}

fn malformed(message: &str) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::ListModels, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: Value) -> ModelInfo {
        parse_model(body.to_string().as_bytes(), ModelName::new("ollama", "m")).unwrap()
    }

    #[test]
    fn a_models_file_tells_its_limits() {
        let info = shown(json!({
            "capabilities": ["completion", "tools", "thinking"],
            "model_info": {
                "general.architecture": "qwen3",
                "qwen3.context_length": 40_960,
                "qwen3.embedding_length": 2560,
            },
        }));
        assert_eq!((info.kind, info.limits.context_tokens), (ModelKind::Chat, Some(40_960)));
        assert_eq!(info.limits.dimensions, None);
        let can = info.capabilities;
        assert_eq!((can.tools, can.reasoning), (Some(true), Some(true)));
        assert_eq!(can.image_input, Some(false));

        let info = shown(json!({
            "capabilities": ["embedding"],
            "model_info": { "general.architecture": "bert", "bert.context_length": 512, "bert.embedding_length": 384 },
        }));
        assert_eq!((info.kind, info.limits.dimensions), (ModelKind::Embedding, Some(384)));
    }

    #[test]
    fn what_an_old_server_does_not_tell_is_unknown() {
        let info = shown(json!({ "modelfile": "FROM x" }));
        assert_eq!((info.kind, info.limits.context_tokens), (ModelKind::Chat, None));
        assert_eq!((info.capabilities.tools, info.capabilities.streaming), (None, Some(true)));
    }

    #[test]
    fn lists_name_their_models() {
        let body = json!({ "models": [{ "name": "a:latest", "size": 5, "digest": "d" }, {}] });
        let models = parse_models(body.to_string().as_bytes()).unwrap();
        let names: Vec<_> = models.iter().map(|model| (model.id.as_str(), model.size)).collect();
        assert_eq!(names, [("a:latest", Some(5))]);
        assert_eq!(parse_models(b"{}").unwrap_err().kind(), ErrorKind::Malformed);
    }
}
