//! What was written is what is summed and read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{SignedDuration, Timestamp};
use llm_bundle::{CacheStatus, CallRecord, Outcome, Priority};
use llm_core::{ErrorKind, FinishReason, ModelName, Operation, Usage};
use llm_usage::{Dimension, Filter, Retention, Totals, UsageError, UsageStore};
use proptest::prelude::*;
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86_400);

/// 2026-11-01T00:00:00Z.
const START: Duration = Duration::from_secs(1_793_491_200);

fn open() -> (tempfile::TempDir, UsageStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = UsageStore::open(&folder.path().join("usage.db"), Retention::default()).unwrap();
    (folder, store)
}

fn record(number: u64) -> CallRecord {
    CallRecord {
        id: Uuid::from_u128(u128::from(number)),
        trace: Some(0xabc),
        tenant: Some("acme".into()),
        key: None,
        priority: Priority::Interactive,
        route: "smart".into(),
        target: Arc::new(ModelName::new("test", "model")),
        operation: Operation::Chat,
        outcome: Outcome::Completed,
        cache: None,
        finish: Some(FinishReason::Stop),
        error: None,
        usage: Usage { input_tokens: Some(10), output_tokens: Some(2), ..Usage::default() },
        cost: Some(0.25),
        attempts: 1,
        events: 3,
        started: UNIX_EPOCH + START,
        queued: Some(Duration::from_millis(5)),
        first_event: Some(Duration::from_millis(100)),
        total: Duration::from_millis(1_500),
        request_id: Some("req-1".into()),
        response_id: None,
        response_model: Some("model-2026".into()),
    }
}

fn one(store: &UsageStore, filter: &Filter) -> Totals {
    let sums = store.sums(filter, &[]).unwrap();
    sums.groups.into_iter().next().map(|group| group.totals).unwrap_or_default()
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let (_folder, store) = open();
    store.append(&[record(7)]).unwrap();
    let page = store.page(&Filter::default(), None, 10).unwrap();
    let json = serde_json::to_value(&page.records[0]).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "cursor": 1, "id": "00000000-0000-0000-0000-000000000007", "started": "2026-11-01T00:00:00Z",
            "tenant": "acme", "priority": "interactive", "route": "smart", "model": "test/model",
            "operation": "chat", "outcome": "completed", "finish": "stop", "input_tokens": 10,
            "output_tokens": 2, "estimated": false, "cost": 0.25, "attempts": 1, "events": 3,
            "queued_seconds": 0.005, "first_event_seconds": 0.1, "total_seconds": 1.5,
            "request_id": "req-1", "response_model": "model-2026",
            "trace": "00000000000000000000000000000abc",
        })
    );
    assert_eq!(page.next, None);
}

#[test]
fn what_is_written_again_counts_once() {
    let (_folder, store) = open();
    assert_eq!(store.append(&[record(1), record(2)]).unwrap(), 2);
    assert_eq!(store.append(&[record(2), record(3)]).unwrap(), 1);
    assert_eq!((store.len().unwrap(), one(&store, &Filter::default()).calls), (3, 3));
}

#[test]
fn pages_follow_each_other_without_gaps_and_tenants_are_apart() {
    let (_folder, store) = open();
    let of = |number: u64| CallRecord {
        tenant: Some(if number.is_multiple_of(3) { "other" } else { "acme" }.into()),
        ..record(number)
    };
    store.append(&(1..=100).map(of).collect::<Vec<_>>()).unwrap();
    let filter = Filter { tenant: Some("acme".into()), ..Filter::default() };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.page(&filter, after, 7).unwrap();
        seen.extend(page.records.iter().map(|call| call.id.as_u128() as u64));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=100).filter(|number| number % 3 != 0).collect::<Vec<_>>());
    assert_eq!(one(&store, &filter).calls, 67);
}

#[test]
fn groups_have_names_and_an_order() {
    let (_folder, store) = open();
    let at = |number: u64, hours: u32, key: Option<&str>| CallRecord {
        started: UNIX_EPOCH + START + hours * DAY / 24,
        key: key.map(Into::into),
        ..record(number)
    };
    store.append(&[at(1, 30, None), at(2, 1, Some("k1")), at(3, 2, Some("k1"))]).unwrap();
    let shown = |by: &[Dimension]| -> Vec<String> {
        let sums = store.sums(&Filter::default(), by).unwrap();
        let values = |group: &llm_usage::Group| {
            let by: Vec<_> = by
                .iter()
                .map(|dimension| group.by[dimension].clone().unwrap_or_else(|| "-".into()))
                .collect();
            format!("{} {}", by.join(" "), group.totals.calls)
        };
        sums.groups.iter().map(values).collect()
    };
    assert_eq!(shown(&[Dimension::Day]), ["2026-11-01 2", "2026-11-02 1"]);
    assert_eq!(
        shown(&[Dimension::Hour]),
        ["2026-11-01T01:00:00Z 1", "2026-11-01T02:00:00Z 1", "2026-11-02T06:00:00Z 1"]
    );
    assert_eq!(shown(&[Dimension::Key, Dimension::Model]), ["- test/model 1", "k1 test/model 2"]);
    for dimension in Dimension::ALL {
        assert_eq!(dimension.as_str().parse(), Ok(dimension));
        assert!(!shown(&[dimension, dimension]).is_empty(), "{dimension}");
    }
    let error = "colour".parse::<Dimension>().unwrap_err().to_string();
    assert!(error.starts_with("records cannot be summed by `colour`; there are tenant, key"));
}

