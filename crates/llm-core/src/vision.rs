//! Vision: a picture in, a description out (for parsing scanned pages and figures).

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{Extra, Media, ModelError, ModelInfo, Usage};

/// A model that describes pictures, without blocking.
pub trait VisionModel: Send + Sync {
    /// What this model is and can do.
    fn info(&self) -> &ModelInfo;

    /// Describes. The future borrows nothing, so it can be spawned; dropping it cancels.
    ///
    /// # Errors
    /// All or nothing.
    fn describe(
        &self,
        request: VisionRequest,
    ) -> BoxFuture<'static, Result<Description, ModelError>>;
}

/// The synchronous twin of [`VisionModel`]; only ever called on a thread made for blocking work.
pub trait SyncVisionModel: Send + Sync {
    /// What this model is and can do.
    fn info(&self) -> &ModelInfo;

    /// Describes.
    ///
    /// # Errors
    /// All or nothing.
    fn describe(&self, request: &VisionRequest) -> Result<Description, ModelError>;
}

/// A picture to describe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisionRequest {
    /// The model, as its provider names it.
    pub model: String,
    /// The picture.
    pub image: Media,
    /// What to look for; `None` asks for a plain description.
    #[serde(default)]
    pub prompt: Option<String>,
    /// Further fields of the provider's request body.
    #[serde(default)]
    pub extra_body: Extra,
    /// Further headers of the provider's request.
    #[serde(default)]
    pub extra_headers: BTreeMap<String, String>,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The description, or the text read.
    pub text: String,
    /// What was consumed.
    pub usage: Usage,
}
