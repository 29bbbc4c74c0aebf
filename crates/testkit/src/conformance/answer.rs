//! Answers of chat models against a recording.

use futures::StreamExt;
use llm_core::{ChatEvent, ChatFold, ChatReply, ChatResponse, Choice, ModelError, Part};
use serde_json::{Value, json};

use crate::{Exchange, Expectation, ExpectedCall};

/// What a client got: the answer as far as it came, and the failure if it ended in one.
#[derive(Debug)]
pub struct Outcome {
    /// All events, folded.
    pub response: ChatResponse,
    /// The failure, before or during the answer.
    pub error: Option<ModelError>,
}

impl Outcome {
    /// Consumes what a model's call gave.
    pub async fn of(call: Result<ChatReply, ModelError>) -> Self {
        let mut fold = ChatFold::default();
        let error = match call {
            Err(error) => Some(error),
            Ok(mut reply) => loop {
                match reply.next().await {
                    None => break None,
                    Some(Ok(event)) => fold.push(event),
                    Some(Err(error)) => break Some(error),
                }
            },
        };
        Self { response: fold.finish(), error }
    }

    /// The same for events that were decoded without a socket.
    pub fn of_events(events: Vec<ChatEvent>, result: Result<(), ModelError>) -> Self {
        let mut fold = ChatFold::default();
        events.into_iter().for_each(|event| fold.push(event));
        Self { response: fold.finish(), error: result.err() }
    }
}

/// How the outcome of a successful call differs from what the independent reader got; empty when it does not.
pub fn compare_answer(expect: &Expectation, outcome: &Outcome) -> Vec<String> {
    let mut differences = Vec::new();
    compare_error(expect, outcome.error.as_ref(), &mut differences);
    let response = &outcome.response;
    let choice = response.choices.first();
    let said = |part: fn(&Part) -> Option<&str>| -> String {
        let parts = choice.map(|choice| &choice.message.parts[..]).unwrap_or_default();
        parts.iter().filter_map(part).collect()
    };
    let (text, reasoning) = without_think_tags(expect);
    check(&mut differences, "text", text.as_ref(), || said(Part::as_text));
    check(&mut differences, "reasoning", reasoning.as_ref(), || said(reasoning_text));
    check(&mut differences, "refusal", expect.refusal.as_ref(), || said(refusal_text));
    check(&mut differences, "finish", expect.finish.as_ref(), || {
        choice.and_then(|choice| choice.raw_finish.clone()).map_or(Value::Null, Value::from)
    });
    check(&mut differences, "usage", expect.usage.as_ref(), || {
        response.usage.raw.clone().unwrap_or_default()
    });
    check(&mut differences, "id", expect.id.as_ref(), || {
        response.started.id.clone().unwrap_or_default()
    });
    check(&mut differences, "model", expect.model.as_ref(), || {
        response.started.model.clone().unwrap_or_default()
    });
    if let Some(calls) = &expect.tool_calls {
        compare_calls(calls, choice, &mut differences);
    }
    differences
}

/// How the failure of a refused call differs from what the response said.
pub fn compare_failure(exchange: &Exchange, outcome: &Outcome) -> Vec<String> {
    let Some(error) = &outcome.error else {
        return vec![format!("status {} was no failure", exchange.response.status)];
    };
    let mut differences = Vec::new();
    if error.status() != Some(exchange.response.status) {
        differences.push(format!("status: {:?}", error.status()));
    }
    if error.kind() == llm_core::ErrorKind::Unknown {
        differences.push("the kind of failure is unknown".to_owned());
    }
    let request_id = exchange.response.headers.get("x-request-id").map(String::as_str);
    if request_id.is_some() && error.request_id() != request_id {
        differences.push(format!("request id: {:?}", error.request_id()));
    }
    let body: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let message = ["/error/message", "/message", "/error", "/detail"]
        .iter()
        .find_map(|at| body.pointer(at)?.as_str());
    if let Some(message) = message
        && !same_beginning(message, error.message())
    {
        differences.push(format!("message: {:?}", error.message()));
    }
    differences
}

/// Clients may shorten long messages and add to short ones.
fn same_beginning(recorded: &str, told: &str) -> bool {
    let beginning = |text: &str| text.chars().take(200).collect::<String>();
    told.starts_with(&beginning(recorded)) || told.contains(recorded)
}

fn compare_error(expect: &Expectation, error: Option<&ModelError>, differences: &mut Vec<String>) {
    let is_broken = expect.error.is_some() || expect.complete == Some(false);
    match (is_broken, error) {
        (false, Some(error)) => differences.push(format!("failed: {error:?}")),
        (true, None) => differences.push("the failure in the answer was not told".to_owned()),
        (true, Some(error)) => {
            let message = expect.error.as_ref().and_then(|error| match error {
                Value::String(text) => Some(text.as_str()),
                error => error.get("message")?.as_str(),
            });
            if let Some(message) = message
                && !same_beginning(message, error.message())
            {
                differences.push(format!("message: {:?}", error.message()));
            }
        }
        (false, None) => {}
    }
}

/// Text and reasoning as an answer tells them. The independent reader leaves in the text what a model thought between
/// `<think>` tags in front of its answer; the vocabulary says that it is reasoning.
fn without_think_tags(expect: &Expectation) -> (Option<String>, Option<String>) {
    let as_it_is = || (expect.text.clone(), expect.reasoning.clone());
    if expect.reasoning.as_ref().is_some_and(|reasoning| !reasoning.is_empty()) {
        return as_it_is();
    }
    let opened = expect.text.as_ref().and_then(|text| text.trim_start().strip_prefix("<think>"));
    let Some(opened) = opened else {
        return as_it_is();
    };
    let (thought, answer) = opened.split_once("</think>").unwrap_or((opened, ""));
    (Some(answer.trim_start().to_owned()), Some(thought.trim_start().to_owned()))
}

fn compare_calls(
    expected: &[ExpectedCall],
    choice: Option<&Choice>,
    differences: &mut Vec<String>,
) {
    let found: Vec<Value> = choice
        .into_iter()
        .flat_map(|choice| choice.message.tool_calls())
        .enumerate()
        .map(|(at, call)| {
            // The input of a custom tool is free text, even where it looks like JSON.
            let is_free = expected.get(at).is_some_and(|expected| {
                expected.arguments.as_str() == Some(call.arguments.as_str())
            });
            if is_free {
                return json!([call.name, call.arguments]);
            }
            let arguments = call
                .parsed_arguments()
                .unwrap_or_else(|_| json!({ "__unparsed__": call.arguments }));
            json!([call.name, arguments])
        })
        .collect();
    let expected: Vec<Value> =
        expected.iter().map(|call| json!([call.name, or_empty(&call.arguments)])).collect();
    if found != expected {
        differences.push(format!("tool calls: {found:?}, not {expected:?}"));
    }
}

/// No arguments at all are an empty object.
fn or_empty(arguments: &Value) -> Value {
    if arguments.is_null() { json!({}) } else { arguments.clone() }
}

fn check<T: PartialEq + std::fmt::Debug>(
    differences: &mut Vec<String>,
    name: &str,
    expected: Option<&T>,
    found: impl FnOnce() -> T,
) {
    if let Some(expected) = expected {
        let found = found();
        if found != *expected {
            differences.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
}

fn reasoning_text(part: &Part) -> Option<&str> {
    match part {
        Part::Reasoning(block) => Some(&block.text),
        _ => None,
    }
}

fn refusal_text(part: &Part) -> Option<&str> {
    match part {
        Part::Refusal(part) => Some(&part.text),
        _ => None,
    }
}
