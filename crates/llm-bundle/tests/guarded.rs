//! A guarded model: what its callers see, and what is recorded.

mod models;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use futures::future::join_all;
use llm_bundle::{CallContext, CallRecord, Ending, GuardOptions, Guarded, Outcome, Priority};
use llm_core::{
    ChatModel, ChatReply, ChatRequest, ChatResponse, EmbeddingModel, EmbeddingRequest, ErrorKind,
    FinishReason, Message, Operation, Prices,
};
use models::{AsyncLengths, Counting, Probe, places};
use tokio::time::{Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);

type Records = Arc<Mutex<Vec<CallRecord>>>;

fn guarded(model: Counting, options: GuardOptions) -> (Guarded<dyn ChatModel>, Records) {
    let records = Records::default();
    let sink = records.clone();
    let sink = move |record| sink.lock().unwrap().push(record);
    let model: Arc<dyn ChatModel> = Arc::new(model);
    (Guarded::new(model, &options, Arc::new(sink)), records)
}

fn question() -> ChatRequest {
    // Forty bytes: ten tokens, roughly.
    ChatRequest::new(vec![Message::user("0123456789".repeat(4))]).streamed()
}

fn context() -> CallContext {
    CallContext { tenant: Some("acme".into()), ..CallContext::default() }
}

async fn drain(reply: ChatReply) -> Result<u64, ErrorKind> {
    reply.try_fold(0, async |n, _| Ok(n + 1)).await.map_err(|error| error.kind())
}

