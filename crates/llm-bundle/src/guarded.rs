//! [`Guarded`]: a model behind its guards, as a model again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use llm_core::{
    ChatModel, ChatReply, ChatRequest, Description, EmbeddingModel, EmbeddingRequest,
    EmbeddingResponse, ErrorKind, ModelError, ModelInfo, RerankModel, RerankRequest,
    RerankResponse, SpeechModel, SpeechReply, SpeechRequest, Transcript, TranscriptionModel,
    TranscriptionRequest, VisionModel, VisionRequest,
};
use service_guards::{BreakerOptions, DeadlineLayer, InFlightOptions, MeterLayer, RetryOptions};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};

use crate::cache::{Cache, CacheLayer};
use crate::call::{Asked, CallContext};
use crate::modality::{Asking, Modality};
use crate::observe::{CallObserver, Ledger};
use crate::payee::Payee;
use crate::quota::{QuotaLayer, Quotas};
use crate::record::RecordSink;
use crate::router::{Router, Targets};
use crate::target::{Stack, Target};

/// The limits of calls to one model. The defaults are safe to deploy.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardOptions {
    /// A whole call, with its waiting, its retries and its stream. Default 10 minutes.
    pub deadline: Duration,
    /// One attempt's time to its first event, when the answer is streamed. An answer in one piece has the whole
    /// deadline, since it may take as long to make as a stream; half of it where another target is left. Default 60 s.
    pub first_event: Duration,
    /// The longest silence between two events. Default 60 s.
    pub idle: Duration,
    /// How often and how soon to try again. Default two retries.
    pub retry: RetryOptions,
    /// How many retries there may be for each call, over many calls. Default 0.2: at most 20 % extra load.
    pub retry_share: f64,
    /// How many answers may live at once, and who may wait how long for their turn. Default 4,096, some 60 KB each, and 1,024
    /// that wait.
    pub in_flight: InFlightOptions,
    /// When a model that fails is left alone, and how soon it is tried again.
    pub breaker: BreakerOptions,
}

impl Default for GuardOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(600),
            first_event: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            retry: RetryOptions::default(),
            retry_share: 0.2,
            in_flight: InFlightOptions { limit: 4_096, ..InFlightOptions::default() },
            breaker: BreakerOptions::default(),
        }
    }
}

/// A model, or several behind one name, with all guards, as a model again: `Guarded<dyn ChatModel>` is a [`ChatModel`].
/// Clones share the guards.
///
/// From the outside in: trace and meter, cache, total deadline, quotas, the choice of a [`Target`], and its guards. A reply carries its
/// guards until it ends or is dropped, and every call ends as one [`CallRecord`](crate::CallRecord).
pub struct Guarded<M: Modality + ?Sized> {
    shared: Arc<Shared<M>>,
}

struct Shared<M: Modality + ?Sized> {
    info: ModelInfo,
    targets: Arc<Targets<M>>,
    /// The length of the first vectors that came; 0 before.
    vector_length: AtomicUsize,
    service: Stack<M>,
}

/// What a route's guards are made of.
pub(crate) struct RouteGuards<'a> {
    pub(crate) options: &'a GuardOptions,
    pub(crate) cache: Option<Cache>,
    pub(crate) quotas: Option<Quotas>,
    pub(crate) records: Arc<dyn RecordSink>,
}

impl<M: Modality + ?Sized> Guarded<M> {
    /// Puts the guards around `model`. Its calls end as records in `records`.
    pub fn new(model: Arc<M>, options: &GuardOptions, records: Arc<dyn RecordSink>) -> Self {
        let info = model.model_info().clone();
        let route = info.name.to_string().into();
        let targets = Targets::one(Target::new(model, options, None));
        let guards = RouteGuards { options, cache: None, quotas: None, records };
        Self::over(route, info, targets, guards)
    }

    /// Puts the guards of the route of this name around its targets, of which `info` is known.
    pub(crate) fn over(
        route: Arc<str>,
        info: ModelInfo,
        targets: Targets<M>,
        guards: RouteGuards<'_>,
    ) -> Self {
        let RouteGuards { options, cache, quotas, records } = guards;
        let cache = cache.map(|cache| CacheLayer::new(cache, who_answers(&route, &targets)));
        let targets = Arc::new(targets);
        let payee = Arc::new(Payee::of(&info));
        let ledger = Ledger { route, payee, records, deadline: options.deadline };
        let ledger = Arc::new(ledger);
        let quotas = quotas.map(|quotas| QuotaLayer::new(quotas, info.prices.clone()));
        let service = stack(Router::new(targets.clone()), options, cache, quotas, ledger);
        Self {
            shared: Arc::new(Shared { info, targets, vector_length: AtomicUsize::new(0), service }),
        }
    }

