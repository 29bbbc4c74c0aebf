//! [`Conversations`]: turns of sessions, which are kept and go on when nobody looks.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, poll_fn};
use futures::{FutureExt, StreamExt};
use llm_bundle::SyncPool;
use llm_core::Message;
use rag_core::{
    ConversationStore, SavedTurn, SessionId, StoreError, StoreErrorKind, TenantId, TurnId,
    TurnStatus,
};
use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::attach::attached;
use crate::busy::{BusySessions, Place};
use crate::live::LiveTurn;
use crate::memory::{milliseconds, now};
use crate::recent::{RecentLimits, RecentTurns};
use crate::record::Recorder;
use crate::spending::spent;
use crate::{Attachment, DialogEvent, DialogService, TokenCount, Turn, TurnFailure, TurnRecord};

/// Answers turns of sessions. Each is kept as it begins and as it ends, however it ends, and runs in a task of its own,
/// so that a lost connection does not lose it. Cheap to clone.
#[derive(Clone)]
pub struct Conversations(Arc<Inner>);

struct Inner {
    service: DialogService,
    store: Arc<dyn ConversationStore>,
    threads: SyncPool,
    options: ConversationOptions,
    recent: RecentTurns,
    busy: BusySessions,
    tasks: TaskTracker,
    /// Cancelled to end all turns.
    interrupt: CancellationToken,
}

/// How conversations are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationOptions {
    /// What becomes of a turn whose session answers another one.
    pub when_busy: WhenBusy,
    /// How long a turn goes on that nobody reads; `None`: to its end.
    pub abandon_after: Option<Duration>,
    /// Turns under way at once; more are refused.
    pub most_turns: usize,
    /// Earlier turns that a new one is told of, at most. What does not fit into the model's context is left out anyway.
    pub most_history: usize,
    /// Turns that ended whose events can still be read.
    pub most_recent: usize,
    /// Bytes that the events of those may take, roughly.
    pub most_recent_bytes: usize,
    /// How long the events of a turn that ended can be read.
    pub recent_for: Duration,
    /// How often the answer so far is kept while it comes, so that it survives the process; `None`: not before its end.
    pub keep_every: Option<Duration>,
    /// Bytes that the events of one turn may take, roughly. A turn that gives more ends there.
    pub most_turn_bytes: usize,
}

impl Default for ConversationOptions {
    fn default() -> Self {
        Self {
            when_busy: WhenBusy::Refuse,
            abandon_after: None,
            most_turns: 1_024,
            most_history: 64,
            most_recent: 1_024,
            most_recent_bytes: 64 << 20,
            recent_for: Duration::from_secs(600),
            keep_every: Some(Duration::from_secs(5)),
            most_turn_bytes: 32 << 20,
        }
    }
}

/// What becomes of a turn whose session answers another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenBusy {
    /// It is refused.
    #[default]
    Refuse,
    /// It waits for the other to end.
    Wait,
}

/// Which turn a new one follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Follows {
    /// The one that was asked last, if there is one.
    #[default]
    Latest,
    /// This one: beside others that follow it, the new one is a branch.
    Turn(TurnId),
    /// None: the conversation begins anew.
    Nothing,
}

/// Why no turn began.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConversationError {
    /// What was named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The session answers another turn.
    #[error("the session answers another question; wait for it, or stop it")]
    Busy,
    /// As many turns as allowed are under way.
    #[error("as many questions as possible are being answered; ask again in a moment")]
    Overloaded,
    /// No turn begins any more.
    #[error("the server is stopping; ask again when it is back")]
    Stopping,
    /// The store failed.
    #[error("the conversation cannot be read or kept")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for ConversationError {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::NotFound => Self::NotFound(error.to_string()),
            _ => Self::Store(Box::new(error)),
        }
    }
}

impl Conversations {
    /// Answers with `service`, keeps turns in `store`, whose methods run on `threads`.
    pub fn new(
        service: DialogService,
        store: Arc<dyn ConversationStore>,
        threads: SyncPool,
        options: ConversationOptions,
    ) -> Self {
        let recent = RecentTurns::new(RecentLimits {
            most: options.most_recent,
            most_bytes: options.most_recent_bytes,
            age: options.recent_for,
        });
        Self(Arc::new(Inner {
            service,
            store,
            threads,
            options,
            recent,
            busy: BusySessions::default(),
            tasks: TaskTracker::new(),
            interrupt: CancellationToken::new(),
        }))
    }

