//! Joined embedding calls: what their callers see, and what the model sees of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use llm_bundle::{BatchOptions, Batched, Bundle, CallContext, Joins, Priority, Registry};
use llm_core::{
    EmbeddingModel, EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError,
    ModelInfo, ModelKind, ModelName, Operation, Usage,
};
use proptest::prelude::*;
use tokio::time::{Instant, sleep, timeout};

const RUN: Duration = Duration::from_millis(10);

/// Takes ten milliseconds for any number of texts, and refuses texts that begin with its name for a kind of error. Says a
/// token for each character.
struct Marking {
    info: ModelInfo,
    runs: Arc<Mutex<Vec<Vec<String>>>>,
}

fn vector(text: &str) -> Vec<f32> {
    let sum: u32 = text.chars().map(u32::from).sum();
    vec![text.chars().count() as f32, sum as f32]
}

fn refusal(text: &str) -> Option<ErrorKind> {
    let kinds = [ErrorKind::InvalidRequest, ErrorKind::ContextLength, ErrorKind::RateLimit];
    kinds.into_iter().find(|kind| text.starts_with(kind.as_str()))
}

impl EmbeddingModel for Marking {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let runs = self.runs.clone();
        Box::pin(async move {
            runs.lock().unwrap().push(request.inputs.clone());
            sleep(RUN).await;
            if let Some(kind) = request.inputs.iter().find_map(|text| refusal(text)) {
                return Err(ModelError::new(kind, Operation::Embed, "refused"));
            }
            let tokens = request.inputs.iter().map(|text| text.chars().count() as u64).sum();
            Ok(EmbeddingResponse {
                vectors: request.inputs.iter().map(|text| vector(text)).collect(),
                usage: Usage { input_tokens: Some(tokens), ..Usage::default() },
                ..EmbeddingResponse::default()
            })
        })
    }
}

struct Setup {
    batched: Batched,
    runs: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Setup {
    fn new(options: BatchOptions) -> Self {
        let info = ModelInfo::new(ModelName::new("test", "marking"), ModelKind::Embedding);
        let runs = Arc::default();
        let model = Marking { info, runs: Arc::clone(&runs) };
        Self { batched: Batched::new(Arc::new(model), options), runs }
    }

    fn local() -> Self {
        Self::new(BatchOptions::local())
    }

    fn runs(&self) -> Vec<Vec<String>> {
        self.runs.lock().unwrap().clone()
    }

    fn embed(&self, texts: &[&str]) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        self.batched.embed(EmbeddingRequest::documents(texts.iter().copied()))
    }
}

fn own(texts: &[&str]) -> Vec<Vec<f32>> {
    texts.iter().map(|text| vector(text)).collect()
}

#[tokio::test(start_paused = true)]
async fn who_comes_alone_goes_at_once_and_who_comes_meanwhile_is_joined() {
    let setup = Setup::local();
    let start = Instant::now();
    assert_eq!(setup.embed(&["one"]).await.unwrap().vectors, own(&["one"]));
    assert_eq!(start.elapsed(), RUN, "no wait");

    let texts: Vec<String> = (0..20).map(|n| format!("text {n}")).collect();
    let answers = join_all(texts.iter().map(|text| setup.embed(&[text, "x"]))).await;
    for (text, answer) in texts.iter().zip(answers) {
        assert_eq!(answer.unwrap().vectors, own(&[text, "x"]));
    }
    let sizes: Vec<_> = setup.runs().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 2, 38], "one alone, the first, all others");
    // The others waited for two milliseconds, not for the first to end.
    assert_eq!(start.elapsed(), RUN * 2 + BatchOptions::local().longest_wait);
    let status = setup.batched.status();
    assert_eq!((status.calls, status.runs), (21, 3));
}

#[tokio::test(start_paused = true)]
async fn runs_are_bounded_in_texts_in_tokens_and_in_number() {
    let tight = BatchOptions { inputs: 4, runs_at_once: 1, ..BatchOptions::local() };
    let setup = Setup::new(tight);
    join_all((0..9).map(|_| setup.embed(&["a", "b"]))).await;
    let sizes: Vec<_> = setup.runs().iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 4, 4, 4, 4]);

    let setup = Setup::new(BatchOptions { tokens: 3, runs_at_once: 1, ..BatchOptions::local() });
    join_all((0..5).map(|_| setup.embed(&["four"]))).await;
    let sizes: Vec<_> = setup.runs().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 3, 1]);
    // A call that fills a run goes by itself, at once.
    let start = Instant::now();
    join_all((0..3).map(|_| setup.embed(&["long enough alone"]))).await;
    assert_eq!(start.elapsed(), RUN);
}

