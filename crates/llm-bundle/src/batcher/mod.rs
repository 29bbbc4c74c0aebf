//! [`Batched`]: embedding calls that come at the same time, as one run of the model.

mod options;
mod run;
mod shares;

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError, ModelInfo,
    Operation,
};
use service_guards::Priority;
use tokio::sync::oneshot;

use self::run::{Member, Run};
use crate::call::CallContext;
use crate::caller::caller;
use crate::tally::estimated_tokens;

pub use self::options::{BatchOptions, Joins};

/// An embedding model whose concurrent calls are joined into fewer, larger runs. Nobody waits for nothing: a call that
/// finds no run under way goes at once, and alone. Calls that come during a run wait until it ends, until there are enough
/// of them, or [`BatchOptions::longest_wait`]; then they go as one.
///
/// - Only calls that ask for the same are joined: all that a request has besides its texts must be equal. Interactive calls
///   and those of [`Priority::Batch`] never mix.
/// - Every caller gets the vectors of its own texts, in its own order, and its share of the usage by the length of its
///   texts; the shares add up to the whole.
/// - A run that fails in a way that one call's texts may be to blame for is taken apart: each call is made once more, by
///   itself. Any other failure is told to all.
/// - A caller that leaves before the run has begun takes its texts along; when all of a run's callers have left, the run
///   is cancelled.
///
/// The callers drive a run together; there is no task and no thread. It stands between the model and its guards, so that
/// limits and records are those of each call:
///
/// ```
/// # use futures::future::BoxFuture;
/// # use llm_core::*;
/// # struct Lengths(ModelInfo);
/// # impl EmbeddingModel for Lengths {
/// #     fn info(&self) -> &ModelInfo { &self.0 }
/// #     fn embed(&self, request: EmbeddingRequest) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
/// #         Box::pin(async move {
/// #             let vectors = request.inputs.iter().map(|text| vec![text.len() as f32]).collect();
/// #             Ok(EmbeddingResponse { vectors, ..Default::default() })
/// #         })
/// #     }
/// # }
/// # let lengths = Lengths(ModelInfo::new(ModelName::new("local", "lengths"), ModelKind::Embedding));
/// use llm_bundle::{BatchOptions, Batched, Bundle, Registry};
/// use std::sync::Arc;
///
/// let batched = Batched::new(Arc::new(lengths), BatchOptions::local());
/// let bundle = Bundle::new(Registry::builder().embedding(Arc::new(batched)).build());
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// assert_eq!(bundle.embed_query("local/lengths", "four").await?, [4.0]);
/// # Ok::<(), ModelError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Joining the calls of a remote model changes what its provider sees and saves little, since connections are shared
/// anyway: it is worth it where requests per minute run out before tokens do. So nothing joins them unless told to.
///
/// # Errors
/// The model's own.
#[derive(Clone)]
pub struct Batched {
    shared: Arc<Shared>,
}

/// What a [`Batched`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchStatus {
    /// Calls that were made of it.
    pub calls: u64,
    /// Calls that it made of the model.
    pub runs: u64,
}

pub(crate) struct Shared {
    model: Arc<dyn EmbeddingModel>,
    options: BatchOptions,
    /// How many texts a run has at most.
    inputs: usize,
    groups: Mutex<Groups>,
    calls: AtomicU64,
    runs: AtomicU64,
}

/// The calls that may be joined, by what they have in common. A group lives while it has calls.
#[derive(Default)]
struct Groups {
    groups: Vec<Group>,
    next: u64,
}

struct Group {
    id: u64,
    alike: Alike,
    waiting: VecDeque<Waiting>,
    runs: usize,
}

/// A tenant and the id of a key.
type Account = (Option<Arc<str>>, Option<Arc<str>>);

/// What calls must have in common to be joined.
#[derive(PartialEq)]
struct Alike {
    priority: Priority,
    caller: Option<Account>,
    /// Without its texts.
    request: EmbeddingRequest,
}

