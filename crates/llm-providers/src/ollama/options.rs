//! `options`: how tokens are chosen, in both directions.

use llm_core::{ChatRequest, ModelError, Sampling};
use serde_json::{Map, Value};

use crate::notes::Notes;
use crate::openai::fields::{Fields, RequestError};

/// Writes the options of a request. Ollama answers once, so `n` is taken out too.
pub(super) fn render_options(
    request: &mut ChatRequest,
    notes: &mut Notes,
) -> Result<Map<String, Value>, ModelError> {
    let sampling = std::mem::take(&mut request.sampling);
    let mut options = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        options.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("temperature", sampling.temperature.map(Value::from));
    put("top_p", sampling.top_p.map(Value::from));
    put("top_k", sampling.top_k.map(Value::from));
    put("frequency_penalty", sampling.frequency_penalty.map(Value::from));
    put("presence_penalty", sampling.presence_penalty.map(Value::from));
    put("seed", sampling.seed.map(Value::from));
    put("num_predict", request.max_output_tokens.map(Value::from));
    let stop = std::mem::take(&mut request.stop);
    put("stop", (!stop.is_empty()).then(|| stop.into()));
    if !sampling.logit_bias.is_empty() {
        notes.dropped_parameter("logit_bias")?;
    }
    if request.n.is_some_and(|n| n != 1) {
        notes.dropped_parameter("n")?;
    }
    Ok(options)
}

/// Reads the options into a request and gives back what has no name in it: those of the model's place in memory, and
/// values that mean something other than a number (`num_predict: -1`).
pub(super) fn parse_options(
    options: Value,
    request: &mut ChatRequest,
) -> Result<Map<String, Value>, RequestError> {
    let mut fields = Fields::of(options, "options")?;
    let positive = |fields: &mut Fields, name: &str| -> Option<u32> {
        let number = fields.peek(name)?.as_u64()?.try_into().ok()?;
        fields.take(name);
        Some(number)
    };
    request.max_output_tokens = positive(&mut fields, "num_predict");
    request.sampling = Sampling {
        top_k: positive(&mut fields, "top_k"),
        temperature: fields.optional("temperature")?,
        top_p: fields.optional("top_p")?,
        frequency_penalty: fields.optional("frequency_penalty")?,
        presence_penalty: fields.optional("presence_penalty")?,
        seed: fields.optional("seed")?,
        ..Sampling::default()
    };
    request.stop = match fields.peek("stop") {
        Some(Value::String(_)) => vec![fields.required("stop")?],
        _ => fields.optional("stop")?.unwrap_or_default(),
    };
    Ok(fields.rest())
}
