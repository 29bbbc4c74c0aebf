//! Calls within quotas: what callers see, and what is counted.

mod models;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use llm_bundle::quota::{LimitStore, Measure, MemoryLimits, Scope};
use llm_bundle::{CallContext, CallRecord, Guarded, Limits, Priority, Quotas, Registry};
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, ErrorKind, Message, ModelError, Prices, Retry,
    RetryHint,
};
use models::{Counting, Probe};
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn memory_counts_as_every_store_must() {
    testkit::limit_suite::run(&|| Arc::new(MemoryLimits::new())).await;
}

/// A chat model behind quotas.
#[derive(Clone)]
struct Limited {
    model: Guarded<dyn ChatModel>,
    quotas: Quotas,
    context: CallContext,
}

impl Limited {
    fn new(model: Counting, quotas: Quotas) -> Self {
        Self::with_provider(model, quotas, Limits::default())
    }

    fn with_provider(model: Counting, quotas: Quotas, provider: Limits) -> Self {
        let registry = Registry::builder()
            .chat(Arc::new(model))
            .quotas(quotas.clone())
            .limits_of("test", provider)
            .build();
        let context = CallContext { tenant: Some("acme".into()), ..CallContext::default() };
        Self { model: registry.chat("test/counting").unwrap(), quotas, context }
    }

    async fn ask(&self, request: ChatRequest) -> Result<ChatReply, ModelError> {
        self.model.ask(request, self.context.clone()).await
    }

    async fn used(&self, measure: Measure) -> u64 {
        self.quotas.used(Scope::tenant("acme"), measure).await
    }
}

/// Forty bytes, so ten tokens, and an answer of at most this many.
fn question(most: u32) -> ChatRequest {
    let messages = vec![Message::user("0123456789".repeat(4))];
    ChatRequest { max_output_tokens: Some(most), ..ChatRequest::new(messages).streamed() }
}

fn tenant(limits: Limits) -> Quotas {
    Quotas::builder().every_tenant(limits).build()
}

async fn drain(reply: ChatReply) -> Result<usize, ModelError> {
    reply.try_fold(0, async |n, _| Ok(n + 1)).await
}

