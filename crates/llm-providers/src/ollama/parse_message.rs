//! The messages of a request, as a client of Ollama writes them.

use llm_core::{Media, MediaSource, Message, Part, Reasoning, Role, ToolCall, ToolResult};
use serde_json::Value;

use super::parse::own;
use crate::call_id;
use crate::openai::fields::{Fields, RequestError};

/// Reads all messages. Calls without an id get one, and the results that follow name it, in order and by tool.
pub(super) fn parse_messages(messages: Vec<Value>) -> Result<Vec<Message>, RequestError> {
    let mut reader = Reader::default();
    let messages = messages.into_iter().enumerate();
    messages.map(|(at, message)| reader.message(message, &format!("messages[{at}]"))).collect()
}

#[derive(Default)]
struct Reader {
    calls: usize,
    /// Calls without a result yet: id and tool.
    open: Vec<(String, String)>,
}

impl Reader {
    fn message(&mut self, message: Value, path: &str) -> Result<Message, RequestError> {
        let mut fields = Fields::of(message, path)?;
        let role = role(&mut fields)?;
        let text: String = fields.optional("content")?.unwrap_or_default();
        let images: Vec<String> = fields.optional("images")?.unwrap_or_default();
        let mut parts = Vec::new();
        if let Some(text) = fields.optional::<String>("thinking")? {
            parts.push(Part::Reasoning(Reasoning { text, ..Reasoning::default() }));
        }
        if !text.is_empty() {
            parts.push(Part::text(text));
        }
        parts.extend(images.into_iter().map(image));
        if role == Role::Tool {
            parts = vec![Part::ToolResult(self.result(&mut fields, parts)?)];
        }
        let path = fields.path("tool_calls");
        for (at, call) in fields.list("tool_calls")?.into_iter().enumerate() {
            parts.push(Part::ToolCall(self.call(call, &format!("{path}[{at}]"))?));
        }
        Ok(Message { extra: own(fields.rest()), ..Message::new(role, parts) })
    }

    fn call(&mut self, call: Value, path: &str) -> Result<ToolCall, RequestError> {
        let mut fields = Fields::of(call, path)?;
        let id: Option<String> = fields.optional("id")?;
        let path = fields.path("function");
        let function =
            fields.take("function").ok_or_else(|| fields.error("function", "is missing"))?;
        let mut function = Fields::of(function, path)?;
        let id = id.unwrap_or_else(|| call_id::make("", self.calls));
        self.calls += 1;
        let name: String = function.required("name")?;
        self.open.push((id.clone(), name.clone()));
        let arguments = match function.take("arguments") {
            None => "{}".to_owned(),
            Some(Value::String(text)) => text,
            Some(arguments) => arguments.to_string(),
        };
        Ok(ToolCall { id, name, arguments, ..ToolCall::default() })
    }

    /// A result names its call, or its tool, or nothing and is the next one's.
    fn result(
        &mut self,
        fields: &mut Fields,
        parts: Vec<Part>,
    ) -> Result<ToolResult, RequestError> {
        let id: Option<String> = fields.optional("tool_call_id")?;
        let name: Option<String> = fields.optional("tool_name")?;
        let at = self.open.iter().position(|(open, tool)| match (&id, &name) {
            (Some(id), _) => open == id,
            (None, Some(name)) => tool == name,
            (None, None) => true,
        });
        let open = at.map(|at| self.open.remove(at).0);
        let call_id = id.or(open).unwrap_or_default();
        Ok(ToolResult { name, parts, ..ToolResult::text(call_id, "") })
    }
}

fn role(fields: &mut Fields) -> Result<Role, RequestError> {
    Ok(match fields.required::<String>("role")?.as_str() {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => return Err(fields.error("role", "must be system, user, assistant or tool")),
    })
}

fn image(data: String) -> Part {
    Part::Image(Media::new(MediaSource::Base64(data)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_find_their_calls() {
        let call = |name: &str| json!({ "function": { "name": name, "arguments": { "a": 1 } } });
        let result = |fields: Value| {
            let mut message = json!({ "role": "tool", "content": "x" });
            message.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
            message
        };
        let messages = parse_messages(vec![
            json!({ "role": "assistant", "content": "", "tool_calls": [call("f"), call("g")] }),
            result(json!({ "tool_name": "g" })),
            result(json!({})),
            result(json!({ "tool_call_id": "elsewhere" })),
        ])
        .unwrap();
        let ids: Vec<&str> = messages
            .iter()
            .flat_map(|message| &message.parts)
            .map(|part| match part {
                Part::ToolCall(call) => call.id.as_str(),
                Part::ToolResult(result) => result.call_id.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ids, ["gcall__0", "gcall__1", "gcall__1", "gcall__0", "elsewhere"]);
    }

    #[test]
    fn a_wrong_field_is_named() {
        let error = |message: Value| parse_messages(vec![message]).unwrap_err().param.unwrap();
        assert_eq!(error(json!({ "role": "nobody" })), "messages[0].role");
        let call = json!({ "role": "assistant", "tool_calls": [{}] });
        assert_eq!(error(call), "messages[0].tool_calls[0].function");
    }
}
