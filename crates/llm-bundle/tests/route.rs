//! A name over several models: who is asked, in which order, and what the caller sees when one fails.

mod models;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use llm_bundle::{
    Bundle, CallContext, CallRecord, Fallback, GuardOptions, HedgeOptions, Outcome, Registry,
    RouteError, RouteOptions, RouteTarget, Strategy, Trail,
};
use llm_core::{
    ChatEvent, ChatRequest, ChatResponse, ErrorKind, Message, ModelKind, ModelName, Prices,
};
use models::{AsyncLengths, Counting, Lengths, Probe};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// Models `a/m`, `b/m` … behind the name `any`.
struct Route {
    models: Vec<Counting>,
    options: RouteOptions,
    guards: GuardOptions,
    records: Arc<Mutex<Vec<CallRecord>>>,
}

impl Route {
    /// Each says so many numbers.
    fn new(until: &[u64]) -> Self {
        let models = until.iter().zip('a'..).map(|(until, name)| {
            let info = models::info(&format!("{name}/m"), ModelKind::Chat);
            Counting { info, ..Counting::new(*until, &Probe::default()) }
        });
        Self {
            models: models.collect(),
            options: RouteOptions::default(),
            guards: GuardOptions::default(),
            records: Arc::default(),
        }
    }

    fn refusing(self, at: usize, kinds: &[ErrorKind]) -> Self {
        *self.models[at].refusals.lock().unwrap() = VecDeque::from(kinds.to_vec());
        self
    }

    fn bundle(&self) -> Bundle {
        let sink = self.records.clone();
        let mut registry = Registry::builder()
            .guards(self.guards.clone())
            .records(Arc::new(move |record| sink.lock().unwrap().push(record)));
        for model in &self.models {
            registry = registry.chat(Arc::new(model.clone()));
        }
        let targets = self.models.iter().map(|model| model.info.name.clone().into()).collect();
        let registry = registry.route(ModelKind::Chat, "any", targets, self.options.clone());
        Bundle::new(registry.unwrap().build())
    }

    fn calls(&self) -> Vec<usize> {
        self.models.iter().map(|model| model.probe.calls()).collect()
    }
}

fn question() -> ChatRequest {
    ChatRequest {
        model: "any".into(),
        ..ChatRequest::new(vec![Message::user("How many?")]).streamed()
    }
}

async fn ask(bundle: &Bundle) -> Result<String, ErrorKind> {
    let reply = bundle.chat_stream(question()).await.map_err(|error| error.kind())?;
    let response = ChatResponse::collect(reply).await.map_err(|error| error.kind())?;
    Ok(response.text())
}

