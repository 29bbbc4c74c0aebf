//! The messages of a request, as Ollama takes them: text in one piece, pictures beside it.

use std::collections::BTreeMap;

use llm_core::{
    Media, MediaSource, Message, ModelError, Part, Role, TextPart, ToolCall, ToolResult,
};
use serde_json::{Map, Value, json};

use super::DIALECT;
use crate::call_id;
use crate::notes::Notes;

/// Writes all messages, in order. Results of tools become messages of their own.
pub(super) fn render_messages(
    messages: Vec<Message>,
    notes: &mut Notes,
) -> Result<Vec<Value>, ModelError> {
    let mut writer = Writer { notes, rendered: Vec::new(), tools: BTreeMap::new() };
    for message in messages {
        writer.message(message)?;
    }
    Ok(writer.rendered)
}

struct Writer<'a> {
    notes: &'a mut Notes,
    rendered: Vec<Value>,
    /// The tool that each call named, by its id: results are matched by the tool's name.
    tools: BTreeMap<String, String>,
}

/// What the parts of a message come to.
#[derive(Default)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) images: Vec<Value>,
    thinking: Option<String>,
    calls: Vec<Value>,
}

impl Writer<'_> {
    fn message(&mut self, message: Message) -> Result<(), ModelError> {
        let Message { role, parts, name, mut extra } = message;
        let (results, parts): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| matches!(part, Part::ToolResult(_)));
        let is_only_results = !results.is_empty() && parts.is_empty();
        for result in results {
            if let Part::ToolResult(result) = result {
                self.tool_result(result)?;
            }
        }
        if is_only_results {
            return Ok(());
        }
        if name.is_some() {
            self.notes.dropped_parameter("name")?;
        }
        let content = self.content(parts)?;
        let mut fields = Map::from_iter([("role".to_owned(), Value::from(word(role)))]);
        put_content(&mut fields, content);
        if let Some(Value::Object(own)) = extra.shift_remove(DIALECT) {
            fields.extend(own);
        }
        self.rendered.push(fields.into());
        Ok(())
    }

    fn tool_result(&mut self, result: ToolResult) -> Result<(), ModelError> {
        let ToolResult { call_id, name, parts, .. } = result;
        let content = self.content(parts)?;
        let mut fields = Map::from_iter([("role".to_owned(), Value::from(word(Role::Tool)))]);
        put_content(&mut fields, content);
        let tool = name.or_else(|| self.tools.get(&call_id).cloned());
        fields.extend(tool.map(|tool| ("tool_name".to_owned(), tool.into())));
        let id = call_id::given(&call_id);
        fields.extend(id.map(|id| ("tool_call_id".to_owned(), id.into())));
        self.rendered.push(fields.into());
        Ok(())
    }

    fn content(&mut self, parts: Vec<Part>) -> Result<Content, ModelError> {
        let mut content = Content::default();
        for part in parts {
            match part {
                Part::ToolCall(call) => {
                    self.tools.insert(call.id.clone(), call.name.clone());
                    content.calls.push(tool_call(call));
                }
                Part::Reasoning(block) => {
                    if block.signature.is_some() || block.redacted.is_some() {
                        let what = "sealed reasoning of earlier answers";
                        self.notes.dropped_content("messages", what)?;
                    }
                    content.thinking.get_or_insert_default().push_str(&block.text);
                }
                part => add_part(&mut content, part, self.notes)?,
            }
        }
        Ok(content)
    }
}

/// Adds text or a picture.
pub(super) fn add_part(
    content: &mut Content,
    part: Part,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    match part {
        Part::Text(TextPart { text, cache, .. }) => {
            content.text.push_str(&text);
            if cache.is_some() {
                notes.dropped_parameter("cache_control")?;
            }
        }
        Part::Refusal(part) => content.text.push_str(&part.text),
        Part::Image(media) => match image_data(media) {
            Some(data) => content.images.push(data.into()),
            None => notes.dropped_content("messages", "pictures by address or file id")?,
        },
        Part::File(Media { source: MediaSource::Text(text), .. }) => content.text.push_str(&text),
        Part::Audio(_) | Part::File(_) => {
            notes.dropped_content("messages", "sound and files")?;
        }
        Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
            notes.dropped_content("messages", "reasoning or tools in this message")?;
        }
        // Blocks of other dialects mean nothing here, as the vocabulary says.
        _ => {}
    }
    Ok(())
}

