//! Embeddings: `batchEmbedContents` of the Gemini API, `predict` and `embedContent` of Vertex AI, and the model.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use llm_core::{
    EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError, Operation, Usage,
    Warning,
};
use serde_json::{Map, Value, json};

use super::camel_case::camel_case;
use super::endpoint::Service;
use super::errors;
use super::provider::Shared;
use crate::openai::fields::{Fields, RequestError};
use crate::transport;

const OPERATION: Operation = Operation::Embed;

/// How many calls of one request run at once, where a call takes one input.
const CALLS_AT_ONCE: usize = 4;

/// What vectors are for, as `taskType` says it.
const TASK_TYPES: [(EmbeddingPurpose, &str); 5] = [
    (EmbeddingPurpose::Document, "RETRIEVAL_DOCUMENT"),
    (EmbeddingPurpose::Query, "RETRIEVAL_QUERY"),
    (EmbeddingPurpose::Classification, "CLASSIFICATION"),
    (EmbeddingPurpose::Clustering, "CLUSTERING"),
    (EmbeddingPurpose::Similarity, "SEMANTIC_SIMILARITY"),
];

/// The same for models of the second generation, which know no `taskType` but read it before the text.
const TASK_PREFIXES: [(EmbeddingPurpose, &str); 5] = [
    (EmbeddingPurpose::Document, "title: none | text: "),
    (EmbeddingPurpose::Query, "task: search result | query: "),
    (EmbeddingPurpose::Classification, "task: classification | query: "),
    (EmbeddingPurpose::Clustering, "task: clustering | query: "),
    (EmbeddingPurpose::Similarity, "task: sentence similarity | query: "),
];

/// The most inputs of one call: 100 on the Gemini API, 250 on Vertex AI, and one for the models that Vertex AI gives
/// one at a time.
pub(super) fn largest_batch(service: Service, model: &str) -> u32 {
    match service {
        Service::GeminiApi => 100,
        Service::Vertex if model.contains("gemini-embedding") => 1,
        Service::Vertex => 250,
    }
}

/// Embeds, in as many calls as the provider wants.
///
/// # Errors
/// All or nothing.
pub(super) async fn ask(
    shared: Arc<Shared>,
    request: EmbeddingRequest,
) -> Result<EmbeddingResponse, ModelError> {
    if request.inputs.is_empty() {
        return Ok(EmbeddingResponse::default());
    }
    if largest_batch(shared.service, &request.model) > 1 || request.inputs.len() == 1 {
        return call(&shared, request).await;
    }
    let EmbeddingRequest { inputs, .. } = &request;
    let calls: Vec<EmbeddingRequest> = inputs
        .iter()
        .map(|input| EmbeddingRequest { inputs: vec![input.clone()], ..request.clone() })
        .collect();
    let dimensions = request.dimensions;
    let parts: Vec<EmbeddingResponse> = stream::iter(calls)
        .map(|one| {
            let shared = shared.clone();
            async move { call(&shared, one).await }
        })
        .buffered(CALLS_AT_ONCE)
        .try_collect()
        .await?;
    join(parts, dimensions)
}

/// One call. How it is made depends on the service, and on Vertex AI on the generation of the model.
async fn call(shared: &Shared, request: EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
    let headers = transport::extra_headers(OPERATION, &request.extra_headers)?;
    let (count, dimensions, model) =
        (request.inputs.len(), request.dimensions, request.model.clone());
    let (dropped_user, service) = (request.user.is_some(), shared.service);
    let (method, body) = match service {
        Service::GeminiApi => ("batchEmbedContents", render_batch(request)),
        Service::Vertex if is_second_generation(&model) => {
            ("embedContent", render_content(request))
        }
        Service::Vertex => ("predict", render_predict(request)),
    };
    let response = shared.call(OPERATION, &model, method, headers, &body).await?;
    let body = shared.transport.read_body(OPERATION, response).await?;
    let mut response = parse_vectors(&body, count, dimensions)?;
    if dropped_user {
        response.warnings.push(Warning {
            code: "dropped_parameter".to_owned(),
            param: Some("user".to_owned()),
            message: "the model does not take `user`".to_owned(),
        });
    }
    Ok(response)
}

