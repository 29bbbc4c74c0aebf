//! [`Items`]: the output items of an answer into events, each text told once.

use std::collections::BTreeMap;

use llm_core::{Annotation, ChatEvent, Media, MediaSource, ReasoningDelta, ToolCallDelta};
use serde_json::{Map, Value, json};

use super::header;
use super::reasoning::{self, Section};

/// The output items so far. Deltas tell most of an item; what they left out is told when the item is complete, so that
/// an answer without a single delta comes out the same.
#[derive(Debug, Default)]
pub(super) struct Items {
    states: BTreeMap<u32, ItemState>,
    calls: u32,
    blocks: u32,
    /// The answer's id, for calls without one.
    answer_id: String,
    has_message: bool,
    has_refusal: bool,
    waits_for_tools: bool,
    /// The last call of a custom tool has no message after it, so the provider did not run it itself.
    waits_for_custom_tool: bool,
}

#[derive(Debug, Default)]
struct ItemState {
    kind: Kind,
    /// How many bytes of each text have been told: output text, refusals, reasoning, arguments.
    told: BTreeMap<(Voice, u32), usize>,
    /// How many annotations of each content part have been told.
    annotations: BTreeMap<u32, usize>,
    has_logprobs: bool,
    /// The item was seen from its beginning, so what has been told is the beginning of its texts.
    has_beginning: bool,
    is_done: bool,
}

/// What an item is, and our number for it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Kind {
    #[default]
    Unknown,
    Message,
    Reasoning(u32, Option<Section>),
    Call(u32),
    Other,
}

/// Which text of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Voice {
    Text,
    Refusal,
    Reasoning(Section),
    Arguments,
}

impl Items {
    pub(super) fn set_answer_id(&mut self, id: &str) {
        id.clone_into(&mut self.answer_id);
    }

    /// Whether nothing has been told of any item.
    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// The model asked for tools that the caller runs.
    pub(super) fn waits_for_tools(&self) -> bool {
        self.waits_for_tools || self.waits_for_custom_tool
    }

    pub(super) fn has_refusal(&self) -> bool {
        self.has_refusal
    }

    /// The number of an item whose event does not tell it: the one that came last.
    pub(super) fn last_index(&self) -> u32 {
        self.states.last_key_value().map_or(0, |(index, _)| *index)
    }

    /// The item that is open, or else the next: for items that end without having said their number.
    pub(super) fn open_index(&self) -> u32 {
        let open = self.states.iter().rev().find(|(_, state)| !state.is_done);
        let next = || self.states.last_key_value().map_or(0, |(index, _)| index.saturating_add(1));
        open.map_or_else(next, |(index, _)| *index)
    }

    /// An item begins.
    pub(super) fn begin(
        &mut self,
        index: u32,
        item: &Map<String, Value>,
        events: &mut Vec<ChatEvent>,
    ) {
        if self.states.get(&index).is_some_and(|state| state.kind != Kind::Unknown) {
            return;
        }
        let kind = match text_of(item, "type") {
            "message" => self.begin_message(item, events),
            "reasoning" => self.begin_reasoning(item, events),
            "function_call" | "custom_tool_call" => self.begin_call(item, events),
            _ => Kind::Other,
        };
        let state = self.states.entry(index).or_default();
        state.kind = kind;
        state.has_beginning = true;
    }

    fn begin_message(&mut self, item: &Map<String, Value>, events: &mut Vec<ChatEvent>) -> Kind {
        // Ids of messages matter beside reasoning, and keep two messages apart; elsewhere they say nothing.
        if let Some(header) = header::of_message(item) {
            let is_only_id = header.len() == 2 && header.contains_key("id");
            if !is_only_id || self.blocks > 0 || self.has_message {
                events.push(header::event(header));
            }
        }
        self.has_message = true;
        self.waits_for_custom_tool = false;
        Kind::Message
    }

    fn begin_reasoning(&mut self, item: &Map<String, Value>, events: &mut Vec<ChatEvent>) -> Kind {
        let index = self.blocks;
        self.blocks += 1;
        let id = item.get("id").and_then(Value::as_str).map(str::to_owned);
        events.push(ChatEvent::Reasoning(ReasoningDelta {
            index,
            id,
            extra: reasoning::extra(&Map::new(), Section::Summary),
            ..ReasoningDelta::default()
        }));
        Kind::Reasoning(index, None)
    }

