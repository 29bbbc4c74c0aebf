//! The one handle: whatever texts come, one answer goes.

mod models;

use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use futures::future::BoxFuture;
use llm_bundle::{Adapted, Bundle, CallRecord, Defaults, Registry, RouteOptions, SyncPool};
use llm_core::{
    ChatRequest, EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError,
    ModelInfo, ModelKind, ModelName, Ranked, RerankRequest,
};
use models::{AsyncLengths, ByLength, Counting, Lengths, Probe, info};
use proptest::prelude::*;

struct Setup {
    bundle: Bundle,
    probe: Probe,
    records: Arc<Mutex<Vec<CallRecord>>>,
}

/// A bundle over one embedding model, as `change` makes it, and a chat and a rerank model.
fn setup(change: impl FnOnce(&mut Lengths)) -> Setup {
    let (probe, records) = (Probe::default(), Arc::new(Mutex::new(Vec::new())));
    let mut lengths = Lengths::new(&probe);
    change(&mut lengths);
    let mut by_length = info("test/by-length", ModelKind::Rerank);
    by_length.limits.batch = Some(3);
    let sink = records.clone();
    let registry = Registry::builder()
        .embedding(Arc::new(AsyncLengths(Arc::new(lengths))))
        .rerank(Arc::new(ByLength { info: by_length, probe: probe.clone() }))
        .chat(Arc::new(Counting::new(2, &probe)))
        .route(
            ModelKind::Chat,
            "smart",
            vec![ModelName::new("test", "counting").into()],
            RouteOptions::default(),
        )
        .unwrap()
        .records(Arc::new(move |record| sink.lock().unwrap().push(record)))
        .build();
    let defaults = Defaults {
        chat: Some("smart".into()),
        embedding: Some("test/lengths".into()),
        ..Defaults::default()
    };
    let bundle = Bundle::new(registry).with_defaults(defaults).for_tenant("acme");
    Setup { bundle, probe, records }
}

#[tokio::test]
async fn chats_with_the_default_or_a_named_model_on_behalf_of_its_tenant() {
    let Setup { bundle, records, .. } = setup(|_| {});
    assert_eq!(bundle.chat(ChatRequest::default()).await.unwrap().text(), "0 1 ");
    let named = ChatRequest { model: "test/counting".into(), ..ChatRequest::default() };
    let reply = bundle.chat_stream(named).await.unwrap();
    assert_eq!(reply.try_collect::<Vec<_>>().await.unwrap().len(), 4);
    let other = bundle.clone().for_tenant("other");
    other.chat(ChatRequest::default()).await.unwrap();

    let tenants: Vec<_> =
        records.lock().unwrap().iter().map(|record| record.tenant.clone().unwrap()).collect();
    assert_eq!(
        tenants.iter().map(|tenant| &**tenant).collect::<Vec<_>>(),
        ["acme", "acme", "other"]
    );
}

