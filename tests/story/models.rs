//! The models of the story: providers reached over HTTP, and a local model on threads.

use std::sync::Arc;

use anyhow::{Result, ensure};
use llm_bundle::{Adapted, Bundle, CallRecord, GuardOptions, InFlightOptions, Registry, SyncPool};
use llm_core::{ChatRequest, Message, SyncEmbeddingModel};
use llm_providers::OpenAi;

/// How many calls the story makes at once; the guards let them all through.
pub const CALLS: usize = 1_000;

/// Two providers at this URL, `far` and, with connections of its own, `other`; and, where there is one, a local model on
/// its pool.
pub fn bundle(
    base_url: &str,
    local: Option<(Arc<dyn SyncEmbeddingModel>, SyncPool)>,
    records: impl Fn(CallRecord) + Send + Sync + 'static,
) -> Result<Bundle> {
    let in_flight = InFlightOptions { limit: 2 * CALLS, ..InFlightOptions::default() };
    let guards = GuardOptions { in_flight, ..GuardOptions::default() };
    let mut registry = Registry::builder().guards(guards).records(Arc::new(records));
    for name in ["far", "other"] {
        let provider = OpenAi::builder(name, base_url).build()?;
        registry = registry.source(name, Arc::new(provider));
    }
    if let Some((model, pool)) = local {
        registry = registry.embedding(Arc::new(Adapted::new(model, pool)));
    }
    Ok(Bundle::new(registry.build()))
}

/// One small request, answered.
pub async fn ask(bundle: &Bundle, model: &str) -> Result<()> {
    let mut request = ChatRequest::new(vec![Message::user("still there?")]);
    request.model = model.into();
    let answer = bundle.chat(request).await?;
    ensure!(!answer.text().is_empty(), "an answer without text");
    Ok(())
}
