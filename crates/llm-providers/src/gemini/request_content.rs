//! The messages of a request, as Gemini takes them: one instruction, and contents of a user and a model.

use std::collections::BTreeMap;

use llm_core::{
    Media, MediaSource, Message, ModelError, Part, Reasoning, Role, TextPart, ToolCall, ToolResult,
};
use serde_json::{Map, Value, json};

use super::endpoint::Service;
use super::generation::Generation;
use super::request::extend_own;
use super::{DIALECT, call_id};
use crate::notes::Notes;

/// What Google documents for calls that another model made: third-generation models refuse a call without a signature,
/// and take this one without looking.
const FOREIGN_SIGNATURE: &str = "skip_thought_signature_validator";

/// Messages, rendered.
#[derive(Debug, Default)]
pub(super) struct RenderedMessages {
    pub(super) instruction: Option<Value>,
    pub(super) contents: Vec<Value>,
}

/// Writes all messages, in order. Instructions go together wherever they stand; results of tools that follow each other
/// become one content, as many results as there were calls.
pub(super) fn render_messages(
    messages: Vec<Message>,
    service: Service,
    generation: Generation,
    notes: &mut Notes,
) -> Result<RenderedMessages, ModelError> {
    let mut writer = Writer {
        service,
        generation,
        notes,
        calls: BTreeMap::new(),
        instruction: Vec::new(),
        contents: Vec::new(),
        results: Results::default(),
    };
    for message in messages {
        writer.message(message)?;
    }
    writer.flush_results();
    let Writer { instruction, contents, .. } = writer;
    let instruction = (!instruction.is_empty()).then(|| json!({ "parts": instruction }));
    Ok(RenderedMessages { instruction, contents })
}

struct Writer<'a> {
    service: Service,
    generation: Generation,
    notes: &'a mut Notes,
    /// Calls so far: id → (name, place among all calls).
    calls: BTreeMap<String, (String, usize)>,
    instruction: Vec<Value>,
    contents: Vec<Value>,
    results: Results,
}

/// Results of tools that wait for the end of their run, each with the place of its call.
#[derive(Default)]
struct Results {
    parts: Vec<(usize, Value)>,
    /// Media that the model takes only beside results.
    moved: Vec<Value>,
}