    /// What the model is and can do. Of several targets it is what is known of the first, with the longest context of all.
    pub fn info(&self) -> &ModelInfo {
        &self.shared.info
    }

    /// How many of its targets' answers are alive, and how many calls wait.
    pub fn load(&self) -> (usize, usize) {
        let loads = self.shared.targets.iter().map(Target::load);
        loads.fold((0, 0), |(live, waiting), load| (live + load.0, waiting + load.1))
    }

    /// The length that its vectors had the first time, which is `length` if that is now.
    pub(crate) fn vector_length(&self, length: usize) -> usize {
        let before = self.shared.vector_length.compare_exchange(
            0,
            length,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        before.err().unwrap_or(length)
    }

    /// Asks, on behalf of `context`. The future resolves with the first event at hand; the rest is the reply. Dropping
    /// either cancels the call.
    ///
    /// # Errors
    /// The model's own, after retries where they can help; [`ErrorKind::Timeout`] and [`ErrorKind::Overloaded`] from
    /// the guards.
    pub fn ask(&self, request: M::Request, context: CallContext) -> Asking<M::Event> {
        // The stack is always ready; waiting happens inside the call.
        self.shared.service.clone().call(Asked::new(request, context))
    }

    /// Asks, and waits for the one item of an answer that comes in one piece.
    pub(crate) fn ask_whole(
        &self,
        request: M::Request,
        context: CallContext,
    ) -> BoxFuture<'static, Result<M::Event, ModelError>> {
        let reply = self.ask(request, context);
        Box::pin(async move {
            let answer = reply.await?.next().await;
            answer.unwrap_or_else(|| {
                let nothing = "the model ended without an answer";
                Err(ModelError::new(ErrorKind::Malformed, M::OPERATION, nothing))
            })
        })
    }
}

/// The name of a route with its targets: under another configuration the same name may be answered by others.
fn who_answers<M: Modality + ?Sized>(route: &str, targets: &Targets<M>) -> String {
    targets.iter().fold(route.to_owned(), |who, target| format!("{who} {}", target.info().name))
}

/// The guards, outermost first.
fn stack<M: Modality + ?Sized>(
    router: Router<M>,
    options: &GuardOptions,
    cache: Option<CacheLayer<M>>,
    quotas: Option<QuotaLayer<M>>,
    ledger: Arc<Ledger>,
) -> Stack<M> {
    let service = ServiceBuilder::new()
        .layer(MeterLayer::new(move |asked: &Asked<M::Request>| {
            CallObserver::<M>::new(&ledger, asked)
        }))
        .option_layer(cache)
        .layer(DeadlineLayer::new(options.deadline))
        .option_layer(quotas)
        .service(router);
    BoxCloneSyncService::new(service)
}

impl<M: Modality + ?Sized> Clone for Guarded<M> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<M: Modality + ?Sized> fmt::Debug for Guarded<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("model", &format_args!("{}", self.info().name))
            .field("targets", &self.shared.targets.iter().collect::<Vec<_>>())
            .finish()
    }
}

impl ChatModel for Guarded<dyn ChatModel> {
    fn info(&self) -> &ModelInfo {
        self.info()
    }

    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        self.ask(request, CallContext::default())
    }
}

impl SpeechModel for Guarded<dyn SpeechModel> {
    fn info(&self) -> &ModelInfo {
        self.info()
    }

    fn speak(&self, request: SpeechRequest) -> BoxFuture<'static, Result<SpeechReply, ModelError>> {
        self.ask(request, CallContext::default())
    }
}

macro_rules! whole {
    ($model:ident::$method:ident($request:ident) -> $response:ident) => {
        impl $model for Guarded<dyn $model> {
            fn info(&self) -> &ModelInfo {
                self.info()
            }

            fn $method(
                &self,
                request: $request,
            ) -> BoxFuture<'static, Result<$response, ModelError>> {
                self.ask_whole(request, CallContext::default())
            }
        }
    };
}

whole!(EmbeddingModel::embed(EmbeddingRequest) -> EmbeddingResponse);
whole!(RerankModel::rerank(RerankRequest) -> RerankResponse);
whole!(TranscriptionModel::transcribe(TranscriptionRequest) -> Transcript);
whole!(VisionModel::describe(VisionRequest) -> Description);