    fn begin_call(&mut self, item: &Map<String, Value>, events: &mut Vec<ChatEvent>) -> Kind {
        let index = self.calls;
        self.calls += 1;
        let id = ["call_id", "id"].into_iter().map(|name| text_of(item, name));
        let id = id.into_iter().find(|id| !id.is_empty()).map(str::to_owned);
        let id = id.unwrap_or_else(|| format!("call_{}_{index}", self.answer_id));
        if text_of(item, "type") == "custom_tool_call" {
            // Whoever writes the call on must know from the beginning that it is none of a function.
            let mut header = header::of_call(item).unwrap_or_default();
            header.insert("type".into(), "custom_tool_call".into());
            header.insert("call_id".into(), id.as_str().into());
            events.push(header::event(header));
        }
        events.push(ChatEvent::ToolCall(ToolCallDelta {
            index,
            id: Some(id),
            name: Some(text_of(item, "name").to_owned()),
            ..ToolCallDelta::default()
        }));
        match text_of(item, "type") {
            "function_call" => self.waits_for_tools = true,
            _ => self.waits_for_custom_tool = true,
        }
        Kind::Call(index)
    }

    /// What a function call has besides. Its item's own id matters only beside reasoning.
    fn call_header(&self, item: &Map<String, Value>, events: &mut Vec<ChatEvent>) {
        let is_function_call =
            text_of(item, "type") == "function_call" && !text_of(item, "call_id").is_empty();
        let header = header::of_call(item).filter(|header| {
            let is_only_id = header.len() == 3 && header.contains_key("id");
            is_function_call && (!is_only_id || self.blocks > 0)
        });
        events.extend(header.map(header::event));
    }

    /// More of a content part's text.
    pub(super) fn text(
        &mut self,
        index: u32,
        part: u32,
        text: String,
        logprobs: Value,
        events: &mut Vec<ChatEvent>,
    ) {
        let Some(state) = self.open(index, Kind::Message) else {
            return;
        };
        state.tell(Voice::Text, part, text, text_event, events);
        state.logprobs(logprobs, events);
    }

    /// More of a refusal.
    pub(super) fn refusal(
        &mut self,
        index: u32,
        part: u32,
        text: String,
        events: &mut Vec<ChatEvent>,
    ) {
        let Some(state) = self.open(index, Kind::Message) else {
            return;
        };
        state.tell(Voice::Refusal, part, text, refusal_event, events);
        self.has_refusal = true;
    }

    /// More of a reasoning item's summary or content. Only the section that began is told; the other one is kept whole.
    pub(super) fn reasoning(
        &mut self,
        index: u32,
        section: Section,
        part: u32,
        text: String,
        events: &mut Vec<ChatEvent>,
    ) {
        if !self.states.contains_key(&index) {
            self.begin(index, &Map::from_iter([("type".into(), "reasoning".into())]), events);
        }
        let Some(state) = self.states.get_mut(&index) else {
            return;
        };
        let Kind::Reasoning(number, shown) = state.kind else {
            return;
        };
        if shown.is_some_and(|shown| shown != section) || text.is_empty() {
            return;
        }
        state.kind = Kind::Reasoning(number, Some(section));
        state.tell(Voice::Reasoning(section), part, text, |text| piece(number, text), events);
    }

    /// More of a call's arguments. Without a beginning, the call waits for its end, which tells its name.
    pub(super) fn arguments(&mut self, index: u32, text: String, events: &mut Vec<ChatEvent>) {
        if let Some(state) = self.states.get_mut(&index)
            && let Kind::Call(number) = state.kind
        {
            state.tell(Voice::Arguments, 0, text, |text| arguments_event(number, text), events);
        }
    }

    /// A source of a content part.
    pub(super) fn annotation(
        &mut self,
        index: u32,
        part: u32,
        value: Value,
        events: &mut Vec<ChatEvent>,
    ) {
        if value.is_null() {
            return;
        }
        if let Some(state) = self.open(index, Kind::Message) {
            *state.annotations.entry(part).or_default() += 1;
            events.push(annotation_event(value));
        }
    }

