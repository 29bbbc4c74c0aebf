//! [`Parts`]: everything assembled.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use dialog_service::{Conversations, DialogService, KeptAnswers, Library};
use futures::future::BoxFuture;
use llm_bundle::{Bundle, Cache, CacheUse, Paces, Priority, Quotas, SemanticOptions, SyncPool};
use llm_core::{EmbeddingModel, ErrorKind, ModelError, Operation};
use rag_core::{ConversationStore, EmbeddingIdentity, MetadataStore, StoreError};
use rag_ingest::{Pipeline, PipelineOptions, PipelineParts, TextsOf, VisionFor};
use rag_parse::isolated::IsolatedParser;
use rag_parse::{ParseLimits, StructuralChunker};
use rag_retrieve::Retriever;
use rag_store::{EmbeddedStore, StoreOptions};
use service_guards::InFlight;

use crate::bundle::{BundleParts, embedders, only};
use crate::cache::cache;
use crate::config::{AuthMode, Config, Environment};
use crate::detour::Detour;
use crate::http::Shutdown;
use crate::key_ring::KeyRing;
use crate::limits;
use crate::local_models;
use crate::mcp::McpServers;
use crate::metrics::Metrics;
use crate::providers::{Means, Provider, providers};
use crate::readiness::Readiness;
use crate::records::{Calls, Told};
use crate::responses::Responses;
use crate::tables::tables;
use crate::usage::Usage;
use crate::web::WebEngines;

/// The parts of a running server or command, shared by all its callers. What is done on behalf of one of them goes through
/// [`App`](crate::App).
pub struct Parts {
    /// The configuration it was made from.
    pub config: Config,
    /// Datasets, documents, chunks.
    pub store: Arc<EmbeddedStore>,
    /// All models, on nobody's behalf.
    pub(crate) models_of_all: Bundle,
    /// Finds evidence.
    pub library: Arc<Library>,
    /// Reads files.
    pub(crate) parser: Arc<IsolatedParser>,
    /// Takes files in.
    pub pipeline: Pipeline,
    /// Answers turns.
    pub dialogs: DialogService,
    /// Answers turns of sessions, and keeps them.
    pub conversations: Conversations,
    /// Threads for synchronous work that may wait for models: retrieval, parsing.
    pub callers: SyncPool,
    /// Threads for synchronous models.
    pub models: SyncPool,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is missing.
    pub readiness: Readiness,
    /// Requests under way.
    pub in_flight: InFlight,
    /// When and how to stop.
    pub shutdown: Shutdown,
    /// Records of what model calls consumed, if they are kept.
    pub(crate) usage: Option<Usage>,
    /// Answers that callers may go on from.
    pub(crate) responses: Responses,
    /// How much tenants and keys may use.
    pub(crate) quotas: Quotas,
    /// Answers that are kept, if there are.
    pub(crate) cache: Option<Cache>,
    /// The keys that open the server; `None`: no key is asked.
    pub(crate) keys: Option<KeyRing>,
    pub(crate) providers: Vec<Provider>,
    pub(crate) mcp: McpServers,
    pub(crate) web: WebEngines,
    detour: Mutex<Detour>,
    default_chat: OnceLock<String>,
}

/// The chat model that needs nothing.
const EXTRACTIVE: &str = "local/extractive";

/// The embedding model that questions are compared by, for answers that are kept, and sentences, for citations: it needs
/// nothing and costs nothing.
const COMPARES: &str = "local/static";

/// How long threads may finish what they are at when everything ends.
const LAST_JOBS: Duration = Duration::from_secs(10);

