//! Requests of the families that take a prompt: small bodies that differ in the names of their fields.

use llm_core::{ChatRequest, Message, ModelError, Warning};
use serde_json::{Map, Value};

use super::super::merge::{insert_at, merge, take_at};
use super::family::InvokeFamily;
use super::prompt;
use crate::notes::Notes;
use crate::openai::RequestError;

/// Where a family has what; `None` for what it does not take.
struct Places {
    prompt: &'static str,
    max_tokens: &'static [&'static str],
    temperature: &'static [&'static str],
    top_p: &'static [&'static str],
    top_k: Option<&'static [&'static str]>,
    stop: Option<&'static [&'static str]>,
    /// A limit that the family insists on.
    default_limit: Option<u32>,
}

const LLAMA: Places = Places {
    prompt: "prompt",
    max_tokens: &["max_gen_len"],
    temperature: &["temperature"],
    top_p: &["top_p"],
    top_k: None,
    stop: None,
    default_limit: None,
};

const TITAN: Places = Places {
    prompt: "inputText",
    max_tokens: &["textGenerationConfig", "maxTokenCount"],
    temperature: &["textGenerationConfig", "temperature"],
    top_p: &["textGenerationConfig", "topP"],
    top_k: None,
    stop: Some(&["textGenerationConfig", "stopSequences"]),
    default_limit: None,
};

const MISTRAL: Places = Places {
    prompt: "prompt",
    max_tokens: &["max_tokens"],
    temperature: &["temperature"],
    top_p: &["top_p"],
    top_k: Some(&["top_k"]),
    stop: Some(&["stop"]),
    default_limit: None,
};

const JURASSIC: Places = Places {
    prompt: "prompt",
    max_tokens: &["maxTokens"],
    temperature: &["temperature"],
    top_p: &["topP"],
    top_k: None,
    stop: Some(&["stopSequences"]),
    default_limit: None,
};

const CLAUDE: Places = Places {
    prompt: "prompt",
    max_tokens: &["max_tokens_to_sample"],
    temperature: &["temperature"],
    top_p: &["top_p"],
    top_k: Some(&["top_k"]),
    stop: Some(&["stop_sequences"]),
    default_limit: Some(4096),
};

fn places(family: InvokeFamily) -> Places {
    match family {
        InvokeFamily::Titan => TITAN,
        InvokeFamily::Mistral => MISTRAL,
        InvokeFamily::Jurassic => JURASSIC,
        InvokeFamily::ClaudePrompt => CLAUDE,
        _ => LLAMA,
    }
}

/// Writes the body. A prompt of the caller's own goes through [`ChatRequest::extra_body`], which comes last; then messages count
/// for nothing.
pub(super) fn render(
    request: ChatRequest,
    family: InvokeFamily,
) -> Result<(Map<String, Value>, Vec<Warning>), ModelError> {
    let places = places(family);
    let mut notes = Notes::new(request.unsupported);
    let mut body = Map::new();
    if !request.extra_body.contains_key(places.prompt) {
        let prompt = prompt::write(request.messages, family, &request.model, &mut notes)?;
        body.insert(places.prompt.into(), prompt.into());
    }
    let sampling = request.sampling;
    let stop = (!request.stop.is_empty()).then_some(request.stop);
    for (at, value, name) in [
        (
            Some(places.max_tokens),
            request.max_output_tokens.or(places.default_limit).map(Value::from),
            "max_tokens",
        ),
        (Some(places.temperature), sampling.temperature.map(Value::from), "temperature"),
        (Some(places.top_p), sampling.top_p.map(Value::from), "top_p"),
        (places.top_k, sampling.top_k.map(Value::from), "top_k"),
        (places.stop, stop.map(Value::from), "stop"),
        (None, sampling.frequency_penalty.map(Value::from), "frequency_penalty"),
        (None, sampling.presence_penalty.map(Value::from), "presence_penalty"),
        (None, sampling.seed.map(Value::from), "seed"),
    ] {
        match (at, value) {
            (Some(at), Some(value)) => insert_at(&mut body, at, value),
            (None, Some(_)) => notes.dropped_parameter(name)?,
            (_, None) => {}
        }
    }
    for (is_given, name) in [
        (!sampling.logit_bias.is_empty(), "logit_bias"),
        (!request.tools.is_empty(), "tools"),
        (request.response_format.is_some(), "response_format"),
        (request.reasoning.is_some(), "reasoning"),
        (request.n.is_some_and(|n| n > 1), "n"),
        (request.logprobs == Some(true), "logprobs"),
        (request.top_logprobs.is_some_and(|top| top > 0), "top_logprobs"),
        (request.user.is_some(), "user"),
    ] {
        if is_given {
            notes.dropped_parameter(name)?;
        }
    }
    merge(&mut body, request.extra_body);
    Ok((body, notes.into_warnings()))
}