/// Responses of several calls as one. Usage of different calls adds up.
fn join(
    parts: Vec<EmbeddingResponse>,
    dimensions: Option<u32>,
) -> Result<EmbeddingResponse, ModelError> {
    let mut whole = EmbeddingResponse::default();
    for part in parts {
        whole.vectors.extend(part.vectors);
        for warning in part.warnings {
            if !whole.warnings.contains(&warning) {
                whole.warnings.push(warning);
            }
        }
        let (known, more) = (whole.usage.input_tokens, part.usage.input_tokens);
        whole.usage.input_tokens = match (known, more) {
            (None, None) => None,
            (known, more) => Some(known.unwrap_or(0).saturating_add(more.unwrap_or(0))),
        };
    }
    check_lengths(&whole.vectors, dimensions)?;
    Ok(whole)
}

fn is_second_generation(model: &str) -> bool {
    model.contains("gemini-embedding-2")
}

/// A `taskType` or prefix is left out when the caller takes `taskType` out of the body (`"taskType": null`).
fn take_purpose(request: &mut EmbeddingRequest) -> Option<EmbeddingPurpose> {
    match request.extra_body.get("taskType") {
        Some(Value::Null) => {
            request.extra_body.shift_remove("taskType");
            None
        }
        Some(_) => None,
        None => Some(request.purpose),
    }
}

fn word(
    table: &[(EmbeddingPurpose, &'static str)],
    purpose: EmbeddingPurpose,
) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == purpose).map(|(_, word)| *word)
}

/// The inputs with what they are for, and the `taskType` where the model knows that.
fn texts(request: &mut EmbeddingRequest) -> (Vec<String>, Option<&'static str>) {
    let purpose = take_purpose(request);
    let inputs = std::mem::take(&mut request.inputs);
    if !is_second_generation(&request.model) {
        return (inputs, purpose.and_then(|purpose| word(&TASK_TYPES, purpose)));
    }
    let prefix = purpose.and_then(|purpose| word(&TASK_PREFIXES, purpose)).unwrap_or_default();
    (inputs.into_iter().map(|input| format!("{prefix}{input}")).collect(), None)
}

/// The body of `…:batchEmbedContents`. Fields of [`EmbeddingRequest::extra_body`] go into every request of the batch;
/// `"taskType": null` there leaves the task out.
pub fn render_batch(mut request: EmbeddingRequest) -> Map<String, Value> {
    let (texts, task) = texts(&mut request);
    let model = Service::GeminiApi.resource(&request.model);
    let requests: Vec<Value> = texts
        .into_iter()
        .map(|text| {
            let mut one = content(text, task, request.dimensions);
            one.insert("model".to_owned(), model.as_str().into());
            one.extend(request.extra_body.clone());
            Value::Object(one)
        })
        .collect();
    Map::from_iter([("requests".to_owned(), requests.into())])
}

/// The body of `…:embedContent`, for the first input.
fn render_content(mut request: EmbeddingRequest) -> Map<String, Value> {
    let (texts, task) = texts(&mut request);
    let text = texts.into_iter().next().unwrap_or_default();
    let mut body = content(text, task, request.dimensions);
    body.extend(request.extra_body);
    body
}

fn content(text: String, task: Option<&str>, dimensions: Option<u32>) -> Map<String, Value> {
    let content = json!({ "parts": [{ "text": text }] });
    let mut fields = Map::from_iter([("content".to_owned(), content)]);
    if let Some(task) = task {
        fields.insert("taskType".to_owned(), task.into());
    }
    if let Some(dimensions) = dimensions {
        fields.insert("outputDimensionality".to_owned(), dimensions.into());
    }
    fields
}