struct Waiting {
    ticket: u64,
    member: Member,
    start: oneshot::Sender<Run>,
}

impl Batched {
    /// Joins the calls of `model`.
    pub fn new(model: Arc<dyn EmbeddingModel>, options: BatchOptions) -> Self {
        let batch = model.info().limits.batch;
        let inputs = batch.map_or(options.inputs, |batch| batch as usize).max(1);
        let shared = Shared {
            model,
            options,
            inputs,
            groups: Mutex::default(),
            calls: AtomicU64::new(0),
            runs: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Embeds on behalf of `context`. As a model behind guards it knows the context by itself.
    #[allow(clippy::missing_errors_doc)]
    pub fn embed_for(
        &self,
        context: &CallContext,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        self.embed_by(Some(context), request)
    }

    /// What it has done so far.
    pub fn status(&self) -> BatchStatus {
        BatchStatus {
            calls: self.shared.calls.load(Ordering::Relaxed),
            runs: self.shared.runs.load(Ordering::Relaxed),
        }
    }

    fn embed_by(
        &self,
        context: Option<&CallContext>,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let shared = self.shared.clone();
        shared.calls.fetch_add(1, Ordering::Relaxed);
        let alike = shared.alike(context, &request);
        Box::pin(async move {
            let Some(alike) = alike else {
                return shared.ask(request).await;
            };
            match shared.enter(alike, request) {
                Entered::Alone(request, _under_way) => shared.ask(request).await,
                Entered::Waits(place) => place.answer().await,
            }
        })
    }
}

impl EmbeddingModel for Batched {
    fn info(&self) -> &ModelInfo {
        self.shared.model.info()
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        self.embed_by(caller().as_ref(), request)
    }
}

impl fmt::Debug for Batched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batched")
            .field("model", &format_args!("{}", self.info().name))
            .field("options", &self.shared.options)
            .field("status", &self.status())
            .finish()
    }
}

/// What becomes of a call.
enum Entered {
    /// It goes at once.
    Alone(EmbeddingRequest, UnderWay),
    Waits(Place),
}

impl Shared {
    /// What a call may be joined by; `None` if it goes by itself.
    fn alike(&self, context: Option<&CallContext>, request: &EmbeddingRequest) -> Option<Alike> {
        let is_full = request.inputs.is_empty()
            || request.inputs.len() >= self.inputs
            || tokens(request) >= self.options.tokens;
        if is_full {
            return None;
        }
        let caller = match self.options.joins {
            Joins::Anyone => None,
            Joins::SameCaller => context.map(|by| Some((by.tenant.clone(), by.key.clone())))?,
        };
        let priority = context.map_or(Priority::default(), |context| context.priority);
        Some(Alike { priority, caller, request: run::without_inputs(request) })
    }

    /// Asks the model.
    fn ask(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.model.embed(request)
    }

    fn enter(self: &Arc<Self>, alike: Alike, request: EmbeddingRequest) -> Entered {
        let mut groups = self.lock();
        let ticket = groups.next;
        groups.next += 1;
        let group = match groups.groups.iter_mut().find(|group| group.alike == alike) {
            Some(group) => group,
            None => {
                let group = Group { id: ticket, alike, waiting: VecDeque::new(), runs: 1 };
                groups.groups.push(group);
                return Entered::Alone(request, self.under_way(ticket));
            }
        };
        let (start, started) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        group.waiting.push_back(Waiting { ticket, member: Member { request, answer }, start });
        let place = Place { shared: self.clone(), group: group.id, ticket, started, answered };
        let is_full = self.is_full(group);
        drop(groups);
        if is_full {
            self.start(place.group);
        }
        Entered::Waits(place)
    }

    fn is_full(&self, group: &Group) -> bool {
        let requests = || group.waiting.iter().map(|waiting| &waiting.member.request);
        requests().map(|request| request.inputs.len()).sum::<usize>() >= self.inputs
            || requests().map(tokens).sum::<u64>() >= self.options.tokens
    }