#[tokio::test]
async fn a_missing_default_and_an_unknown_name_are_told() {
    let Setup { bundle, .. } = setup(|_| {});
    let error = bundle.rerank(RerankRequest::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(
        error.to_string(),
        "rerank request failed: the request names no model, and there is no default rerank model"
    );
    let unknown = ChatRequest { model: "smrt".into(), ..ChatRequest::default() };
    let error = bundle.chat(unknown).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn texts_are_batched_in_order() {
    let Setup { bundle, probe, records } = setup(|model| model.info.limits.batch = Some(3));
    let texts: Vec<String> = (1..=10).map(|n| "x".repeat(n)).collect();
    let response = bundle.embed(EmbeddingRequest::documents(texts)).await.unwrap();
    let lengths: Vec<_> = response.vectors.iter().map(|vector| vector[0] as usize).collect();
    assert_eq!(lengths, (1..=10).collect::<Vec<_>>());
    assert_eq!(response.usage.input_tokens, Some(10));
    let mut sizes: Vec<_> = probe.inputs().iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 3, 3, 3]);
    assert_eq!(records.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn blank_texts_have_a_stand_in() {
    let Setup { bundle, probe, .. } = setup(|_| {});
    let texts = ["", "word", " \n\t", "\u{3000}"];
    let response = bundle.embed(EmbeddingRequest::documents(texts)).await.unwrap();
    assert_eq!(probe.inputs(), [["-", "word", "-", "-"]]);
    assert_eq!(response.vectors.len(), 4);
    assert_eq!(response.warnings.len(), 1);
    assert_eq!(response.warnings[0].code, "blank_input");
    assert_eq!(bundle.embed_query("", "").await.unwrap(), [1.0, f32::from(b'-')]);
}

#[tokio::test]
async fn no_texts_are_no_call() {
    let Setup { bundle, probe, .. } = setup(|_| {});
    let none: [&str; 0] = [];
    let response = bundle.embed(EmbeddingRequest::documents(none)).await.unwrap();
    assert_eq!((response.vectors.len(), probe.calls()), (0, 0));
}

#[tokio::test]
async fn over_long_texts_are_cut_where_the_limit_is_known() {
    let Setup { bundle, probe, .. } = setup(|model| model.info.limits.context_tokens = Some(16));
    let texts = ["short".to_owned(), "語".repeat(100), "long ".repeat(1_000)];
    let response = bundle.embed(EmbeddingRequest::documents(texts)).await.unwrap();
    let lengths: Vec<_> = probe.inputs()[0].iter().map(|text| text.chars().count()).collect();
    assert_eq!(lengths[..2], [5, 15]);
    assert!((50..100).contains(&lengths[2]), "{lengths:?}");
    assert_eq!(response.warnings[0].code, "truncated_input");
}

#[tokio::test]
async fn texts_are_cut_by_the_models_own_tokens_where_these_are_known() {
    let Setup { bundle, probe, .. } = setup(|model| {
        model.info.name.model = "text-embedding-3-small".into();
        model.info.limits.context_tokens = Some(16);
    });
    // "internationalization" has two tokens, with the space before it, and would be estimated as four.
    let texts = ["fits".to_owned(), " internationalization".repeat(100)];
    let request = EmbeddingRequest {
        model: "test/text-embedding-3-small".into(),
        ..EmbeddingRequest::documents(texts)
    };
    let response = bundle.embed(request).await.unwrap();
    assert_eq!(probe.inputs()[0][1], " internationalization".repeat(8));
    assert_eq!(response.warnings.len(), 1);
    assert_eq!(response.warnings[0].message, "1 texts were cut to 16 tokens");
}

#[tokio::test]
async fn over_long_texts_are_cut_when_the_model_says_so() {
    let Setup { bundle, probe, .. } = setup(|model| model.refuses_beyond = 300);
    let texts = ["short".to_owned(), "x".repeat(1_000)];
    let response = bundle.embed(EmbeddingRequest::documents(texts)).await.unwrap();
    assert_eq!(response.vectors[0][0], 5.0);
    assert!((200.0..=300.0).contains(&response.vectors[1][0]), "{response:?}");
    assert_eq!(probe.calls(), 3);

    let hopeless = setup(|model| model.refuses_beyond = 0);
    let error = hopeless.bundle.embed_query("", "text").await.unwrap_err();
    assert_eq!((error.kind(), hopeless.probe.calls()), (ErrorKind::ContextLength, 4));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_question_is_refused() {
    struct Fixed(ModelInfo, Vec<Vec<f32>>);
    impl EmbeddingModel for Fixed {
        fn info(&self) -> &ModelInfo {
            &self.0
        }
        fn embed(
            &self,
            _: EmbeddingRequest,
        ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
            let vectors = self.1.clone();
            Box::pin(async move { Ok(EmbeddingResponse { vectors, ..Default::default() }) })
        }
    }
    for vectors in [
        vec![vec![1.0]],
        vec![vec![1.0], vec![1.0, 2.0]],
        vec![vec![1.0], vec![]],
        vec![vec![1.0], vec![f32::NAN]],
    ] {
        let info = info("test/fixed", ModelKind::Embedding);
        let registry = Registry::builder().embedding(Arc::new(Fixed(info, vectors))).build();
        let embedder = Bundle::new(registry).embedder("test/fixed").unwrap();
        let error = embedder.embed(EmbeddingRequest::documents(["a", "b"])).await.unwrap_err();
        assert_eq!((error.kind(), error.provider()), (ErrorKind::Malformed, "test"));
    }
}

#[tokio::test]
async fn passages_are_scored_in_batches_and_ranked_as_a_whole() {
    let Setup { bundle, probe, .. } = setup(|_| {});
    let documents = ["four", "", "seven77", "one", "eleven11111", "two", "fives"];
    let request = RerankRequest {
        model: "test/by-length".into(),
        documents: documents.map(Into::into).into(),
        top: Some(4),
        ..RerankRequest::default()
    };
    let response = bundle.rerank(request).await.unwrap();
    // From the blank passage's 1 to 11, the best of all seven.
    let ranked = |index, score| Ranked {
        relevance: Some((score - 1.0) / 10.0),
        ..Ranked::new(index, score)
    };
    assert_eq!(response.results, [ranked(4, 11.0), ranked(2, 7.0), ranked(6, 5.0), ranked(0, 4.0)]);
    assert_eq!(probe.calls(), 3);
    assert_eq!(probe.inputs()[0][1], "-");
}

#[tokio::test]
async fn callers_cannot_tell_a_synchronous_model_from_an_async_one() {
    let probe = Probe::default();
    let pool = SyncPool::builder().name("models").threads(1).models().build().unwrap();
    let local = Lengths { off_runtime: true, ..Lengths::new(&probe) };
    let registry =
        Registry::builder().embedding(Arc::new(Adapted::new(Arc::new(local), pool))).build();
    let bundle = Bundle::new(registry);
    assert_eq!(bundle.embed_query("test/lengths", "four").await.unwrap()[0], 4.0);
}

proptest! {
    #[test]
    fn any_texts_give_one_vector_each_in_order(
        texts in proptest::collection::vec(".{0,60}", 0..40),
        batch in 1_u32..9,
        context in proptest::option::of(1_u32..40),
    ) {
        let Setup { bundle, probe, .. } = setup(|model| {
            model.info.limits.batch = Some(batch);
            model.info.limits.context_tokens = context;
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let request = EmbeddingRequest::documents(texts.clone());
        let response = runtime.block_on(bundle.embed(request)).unwrap();
        prop_assert_eq!(response.vectors.len(), texts.len());
        for (text, vector) in texts.iter().zip(&response.vectors) {
            let text = if text.trim().is_empty() { "-" } else { text };
            let (length, first) = (text.chars().count() as f32, text.chars().next().unwrap());
            prop_assert!((1.0..=length).contains(&vector[0]));
            prop_assert!(vector[0] == length || context.is_some());
            prop_assert_eq!(vector[1], first as u32 as f32);
        }
        prop_assert!(probe.inputs().iter().all(|inputs| inputs.len() <= batch as usize));
    }
}
