//! [`Registry`]: from a name to a guarded model.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use llm_core::{
    ChatModel, EmbeddingModel, ErrorKind, ModelError, ModelInfo, ModelKind, ModelName, ModelSource,
    RerankModel, SpeechModel, TranscriptionModel, VisionModel,
};
use lru::LruCache;

use crate::cache::Cache;
use crate::guarded::{GuardOptions, Guarded, RouteGuards};
use crate::modality::{Modality, Registered};
use crate::pace::Paces;
use crate::quota::{Limits, Quotas, Scope};
use crate::record::RecordSink;
use crate::route::{self, RouteError, RouteOptions, RouteTarget};
use crate::router::{Place, Targets};
use crate::strategy::Strategy;
use crate::target::Target;

/// How many models of a kind keep their guards. Names come from callers, so there has to be a bound; a model beyond it
/// loses the state of its guards (its in-flight count and retry budget), nothing else.
const GUARDED_MODELS: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// How many near names an error tells.
const NEAR_NAMES: usize = 3;

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
    paces: Paces,
    limits_of: BTreeMap<String, Limits>,
    /// Those of the providers with limits, by the number of the key.
    quotas_of: BTreeMap<(String, usize), Quotas>,
    cache: Option<Cache>,
    records: Arc<dyn RecordSink>,
}

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
    exact: BTreeMap<ModelName, Arc<M>>,
    routes: BTreeMap<String, Route>,
    /// Behind their guards, by the name asked for.
    guarded: Mutex<LruCache<String, Guarded<M>>>,
    /// By name, and the number of the key.
    targets: Mutex<LruCache<(ModelName, usize), Target<M>>>,
}

/// What a name stands for.
#[derive(Clone)]
struct Route {
    targets: Vec<RouteTarget>,
    options: RouteOptions,
}

impl Route {
    /// A model by its own name. With several keys, calls go to the one with the fewest under way.
    fn direct(model: ModelName) -> Self {
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

/// Sets up a [`Registry`].
pub struct RegistryBuilder {
    inner: Inner,
}

impl Default for RegistryBuilder {
    fn default() -> Self {
        let inner = Inner {
            shelves: Shelves::default(),
            sources: BTreeMap::new(),
            options: GuardOptions::default(),
            options_of: BTreeMap::new(),
            quotas: None,
            paces: Paces::default(),
            limits_of: BTreeMap::new(),
            quotas_of: BTreeMap::new(),
            cache: None,
            records: Arc::new(()),
        };
        Self { inner }
    }
}

impl RegistryBuilder {
    /// Adds a provider: it is asked for every `name/…` that is not registered exactly.
    pub fn source(mut self, name: impl Into<String>, source: Arc<dyn ModelSource>) -> Self {
        self.inner.sources.insert(name.into(), vec![source]);
        self
    }

    /// Adds a provider for which there are several keys, each of which makes a source. A call goes to the key with the
    /// fewest calls under way, and to the next one when it fails.
    pub fn source_with_keys(
        mut self,
        name: impl Into<String>,
        sources: Vec<Arc<dyn ModelSource>>,
    ) -> Self {
        self.inner.sources.insert(name.into(), sources);
        self
    }

    /// Adds a chat model under the name in its [`ModelInfo`].
    pub fn chat(mut self, model: Arc<dyn ChatModel>) -> Self {
        self.inner.shelves.chat.add(model);
        self
    }

    /// Adds an embedding model under the name in its [`ModelInfo`].
    pub fn embedding(mut self, model: Arc<dyn EmbeddingModel>) -> Self {
        self.inner.shelves.embedding.add(model);
        self
    }

    /// Adds a rerank model under the name in its [`ModelInfo`].
    pub fn rerank(mut self, model: Arc<dyn RerankModel>) -> Self {
        self.inner.shelves.rerank.add(model);
        self
    }

    /// Adds a speech model under the name in its [`ModelInfo`].
    pub fn speech(mut self, model: Arc<dyn SpeechModel>) -> Self {
        self.inner.shelves.speech.add(model);
        self
    }

    /// Adds a transcription model under the name in its [`ModelInfo`].
    pub fn transcription(mut self, model: Arc<dyn TranscriptionModel>) -> Self {
        self.inner.shelves.transcription.add(model);
        self
    }

    /// Adds a vision model under the name in its [`ModelInfo`].
    pub fn vision(mut self, model: Arc<dyn VisionModel>) -> Self {
        self.inner.shelves.vision.add(model);
        self
    }

    /// Gives a model of `kind` a further name. It hides a model of that exact name.
    pub fn alias(mut self, kind: ModelKind, name: impl Into<String>, target: ModelName) -> Self {
        let route = Route { targets: vec![target.into()], options: RouteOptions::default() };
        self.inner.shelves.routes_mut(kind).insert(name.into(), route);
        self
    }

    /// Gives a name to several models of `kind`, of which `options` choose for each call. It hides a model of that exact
    /// name.
    ///
    /// # Errors
    /// [`RouteError`], where the targets cannot stand for each other.
    pub fn route(
        mut self,
        kind: ModelKind,
        name: impl Into<String>,
        targets: Vec<RouteTarget>,
        options: RouteOptions,
    ) -> Result<Self, RouteError> {
        let name = name.into();
        route::check(kind, &name, &targets)?;
        self.inner.shelves.routes_mut(kind).insert(name, Route { targets, options });
        Ok(self)
    }

    /// The limits of all models. Default: [`GuardOptions::default`].
    pub fn guards(mut self, options: GuardOptions) -> Self {
        self.inner.options = options;
        self
    }

    /// The limits of the models of one provider, instead of [`guards`](Self::guards).
    pub fn guards_of(mut self, provider: impl Into<String>, options: GuardOptions) -> Self {
        self.inner.options_of.insert(provider.into(), options);
        self
    }

    /// How much tenants and API keys may use. Default: as much as they like.
    pub fn quotas(mut self, quotas: Quotas) -> Self {
        self.inner.quotas = Some(quotas);
        self
    }

    /// Where what providers tell of their limits finds the models it is about: give [`Paces::of_key`] of the same paces to
    /// the providers' transports.
    pub fn paces(mut self, paces: Paces) -> Self {
        self.inner.paces = paces;
        self
    }

    /// How much the calls to all models of one provider may use together; with several keys, so much with each. It is
    /// counted where [`quotas`](Self::quotas) are.
    pub fn limits_of(mut self, provider: impl Into<String>, limits: Limits) -> Self {
        self.inner.limits_of.insert(provider.into(), limits);
        self
    }

    /// Answers that were given before. Default: every call goes to a model.
    pub fn cache(mut self, cache: Cache) -> Self {
        self.inner.cache = Some(cache);
        self
    }

    /// Where the records of all calls go. Default: nowhere.
    pub fn records(mut self, records: Arc<dyn RecordSink>) -> Self {
        self.inner.records = records;
        self
    }

    /// The registry.
    pub fn build(mut self) -> Registry {
        self.inner.quotas_of = self.inner.provider_quotas();
        self.inner.quotas.take_if(|quotas| quotas.limit_nothing());
        Registry { inner: Arc::new(self.inner) }
    }
}

impl Inner {
    /// The quotas of each account that has some: of each key of a provider with limits.
    fn provider_quotas(&self) -> BTreeMap<(String, usize), Quotas> {
        let limited = self.limits_of.iter().filter(|(_, limits)| limits.is_limited());
        let mut quotas_of = BTreeMap::new();
        for (provider, limits) in limited {
            let shared = self.quotas.clone().unwrap_or_else(|| Quotas::builder().build());
            let keys = self.sources.get(provider).map_or(1, Vec::len);
            for key in 0..keys {
                let account = if key == 0 { provider.clone() } else { format!("{provider}#{key}") };
                let quotas = shared.only(Scope::provider(account), limits.clone());
                quotas_of.insert((provider.clone(), key), quotas);
            }
        }
        quotas_of
    }
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

    /// All names worth listing, in order: registered models, what the sources list, and aliases. A name appears once
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
        let targets = Targets::new(places, route.options);
        let info = targets.info().ok_or_else(|| self.not_found::<M>(name))?;
        let Inner { cache, quotas, records, .. } = &*self.inner;
        let (cache, quotas, records) = (cache.clone(), quotas.clone(), records.clone());
        let guards = RouteGuards { options, cache, quotas, records };
        let guarded = Guarded::over(name.into(), info, targets, guards);
        Ok(shelf.keep(name, guarded))
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

impl fmt::Debug for RegistryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryBuilder").finish_non_exhaustive()
    }
}

impl Shelves {
    fn routes_mut(&mut self, kind: ModelKind) -> &mut BTreeMap<String, Route> {
        match kind {
            ModelKind::Chat => &mut self.chat.routes,
            ModelKind::Embedding => &mut self.embedding.routes,
            ModelKind::Rerank => &mut self.rerank.routes,
            ModelKind::Speech => &mut self.speech.routes,
            ModelKind::Transcription => &mut self.transcription.routes,
            ModelKind::Vision => &mut self.vision.routes,
        }
    }

