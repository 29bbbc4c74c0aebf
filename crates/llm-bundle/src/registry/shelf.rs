//! [`Shelves`]: what is registered, by kind, and the guards that were put around it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use llm_core::{
    ChatModel, EmbeddingModel, ModelInfo, ModelKind, ModelName, RerankModel, SpeechModel,
    TranscriptionModel, VisionModel,
};
use lru::LruCache;

use super::TargetStatus;
use crate::guarded::Guarded;
use crate::modality::Modality;
use crate::route::{RouteOptions, RouteTarget};
use crate::strategy::Strategy;
use crate::target::Target;

/// How many models of a kind keep their guards. Names come from callers, so there has to be a bound; a model beyond it
/// loses the state of its guards (its in-flight count and retry budget), nothing else.
const GUARDED_MODELS: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// The registered models, by kind.
#[derive(Default)]
pub(crate) struct Shelves {
    pub(crate) chat: Shelf<dyn ChatModel>,
    pub(crate) embedding: Shelf<dyn EmbeddingModel>,
    pub(crate) rerank: Shelf<dyn RerankModel>,
    pub(crate) speech: Shelf<dyn SpeechModel>,
    pub(crate) transcription: Shelf<dyn TranscriptionModel>,
    pub(crate) vision: Shelf<dyn VisionModel>,
}

/// The models of one kind.
pub(crate) struct Shelf<M: Modality + ?Sized> {
    pub(super) exact: BTreeMap<ModelName, Arc<M>>,
    pub(super) routes: BTreeMap<String, Route>,
    /// Behind their guards, by the name asked for.
    guarded: Mutex<LruCache<String, Guarded<M>>>,
    /// By name, and the number of the key.
    targets: Mutex<LruCache<(ModelName, usize), Target<M>>>,
}

/// What a name stands for.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) targets: Vec<RouteTarget>,
    pub(super) options: RouteOptions,
}

impl Route {
    /// A model by its own name. With several keys, calls go to the one with the fewest under way.
    pub(super) fn direct(model: ModelName) -> Self {
        let options = RouteOptions { strategy: Strategy::LeastBusy, ..RouteOptions::default() };
        Self { targets: vec![model.into()], options }
    }
}

impl<M: Modality + ?Sized> Default for Shelf<M> {
    fn default() -> Self {
        Self {
            exact: BTreeMap::new(),
            routes: BTreeMap::new(),
            guarded: Mutex::new(LruCache::new(GUARDED_MODELS)),
            targets: Mutex::new(LruCache::new(GUARDED_MODELS)),
        }
    }
}

impl Shelves {
    pub(super) fn routes_mut(&mut self, kind: ModelKind) -> &mut BTreeMap<String, Route> {
        match kind {
            ModelKind::Chat => &mut self.chat.routes,
            ModelKind::Embedding => &mut self.embedding.routes,
            ModelKind::Rerank => &mut self.rerank.routes,
            ModelKind::Speech => &mut self.speech.routes,
            ModelKind::Transcription => &mut self.transcription.routes,
            ModelKind::Vision => &mut self.vision.routes,
        }
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = (ModelKind, &str, &Route)> {
        (self.chat.routes())
            .chain(self.embedding.routes())
            .chain(self.rerank.routes())
            .chain(self.speech.routes())
            .chain(self.transcription.routes())
            .chain(self.vision.routes())
    }

    pub(super) fn infos(&self) -> impl Iterator<Item = ModelInfo> {
        (self.chat.infos())
            .chain(self.embedding.infos())
            .chain(self.rerank.infos())
            .chain(self.speech.infos())
            .chain(self.transcription.infos())
            .chain(self.vision.infos())
    }
}

impl<M: Modality + ?Sized> Shelf<M> {
    pub(super) fn add(&mut self, model: Arc<M>) {
        self.exact.insert(model.model_info().name.clone(), model);
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = (ModelKind, &str, &Route)> {
        self.routes.iter().map(|(name, route)| (M::KIND, name.as_str(), route))
    }

    pub(super) fn infos(&self) -> impl Iterator<Item = ModelInfo> {
        self.exact.values().map(|model| model.model_info().clone())
    }

    pub(super) fn guarded(&self, name: &str) -> Option<Guarded<M>> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Keeps these guards, unless another caller was faster: then those are the ones for all.
    pub(super) fn keep(&self, name: &str, guarded: Guarded<M>) -> Guarded<M> {
        let mut kept = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert(name.to_owned(), || guarded).clone()
    }

    /// The target that is kept, else the one that is made now.
    pub(super) fn target(
        &self,
        name: &ModelName,
        key: usize,
        make: impl FnOnce() -> Option<Target<M>>,
    ) -> Option<Target<M>> {
        let mut kept = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let made = kept.try_get_or_insert((name.clone(), key), || make().ok_or(()));
        made.ok().cloned()
    }

    /// How the targets stand that are kept.
    pub(super) fn statuses(&self) -> Vec<TargetStatus> {
        let kept = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let status = |((name, key), target): (&(ModelName, usize), &Target<M>)| {
            let (live, waiting) = target.load();
            TargetStatus {
                name: name.clone(),
                kind: M::KIND,
                key: *key,
                live,
                waiting,
                breaker: target.breaker(),
                pace: target.pace().status(),
            }
        };
        kept.iter().map(status).collect()
    }
}