fn word(role: Role) -> &'static str {
    match role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

fn put_content(fields: &mut Map<String, Value>, content: Content) {
    let Content { text, images, thinking, calls } = content;
    fields.insert("content".to_owned(), text.into());
    fields.extend(thinking.map(|text| ("thinking".to_owned(), text.into())));
    if !images.is_empty() {
        fields.insert("images".to_owned(), images.into());
    }
    if !calls.is_empty() {
        fields.insert("tool_calls".to_owned(), calls.into());
    }
}

/// Arguments are an object; what a model wrote that is none goes back as the object that it most likely meant, which is
/// an empty one.
fn tool_call(call: ToolCall) -> Value {
    let arguments = call.parsed_arguments().ok().filter(Value::is_object);
    let arguments = arguments.unwrap_or_else(|| json!({}));
    let function = json!({ "name": call.name, "arguments": arguments });
    let mut fields = Map::new();
    let id = call_id::given(&call.id);
    fields.extend(id.map(|id| ("id".to_owned(), id.into())));
    fields.insert("function".to_owned(), function);
    fields.into()
}

/// The base64 of a picture that is here, also in a `data:` address.
fn image_data(media: Media) -> Option<String> {
    match media.source {
        MediaSource::Base64(data) => Some(data),
        MediaSource::Url(url) => {
            let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
            head.ends_with(";base64").then(|| data.to_owned())
        }
        MediaSource::FileId(_) | MediaSource::Text(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use llm_core::Reasoning;
    use llm_core::Unsupported;

    use super::*;

    fn rendered(messages: Vec<Message>) -> (Value, Vec<String>) {
        let mut notes = Notes::new(Unsupported::Warn);
        let rendered = render_messages(messages, &mut notes).unwrap();
        let warnings = notes.into_warnings().into_iter().map(|warning| warning.message).collect();
        (rendered.into(), warnings)
    }

    #[test]
    fn results_name_their_tool() {
        let call = |id: &str| {
            Part::ToolCall(ToolCall {
                id: id.into(),
                name: "weather".into(),
                arguments: r#"{"city":"Oslo"}"#.into(),
                ..ToolCall::default()
            })
        };
        let thought = Part::Reasoning(Reasoning { text: "hm".into(), ..Reasoning::default() });
        let made = call_id::make("2026", 0);
        let (messages, warnings) = rendered(vec![
            Message::new(Role::Assistant, vec![thought, call(&made), call("call_7")]),
            Message::new(
                Role::Tool,
                vec![
                    Part::ToolResult(ToolResult::text(made.clone(), "rain")),
                    Part::ToolResult(ToolResult::text("call_7", "sun")),
                ],
            ),
        ]);
        let function = json!({ "name": "weather", "arguments": { "city": "Oslo" } });
        let expected = json!([
            { "role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                { "function": function },
                { "id": "call_7", "function": function },
            ] },
            { "role": "tool", "content": "rain", "tool_name": "weather" },
            { "role": "tool", "content": "sun", "tool_name": "weather", "tool_call_id": "call_7" },
        ]);
        assert_eq!((messages, warnings), (expected, Vec::new()));
    }

    #[test]
    fn pictures_stand_beside_the_text() {
        let image = |source| Part::Image(Media::new(source));
        let (messages, warnings) = rendered(vec![Message::new(
            Role::User,
            vec![
                Part::text("what is "),
                image(MediaSource::Base64("AAAA".into())),
                image(MediaSource::Url("data:image/png;base64,BBBB".into())),
                image(MediaSource::Url("https://a.example/x.png".into())),
                Part::text("this?"),
                Part::File(Media::new(MediaSource::Text(" And this?".into()))),
                Part::Audio(Media::new(MediaSource::Base64("CCCC".into()))),
            ],
        )]);
        let expected = json!([
            { "role": "user", "content": "what is this? And this?", "images": ["AAAA", "BBBB"] },
        ]);
        assert_eq!(messages, expected);
        assert_eq!(
            warnings,
            [
                "the provider does not take pictures by address or file id",
                "the provider does not take sound and files",
            ]
        );
    }

    #[test]
    fn arguments_that_are_no_object_become_one() {
        for arguments in ["", "{\"a\":", "[1]"] {
            let call = ToolCall { arguments: arguments.into(), ..ToolCall::default() };
            assert_eq!(tool_call(call)["function"]["arguments"], json!({}), "{arguments}");
        }
    }
}
