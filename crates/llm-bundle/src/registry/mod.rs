//! [`Registry`]: from a name to a guarded model.

mod builder;
mod near_names;
mod shelf;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use llm_core::{
    ChatModel, EmbeddingModel, ErrorKind, ModelError, ModelInfo, ModelKind, ModelName, ModelSource,
    RerankModel, SpeechModel, TranscriptionModel, VisionModel,
};

use service_guards::BreakerStatus;

use crate::cache::Cache;
use crate::guarded::{GuardOptions, Guarded, RouteGuards};
use crate::modality::{Modality, Registered};
use crate::pace::{PaceStatus, Paces};
use crate::quota::{Limits, Quotas};
use crate::record::RecordSink;
use crate::route::RouteTarget;
use crate::router::{Place, Targets};
use crate::target::Target;

pub use builder::RegistryBuilder;
pub(crate) use shelf::{Shelf, Shelves};

use near_names::{near_names, shortened};
use shelf::Route;

/// A model in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedModel {
    /// The name to ask for it by.
    pub name: String,
    /// Its kind.
    pub kind: ModelKind,
    /// The models that the name stands for, when it is one of the operator's own.
    pub targets: Vec<ModelName>,
    /// What is known of it, or of the first of its targets; `None` for one that its provider does not list.
    pub info: Option<ModelInfo>,
}

/// How a target stands.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetStatus {
    /// Its name.
    pub name: ModelName,
    /// Its kind.
    pub kind: ModelKind,
    /// The number of the key, where its provider has several.
    pub key: usize,
    /// Answers that are alive.
    pub live: usize,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// Whether it is left alone for now.
    pub breaker: BreakerStatus,
    /// How fast it may be called.
    pub pace: PaceStatus,
}

/// From names to guarded models. Cheap to clone; never changes: a new configuration is a new registry, and calls under
/// way keep the guards that they started with.
///
/// A name is that of a route, the exact `provider/model` of a registered model, or `provider/model` of a registered source.
/// A model has one set of guards ([`Target`]), whatever the names that lead to it.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    shelves: Shelves,
    /// A provider for which there are several keys has a source for each.
    sources: BTreeMap<String, Vec<Arc<dyn ModelSource>>>,
    options: GuardOptions,
    options_of: BTreeMap<String, GuardOptions>,
    quotas: Option<Quotas>,
    /// Providers whose models the quotas do not count.
    unlimited: BTreeSet<String>,
    paces: Paces,
    limits_of: BTreeMap<String, Limits>,
    /// Those of the providers with limits, by the number of the key.
    quotas_of: BTreeMap<(String, usize), Quotas>,
    cache: Option<Cache>,
    records: Arc<dyn RecordSink>,
}

impl Registry {
    /// Starts setting one up.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// The chat model of this name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], which tells near names; so for all kinds.
    pub fn chat(&self, name: &str) -> Result<Guarded<dyn ChatModel>, ModelError> {
        self.resolve(name)
    }

    /// The embedding model of this name.
    ///
    /// # Errors
    /// As [`chat`](Self::chat).
    pub fn embedding(&self, name: &str) -> Result<Guarded<dyn EmbeddingModel>, ModelError> {
        self.resolve(name)
    }

    /// The rerank model of this name.
    ///
    /// # Errors
    /// As [`chat`](Self::chat).
    pub fn rerank(&self, name: &str) -> Result<Guarded<dyn RerankModel>, ModelError> {
        self.resolve(name)
    }

    /// The speech model of this name.
    ///
    /// # Errors
    /// As [`chat`](Self::chat).
    pub fn speech(&self, name: &str) -> Result<Guarded<dyn SpeechModel>, ModelError> {
        self.resolve(name)
    }

    /// The transcription model of this name.
    ///
    /// # Errors
    /// As [`chat`](Self::chat).
    pub fn transcription(&self, name: &str) -> Result<Guarded<dyn TranscriptionModel>, ModelError> {
        self.resolve(name)
    }

    /// The vision model of this name.
    ///
    /// # Errors
    /// As [`chat`](Self::chat).
    pub fn vision(&self, name: &str) -> Result<Guarded<dyn VisionModel>, ModelError> {
        self.resolve(name)
    }