/// The body of Vertex AI's `…:predict`. Fields of [`EmbeddingRequest::extra_body`] replace those of the body;
/// `"taskType": null` there leaves the task out.
pub fn render_predict(mut request: EmbeddingRequest) -> Map<String, Value> {
    let (texts, task) = texts(&mut request);
    let instances: Vec<Value> = texts
        .into_iter()
        .map(|text| match task {
            Some(task) => json!({ "content": text, "task_type": task }),
            None => json!({ "content": text }),
        })
        .collect();
    let mut body = Map::from_iter([("instances".to_owned(), instances.into())]);
    if let Some(dimensions) = request.dimensions {
        body.insert("parameters".to_owned(), json!({ "outputDimensionality": dimensions }));
    }
    body.extend(request.extra_body);
    body
}

/// Reads a body of `…:batchEmbedContents` or `…:embedContent` for the model that the address names.
///
/// # Errors
/// When a field has the wrong type or form; inputs must be plain texts, alike in everything else.
pub fn parse_batch(model: &str, body: Value) -> Result<EmbeddingRequest, RequestError> {
    let mut fields = Fields::of(camel_case(body), "")?;
    let requests = match fields.take("requests") {
        Some(Value::Array(requests)) => requests,
        Some(_) => return Err(fields.error("requests", "must be an array")),
        None => vec![Value::Object(fields.rest())],
    };
    let mut common: Option<EmbeddingRequest> = None;
    for (at, one) in requests.into_iter().enumerate() {
        let path = format!("requests[{at}]");
        let parsed = parse_one(model, one, &path)?;
        match &mut common {
            None => common = Some(parsed),
            Some(common) => {
                let inputs = [std::mem::take(&mut common.inputs), parsed.inputs.clone()].concat();
                if *common != (EmbeddingRequest { inputs: Vec::new(), ..parsed }) {
                    return Err(RequestError::at(path, "must ask the same as the first"));
                }
                common.inputs = inputs;
            }
        }
    }
    common.ok_or_else(|| RequestError::at("requests", "must hold at least one request"))
}

fn parse_one(model: &str, one: Value, path: &str) -> Result<EmbeddingRequest, RequestError> {
    let mut fields = Fields::of(one, path)?;
    fields.take("model");
    let content: Value = fields.required("content")?;
    let path = fields.path("content.parts");
    let part = match content.get("parts") {
        Some(Value::Array(parts)) if parts.len() == 1 => parts.first(),
        part => part,
    };
    let text = part.and_then(|part| part.get("text")?.as_str());
    let text = text.ok_or_else(|| RequestError::at(path, "must hold one text"))?;
    let mut request = EmbeddingRequest {
        model: model.to_owned(),
        inputs: vec![text.to_owned()],
        dimensions: fields.optional("outputDimensionality")?,
        ..EmbeddingRequest::default()
    };
    let task = fields.take("taskType");
    request.extra_body = fields.rest();
    set_task(&mut request, task);
    Ok(request)
}

/// Reads a body of Vertex AI's `…:predict` for the model that the address names.
///
/// # Errors
/// When a field has the wrong type or form.
pub fn parse_predict(model: &str, body: Value) -> Result<EmbeddingRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let mut request = EmbeddingRequest { model: model.to_owned(), ..EmbeddingRequest::default() };
    let mut tasks = Vec::new();
    for (at, instance) in fields.list("instances")?.into_iter().enumerate() {
        let mut instance = Fields::of(instance, format!("instances[{at}]"))?;
        request.inputs.push(instance.required("content")?);
        tasks.push(instance.take("task_type"));
    }
    tasks.dedup();
    if tasks.len() > 1 {
        return Err(RequestError::at("instances", "must all have the same task_type"));
    }
    if let Some(parameters) = fields.take("parameters") {
        let mut parameters = Fields::of(parameters, "parameters")?;
        request.dimensions = parameters.optional("outputDimensionality")?;
        let rest = parameters.rest();
        if !rest.is_empty() {
            request.extra_body.insert("parameters".to_owned(), rest.into());
        }
    }
    request.extra_body.extend(fields.rest());
    set_task(&mut request, tasks.pop().flatten());
    Ok(request)
}

