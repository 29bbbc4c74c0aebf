//! [`RagflowCaller`]: on whose behalf a request of `/api/v1` is made.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request;
use axum::response::Response;
use rag_core::TenantId;

use crate::app::App;
use crate::parts::Parts;

/// Whose data a request sees.
#[derive(Clone, Debug)]
pub(super) struct RagflowCaller {
    pub(super) tenant: TenantId,
}

impl FromRequestParts<Arc<Parts>> for RagflowCaller {
    type Rejection = Response;

    async fn from_request_parts(
        request: &mut request::Parts,
        parts: &Arc<Parts>,
    ) -> Result<Self, Response> {
        let app = App::from_request_parts(request, parts).await?;
        Ok(Self { tenant: app.tenant() })
    }
}
