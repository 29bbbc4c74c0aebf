//! [`InvokeRerank`]: rerank through InvokeModel, in Cohere's shape.

use std::sync::Arc;

use futures::future::BoxFuture;
use llm_core::{
    ModelError, ModelInfo, ModelKind, Operation, RerankModel, RerankRequest, RerankResponse,
    ScoreType,
};

use super::super::provider::{Bedrock, Host, Shared};
use crate::cohere::rerank::{parse_rerank_response, render_rerank_request};
use crate::transport;

/// More documents are not taken in one call.
const MAX_DOCUMENTS: u32 = 1000;

/// Which version of Cohere's shape; it is required.
const API_VERSION: (&str, u32) = ("api_version", 2);

/// A rerank model. Made by [`Bedrock::invoke_rerank`](crate::bedrock::Bedrock::invoke_rerank).
struct InvokeRerank {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
}

impl InvokeRerank {
    fn new(shared: Arc<Shared>, mut info: ModelInfo) -> Self {
        info.scores.get_or_insert(ScoreType::Probability);
        info.limits.batch.get_or_insert(MAX_DOCUMENTS);
        Self { shared, info: Arc::new(info) }
    }
}

impl Bedrock {
    /// A rerank model (Cohere's shape) that is asked through InvokeModel. Nothing is sent.
    pub fn invoke_rerank(&self, model: impl Into<String>) -> Arc<dyn RerankModel> {
        let info = self.info(model, ModelKind::Rerank);
        Arc::new(InvokeRerank::new(self.shared.clone(), info))
    }
}

impl RerankModel for InvokeRerank {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn rerank(
        &self,
        request: RerankRequest,
    ) -> BoxFuture<'static, Result<RerankResponse, ModelError>> {
        let (shared, info) = (self.shared.clone(), self.info.clone());
        Box::pin(async move {
            ask(&shared, request, &info.name.model)
                .await
                .map_err(|error| error.at_if_unknown(&info.name.provider, &info.name.model))
        })
    }
}

async fn ask(
    shared: &Shared,
    request: RerankRequest,
    model: &str,
) -> Result<RerankResponse, ModelError> {
    let operation = Operation::Rerank;
    if request.documents.is_empty() || request.top == Some(0) {
        return Ok(RerankResponse::default());
    }
    let headers = transport::extra_headers(operation, &request.extra_headers)?;
    let count = request.documents.len();
    let mut body = render_rerank_request(request);
    body.shift_remove("model");
    body.entry(API_VERSION.0).or_insert_with(|| API_VERSION.1.into());
    let response = shared.ask(operation, model, "invoke", headers, &body.into()).await?;
    let body = shared.transport(Host::Runtime).read_body(operation, response).await?;
    let response = parse_rerank_response(&body, count)?;
    Ok(RerankResponse { model: Some(model.to_owned()), ..response })
}
