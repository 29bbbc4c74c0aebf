//! [`render_generate`]: a [`ChatRequest`] into the body of `POST /v1/generate`, which goes on with a prompt.

use llm_core::{ChatRequest, Message, ModelError, Part, Role};
use serde_json::Value;

use crate::Quirks;
use crate::cohere::RenderedRequest;
use crate::cohere::body::Body;
use crate::cohere::parse::parse_sampling;
use crate::notes::Notes;
use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// The field that asks for log-probabilities, and its value for the answer's.
const LIKELIHOODS: (&str, &str) = ("return_likelihoods", "GENERATION");

/// Writes the body. One question is the prompt, instructions before it in a paragraph of their own. A conversation is
/// written down as `User: …` and `Chatbot: …`, a paragraph a turn, with `Chatbot:` at the end: this API knows no roles, and
/// its documentation names no form for them.
///
/// Tools, structured output, reasoning and media have no place and are dropped with a warning.
/// [`ChatRequest::extra_body`] comes last and replaces what stands there under the same name.
///
/// # Errors
/// [`ErrorKind::Unsupported`](llm_core::ErrorKind::Unsupported) for what is dropped, when the request says
/// [`Unsupported::Refuse`](llm_core::Unsupported::Refuse).
pub fn render_generate(
    mut request: ChatRequest,
    quirks: &Quirks,
) -> Result<RenderedRequest, ModelError> {
    let model = std::mem::take(&mut request.model);
    let mut notes = Notes::new(request.unsupported);
    let prompt = prompt(std::mem::take(&mut request.messages), &mut notes)?;
    let mut body = Body::new(notes, &model, quirks);
    if !model.is_empty() {
        body.insert("model", model.as_str());
    }
    body.insert("prompt", prompt);
    body.sampling(
        std::mem::take(&mut request.sampling),
        request.max_output_tokens,
        std::mem::take(&mut request.stop),
    )?;
    body.put("num_generations", request.n)?;
    let likelihoods = (request.logprobs == Some(true)).then_some(LIKELIHOODS.1);
    body.put(LIKELIHOODS.0, likelihoods)?;
    body.drop_if(!request.tools.is_empty(), "tools")?;
    body.drop_if(request.response_format.is_some(), "response_format")?;
    body.drop_if(request.reasoning.is_some(), "reasoning")?;
    body.without_words(&request)?;
    if request.stream {
        body.insert("stream", true);
    }
    let Body { mut map, notes, .. } = body;
    map.extend(request.extra_body);
    Ok(RenderedRequest { body: map, warnings: notes.into_warnings() })
}

fn prompt(messages: Vec<Message>, notes: &mut Notes) -> Result<String, ModelError> {
    let is_one_question = messages
        .iter()
        .filter(|message| !is_instruction(message))
        .map(|message| message.role)
        .eq([Role::User]);
    let mut paragraphs = Vec::with_capacity(messages.len() + 1);
    for message in messages {
        let speaker = match message.role {
            Role::Assistant => "Chatbot: ",
            Role::User | Role::Tool if !is_one_question => "User: ",
            _ => "",
        };
        let text = plain_text(message, notes)?;
        paragraphs.push(format!("{speaker}{text}"));
    }
    if !is_one_question {
        paragraphs.push("Chatbot:".to_owned());
    }
    Ok(paragraphs.join("\n\n"))
}

fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

/// The text of a message, without what is no text.
pub(crate) fn plain_text(message: Message, notes: &mut Notes) -> Result<String, ModelError> {
    let mut text = String::new();
    for part in message.parts {
        match part {
            Part::Text(part) | Part::Refusal(part) => text.push_str(&part.text),
            Part::Reasoning(block) if block.signature.is_none() && block.redacted.is_none() => {}
            Part::Other { .. } => {}
            _ => notes.dropped_content("messages", "anything but text")?,
        }
    }
    Ok(text)
}

/// Reads the body, as a client writes it: the prompt is one question. What has no name in [`ChatRequest`] goes to
/// [`ChatRequest::extra_body`].
///
/// # Errors
/// When a field that is known here has the wrong type; the error names the field.
pub fn parse_generate(body: Value) -> Result<ChatRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let prompt: String = fields.required("prompt")?;
    let mut request = ChatRequest {
        model: fields.optional("model")?.unwrap_or_default(),
        stream: fields.optional("stream")?.unwrap_or(false),
        n: fields.optional("num_generations")?,
        ..ChatRequest::new(vec![Message::user(prompt)])
    };
    if fields.peek(LIKELIHOODS.0).is_some_and(|value| value == LIKELIHOODS.1) {
        fields.take(LIKELIHOODS.0);
        request.logprobs = Some(true);
    }
    parse_sampling(&mut fields, &mut request)?;
    request.extra_body = fields.rest();
    Ok(request)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prompt_of(messages: Vec<Message>) -> Value {
        let rendered = render_generate(ChatRequest::new(messages), &Quirks::default()).unwrap();
        rendered.body["prompt"].clone()
    }

    #[test]
    fn conversations_are_written_down() {
        let (brief, why) = (Message::system("Be brief."), Message::user("Why?"));
        assert_eq!(prompt_of(vec![why.clone()]), "Why?");
        assert_eq!(prompt_of(vec![brief.clone(), why.clone()]), "Be brief.\n\nWhy?");
        let more = vec![brief, why, Message::assistant("So."), Message::user("So?")];
        let expected = "Be brief.\n\nUser: Why?\n\nChatbot: So.\n\nUser: So?\n\nChatbot:";
        assert_eq!(prompt_of(more), expected);
    }

    #[test]
    fn requests_are_read_as_they_are_written() {
        let body = json!({
            "model": "command-light", "prompt": "p", "max_tokens": 9, "stop_sequences": ["x"],
            "temperature": 2.0, "p": 0.5, "k": 1, "num_generations": 2,
            "return_likelihoods": "GENERATION", "stream": true, "truncate": "END",
        });
        let request = parse_generate(body.clone()).unwrap();
        let rendered = render_generate(request, &Quirks::default()).unwrap();
        assert_eq!(Value::Object(rendered.body), body);
        assert!(rendered.warnings.is_empty());
    }
}