#[test]
fn percentiles_are_of_each_group_and_of_all() {
    let (_folder, store) = open();
    // A hundred of each model: 10 ms to 1 s, and ten times as long.
    let of = |number: u64| CallRecord {
        target: Arc::new(ModelName::new("test", if number < 100 { "fast" } else { "slow" })),
        total: Duration::from_millis((number % 100 + 1) * if number < 100 { 10 } else { 100 }),
        first_event: (number % 2 == 0).then_some(Duration::from_millis(number % 100 + 1)),
        ..record(number)
    };
    store.append(&(0..200).map(of).collect::<Vec<_>>()).unwrap();
    let other = CallRecord { tenant: Some("other".into()), total: DAY, ..record(900) };
    store.append(&[other]).unwrap();
    let filter = Filter { tenant: Some("acme".into()), ..Filter::default() };
    let told = store.latencies(&filter, &[Dimension::Model, Dimension::Model]).unwrap();
    assert!(told.complete);
    let about = |told: f64, exact: f64| {
        assert!((told / exact - 1.0).abs() < 0.0101, "{told} is not about {exact}");
    };
    let seen: Vec<_> = told.groups.iter().map(|group| group.latency.clone()).collect();
    assert_eq!(seen.iter().map(|latency| latency.calls).collect::<Vec<_>>(), [100, 100]);
    for (latency, unit) in seen.iter().zip([0.01, 0.1]) {
        let total = latency.total_seconds.unwrap();
        about(total.p50, 50.0 * unit);
        about(total.p90, 90.0 * unit);
        about(total.p99, 99.0 * unit);
        about(latency.first_event_seconds.unwrap().p50, 0.049);
    }
    assert_eq!(told.total.calls, 200);
    about(told.total.total_seconds.unwrap().p99, 9.8);
    let none = Filter { from: Timestamp::from_second(1 << 37).ok(), ..filter };
    assert_eq!(store.latencies(&none, &[]).unwrap().total.total_seconds, None);
}

#[test]
fn old_records_go_and_so_do_the_oldest_of_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.db");
    let store = UsageStore::open(&path, Retention { days: 2, ..Retention::default() }).unwrap();
    let at = |number: u64| CallRecord {
        started: UNIX_EPOCH + START + number as u32 * DAY / 1_000,
        ..record(number)
    };
    store.append(&(0..6_000).map(at).collect::<Vec<_>>()).unwrap();
    let now = Timestamp::from_second(START.as_secs() as i64).unwrap()
        + SignedDuration::from_hours(24 * 6);
    assert_eq!(store.prune(now).unwrap(), 4_000);
    assert_eq!(store.prune(now).unwrap(), 0);
    drop(store);

    let store = UsageStore::open(&path, Retention { days: 90, max_bytes: 1 << 20 }).unwrap();
    store.append(&(6_000..20_000).map(at).collect::<Vec<_>>()).unwrap();
    let gone = store.prune(now).unwrap();
    assert!(gone >= 10_000, "{gone}");
    let left = store.page(&Filter::default(), None, 1).unwrap().records;
    assert!(left.first().is_none_or(|call| call.id.as_u128() >= 14_000));
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes <= (1 << 20) + (64 << 10), "{bytes}");
}