    /// An item is complete. Tells whatever has not been told of it.
    pub(super) fn complete(
        &mut self,
        index: u32,
        item: Map<String, Value>,
        events: &mut Vec<ChatEvent>,
    ) {
        self.begin(index, &item, events);
        let Some(state) = self.states.get_mut(&index).filter(|state| !state.is_done) else {
            return;
        };
        state.is_done = true;
        match state.kind {
            Kind::Message => self.has_refusal |= state.complete_message(item, events),
            Kind::Reasoning(number, shown) => {
                state.complete_reasoning(number, shown, &item, events);
            }
            Kind::Call(number) => {
                state.complete_call(number, &item, events);
                self.call_header(&item, events);
            }
            Kind::Other | Kind::Unknown => {
                self.waits_for_tools |= runs_at_the_caller(&item);
                complete_other(item, events);
            }
        }
    }

    /// The whole output, for an answer in one piece or one whose items were not streamed.
    pub(super) fn complete_all(&mut self, output: Vec<Value>, events: &mut Vec<ChatEvent>) {
        for (index, item) in (0..).zip(output) {
            if let Value::Object(item) = item {
                self.complete(index, item, events);
            }
        }
    }

    /// The state of an item that takes deltas of one kind; made if its beginning was left out.
    fn open(&mut self, index: u32, kind: Kind) -> Option<&mut ItemState> {
        let state = self.states.entry(index).or_default();
        if state.kind == Kind::Unknown {
            state.kind = kind;
            self.has_message = true;
        }
        (state.kind == kind && !state.is_done).then_some(state)
    }
}

impl ItemState {
    /// Tells a piece of text.
    fn tell(
        &mut self,
        voice: Voice,
        part: u32,
        text: String,
        event: impl FnOnce(String) -> ChatEvent,
        events: &mut Vec<ChatEvent>,
    ) {
        if !text.is_empty() {
            *self.told.entry((voice, part)).or_default() += text.len();
            events.push(event(text));
        }
    }

    /// Tells what is left of a text whose deltas did not say all. Nothing, when they said something else.
    fn tell_rest(
        &mut self,
        voice: Voice,
        part: u32,
        whole: &str,
        event: impl FnOnce(String) -> ChatEvent,
        events: &mut Vec<ChatEvent>,
    ) {
        let told = self.told.get(&(voice, part)).copied().unwrap_or(0);
        if !self.has_beginning && told > 0 {
            return;
        }
        if let Some(rest) = whole.get(told..) {
            self.tell(voice, part, rest.to_owned(), event, events);
        }
    }

    fn logprobs(&mut self, logprobs: Value, events: &mut Vec<ChatEvent>) {
        if logprobs.as_array().is_some_and(|list| !list.is_empty()) {
            self.has_logprobs = true;
            let value = json!({ "content": logprobs });
            events.push(ChatEvent::Logprobs { choice: 0, value });
        }
    }

    /// Whether the message holds a refusal.
    fn complete_message(
        &mut self,
        mut item: Map<String, Value>,
        events: &mut Vec<ChatEvent>,
    ) -> bool {
        let content = match item.get_mut("content").map(Value::take) {
            Some(Value::Array(content)) => content,
            // Some servers write the text itself.
            Some(Value::String(text)) => vec![json!({ "type": "output_text", "text": text })],
            _ => Vec::new(),
        };
        let mut has_refusal = false;
        for (part, mut content) in (0..).zip(content) {
            match content.get("type").and_then(Value::as_str) {
                Some("refusal") => {
                    let text = content.get("refusal").and_then(Value::as_str).unwrap_or_default();
                    self.tell_rest(Voice::Refusal, part, text, refusal_event, events);
                    has_refusal = true;
                }
                Some("output_text" | "text") => {
                    let text = content.get("text").and_then(Value::as_str).unwrap_or_default();
                    self.tell_rest(Voice::Text, part, text, text_event, events);
                    if !self.has_logprobs {
                        let logprobs = content.get_mut("logprobs").map(Value::take);
                        self.logprobs(logprobs.unwrap_or_default(), events);
                    }
                    self.rest_of_annotations(part, &mut content, events);
                }
                _ => events.push(header::event(content)),
            }
        }
        has_refusal
    }

    fn rest_of_annotations(&mut self, part: u32, content: &mut Value, events: &mut Vec<ChatEvent>) {
        let told = self.annotations.get(&part).copied().unwrap_or(0);
        if let Some(Value::Array(annotations)) = content.get_mut("annotations").map(Value::take) {
            events.extend(annotations.into_iter().skip(told).map(annotation_event));
        }
    }