    /// Starts a run with the calls that wait in a group, unless enough go on already.
    fn start(self: &Arc<Self>, group: u64) {
        let formed = {
            let mut groups = self.lock();
            let group = groups.groups.iter_mut().find(|known| known.id == group);
            let free = |group: &&mut Group| group.runs < self.options.runs_at_once.max(1);
            group.filter(free).and_then(|group| self.form(group))
        };
        // Outside of the lock, since a run whose callers have left ends here.
        if let Some(formed) = formed {
            formed.begin();
        }
    }

    /// A run of the calls that have waited longest, as many as fit.
    fn form(self: &Arc<Self>, group: &mut Group) -> Option<Formed> {
        let (mut members, mut starts) = (Vec::new(), Vec::new());
        let (mut inputs, mut text) = (0, 0);
        while let Some(next) = group.waiting.front() {
            let request = &next.member.request;
            inputs += request.inputs.len();
            text += tokens(request);
            let fits = inputs <= self.inputs && text <= self.options.tokens;
            if !fits && !members.is_empty() {
                break;
            }
            if let Some(Waiting { member, start, .. }) = group.waiting.pop_front() {
                members.push(member);
                starts.push(start);
            }
        }
        if members.is_empty() {
            return None;
        }
        group.runs += 1;
        let run = run::run(self.clone(), members, self.under_way(group.id));
        Some(Formed { run, starts })
    }

    fn under_way(self: &Arc<Self>, group: u64) -> UnderWay {
        UnderWay { shared: self.clone(), group }
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run whose callers do not know of it yet.
struct Formed {
    run: Run,
    starts: Vec<oneshot::Sender<Run>>,
}

impl Formed {
    fn begin(self) {
        for start in self.starts {
            // Who has left needs no run.
            drop(start.send(self.run.clone()));
        }
    }
}

/// A run that goes on. Its end, also before it has begun, is the next one's start.
pub(crate) struct UnderWay {
    shared: Arc<Shared>,
    group: u64,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        {
            let mut groups = self.shared.lock();
            if let Some(group) = groups.groups.iter_mut().find(|group| group.id == self.group) {
                group.runs -= 1;
            }
            groups.forget_empty();
        }
        self.shared.start(self.group);
    }
}

impl Groups {
    fn forget_empty(&mut self) {
        self.groups.retain(|group| group.runs > 0 || !group.waiting.is_empty());
    }
}

/// A call that waits to be joined. Dropping it takes its texts back.
struct Place {
    shared: Arc<Shared>,
    group: u64,
    ticket: u64,
    started: oneshot::Receiver<Run>,
    answered: oneshot::Receiver<Result<EmbeddingResponse, ModelError>>,
}

impl Place {
    async fn answer(mut self) -> Result<EmbeddingResponse, ModelError> {
        let mut timer = pin!(tokio::time::sleep(self.shared.options.longest_wait));
        let mut is_due = false;
        let run = loop {
            tokio::select! {
                biased;
                run = &mut self.started => break run.map_err(|_| lost())?,
                () = &mut timer, if !is_due => {
                    is_due = true;
                    self.shared.start(self.group);
                }
            }
        };
        tokio::select! {
            biased;
            answer = &mut self.answered => return answer.unwrap_or_else(|_| Err(lost())),
            () = run => {}
        }
        self.answered.try_recv().unwrap_or_else(|_| Err(lost()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut groups = self.shared.lock();
        let group = groups.groups.iter_mut().find(|group| group.id == self.group);
        let left = group.and_then(|group| {
            let at = group.waiting.iter().position(|waiting| waiting.ticket == self.ticket)?;
            group.waiting.remove(at)
        });
        groups.forget_empty();
        drop(groups);
        drop(left);
    }
}

fn lost() -> ModelError {
    ModelError::new(ErrorKind::Internal, Operation::Embed, "the run of joined calls was lost")
}

fn tokens(request: &EmbeddingRequest) -> u64 {
    let bytes: usize = request.inputs.iter().map(String::len).sum();
    estimated_tokens(bytes as u64)
}