#[tokio::test(start_paused = true)]
async fn only_calls_for_the_same_are_joined() {
    let setup = Setup::local();
    let query = |text| setup.batched.embed(EmbeddingRequest::query(text));
    let short = |text| {
        let request = EmbeddingRequest::documents([text]);
        setup.batched.embed(EmbeddingRequest { dimensions: Some(1), ..request })
    };
    let batch = CallContext { priority: Priority::Batch, ..CallContext::default() };
    let ingest = |text| setup.batched.embed_for(&batch, EmbeddingRequest::documents([text]));
    let mut calls: Vec<BoxFuture<'static, _>> = Vec::new();
    for _ in 0..3 {
        calls.extend([query("q"), short("s"), ingest("i"), setup.embed(&["d"])]);
    }
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let mut runs: Vec<_> = setup.runs().iter().map(|texts| texts.concat()).collect();
    runs.sort();
    assert_eq!(runs, ["d", "dd", "i", "ii", "q", "qq", "s", "ss"]);
}

#[tokio::test(start_paused = true)]
async fn a_remote_model_s_calls_are_joined_for_one_customer_only() {
    let setup = Setup::new(BatchOptions::remote());
    assert_eq!(BatchOptions::remote().joins, Joins::SameCaller);
    let registry = Registry::builder().embedding(Arc::new(setup.batched.clone())).build();
    let bundle = Bundle::new(registry);
    let of = |tenant: &str, key: &str| bundle.clone().for_tenant(tenant).for_key(key);
    let calls = [of("a", "1"), of("a", "2"), of("b", "1")].into_iter().flat_map(|bundle| {
        let text = format!("{:?}", bundle).len().to_string();
        (0..3).map(move |_| {
            let (bundle, text) = (bundle.clone(), text.clone());
            async move { bundle.embed(request(&text)).await }
        })
    });
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let sizes: Vec<_> = setup.runs().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 1, 1, 2, 2, 2]);
    // Calls of unknown origin go alone.
    join_all((0..3).map(|_| setup.embed(&["x"]))).await;
    assert_eq!(setup.runs().len(), 9);
}

fn request(text: &str) -> EmbeddingRequest {
    EmbeddingRequest { model: "test/marking".into(), ..EmbeddingRequest::documents([text]) }
}