    /// Begins a turn: keeps its question, and answers it in a task of its own on the runtime of the caller. The turn's
    /// messages are the question; the conversation before it is put before them. Its `stop` is replaced. Dropping the
    /// future while another turn is waited for begins nothing; later, the turn goes on without a reader.
    ///
    /// # Errors
    /// [`ConversationError`]. What fails later is an event of the turn.
    pub async fn begin(
        &self,
        tenant: TenantId,
        session: SessionId,
        follows: Follows,
        turn: Turn,
    ) -> Result<Arc<LiveTurn>, ConversationError> {
        let Inner { busy, options, interrupt, tasks, .. } = &*self.0;
        let place = match options.when_busy {
            WhenBusy::Refuse => busy.enter_now(&session).ok_or(ConversationError::Busy)?,
            WhenBusy::Wait => busy.enter(&session).await,
        };
        if tasks.is_closed() || interrupt.is_cancelled() {
            return Err(ConversationError::Stopping);
        }
        if tasks.len() >= options.most_turns {
            return Err(ConversationError::Overloaded);
        }
        // In a task, so that what is kept as begun is also answered.
        let begun = tasks.spawn(self.clone().start(tenant, session, follows, turn, place));
        begun.await.unwrap_or_else(|panic| Err(ConversationError::Store(panic.into())))
    }

    /// The tenant's turn of that id, if it is under way or ended lately.
    pub fn live(&self, tenant: &TenantId, id: &TurnId) -> Option<Arc<LiveTurn>> {
        self.0.recent.get(tenant, id)
    }

    /// Ends the turns of a session that are under way where they are.
    pub fn stop_session(&self, tenant: &TenantId, session: &SessionId) {
        self.0.recent.stop_session(tenant, session);
    }

    /// Ends all turns where they are, now and later ones; they are still kept.
    pub fn interrupt(&self) {
        self.0.interrupt.cancel();
    }

    /// Begins no more turns, waits for those under way for as long as `patience`, then ends them where they are and
    /// waits until they are kept.
    pub async fn close(&self, patience: Duration) {
        let tasks = &self.0.tasks;
        tasks.close();
        if tokio::time::timeout(patience, tasks.wait()).await.is_err() {
            self.interrupt();
            tasks.wait().await;
        }
    }

    async fn start(
        self,
        tenant: TenantId,
        session: SessionId,
        follows: Follows,
        turn: Turn,
        place: Place,
    ) -> Result<Arc<LiveTurn>, ConversationError> {
        let (mut turn, saved) = self.prepared(&tenant, &session, follows, turn).await?;
        turn.stop = self.0.interrupt.child_token();
        let live = LiveTurn::new(saved.id.clone(), tenant, session, turn.stop.clone());
        let live = Arc::new(live);
        self.0.recent.begin(live.clone());
        let span = tracing::info_span!("dialog turn", turn = %saved.id);
        let run = self.clone().run(live.clone(), turn, saved, place);
        self.0.tasks.spawn(run.instrument(span));
        Ok(live)
    }

    /// The turn with the conversation before it, and as it is kept from now on.
    async fn prepared(
        &self,
        tenant: &TenantId,
        session: &SessionId,
        follows: Follows,
        mut turn: Turn,
    ) -> Result<(Turn, SavedTurn), ConversationError> {
        let saved = SavedTurn {
            id: turn.id.clone(),
            session: session.clone(),
            parent: None,
            status: TurnStatus::Running,
            question: turn.messages.last().map(Message::text).unwrap_or_default(),
            answer: String::new(),
            feedback: None,
            record: String::new(),
            asked_at: milliseconds(turn.asked_at),
            ended_at: None,
        };
        let (tenant, most) = (tenant.clone(), self.0.options.most_history);
        let recorder = Recorder::new(&turn.attachments);
        let count = self.0.service.count().clone();
        let (history, saved) = self
            .with_store(move |store| {
                let parent = match follows {
                    Follows::Nothing => None,
                    Follows::Turn(id) => Some(id),
                    Follows::Latest => {
                        store.latest_turn(&tenant, &saved.session)?.map(|latest| latest.id)
                    }
                };
                let history = match &parent {
                    Some(parent) => store.path(&tenant, parent, most)?,
                    None => Vec::new(),
                };
                let history: Vec<_> =
                    history.iter().flat_map(|turn| messages(turn, &count)).collect();
                let saved = SavedTurn { parent, record: json(recorder.record()), ..saved };
                store.begin_turn(&tenant, &saved)?;
                Ok((history, saved))
            })
            .await?;
        turn.messages.splice(0..0, history);
        Ok((turn, saved))
    }