/// Reads a body: the prompt is kept as it is, in [`ChatRequest::extra_body`], and stands as one question in the messages.
pub(super) fn parse(body: Value, family: InvokeFamily) -> Result<ChatRequest, RequestError> {
    let places = places(family);
    let Value::Object(mut rest) = body else {
        return Err(RequestError::body("must be a JSON object"));
    };
    let Some(prompt) = rest.get(places.prompt).and_then(Value::as_str) else {
        return Err(RequestError::at(places.prompt, "must be a text"));
    };
    let mut request = ChatRequest::new(vec![Message::user(prompt)]);
    request.max_output_tokens = take(&mut rest, places.max_tokens)?;
    request.sampling.temperature = take(&mut rest, places.temperature)?;
    request.sampling.top_p = take(&mut rest, places.top_p)?;
    if let Some(at) = places.top_k {
        request.sampling.top_k = take(&mut rest, at)?;
    }
    if let Some(at) = places.stop {
        request.stop = take(&mut rest, at)?.unwrap_or_default();
    }
    request.extra_body = rest;
    Ok(request)
}

fn take<T: serde::de::DeserializeOwned>(
    fields: &mut Map<String, Value>,
    at: &[&str],
) -> Result<Option<T>, RequestError> {
    match take_at(fields, at) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value(value)
            .map(Some)
            .map_err(|error| RequestError::at(at.join("."), format_args!("is wrong: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_are_those_of_each_maker() {
        use InvokeFamily as F;
        for (family, body) in [
            (
                F::Llama,
                json!({ "prompt": "p", "max_gen_len": 9, "temperature": 0.5, "top_p": 0.9 }),
            ),
            (
                F::Titan,
                json!({ "inputText": "p", "textGenerationConfig": {
                    "maxTokenCount": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"] } }),
            ),
            (
                F::Mistral,
                json!({ "prompt": "p", "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 5,
                    "stop": ["x"] }),
            ),
            (
                F::Jurassic,
                json!({ "prompt": "p", "maxTokens": 9, "temperature": 0.5, "topP": 0.9,
                    "stopSequences": ["x"], "countPenalty": { "scale": 1 } }),
            ),
            (
                F::ClaudePrompt,
                json!({ "prompt": "p", "max_tokens_to_sample": 9, "temperature": 0.5, "top_p": 0.9,
                    "top_k": 5, "stop_sequences": ["x"] }),
            ),
        ] {
            let request = parse(body.clone(), family).unwrap();
            assert_eq!(request.max_output_tokens, Some(9));
            let (rendered, warnings) = render(request, family).unwrap();
            assert_eq!(Value::Object(rendered), body);
            assert!(warnings.is_empty(), "{warnings:?}");
        }
    }

    #[test]
    fn what_has_no_place_is_told() {
        let mut request = ChatRequest::new(vec![Message::user("p")]);
        request.stop = vec!["x".into()];
        request.sampling.top_k = Some(1);
        request.n = Some(2);
        let (body, warnings) = render(request, InvokeFamily::Llama).unwrap();
        let params: Vec<_> = warnings.into_iter().filter_map(|warning| warning.param).collect();
        assert_eq!(params, ["top_k", "stop", "n"]);
        assert!(body["prompt"].as_str().unwrap().contains("<|eot_id|>"));
    }
}