impl Writer<'_> {
    fn message(&mut self, message: Message) -> Result<(), ModelError> {
        let Message { role, parts, name, .. } = message;
        if name.is_some() {
            self.notes.dropped_parameter("name")?;
        }
        let is_only_results =
            !parts.is_empty() && parts.iter().all(|part| matches!(part, Part::ToolResult(_)));
        if is_only_results {
            return self.tool_results(parts);
        }
        self.flush_results();
        match role {
            Role::System | Role::Developer => self.instruction(parts),
            Role::Assistant => self.content("model", parts),
            Role::User | Role::Tool => self.content("user", parts),
        }
    }

    fn instruction(&mut self, parts: Vec<Part>) -> Result<(), ModelError> {
        if !self.contents.is_empty() {
            let what = "Gemini has one instruction; later ones were put behind the first";
            self.notes.moved_content("messages", what);
        }
        let parts = self.parts(parts)?;
        self.instruction.extend(parts);
        Ok(())
    }

    fn content(&mut self, role: &str, parts: Vec<Part>) -> Result<(), ModelError> {
        let mut parts = self.parts(parts)?;
        if role == "model" {
            self.sign_foreign_calls(&mut parts);
        }
        // Gemini refuses contents without parts; a message that says nothing is left out.
        if !parts.is_empty() {
            self.contents.push(json!({ "role": role, "parts": parts }));
        }
        Ok(())
    }

    fn parts(&mut self, parts: Vec<Part>) -> Result<Vec<Value>, ModelError> {
        let mut rendered = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Part::ToolResult(result) => {
                    let (_, result, moved) = self.tool_result(result)?;
                    rendered.push(result);
                    rendered.extend(moved);
                }
                part => rendered.extend(self.part(part)?),
            }
        }
        Ok(rendered)
    }

    /// A part; `None` for what was left out.
    fn part(&mut self, part: Part) -> Result<Option<Value>, ModelError> {
        match part {
            Part::Text(part) | Part::Refusal(part) => self.text(part).map(Some),
            Part::Image(media) | Part::Audio(media) | Part::File(media) => {
                self.media(media).map(Some)
            }
            Part::Reasoning(block) => self.reasoning(block),
            Part::ToolCall(call) => Ok(Some(self.tool_call(call))),
            Part::Other { dialect, value } if dialect == DIALECT => Ok(Some(value)),
            // Blocks of other dialects mean nothing here, as the vocabulary says.
            _ => Ok(None),
        }
    }

    fn text(&mut self, part: TextPart) -> Result<Value, ModelError> {
        let TextPart { text, cache, signature, extra, .. } = part;
        if cache.is_some() {
            self.notes.dropped_parameter("cache_control")?;
        }
        let mut fields = Map::from_iter([("text".to_owned(), Value::from(text))]);
        put_signature(&mut fields, signature);
        extend_own(&mut fields, extra);
        Ok(Value::Object(fields))
    }

    fn reasoning(&mut self, block: Reasoning) -> Result<Option<Value>, ModelError> {
        let Reasoning { text, signature, redacted, extra, .. } = block;
        let is_ours = extra.contains_key(DIALECT);
        if redacted.is_some() || signature.is_some() && !is_ours {
            let what = "reasoning that another provider sealed";
            self.notes.dropped_content("messages", what)?;
            return Ok(None);
        }
        let mut fields = Map::from_iter([
            ("text".to_owned(), Value::from(text)),
            ("thought".to_owned(), true.into()),
        ]);
        put_signature(&mut fields, signature);
        extend_own(&mut fields, extra);
        Ok(Some(Value::Object(fields)))
    }

    fn tool_call(&mut self, call: ToolCall) -> Value {
        let arguments = match call.parsed_arguments() {
            Ok(arguments @ Value::Object(_)) => arguments,
            // Broken arguments of an earlier answer are shown to the model as they were.
            _ => {
                let what = "arguments that are no JSON object were put under `arguments`";
                self.notes.moved_content("messages", what);
                json!({ "arguments": call.arguments })
            }
        };
        let mut function = Map::new();
        if let Some(id) = call_id::given(&call.id) {
            function.insert("id".to_owned(), id.into());
        }
        function.insert("name".to_owned(), call.name.as_str().into());
        function.insert("args".to_owned(), arguments);
        let place = self.calls.len();
        self.calls.insert(call.id, (call.name, place));
        let mut fields = Map::from_iter([("functionCall".to_owned(), Value::Object(function))]);
        put_signature(&mut fields, call.signature);
        extend_own(&mut fields, call.extra);
        Value::Object(fields)
    }

    /// The first of several parallel calls carries the signature. Where none does, another model made them.
    fn sign_foreign_calls(&self, parts: &mut [Value]) {
        if self.generation != Generation::Third {
            return;
        }
        let mut calls = parts
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .filter(|part| part.contains_key("functionCall"));
        let Some(first) = calls.next() else {
            return;
        };
        let is_signed = |part: &Map<String, Value>| part.contains_key("thoughtSignature");
        if !is_signed(first) && !calls.any(|call| is_signed(call)) {
            put_signature(first, Some(FOREIGN_SIGNATURE.to_owned()));
        }
    }

    fn tool_results(&mut self, parts: Vec<Part>) -> Result<(), ModelError> {
        for part in parts {
            if let Part::ToolResult(result) = part {
                let (place, result, moved) = self.tool_result(result)?;
                self.results.parts.push((place, result));
                self.results.moved.extend(moved);
            }
        }
        Ok(())
    }

    /// Gemini matches results without ids by their order.
    fn flush_results(&mut self) {
        let Results { mut parts, moved } = std::mem::take(&mut self.results);
        if parts.is_empty() {
            return;
        }
        let has_id =
            |part: &Value| part.pointer("/functionResponse/id").is_some_and(Value::is_string);
        if !parts.iter().all(|(_, part)| has_id(part)) {
            parts.sort_by_key(|(place, _)| *place);
        }
        let parts: Vec<Value> = parts.into_iter().map(|(_, part)| part).chain(moved).collect();
        self.contents.push(json!({ "role": "user", "parts": parts }));
    }

    /// The place of the call, the result, and media that stand beside it.
    fn tool_result(
        &mut self,
        result: ToolResult,
    ) -> Result<(usize, Value, Vec<Value>), ModelError> {
        let ToolResult { call_id: id, name, parts, is_error, extra } = result;
        let known = self.calls.get(&id).cloned();
        let place = known.as_ref().map_or(usize::MAX, |(_, place)| *place);
        let name = name.or(known.map(|(name, _)| name)).unwrap_or_else(|| id.clone());
        let (texts, media): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| part.as_text().is_some());
        let mut rendered = Vec::new();
        for part in media {
            rendered.extend(self.part(part)?);
        }
        let text: String = texts.iter().filter_map(Part::as_text).collect();
        let mut response = Map::new();
        if let Some(id) = call_id::given(&id) {
            response.insert("id".to_owned(), id.into());
        }
        response.insert("name".to_owned(), name.into());
        response.insert("response".to_owned(), response_of(text, is_error));
        let mut moved = Vec::new();
        if self.generation != Generation::Second && !rendered.is_empty() {
            response.insert("parts".to_owned(), rendered.into());
        } else if !rendered.is_empty() {
            let what = "media in results of tools; they follow the results";
            self.notes.moved_content("messages", what);
            moved = rendered;
        }
        let mut fields = Map::from_iter([("functionResponse".to_owned(), Value::Object(response))]);
        extend_own(&mut fields, extra);
        Ok((place, Value::Object(fields), moved))
    }

    fn media(&mut self, media: Media) -> Result<Value, ModelError> {
        let Media { source, media_type, name, detail, cache, extra } = media;
        if cache.is_some() {
            self.notes.dropped_parameter("cache_control")?;
        }
        if detail.is_some_and(|detail| detail != "auto") {
            self.notes.dropped_parameter("detail")?;
        }
        let (kind, content, uri) = match inline(source, media_type) {
            Inline::Text(text) => return Ok(json!({ "text": text })),
            Inline::Data { media_type, data } => ("inlineData", data, media_type),
            Inline::At { uri, media_type } => ("fileData", uri, media_type),
        };
        let field = if kind == "inlineData" { "data" } else { "fileUri" };
        let mut fields = Map::new();
        if let Some(media_type) = uri {
            fields.insert("mimeType".to_owned(), media_type.into());
        }
        fields.insert(field.to_owned(), content.into());
        match (name, self.service) {
            (Some(name), Service::Vertex) => {
                fields.insert("displayName".to_owned(), name.into());
            }
            (Some(_), Service::GeminiApi) => self.notes.dropped_parameter("filename")?,
            (None, _) => {}
        }
        let mut part = Map::from_iter([(kind.to_owned(), Value::Object(fields))]);
        extend_own(&mut part, extra);
        Ok(Value::Object(part))
    }
}

