//! How much room a million records take, how fast they are written, and how long it takes to sum them.
//!
//! `cargo run --release -p llm-usage --example volume`

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use llm_bundle::{CallRecord, Outcome, Priority};
use llm_core::{FinishReason, ModelName, Operation, Usage};
use llm_usage::{Dimension, Filter, Retention, UsageStore};
use uuid::Uuid;

const RECORDS: u64 = 1_000_000;
const BATCH: u64 = 1_000;

/// One call every three seconds, by ten tenants with ten keys each, of twenty models.
fn record(number: u64) -> CallRecord {
    CallRecord {
        id: Uuid::now_v7(),
        trace: None,
        tenant: Some(format!("tenant-{}", number % 10).into()),
        key: Some(format!("key-{}", number % 100).into()),
        priority: Priority::Interactive,
        route: "smart".into(),
        target: Arc::new(ModelName::new("openai", format!("model-{}", number % 20))),
        operation: Operation::Chat,
        outcome: Outcome::Completed,
        cache: None,
        finish: Some(FinishReason::Stop),
        error: None,
        usage: Usage {
            input_tokens: Some(number % 5_000),
            output_tokens: Some(number % 700),
            ..Usage::default()
        },
        cost: Some(number as f64 * 1e-9),
        attempts: 1,
        events: number % 700,
        started: UNIX_EPOCH + Duration::from_secs(1_790_000_000 + number * 3),
        queued: Some(Duration::from_micros(70)),
        first_event: Some(Duration::from_millis(400)),
        total: Duration::from_millis(number % 30_000),
        request_id: Some(format!("req_{:032x}", u128::from(number) << 64).into()),
        response_id: Some(format!("chatcmpl-{:029x}", u128::from(number) << 40).into()),
        response_model: Some("model-2026-11-01".into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("usage.db");
    let store = UsageStore::open(&path, Retention::default())?;
    let began = Instant::now();
    for batch in 0..RECORDS / BATCH {
        let records: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).map(record).collect();
        store.append(&records)?;
    }
    let took = began.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(&path)?.len();
    println!("written   {:.0} records a second", RECORDS as f64 / took);
    println!("room      {} bytes a record", bytes / RECORDS);
    let tenant = Filter { tenant: Some("tenant-3".into()), ..Filter::default() };
    for (what, filter, by) in [
        (
            "all of them by day and model",
            &Filter::default(),
            vec![Dimension::Day, Dimension::Model],
        ),
        ("one tenant's by day and model", &tenant, vec![Dimension::Day, Dimension::Model]),
    ] {
        let began = Instant::now();
        let sums = store.sums(filter, &by)?;
        println!("summed    {what}: {} groups in {:?}", sums.groups.len(), began.elapsed());
    }
    let began = Instant::now();
    store.page(&tenant, Some(500_000), 1_000)?;
    println!("read      a page of 1,000 in {:?}", began.elapsed());
    Ok(())
}
