//! [`parse_request`]: a body of `POST /v1/chat`, as a client writes it, into a [`ChatRequest`].

use llm_core::{ChatRequest, Message, Part, Role, ToolCall, ToolResult};
use serde_json::{Map, Value};

use super::tools::parse_tool;
use crate::call_id;
use crate::cohere::DIALECT;
use crate::cohere::parse::{parse_response_format, parse_sampling};
use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// Reads the body. What has no name in [`ChatRequest`] (`documents`, `connectors`, `prompt_truncation` …) goes to
/// [`ChatRequest::extra_body`]. Calls of tools have no ids here and get ones of ours; results are matched with the call
/// that they repeat.
///
/// # Errors
/// When a field that is known here has the wrong type; the error names the field. Values are not judged otherwise.
pub fn parse_request(body: Value) -> Result<ChatRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let mut request = ChatRequest {
        model: fields.optional("model")?.unwrap_or_default(),
        stream: fields.optional("stream")?.unwrap_or(false),
        ..ChatRequest::default()
    };
    let mut reader = Reader::default();
    if let Some(preamble) = fields.optional::<String>("preamble")? {
        reader.messages.push(Message::system(preamble));
    }
    for (at, turn) in fields.list("chat_history")?.into_iter().enumerate() {
        reader.turn(turn, &format!("chat_history[{at}]"))?;
    }
    let results = fields.list("tool_results")?;
    reader.results(results, "tool_results")?;
    let message: String = fields.required("message")?;
    if !message.is_empty() || reader.messages.is_empty() {
        reader.messages.push(Message::user(message));
    }
    request.messages = reader.messages;
    for (at, tool) in fields.list("tools")?.into_iter().enumerate() {
        request.tools.push(parse_tool(tool, &format!("tools[{at}]"))?);
    }
    parse_sampling(&mut fields, &mut request)?;
    request.response_format = parse_response_format(&mut fields);
    request.extra_body = fields.rest();
    Ok(request)
}

/// Reads turns, and remembers the calls in them.
#[derive(Default)]
struct Reader {
    messages: Vec<Message>,
    /// Id and content of each call.
    calls: Vec<(String, Value)>,
}

impl Reader {
    fn turn(&mut self, turn: Value, path: &str) -> Result<(), RequestError> {
        let mut fields = Fields::of(turn, path)?;
        let role = fields.required::<String>("role")?.to_ascii_uppercase();
        let text: Option<String> = fields.optional("message")?;
        let mut parts: Vec<Part> =
            text.filter(|text| !text.is_empty()).map(Part::text).into_iter().collect();
        let role = match role.as_str() {
            "USER" => Role::User,
            "SYSTEM" => Role::System,
            "CHATBOT" => {
                let path = fields.path("tool_calls");
                for (at, call) in fields.list("tool_calls")?.into_iter().enumerate() {
                    parts.push(self.call(call, &format!("{path}[{at}]"))?);
                }
                Role::Assistant
            }
            "TOOL" => {
                let path = fields.path("tool_results");
                let results = fields.list("tool_results")?;
                return self.results(results, &path);
            }
            _ => return Err(fields.error("role", "must be USER, CHATBOT, SYSTEM or TOOL")),
        };
        self.messages.push(Message::new(role, parts));
        Ok(())
    }

    fn call(&mut self, call: Value, path: &str) -> Result<Part, RequestError> {
        let mut fields = Fields::of(call.clone(), path)?;
        let parameters: Map<String, Value> = fields.optional("parameters")?.unwrap_or_default();
        let id = call_id::make("", self.calls.len());
        self.calls.push((id.clone(), call));
        Ok(Part::ToolCall(ToolCall {
            id,
            name: fields.required("name")?,
            arguments: Value::Object(parameters).to_string(),
            ..ToolCall::default()
        }))
    }

    fn results(&mut self, results: Vec<Value>, path: &str) -> Result<(), RequestError> {
        let mut parts = Vec::with_capacity(results.len());
        for (at, result) in results.into_iter().enumerate() {
            let mut fields = Fields::of(result, format!("{path}[{at}]"))?;
            let call: Value = fields.required("call")?;
            let known = self.calls.iter().find(|(_, known)| *known == call);
            let id =
                known.map_or_else(|| call_id::make("", self.calls.len()), |(id, _)| id.clone());
            let name = call.get("name").and_then(Value::as_str).map(str::to_owned);
            let outputs = fields.list("outputs")?.into_iter();
            let outputs = outputs.map(|value| Part::Other { dialect: DIALECT.into(), value });
            let result = ToolResult { parts: outputs.collect(), name, ..ToolResult::text(id, "") };
            parts.push(Part::ToolResult(result));
        }
        if !parts.is_empty() {
            self.messages.push(Message::new(Role::Tool, parts));
        }
        Ok(())
    }
}
