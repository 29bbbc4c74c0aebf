//! From names to guarded models.

mod models;

use std::sync::Arc;

use llm_bundle::{GuardOptions, Registry, RouteOptions};
use llm_core::{
    ChatModel, ChatRequest, EmbeddingModel, ErrorKind, ModelInfo, ModelKind, ModelName, ModelSource,
};
use models::{AsyncLengths, Counting, Probe, info, places};

/// A provider that serves every name, and lists two.
struct Provider(Probe);

impl Provider {
    fn model(&self, model: &str) -> Counting {
        let info = info(&format!("acme/{model}"), ModelKind::Chat);
        Counting { info, ..Counting::new(1, &self.0) }
    }
}

impl ModelSource for Provider {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        (model != "none").then(|| Arc::new(self.model(model)) as _)
    }

    fn list(&self) -> Vec<ModelInfo> {
        ["large", "small"].map(|model| self.model(model).info).into()
    }
}

fn registry() -> Registry {
    let probe = Probe::default();
    let one = GuardOptions { in_flight: places(1, 0), ..GuardOptions::default() };
    Registry::builder()
        .source("acme", Arc::new(Provider(probe.clone())))
        .chat(Arc::new(Counting::new(1, &probe)))
        .embedding(Arc::new(AsyncLengths::new(&probe)))
        .route(
            ModelKind::Chat,
            "smart",
            vec![ModelName::new("acme", "large").into()],
            RouteOptions::default(),
        )
        .unwrap()
        .guards_of("acme", one)
        .build()
}

#[test]
fn finds_models_by_name_source_and_alias() {
    for (name, found) in [
        ("test/counting", Ok("test/counting")),
        ("acme/large", Ok("acme/large")),
        ("acme/made/up", Ok("acme/made/up")),
        ("smart", Ok("acme/large")),
        ("acme/none", Err(ErrorKind::NotFound)),
        ("test/lengths", Err(ErrorKind::NotFound)),
        ("nowhere/model", Err(ErrorKind::NotFound)),
        ("unknown", Err(ErrorKind::NotFound)),
        ("", Err(ErrorKind::NotFound)),
        ("/", Err(ErrorKind::NotFound)),
    ] {
        let seen = registry().chat(name);
        let seen = seen.as_ref().map(|model| model.info().name.to_string());
        let seen = seen.as_deref().map_err(|error| error.kind());
        assert_eq!(seen, found, "{name}");
    }
    assert!(registry().embedding("test/lengths").is_ok());
}

#[test]
fn an_unknown_name_is_answered_with_near_ones() {
    for (name, advice) in [
        ("acne/large", "did you mean `acme/large`?"),
        ("acme/", "did you mean `acme/large` or `acme/small`?"),
        ("smrat", "did you mean `smart`?"),
        ("zzz", "write provider/model, for example `acme/large`"),
    ] {
        let error = registry().chat(name).unwrap_err();
        assert_eq!(error.message(), format!("there is no chat model `{name}`; {advice}"));
        assert_eq!(error.param(), Some("model"));
    }
    let error = registry().rerank("any").unwrap_err();
    assert_eq!(error.message(), "there is no rerank model `any`; no rerank model is configured");
    let endless = "x".repeat(1_000_000);
    assert!(registry().chat(&endless).unwrap_err().message().len() < 400);
}

#[tokio::test]
async fn all_names_of_a_model_share_its_guards() {
    let registry = registry();
    let model = registry.chat("acme/large").unwrap();
    let live = ChatModel::chat(&model, ChatRequest::default()).await.unwrap();
    let same = registry.clone().chat("smart").unwrap();
    let refused = ChatModel::chat(&same, ChatRequest::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    let other = registry.chat("acme/small").unwrap();
    assert!(ChatModel::chat(&other, ChatRequest::default()).await.is_ok());
    drop(live);
    assert!(ChatModel::chat(&same, ChatRequest::default()).await.is_ok());
}

#[tokio::test]
async fn any_number_of_names_can_be_asked_for() {
    let registry = registry();
    for number in 0..3_000 {
        registry.chat(&format!("acme/model-{number}")).unwrap();
    }
    let first = registry.chat("acme/model-0").unwrap();
    assert!(ChatModel::chat(&first, ChatRequest::default()).await.is_ok());
}

#[test]
fn lists_each_name_once_in_order() {
    let models = registry().list();
    let seen: Vec<_> = models
        .iter()
        .map(|model| (model.name.as_str(), model.kind.as_str(), model.info.is_some()))
        .collect();
    assert_eq!(
        seen,
        [
            ("acme/large", "chat", true),
            ("acme/small", "chat", true),
            ("smart", "chat", true),
            ("test/counting", "chat", true),
            ("test/lengths", "embedding", true),
        ]
    );
    assert_eq!(models[2].targets, [ModelName::new("acme", "large")]);
}

#[test]
fn a_registered_model_hides_the_sources_one() {
    let probe = Probe::default();
    let mut own = Counting::new(1, &probe);
    own.info = info("acme/large", ModelKind::Chat);
    own.info.description = Some("our own".into());
    let registry =
        Registry::builder().source("acme", Arc::new(Provider(probe))).chat(Arc::new(own)).build();
    let model = registry.chat("acme/large").unwrap();
    assert_eq!(model.info().description.as_deref(), Some("our own"));
    let listed = registry.list();
    assert_eq!(listed[0].info.as_ref().unwrap().description.as_deref(), Some("our own"));
    assert_eq!(listed.len(), 2);
}

#[test]
fn embedding_models_keep_their_trait() {
    let model: Arc<dyn EmbeddingModel> = Arc::new(registry().embedding("test/lengths").unwrap());
    assert_eq!(model.info().name.model, "lengths");
}
