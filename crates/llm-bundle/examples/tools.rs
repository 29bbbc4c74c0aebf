//! The tool loop with an async tool, a synchronous one and a model that is no model: it runs without a key.
//!
//! `cargo run -p llm-bundle --example tools`

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{TryStreamExt, stream};
use llm_bundle::tools::{ToolEvent, ToolSet};
use llm_bundle::{Bundle, Registry, SyncPool};
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, FinishReason, Message, ModelError, ModelInfo,
    ModelKind, ModelName, Part, Role, SyncToolHandler, Tool, ToolCallDelta, ToolError, ToolHandler,
    ToolInput, ToolOutput,
};
use serde_json::json;

/// Asks for two tools at once, with arguments as careless as those of some models, and reads out what they said.
struct Scripted(ModelInfo);

impl ChatModel for Scripted {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let mut events = match request.messages.last() {
            Some(message) if message.role == Role::Tool => read_out(message),
            _ => vec![
                ChatEvent::text("One moment. "),
                call(0, "weather", "{city: 'Lisbon',}"),
                call(1, "add", r#"{"numbers": ["19", 23]}"#),
                call(2, "wether", "{}"),
            ],
        };
        events.push(ChatEvent::finished(FinishReason::Stop));
        Box::pin(async move { Ok(ChatReply::new(stream::iter(events.into_iter().map(Ok)))) })
    }
}

fn call(index: u32, name: &str, arguments: &str) -> ChatEvent {
    ChatEvent::ToolCall(ToolCallDelta {
        index,
        id: Some(format!("call{index}")),
        name: Some(name.into()),
        arguments: arguments.into(),
        ..ToolCallDelta::default()
    })
}

fn read_out(results: &Message) -> Vec<ChatEvent> {
    let texts = results.parts.iter().filter_map(|part| match part {
        Part::ToolResult(result) => result.parts.first()?.as_text(),
        _ => None,
    });
    texts.map(|text| ChatEvent::text(format!("- {text}\n"))).collect()
}

/// Would ask a server.
struct Weather(Tool);

impl Weather {
    fn new() -> Self {
        let schema = json!({
            "type": "object",
            "properties": { "city": { "type": "string" } },
            "required": ["city"],
        });
        Self(Tool::function("weather", "Tells the weather of a city.", schema))
    }
}

impl ToolHandler for Weather {
    fn tool(&self) -> &Tool {
        &self.0
    }

    fn call(&self, input: ToolInput) -> BoxFuture<'static, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let city = input.arguments["city"].as_str().unwrap_or("nowhere");
            Ok(ToolOutput::text(format!("sunny in {city}")))
        })
    }
}

/// Computes, on a thread of a pool.
struct Add(Tool);

impl Add {
    fn new() -> Self {
        let schema = json!({
            "type": "object",
            "properties": { "numbers": { "type": "array", "items": { "type": "integer" } } },
            "required": ["numbers"],
        });
        Self(Tool::function("add", "Adds numbers.", schema))
    }
}

impl SyncToolHandler for Add {
    fn tool(&self) -> &Tool {
        &self.0
    }

    fn call(&self, input: ToolInput) -> Result<ToolOutput, ToolError> {
        let numbers = input.arguments["numbers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let sum =
            numbers.iter().filter_map(serde_json::Value::as_i64).try_fold(0, i64::checked_add);
        let sum = sum.ok_or_else(|| ToolError::new("the sum is too large"))?;
        Ok(ToolOutput::text(format!("the sum is {sum}")))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = SyncPool::builder().name("callers").threads(2).build()?;
    let model = Scripted(ModelInfo::new(ModelName::new("example", "scripted"), ModelKind::Chat));
    let bundle = Bundle::new(Registry::builder().chat(Arc::new(model)).build());
    let tools = ToolSet::builder()
        .tool(Arc::new(Weather::new()))
        .sync_tool(Arc::new(Add::new()), &pool)
        .build()?;

    let request = ChatRequest {
        model: "example/scripted".into(),
        ..ChatRequest::new(vec![Message::user("How is Lisbon, and what is 19 + 23?")])
    };
    let mut reply = bundle.with_tools(tools).chat_stream(request);
    while let Some(event) = reply.try_next().await? {
        match event {
            ToolEvent::Asked { round } => println!("[round {round}]"),
            ToolEvent::Model(ChatEvent::Text { text, .. }) => println!("{}", text.trim_end()),
            ToolEvent::Called { call } => println!("  → {} {}", call.name, call.arguments),
            ToolEvent::Returned { result, took } => {
                let text = result.parts.first().and_then(Part::as_text).unwrap_or_default();
                println!("  ← {text} ({} µs)", took.as_micros());
            }
            ToolEvent::Done(answer) => {
                println!("[{} messages to keep]", answer.messages.len());
            }
            _ => {}
        }
    }
    Ok(())
}