/// A task without a name in the vocabulary goes on as it came, and so does none.
fn set_task(request: &mut EmbeddingRequest, task: Option<Value>) {
    let known = task.as_ref().and_then(Value::as_str).and_then(|task| {
        TASK_TYPES.iter().find(|(_, known)| *known == task).map(|(purpose, _)| *purpose)
    });
    match known {
        Some(purpose) => request.purpose = purpose,
        None => {
            request.extra_body.insert("taskType".to_owned(), task.unwrap_or(Value::Null));
        }
    }
}

/// Reads the reply to a request with `count` inputs, in any of the three forms: vectors in the order of the inputs.
///
/// # Errors
/// `Malformed` when a vector is missing or broken, when vectors differ in length, or when `dimensions` were asked for and
/// not given; the provider's failure when the body tells one.
pub fn parse_vectors(
    body: &[u8],
    count: usize,
    dimensions: Option<u32>,
) -> Result<EmbeddingResponse, ModelError> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| malformed("this is no embedding reply").with_source(error))?;
    let list = |name: &str| body.get(name).and_then(Value::as_array);
    let entries: Vec<&Value> =
        match (list("embeddings"), list("predictions"), body.get("embedding")) {
            (Some(entries), _, _) => entries.iter().collect(),
            (None, Some(entries), _) => {
                entries.iter().map(|entry| entry.get("embeddings").unwrap_or(entry)).collect()
            }
            (None, None, Some(entry)) => vec![entry],
            (None, None, None) => return Err(errors::from_body(OPERATION, None, &body)),
        };
    if entries.len() != count {
        return Err(malformed(format!("{} vectors came for {count} inputs", entries.len())));
    }
    let vectors = entries.iter().map(|entry| numbers(entry)).collect::<Result<Vec<_>, _>>()?;
    check_lengths(&vectors, dimensions)?;
    Ok(EmbeddingResponse {
        vectors,
        model: None,
        usage: usage(&body, &entries),
        warnings: truncated(&entries),
    })
}

fn numbers(entry: &Value) -> Result<Vec<f32>, ModelError> {
    let values = entry.get("values").and_then(Value::as_array);
    let values = values.ok_or_else(|| malformed("an embedding has no values"))?;
    let number = |value: &Value| value.as_f64().map(|number| number as f32);
    let numbers: Option<Vec<f32>> =
        values.iter().map(|value| number(value).filter(|number| number.is_finite())).collect();
    numbers.ok_or_else(|| malformed("a vector holds something that is no finite number"))
}

/// From `usageMetadata`, or from the statistics of each prediction.
fn usage(body: &Value, entries: &[&Value]) -> Usage {
    if let Some(raw) = body.get("usageMetadata") {
        let input_tokens = raw.get("promptTokenCount").and_then(Value::as_u64);
        return Usage { input_tokens, raw: Some(raw.clone()), ..Usage::default() };
    }
    let tokens = |entry: &&Value| entry.pointer("/statistics/token_count")?.as_f64();
    let counts: Vec<f64> = entries.iter().filter_map(tokens).collect();
    let input_tokens = (!counts.is_empty()).then(|| counts.iter().sum::<f64>() as u64);
    Usage { input_tokens, ..Usage::default() }
}