fn only(records: &Records) -> CallRecord {
    let records = records.lock().unwrap();
    assert_eq!(records.len(), 1, "{records:?}");
    records[0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_completed_call_is_recorded_in_full() {
    let mut model = Counting { pause: SECOND, ..Counting::new(3, &Probe::default()) };
    model.info.prices = Some(Prices { input: Some(1.0), output: Some(10.0), ..Prices::default() });
    let (model, records) = guarded(model, GuardOptions::default());
    let reply = model.ask(question(), context()).await.unwrap();
    let response = ChatResponse::collect(reply).await.unwrap();
    assert_eq!(response.text(), "0 1 2 ");

    let record = only(&records);
    assert_eq!(record.tenant.as_deref(), Some("acme"));
    assert_eq!(record.target.to_string(), "test/counting");
    assert_eq!((&*record.route, record.cache), ("test/counting", None));
    assert_eq!((record.operation, record.outcome), (Operation::Chat, Outcome::Completed));
    assert_eq!((record.finish, record.error), (Some(FinishReason::Stop), None));
    let usage = (record.usage.input_tokens, record.usage.output_tokens, record.usage.estimated);
    assert_eq!(usage, (Some(1), Some(3), false));
    assert_eq!(record.cost, Some(31.0));
    assert_eq!((record.attempts, record.events), (1, 5));
    assert_eq!(record.queued, Some(Duration::ZERO));
    assert_eq!((record.first_event, record.total), (Some(SECOND), 3 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_left_half_way_is_recorded_with_an_estimate() {
    let model = Counting { pause: SECOND, ..Counting::new(100, &Probe::default()) };
    let (model, records) = guarded(model, GuardOptions::default());
    let mut reply = model.ask(question(), context()).await.unwrap();
    for _ in 0..4 {
        reply.try_next().await.unwrap();
    }
    assert!(records.lock().unwrap().is_empty());
    drop(reply);
    let record = only(&records);
    assert_eq!((record.outcome, record.finish, record.error), (Outcome::Cancelled, None, None));
    // "0 1 2 3 " is eight bytes.
    let usage = (record.usage.input_tokens, record.usage.output_tokens, record.usage.estimated);
    assert_eq!(usage, (Some(10), Some(2), true));
}

#[tokio::test(start_paused = true)]
async fn leaving_after_a_whole_answer_is_no_cancellation() {
    let (model, records) = guarded(Counting::new(1, &Probe::default()), GuardOptions::default());
    let mut reply = model.ask(question(), context()).await.unwrap();
    for _ in 0..3 {
        reply.try_next().await.unwrap();
    }
    drop(reply);
    assert_eq!(only(&records).outcome, Outcome::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_left_the_queue_costs_nothing() {
    let options = GuardOptions { in_flight: places(1, 1_024), ..GuardOptions::default() };
    let (model, records) = guarded(Counting::new(9, &Probe::default()), options);
    let _live = model.ask(question(), context()).await.unwrap();
    assert!(timeout(5 * SECOND, model.ask(question(), context())).await.is_err());
    let record = only(&records);
    assert_eq!((record.outcome, record.attempts), (Outcome::Cancelled, 0));
    assert_eq!((record.queued, record.total), (None, 5 * SECOND));
    assert_eq!(record.usage, llm_core::Usage::default());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_is_told_apart_from_the_model() {
    let options = GuardOptions { in_flight: places(1, 1_024), ..GuardOptions::default() };
    let model = Counting { pause: SECOND, ..Counting::new(3, &Probe::default()) };
    let (model, records) = guarded(model, options);
    let calls = (0..2).map(|_| async {
        let reply = model.ask(question(), context()).await.unwrap();
        drain(reply).await
    });
    assert_eq!(join_all(calls).await, [Ok(5), Ok(5)]);
    let records = records.lock().unwrap();
    let seen: Vec<_> =
        records.iter().map(|r| (r.queued.unwrap(), r.first_event.unwrap())).collect();
    assert_eq!(seen, [(Duration::ZERO, SECOND), (3 * SECOND, 4 * SECOND)]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_two_is_two_live_answers() {
    let probe = Probe::default();
    let options = GuardOptions { in_flight: places(2, 30), ..GuardOptions::default() };
    let (model, records) = guarded(Counting { pause: SECOND, ..Counting::new(4, &probe) }, options);
    let calls = (0..16).map(|_| {
        let asking = model.ask(question(), context());
        async { drain(asking.await.map_err(|error| error.kind())?).await }
    });
    assert_eq!(join_all(calls).await, vec![Ok(6); 16]);
    assert_eq!((probe.most_live(), records.lock().unwrap().len()), (2, 16));
    assert_eq!(model.load(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn retries_happen_before_the_first_event_and_are_counted() {
    for (refusals, fails, attempts, seen) in [
        (vec![ErrorKind::Upstream, ErrorKind::RateLimit], None, 3, Ok(5)),
        (vec![ErrorKind::Upstream; 3], None, 3, Err(ErrorKind::Upstream)),
        (vec![ErrorKind::InvalidRequest], None, 1, Err(ErrorKind::InvalidRequest)),
        (vec![ErrorKind::Unknown], None, 1, Err(ErrorKind::Unknown)),
        (vec![], Some(ErrorKind::Connection), 1, Err(ErrorKind::Connection)),
    ] {
        let model = Counting { fails, ..Counting::new(3, &Probe::default()) };
        *model.refusals.lock().unwrap() = VecDeque::from(refusals);
        let (model, records) = guarded(model, GuardOptions::default());
        let asked = model.ask(question(), context()).await;
        let got = match asked {
            Ok(reply) => drain(reply).await,
            Err(error) => Err(error.kind()),
        };
        assert_eq!(got, seen);
        let record = only(&records);
        assert_eq!((record.attempts, record.error), (attempts, seen.err()));
        let ok = if seen.is_ok() { Outcome::Completed } else { Outcome::Failed };
        assert_eq!(record.outcome, ok);
    }
}

#[tokio::test(start_paused = true)]
async fn silence_and_slowness_end_in_errors_that_name_the_model() {
    let slow = |pause| Counting { pause, ..Counting::new(u64::MAX, &Probe::default()) };
    for (pause, stream, seconds, message) in [
        // Three attempts of a minute each, and the pauses between them.
        (61 * SECOND, true, 180, "no answer began within 60s"),
        // In one piece: nothing but the deadline.
        (700 * SECOND, false, 600, "the call did not finish within 600s"),
        (9 * SECOND, true, 600, "the call did not finish within 600s"),
    ] {
        let (model, records) = guarded(slow(pause), GuardOptions::default());
        let request = ChatRequest { stream, ..question() };
        let start = Instant::now();
        let error = match model.ask(request, context()).await {
            Err(error) => error,
            Ok(reply) => reply.try_for_each(async |_| Ok(())).await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let expected = format!("chat request to test/counting failed: {message}");
        assert_eq!(error.to_string(), expected);
        assert!((seconds..=seconds + 2).contains(&start.elapsed().as_secs()));
        assert_eq!(only(&records).error, Some(ErrorKind::Timeout));
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_waiting_calls_are_overload() {
    let options = GuardOptions { in_flight: places(1, 0), ..GuardOptions::default() };
    let (model, records) = guarded(Counting::new(1, &Probe::default()), options);
    let _live = model.ask(question(), context()).await.unwrap();
    let error = model.ask(question(), context()).await.unwrap_err();
    assert_eq!((error.kind(), error.provider()), (ErrorKind::Overloaded, "test"));
    assert_eq!(only(&records).attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_one_piece_is_a_model_call_like_any_other() {
    let records = Records::default();
    let sink = records.clone();
    let sink = Arc::new(move |record| sink.lock().unwrap().push(record));
    let model: Arc<dyn EmbeddingModel> = Arc::new(AsyncLengths::new(&Probe::default()));
    let model = Guarded::new(model, &GuardOptions::default(), sink);
    let response = model.embed(EmbeddingRequest::query("four")).await.unwrap();
    assert_eq!(response.vectors[0][0], 4.0);
    let record = only(&records);
    assert_eq!((record.operation, record.outcome), (Operation::Embed, Outcome::Completed));
    assert_eq!((record.usage.input_tokens, record.tenant), (Some(1), None));
}

#[tokio::test(start_paused = true)]
async fn a_record_tells_who_asked_and_how_it_ended() {
    let options = GuardOptions { in_flight: places(1, 0), ..GuardOptions::default() };
    let (model, records) = guarded(Counting::new(1, &Probe::default()), options);
    let context = CallContext {
        tenant: Some("acme".into()),
        key: Some("key-7".into()),
        priority: Priority::Batch,
        ..CallContext::default()
    };
    let live = model.ask(question(), context.clone()).await.unwrap();
    model.ask(question(), context.clone()).await.unwrap_err();
    drop(live);
    drain(model.ask(question(), context).await.unwrap()).await.unwrap();
    let records = records.lock().unwrap();
    let endings: Vec<_> = records.iter().map(CallRecord::ending).collect();
    assert_eq!(endings, [Ending::Refused, Ending::Cancelled, Ending::Completed]);
    for record in &*records {
        assert_eq!((record.key.as_deref(), record.priority), (Some("key-7"), Priority::Batch));
    }
    assert!(records[0].id != records[1].id);
}
