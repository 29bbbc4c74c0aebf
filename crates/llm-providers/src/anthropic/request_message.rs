//! The messages of a request, as a provider of this dialect takes them.

use llm_core::{Message, ModelError, Part, Role};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::family::Family;
use super::request_block::{BlockWriter, flat};
use crate::notes::Notes;

/// A conversation: the instructions apart, the turns in order.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// Null, a text, or a list of blocks.
    pub(super) system: Value,
    pub(super) messages: Vec<Value>,
    /// Words for the header `anthropic-beta`.
    pub(super) betas: Vec<&'static str>,
}

impl Conversation {
    /// Adds an instruction after the others.
    pub(super) fn instruct(&mut self, text: String) {
        let mut blocks = match self.system.take() {
            Value::Null => Vec::new(),
            Value::Array(blocks) => blocks,
            text => vec![json!({ "type": "text", "text": text })],
        };
        blocks.push(json!({ "type": "text", "text": text }));
        self.system = flat(blocks);
    }
}

/// Writes all messages. Messages of one side that follow each other become one, as the provider would join them; results
/// of tools are the user's. Messages with nothing in them are left out.
pub(super) fn render_messages(
    messages: Vec<Message>,
    family: Family,
    notes: &mut Notes,
) -> Result<Conversation, ModelError> {
    let mut writer = Writer {
        blocks: BlockWriter { family, notes, betas: Vec::new() },
        system: Vec::new(),
        turns: Vec::new(),
    };
    for message in messages {
        writer.message(message)?;
    }
    let system = if writer.system.is_empty() { Value::Null } else { flat(writer.system) };
    let messages = writer.turns.into_iter().map(Turn::into_value).collect();
    Ok(Conversation { system, messages, betas: writer.blocks.betas })
}

struct Writer<'a> {
    blocks: BlockWriter<'a>,
    system: Vec<Value>,
    turns: Vec<Turn>,
}

/// One message of the wire.
struct Turn {
    role: &'static str,
    blocks: Vec<Value>,
    extra: Map<String, Value>,
}

impl Turn {
    fn into_value(self) -> Value {
        let mut fields = Map::from_iter([("role".to_owned(), Value::from(self.role))]);
        fields.insert("content".into(), flat(self.blocks));
        fields.extend(self.extra);
        fields.into()
    }
}