/// Vertex AI cuts inputs that are too long, and says so beside the vector.
fn truncated(entries: &[&Value]) -> Vec<Warning> {
    let is_cut = |entry: &&Value| {
        entry.pointer("/statistics/truncated").and_then(Value::as_bool).unwrap_or(false)
    };
    let inputs: Vec<String> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| is_cut(entry))
        .map(|(at, _)| at.to_string())
        .collect();
    if inputs.is_empty() {
        return Vec::new();
    }
    vec![Warning {
        code: "truncated_input".to_owned(),
        param: Some("inputs".to_owned()),
        message: format!("the provider cut inputs that are too long: number {}", inputs.join(", ")),
    }]
}

fn check_lengths(vectors: &[Vec<f32>], dimensions: Option<u32>) -> Result<(), ModelError> {
    let Some(first) = vectors.first() else {
        return Ok(());
    };
    let wanted = dimensions.map_or(first.len(), |dimensions| dimensions as usize);
    match vectors.iter().find(|vector| vector.is_empty() || vector.len() != wanted) {
        Some(vector) => Err(malformed(format!(
            "a vector has {} dimensions where {wanted} were expected",
            vector.len()
        ))),
        None => Ok(()),
    }
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, OPERATION, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(model: &str, purpose: EmbeddingPurpose) -> EmbeddingRequest {
        EmbeddingRequest { model: model.into(), purpose, ..EmbeddingRequest::documents(["a"]) }
    }

    #[test]
    fn the_purpose_is_a_type_or_a_prefix() {
        let first = render_batch(request("gemini-embedding-001", EmbeddingPurpose::Query));
        assert_eq!(first["requests"][0]["taskType"], "RETRIEVAL_QUERY");
        assert_eq!(first["requests"][0]["model"], "models/gemini-embedding-001");
        let second = render_batch(request("gemini-embedding-2", EmbeddingPurpose::Query));
        let text = &second["requests"][0]["content"]["parts"][0]["text"];
        assert_eq!(text, "task: search result | query: a");
        assert_eq!(second["requests"][0].get("taskType"), None);
        let predict = render_predict(request("text-embedding-005", EmbeddingPurpose::Document));
        assert_eq!(predict["instances"][0]["task_type"], "RETRIEVAL_DOCUMENT");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut asked = request("gemini-embedding-001", EmbeddingPurpose::Clustering);
        asked.dimensions = Some(8);
        asked.inputs.push("b".into());
        let body = Value::Object(render_batch(asked.clone()));
        assert_eq!(parse_batch(&asked.model, body).unwrap(), asked);
        let body = Value::Object(render_predict(asked.clone()));
        assert_eq!(parse_predict(&asked.model, body).unwrap(), asked);
    }

    #[test]
    fn reads_every_form_of_reply() {
        let vectors = |body: Value, count: usize| {
            parse_vectors(body.to_string().as_bytes(), count, Some(2))
                .map(|response| {
                    (response.vectors, response.usage.input_tokens, response.warnings.len())
                })
                .map_err(|error| error.kind())
        };
        let values = json!({ "values": [1.0, 2] });
        let expected = vec![vec![1.0, 2.0]];
        assert_eq!(vectors(json!({ "embeddings": [values] }), 1), Ok((expected.clone(), None, 0)));
        assert_eq!(vectors(json!({ "embedding": values }), 1), Ok((expected.clone(), None, 0)));
        let statistics = json!({ "token_count": 3, "truncated": true });
        let predictions = json!([{ "embeddings": { "values": [1, 2], "statistics": statistics } }]);
        assert_eq!(vectors(json!({ "predictions": predictions }), 1), Ok((expected, Some(3), 1)));

        for (body, kind) in [
            (json!({ "embeddings": [] }), ErrorKind::Malformed),
            (json!({ "embeddings": [{ "values": [1] }] }), ErrorKind::Malformed),
            (json!({ "embeddings": [{ "values": ["x", 1] }] }), ErrorKind::Malformed),
            (json!({ "error": { "code": 429, "message": "m" } }), ErrorKind::RateLimit),
        ] {
            assert_eq!(vectors(body, 1), Err(kind));
        }
    }
}