    fn routes(&self) -> impl Iterator<Item = (ModelKind, &str, &Route)> {
        (self.chat.routes())
            .chain(self.embedding.routes())
            .chain(self.rerank.routes())
            .chain(self.speech.routes())
            .chain(self.transcription.routes())
            .chain(self.vision.routes())
    }

    fn infos(&self) -> impl Iterator<Item = ModelInfo> {
        (self.chat.infos())
            .chain(self.embedding.infos())
            .chain(self.rerank.infos())
            .chain(self.speech.infos())
            .chain(self.transcription.infos())
            .chain(self.vision.infos())
    }
}

impl<M: Modality + ?Sized> Shelf<M> {
    fn add(&mut self, model: Arc<M>) {
        self.exact.insert(model.model_info().name.clone(), model);
    }

    fn routes(&self) -> impl Iterator<Item = (ModelKind, &str, &Route)> {
        self.routes.iter().map(|(name, route)| (M::KIND, name.as_str(), route))
    }

    fn infos(&self) -> impl Iterator<Item = ModelInfo> {
        self.exact.values().map(|model| model.model_info().clone())
    }

    fn guarded(&self, name: &str) -> Option<Guarded<M>> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Keeps these guards, unless another caller was faster: then those are the ones for all.
    fn keep(&self, name: &str, guarded: Guarded<M>) -> Guarded<M> {
        let mut kept = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert(name.to_owned(), || guarded).clone()
    }

    /// The target that is kept, else the one that is made now.
    fn target(
        &self,
        name: &ModelName,
        key: usize,
        make: impl FnOnce() -> Option<Target<M>>,
    ) -> Option<Target<M>> {
        let mut kept = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let made = kept.try_get_or_insert((name.clone(), key), || make().ok_or(()));
        made.ok().cloned()
    }
}

/// The known names that look most like this one, best first.
fn near_names(name: &str, known: &[String]) -> Vec<String> {
    let wanted = shortened(name).to_lowercase();
    let mut scored: Vec<(f64, &String)> = known
        .iter()
        .map(|known| (strsim::jaro_winkler(&wanted, &known.to_lowercase()), known))
        .filter(|(score, _)| *score > 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.into_iter().take(NEAR_NAMES).map(|(_, name)| format!("`{name}`")).collect()
}

/// A name for a message, bounded, since callers can send anything.
fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}
