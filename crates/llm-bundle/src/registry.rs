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

use crate::guarded::{GuardOptions, Guarded};
use crate::modality::{Modality, Registered};
use crate::record::RecordSink;

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
    /// The model that the name stands for, when it is an alias.
    pub target: Option<ModelName>,
    /// What is known of it; `None` for an alias of a model that its provider does not list.
    pub info: Option<ModelInfo>,
}

/// From names to guarded models. Cheap to clone; never changes: a new configuration is a new registry, and calls under
/// way keep the guards that they started with.
///
/// A name is an alias, the exact `provider/model` of a registered model, or `provider/model` of a registered source.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    shelves: Shelves,
    sources: BTreeMap<String, Arc<dyn ModelSource>>,
    options: GuardOptions,
    options_of: BTreeMap<String, GuardOptions>,
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
    aliases: BTreeMap<String, ModelName>,
    guarded: Mutex<LruCache<ModelName, Guarded<M>>>,
}

impl<M: Modality + ?Sized> Default for Shelf<M> {
    fn default() -> Self {
        Self {
            exact: BTreeMap::new(),
            aliases: BTreeMap::new(),
            guarded: Mutex::new(LruCache::new(GUARDED_MODELS)),
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
            records: Arc::new(()),
        };
        Self { inner }
    }
}

impl RegistryBuilder {
    /// Adds a provider: it is asked for every `name/…` that is not registered exactly.
    pub fn source(mut self, name: impl Into<String>, source: Arc<dyn ModelSource>) -> Self {
        self.inner.sources.insert(name.into(), source);
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
        self.inner.shelves.aliases_mut(kind).insert(name.into(), target);
        self
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

    /// Where the records of all calls go. Default: nowhere.
    pub fn records(mut self, records: Arc<dyn RecordSink>) -> Self {
        self.inner.records = records;
        self
    }

    /// The registry.
    pub fn build(self) -> Registry {
        Registry { inner: Arc::new(self.inner) }
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
        let listed = sources.values().flat_map(|source| source.list());
        // Registered models come last, since they are what a name resolves to.
        for info in listed.chain(shelves.infos()) {
            infos.insert((info.name.clone(), info.kind.as_str()), info);
        }
        let aliases = shelves.aliases().map(|(kind, name, target)| ListedModel {
            name: name.to_owned(),
            kind,
            target: Some(target.clone()),
            info: infos.get(&(target.clone(), kind.as_str())).cloned(),
        });
        let mut models: Vec<_> = aliases.collect();
        models.extend(infos.into_values().map(|info| ListedModel {
            name: info.name.to_string(),
            kind: info.kind,
            target: None,
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
        let target = match shelf.aliases.get(name) {
            Some(target) => target.clone(),
            None => name.parse::<ModelName>().map_err(|_| self.not_found::<M>(name))?,
        };
        if let Some(guarded) = shelf.guarded(&target) {
            return Ok(guarded);
        }
        let model = self.find::<M>(&target).ok_or_else(|| self.not_found::<M>(name))?;
        let options = self.inner.options_of.get(&target.provider).unwrap_or(&self.inner.options);
        let guarded = Guarded::new(model, options, self.inner.records.clone());
        Ok(shelf.keep(target, guarded))
    }

    fn find<M: Registered + ?Sized>(&self, name: &ModelName) -> Option<Arc<M>> {
        let exact = M::shelf(&self.inner.shelves).exact.get(name).cloned();
        exact.or_else(|| {
            let source = self.inner.sources.get(&name.provider)?;
            M::from_source(&**source, &name.model)
        })
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
    fn aliases_mut(&mut self, kind: ModelKind) -> &mut BTreeMap<String, ModelName> {
        match kind {
            ModelKind::Chat => &mut self.chat.aliases,
            ModelKind::Embedding => &mut self.embedding.aliases,
            ModelKind::Rerank => &mut self.rerank.aliases,
            ModelKind::Speech => &mut self.speech.aliases,
            ModelKind::Transcription => &mut self.transcription.aliases,
            ModelKind::Vision => &mut self.vision.aliases,
        }
    }

    fn aliases(&self) -> impl Iterator<Item = (ModelKind, &str, &ModelName)> {
        (self.chat.aliases())
            .chain(self.embedding.aliases())
            .chain(self.rerank.aliases())
            .chain(self.speech.aliases())
            .chain(self.transcription.aliases())
            .chain(self.vision.aliases())
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

    fn aliases(&self) -> impl Iterator<Item = (ModelKind, &str, &ModelName)> {
        self.aliases.iter().map(|(name, target)| (M::KIND, name.as_str(), target))
    }

    fn infos(&self) -> impl Iterator<Item = ModelInfo> {
        self.exact.values().map(|model| model.model_info().clone())
    }

    fn guarded(&self, name: &ModelName) -> Option<Guarded<M>> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Keeps these guards, unless another caller was faster: then those are the ones for all.
    fn keep(&self, name: ModelName, guarded: Guarded<M>) -> Guarded<M> {
        let mut kept = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert(name, || guarded).clone()
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
