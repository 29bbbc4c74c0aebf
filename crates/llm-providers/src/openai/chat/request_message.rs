//! The messages of a request, as a provider of this dialect takes them.

use llm_core::ToolResult;
use llm_core::{
    Media, MediaSource, Message, ModelError, Part, Reasoning, Role, TextPart, ToolCall,
};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::request::put_cache_control;
use crate::notes::Notes;
use crate::openai::server::reasoning_detail_value;
use crate::quirks::{Quirks, ReasoningReturn};

/// Writes all messages, in order. Results of tools become messages of their own.
pub(super) fn render_messages(
    messages: Vec<Message>,
    quirks: &Quirks,
    notes: &mut Notes,
) -> Result<Vec<Value>, ModelError> {
    let mut writer = Writer { quirks, notes, rendered: Vec::new(), moved: Vec::new() };
    for message in messages {
        writer.message(message)?;
    }
    writer.flush_moved();
    Ok(writer.rendered)
}

struct Writer<'a> {
    quirks: &'a Quirks,
    notes: &'a mut Notes,
    rendered: Vec<Value>,
    /// Pictures and files out of tool results. This dialect takes only text there, so they follow in a user message
    /// once the run of tool messages is over.
    moved: Vec<Value>,
}

impl Writer<'_> {
    fn message(&mut self, message: Message) -> Result<(), ModelError> {
        let Message { role, parts, name, extra } = message;
        let (results, parts): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| matches!(part, Part::ToolResult(_)));
        let is_only_results = !results.is_empty() && parts.is_empty();
        let mut extra = Some(extra);
        for result in results {
            if let Part::ToolResult(result) = result {
                let extra = if is_only_results { extra.take() } else { None };
                self.tool_result(result, extra.unwrap_or_default())?;
            }
        }
        if is_only_results {
            return Ok(());
        }
        self.flush_moved();
        let mut fields = Map::from_iter([("role".to_owned(), self.role(role).into())]);
        if role == Role::Assistant {
            self.assistant(
                parts,
                extra.as_ref().is_some_and(|extra| !extra.is_empty()),
                &mut fields,
            )?;
        } else {
            let content = self.content(parts)?;
            fields.insert("content".into(), content);
        }
        if let Some(name) = name {
            fields.insert("name".into(), name.into());
        }
        fields.extend(extra.unwrap_or_default());
        self.rendered.push(fields.into());
        Ok(())
    }

    fn role(&self, role: Role) -> &'static str {
        match role {
            Role::Developer if !self.quirks.no_developer_role => "developer",
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }

    fn flush_moved(&mut self) {
        if !self.moved.is_empty() {
            let content = std::mem::take(&mut self.moved);
            self.rendered.push(json!({ "role": "user", "content": content }));
        }
    }

    fn tool_result(
        &mut self,
        result: ToolResult,
        extra: Map<String, Value>,
    ) -> Result<(), ModelError> {
        let ToolResult { call_id, name, parts, .. } = result;
        let (media, texts): (Vec<_>, Vec<_>) = parts
            .into_iter()
            .partition(|part| matches!(part, Part::Image(_) | Part::Audio(_) | Part::File(_)));
        for part in media {
            let what = "media in results of tools; it follows in a user message";
            self.notes.moved_content("messages", what);
            let moved = self.part(part)?;
            self.moved.extend(moved);
        }
        let content = match self.content(texts)? {
            Value::Null => "".into(),
            content => content,
        };
        let mut fields = Map::new();
        if call_id.is_empty() {
            // The older form, which matches results by name, or no form at all.
            let role = if name.is_some() { "function" } else { "tool" };
            fields.insert("role".into(), role.into());
        } else {
            fields.insert("role".into(), "tool".into());
            fields.insert("tool_call_id".into(), call_id.into());
        }
        fields.insert("content".into(), content);
        if let Some(name) = name {
            fields.insert("name".into(), name.into());
        }
        fields.extend(extra);
        self.rendered.push(fields.into());
        Ok(())
    }

    fn assistant(
        &mut self,
        parts: Vec<Part>,
        has_extra: bool,
        fields: &mut Map<String, Value>,
    ) -> Result<(), ModelError> {
        let (mut said, mut reasoning, mut refusal) = (Vec::new(), Vec::new(), None::<String>);
        let mut calls = Vec::new();
        for part in parts {
            match part {
                Part::Reasoning(block) => reasoning.push(block),
                Part::ToolCall(call) => calls.push(tool_call(call)),
                Part::Refusal(part) => refusal.get_or_insert_default().push_str(&part.text),
                Part::Other { dialect, value } if dialect == DIALECT && is_custom_call(&value) => {
                    calls.push(value);
                }
                Part::Image(_) | Part::Audio(_) | Part::File(_) => {
                    self.notes.dropped_content("messages", "media in earlier answers")?;
                }
                part => said.push(part),
            }
        }
        let content = match self.content(said)? {
            // Content may only be missing where something else says what the model did.
            Value::Null if calls.is_empty() && refusal.is_none() && !has_extra => "".into(),
            content => content,
        };
        fields.insert("content".into(), content);
        self.reasoning(reasoning, fields)?;
        if let Some(refusal) = refusal {
            fields.insert("refusal".into(), refusal.into());
        }
        if !calls.is_empty() {
            fields.insert("tool_calls".into(), calls.into());
        }
        Ok(())
    }

    fn reasoning(
        &mut self,
        blocks: Vec<Reasoning>,
        fields: &mut Map<String, Value>,
    ) -> Result<(), ModelError> {
        if blocks.is_empty() {
            return Ok(());
        }
        let text = |blocks: &[Reasoning]| -> Value {
            blocks.iter().map(|block| block.text.as_str()).collect::<String>().into()
        };
        match self.quirks.reasoning_return {
            ReasoningReturn::Never => {
                // Plain reasoning is the model's own affair and goes stale with its turn. What a provider signed or
                // encrypted was meant to come back.
                let is_sealed =
                    |block: &Reasoning| block.signature.is_some() || block.redacted.is_some();
                if blocks.iter().any(is_sealed) {
                    self.notes
                        .dropped_content("messages", "sealed reasoning of earlier answers")?;
                }
            }
            ReasoningReturn::ReasoningContent => {
                fields.insert("reasoning_content".into(), text(&blocks));
            }
            ReasoningReturn::Reasoning => {
                fields.insert("reasoning".into(), text(&blocks));
            }
            ReasoningReturn::AsItCame if blocks.iter().all(Reasoning::is_plain) => {
                fields.insert("reasoning_content".into(), text(&blocks));
            }
            ReasoningReturn::ReasoningDetails if blocks.iter().all(Reasoning::is_plain) => {
                fields.insert("reasoning".into(), text(&blocks));
            }
            ReasoningReturn::ReasoningDetails | ReasoningReturn::AsItCame => {
                let details: Vec<Value> = blocks.into_iter().map(reasoning_detail_value).collect();
                fields.insert("reasoning_details".into(), details.into());
            }
        }
        Ok(())
    }

    /// Null for nothing, a string for one plain text, an array otherwise.
    fn content(&mut self, mut parts: Vec<Part>) -> Result<Value, ModelError> {
        // Blocks of other dialects are left out; what remains may be one plain text.
        parts.retain(|part| !matches!(part, Part::Other { dialect, .. } if dialect != DIALECT));
        let is_all_plain = parts.iter().all(is_plain_text);
        if is_all_plain && (parts.len() == 1 || self.quirks.flat_text && !parts.is_empty()) {
            let text: String = match parts.pop() {
                Some(Part::Text(part)) if parts.is_empty() => part.text,
                Some(last) => parts.iter().chain([&last]).filter_map(Part::as_text).collect(),
                None => String::new(),
            };
            return Ok(text.into());
        }
        let mut rendered = Vec::with_capacity(parts.len());
        for part in parts {
            rendered.extend(self.part(part)?);
        }
        Ok(if rendered.is_empty() { Value::Null } else { rendered.into() })
    }

    /// A part of content; `None` for what was left out.
    fn part(&mut self, part: Part) -> Result<Option<Value>, ModelError> {
        match part {
            Part::Text(part) => self.text(part).map(Some),
            Part::Refusal(part) => Ok(Some(json!({ "type": "refusal", "refusal": part.text }))),
            Part::Image(media) => self.image(media),
            Part::Audio(media) => self.audio(media),
            Part::File(media) => self.file(media),
            Part::Other { dialect, value } if dialect == DIALECT => Ok(Some(value)),
            Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
                self.notes.dropped_content("messages", "reasoning or tools in this message")?;
                Ok(None)
            }
            // Blocks of other dialects mean nothing here, as the vocabulary says.
            _ => Ok(None),
        }
    }

    fn text(&mut self, part: TextPart) -> Result<Value, ModelError> {
        let mut value = json!({ "type": "text", "text": part.text });
        put_cache_control(&mut value, part.cache, self.quirks, self.notes)?;
        extend(&mut value, part.extra);
        Ok(value)
    }

    fn image(&mut self, media: Media) -> Result<Option<Value>, ModelError> {
        let Some(url) = media_url(media.source, media.media_type.as_deref()) else {
            self.notes.dropped_content("messages", "pictures by file id or as text")?;
            return Ok(None);
        };
        let mut image = Map::from_iter([("url".to_owned(), Value::from(url))]);
        if let Some(detail) = media.detail {
            image.insert("detail".into(), detail.into());
        }
        image.extend(media.extra);
        let mut part = json!({ "type": "image_url", "image_url": image });
        put_cache_control(&mut part, media.cache, self.quirks, self.notes)?;
        Ok(Some(part))
    }

    fn audio(&mut self, media: Media) -> Result<Option<Value>, ModelError> {
        let data = match media.source {
            MediaSource::Base64(data) => data,
            MediaSource::Url(url) => url,
            MediaSource::FileId(_) | MediaSource::Text(_) => {
                self.notes.dropped_content("messages", "sound by file id or as text")?;
                return Ok(None);
            }
        };
        let mut audio = Map::from_iter([("data".to_owned(), Value::from(data))]);
        if let Some(media_type) = media.media_type {
            audio.insert("format".into(), format_of_media_type(&media_type).into());
        }
        audio.extend(media.extra);
        Ok(Some(json!({ "type": "input_audio", "input_audio": audio })))
    }

    fn file(&mut self, media: Media) -> Result<Option<Value>, ModelError> {
        let mut file = Map::new();
        match media.source {
            MediaSource::FileId(id) => {
                file.insert("file_id".into(), id.into());
            }
            MediaSource::Text(text) => return self.text(TextPart::new(text)).map(Some),
            source => {
                let url = media_url(source, media.media_type.as_deref()).unwrap_or_default();
                file.insert("file_data".into(), url.into());
            }
        }
        if let Some(name) = media.name {
            file.insert("filename".into(), name.into());
        }
        file.extend(media.extra);
        let mut part = json!({ "type": "file", "file": file });
        put_cache_control(&mut part, media.cache, self.quirks, self.notes)?;
        Ok(Some(part))
    }
}

