//! Retrieval as it is asked for from outside, by the command line or over HTTP.

use std::sync::Arc;

use llm_bundle::{Blocking, Bundle};
use llm_core::{ModelError, RerankModel};
use rag_core::{AllowedProviders, Dataset, DocumentId, MetadataFilter, PhraseUse};
use rag_retrieve::{Reranker, Retrieval, RetrieveRequest};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use tokio::runtime::Handle;

use crate::app::App;
use crate::bundle::{embedders, only};
use crate::http::WrittenFilter;

/// Pages end here: nobody reads further, and what a request may hold is bounded.
const MOST_PASSAGES: usize = 1000;
/// Hits that a rerank model is given.
const RERANKED: usize = 64;
/// Neighbours on either side.
const MOST_NEIGHBOURS: u32 = 16;

/// What to look for, and how. What is left out is as in dialogs.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({ "query": "How long do refunds take?", "top": 8 }))]
pub(crate) struct SearchSpec {
    /// The question.
    #[schema(required, min_length = 1)]
    pub(crate) query: String,
    /// Names of datasets.
    pub(crate) datasets: Vec<String>,
    /// Only these documents; left out: all.
    pub(crate) documents: Option<Vec<DocumentId>>,
    /// Only documents whose metadata pass: an expression, or its parts as JSON.
    #[serde(deserialize_with = "written_filter")]
    #[schema(value_type = Option<WrittenFilter>)]
    pub(crate) filter: Option<MetadataFilter>,
    #[schema(minimum = 1, maximum = 1000, default = 8)]
    pub(crate) top: usize,
    #[schema(maximum = 999)]
    pub(crate) skip: usize,
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) vector_weight: Option<f32>,
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) threshold: Option<f32>,
    /// A rerank model.
    pub(crate) rerank: Option<String>,
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) diversity: f32,
    #[schema(maximum = 16)]
    pub(crate) neighbours: u32,
    pub(crate) parents: bool,
    pub(crate) phrases: PhraseUse,
    pub(crate) highlight: bool,
}

impl Default for SearchSpec {
    fn default() -> Self {
        Self {
            query: String::new(),
            datasets: vec!["default".to_owned()],
            documents: None,
            filter: None,
            top: 8,
            skip: 0,
            vector_weight: None,
            threshold: None,
            rerank: None,
            diversity: 0.0,
            neighbours: 0,
            parents: true,
            phrases: PhraseUse::default(),
            highlight: false,
        }
    }
}

/// A filter as people write it (`year >= 2020`), or as programs do.
pub(crate) fn written_filter<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<MetadataFilter>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Expression(String),
        Parts(MetadataFilter),
    }
    match Option::<Written>::deserialize(from)? {
        None => Ok(None),
        Some(Written::Parts(filter)) => Ok(Some(filter)),
        Some(Written::Expression(text)) => {
            text.parse().map(Some).map_err(|error| D::Error::custom(format!("`filter`: {error}")))
        }
    }
}

/// Why nothing was searched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SearchError {
    /// The request says something that it cannot say.
    #[error("{0}")]
    Invalid(String),
    /// What it names does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The store or the threads failed.
    #[error("the search failed")]
    Failed(#[source] anyhow::Error),
}

/// Searches.
///
/// # Errors
/// [`SearchError`]. Models that fail are warnings of the retrieval.
pub(crate) async fn search(
    app: &App,
    bundle: &Bundle,
    spec: SearchSpec,
) -> Result<Retrieval, SearchError> {
    check(&spec)?;
    let datasets = datasets(app, spec.datasets).await?;
    let settings = &app.config.dialog;
    let rerank = spec.rerank.map(|name| reranker(bundle, &datasets, &name)).transpose();
    let rerank = rerank.map_err(|error| SearchError::NotFound(error.to_string()))?;
    let request = RetrieveRequest {
        question: spec.query,
        datasets,
        documents: spec.documents,
        metadata: spec.filter,
        top: spec.top,
        skip: spec.skip,
        vector_weight: spec.vector_weight.or(settings.vector_weight),
        threshold: spec.threshold.unwrap_or(settings.threshold),
        rerank,
        // Datasets are bound to their models: nobody chooses these.
        embedders: Some(embedders(bundle.clone().with_all_models())),
        diversity: spec.diversity,
        neighbours: spec.neighbours,
        parents: spec.parents,
        phrases: spec.phrases,
        highlight: spec.highlight,
        ..RetrieveRequest::default()
    };
    app.library.retrieve(request).await.map_err(|error| SearchError::Failed(error.into()))
}

fn check(spec: &SearchSpec) -> Result<(), SearchError> {
    let invalid = |detail: String| Err(SearchError::Invalid(detail));
    if spec.query.trim().is_empty() {
        return invalid("`query` is empty; write what to look for".into());
    }
    if spec.top == 0 || spec.top.saturating_add(spec.skip) > MOST_PASSAGES {
        return invalid(format!(
            "`top` is at least 1, and `skip` and `top` together at most {MOST_PASSAGES}"
        ));
    }
    if spec.neighbours > MOST_NEIGHBOURS {
        return invalid(format!("`neighbours` is at most {MOST_NEIGHBOURS}"));
    }
    if let Some(Err(error)) = spec.filter.as_ref().map(MetadataFilter::check) {
        return invalid(format!("`filter`: {error}"));
    }
    let shares = [
        ("vector_weight", spec.vector_weight),
        ("threshold", spec.threshold),
        ("diversity", Some(spec.diversity)),
    ];
    match shares.iter().find(|(_, share)| share.is_some_and(|share| !(0.0..=1.0).contains(&share)))
    {
        Some((name, _)) => invalid(format!("`{name}` lies between 0 and 1")),
        None => Ok(()),
    }
}

/// The tenant's datasets of these names.
async fn datasets(app: &App, names: Vec<String>) -> Result<Vec<Dataset>, SearchError> {
    let (store, tenant) = (app.store.clone(), app.tenant());
    if let Some(name) = names.iter().find(|name| !app.may_search(name)) {
        return Err(no_dataset(name));
    }
    let find = move || {
        names
            .into_iter()
            .map(|name| match store.dataset(&tenant, &name) {
                Ok(Some(dataset)) => Ok(dataset),
                Ok(None) => Err(no_dataset(&name)),
                Err(error) => Err(SearchError::Failed(error.into())),
            })
            .collect()
    };
    app.callers.run(find).await.map_err(|error| SearchError::Failed(error.into()))?
}

fn no_dataset(name: &str) -> SearchError {
    SearchError::NotFound(format!("there is no dataset `{name}`; ingesting makes it"))
}

/// The bundle's rerank model of that name, for threads, to order passages of these datasets: it is one of a provider that
/// may see them, or fails. Must be called on the runtime that owns all I/O.
///
/// # Errors
/// An unknown name.
pub(crate) fn reranker(
    bundle: &Bundle,
    datasets: &[Dataset],
    name: &str,
) -> Result<Reranker, ModelError> {
    let bundle = only(bundle.clone(), &AllowedProviders::of_all(datasets));
    let model: Arc<dyn RerankModel> = Arc::new(bundle.reranker(name)?);
    Ok(Reranker { model: Arc::new(Blocking::new(model, Handle::current())), hits: RERANKED })
}
