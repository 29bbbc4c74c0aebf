//! Text generation: the request, in both directions. Pure.

use llm_core::{ChatRequest, Message, ModelError, ResponseFormat, Sampling, Warning};
use serde_json::{Map, Value, json};

use crate::merge::merge;
use crate::notes::Notes;
use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// Writes the body, and what was left out. The texts of all messages, with blank lines between them, are the prompt: a
/// template of the model's own belongs into the text. [`ChatRequest::extra_body`] comes last; `parameters` in it are
/// merged.
///
/// # Errors
/// `Unsupported` for what this API does not take, when the request says so.
pub fn render_generation(
    request: ChatRequest,
) -> Result<(Map<String, Value>, Vec<Warning>), ModelError> {
    let mut notes = Notes::new(request.unsupported);
    let texts: Vec<String> = request.messages.iter().map(Message::text).collect();
    let has_more = request
        .messages
        .iter()
        .any(|message| message.parts.iter().any(|part| part.as_text().is_none()));
    if has_more {
        notes.dropped_content("messages", "anything but text")?;
    }
    let mut parameters = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        parameters.extend(value.map(|value| (name.to_owned(), value)));
    };
    let sampling = request.sampling;
    put("temperature", sampling.temperature.map(Value::from));
    put("top_p", sampling.top_p.map(Value::from));
    put("top_k", sampling.top_k.map(Value::from));
    put("frequency_penalty", sampling.frequency_penalty.map(Value::from));
    put("seed", sampling.seed.map(Value::from));
    put("max_new_tokens", request.max_output_tokens.map(Value::from));
    put("stop", (!request.stop.is_empty()).then(|| request.stop.into()));
    put("top_n_tokens", request.top_logprobs.map(Value::from));
    put("grammar", request.response_format.and_then(grammar));
    for (name, is_asked) in [
        ("tools", !request.tools.is_empty()),
        ("presence_penalty", sampling.presence_penalty.is_some()),
        ("logit_bias", !sampling.logit_bias.is_empty()),
        ("reasoning", request.reasoning.is_some()),
        ("n", request.n.is_some_and(|n| n != 1)),
        ("user", request.user.is_some()),
        ("service_tier", request.service_tier.is_some()),
    ] {
        if is_asked {
            notes.dropped_parameter(name)?;
        }
    }
    let mut body = Map::from_iter([("inputs".to_owned(), Value::from(texts.join("\n\n")))]);
    if !parameters.is_empty() {
        body.insert("parameters".to_owned(), parameters.into());
    }
    if request.stream {
        body.insert("stream".to_owned(), true.into());
    }
    merge(&mut body, request.extra_body);
    Ok((body, notes.into_warnings()))
}

fn grammar(format: ResponseFormat) -> Option<Value> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => {
            Some(json!({ "type": "json", "value": { "type": "object" } }))
        }
        ResponseFormat::JsonSchema { schema, .. } => {
            Some(json!({ "type": "json", "value": schema }))
        }
    }
}

/// Reads a body. What has no name in the vocabulary goes to [`ChatRequest::extra_body`].
///
/// # Errors
/// When a field that is known here has the wrong type; the error names the field.
pub fn parse_generation(model: &str, body: Value) -> Result<ChatRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let prompt: String = fields.required("inputs")?;
    let mut request =
        ChatRequest { model: model.to_owned(), ..ChatRequest::new(vec![Message::user(prompt)]) };
    request.stream = fields.optional("stream")?.unwrap_or_default();
    let parameters = fields.take("parameters").unwrap_or_else(|| Map::new().into());
    let mut parameters = Fields::of(parameters, "parameters")?;
    request.sampling = Sampling {
        temperature: parameters.optional("temperature")?,
        top_p: parameters.optional("top_p")?,
        top_k: parameters.optional("top_k")?,
        frequency_penalty: parameters.optional("frequency_penalty")?,
        seed: parameters.optional("seed")?,
        ..Sampling::default()
    };
    request.max_output_tokens = parameters.optional("max_new_tokens")?;
    request.top_logprobs = parameters.optional("top_n_tokens")?;
    request.stop = parameters.optional("stop")?.unwrap_or_default();
    request.extra_body = fields.rest();
    let rest = parameters.rest();
    if !rest.is_empty() {
        request.extra_body.insert("parameters".to_owned(), rest.into());
    }
    Ok(request)
}