impl Parts {
    /// Opens the data directory and puts the parts together. Must be called on the runtime that shall own all I/O.
    ///
    /// # Errors
    /// What is wrong with the configuration or the data directory, in one line with its causes.
    pub(crate) async fn open(config: Config, environment: &Environment) -> Result<Arc<Self>> {
        let metrics = Arc::new(Metrics::new());
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let callers = SyncPool::builder().name("callers").threads(threads + 2).build()?;
        let models = SyncPool::builder().name("models").threads(threads).models().build()?;

        let data_dir = config.server.data_dir.clone();
        let store = callers.run(move || open_store(&data_dir)).await?.with_context(|| {
            format!("cannot open the data directory `{}`", config.server.data_dir.display())
        })?;

        let keys = match config.auth.mode {
            AuthMode::Local => None,
            AuthMode::Keys => Some(key_ring(&config, &callers).await?),
        };

        let (brought, variables) = (config.local_model.clone(), environment.clone());
        let local = callers.run(move || local_models::load(&brought, &variables)).await??;
        let known = config.models.catalogue()?.map(Arc::new);
        let detour = Detour::open(&config.recordings).await?;
        let paces = Paces::default();
        let means = Means { environment, models: &known, detour: &detour, paces: &paces };
        let providers = providers(&config.provider, means)?;
        let mcp = McpServers::new(&config.mcp, environment)?;
        let web = WebEngines::new(&config.web, environment)?;
        let usage = Usage::open(&config.usage, &config.server.data_dir).await?;
        let responses = Responses::open(&config.responses, &config.server.data_dir).await?;
        let calls = Arc::new(Calls {
            metrics: metrics.clone(),
            queue: usage.as_ref().map(|usage| usage.queue().clone()),
            told: Told::new(&config.telemetry),
        });
        let redis = limits::connect(&config.shared, environment).await?;
        let quotas =
            limits::quotas(&config.limits, &config.shared, redis.as_ref(), metrics.clone())?;
        let parts = BundleParts {
            config: &config,
            providers: &providers,
            local: &local,
            models: &models,
            paces: &paces,
            quotas: &quotas,
            calls: &calls,
        };
        let cache = cache(&config.cache, &config.shared, redis.as_ref(), || parts.bundle(None))?;
        let bundle = parts.bundle(cache.clone())?;
        let library = Arc::new(library(&store, &bundle, callers.clone()));
        let shutdown = Shutdown::new(config.server.drain());
        let in_flight = InFlight::new(config.server.max_requests, 0);
        let parser = Arc::new(parser()?);
        let count = Arc::new(|text: &str| llm_tokens::estimate(text) as usize);
        let compared: Arc<dyn EmbeddingModel> = Arc::new(bundle.embedder(COMPARES)?);
        let dialogs = DialogService::new(library.clone(), count)
            .with_matching(compared.clone())
            .with_kept_answers(KeptAnswers::new(compared, SemanticOptions::default()));
        Ok(Arc::new(Self {
            conversations: Conversations::new(
                dialogs.clone(),
                store.clone(),
                callers.clone(),
                config.sessions.options(),
            ),
            dialogs,
            library,
            pipeline: pipeline(&config, &store, &bundle, parser.clone(), callers.clone())?,
            parser,
            config,
            store,
            models_of_all: bundle,
            callers,
            models,
            metrics,
            readiness: Readiness::default(),
            in_flight,
            shutdown,
            usage,
            responses,
            quotas,
            cache,
            keys,
            providers,
            mcp,
            web,
            detour: Mutex::new(detour),
            default_chat: OnceLock::new(),
        }))
    }

    /// Runs work that blocks or computes on a thread of the callers. The future borrows nothing.
    pub(crate) fn on_thread<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, ModelError>> {
        let job = self.callers.submit(work);
        Box::pin(async move {
            match job {
                Ok(job) => job.await.map_err(|error| error.during(operation)),
                Err(error) => Err(error.during(operation)),
            }
        })
    }

    /// Lets the threads finish, and writes what was recorded. Call it when nothing serves requests any more.
    pub async fn close(&self) {
        self.conversations.close(Duration::ZERO).await;
        self.mcp.close().await;
        for pool in [&self.callers, &self.models] {
            if let Err(error) = pool.shutdown(LAST_JOBS).await {
                tracing::warn!(%error, "a pool of threads did not end");
            }
        }
        self.responses.close().await;
        if let Some(usage) = &self.usage {
            usage.close().await;
        }
        self.quotas.store().flush().await;
        if let Some(cache) = &self.cache {
            cache.flush().await;
        }
        let detour = {
            let mut detour = self.detour.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *detour, Detour::None)
        };
        detour.close().await;
    }

    /// The configured default, else the default model of the first provider with a key (asked for its list where none
    /// is known), else the one that needs nothing.
    pub(crate) async fn default_chat_name(&self) -> Result<&str, ModelError> {
        if let Some(name) = &self.config.defaults.chat {
            return Ok(name);
        }
        let Some(provider) = self.providers.iter().find(|provider| provider.can_be_default) else {
            return Ok(EXTRACTIVE);
        };
        if let Some(name) = self.default_chat.get() {
            return Ok(name);
        }
        let name = first_chat_model(provider).await?;
        Ok(self.default_chat.get_or_init(|| name))
    }
}