    /// Answers a turn to its end, and keeps it before its last event is told.
    async fn run(self, live: Arc<LiveTurn>, turn: Turn, saved: SavedTurn, place: Place) {
        let ending = Ending { inner: self.0.clone(), live: live.clone() };
        let (trail, trace) = (turn.trail.clone(), turn.trace.clone());
        let mut recorder = Recorder::new(&turn.attachments);
        let events = self.0.service.answer(turn);
        let mut events = std::pin::pin!(events);
        let mut left = std::pin::pin!(self.is_left(&live).fuse());
        let (mut keeping, mut kept_at) = (None::<BoxFuture<'static, ()>>, Instant::now());
        let last = loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = poll_fn(|cx| finished(&mut keeping, cx)) => continue,
                () = &mut left => {
                    live.stop_as(TurnStatus::Abandoned);
                    continue;
                }
            };
            let event = match event {
                Some(event) => event.map_err(|error| TurnFailure::from(&error)),
                None => Err(TurnFailure::internal("the turn ended without a word")),
            };
            recorder.take(&event);
            if matches!(event, Err(_) | Ok(DialogEvent::Done(_))) {
                break event;
            }
            if keeping.is_none() && self.is_due(kept_at) && !recorder.answer().is_empty() {
                keeping = Some(self.clone().keep_so_far(&saved, &recorder));
                kept_at = Instant::now();
            }
            let is_too_much = live.push(event) > self.0.options.most_turn_bytes;
            if is_too_much && live.stop_as(TurnStatus::Interrupted) {
                let message = "the answer ends here: it is longer than any that is kept".to_owned();
                let warning = Ok(DialogEvent::Warning { message });
                recorder.take(&warning);
                live.push(warning);
            }
        };
        recorder.spend(spent(&trail));
        recorder.trace(&trace);
        if let Some(keeping) = keeping {
            keeping.await;
        }
        self.keep(&live, saved, recorder).await;
        // Before the last event is told: who has seen it may ask the next question.
        drop(place);
        live.end(last);
        drop(ending);
    }

    /// Waits until nobody has read a turn for too long.
    async fn is_left(&self, live: &LiveTurn) {
        match self.0.options.abandon_after {
            Some(limit) => live.is_left_for(limit).await,
            None => std::future::pending().await,
        }
    }

    fn is_due(&self, kept_at: Instant) -> bool {
        self.0.options.keep_every.is_some_and(|every| kept_at.elapsed() >= every)
    }

    /// Keeps the answer so far, in case that the process is killed. What fails is logged.
    fn keep_so_far(self, saved: &SavedTurn, recorder: &Recorder) -> BoxFuture<'static, ()> {
        let (saved, recorder) = (saved.clone(), recorder.clone());
        async move {
            let kept = self.with_store(move |store| {
                let (answer, record) = (recorder.answer().to_owned(), json(recorder.record()));
                store.update_turn(&SavedTurn { answer, record, ..saved })
            });
            if let Err(error) = kept.await {
                tracing::warn!(error = &error as &dyn std::error::Error, "an answer was not kept");
            }
        }
        .boxed()
    }

    /// Keeps how a turn ended. What fails is told as a warning.
    async fn keep(&self, live: &LiveTurn, saved: SavedTurn, recorder: Recorder) {
        let stopped_as = live.stopped_as();
        let kept = self.with_store(move |store| {
            store.update_turn(&SavedTurn {
                status: recorder.status(stopped_as),
                answer: recorder.answer().to_owned(),
                record: json(recorder.record()),
                ended_at: Some(now()),
                ..saved
            })
        });
        if let Err(error) = kept.await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, turn = %live.id, "a turn was not kept");
            let message = "the answer could not be kept; copy what you need of it".to_owned();
            live.push(Ok(DialogEvent::Warning { message }));
        }
    }

    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn ConversationStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ConversationError> {
        let store = self.0.store.clone();
        let done = self.0.threads.run(move || work(&*store)).await;
        Ok(done.map_err(|error| ConversationError::Store(Box::new(error)))??)
    }
}

/// Waits for what is being kept, if anything is.
fn finished(keeping: &mut Option<BoxFuture<'static, ()>>, cx: &mut Context<'_>) -> Poll<()> {
    match keeping {
        Some(future) => {
            std::task::ready!(future.as_mut().poll(cx));
            *keeping = None;
            Poll::Ready(())
        }
        None => Poll::Pending,
    }
}

/// A record as it is kept. It is plain data with texts as keys, which JSON has.
fn json(record: &TurnRecord) -> String {
    serde_json::to_string(record).unwrap_or_default()
}

/// Ends a turn in any case: also when its task dies, its readers are told.
struct Ending {
    inner: Arc<Inner>,
    live: Arc<LiveTurn>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.live.end(Err(TurnFailure::internal("the turn was dropped")));
        self.inner.recent.end(&self.live);
    }
}

/// A turn as a later one is told of it; one without an answer is passed over.
fn messages(turn: &SavedTurn, count: &TokenCount) -> Vec<Message> {
    /// The part of a record that is of use here.
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Kept {
        attachments: Vec<Attachment>,
    }
    if turn.answer.is_empty() {
        return Vec::new();
    }
    let kept: Kept = serde_json::from_str(&turn.record).unwrap_or_default();
    let question = Message::user(&turn.question);
    let (question, _) = attached(&question, &kept.attachments, count, usize::MAX);
    vec![question, Message::assistant(&turn.answer)]
}
