//! What decoding one event of a stream costs, in time and allocations: `cargo bench -p llm-providers --bench decode`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use llm_providers::Quirks;
use llm_providers::openai::chat::ChatDecoder;
use llm_providers::openai::responses::ResponsesDecoder;
use llm_providers::stream::{EventDecoder, decode_chunks};

/// The system's allocator, counted.
struct Counted;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

const EVENTS: usize = 500;
const ROUNDS: u32 = 400;

fn main() {
    let text = r#""delta":{"content":" word"}"#;
    let tool = r#""delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}"#;
    let reasoning = r#""delta":{"reasoning_content":" hm","content":null}"#;
    for (name, delta) in [("text", text), ("tool call", tool), ("reasoning", reasoning)] {
        let decoder = || ChatDecoder::new(Quirks::default(), None);
        measure("openai-chat", name, &stream_of(delta), decoder);
    }
    let text =
        r#""type":"response.output_text.delta","content_index":0,"delta":" word","logprobs":[]"#;
    let call = r#""type":"response.function_call_arguments.delta","delta":"{\"a\"""#;
    let summary =
        r#""type":"response.reasoning_summary_text.delta","summary_index":0,"delta":" hm""#;
    for (name, kind, fields) in [
        ("text", "message", text),
        ("tool call", "function_call", call),
        ("reasoning", "reasoning", summary),
    ] {
        let decoder = || ResponsesDecoder::new(None);
        measure("openai-responses", name, &responses_stream_of(kind, fields), decoder);
    }
    #[cfg(feature = "anthropic")]
    anthropic();
    #[cfg(feature = "gemini")]
    gemini();
}

/// Prints what one event of a stream of [`EVENTS`] costs.
fn measure<D: EventDecoder>(dialect: &str, name: &str, body: &str, decoder: impl Fn() -> D) {
    let run = || {
        let chunks = body.as_bytes().chunks(1400);
        let (events, result) = decode_chunks(chunks, decoder(), 1 << 20);
        result.expect("the stream is in order");
        black_box(events.len())
    };
    run();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    // The fastest round: the others measure what else the machine was doing.
    let fastest = (0..ROUNDS).map(|_| {
        let begin = Instant::now();
        run();
        begin.elapsed()
    });
    let nanoseconds = fastest.min().unwrap_or_default().as_nanos() as f64 / EVENTS as f64;
    let allocations = (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64;
    let allocations = allocations / f64::from(ROUNDS) / EVENTS as f64;
    println!(
        "{dialect:<17} {name:<10} {nanoseconds:>7.0} ns/event {allocations:>6.2} allocations/event"
    );
}

/// A stream of one item.
fn responses_stream_of(kind: &str, fields: &str) -> String {
    let mut body = format!(
        "data: {{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{{\"type\":\"{kind}\",\"id\":\"x\",\"call_id\":\"c\",\"name\":\"n\"}}}}\n\n"
    );
    for number in 0..EVENTS {
        let _ = write!(
            body,
            "event: response.delta\ndata: {{{fields},\"item_id\":\"msg_0123456789abcdef0123456789abcdef\",\"output_index\":0,\"sequence_number\":{number},\"obfuscation\":\"aB3dE\"}}\n\n"
        );
    }
    body.push_str(
        "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"output\":[]}}\n\n",
    );
    body
}

/// A stream as OpenAI sends it, padding and all.
fn stream_of(delta: &str) -> String {
    let head = r#"{"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_0123456789""#;
    let mut body = String::new();
    for _ in 0..EVENTS {
        let _ = write!(
            body,
            "data: {head},\"choices\":[{{\"index\":0,{delta},\"logprobs\":null,\"finish_reason\":null}}],\"usage\":null,\"obfuscation\":\"aB3dE\"}}\n\n"
        );
    }
    let _ = write!(
        body,
        "data: {head},\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\ndata: [DONE]\n\n"
    );
    body
}

#[cfg(feature = "anthropic")]
fn anthropic() {
    let text = r#"{"type":"text_delta","text":" word"}"#;
    let tool = r#"{"type":"input_json_delta","partial_json":"{\"a\""}"#;
    let thinking = r#"{"type":"thinking_delta","thinking":" hm"}"#;
    let tool_block = r#"{"type":"tool_use","id":"toolu_0123456789","name":"look","input":{}}"#;
    for (name, block, delta) in [
        ("text", r#"{"type":"text","text":""}"#, text),
        ("tool call", tool_block, tool),
        ("reasoning", r#"{"type":"thinking","thinking":"","signature":""}"#, thinking),
    ] {
        let body = messages_stream_of(block, delta);
        measure("anthropic-messages", name, &body, || {
            llm_providers::anthropic::MessageDecoder::new(None)
        });
    }
}

/// A stream as Anthropic sends it, padding and all.
#[cfg(feature = "anthropic")]
fn messages_stream_of(block: &str, delta: &str) -> String {
    let mut body = String::new();
    let mut event = |name: &str, fields: &str| {
        let _ = write!(body, "event: {name}\ndata: {{\"type\":\"{name}\"{fields}      }}\n\n");
    };
    event("message_start", r#","message":{"id":"msg_0","model":"claude-haiku-4-5","content":[]}"#);
    event("content_block_start", &format!(",\"index\":0,\"content_block\":{block}"));
    for _ in 0..EVENTS {
        event("content_block_delta", &format!(",\"index\":0,\"delta\":{delta}"));
    }
    event("content_block_stop", r#","index":0"#);
    event("message_delta", r#","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":500}"#);
    event("message_stop", "");
    body
}

#[cfg(feature = "gemini")]
fn gemini() {
    let call = r#""functionCall":{"name":"look","args":{"at":"sky"}}"#;
    for (name, part) in [
        ("text", r#""text":" word""#),
        ("tool call", call),
        ("reasoning", r#""text":" hm","thought":true"#),
    ] {
        let body = generate_stream_of(part);
        measure("gemini-generate", name, &body, || llm_providers::gemini::ChatDecoder::new(None));
    }
}

/// A stream as Gemini sends it: usage in every chunk, framed with CRLF.
#[cfg(feature = "gemini")]
fn generate_stream_of(part: &str) -> String {
    let mut body = String::new();
    for number in 0..EVENTS {
        let finish = if number + 1 == EVENTS { r#","finishReason":"STOP""# } else { "" };
        let _ = write!(
            body,
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{{part}}}],\"role\":\"model\"}}{finish},\"index\":0}}],\"usageMetadata\":{{\"promptTokenCount\":10,\"candidatesTokenCount\":{number},\"totalTokenCount\":20,\"promptTokensDetails\":[{{\"modality\":\"TEXT\",\"tokenCount\":10}}]}},\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"0123456789abcdef\"}}\r\n\r\n"
        );
    }
    body
}