#[test]
fn what_callers_and_providers_send_is_bounded() {
    let (_folder, store) = open();
    let extreme = |number: u64| CallRecord {
        route: "ä".repeat(1_000_000).into(),
        key: Some("'; DROP TABLE calls; --".into()),
        usage: Usage { input_tokens: Some(u64::MAX), ..Usage::default() },
        cost: [Some(f64::NAN), Some(f64::INFINITY), Some(-1.0), Some(1e300)][number as usize % 4],
        total: Duration::MAX,
        started: SystemTime::UNIX_EPOCH,
        events: u64::MAX,
        ..record(number)
    };
    store.append(&(0..8).map(extreme).collect::<Vec<_>>()).unwrap();
    let totals = one(&store, &Filter::default());
    assert_eq!((totals.calls, totals.unpriced, totals.input_tokens), (8, 4, 8 << 40));
    assert_eq!(totals.cost, 2e6);
    let page = store.page(&Filter::default(), None, usize::MAX).unwrap();
    assert!(page.records.iter().all(|call| call.route.len() == 256));
    let of = Filter { key: Some("'; DROP TABLE calls; --".into()), ..Filter::default() };
    assert_eq!(one(&store, &of).calls, 8);
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let (folder, store) = open();
    store.append(&[record(1)]).unwrap();
    drop(store);
    let path = folder.path().join("usage.db");
    let again = UsageStore::open(&path, Retention::default()).unwrap();
    assert_eq!(again.len().unwrap(), 1);
    drop(again);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = UsageStore::open(&path, Retention::default()).unwrap_err();
    assert!(matches!(error, UsageError::TooNew { found: 99, .. }), "{error}");
    std::fs::write(&path, "no database at all, but long enough to be looked at").unwrap();
    assert!(UsageStore::open(&path, Retention::default()).is_err());
}

fn any_record() -> impl Strategy<Value = CallRecord> {
    let who = (any::<u128>(), 0..3_u8, proptest::option::of(0..3_u8), 0..4_u8, any::<bool>());
    let what = (
        proptest::option::of(0..100_000_u64),
        proptest::option::of(0..100_000_u64),
        proptest::option::of(0..2_000_000_000_u64),
        0..4_u32,
        0..40_000_000_u64,
    );
    (who, what).prop_map(
        |((id, tenant, key, model, cached), (input, output, cost, attempts, at))| CallRecord {
            id: Uuid::from_u128(id),
            tenant: (tenant > 0).then(|| format!("tenant-{tenant}").into()),
            key: key.map(|key| format!("key-{key}").into()),
            target: Arc::new(ModelName::new("test", format!("model-{model}"))),
            cache: cached.then_some(CacheStatus::Shared),
            outcome: if attempts == 0 { Outcome::Failed } else { Outcome::Completed },
            error: (attempts == 0).then_some(ErrorKind::Overloaded),
            usage: Usage { input_tokens: input, output_tokens: output, ..Usage::default() },
            cost: cost.map(|cost| cost as f64 / 1e9),
            attempts,
            started: UNIX_EPOCH + START + Duration::from_millis(at * 10),
            ..record(0)
        },
    )
}

/// What a group should sum to, counted from the records.
fn expected(
    records: &[CallRecord],
    by: Dimension,
) -> BTreeMap<Option<String>, (u64, u64, u64, i64)> {
    let mut groups = BTreeMap::new();
    for record in records {
        let value = match by {
            Dimension::Tenant => record.tenant.as_deref().map(str::to_owned),
            Dimension::Key => record.key.as_deref().map(str::to_owned),
            Dimension::Model => Some(record.target.to_string()),
            Dimension::Outcome => Some(record.ending().as_str().to_owned()),
            _ => {
                let began = record.started.duration_since(UNIX_EPOCH).unwrap();
                let day = Timestamp::from_second(began.as_secs() as i64).unwrap();
                Some(day.strftime("%Y-%m-%d").to_string())
            }
        };
        let sum: &mut (u64, u64, u64, i64) = groups.entry(value).or_default();
        sum.0 += 1;
        sum.1 += record.usage.input_tokens.unwrap_or(0);
        sum.2 += record.usage.output_tokens.unwrap_or(0);
        sum.3 += record.cost.map_or(0, |cost| (cost * 1e9).round() as i64);
    }
    groups
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_those_of_the_records(
        records in proptest::collection::vec(any_record(), 0..200),
        batch in 1..50_usize,
    ) {
        let (_folder, store) = open();
        for batch in records.chunks(batch) {
            store.append(batch).unwrap();
        }
        for by in [
            Dimension::Tenant, Dimension::Key, Dimension::Model, Dimension::Outcome, Dimension::Day,
        ] {
            let sums = store.sums(&Filter::default(), &[by]).unwrap();
            let seen: BTreeMap<_, _> = sums
                .groups
                .into_iter()
                .map(|group| {
                    let t = group.totals;
                    let cost = (t.cost * 1e9).round() as i64;
                    (group.by[&by].clone(), (t.calls, t.input_tokens, t.output_tokens, cost))
                })
                .collect();
            prop_assert_eq!(seen, expected(&records, by));
        }
        let half = Timestamp::from_millisecond(
            START.as_millis() as i64 + 200_000_000,
        ).unwrap();
        let before = one(&store, &Filter { to: Some(half), ..Filter::default() });
        let after = one(&store, &Filter { from: Some(half), ..Filter::default() });
        let mut both = before;
        both += &after;
        prop_assert_eq!(both.calls, records.len() as u64);
    }
}
