//! [`render_request`]: a [`ChatRequest`] into the body of `POST /v1/chat`.

use llm_core::{ChatRequest, ModelError};
use serde_json::Value;

use super::history::render_history;
use super::tools::render_tools;
use crate::Quirks;
use crate::cohere::RenderedRequest;
use crate::cohere::body::Body;
use crate::cohere::request::{chosen, documents, response_format};
use crate::notes::Notes;

/// Writes the body. Takes the request apart. Of the quirks, those that drop and rename parameters count, by the names of
/// this dialect.
///
/// - Instructions at the beginning are the `preamble`; later ones stay in their place. The last question is the `message`;
///   when results of tools come last, they are `tool_results` and the `message` is empty.
/// - Schemas of tools become `parameter_definitions`, which know Python's types and nothing deeper (`translated_parameter`
///   warning where something is lost).
/// - Files that are plain text become `documents`.
/// - There is no choice of tools: `None` leaves them out, one or some leave the others out, and that one must be used is
///   dropped with a warning. Nor are there pictures, reasoning, or log-probabilities.
/// - [`ChatRequest::extra_body`] comes last and replaces what stands there under the same name.
///
/// # Errors
/// [`ErrorKind::Unsupported`](llm_core::ErrorKind::Unsupported) for what the model does not take, when the request says
/// [`Unsupported::Refuse`](llm_core::Unsupported::Refuse).
pub fn render_request(
    mut request: ChatRequest,
    quirks: &Quirks,
) -> Result<RenderedRequest, ModelError> {
    let model = std::mem::take(&mut request.model);
    let mut notes = Notes::new(request.unsupported);
    let history = render_history(std::mem::take(&mut request.messages), &mut notes)?;
    let (tools, choice) = chosen(std::mem::take(&mut request.tools), request.tool_choice.take());
    let tools = match choice {
        Some("NONE") => Vec::new(),
        choice => {
            if choice.is_some() {
                notes.dropped_parameter("tool_choice")?;
            }
            render_tools(tools, &mut notes)?
        }
    };

    let mut extra = std::mem::take(&mut request.extra_body);
    let mut body = Body::new(notes, &model, quirks);
    if !model.is_empty() {
        body.insert("model", model.as_str());
    }
    body.insert("message", history.message);
    for (name, values) in
        [("chat_history", history.turns), ("tool_results", history.tool_results), ("tools", tools)]
    {
        if !values.is_empty() {
            body.insert(name, values);
        }
    }
    if !history.preamble.is_empty() {
        body.insert("preamble", history.preamble);
    }
    if let Some(documents) = documents(extra.shift_remove("documents"), history.documents) {
        body.insert("documents", documents);
    }
    let format = request.response_format.take();
    let format: Option<Value> = format.and_then(|format| response_format(format, "schema"));
    body.put("response_format", format)?;
    body.sampling(
        std::mem::take(&mut request.sampling),
        request.max_output_tokens,
        std::mem::take(&mut request.stop),
    )?;
    body.drop_if(request.logprobs == Some(true), "logprobs")?;
    body.drop_if(request.n.is_some_and(|n| n > 1), "n")?;
    body.drop_if(request.reasoning.is_some(), "reasoning")?;
    body.without_words(&request)?;
    if request.stream {
        body.insert("stream", true);
    }
    let Body { mut map, notes, .. } = body;
    map.extend(extra);
    Ok(RenderedRequest { body: map, warnings: notes.into_warnings() })
}

#[cfg(test)]
mod tests {
    use llm_core::{Message, ReasoningOptions, Role, ToolChoice};
    use serde_json::json;

    use super::*;
    use crate::cohere::v1::parse_request;

    #[test]
    fn requests_are_read_as_they_are_written() {
        let call = json!({ "name": "look", "parameters": { "at": "sky" } });
        let body = json!({
            "model": "command-r", "message": "and now?",
            "chat_history": [
                { "role": "USER", "message": "why?" },
                { "role": "SYSTEM", "message": "be brief" },
                { "role": "CHATBOT", "message": "I look.", "tool_calls": [call] },
                { "role": "TOOL", "tool_results": [{ "call": call, "outputs": [{ "blue": 1 }] }] },
                { "role": "CHATBOT", "message": "blue" },
            ],
            "tools": [{ "name": "look", "description": "Looks.", "parameter_definitions": {
                "at": { "type": "str", "required": true } } }],
            "preamble": "p",
            "documents": [{ "id": "d", "text": "t" }],
            "response_format": { "type": "json_object", "schema": { "type": "object" } },
            "max_tokens": 9, "stop_sequences": ["x"], "temperature": 0.5, "p": 0.9, "k": 5,
            "frequency_penalty": 0.1, "presence_penalty": 0.2, "seed": 7, "stream": true,
            "prompt_truncation": "AUTO",
        });
        let request = parse_request(body.clone()).unwrap();
        let rendered = render_request(request, &Quirks::default()).unwrap();
        assert_eq!(Value::Object(rendered.body), body);
        assert!(rendered.warnings.is_empty(), "{:?}", rendered.warnings);
    }

    #[test]
    fn what_has_no_place_is_told() {
        let mut request = ChatRequest::new(vec![
            Message::user("why?"),
            Message { name: Some("n".into()), ..Message::new(Role::Assistant, vec![]) },
        ]);
        request.reasoning = Some(ReasoningOptions::default());
        request.tool_choice = Some(ToolChoice::Required);
        request.logprobs = Some(true);
        let rendered = render_request(request, &Quirks::default()).unwrap();
        let params: Vec<_> =
            rendered.warnings.into_iter().filter_map(|warning| warning.param).collect();
        assert_eq!(params, ["messages.name", "tool_choice", "logprobs", "reasoning"]);
        // There is no question at the end, so there is none.
        assert_eq!(rendered.body["message"], "");
        assert_eq!(rendered.body["chat_history"][1]["role"], "CHATBOT");
    }
}