#[tokio::test(start_paused = true)]
async fn what_was_reserved_is_settled_to_what_was_used() {
    let limits = Limits { tokens_per_minute: Some(1_000), ..Limits::default() };
    let model = Limited::new(Counting::new(3, &Probe::default()), tenant(limits));
    let reply = model.ask(question(500)).await.unwrap();
    assert_eq!(model.used(Measure::Tokens).await, 510);
    let events: Vec<ChatEvent> = reply.try_collect().await.unwrap();
    let told = events.iter().find_map(|event| match event {
        ChatEvent::Usage(usage) => usage.total_tokens(),
        _ => None,
    });
    assert_eq!(Some(model.used(Measure::Tokens).await), told);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_pays_for_what_had_come() {
    let limits = Limits {
        requests_per_minute: Some(5),
        tokens_per_minute: Some(1_000),
        concurrent: Some(5),
        ..Limits::default()
    };
    let model = Limited::new(Counting::new(100, &Probe::default()), tenant(limits));
    let mut reply = model.ask(question(500)).await.unwrap();
    for _ in 0..4 {
        reply.next().await.unwrap().unwrap();
    }
    assert_eq!(model.used(Measure::Concurrent).await, 1);
    drop(reply);
    let tokens = model.used(Measure::Tokens).await;
    assert!((11..20).contains(&tokens), "the prompt and a few words: {tokens}");
    assert_eq!(model.used(Measure::Concurrent).await, 0);
    assert_eq!(model.used(Measure::Requests).await, 1);

    drop(model.ask(question(500)));
    assert_eq!(model.used(Measure::Tokens).await, tokens, "never polled, never asked");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fits_soon_waits_and_another_is_told_when() {
    let limits = Limits { requests_per_minute: Some(2), ..Limits::default() };
    let probe = Probe::default();
    let model = Limited::new(Counting::new(1, &probe), tenant(limits));
    for _ in 0..2 {
        drain(model.ask(question(1)).await.unwrap()).await.unwrap();
    }
    let error = model.ask(question(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimit);
    let Retry::After(wait) = error.retry() else { panic!("{error:?}") };
    assert!((SECOND * 59..=SECOND * 61).contains(&wait), "{wait:?}");
    assert!(
        error.message().starts_with("tenant `acme` may make 2 requests a minute; try again in")
    );
    assert_eq!(probe.calls(), 2, "the model was not asked");

    advance(wait - SECOND * 3).await;
    let started = Instant::now();
    drain(model.ask(question(1)).await.unwrap()).await.unwrap();
    assert_eq!(started.elapsed(), SECOND * 3);
}

#[tokio::test(start_paused = true)]
async fn calls_under_way_make_room_when_they_end() {
    let limits = Limits { concurrent: Some(2), ..Limits::default() };
    let probe = Probe::default();
    let slow = Counting { pause: SECOND / 10, ..Counting::new(5, &probe) };
    let model = Limited::new(slow, tenant(limits));
    let calls = (0..10).map(|_| async { drain(model.ask(question(1)).await?).await });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(probe.most_live(), 2);
    assert_eq!(model.used(Measure::Concurrent).await, 0);
}

#[tokio::test(start_paused = true)]
async fn tenants_and_keys_are_limited_each_for_itself() {
    let one = Limits { requests_per_minute: Some(1), ..Limits::default() };
    let quotas = Quotas::builder()
        .every_tenant(one.clone())
        .tenant("big", Limits { requests_per_minute: Some(3), ..Limits::default() })
        .key("k", one)
        .build();
    let model = Limited::new(Counting::new(1, &Probe::default()), quotas);
    for (tenant, key, expected) in [
        (Some("acme"), None, None),
        (Some("acme"), None, Some("tenant `acme`")),
        (Some("other"), None, None),
        (Some("big"), Some("k"), None),
        (Some("big"), Some("k"), Some("API key `k`")),
        (Some("big"), Some("unlimited"), None),
        (Some("big"), None, None),
        (Some("big"), None, Some("tenant `big`")),
        (None, None, None),
        (None, None, None),
    ] {
        let context = CallContext {
            tenant: tenant.map(Into::into),
            key: key.map(Into::into),
            ..CallContext::default()
        };
        let asked = Limited { context, ..model.clone() }.ask(question(1)).await;
        let refused = asked.err().map(|error| error.message().to_owned());
        match (expected, &refused) {
            (None, None) => {}
            (Some(scope), Some(message)) if message.starts_with(scope) => {}
            _ => panic!("{tenant:?} {key:?}: {refused:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn money_is_estimated_then_counted_and_begins_anew_each_day() {
    let limits = Limits { dollars_per_day: Some(1.0), ..Limits::default() };
    let mut model = Counting::new(3, &Probe::default());
    model.info.prices =
        Some(Prices { input: Some(0.001), output: Some(0.01), ..Prices::default() });
    let model = Limited::new(model, tenant(limits));
    let reply = model.ask(question(50)).await.unwrap();
    assert_eq!(model.used(Measure::Money).await, 510_000_000, "10 × 0.001 + 50 × 0.01 dollars");
    drain(reply).await.unwrap();
    let spent = model.used(Measure::Money).await;
    assert!(spent < 100_000_000, "{spent}");

    let error = model.ask(question(99)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Quota, Retry::Exhausted));
    let expected =
        "the budget of tenant `acme`, 1.00 dollars a day, is used up; the next day begins";
    assert!(error.message().starts_with(expected), "{error}");

    advance(SECOND * 86_400).await;
    assert_eq!(model.used(Measure::Money).await, 0);
    model.ask(question(99)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_guessed_answer_is_no_reason_to_refuse() {
    let limits = Limits { tokens_per_minute: Some(100), ..Limits::default() };
    let model = Limited::new(Counting::new(1, &Probe::default()), tenant(limits));
    let unbounded = ChatRequest { max_output_tokens: None, ..question(1) };
    drain(model.ask(unbounded).await.unwrap()).await.unwrap();

    let error = model.ask(question(91)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimit, Retry::No));
    assert!(error.message().starts_with("this call may need 101 tokens"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn batch_leaves_room_for_people() {
    let limits = Limits { requests_per_minute: Some(10), ..Limits::default() };
    let quotas = Quotas::builder().every_tenant(limits).longest_batch_wait(SECOND).build();
    let model = Limited::new(Counting::new(1, &Probe::default()), quotas);
    let batch = CallContext { priority: Priority::Batch, ..model.context.clone() };
    let batch = Limited { context: batch, ..model.clone() };
    let asked = join_all((0..20).map(|_| batch.ask(question(1)))).await;
    assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 8);
    let asked = join_all((0..20).map(|_| model.ask(question(1)))).await;
    assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn models_that_cost_nothing_can_be_left_out() {
    let registry = Registry::builder()
        .chat(Arc::new(Counting::new(1, &Probe::default())))
        .quotas(tenant(Limits { requests_per_minute: Some(0), ..Limits::default() }))
        .unlimited("test")
        .build();
    let context = CallContext { tenant: Some("acme".into()), ..CallContext::default() };
    let model = registry.chat("test/counting").unwrap();
    drain(model.ask(question(1), context).await.unwrap()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_it_answers_costs_no_tokens() {
    let limits = Limits {
        requests_per_minute: Some(9),
        tokens_per_minute: Some(9_000),
        ..Limits::default()
    };
    let broken = Counting::new(1, &Probe::default());
    broken.refusals.lock().unwrap().extend([ErrorKind::Upstream; 3]);
    let model = Limited::with_provider(broken, tenant(limits.clone()), limits);
    model.ask(question(1)).await.unwrap_err();
    let provider = Scope::provider("test");
    for (scope, measure, expected) in [
        (Scope::tenant("acme"), Measure::Tokens, 0),
        (Scope::tenant("acme"), Measure::Requests, 1),
        (provider.clone(), Measure::Tokens, 0),
        (provider, Measure::Requests, 3),
    ] {
        let used = model.quotas.used(scope.clone(), measure).await;
        assert_eq!(used, expected, "{scope} {measure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn quotas_and_records_agree_whatever_happens_to_the_calls() {
    let plenty = Some(1_000_000_000);
    let limits = Limits {
        requests_per_minute: plenty,
        tokens_per_minute: plenty,
        concurrent: plenty,
        dollars_per_day: Some(1_000_000.0),
    };
    let mut model = Counting::new(6, &Probe::default());
    model.info.prices = Some(Prices { input: Some(0.5), output: Some(0.25), ..Prices::default() });
    let refusals = model.refusals.clone();
    let records: Arc<Mutex<Vec<CallRecord>>> = Arc::default();
    let sink = records.clone();
    let quotas = tenant(limits);
    let registry = Registry::builder()
        .chat(Arc::new(model))
        .quotas(quotas.clone())
        .records(Arc::new(move |record| sink.lock().unwrap().push(record)))
        .build();
    let limited = Limited {
        model: registry.chat("test/counting").unwrap(),
        quotas,
        context: CallContext { tenant: Some("acme".into()), ..CallContext::default() },
    };
    for number in 0..400_usize {
        // A failure that is not tried again, on some calls.
        refusals.lock().unwrap().extend((number % 7 == 3).then_some(ErrorKind::InvalidRequest));
        let asked = limited.ask(question(20));
        if number % 5 == 4 {
            drop(asked);
            continue;
        }
        // Some are left after a few events, the others read to the end.
        let Ok(mut reply) = asked.await else { continue };
        for _ in 0..number % 11 {
            let _ = reply.next().await;
        }
    }
    let records = std::mem::take(&mut *records.lock().unwrap());
    assert!(records.len() >= 320, "{}", records.len());
    let sum = |of: &dyn Fn(&CallRecord) -> u64| records.iter().map(of).sum::<u64>();
    assert_eq!(limited.used(Measure::Concurrent).await, 0);
    assert_eq!(
        limited.used(Measure::Requests).await,
        sum(&|record| u64::from(record.attempts.min(1)))
    );
    assert_eq!(
        limited.used(Measure::Tokens).await,
        sum(&|record| record.usage.total_tokens().unwrap_or(0))
    );
    // Prices are quarters of a dollar, so that the sum is exact.
    assert_eq!(
        limited.used(Measure::Money).await,
        sum(&|record| (record.cost.unwrap_or(0.0) * 1e9) as u64)
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = told.clone();
    let quotas = Quotas::builder()
        .every_tenant(Limits { requests_per_minute: Some(1), ..Limits::default() })
        .on_refusal(move |scope, kind| log.lock().unwrap().push(format!("{scope} {kind}")))
        .build();
    let provider = Limits { tokens_per_minute: Some(20), ..Limits::default() };
    let model = Limited::with_provider(Counting::new(1, &Probe::default()), quotas, provider);
    model.ask(question(50)).await.unwrap_err();
    model.ask(question(1)).await.unwrap();
    model.ask(question(1)).await.unwrap_err();
    assert_eq!(*told.lock().unwrap(), ["provider `test` tokens", "tenant `acme` requests"]);
}

#[tokio::test]
async fn forgotten_scopes_begin_anew_and_keep_their_counts_apart() {
    use llm_bundle::quota::Charge;
    let store = MemoryLimits::with_scopes(std::num::NonZeroUsize::MIN);
    let one = |id: &str| {
        let scope = Scope::tenant(id);
        [Charge { scope, measure: Measure::Concurrent, amount: 1, limit: 1 }]
    };
    let first = store.try_reserve(&one("a")).unwrap();
    let _other = store.try_reserve(&one("b")).unwrap();
    let _again = store.try_reserve(&one("a")).expect("it was forgotten");
    drop(first);
    let used = store.read(&[(Scope::tenant("a"), Measure::Concurrent)]).await;
    assert_eq!(used, [1], "the first one's end is none of the second one's");
}
