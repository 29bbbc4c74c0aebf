//! The contents of a request, as a client writes them, into [`Message`]s.

use llm_core::{
    Extra, Media, MediaSource, Message, Part, Reasoning, Role, TextPart, ToolCall, ToolResult,
};
use serde_json::{Map, Value, json};

use super::parse::{list, own};
use super::{DIALECT, call_id};
use crate::openai::fields::{Fields, RequestError};

/// Reads contents, and keeps which calls have no result yet: clients may leave out ids, and match by name.
#[derive(Default)]
pub(super) struct Contents {
    /// Id and name of calls without a result.
    open: Vec<(String, String)>,
    calls: usize,
}

impl Contents {
    pub(super) fn parse(mut self, contents: Vec<Value>) -> Result<Vec<Message>, RequestError> {
        let contents = contents.into_iter().enumerate();
        contents.map(|(at, content)| self.content(content, &format!("contents[{at}]"))).collect()
    }

    fn content(&mut self, content: Value, path: &str) -> Result<Message, RequestError> {
        let role = content.get("role").and_then(Value::as_str).unwrap_or("user");
        let is_model = match role {
            // `function` is an older name for the user who brings results.
            "user" | "function" | "" => false,
            "model" => true,
            _ => return Err(RequestError::at(format!("{path}.role"), "must be user or model")),
        };
        let parts = self.parts(content, path)?;
        let is_only_results =
            !parts.is_empty() && parts.iter().all(|part| matches!(part, Part::ToolResult(_)));
        let role = match (is_model, is_only_results) {
            (true, _) => Role::Assistant,
            (false, true) => Role::Tool,
            (false, false) => Role::User,
        };
        Ok(Message::new(role, parts))
    }

    /// The parts of a content.
    pub(super) fn parts(&mut self, content: Value, path: &str) -> Result<Vec<Part>, RequestError> {
        let mut fields = Fields::of(content, path)?;
        let path = fields.path("parts");
        let parts = list(&mut fields, "parts")?.into_iter().enumerate();
        parts.map(|(at, part)| self.part(part, &format!("{path}[{at}]"))).collect()
    }

    fn part(&mut self, part: Value, path: &str) -> Result<Part, RequestError> {
        let mut fields = Fields::of(part, path)?;
        let is_thought: bool = fields.optional("thought")?.unwrap_or(false);
        if fields.peek("functionCall").is_some() {
            return self.call(fields);
        }
        if fields.peek("functionResponse").is_some() {
            return self.result(fields);
        }
        if let Some(text) = fields.optional::<String>("text")? {
            return text_part(text, is_thought, fields);
        }
        if !is_thought {
            for kind in ["inlineData", "fileData"] {
                if let Some(data) = fields.take(kind) {
                    return media_part(data, fields.path(kind), fields.rest());
                }
            }
        }
        // Code, tools of the provider, and whatever comes next.
        let mut value = fields.rest();
        if is_thought {
            value.insert("thought".to_owned(), true.into());
        }
        Ok(Part::Other { dialect: DIALECT.to_owned(), value: Value::Object(value) })
    }

    fn call(&mut self, mut fields: Fields) -> Result<Part, RequestError> {
        let call = fields.required::<Value>("functionCall")?;
        let mut call = Fields::of(call, fields.path("functionCall"))?;
        let name: String = call.required("name")?;
        let arguments = call.take("args").unwrap_or_else(|| json!({})).to_string();
        let id: Option<String> = call.optional("id")?;
        let id = id.unwrap_or_else(|| call_id::make("", self.calls));
        self.calls += 1;
        self.open.push((id.clone(), name.clone()));
        let signature = fields.optional("thoughtSignature")?;
        let extra = nested(fields, "functionCall", call.rest());
        Ok(Part::ToolCall(ToolCall { id, name, arguments, signature, extra }))
    }

    fn result(&mut self, mut fields: Fields) -> Result<Part, RequestError> {
        let result = fields.required::<Value>("functionResponse")?;
        let mut result = Fields::of(result, fields.path("functionResponse"))?;
        let name: String = result.optional("name")?.unwrap_or_default();
        let id = self.answered(result.optional("id")?, &name);
        let (text, is_error) = response_text(result.take("response"));
        let mut parts = vec![Part::text(text)];
        let path = result.path("parts");
        for (at, part) in list(&mut result, "parts")?.into_iter().enumerate() {
            parts.push(self.part(part, &format!("{path}[{at}]"))?);
        }
        let extra = nested(fields, "functionResponse", result.rest());
        let name = Some(name);
        Ok(Part::ToolResult(ToolResult { call_id: id, name, parts, is_error, extra }))
    }