#[tokio::test(start_paused = true)]
async fn the_next_one_is_asked_when_that_can_help() {
    use ErrorKind::{
        Authentication, Connection, ContentFilter, InvalidRequest, Quota, RateLimit, Unknown,
        Upstream,
    };
    for (first, second, expected, calls) in [
        (vec![], vec![], Ok("0 "), [1, 0]),
        (vec![Upstream], vec![], Ok("0 1 "), [1, 1]),
        (vec![RateLimit], vec![], Ok("0 1 "), [1, 1]),
        (vec![Quota], vec![], Ok("0 1 "), [1, 1]),
        (vec![Authentication], vec![], Ok("0 1 "), [1, 1]),
        (vec![ContentFilter], vec![], Ok("0 1 "), [1, 1]),
        // The last one is tried again; the first is not, since there is another.
        (vec![Connection], vec![Upstream], Ok("0 1 "), [1, 2]),
        (vec![Upstream], vec![Connection; 3], Err(Connection), [1, 3]),
        // The request is at fault, or nobody knows.
        (vec![InvalidRequest], vec![], Err(InvalidRequest), [1, 0]),
        (vec![Unknown], vec![], Err(Unknown), [1, 0]),
    ] {
        let described = format!("{first:?} {second:?}");
        let route = Route::new(&[1, 2]).refusing(0, &first).refusing(1, &second);
        let answer = ask(&route.bundle()).await;
        assert_eq!(answer.as_deref().map_err(|kind| *kind), expected, "{described}");
        assert_eq!(route.calls(), calls, "{described}");
        let records = route.records.lock().unwrap();
        assert_eq!(records.len(), 1, "{described}");
        let answered_by = if calls[1] > 0 { "b/m" } else { "a/m" };
        assert_eq!(records[0].target.to_string(), answered_by, "{described}");
        assert_eq!(records[0].attempts as usize, calls.iter().sum::<usize>(), "{described}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_never_answers_leaves_time_for_the_next() {
    for streamed in [true, false] {
        let mut route = Route::new(&[1, 2]);
        route.models[0].pause = 3_600 * SECOND;
        let bundle = route.bundle();
        let answer = match streamed {
            true => ask(&bundle).await,
            false => {
                let answer = bundle.chat(question()).await;
                answer.map(|answer| answer.text()).map_err(|error| error.kind())
            }
        };
        assert_eq!((answer.as_deref(), route.calls()), (Ok("0 1 "), vec![1, 1]), "{streamed}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_providers_that_may_see_it_are_asked_fallbacks_among_them() {
    let only = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (names, refused, expected, calls) in [
        (only(&["b"]), vec![], Ok("0 1 "), [0, 1, 0]),
        (only(&["a", "c"]), vec![ErrorKind::Upstream], Ok("0 1 2 "), [1, 0, 1]),
        (only(&["a"]), vec![ErrorKind::Authentication], Err(ErrorKind::Authentication), [1, 0, 0]),
        (only(&["d"]), vec![], Err(ErrorKind::InvalidRequest), [0, 0, 0]),
        (only(&[]), vec![], Err(ErrorKind::InvalidRequest), [0, 0, 0]),
    ] {
        let route = Route::new(&[1, 2, 3]).refusing(0, &refused);
        let answer = ask(&route.bundle().only_providers(names.clone())).await;
        assert_eq!(answer.as_deref().map_err(|kind| *kind), expected, "{names:?}");
        assert_eq!(route.calls(), calls, "{names:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fallbacks_can_be_switched_off() {
    let mut route = Route::new(&[1, 2]).refusing(0, &[ErrorKind::RateLimit]);
    route.options.fallback = Fallback { rate_limit: false, ..Fallback::default() };
    assert_eq!(ask(&route.bundle()).await, Err(ErrorKind::RateLimit));
    assert_eq!(route.calls(), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_too_long_goes_to_a_longer_context_only() {
    let contexts = [Some(1_000), Some(500), None, Some(2_000)];
    let mut route = Route::new(&[1, 2, 3, 4]).refusing(0, &[ErrorKind::ContextLength]);
    for (model, context) in route.models.iter_mut().zip(contexts) {
        model.info.limits.context_tokens = context;
    }
    let route = route.refusing(2, &[ErrorKind::ContextLength]);
    assert_eq!(ask(&route.bundle()).await.as_deref(), Ok("0 1 2 3 "));
    assert_eq!(route.calls(), [1, 0, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn who_is_known_not_to_serve_a_request_is_not_asked() {
    let mut route = Route::new(&[1, 2]);
    route.models[0].info.limits.context_tokens = Some(100);
    let bundle = route.bundle();
    let mut long = question();
    long.messages = vec![Message::user("words ".repeat(1_000))];
    bundle.chat(long).await.unwrap();
    ask(&bundle).await.unwrap();
    assert_eq!(route.calls(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn strategies_choose_by_load_latency_and_price() {
    // The second has less to do, is quicker, and costs less.
    for strategy in [Strategy::LeastBusy, Strategy::LowestLatency, Strategy::Cheapest] {
        let mut route = Route::new(&[3, 3]);
        route.options.strategy = strategy;
        route.models[0].pause = 3 * SECOND;
        route.models[1].pause = SECOND;
        let prices = |price| Some(Prices { input: price, output: price, ..Prices::default() });
        route.models[0].info.prices = prices(Some(2.0));
        route.models[1].info.prices = prices(Some(1.0));
        let bundle = route.bundle();
        let busy = bundle.chat_stream(ChatRequest { model: "a/m".into(), ..question() });
        let _busy = busy.await.unwrap();
        let quick = bundle.chat_stream(ChatRequest { model: "b/m".into(), ..question() });
        ChatResponse::collect(quick.await.unwrap()).await.unwrap();
        // Measurements are made by the route itself.
        for _ in 0..3 {
            ask(&bundle).await.unwrap();
        }
        let calls = route.calls();
        let most = if strategy == Strategy::LowestLatency { 2 } else { 1 };
        assert!(calls[0] <= most && calls[1] >= 3, "{strategy:?} {calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_overtaken_and_cancelled() {
    let mut route = Route::new(&[2, 2]);
    route.options.hedge = Some(HedgeOptions { least: 5, share: 0.5, ..HedgeOptions::default() });
    route.models[0].pause = SECOND;
    let bundle = route.bundle();
    for _ in 0..5 {
        ask(&bundle).await.unwrap();
    }
    assert_eq!(route.calls(), [5, 0]);

    route.models[0].slow_from_now(100 * SECOND);
    let begun = Instant::now();
    assert_eq!(ask(&bundle).await.as_deref(), Ok("0 1 "));
    assert!(begun.elapsed() <= 2 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(route.models[0].probe.live(), 0, "the slow one is cancelled");
    let last = route.records.lock().unwrap().last().cloned().unwrap();
    assert_eq!((last.target.to_string(), last.attempts), ("b/m".into(), 2));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_is_continued_where_that_is_wanted() {
    for (continuation, prefix, expected) in [
        (true, true, Ok("0 1 0 1 2 ")),
        (true, false, Err(ErrorKind::Connection)),
        (false, true, Err(ErrorKind::Connection)),
    ] {
        let mut route = Route::new(&[2, 3]);
        route.options.continuation = continuation;
        route.models[0].fails = Some(ErrorKind::Connection);
        route.models[1].info.capabilities.prefix = Some(prefix);
        let bundle = route.bundle();
        assert_eq!(ask(&bundle).await.as_deref().map_err(|kind| *kind), expected);

        let reply = bundle.chat_stream(question()).await.unwrap();
        let events: Vec<ChatEvent> = reply.try_collect().await.unwrap_or_default();
        let is_continued = |event: &&ChatEvent| matches!(event, ChatEvent::Warning(warning) if warning.code == "continued");
        let marks = events.iter().filter(is_continued).count();
        assert_eq!(marks, usize::from(expected.is_ok()));
        let finishes = events.iter().filter(|event| matches!(event, ChatEvent::Finished { .. }));
        assert_eq!(finishes.count(), usize::from(expected.is_ok()));
        if expected.is_ok() {
            let asked = route.models[1].asked.lock().unwrap().last().cloned().unwrap();
            assert_eq!(asked.messages.last(), Some(&Message::assistant("0 1")));
            let record = route.records.lock().unwrap().last().cloned().unwrap();
            assert_eq!(record.outcome, Outcome::Completed);
            // Three bytes of question and eight of answer make an estimate; the second told one and three.
            assert_eq!(record.usage.output_tokens, Some(1 + 3));
            assert!(record.usage.estimated);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn several_keys_of_a_provider_share_the_load_and_stand_in_for_each_other() {
    let probes = [Probe::default(), Probe::default()];
    let keys = probes.iter().map(|probe| {
        let mut model = Counting { pause: SECOND, ..Counting::new(3, probe) };
        model.info = models::info("p/m", ModelKind::Chat);
        Arc::new(model) as Arc<dyn llm_core::ModelSource>
    });
    let bundle = Bundle::new(Registry::builder().source_with_keys("p", keys.collect()).build());
    let request = || ChatRequest { model: "p/m".into(), ..question() };
    let mut live = Vec::new();
    for _ in 0..4 {
        live.push(bundle.chat_stream(request()).await.unwrap());
    }
    assert_eq!(probes.each_ref().map(Probe::live), [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_caller_can_see_who_answered() {
    let route = Route::new(&[1, 2]).refusing(0, &[ErrorKind::Upstream]);
    let trail = Arc::new(Trail::new());
    let bundle = route.bundle().with_trail(trail.clone());
    ask(&bundle).await.unwrap();
    assert_eq!(trail.target().unwrap().to_string(), "b/m");
    assert_eq!(trail.attempts(), 2);
    let spent = trail.spent();
    let asked: Vec<_> =
        spent.iter().map(|spent| (spent.model.to_string(), spent.attempts)).collect();
    assert_eq!(asked, [("a/m".into(), 1), ("b/m".into(), 1)], "the one that failed, too");
    assert!(spent[1].usage.output_tokens.is_some(), "{spent:?}");
    let context = CallContext { trail: Some(trail.clone()), ..CallContext::default() };
    let model = route.bundle().registry().chat("any").unwrap();
    model.ask(question(), context).await.unwrap();
    assert_eq!(trail.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_embedding_falls_back_to_the_same_model_elsewhere_and_to_no_other() {
    let lengths = |name: &str| {
        let info = models::info(name, ModelKind::Embedding);
        AsyncLengths(Arc::new(Lengths { info, ..Lengths::new(&Probe::default()) }))
    };
    let target = |name: &str| RouteTarget::from(name.parse::<ModelName>().unwrap());
    let registry = || {
        Registry::builder()
            .embedding(Arc::new(lengths("a/bge")))
            .embedding(Arc::new(lengths("b/maker/BGE")))
            .embedding(Arc::new(lengths("a/other")))
    };
    let options = RouteOptions::default;
    let refused = registry().route(
        ModelKind::Embedding,
        "e",
        vec![target("a/bge"), target("a/other")],
        options(),
    );
    assert!(matches!(refused.err(), Some(RouteError::DifferentEmbeddings { .. })));
    let same = vec![target("a/bge"), target("b/maker/BGE")];
    let registry = registry().route(ModelKind::Embedding, "e", same, options()).unwrap();
    let bundle = Bundle::new(registry.build());
    assert_eq!(bundle.embed_query("e", "four").await.unwrap()[0], 4.0);
}
