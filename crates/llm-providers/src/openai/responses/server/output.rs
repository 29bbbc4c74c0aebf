//! [`Output`]: the output items of a response in the making, and the events that tell of them.

use std::collections::BTreeMap;

use llm_core::{Media, MediaSource, Reasoning, ReasoningDelta, ToolCallDelta};
use serde_json::{Map, Value, json};

use super::content::{CallItem, Content, ContentKind, MessageItem, reasoning_value};
use crate::openai::responses::header::{self, Header};
use crate::openai::responses::reasoning::{Section, part_value};

/// An event without its number: its name and its fields.
pub(super) type Told = (&'static str, Value);

/// The items of one response. A message or a reasoning block is open until something else begins; calls are open side by
/// side until then, since their pieces may alternate.
#[derive(Clone, Debug, Default)]
pub(super) struct Output {
    /// What made-up ids are made from.
    seed: String,
    /// Items that are complete; `null` in the place of one that is open.
    items: Vec<Value>,
    open: Option<Open>,
    calls: BTreeMap<u32, CallItem>,
    /// Reasoning that is complete as far as its text goes: its place, id and block, by its number.
    reasoned: BTreeMap<u32, (usize, String, Reasoning)>,
    /// A header that waits for its message, and those that wait for their calls.
    message_header: Option<Map<String, Value>>,
    call_headers: BTreeMap<String, Map<String, Value>>,
    /// An image generation that waits for its picture.
    picture: Option<Map<String, Value>>,
    pub(super) told: Vec<Told>,
}

#[derive(Clone, Debug)]
enum Open {
    Message { at: usize, item: MessageItem },
    Reasoning { at: usize, number: u32, id: String, block: Reasoning },
}

impl Output {
    pub(super) fn new(response_id: &str) -> Self {
        let seed = response_id.strip_prefix("resp_").unwrap_or(response_id).to_owned();
        Self { seed, ..Self::default() }
    }

    /// The items so far that are complete.
    pub(super) fn into_items(self) -> Vec<Value> {
        self.items.into_iter().filter(|item| !item.is_null()).collect()
    }

    /// Ends whatever is open.
    pub(super) fn close(&mut self) {
        self.flush_picture();
        self.close_calls();
        self.close_open();
    }

    pub(super) fn text(&mut self, text: &str, signature: Option<String>) {
        self.with_content(ContentKind::Text, |content, place, told| {
            content.text.push_str(text);
            content.signature = signature.or(content.signature.take());
            if !text.is_empty() {
                let fields = place.with(json!({ "delta": text, "logprobs": [] }));
                told.push(("response.output_text.delta", fields));
            }
        });
    }

    pub(super) fn refusal(&mut self, text: &str) {
        self.with_content(ContentKind::Refusal, |content, place, told| {
            content.text.push_str(text);
            told.push(("response.refusal.delta", place.with(json!({ "delta": text }))));
        });
    }

    pub(super) fn annotation(&mut self, annotation: Value) {
        self.with_content(ContentKind::Text, |content, place, told| {
            let fields = json!({
                "annotation_index": content.annotations.len(),
                "annotation": annotation,
            });
            told.push(("response.output_text.annotation.added", place.with(fields)));
            content.annotations.push(annotation);
        });
    }

    /// Log-probabilities of the text just told; they show in the part when it is complete.
    pub(super) fn logprobs(&mut self, value: &Value) {
        let list = value.get("content").and_then(Value::as_array).cloned().unwrap_or_default();
        if !list.is_empty() {
            self.with_content(ContentKind::Text, |content, _, _| content.logprobs.extend(list));
        }
    }

    pub(super) fn reasoning(&mut self, delta: ReasoningDelta) {
        if delta.text.is_empty()
            && let Some((at, id, block)) = self.reasoned.get_mut(&delta.index)
        {
            // Some providers tell what must come back only after the text that follows. The item has been told, so
            // this shows in the whole response.
            add_to(block, delta);
            if let Some(place) = self.items.get_mut(*at) {
                *place = reasoning_value(block, id);
            }
            return;
        }
        self.flush_picture();
        self.close_calls();
        let is_open =
            matches!(&self.open, Some(Open::Reasoning { number, .. }) if *number == delta.index);
        if !is_open {
            self.begin_reasoning(&delta);
        }
        let Some(Open::Reasoning { at, id, block, .. }) = &mut self.open else {
            return;
        };
        let place = Place { item_id: id, output_index: *at, part: ("summary_index", 0) };
        if !delta.text.is_empty() {
            if block.text.is_empty() {
                let fields = json!({ "part": part_value(Section::Summary, "") });
                self.told.push(("response.reasoning_summary_part.added", place.with(fields)));
            }
            let fields = place.with(json!({ "delta": delta.text }));
            self.told.push(("response.reasoning_summary_text.delta", fields));
        }
        add_to(block, delta);
    }

    fn begin_reasoning(&mut self, delta: &ReasoningDelta) {
        self.close_open();
        let at = self.reserve();
        let id = delta.id.clone().unwrap_or_else(|| self.item_id("rs", at));
        let item = json!({ "id": id, "type": "reasoning", "summary": [] });
        self.tell_item("response.output_item.added", at, &item);
        let (number, block) = (delta.index, Reasoning::default());
        self.open = Some(Open::Reasoning { at, number, id, block });
    }

    pub(super) fn tool_call(&mut self, delta: ToolCallDelta) {
        self.flush_picture();
        self.close_open();
        if !self.calls.contains_key(&delta.index) {
            self.begin_call(&delta);
        }
        let Some(call) = self.calls.get_mut(&delta.index) else {
            return;
        };
        call.signature = delta.signature.or(call.signature.take());
        if delta.arguments.is_empty() {
            return;
        }
        call.arguments.push_str(&delta.arguments);
        let name = match call.is_custom() {
            true => "response.custom_tool_call_input.delta",
            false => "response.function_call_arguments.delta",
        };
        let fields = json!({
            "item_id": call.item_id, "output_index": call.at, "delta": delta.arguments,
        });
        self.told.push((name, fields));
    }

    fn begin_call(&mut self, delta: &ToolCallDelta) {
        let at = self.reserve();
        let call_id = delta.id.clone().unwrap_or_else(|| self.item_id("call", at));
        let header = self.call_headers.remove(&call_id).unwrap_or_default();
        let own_id = header.get("id").and_then(Value::as_str).map(str::to_owned);
        let call = CallItem {
            at,
            item_id: own_id.unwrap_or_else(|| self.item_id("fc", at)),
            call_id,
            name: delta.name.clone().unwrap_or_default(),
            arguments: String::new(),
            signature: None,
            header,
        };
        self.tell_item("response.output_item.added", at, &call.value("in_progress"));
        self.calls.insert(delta.index, call);
    }

    /// A block of this dialect: a header, or an item by itself.
    pub(super) fn block(&mut self, value: Value) {
        self.flush_picture();
        match header::read(&value) {
            Some(Header::Message(fields)) => {
                let fields = fields.clone();
                self.close();
                self.message_header = Some(fields);
            }
            Some(Header::Call(id, fields)) => {
                match self.calls.values_mut().find(|call| call.call_id == id) {
                    // The item's id has been told already.
                    Some(call) => call.header.extend(fields.clone()),
                    None => {
                        self.call_headers.insert(id.to_owned(), fields.clone());
                    }
                }
            }
            None => self.whole_item(value),
        }
    }

    fn whole_item(&mut self, value: Value) {
        self.close();
        match value {
            Value::Object(item)
                if item.get("type").is_some_and(|kind| kind == "image_generation_call")
                    && !item.contains_key("result") =>
            {
                self.picture = Some(item);
            }
            item => self.tell_whole(item),
        }
    }

    /// A picture: the result of the image generation before it, or of one that is made up for it.
    pub(super) fn media(&mut self, media: Media) {
        let call = self.picture.take();
        self.close();
        let mut item = call.unwrap_or_else(|| {
            let id = self.item_id("ig", self.items.len());
            Map::from_iter([
                ("id".to_owned(), id.into()),
                ("type".to_owned(), "image_generation_call".into()),
                ("status".to_owned(), "completed".into()),
            ])
        });
        let (name, value) = match media.source {
            MediaSource::Base64(data) | MediaSource::Text(data) => ("result", data),
            MediaSource::Url(url) => ("url", url),
            MediaSource::FileId(id) => ("file_id", id),
        };
        item.insert(name.into(), value.into());
        self.tell_whole(item.into());
    }

    fn flush_picture(&mut self) {
        if let Some(item) = self.picture.take() {
            self.tell_whole(item.into());
        }
    }

    fn tell_whole(&mut self, item: Value) {
        let at = self.reserve();
        self.tell_item("response.output_item.added", at, &item);
        self.finish_item(at, item);
    }

    /// Gives the open part of the open message to `write`; begins both where there is none of that kind.
    fn with_content(
        &mut self,
        kind: ContentKind,
        write: impl FnOnce(&mut Content, &Place<'_>, &mut Vec<Told>),
    ) {
        self.flush_picture();
        self.close_calls();
        if !matches!(self.open, Some(Open::Message { .. })) {
            self.begin_message();
        }
        let Some(Open::Message { at, item }) = &mut self.open else {
            return;
        };
        if item.open.as_ref().is_some_and(|content| content.kind != kind) {
            close_content(*at, item, &mut self.told);
        }
        let place = Place {
            item_id: &item.id,
            output_index: *at,
            part: ("content_index", item.content.len()),
        };
        if item.open.is_none() {
            let part = Content::new(kind).value();
            let fields = place.with(json!({ "part": part }));
            self.told.push(("response.content_part.added", fields));
        }
        let content = item.open.get_or_insert_with(|| Content::new(kind));
        write(content, &place, &mut self.told);
    }

    fn begin_message(&mut self) {
        self.close_open();
        let at = self.reserve();
        let header = self.message_header.take().unwrap_or_default();
        let own_id = header.get("id").and_then(Value::as_str).map(str::to_owned);
        let id = own_id.unwrap_or_else(|| self.item_id("msg", at));
        let item = MessageItem { id, header, content: Vec::new(), open: None };
        self.tell_item("response.output_item.added", at, &item.value("in_progress"));
        self.open = Some(Open::Message { at, item });
    }

    fn close_open(&mut self) {
        match self.open.take() {
            Some(Open::Message { at, mut item }) => {
                close_content(at, &mut item, &mut self.told);
                self.finish_item(at, item.value("completed"));
            }
            Some(Open::Reasoning { at, number, id, block }) => {
                if !block.text.is_empty() {
                    let place =
                        Place { item_id: &id, output_index: at, part: ("summary_index", 0) };
                    let fields = place.with(json!({ "text": block.text }));
                    self.told.push(("response.reasoning_summary_text.done", fields));
                    let part = part_value(Section::Summary, block.text.as_str());
                    let fields = place.with(json!({ "part": part }));
                    self.told.push(("response.reasoning_summary_part.done", fields));
                }
                self.finish_item(at, reasoning_value(&block, &id));
                self.reasoned.insert(number, (at, id, block));
            }
            None => {}
        }
    }

    fn close_calls(&mut self) {
        for call in std::mem::take(&mut self.calls).into_values() {
            let (name, written) = match call.is_custom() {
                true => ("response.custom_tool_call_input.done", "input"),
                false => ("response.function_call_arguments.done", "arguments"),
            };
            let fields = json!({
                "item_id": call.item_id, "output_index": call.at,
                "name": call.name, written: call.arguments,
            });
            self.told.push((name, fields));
            self.finish_item(call.at, call.value("completed"));
        }
    }

    /// The place of the next item.
    fn reserve(&mut self) -> usize {
        self.items.push(Value::Null);
        self.items.len() - 1
    }

    fn item_id(&self, prefix: &str, at: usize) -> String {
        format!("{prefix}_{}_{at}", self.seed)
    }

    fn finish_item(&mut self, at: usize, item: Value) {
        self.tell_item("response.output_item.done", at, &item);
        if let Some(place) = self.items.get_mut(at) {
            *place = item;
        }
    }

    fn tell_item(&mut self, name: &'static str, at: usize, item: &Value) {
        self.told.push((name, json!({ "output_index": at, "item": item })));
    }
}

/// Where in the output something is told.
struct Place<'a> {
    item_id: &'a str,
    output_index: usize,
    part: (&'static str, usize),
}

impl Place<'_> {
    fn with(&self, fields: Value) -> Value {
        let (part_name, part) = self.part;
        let mut placed = json!({
            "item_id": self.item_id, "output_index": self.output_index, part_name: part,
        });
        if let (Some(placed), Value::Object(fields)) = (placed.as_object_mut(), fields) {
            placed.extend(fields);
        }
        placed
    }
}

fn add_to(block: &mut Reasoning, delta: ReasoningDelta) {
    block.text.push_str(&delta.text);
    block.signature = delta.signature.or(block.signature.take());
    block.redacted = delta.redacted.or(block.redacted.take());
    block.id = delta.id.or(block.id.take());
    block.extra.extend(delta.extra);
}

fn close_content(at: usize, item: &mut MessageItem, told: &mut Vec<Told>) {
    let Some(content) = item.open.take() else {
        return;
    };
    let place =
        Place { item_id: &item.id, output_index: at, part: ("content_index", item.content.len()) };
    let done = match content.kind {
        ContentKind::Text => (
            "response.output_text.done",
            place.with(json!({ "text": content.text, "logprobs": content.logprobs })),
        ),
        ContentKind::Refusal => {
            ("response.refusal.done", place.with(json!({ "refusal": content.text })))
        }
    };
    told.push(done);
    let value = content.value();
    told.push(("response.content_part.done", place.with(json!({ "part": value }))));
    item.content.push(value);
}
