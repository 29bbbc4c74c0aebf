//! The rerank models of a provider that speaks this dialect beside it; how it wants to be asked is data
//! ([`RerankQuirks`](crate::rerank::RerankQuirks)).

use std::borrow::Cow;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use llm_core::{
    ErrorKind, ModelError, ModelInfo, Operation, RerankModel, RerankRequest, RerankResponse,
    ScoreType,
};

use super::provider::Shared;
use crate::path_segment::path_segment;
use crate::ranking::rank;
use crate::remote::Remote;
use crate::rerank::{parse_rerank_response, render_rerank_request};
use crate::transport::{self, Transport};

/// How many calls of one request run at once.
const AT_ONCE: usize = 4;

const OPERATION: Operation = Operation::Rerank;

/// A rerank model of which `info` is known, and what the provider's data adds to that.
pub(super) fn model(shared: &Arc<Shared>, mut info: ModelInfo) -> Arc<dyn RerankModel> {
    let quirks = &shared.quirks.rerank;
    let scores = *info.scores.get_or_insert(quirks.scores.unwrap_or(ScoreType::Unbounded));
    info.limits.batch = info.limits.batch.or(quirks.batch);
    let batch = info.limits.batch;
    Arc::new(Remote::over(shared, info, move |shared: Arc<Shared>, request| async move {
        ask(&shared, request, batch, scores).await
    }))
}

/// One call, or some at once where there are more documents than a call takes. The first failure ends all.
async fn ask(
    shared: &Shared,
    mut request: RerankRequest,
    batch: Option<u32>,
    scores: ScoreType,
) -> Result<RerankResponse, ModelError> {
    if request.documents.is_empty() || request.top == Some(0) {
        return Ok(RerankResponse::default());
    }
    let most = batch.filter(|batch| *batch > 0).map_or(usize::MAX, |most| most as usize);
    if request.documents.len() <= most {
        return call(shared, request).await;
    }
    if scores == ScoreType::Unbounded {
        let message = format!(
            "{} documents are more than the {most} of one call, and scores of several calls do not compare",
            request.documents.len()
        );
        return Err(
            ModelError::new(ErrorKind::InvalidRequest, OPERATION, message).with_param("documents")
        );
    }
    let mut documents = std::mem::take(&mut request.documents);
    let (mut calls, mut begin) = (Vec::new(), 0);
    while !documents.is_empty() {
        let rest = documents.split_off(most.min(documents.len()));
        let documents = std::mem::replace(&mut documents, rest);
        let count = documents.len();
        let request = RerankRequest { documents, ..request.clone() };
        calls.push(async move { Ok::<_, ModelError>((begin, call(shared, request).await?)) });
        begin += count;
    }
    let answers: Vec<_> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    let (mut whole, mut entries) = (RerankResponse::default(), Vec::new());
    for (begin, answer) in answers {
        whole.model = answer.model;
        let tokens = (whole.usage.input_tokens, answer.usage.input_tokens);
        whole.usage.input_tokens = match tokens {
            (Some(known), Some(more)) => Some(known.saturating_add(more)),
            (known, more) => known.or(more),
        };
        let results = answer.results.into_iter();
        entries.extend(results.map(|ranked| (begin + ranked.index, ranked.score)));
    }
    whole.results = rank(entries, begin)?;
    whole.results.truncate(request.top.unwrap_or(usize::MAX));
    Ok(whole)
}

async fn call(shared: &Shared, request: RerankRequest) -> Result<RerankResponse, ModelError> {
    let quirks = &shared.quirks.rerank;
    let headers = transport::extra_headers(OPERATION, &request.extra_headers)?;
    let (count, top) = (request.documents.len(), request.top);
    let place = &shared.rerank;
    let path = place.path_for(&request.model);
    let body = render_rerank_request(request, quirks);
    let transport = place.transport.as_ref().unwrap_or(&shared.transport);
    let response = shared.post_to(transport, OPERATION, &path, headers, &body).await?;
    let body = transport.read_body(OPERATION, response).await?;
    parse_rerank_response(&body, count, top, quirks.shape)
}

/// Where rerank is.
pub(super) struct Place {
    /// To another base URL than the rest.
    pub(super) transport: Option<Transport>,
    /// With `{model}` or `{model_}` where the model's name goes.
    pub(super) path: String,
}

impl Place {
    fn path_for(&self, model: &str) -> Cow<'_, str> {
        if !self.path.contains("{model") {
            return Cow::Borrowed(&self.path);
        }
        let segments =
            |model: &str| model.split('/').map(path_segment).collect::<Vec<_>>().join("/");
        let path = self.path.replace("{model_}", &segments(&model.replace('.', "_")));
        Cow::Owned(path.replace("{model}", &segments(model)))
    }
}