/// What Gemini takes of a source.
enum Inline {
    Text(String),
    Data { media_type: Option<String>, data: String },
    At { uri: String, media_type: Option<String> },
}

fn inline(source: MediaSource, media_type: Option<String>) -> Inline {
    match source {
        MediaSource::Text(text) => Inline::Text(text),
        MediaSource::Base64(data) => Inline::Data { media_type, data },
        MediaSource::FileId(id) => Inline::At { uri: file_uri(id), media_type },
        MediaSource::Url(url) => {
            let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
            match data {
                Some((named, data)) => {
                    let named = Some(named.to_owned()).filter(|name| !name.is_empty());
                    Inline::Data { media_type: media_type.or(named), data: data.to_owned() }
                }
                None => {
                    let media_type = media_type.or_else(|| media_type_of(&url));
                    Inline::At { uri: url, media_type }
                }
            }
        }
    }
}

/// Files of the Gemini API are named by their address.
fn file_uri(id: String) -> String {
    if id.starts_with("files/") {
        format!("https://generativelanguage.googleapis.com/v1beta/{id}")
    } else {
        id
    }
}

/// By the ending of a path; the provider looks itself where that tells nothing.
fn media_type_of(url: &str) -> Option<String> {
    const TYPES: [(&str, &str); 16] = [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("gif", "image/gif"),
        ("heic", "image/heic"),
        ("pdf", "application/pdf"),
        ("txt", "text/plain"),
        ("html", "text/html"),
        ("csv", "text/csv"),
        ("mp3", "audio/mpeg"),
        ("wav", "audio/wav"),
        ("flac", "audio/flac"),
        ("mp4", "video/mp4"),
        ("webm", "video/webm"),
        ("mov", "video/quicktime"),
    ];
    let path = url.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit_once('.')?;
    let known = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending));
    known.map(|(_, media_type)| (*media_type).to_owned())
}

/// A JSON object is the response itself; other text is its `output` or `error`.
fn response_of(text: String, is_error: bool) -> Value {
    match serde_json::from_str(&text) {
        Ok(object @ Value::Object(_)) if !is_error => object,
        _ if is_error => json!({ "error": text }),
        _ => json!({ "output": text }),
    }
}