fn is_plain_text(part: &Part) -> bool {
    matches!(part, Part::Text(part) if part.cache.is_none() && part.extra.is_empty())
}

fn is_custom_call(value: &Value) -> bool {
    value.get("type").is_some_and(|kind| kind == "custom")
}

/// A call without an id is one of a provider that gives none, and takes none.
fn tool_call(call: ToolCall) -> Value {
    let mut fields = Map::new();
    if !call.id.is_empty() {
        fields.insert("id".into(), call.id.into());
    }
    fields.insert("type".into(), "function".into());
    fields.insert("function".into(), json!({ "name": call.name, "arguments": call.arguments }));
    fields.extend(call.extra);
    fields.into()
}

fn extend(value: &mut Value, extra: Map<String, Value>) {
    if let Some(fields) = value.as_object_mut() {
        fields.extend(extra);
    }
}

pub(crate) fn media_url(source: MediaSource, media_type: Option<&str>) -> Option<String> {
    match source {
        MediaSource::Url(url) => Some(url),
        MediaSource::Base64(data) => {
            let media_type = media_type.unwrap_or_else(|| sniff_media_type(&data));
            Some(format!("data:{media_type};base64,{data}"))
        }
        MediaSource::FileId(_) | MediaSource::Text(_) => None,
    }
}

