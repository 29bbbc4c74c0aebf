//! [`RagflowCaller`]: on whose behalf a request of `/api/v1` is made.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use rag_core::TenantId;

use crate::app::App;

/// Whose data a request sees.
#[derive(Clone, Debug)]
pub(super) struct RagflowCaller {
    pub(super) tenant: TenantId,
}

impl FromRequestParts<Arc<App>> for RagflowCaller {
    type Rejection = Infallible;

    /// The one who is asked for in [`App::tenant`]; a key that a client sends is not looked at.
    async fn from_request_parts(_: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self { tenant: app.tenant() })
    }
}