    /// All names worth listing, in order: registered models, what the sources list, and routes. A name appears once
    /// for each kind.
    pub fn list(&self) -> Vec<ListedModel> {
        let Inner { shelves, sources, .. } = &*self.inner;
        let mut infos: BTreeMap<(ModelName, &'static str), ModelInfo> = BTreeMap::new();
        // All keys of a provider are for the same models.
        let listed =
            sources.values().filter_map(|keys| keys.first()).flat_map(|source| source.list());
        // Registered models come last, since they are what a name resolves to.
        for info in listed.chain(shelves.infos()) {
            infos.insert((info.name.clone(), info.kind.as_str()), info);
        }
        let routes = shelves.routes().map(|(kind, name, route)| {
            let targets: Vec<_> = route.targets.iter().map(|target| target.model.clone()).collect();
            let first = targets.first().cloned();
            let info = first.and_then(|first| infos.get(&(first, kind.as_str())).cloned());
            ListedModel { name: name.to_owned(), kind, targets, info }
        });
        let mut models: Vec<_> = routes.collect();
        models.extend(infos.into_values().map(|info| ListedModel {
            name: info.name.to_string(),
            kind: info.kind,
            targets: Vec::new(),
            info: Some(info),
        }));
        models.sort_by(|a, b| (&a.name, a.kind.as_str()).cmp(&(&b.name, b.kind.as_str())));
        models.dedup_by(|b, a| a.name == b.name && a.kind == b.kind);
        models
    }

    /// How the targets stand that have been asked and are remembered, in no particular order.
    pub fn targets_status(&self) -> Vec<TargetStatus> {
        let Shelves { chat, embedding, rerank, speech, transcription, vision } =
            &self.inner.shelves;
        let mut all = chat.statuses();
        all.extend(embedding.statuses());
        all.extend(rerank.statuses());
        all.extend(speech.statuses());
        all.extend(transcription.statuses());
        all.extend(vision.statuses());
        all
    }

    /// Finds a model, and puts its guards around it the first time.
    pub(crate) fn resolve<M: Registered + ?Sized>(
        &self,
        name: &str,
    ) -> Result<Guarded<M>, ModelError> {
        let shelf = M::shelf(&self.inner.shelves);
        if let Some(guarded) = shelf.guarded(name) {
            return Ok(guarded);
        }
        let route = match shelf.routes.get(name) {
            Some(route) => route.clone(),
            None => Route::direct(name.parse().map_err(|_| self.not_found::<M>(name))?),
        };
        let mut places = Vec::new();
        for (number, RouteTarget { model, weight }) in route.targets.iter().enumerate() {
            let targets = self.targets::<M>(model);
            if targets.is_empty() {
                return Err(self.not_found::<M>(&model.to_string()));
            }
            let weight = *weight;
            places.extend(targets.into_iter().map(|target| Place { target, number, weight }));
        }
        let first = places.first().ok_or_else(|| self.not_found::<M>(name))?;
        let options = self.options_of(&first.target.info().name.provider);
        let is_limited = places.iter().any(|place| self.is_limited(&place.target));
        let targets = Targets::new(places, route.options);
        let info = targets.info().ok_or_else(|| self.not_found::<M>(name))?;
        let Inner { cache, quotas, records, .. } = &*self.inner;
        let quotas = quotas.clone().filter(|_| is_limited);
        let (cache, records) = (cache.clone(), records.clone());
        let guards = RouteGuards { options, cache, quotas, records };
        let guarded = Guarded::over(name.into(), info, targets, guards);
        Ok(shelf.keep(name, guarded))
    }

    fn is_limited<M: Modality + ?Sized>(&self, target: &Target<M>) -> bool {
        !self.inner.unlimited.contains(&target.info().name.provider)
    }

    fn options_of(&self, provider: &str) -> &GuardOptions {
        self.inner.options_of.get(provider).unwrap_or(&self.inner.options)
    }

    /// The model behind its guards, once for each key; empty where there is no such model.
    fn targets<M: Registered + ?Sized>(&self, name: &ModelName) -> Vec<Target<M>> {
        let shelf = M::shelf(&self.inner.shelves);
        let guarded = |key: usize, model: &dyn Fn() -> Option<Arc<M>>| {
            let quotas = self.inner.quotas_of.get(&(name.provider.clone(), key)).cloned();
            let options = self.options_of(&name.provider);
            shelf.target(name, key, || {
                let target = Target::new(model()?, options, quotas);
                // By the name under which its provider is asked, which may be another than callers use.
                self.inner.paces.add(target.info().name.clone(), key, target.pace());
                Some(target)
            })
        };
        if let Some(model) = shelf.exact.get(name) {
            return guarded(0, &|| Some(model.clone())).into_iter().collect();
        }
        let sources = self.inner.sources.get(&name.provider).map_or(&[][..], Vec::as_slice);
        let targets = sources
            .iter()
            .enumerate()
            .map(|(key, source)| guarded(key, &|| M::from_source(&**source, &name.model)));
        targets.flatten().collect()
    }

    fn not_found<M: Registered + ?Sized>(&self, name: &str) -> ModelError {
        let kind = M::KIND.as_str();
        let known: Vec<String> = self
            .list()
            .into_iter()
            .filter(|model| model.kind == M::KIND)
            .map(|model| model.name)
            .collect();
        let near = near_names(name, &known);
        let advice = if !near.is_empty() {
            format!("did you mean {}?", near.join(" or "))
        } else if let Some(some) = known.first() {
            format!("write provider/model, for example `{some}`")
        } else {
            format!("no {kind} model is configured")
        };
        let message = format!("there is no {kind} model `{}`; {advice}", shortened(name));
        ModelError::new(ErrorKind::NotFound, M::OPERATION, message).with_param("model")
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("sources", &self.inner.sources.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