fn put_signature(fields: &mut Map<String, Value>, signature: Option<String>) {
    if let Some(signature) = signature {
        fields.insert("thoughtSignature".to_owned(), signature.into());
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::{Extra, Unsupported};

    use super::*;

    fn check(model: &str, messages: Vec<Message>, expect: Expect) {
        let mut notes = Notes::new(Unsupported::Warn);
        let generation = Generation::of(model);
        let rendered =
            render_messages(messages, Service::GeminiApi, generation, &mut notes).unwrap();
        let mut text = String::new();
        for content in rendered.instruction.into_iter().chain(rendered.contents) {
            text.push_str(&format!("{content}\n"));
        }
        for warning in notes.into_warnings() {
            let param = warning.param.unwrap_or_default();
            text.push_str(&format!("{} {param}: {}\n", warning.code, warning.message));
        }
        expect.assert_eq(&text);
    }

    fn call(id: &str, name: &str, signature: Option<&str>) -> Part {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: "{\"x\":1}".into(),
            signature: signature.map(Into::into),
            extra: Extra::new(),
        })
    }

    fn result(id: &str, text: &str) -> Message {
        Message::new(Role::Tool, vec![Part::ToolResult(ToolResult::text(id, text))])
    }

    #[test]
    fn results_of_parallel_calls_are_one_content_in_the_order_of_the_calls() {
        check(
            "gemini-2.5-flash",
            vec![
                Message::new(
                    Role::Assistant,
                    vec![call("gcall_a_0", "f", Some("s")), call("c2", "f", None)],
                ),
                result("c2", "two"),
                result("gcall_a_0", "{\"n\":1}"),
                Message::user("so?"),
            ],
            expect![[r#"
                {"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":1}},"thoughtSignature":"s"},{"functionCall":{"id":"c2","name":"f","args":{"x":1}}}]}
                {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"n":1}}},{"functionResponse":{"id":"c2","name":"f","response":{"output":"two"}}}]}
                {"role":"user","parts":[{"text":"so?"}]}
            "#]],
        );
    }

    #[test]
    fn calls_of_another_model_get_the_documented_signature() {
        let history = vec![Message::new(
            Role::Assistant,
            vec![Part::text("hm"), call("c1", "f", None), call("c2", "f", None)],
        )];
        check(
            "gemini-3-pro-preview",
            history.clone(),
            expect![[r#"
                {"role":"model","parts":[{"text":"hm"},{"functionCall":{"id":"c1","name":"f","args":{"x":1}},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"id":"c2","name":"f","args":{"x":1}}}]}
            "#]],
        );
        check(
            "gemini-2.5-pro",
            history,
            expect![[r#"
                {"role":"model","parts":[{"text":"hm"},{"functionCall":{"id":"c1","name":"f","args":{"x":1}}},{"functionCall":{"id":"c2","name":"f","args":{"x":1}}}]}
            "#]],
        );
    }

    #[test]
    fn reasoning_goes_back_unless_another_provider_sealed_it() {
        let block = |signature: Option<&str>, extra: Extra| {
            Part::Reasoning(Reasoning {
                text: "hm".into(),
                signature: signature.map(Into::into),
                extra,
                ..Reasoning::default()
            })
        };
        let ours = Extra::from_iter([(DIALECT.to_owned(), json!({}))]);
        check(
            "gemini-3-pro",
            vec![Message::new(
                Role::Assistant,
                vec![
                    block(Some("s"), ours),
                    block(None, Extra::new()),
                    block(Some("t"), Extra::new()),
                ],
            )],
            expect![[r#"
                {"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"s"},{"text":"hm","thought":true}]}
                dropped_content messages: the provider does not take reasoning that another provider sealed
            "#]],
        );
    }

    #[test]
    fn media_have_their_forms() {
        let image = |source| Part::Image(Media { media_type: None, ..Media::new(source) });
        let mut shown = ToolResult::text("c", "seen");
        shown.parts.push(image(MediaSource::Url("data:image/png;base64,AA==".into())));
        let messages = vec![
            Message::new(
                Role::User,
                vec![
                    image(MediaSource::Url("https://a.example/b.JPG?x=1".into())),
                    Part::File(Media::new(MediaSource::FileId("files/1".into()))),
                    Part::File(Media::new(MediaSource::Text("plain".into()))),
                ],
            ),
            Message::new(Role::Tool, vec![Part::ToolResult(shown)]),
        ];
        check(
            "gemini-2.5-flash",
            messages.clone(),
            expect![[r#"
                {"role":"user","parts":[{"fileData":{"mimeType":"image/jpeg","fileUri":"https://a.example/b.JPG?x=1"}},{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/1"}},{"text":"plain"}]}
                {"role":"user","parts":[{"functionResponse":{"id":"c","name":"c","response":{"output":"seen"}}},{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}
                moved_content messages: media in results of tools; they follow the results
            "#]],
        );
        check(
            "gemini-3-flash",
            messages,
            expect![[r#"
                {"role":"user","parts":[{"fileData":{"mimeType":"image/jpeg","fileUri":"https://a.example/b.JPG?x=1"}},{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/1"}},{"text":"plain"}]}
                {"role":"user","parts":[{"functionResponse":{"id":"c","name":"c","response":{"output":"seen"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}}]}
            "#]],
        );
    }

    #[test]
    fn later_instructions_join_the_first() {
        check(
            "gemini-3-flash",
            vec![Message::system("a"), Message::user("q"), Message::system("b")],
            expect![[r#"
                {"parts":[{"text":"a"},{"text":"b"}]}
                {"role":"user","parts":[{"text":"q"}]}
                moved_content messages: Gemini has one instruction; later ones were put behind the first
            "#]],
        );
    }
}