#[tokio::test(start_paused = true)]
async fn one_caller_s_bad_text_fails_that_caller_alone() {
    for bad in ["invalid_request", "context_length"] {
        let setup = Setup::local();
        let first = setup.embed(&["first"]);
        let calls = [setup.embed(&["good"]), setup.embed(&[bad]), setup.embed(&["fine", "too"])];
        let (_, answers) = futures::join!(first, join_all(calls));
        assert_eq!(answers[0].as_ref().unwrap().vectors, own(&["good"]));
        assert_eq!(answers[1].as_ref().unwrap_err().kind().as_str(), bad);
        assert_eq!(answers[2].as_ref().unwrap().vectors, own(&["fine", "too"]));
        let sizes: Vec<_> = setup.runs().iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 4, 1, 1, 2], "the first, all, each by itself");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_nobody_s_fault_is_told_to_all_and_not_repeated() {
    let setup = Setup::local();
    let calls = [setup.embed(&["first"]), setup.embed(&["a"]), setup.embed(&["rate_limit"])];
    let answers = join_all(calls).await;
    assert!(answers[0].is_ok());
    for answer in &answers[1..] {
        assert_eq!(answer.as_ref().unwrap_err().kind(), ErrorKind::RateLimit);
    }
    assert_eq!(setup.runs().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_takes_the_texts_along_and_disturbs_nobody() {
    let setup = Setup::local();
    let first = tokio::spawn(setup.embed(&["first"]));
    let stays = tokio::spawn(setup.embed(&["stays"]));
    tokio::task::yield_now().await;
    let leaves = setup.embed(&["leaves"]);
    assert!(timeout(Duration::from_millis(1), leaves).await.is_err());
    // The one that began first drives the run, and leaves in the middle of it.
    let drives = setup.embed(&["drives"]);
    assert!(timeout(Duration::from_millis(5), drives).await.is_err());
    assert_eq!(stays.await.unwrap().unwrap().vectors, own(&["stays"]));
    first.await.unwrap().unwrap();
    assert_eq!(setup.runs(), [vec!["first"], vec!["stays", "drives"]]);

    // When all have left, the run is over and the next one is not kept.
    let before = setup.runs().len();
    let all = join_all((0..3).map(|_| setup.embed(&["x"])));
    assert!(timeout(Duration::from_millis(5), all).await.is_err());
    let start = Instant::now();
    setup.embed(&["next"]).await.unwrap();
    assert_eq!(start.elapsed(), RUN);
    assert_eq!(setup.runs().len(), before + 3);
}

#[tokio::test(start_paused = true)]
async fn usage_is_shared_out_exactly() {
    let setup = Setup::local();
    let first = setup.embed(&["first"]);
    let (_, answers) =
        futures::join!(first, join_all((1..8).map(|n| setup.embed(&["é".repeat(n).as_str()])),));
    let shares: Vec<_> =
        answers.into_iter().map(|answer| answer.unwrap().usage.input_tokens.unwrap()).collect();
    assert_eq!(shares, [1, 2, 3, 4, 5, 6, 7]);
}

/// Embeds at once, but lets others go on a few times before, so that threads meet in all orders.
struct Yielding(ModelInfo);

impl EmbeddingModel for Yielding {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        Box::pin(async move {
            for _ in 0..request.inputs.len() {
                tokio::task::yield_now().await;
            }
            let vectors = request.inputs.iter().map(|text| vector(text)).collect();
            Ok(EmbeddingResponse { vectors, ..EmbeddingResponse::default() })
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_come_and_leave_at_once_lose_nothing() {
    let info = ModelInfo::new(ModelName::new("test", "yielding"), ModelKind::Embedding);
    let options = BatchOptions { inputs: 8, ..BatchOptions::local() };
    let batched = Batched::new(Arc::new(Yielding(info)), options);
    let caller = |number: usize| {
        let batched = batched.clone();
        tokio::spawn(async move {
            for call in 0..200 {
                let text = format!("{number} {call}");
                let mut answer = batched.embed(EmbeddingRequest::documents([text.as_str()]));
                if (number + call).is_multiple_of(3) {
                    // Leaves after a look or two.
                    for _ in 0..=call % 2 {
                        if futures::poll!(&mut answer).is_ready() {
                            break;
                        }
                        tokio::task::yield_now().await;
                    }
                    continue;
                }
                assert_eq!(answer.await.unwrap().vectors, [vector(&text)]);
            }
        })
    };
    let all = join_all((0..32).map(caller));
    for ended in timeout(Duration::from_secs(60), all).await.expect("somebody waits for ever") {
        ended.unwrap();
    }
    let status = batched.status();
    assert!(status.runs < status.calls, "{status:?}");
}

#[derive(Clone, Debug)]
struct Step {
    pause: u64,
    texts: Vec<String>,
    leaves_after: Option<u64>,
    is_batch: bool,
    purpose: EmbeddingPurpose,
}

fn step() -> impl Strategy<Value = Step> {
    let text = prop_oneof![
        12 => "[a-z]{1,6}",
        1 => Just("invalid_request".to_owned()),
        1 => Just("rate_limit".to_owned()),
    ];
    let purpose = prop_oneof![Just(EmbeddingPurpose::Document), Just(EmbeddingPurpose::Query)];
    let texts = proptest::collection::vec(text, 0..5);
    (0..4_u64, texts, proptest::option::weighted(0.3, 0..30_u64), any::<bool>(), purpose).prop_map(
        |(pause, texts, leaves_after, is_batch, purpose)| Step {
            pause,
            texts,
            leaves_after,
            is_batch,
            purpose,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However calls come, leave and fail: each gets its own vectors in order or a failure that is its own or nobody's,
    /// none waits for ever, and no run is larger than allowed.
    #[test]
    fn each_caller_gets_its_own(
        steps in proptest::collection::vec(step(), 1..40),
        inputs in 2..9_usize,
        runs_at_once in 1..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let options = BatchOptions { inputs, runs_at_once, ..BatchOptions::local() };
            let setup = Setup::new(options);
            let mut calls = Vec::new();
            for step in steps {
                sleep(Duration::from_millis(step.pause)).await;
                let priority =
                    if step.is_batch { Priority::Batch } else { Priority::Interactive };
                let context = CallContext { priority, ..CallContext::default() };
                let request = EmbeddingRequest {
                    purpose: step.purpose,
                    ..EmbeddingRequest::documents(step.texts.iter().cloned())
                };
                let call = setup.batched.embed_for(&context, request);
                let patience = step.leaves_after.unwrap_or(100_000);
                let call = timeout(Duration::from_millis(patience), call);
                calls.push((step, tokio::spawn(call)));
            }
            for (step, call) in calls {
                let answer = match call.await.unwrap() {
                    Ok(answer) => answer,
                    Err(_) => {
                        assert!(step.leaves_after.is_some(), "waited for ever: {step:?}");
                        continue;
                    }
                };
                let own_fault = step.texts.iter().find_map(|text| refusal(text));
                match answer {
                    Ok(response) => {
                        let expected: Vec<_> =
                            step.texts.iter().map(|text| vector(text)).collect();
                        assert_eq!(response.vectors, expected);
                        assert_eq!(own_fault, None);
                    }
                    Err(error) if error.kind() == ErrorKind::RateLimit => {}
                    Err(error) => assert_eq!(Some(error.kind()), own_fault),
                }
            }
            for run in setup.runs() {
                assert!(run.len() <= inputs.max(4), "{run:?}");
            }
            // Nothing is left behind: the next call finds an idle model.
            let start = Instant::now();
            setup.embed(&["next"]).await.unwrap();
            assert_eq!(start.elapsed(), RUN);
            assert!(setup.embed(&["dropped"]).now_or_never().is_none());
        });
    }
}