    /// The id of the call that a result answers: the one it names, or the earliest open one of its name.
    fn answered(&mut self, id: Option<String>, name: &str) -> String {
        let fits = |open: &(String, String)| match &id {
            Some(id) => open.0 == *id,
            None => open.1 == name && call_id::given(&open.0).is_none(),
        };
        let found = self.open.iter().position(fits).map(|at| self.open.remove(at).0);
        id.or(found).unwrap_or_default()
    }
}

fn text_part(text: String, is_thought: bool, mut fields: Fields) -> Result<Part, RequestError> {
    let signature: Option<String> = fields.optional("thoughtSignature")?;
    if !is_thought {
        let extra = own(fields.rest());
        return Ok(Part::Text(TextPart { text, signature, extra, ..TextPart::default() }));
    }
    let rest = fields.rest();
    // A signature of ours is marked as such, as in answers.
    let extra = match signature {
        Some(_) => Extra::from_iter([(DIALECT.to_owned(), Value::Object(rest))]),
        None => own(rest),
    };
    Ok(Part::Reasoning(Reasoning { text, signature, extra, ..Reasoning::default() }))
}

fn media_part(data: Value, path: String, rest: Map<String, Value>) -> Result<Part, RequestError> {
    let mut fields = Fields::of(data, path)?;
    let media_type: Option<String> = fields.optional("mimeType")?;
    let source = match fields.optional("data")? {
        Some(data) => MediaSource::Base64(data),
        None => MediaSource::Url(fields.required("fileUri")?),
    };
    let kind = media_type.as_deref().and_then(|name| name.split('/').next()).unwrap_or_default();
    let into_part = match kind {
        "image" => Part::Image,
        "audio" => Part::Audio,
        _ => Part::File,
    };
    let name = fields.optional("displayName")?;
    Ok(into_part(Media { media_type, name, extra: own(rest), ..Media::new(source) }))
}

/// The text of a result. One that is only `output` or `error` in words is those words; any other object is its JSON.
fn response_text(response: Option<Value>) -> (String, bool) {
    let response = response.unwrap_or_else(|| json!({}));
    let only = response.as_object().filter(|fields| fields.len() == 1);
    let words = |name: &str| only.and_then(|fields| fields.get(name)?.as_str()).map(str::to_owned);
    let is_json = |text: &str| matches!(serde_json::from_str(text), Ok(Value::Object(_)));
    match (words("output"), words("error")) {
        (Some(output), _) if !is_json(&output) => (output, false),
        (_, Some(error)) => (error, true),
        _ => (response.to_string(), false),
    }
}

/// Fields without a name: of the part, and of the object in it.
fn nested(fields: Fields, name: &str, inner: Map<String, Value>) -> Extra {
    let mut rest = fields.rest();
    if !inner.is_empty() {
        rest.insert(name.to_owned(), Value::Object(inner));
    }
    own(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(contents: Value) -> Result<Vec<Message>, RequestError> {
        Contents::default().parse(contents.as_array().cloned().unwrap_or_default())
    }

    #[test]
    fn results_without_ids_answer_calls_of_their_name_in_order() {
        let call = |name: &str| json!({ "functionCall": { "name": name } });
        let result = |name: &str, output: &str| json!({ "functionResponse": { "name": name, "response": { "output": output } } });
        let messages = parse(json!([
            { "role": "model", "parts": [call("a"), call("b"), call("a")] },
            { "role": "user", "parts": [result("a", "1"), result("a", "2"), result("b", "3")] },
        ]))
        .unwrap();
        let ids: Vec<_> = messages[0].tool_calls().map(|call| call.id.clone()).collect();
        let answered: Vec<_> = messages[1]
            .parts
            .iter()
            .map(|part| match part {
                Part::ToolResult(result) => result.call_id.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(messages[1].role, Role::Tool);
        assert_eq!(answered, [ids[0].clone(), ids[2].clone(), ids[1].clone()]);
    }

    #[test]
    fn errors_name_the_field() {
        for (contents, param) in [
            (json!([{ "role": "wizard" }]), "contents[0].role"),
            (json!([{ "parts": 1 }]), "contents[0].parts"),
            (json!([{ "parts": [{ "text": 1 }] }]), "contents[0].parts[0].text"),
            (
                json!([{ "parts": [{ "functionCall": {} }] }]),
                "contents[0].parts[0].functionCall.name",
            ),
            (json!([{ "parts": [{ "fileData": {} }] }]), "contents[0].parts[0].fileData.fileUri"),
        ] {
            assert_eq!(parse(contents).unwrap_err().param.as_deref(), Some(param));
        }
    }
}