impl Writer<'_> {
    fn message(&mut self, message: Message) -> Result<(), ModelError> {
        let Message { role, parts, name, extra } = message;
        if name.is_some() {
            self.blocks.notes.dropped_parameter("messages.name")?;
        }
        let is_instruction = matches!(role, Role::System | Role::Developer);
        let stays = is_instruction && self.stays_in_place(&parts);
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            blocks.extend(self.blocks.block(part)?);
        }
        if is_instruction && !stays {
            if !self.turns.is_empty() && !blocks.is_empty() {
                let message = "instructions after the beginning; they are in the system prompt";
                self.blocks.notes.moved_content("messages", message);
            }
            self.system.extend(blocks);
            return Ok(());
        }
        let role = match role {
            Role::Assistant => "assistant",
            Role::System | Role::Developer => "system",
            Role::User | Role::Tool => "user",
        };
        self.turn(role, blocks, extra);
        Ok(())
    }

    /// Instructions between the turns: families that take them get them there, and so does everybody whose instructions
    /// hold blocks that have no other place.
    fn stays_in_place(&self, parts: &[Part]) -> bool {
        let is_own =
            |part: &Part| matches!(part, Part::Other { dialect, .. } if dialect == DIALECT);
        !self.turns.is_empty() && (self.blocks.family.system_messages || parts.iter().any(is_own))
    }

    fn turn(&mut self, role: &'static str, blocks: Vec<Value>, extra: Map<String, Value>) {
        if blocks.is_empty() {
            return;
        }
        match self.turns.last_mut() {
            Some(last) if last.role == role => {
                last.blocks.extend(blocks);
                last.extra.extend(extra);
            }
            _ => self.turns.push(Turn { role, blocks, extra }),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::{
        CacheControl, Media, MediaSource, Reasoning, TextPart, ToolCall, ToolResult, Unsupported,
    };

    use super::*;

    fn check(model: &str, messages: Vec<Message>, expect: Expect) {
        let mut notes = Notes::new(Unsupported::Warn);
        let conversation = render_messages(messages, Family::of(model), &mut notes).unwrap();
        let mut lines = vec![conversation.system.to_string()];
        lines.extend(conversation.messages.iter().map(Value::to_string));
        let warnings = notes.into_warnings();
        lines
            .extend(warnings.iter().map(|warning| format!("{} {}", warning.code, warning.message)));
        expect.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn tools_take_their_turn_and_thinking_comes_back() {
        let call = ToolCall {
            id: "call.1".into(),
            name: "look".into(),
            arguments: r#"{"at":"sky"}"#.into(),
            ..Default::default()
        };
        let thinking = |signature: Option<&str>, redacted: Option<&str>| {
            Part::Reasoning(Reasoning {
                text: "hm".into(),
                signature: signature.map(Into::into),
                redacted: redacted.map(Into::into),
                ..Default::default()
            })
        };
        check(
            "claude-haiku-4-5",
            vec![
                Message::system("be brief"),
                Message::user("what is it"),
                Message::new(
                    Role::Assistant,
                    vec![
                        thinking(Some("sig"), None),
                        thinking(None, Some("sealed")),
                        thinking(None, None),
                        Part::text(""),
                        Part::ToolCall(call),
                    ],
                ),
                Message::new(
                    Role::Tool,
                    vec![Part::ToolResult(ToolResult::text("call.1", "blue"))],
                ),
                Message::user("so"),
            ],
            expect![[r#"
                "be brief"
                {"role":"user","content":"what is it"}
                {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sig"},{"type":"redacted_thinking","data":"sealed"},{"type":"tool_use","id":"call_1","name":"look","input":{"at":"sky"}}]}
                {"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"blue"},{"type":"text","text":"so"}]}"#]],
        );
    }

    #[test]
    fn broken_arguments_are_kept() {
        let call = ToolCall {
            id: "a".into(),
            name: "look".into(),
            arguments: "{\"at".into(),
            ..Default::default()
        };
        check(
            "claude-haiku-4-5",
            vec![Message::new(Role::Assistant, vec![Part::ToolCall(call)])],
            expect![[r#"
                null
                {"role":"assistant","content":[{"type":"tool_use","id":"a","name":"look","input":{"arguments":"{\"at"}}]}
                moved_content arguments that are no JSON object; they stand in `arguments`"#]],
        );
    }

    #[test]
    fn later_instructions_stay_or_move() {
        let messages = || {
            vec![Message::system("a"), Message::user("b"), Message::system("c"), Message::user("d")]
        };
        check(
            "claude-haiku-4-5",
            messages(),
            expect![[r#"
            [{"type":"text","text":"a"},{"type":"text","text":"c"}]
            {"role":"user","content":[{"type":"text","text":"b"},{"type":"text","text":"d"}]}
            moved_content instructions after the beginning; they are in the system prompt"#]],
        );
        check(
            "claude-opus-4-8",
            messages(),
            expect![[r#"
            "a"
            {"role":"user","content":"b"}
            {"role":"system","content":"c"}
            {"role":"user","content":"d"}"#]],
        );
    }

    #[test]
    fn media_of_every_kind() {
        let media = |source, media_type: Option<&str>| Media {
            media_type: media_type.map(Into::into),
            ..Media::new(source)
        };
        let base64 = |data: &str| MediaSource::Base64(data.into());
        let cached = TextPart {
            cache: Some(CacheControl { ttl: Some("1h".into()) }),
            ..TextPart::new("look")
        };
        check(
            "claude-haiku-4-5",
            vec![Message::new(
                Role::User,
                vec![
                    Part::Text(cached),
                    Part::Image(media(base64("/9j/4AAQ"), None)),
                    Part::Image(media(MediaSource::Url("https://a.example/x.png".into()), None)),
                    Part::File(Media {
                        name: Some("a.pdf".into()),
                        ..media(base64("JVBERi0x"), Some("application/pdf"))
                    }),
                    Part::File(media(base64("aGk="), Some("text/csv"))),
                    Part::File(media(MediaSource::FileId("f1".into()), None)),
                    Part::File(media(base64("UEsDB"), Some("application/zip"))),
                    Part::Audio(media(base64("AAAA"), None)),
                ],
            )],
            expect![[r#"
                null
                {"role":"user","content":[{"type":"text","text":"look","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"/9j/4AAQ"}},{"type":"image","source":{"type":"url","url":"https://a.example/x.png"}},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0x"},"title":"a.pdf"},{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"}},{"type":"document","source":{"type":"file","file_id":"f1"}}]}
                dropped_content the provider does not take files of the type application/zip
                dropped_content the provider does not take sound"#]],
        );
    }
}
