//! What embedding and rerank models are spared, and what they must keep to: lengths of vectors, sizes of passages.

mod models;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use llm_bundle::{Bundle, Registry};
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError, ModelInfo,
    ModelKind, Operation, Ranked, RerankModel, RerankRequest, RerankResponse, ScoreType,
};
use models::info;

/// Gives vectors of these lengths, one after the other.
struct OfLengths(ModelInfo, Mutex<VecDeque<usize>>);

impl EmbeddingModel for OfLengths {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let length = self.1.lock().unwrap().pop_front().unwrap();
        let vectors = vec![vec![1.0; length]; request.inputs.len()];
        Box::pin(async move { Ok(EmbeddingResponse { vectors, ..Default::default() }) })
    }
}

/// Asks for `asked` dimensions of a model that is known for `declared`, and gives these.
async fn check(declared: Option<u32>, asked: Option<u32>, given: &[usize], expected: &[&str]) {
    let mut info = info("test/lengths", ModelKind::Embedding);
    info.limits.dimensions = declared;
    let model = OfLengths(info, Mutex::new(given.iter().copied().collect()));
    let registry = Registry::builder().embedding(Arc::new(model)).build();
    let bundle = Bundle::new(registry);
    let mut found = Vec::new();
    for _ in given {
        let request = EmbeddingRequest {
            model: "test/lengths".into(),
            dimensions: asked,
            ..EmbeddingRequest::documents(["one", "two"])
        };
        found.push(match bundle.embed(request).await {
            Ok(_) => "fine".to_owned(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Malformed);
                error.message().to_owned()
            }
        });
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn vectors_have_the_length_that_was_asked_for_or_is_known_or_came_before() {
    check(
        None,
        None,
        &[3, 3, 4, 3],
        &["fine", "fine", "the vectors have 4 dimensions, 3 came before", "fine"],
    )
    .await;
    let known = "the vectors have 4 dimensions, 3 are what the model is known for";
    check(Some(3), None, &[4, 3], &[known, "fine"]).await;
    let asked = "the vectors have 3 dimensions, 2 were asked for";
    check(Some(3), Some(2), &[3, 2], &[asked, "fine"]).await;
}

/// Scores passages by their length, as log-odds; refuses question and passage beyond its context, at a character a token.
struct Narrow {
    info: ModelInfo,
    context: usize,
    asked: Arc<Mutex<Vec<RerankRequest>>>,
}

impl RerankModel for Narrow {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn rerank(
        &self,
        request: RerankRequest,
    ) -> BoxFuture<'static, Result<RerankResponse, ModelError>> {
        self.asked.lock().unwrap().push(request.clone());
        let longest = request.documents.iter().map(String::len).max().unwrap_or(0);
        let fits = request.query.len() + longest <= self.context;
        Box::pin(async move {
            if !fits {
                let kind = ErrorKind::ContextLength;
                return Err(ModelError::new(kind, Operation::Rerank, "too long"));
            }
            let entries = request.documents.iter().enumerate();
            let results = entries.map(|(at, text)| Ranked::new(at, text.len() as f32)).collect();
            Ok(RerankResponse { results, ..RerankResponse::default() })
        })
    }
}

fn narrow(context: usize, declared: Option<u32>) -> (Bundle, Arc<Mutex<Vec<RerankRequest>>>) {
    let mut info = info("test/narrow", ModelKind::Rerank);
    info.limits.context_tokens = declared;
    info.scores = Some(ScoreType::Logit);
    let asked = Arc::default();
    let model = Narrow { info, context, asked: Arc::clone(&asked) };
    (Bundle::new(Registry::builder().rerank(Arc::new(model)).build()), asked)
}

fn question(query: &str, documents: &[&str]) -> RerankRequest {
    RerankRequest {
        model: "test/narrow".into(),
        query: query.into(),
        documents: documents.iter().map(|text| (*text).into()).collect(),
        ..RerankRequest::default()
    }
}

#[tokio::test]
async fn question_and_passages_are_cut_to_fit_together() {
    // Far below a token a character, so that what is declared counts.
    let (bundle, asked) = narrow(usize::MAX, Some(64));
    let long = "word ".repeat(200);
    bundle.rerank(question("short?", &["short", &long])).await.unwrap();
    bundle.rerank(question(&long, &["short", &long])).await.unwrap();
    let asked = asked.lock().unwrap();
    let lengths: Vec<_> = asked
        .iter()
        .map(|ask| (ask.query.len(), ask.documents[0].len(), ask.documents[1].len()))
        .collect();
    let [(short, 5, beside_short), (cut, 5, beside_cut)] = lengths[..] else {
        panic!("{lengths:?}");
    };
    assert_eq!(short, 6);
    assert!(cut < long.len() && beside_cut < beside_short && beside_short < long.len());
    assert!(beside_cut > 40, "{lengths:?}");
}

#[tokio::test]
async fn passages_are_shortened_when_the_model_says_that_they_are_too_long() {
    let (bundle, asked) = narrow(60, None);
    let response = bundle.rerank(question("why?", &["short", &"word ".repeat(20)])).await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), 2);
    let order: Vec<_> = response.results.iter().map(|ranked| ranked.index).collect();
    assert_eq!(order, [1, 0]);
    assert!(response.results.iter().all(|ranked| ranked.relevance > Some(0.99)), "log-odds");
    assert_eq!(response.scores, Some(ScoreType::Logit));

    let (bundle, asked) = narrow(3, None);
    let error = bundle.rerank(question("why?", &["a"])).await.unwrap_err();
    assert_eq!((error.kind(), asked.lock().unwrap().len()), (ErrorKind::ContextLength, 4));
}
