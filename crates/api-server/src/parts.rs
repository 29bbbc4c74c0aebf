//! [`Parts`]: everything assembled.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use accounts::AccountStore;
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use dialog_service::{Conversations, DialogService, KeptAnswers, Library};
use futures::future::BoxFuture;
use llm_bundle::{Bundle, CacheUse, Paces, Priority, SemanticOptions, SyncPool};
use llm_core::{EmbeddingModel, ErrorKind, ModelError, Operation};
use rag_core::{EmbeddingIdentity, Store, TenantId};
use rag_ingest::{Pipeline, PipelineOptions, PipelineParts, TextsOf, VisionFor};
use rag_parse::isolated::IsolatedParser;
use rag_parse::{ParseLimits, StructuralChunker};
use rag_retrieve::Retriever;

use crate::bundle::{embedders_of, only};
use crate::config::{AuthMode, Config, Environment};
use crate::detour::Detour;
use crate::door::{self, Door};
use crate::http::{PlaceLimits, Places, Shutdown};
use crate::limits;
use crate::local_models;
use crate::metrics::Metrics;
use crate::own_providers::{ByTenant, OwnProviders};
use crate::readiness::Readiness;
use crate::records::{Calls, Told};
use crate::responses::Responses;
use crate::setup::{Ground, Setup};
use crate::storage;
use crate::tables::tables;
use crate::usage::Usage;

/// The parts of a running server or command, shared by all its callers. What is done on behalf of one of them goes through
/// [`App`](crate::app::App).
pub struct Parts {
    /// Datasets, documents, chunks.
    pub store: Arc<dyn Store>,
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
    /// The places of requests under way.
    pub(crate) places: Places,
    /// When and how to stop.
    pub shutdown: Shutdown,
    /// Records of what model calls consumed, if they are kept.
    pub(crate) usage: Option<Usage>,
    /// Answers that callers may go on from.
    pub(crate) responses: Responses,
    /// Finds out whose requests are; `None`: nobody is asked.
    pub(crate) door: Option<Door>,
    /// Who may use the server, and what they bring.
    pub(crate) accounts: Arc<AccountStore>,
    pub(crate) own_providers: Arc<OwnProviders>,
    /// What requests that begin now are answered with.
    pub(crate) current: Arc<ArcSwap<Setup>>,
    pub(crate) ground: Arc<Ground>,
}

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

        let (configured, variables) = (config.clone(), environment.clone());
        let store = callers.run(move || storage::open(&configured, &variables)).await??;

        let (accounts, own_providers) = open_accounts(&config, environment, &callers).await?;
        let door = match config.auth.mode {
            AuthMode::Local => None,
            AuthMode::Keys => Some(Door::new(accounts.clone(), callers.clone())),
        };

        let (brought, variables) = (config.local_model.clone(), environment.clone());
        let local = callers.run(move || local_models::load(&brought, &variables)).await??;
        let detour = Detour::open(&config.recordings).await?;
        let usage = Usage::open(&config.usage, &config.server.data_dir).await?;
        let responses = Responses::open(&config.responses, &config.server.data_dir).await?;
        let calls = Arc::new(Calls {
            metrics: metrics.clone(),
            queue: usage.as_ref().map(|usage| usage.queue().clone()),
            told: Told::new(&config.telemetry),
        });
        let redis = limits::connect(&config.shared, environment).await?;
        let ground = Arc::new(Ground {
            local,
            models: models.clone(),
            paces: Paces::default(),
            calls,
            used: limits::store(&config.shared, redis.as_ref()),
            redis,
            metrics: metrics.clone(),
            detour: Mutex::new(detour),
        });
        let places = Places::new(PlaceLimits::from(&config));
        let setup = set_up(&ground, &own_providers, config, environment).await?;
        let (config, bundle) = (setup.config.clone(), setup.models_of_all.clone());
        let current = Arc::new(ArcSwap::from_pointee(setup));
        let library = Arc::new(library(&store, &current, callers.clone()));
        let shutdown = Shutdown::new(config.server.drain());
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
            pipeline: pipeline(&current, &store, parser.clone(), callers.clone()),
            parser,
            store,
            callers,
            models,
            metrics,
            readiness: Readiness::default(),
            places,
            shutdown,
            usage,
            responses,
            door,
            accounts,
            own_providers,
            current,
            ground,
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
        let setup = self.current.load_full();
        setup.mcp.close().await;
        for pool in [&self.callers, &self.models] {
            if let Err(error) = pool.shutdown(LAST_JOBS).await {
                tracing::warn!(%error, "a pool of threads did not end");
            }
        }
        self.responses.close().await;
        if let Some(usage) = &self.usage {
            usage.close().await;
        }
        if let Some(cache) = &setup.cache {
            cache.flush().await;
        }
        self.ground.close().await;
    }

    /// Sets up what this configuration says, for requests that begin from now on; those under way end with what they began
    /// with. What only a start can change stays as it is.
    ///
    /// # Errors
    /// What is wrong with the configuration, in one line with its causes; then nothing has changed.
    pub(crate) async fn reload(&self, config: Config, environment: &Environment) -> Result<()> {
        let config = config.for_running(&self.current.load().config);
        let places = PlaceLimits::from(&config);
        let (ground, own) = (self.ground.clone(), self.own_providers.clone());
        let (current, environment) = (self.current.clone(), environment.clone());
        let replace = move || -> Result<()> {
            let setup = ground.set_up(config, &environment)?;
            let _held = own.hold();
            setup.own.store(Arc::new(own.of_all(&ground, &setup)?));
            current.store(Arc::new(setup));
            Ok(())
        };
        tokio::task::spawn_blocking(replace).await??;
        self.places.set_limits(places);
        Ok(())
    }

    /// Takes over what a tenant's own providers are now, for requests that begin from now on. Blocks.
    ///
    /// # Errors
    /// The file's.
    pub(crate) fn refresh_own(&self, tenant: &TenantId) -> Result<()> {
        let _held = self.own_providers.hold();
        let setup = self.current.load_full();
        let models = self.own_providers.of_tenant(&self.ground, &setup, tenant)?;
        let models = (!models.providers.is_empty()).then(|| Arc::new(models));
        setup.own.rcu(|all| {
            let mut all = ByTenant::clone(all);
            match &models {
                Some(models) => all.insert(tenant.clone(), models.clone()),
                None => all.remove(tenant),
            };
            all
        });
        Ok(())
    }
}

