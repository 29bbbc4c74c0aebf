//! Time and allocations of one event.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use llm_core::{ChatEvent, ModelError};
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

/// Events of a stream that is measured.
pub(crate) const EVENTS: usize = 500;

const ROUNDS: u32 = 400;

/// The longest event.
pub(crate) const LIMIT: usize = 1 << 20;

/// Pieces of a body as the network cuts it.
pub(crate) fn pieces(body: &[u8]) -> std::slice::Chunks<'_, u8> {
    body.chunks(1400)
}

/// Prints what one event of a stream of [`EVENTS`] server-sent events costs.
pub(crate) fn measure<D: EventDecoder>(
    dialect: &str,
    name: &str,
    body: &str,
    decoder: impl Fn() -> D,
) {
    measure_by(dialect, name, || decode_chunks(pieces(body.as_bytes()), decoder(), LIMIT));
}

/// Prints what one of [`EVENTS`] events costs that `decode` decodes.
pub(crate) fn measure_by(
    dialect: &str,
    name: &str,
    decode: impl Fn() -> (Vec<ChatEvent>, Result<(), ModelError>),
) {
    let run = || {
        let (events, result) = decode();
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