/// The type that the first bytes tell, in base64.
fn sniff_media_type(data: &str) -> &'static str {
    const BEGINNINGS: [(&str, &str); 5] = [
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBERi", "application/pdf"),
    ];
    BEGINNINGS
        .iter()
        .find(|(beginning, _)| data.starts_with(beginning))
        .map_or("application/octet-stream", |(_, media_type)| media_type)
}

pub(in crate::openai) fn format_of_media_type(media_type: &str) -> &str {
    match media_type {
        "audio/mpeg" => "mp3",
        "audio/x-wav" | "audio/wave" => "wav",
        other => other.strip_prefix("audio/").unwrap_or(other),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::parse_message::parse_message;
    use super::*;
    use crate::catalogue;

    fn check(provider: &str, messages: Vec<Message>, expect: Expect) {
        let quirks = catalogue::find(provider).map(|entry| entry.quirks.clone());
        let mut notes = Notes::new(Default::default());
        let rendered = render_messages(messages, &quirks.unwrap_or_default(), &mut notes).unwrap();
        let mut lines: Vec<String> = rendered.iter().map(Value::to_string).collect();
        lines.extend(notes.into_warnings().into_iter().map(|warning| warning.code));
        expect.assert_eq(&lines.join("\n"));
    }

    /// What comes in from a client goes out to a provider unchanged.
    #[test]
    fn messages_survive_both_ways() {
        for message in [
            json!({ "role": "system", "content": "be brief" }),
            json!({ "role": "user", "content": [
                { "type": "text", "text": "what is it?" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA", "detail": "low" } },
                { "type": "input_audio", "input_audio": { "data": "AAAA", "format": "mp3" } },
                { "type": "file", "file": { "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf" } },
                { "type": "file", "file": { "file_id": "file-1" } },
                { "type": "video_url", "video_url": { "url": "https://example.org/v" } },
            ], "name": "ann" }),
            json!({ "role": "assistant", "content": null, "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "look", "arguments": "{" } },
                { "type": "custom", "id": "c2", "custom": { "name": "x", "input": "y" } },
            ] }),
            json!({ "role": "assistant", "content": "no", "refusal": "I will not", "audio": { "id": "a1" } }),
            json!({ "role": "tool", "tool_call_id": "c1", "content": "42" }),
            json!({ "role": "function", "content": "42", "name": "look" }),
        ] {
            let parsed = parse_message(message.clone(), "messages[0]").unwrap();
            let mut notes = Notes::new(Default::default());
            let rendered = render_messages(vec![parsed], &Quirks::default(), &mut notes).unwrap();
            assert_eq!(rendered, [message]);
            assert_eq!(notes.into_warnings(), []);
        }
    }

    #[test]
    fn results_of_tools_stand_alone_and_their_media_follow() {
        let result =
            |id: &str, parts| Part::ToolResult(ToolResult { parts, ..ToolResult::text(id, "") });
        let picture = Part::Image(Media::new(MediaSource::Base64("/9j/AA".into())));
        let message = Message::new(
            Role::User,
            vec![
                result("c1", vec![Part::text("seen"), picture]),
                result("c2", vec![]),
                Part::text("and now?"),
            ],
        );
        check(
            "",
            vec![message],
            expect![[r#"
            {"role":"tool","tool_call_id":"c1","content":"seen"}
            {"role":"tool","tool_call_id":"c2","content":""}
            {"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,/9j/AA"}}]}
            {"role":"user","content":"and now?"}
            moved_content"#]],
        );
    }

    #[test]
    fn reasoning_goes_back_where_it_belongs() {
        let signed =
            Reasoning { text: "hm".into(), signature: Some("sig".into()), ..Reasoning::default() };
        let messages =
            vec![Message::new(Role::Assistant, vec![Part::Reasoning(signed), Part::text("yes")])];
        check(
            "deepseek",
            messages.clone(),
            expect![[r#"{"role":"assistant","content":"yes","reasoning_content":"hm"}"#]],
        );
        check(
            "openrouter",
            messages.clone(),
            expect![[
                r#"{"role":"assistant","content":"yes","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"sig"}]}"#
            ]],
        );
        check(
            "openai",
            messages,
            expect![[r#"
            {"role":"assistant","content":"yes"}
            dropped_content"#]],
        );
    }
}
