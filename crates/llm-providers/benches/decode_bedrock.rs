//! What decoding one event of Bedrock's streams costs, framing and checksums included, in time and allocations:
//! `cargo bench -p llm-providers --bench decode_bedrock`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use llm_providers::bedrock::converse::{ConverseDecoder, decode_chunks};
use llm_providers::bedrock::event_stream::encode_frame;

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
    let text = r#"{"text":" word"}"#;
    let tool = r#"{"toolUse":{"input":"{\"a\""}}"#;
    let reasoning = r#"{"reasoningContent":{"text":" hm"}}"#;
    for (name, delta) in [("text", text), ("tool call", tool), ("reasoning", reasoning)] {
        let body = stream_of(delta);
        measure(name, || {
            let decoder = ConverseDecoder::new(None);
            let (events, result) = decode_chunks(body.chunks(1400), decoder, 1 << 20);
            result.expect("the stream is in order");
            black_box(events.len())
        });
    }
}

/// Prints what one event of a stream of [`EVENTS`] costs.
fn measure(name: &str, run: impl Fn() -> usize) {
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
        "bedrock-converse {name:<10} {nanoseconds:>7.0} ns/event {allocations:>6.2} allocations/event"
    );
}

/// A stream as Bedrock sends it, padding and all.
fn stream_of(delta: &str) -> Vec<u8> {
    let frame = |name: &str, payload: &str| {
        let headers = [
            (":event-type", name),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        encode_frame(&headers, payload.as_bytes())
    };
    let start = r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a","name":"f"}}}"#;
    let delta = format!(
        r#"{{"contentBlockIndex":0,"delta":{delta},"p":"abcdefghijklmnopqrstuvwxyzABCD"}}"#
    );
    let mut body = frame("contentBlockStart", start);
    (0..EVENTS).for_each(|_| body.extend(frame("contentBlockDelta", &delta)));
    body.extend(frame("messageStop", r#"{"stopReason":"end_turn"}"#));
    body
}