    fn complete_reasoning(
        &mut self,
        number: u32,
        shown: Option<Section>,
        item: &Map<String, Value>,
        events: &mut Vec<ChatEvent>,
    ) {
        let shown = shown.unwrap_or_else(|| reasoning::shown_section(item));
        let told: usize = self.told.values().sum();
        let text = reasoning::section_text(item, shown).get(told..).unwrap_or_default().to_owned();
        let text_of = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
        events.push(ChatEvent::Reasoning(ReasoningDelta {
            index: number,
            text,
            redacted: text_of("encrypted_content"),
            id: text_of("id"),
            extra: reasoning::extra(item, shown),
            ..ReasoningDelta::default()
        }));
    }

    fn complete_call(
        &mut self,
        number: u32,
        item: &Map<String, Value>,
        events: &mut Vec<ChatEvent>,
    ) {
        let written = ["arguments", "input"].into_iter().find_map(|name| item.get(name));
        let whole = match written {
            Some(Value::String(text)) => text.clone(),
            // Some servers write the object itself.
            Some(object @ Value::Object(_)) => object.to_string(),
            _ => String::new(),
        };
        let event = |text| arguments_event(number, text);
        self.tell_rest(Voice::Arguments, 0, &whole, event, events);
    }
}

/// An item without a name in the vocabulary. A picture is told as such, and taken out of the block.
fn complete_other(mut item: Map<String, Value>, events: &mut Vec<ChatEvent>) {
    let mut picture = None;
    if text_of(&item, "type") == "image_generation_call"
        && let Some(Value::String(data)) = item.get("result")
    {
        let format = item.get("output_format").and_then(Value::as_str);
        picture = Some(Media {
            media_type: format.map(|format| format!("image/{format}")),
            ..Media::new(MediaSource::Base64(data.clone()))
        });
        item.shift_remove("result");
    }
    events.push(header::event(item));
    events.extend(picture.map(|media| ChatEvent::Media { choice: 0, media }));
}

/// Items of built-in tools that the caller has to run or to approve before the model goes on.
fn runs_at_the_caller(item: &Map<String, Value>) -> bool {
    match text_of(item, "type") {
        "computer_call" | "local_shell_call" | "mcp_approval_request" | "apply_patch_call" => true,
        "tool_search_call" | "shell_call" => text_of(item, "execution") == "client",
        _ => false,
    }
}

fn text_event(text: String) -> ChatEvent {
    ChatEvent::Text { choice: 0, text, signature: None }
}

fn refusal_event(text: String) -> ChatEvent {
    ChatEvent::Refusal { choice: 0, text }
}

fn piece(index: u32, text: String) -> ChatEvent {
    ChatEvent::Reasoning(ReasoningDelta { index, ..ReasoningDelta::text(text) })
}

fn arguments_event(index: u32, arguments: String) -> ChatEvent {
    ChatEvent::ToolCall(ToolCallDelta { index, arguments, ..ToolCallDelta::default() })
}

fn annotation_event(value: Value) -> ChatEvent {
    ChatEvent::Annotation { choice: 0, annotation: parse_annotation(value) }
}

/// Reads an annotation of this dialect. A URL citation gets its type; whatever has fields beyond those of
/// [`Annotation::UrlCitation`] stays as it came, so that nothing is lost.
pub(super) fn parse_annotation(value: Value) -> Annotation {
    url_citation(&value).unwrap_or(Annotation::Other { value })
}

fn url_citation(value: &Value) -> Option<Annotation> {
    const KNOWN: [&str; 5] = ["type", "url", "title", "start_index", "end_index"];
    let citation = value.as_object()?;
    let is_known = citation.keys().all(|name| KNOWN.contains(&name.as_str()));
    if citation.get("type")? != "url_citation" || !is_known {
        return None;
    }
    Some(Annotation::UrlCitation {
        url: citation.get("url")?.as_str()?.to_owned(),
        title: citation.get("title").and_then(Value::as_str).map(Into::into),
        start: citation.get("start_index").and_then(Value::as_u64),
        end: citation.get("end_index").and_then(Value::as_u64),
    })
}

fn text_of<'a>(item: &'a Map<String, Value>, name: &str) -> &'a str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}
