//! `/api/generate`: a prompt and its completion, in terms of chat.

use llm_core::{ChatRequest, Media, MediaSource, Message, ModelError, Part, Role};
use serde_json::{Map, Value};

use super::options::parse_options;
use super::parse::{parse_format, parse_rest};
use super::request::{RenderedRequest, put_rest};
use super::request_message::{Content, add_part};
use crate::notes::Notes;
use crate::openai::fields::{Fields, RequestError};

/// Writes the body of `POST /api/generate`: instructions become `system`, the texts of all other messages, with blank
/// lines between them, the prompt. `template`, `context`, `raw` and `suffix` can be given in
/// [`ChatRequest::extra_body`].
///
/// # Errors
/// As [`render_request`](super::render_request).
pub fn render_completion(mut request: ChatRequest) -> Result<RenderedRequest, ModelError> {
    let mut notes = Notes::new(request.unsupported);
    let (mut system, mut prompt) = (Vec::new(), Vec::new());
    let mut images = Vec::new();
    for message in std::mem::take(&mut request.messages) {
        let mut content = Content::default();
        for part in message.parts {
            add_part(&mut content, part, &mut notes)?;
        }
        let is_instruction = matches!(message.role, Role::System | Role::Developer);
        if is_instruction { &mut system } else { &mut prompt }.push(content.text);
        images.extend(content.images);
    }
    if !request.tools.is_empty() {
        notes.dropped_parameter("tools")?;
    }
    let mut body = Map::new();
    body.insert("model".to_owned(), std::mem::take(&mut request.model).into());
    body.insert("prompt".to_owned(), prompt.join("\n\n").into());
    if !system.is_empty() {
        body.insert("system".to_owned(), system.join("\n\n").into());
    }
    if !images.is_empty() {
        body.insert("images".to_owned(), images.into());
    }
    put_rest(&mut body, request, &mut notes)?;
    Ok(RenderedRequest { body, warnings: notes.into_warnings() })
}

/// Reads the body of `POST /api/generate`. Every field without a name in [`ChatRequest`] goes to
/// [`ChatRequest::extra_body`].
///
/// # Errors
/// When a field that is known here has the wrong type; the error names the field.
pub fn parse_completion(body: Value) -> Result<ChatRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let mut request = ChatRequest { model: fields.required("model")?, ..ChatRequest::default() };
    let system: Option<String> = fields.optional("system")?;
    request.messages.extend(system.filter(|text| !text.is_empty()).map(Message::system));
    let mut parts = vec![Part::text(fields.optional::<String>("prompt")?.unwrap_or_default())];
    let images: Vec<String> = fields.optional("images")?.unwrap_or_default();
    let image = |data| Part::Image(Media::new(MediaSource::Base64(data)));
    parts.extend(images.into_iter().map(image));
    request.messages.push(Message::new(Role::User, parts));
    request.response_format = parse_format(&mut fields);
    let options = fields.take("options").unwrap_or_else(|| Map::new().into());
    let options = parse_options(options, &mut request)?;
    parse_rest(fields, options, &mut request)?;
    Ok(request)
}