/// Sets up what the configuration says, on a thread, since it reads files.
async fn set_up(
    ground: &Arc<Ground>,
    own: &Arc<OwnProviders>,
    config: Config,
    environment: &Environment,
) -> Result<Setup> {
    let (ground, own, environment) = (ground.clone(), own.clone(), environment.clone());
    let set_up = move || {
        let setup = ground.set_up(config, &environment)?;
        setup.own.store(Arc::new(own.of_all(&ground, &setup)?));
        Ok(setup)
    };
    tokio::task::spawn_blocking(set_up).await?
}

async fn open_accounts(
    config: &Config,
    environment: &Environment,
    callers: &SyncPool,
) -> Result<(Arc<AccountStore>, Arc<OwnProviders>)> {
    let (config, environment) = (config.clone(), environment.clone());
    let open = move || {
        let accounts = Arc::new(AccountStore::open(&config.server.data_dir.join(door::FILE))?);
        let own = OwnProviders::open(&config, &environment, accounts.clone())?;
        Ok((accounts, Arc::new(own)))
    };
    callers.run(open).await?
}

/// Retrieval on the callers' threads. It reaches the bundle's async embedding models through `Blocking`.
fn library(store: &Arc<dyn Store>, current: &Arc<ArcSwap<Setup>>, callers: SyncPool) -> Library {
    let current = current.clone();
    let models = move || current.load().models_of_all.clone();
    let retriever = Retriever::new(store.clone(), store.clone(), embedders_of(models).0);
    Library::new(Arc::new(retriever), callers.clone()).with_tables(tables(store.clone(), callers))
}

/// Formats whose parsers can crash are read by this same program, started again.
fn parser() -> Result<IsolatedParser> {
    let program = std::env::current_exe().context("finding this program's own file")?;
    Ok(IsolatedParser::new(program, ["parse-worker"], ParseLimits::default()))
}

fn pipeline(
    current: &Arc<ArcSwap<Setup>>,
    store: &Arc<dyn Store>,
    parser: Arc<IsolatedParser>,
    pool: SyncPool,
) -> Pipeline {
    let options = PipelineOptions {
        // Two jobs at a time leave threads to questions that are asked meanwhile.
        workers: Some(2),
        file_bytes: ParseLimits::default().file_bytes(),
        ..PipelineOptions::default()
    };
    let vision = current.load().config.defaults.vision.clone().map(|name| {
        let current = current.clone();
        let vision: VisionFor =
            Arc::new(move |texts| ingesting(&current.load(), texts).vision_model(&name));
        vision
    });
    let (embedding, chatting) = (current.clone(), current.clone());
    let parts = PipelineParts {
        store: store.clone(),
        parser,
        chunker: Arc::new(StructuralChunker::default()),
        embedder: Arc::new(move |identity: &EmbeddingIdentity, texts: TextsOf<'_>| {
            let bundle = ingesting(&embedding.load(), texts);
            Ok(Arc::new(bundle.embedder(&identity.model)?) as Arc<dyn EmbeddingModel>)
        }),
        vision,
        chat: Arc::new(move |name, texts| {
            let setup = chatting.load();
            let own = setup.models_of(texts.tenant).and_then(|own| own.default_chat());
            match name.or(setup.config.defaults.chat.as_deref()).or(own.as_deref()) {
                Some(name) => ingesting(&setup, texts).chat_model(name),
                None => {
                    let message = "there is no default chat model; set `defaults.chat`";
                    Err(ModelError::new(ErrorKind::NotFound, Operation::Chat, message))
                }
            }
        }),
        pool,
    };
    Pipeline::with_options(parts, options)
}

/// The models for these texts: asked on their owner's behalf, and none but those who may see them. Batches of passages seldom
/// come twice, and would push answers out of the cache.
fn ingesting(setup: &Setup, texts: TextsOf<'_>) -> Bundle {
    let own = setup.models_of(texts.tenant);
    let bundle = own.map_or_else(|| setup.models_of_all.clone(), |own| own.bundle.clone());
    let bundle = bundle.with_priority(Priority::Batch).with_cache(CacheUse::Bypass);
    only(bundle.for_tenant(texts.tenant.as_str()), texts.providers)
}
