//! [`render_request`] and [`parse_request`]: a [`ChatRequest`] into the body of InvokeModel and back, by family.

use llm_core::{ChatRequest, ModelError, Warning};
use serde_json::{Map, Value};

use super::super::converse;
use super::family::InvokeFamily;
use super::{nova, prompt_request};
use crate::anthropic::{self, Surface, Target};
use crate::cohere::v1;
use crate::openai::RequestError;
use crate::{Quirks, openai};

/// A body to send, and how it differs from what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedRequest {
    /// The body of `POST /model/{model}/invoke` and `…/invoke-with-response-stream`.
    pub body: Map<String, Value>,
    /// What was left out or said otherwise.
    pub warnings: Vec<Warning>,
    /// The schema of the answer is asked for by a tool (Nova).
    pub answers_by_tool: bool,
    /// The service tier, which goes into the header `x-amzn-bedrock-service-tier` whatever the family.
    pub service_tier: Option<String>,
}

/// Writes the body in the dialect of a family, which documents what it takes and what it leaves out: nothing in the body says
/// whether to stream, since the path does (save in `generate`, which insists on it). `output_limit` is the most tokens that
/// the model can answer with, where known: Claude's default limit never exceeds it.
///
/// # Errors
/// [`ErrorKind::Unsupported`](llm_core::ErrorKind::Unsupported) for what the model does not take, when the request says
/// [`Unsupported::Refuse`](llm_core::Unsupported::Refuse).
pub fn render_request(
    mut request: ChatRequest,
    family: InvokeFamily,
    output_limit: Option<u32>,
) -> Result<RenderedRequest, ModelError> {
    let quirks = Quirks::default();
    let service_tier = request.service_tier.take().filter(|tier| tier != "auto");
    let mut answers_by_tool = false;
    let (mut body, warnings) = match family {
        InvokeFamily::Claude => {
            let target = Target { surface: Surface::Bedrock, output_limit, quirks };
            let mut rendered = anthropic::render_request(request, &target)?;
            if !rendered.betas.is_empty() {
                let betas = rendered
                    .body
                    .entry("anthropic_beta")
                    .or_insert_with(|| Vec::<Value>::new().into());
                if let Value::Array(betas) = betas {
                    betas.extend(rendered.betas.into_iter().map(Value::from));
                }
            }
            (rendered.body, rendered.warnings)
        }
        InvokeFamily::Nova => {
            let rendered = converse::render_request(request)?;
            answers_by_tool = rendered.answers_by_tool;
            (nova::from_converse(rendered.body), rendered.warnings)
        }
        InvokeFamily::CommandR => {
            let mut rendered = v1::render_request(request, &quirks)?;
            rendered.body.shift_remove("stream");
            (rendered.body, rendered.warnings)
        }
        InvokeFamily::Command => {
            let rendered = v1::render_generate(request, &quirks)?;
            (rendered.body, rendered.warnings)
        }
        InvokeFamily::ChatCompletions => {
            let mut rendered = openai::chat::render_request(request, &quirks)?;
            rendered.body.shift_remove("stream");
            rendered.body.shift_remove("stream_options");
            (rendered.body, rendered.warnings)
        }
        family => prompt_request::render(request, family)?,
    };
    if matches!(family, InvokeFamily::CommandR | InvokeFamily::Command) {
        // The path names it.
        body.shift_remove("model");
    }
    Ok(RenderedRequest { body, warnings, answers_by_tool, service_tier })
}

/// Reads a body of InvokeModel, as a client writes it.
///
/// # Errors
/// When a field that is known in the family's dialect is missing or has the wrong type; the error names the field.
pub fn parse_request(
    family: InvokeFamily,
    model: &str,
    stream: bool,
    mut body: Value,
) -> Result<ChatRequest, RequestError> {
    let mut request = match family {
        InvokeFamily::Claude => {
            if let Some(fields) = body.as_object_mut() {
                fields.insert("model".into(), model.into());
            }
            anthropic::parse_request_value(body)?
        }
        InvokeFamily::Nova => converse::parse_request(model, stream, nova::to_converse(body))?,
        InvokeFamily::CommandR => v1::parse_request(body)?,
        InvokeFamily::Command => v1::parse_generate(body)?,
        InvokeFamily::ChatCompletions => {
            if let Some(fields) = body.as_object_mut() {
                fields.entry("model").or_insert_with(|| model.into());
            }
            openai::chat::parse_request_value(body)?.request
        }
        family => prompt_request::parse(body, family)?,
    };
    request.model = model.to_owned();
    request.stream = stream;
    Ok(request)
}
