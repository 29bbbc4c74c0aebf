//! Completions as they were before chat (API reference, "Completions", legacy): a prompt in, its continuation out. Base
//! models and servers of open models still speak it, and so does filling in the middle.
//!
//! A model of this interface is a chat model all the same. Its prompt is the texts of all messages, oldest first, with an
//! empty line between two; roles are not written, since there is no way of writing them that every model knows. Who wants
//! a template gives one message that is already written. What stands in
//! [`ChatRequest::extra_body`] goes along: `suffix`, `echo`, `best_of`, or another `prompt` (a list, token numbers), which
//! then holds instead.
//!
//! Answers are read by [`ChatDecoder`](super::chat::ChatDecoder).

use std::sync::Arc;

use llm_core::{ChatReply, ChatRequest, Message, ModelError, Part};

use super::chat::{Body, RenderedRequest, ask_at};
use super::provider::Shared;
use crate::Quirks;
use crate::notes::Notes;
use crate::structured::{self, StructuredOutput};

/// Asks.
///
/// # Errors
/// A failure before the first event; a later one is the reply's.
pub(super) async fn ask(
    shared: Arc<Shared>,
    request: ChatRequest,
) -> Result<ChatReply, ModelError> {
    ask_at(shared, "completions", render_completion_request, request).await
}

/// Writes the body of `POST …/completions`. Tools and reasoning have no place in it, nor has anything but text in messages; a
/// form of the answer is asked for in the prompt.
///
/// # Errors
/// As [`render_request`](super::chat::render_request) of chat.
pub fn render_completion_request(
    mut request: ChatRequest,
    quirks: &Quirks,
) -> Result<RenderedRequest, ModelError> {
    let mut notes = Notes::new(request.unsupported);
    structured::settle(&mut request, StructuredOutput::Prompt, &mut notes)?;
    let prompt = prompt(&request.messages, &mut notes)?;
    let mut body = Body::new(&request.model, quirks, notes);
    body.insert("model", request.model.as_str());
    body.insert("prompt", prompt);
    body.sampling(request.sampling)?;
    body.put("max_tokens", request.max_output_tokens)?;
    body.stop(request.stop)?;
    body.put("n", request.n)?;
    // One number says both whether and how many.
    let alternatives = request.top_logprobs.or(request.logprobs.filter(|asked| *asked).map(|_| 0));
    body.put("logprobs", alternatives)?;
    body.put("user", request.user)?;
    for (name, is_given) in [
        ("tools", !request.tools.is_empty()),
        ("tool_choice", request.tool_choice.is_some()),
        ("parallel_tool_calls", request.parallel_tool_calls.is_some()),
        ("reasoning", request.reasoning.is_some()),
        ("service_tier", request.service_tier.is_some()),
    ] {
        body.drop_if(is_given, name)?;
    }
    Ok(body.finish(request.stream, request.extra_body))
}

fn prompt(messages: &[Message], notes: &mut Notes) -> Result<String, ModelError> {
    let mut texts = Vec::with_capacity(messages.len());
    for (at, message) in messages.iter().enumerate() {
        let mut text = String::new();
        for part in &message.parts {
            match part {
                Part::Text(part) => text.push_str(&part.text),
                _ => notes.dropped_content(&format!("messages[{at}]"), "anything but text")?,
            }
        }
        texts.push(text);
    }
    Ok(texts.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use llm_core::{ChatEvent, ErrorKind, FinishReason, Media, MediaSource, Tool, Unsupported};
    use serde_json::{Value, json};

    use super::*;
    use crate::openai::chat::ChatDecoder;
    use crate::stream::decode_chunks;

    fn request() -> ChatRequest {
        ChatRequest {
            model: "m".into(),
            max_output_tokens: Some(9),
            stop: vec!["x".into()],
            ..ChatRequest::new(vec![Message::system("be brief"), Message::user("1, 2,")]).streamed()
        }
    }

    #[test]
    fn messages_become_a_prompt() {
        let mut request = request();
        request.logprobs = Some(true);
        request.extra_body.insert("suffix".into(), json!("!"));
        let rendered = render_completion_request(request, &Quirks::default()).unwrap();
        assert_eq!(rendered.warnings, []);
        expect![[r#"{"model":"m","prompt":"be brief\n\n1, 2,","max_tokens":9,"stop":"x","logprobs":0,"stream":true,"stream_options":{"include_usage":true},"suffix":"!"}"#]]
            .assert_eq(&Value::Object(rendered.body).to_string());
    }

    #[test]
    fn what_has_no_place_is_told() {
        let mut request = request();
        request.tools = vec![Tool::function("f", "does", json!({}))];
        request.messages[1]
            .parts
            .push(Part::Image(Media::new(MediaSource::Url("https://a.example/b.png".into()))));
        let rendered = render_completion_request(request.clone(), &Quirks::default()).unwrap();
        let params: Vec<_> = rendered.warnings.iter().filter_map(|w| w.param.as_deref()).collect();
        assert_eq!(params, ["messages[1]", "tools"]);
        request.unsupported = Unsupported::Refuse;
        let error = render_completion_request(request, &Quirks::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn answers_are_text() {
        let body =
            br#"data: {"id":"c","choices":[{"text":" 3","index":0,"logprobs":{"tokens":[" 3"],
            "token_logprobs":[-0.5],"top_logprobs":[{" 3":-0.5," 4":-2.0}],"text_offset":[5]}}]}

data: {"id":"c","choices":[{"text":"","index":0,"finish_reason":"length"}]}

data: [DONE]

"#;
        let body = String::from_utf8_lossy(body).replace("\n            ", " ");
        let decoder = ChatDecoder::new(Quirks::default(), None);
        let (events, result) = decode_chunks([body.as_bytes()], decoder, 1000);
        result.unwrap();
        assert!(events.contains(&ChatEvent::text(" 3")), "{events:?}");
        let length = Some("length".to_owned());
        let finished = ChatEvent::Finished { choice: 0, reason: FinishReason::Length, raw: length };
        assert_eq!(events.last(), Some(&finished));
        let logprobs = events.iter().find_map(|event| match event {
            ChatEvent::Logprobs { value, .. } => Some(value),
            _ => None,
        });
        let content = json!([{ "token": " 3", "logprob": -0.5, "top_logprobs": [
            { "token": " 3", "logprob": -0.5 }, { "token": " 4", "logprob": -2.0 }] }]);
        assert_eq!(logprobs.map(|value| &value["content"]), Some(&content));
        assert_eq!(logprobs.map(|value| &value["text_offset"]), Some(&json!([5])));
    }
}