async fn key_ring(config: &Config, callers: &SyncPool) -> Result<KeyRing> {
    let (data_dir, threads) = (config.server.data_dir.clone(), callers.clone());
    Ok(callers.run(move || KeyRing::open(&data_dir, threads)).await??)
}

/// The provider's default model, or the first of its list that seems to talk.
pub(crate) async fn first_chat_model(provider: &Provider) -> Result<String, ModelError> {
    if let Some(model) = &provider.default_model {
        return Ok(format!("{}/{model}", provider.name));
    }
    const OTHER_KINDS: [&str; 10] = [
        "embed",
        "tts",
        "whisper",
        "rerank",
        "moderation",
        "image",
        "audio",
        "dall-e",
        "realtime",
        "transcribe",
    ];
    let models = provider.client.model_names().await?;
    let talks = |model: &&String| !OTHER_KINDS.iter().any(|kind| model.contains(kind));
    let first = models.iter().find(talks).or(models.first());
    let first = first.map(|model| format!("{}/{model}", provider.name));
    first.ok_or_else(|| {
        let message = "it lists no model; name one with `default_model` or --model";
        ModelError::new(ErrorKind::NotFound, Operation::ListModels, message).at(&provider.name, "")
    })
}

/// Retrieval on the callers' threads. It reaches the bundle's async embedding models through `Blocking`.
fn library(store: &Arc<EmbeddedStore>, bundle: &Bundle, callers: SyncPool) -> Library {
    let retriever = Retriever::new(store.clone(), store.clone(), embedders(bundle.clone()).0);
    Library::new(Arc::new(retriever), callers.clone()).with_tables(tables(store.clone(), callers))
}

/// Opens the store of this process alone. Whoever held a job or answered a turn before is dead, so all jobs are free,
/// and no turn runs.
fn open_store(data_dir: &Path) -> Result<Arc<EmbeddedStore>, StoreError> {
    let store = EmbeddedStore::open(data_dir, StoreOptions::default())?;
    store.release_leases()?;
    let interrupted = store.interrupt_turns()?;
    if interrupted > 0 {
        tracing::warn!(interrupted, "turns ended when the server did last time");
    }
    Ok(store)
}

/// Formats whose parsers can crash are read by this same program, started again.
fn parser() -> Result<IsolatedParser> {
    let program = std::env::current_exe().context("finding this program's own file")?;
    Ok(IsolatedParser::new(program, ["parse-worker"], ParseLimits::default()))
}

fn pipeline(
    config: &Config,
    store: &Arc<EmbeddedStore>,
    bundle: &Bundle,
    parser: Arc<IsolatedParser>,
    pool: SyncPool,
) -> Result<Pipeline> {
    let options = PipelineOptions {
        // Two jobs at a time leave threads to questions that are asked meanwhile.
        workers: Some(2),
        file_bytes: ParseLimits::default().file_bytes(),
        ..PipelineOptions::default()
    };
    let default_chat = config.defaults.chat.clone();
    // Batches of passages seldom come twice, and would push answers out of the cache.
    let ingesting = bundle.clone().with_priority(Priority::Batch).with_cache(CacheUse::Bypass);
    let chatting = ingesting.clone();
    let vision = match config.defaults.vision.clone() {
        Some(name) => {
            ingesting.vision_model(&name)?;
            let bundle = ingesting.clone();
            let vision: VisionFor =
                Arc::new(move |texts| on_behalf(&bundle, texts).vision_model(&name));
            Some(vision)
        }
        None => None,
    };
    let parts = PipelineParts {
        store: store.clone(),
        parser,
        chunker: Arc::new(StructuralChunker::default()),
        embedder: Arc::new(move |identity: &EmbeddingIdentity, texts: TextsOf<'_>| {
            let bundle = on_behalf(&ingesting, texts);
            Ok(Arc::new(bundle.embedder(&identity.model)?) as Arc<dyn EmbeddingModel>)
        }),
        vision,
        chat: Arc::new(move |name, texts| match name.or(default_chat.as_deref()) {
            Some(name) => on_behalf(&chatting, texts).chat_model(name),
            None => {
                let message = "there is no default chat model; set `defaults.chat`";
                Err(ModelError::new(ErrorKind::NotFound, Operation::Chat, message))
            }
        }),
        pool,
    };
    Ok(Pipeline::with_options(parts, options))
}

/// The bundle for these texts: asked on their owner's behalf, and none but those who may see them.
fn on_behalf(bundle: &Bundle, texts: TextsOf<'_>) -> Bundle {
    only(bundle.clone().for_tenant(texts.tenant.as_str()), texts.providers)
}
