//! What decoding one event of a stream costs, in time and allocations: `cargo bench -p llm-providers --bench decode`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use llm_providers::Quirks;
use llm_providers::openai::chat::ChatDecoder;
use llm_providers::stream::decode_chunks;

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
        let body = stream_of(delta);
        let run = || {
            let chunks = body.as_bytes().chunks(1400);
            let (events, result) =
                decode_chunks(chunks, ChatDecoder::new(Quirks::default(), None), 1 << 20);
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
            "openai-chat {name:<10} {nanoseconds:>7.0} ns/event {allocations:>6.2} allocations/event"
        );
    }
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
