//! [`Flights`]: one call for all who ask the same at the same time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use llm_core::{ErrorKind, ModelError, Operation};

use super::policy::CacheStatus;
use crate::call::Trail;

/// What the source of a flight tells.
pub(super) enum Arrival<E> {
    /// Where the answer comes from; first of all.
    From(CacheStatus),
    /// A piece of the answer and its size in bytes.
    Event(E, usize),
    /// The last piece, after which nothing is asked any more.
    Last(E),
}

/// Where the answer comes from, then its events.
pub(super) type Source<E> = BoxStream<'static, Result<Arrival<E>, ModelError>>;

/// The calls under way, by what they ask. Bounded by the calls themselves: a flight is gone with its last follower.
pub(super) struct Flights<K, E> {
    live: Mutex<HashMap<K, Weak<Flight<E>>>>,
}

impl<K, E> Default for Flights<K, E> {
    fn default() -> Self {
        Self { live: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash, E: Clone> Flights<K, E> {
    /// Joins the flight that asks the same or, if there is none, begins one. What a follower may lag behind the first one
    /// is `most_bytes` of the answer.
    pub(super) fn join(
        self: &Arc<Self>,
        key: &K,
        trail: Arc<Trail>,
        most_bytes: usize,
        begin: impl FnOnce() -> Source<E>,
    ) -> Follower<K, E> {
        let mut live = lock(&self.live);
        // Dropping the last handle of a flight drops its source, whose code must not find the list locked.
        let found = live.get(key).and_then(Weak::upgrade);
        let joined =
            found.as_ref().and_then(|flight| Some((flight.clone(), flight.enter(&trail)?)));
        let (flight, id) = joined.unwrap_or_else(|| {
            let flight = Arc::new(Flight::new(begin(), trail, most_bytes));
            live.insert(key.clone(), Arc::downgrade(&flight));
            (flight, 0)
        });
        drop(live);
        let flights = self.clone();
        Follower { flight, id, position: 0, flights, key: key.clone() }
    }

    /// Forgets a flight that nobody follows any more.
    fn forget(&self, key: &K, flight: &Arc<Flight<E>>) {
        let mut live = lock(&self.live);
        let is_it = live.get(key).is_some_and(|known| known.as_ptr() == Arc::as_ptr(flight));
        if is_it {
            live.remove(key);
        }
    }
}

/// One call that any number of callers follow. Whoever needs the next event asks the source for it; no task runs. So the
/// call lives as long as anybody follows it, is read as fast as the fastest does, and ends with the last.
struct Flight<E> {
    /// The trail that the source leaves.
    origin: Arc<Trail>,
    most_bytes: usize,
    state: Mutex<State<E>>,
    bell: Arc<Bell>,
}

struct State<E> {
    /// `None` while somebody asks it, and after its end.
    source: Option<Source<E>>,
    from: Option<CacheStatus>,
    /// The events since `first`, and their sizes.
    events: VecDeque<(E, usize)>,
    first: usize,
    bytes: usize,
    end: Option<End>,
    followers: BTreeMap<u64, Arc<Trail>>,
    next_follower: u64,
    /// Whose call it is, if the model is asked.
    payer: u64,
}

/// How a flight ended.
enum End {
    Well,
    /// Every follower gets it.
    Failed(ModelError),
}

impl<E: Clone> Flight<E> {
    /// A flight with its first follower, whose number is 0.
    fn new(source: Source<E>, trail: Arc<Trail>, most_bytes: usize) -> Self {
        let origin = trail.clone();
        let state = State {
            source: Some(source),
            from: None,
            events: VecDeque::new(),
            first: 0,
            bytes: 0,
            end: None,
            followers: BTreeMap::from([(0, trail)]),
            next_follower: 1,
            payer: 0,
        };
        Self { origin, most_bytes, state: Mutex::new(state), bell: Arc::default() }
    }

    /// Lets one more follow, if it can still get all of the answer.
    fn enter(&self, trail: &Arc<Trail>) -> Option<u64> {
        let mut state = lock(&self.state);
        if state.first > 0 || state.followers.is_empty() || state.end.is_some() {
            return None;
        }
        let id = state.next_follower;
        state.next_follower += 1;
        state.followers.insert(id, trail.clone());
        if let Some(from) = state.from {
            trail.set_cache(shared(from));
        }
        Some(id)
    }

    /// Takes a follower out. If the call was its own and goes on for others, it becomes the next one's. With the last one
    /// the call ends. Returns whether that was so.
    fn leave(&self, id: u64) -> bool {
        self.bell.forget(id);
        let mut state = lock(&self.state);
        let left = state.followers.remove(&id);
        let next = state.followers.first_key_value().map(|(id, trail)| (*id, trail.clone()));
        let Some((next, trail)) = next else {
            // What it has consumed is known before the record of the last caller is made.
            let source = state.source.take();
            drop(state);
            drop(source);
            return true;
        };
        let goes_on =
            state.end.is_none() && state.from.is_none_or(|from| from == CacheStatus::Miss);
        if state.payer == id && goes_on {
            state.payer = next;
            trail.go_on_with(&self.origin);
            if state.from.is_some() {
                trail.set_cache(CacheStatus::Miss);
                left.inspect(|left| left.set_cache(CacheStatus::Shared));
            }
        }
        false
    }

    /// What follower `id` is to see next.
    fn poll_at(
        &self,
        id: u64,
        position: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<E, ModelError>>> {
        loop {
            if let Poll::Ready(next) = self.at(id, position) {
                return Poll::Ready(next);
            }
            // What came before the waker stood at the bell has rung for others only.
            self.bell.register(id, cx.waker());
            if let Poll::Ready(next) = self.at(id, position) {
                return Poll::Ready(next);
            }
            if !self.ask(id) {
                return Poll::Pending;
            }
        }
    }

    /// What is there for follower `id`.
    fn at(&self, id: u64, position: usize) -> Poll<Option<Result<E, ModelError>>> {
        let mut state = lock(&self.state);
        let Some(ahead) = position.checked_sub(state.first) else {
            drop(state);
            self.leave(id);
            return Poll::Ready(Some(Err(left_behind())));
        };
        state.at(ahead)
    }

    /// Asks the source, unless somebody does so already. The caller's waker stands at the bell. Returns whether there is
    /// news.
    fn ask(&self, id: u64) -> bool {
        let Some(mut source) = lock(&self.state).source.take() else { return false };
        self.bell.hush();
        let waker = Waker::from(self.bell.clone());
        let asked = catch_unwind(AssertUnwindSafe(|| {
            source.poll_next_unpin(&mut Context::from_waker(&waker))
        }));
        let arrived = match asked {
            Ok(Poll::Ready(arrived)) => arrived,
            Ok(Poll::Pending) => {
                lock(&self.state).source = Some(source);
                // Whoever was woken meanwhile found the source taken.
                if self.bell.has_rung() {
                    self.bell.ring();
                }
                return false;
            }
            Err(panic) => {
                drop(source);
                lock(&self.state).end = Some(End::Failed(interrupted()));
                self.bell.ring();
                resume_unwind(panic)
            }
        };
        // What the source holds is released, and what it consumed is known, before its end is.
        let goes_on = matches!(arrived, Some(Ok(Arrival::From(_) | Arrival::Event(..))));
        let source = goes_on.then_some(source);
        lock(&self.state).arrived(arrived, source, self.most_bytes);
        self.bell.forget(id);
        self.bell.ring();
        true
    }
}

impl<E: Clone> State<E> {
    /// Takes what the source told, and the source, if that was not its end.
    fn arrived(
        &mut self,
        arrived: Option<Result<Arrival<E>, ModelError>>,
        source: Option<Source<E>>,
        most_bytes: usize,
    ) {
        self.source = source;
        match arrived {
            Some(Ok(Arrival::From(from))) => self.comes_from(from),
            Some(Ok(Arrival::Event(event, size))) => self.push(event, size, most_bytes),
            Some(Ok(Arrival::Last(event))) => {
                self.push(event, 0, most_bytes);
                self.end = Some(End::Well);
            }
            Some(Err(error)) => self.end = Some(End::Failed(error)),
            None => self.end = Some(End::Well),
        }
    }

    fn comes_from(&mut self, from: CacheStatus) {
        self.from = Some(from);
        for (id, trail) in &self.followers {
            trail.set_cache(if *id == self.payer { from } else { shared(from) });
        }
    }

    fn push(&mut self, event: E, size: usize, most_bytes: usize) {
        self.bytes += size;
        self.events.push_back((event, size));
        while self.bytes > most_bytes && self.events.len() > 1 {
            let Some((_, size)) = self.events.pop_front() else { break };
            self.bytes -= size;
            self.first += 1;
        }
    }

    /// What stands at this place of the events that are still here.
    fn at(&mut self, ahead: usize) -> Poll<Option<Result<E, ModelError>>> {
        if let Some((event, _)) = self.events.get(ahead) {
            return Poll::Ready(Some(Ok(event.clone())));
        }
        match self.end.as_ref() {
            None => Poll::Pending,
            Some(End::Well) => Poll::Ready(None),
            Some(End::Failed(error)) => Poll::Ready(Some(Err(error.clone()))),
        }
    }
}

/// What those see who follow: the call is another one's, an answer that was kept is for all.
fn shared(from: CacheStatus) -> CacheStatus {
    match from {
        CacheStatus::Miss => CacheStatus::Shared,
        kept => kept,
    }
}

fn left_behind() -> ModelError {
    let message = "this answer is shared with other callers and too long to keep for one who reads so slowly; ask again";
    ModelError::new(ErrorKind::Overloaded, Operation::Chat, message)
}

fn interrupted() -> ModelError {
    let message = "the call that this answer was to come from has panicked";
    ModelError::new(ErrorKind::Internal, Operation::Chat, message)
}

/// One caller's view of a flight: all of its events from the first on.
pub(super) struct Follower<K: Clone + Eq + Hash, E: Clone> {
    flight: Arc<Flight<E>>,
    id: u64,
    position: usize,
    flights: Arc<Flights<K, E>>,
    key: K,
}

impl<K: Clone + Eq + Hash, E: Clone> Stream for Follower<K, E> {
    type Item = Result<E, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(self.flight.poll_at(self.id, self.position, cx));
        self.position += 1;
        Poll::Ready(next)
    }
}

impl<K: Clone + Eq + Hash, E: Clone> Unpin for Follower<K, E> {}

impl<K: Clone + Eq + Hash, E: Clone> Drop for Follower<K, E> {
    fn drop(&mut self) {
        if self.flight.leave(self.id) {
            self.flights.forget(&self.key, &self.flight);
        }
    }
}

/// Wakes all who wait for a flight. The source holds it and not the flight, which would otherwise hold itself.
#[derive(Default)]
struct Bell {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    wakers: Vec<(u64, Waker)>,
    has_rung: bool,
}

impl Bell {
    fn register(&self, id: u64, waker: &Waker) {
        let mut waiting = lock(&self.waiting);
        match waiting.wakers.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => known.clone_from(waker),
            None => waiting.wakers.push((id, waker.clone())),
        }
    }

    fn forget(&self, id: u64) {
        let mut waiting = lock(&self.waiting);
        let at = waiting.wakers.iter().position(|(known, _)| *known == id);
        let forgotten = at.map(|at| waiting.wakers.swap_remove(at));
        // A waker may be the last handle of a task, and that of another follower: it goes without the lock.
        drop(waiting);
        drop(forgotten);
    }

    fn hush(&self) {
        lock(&self.waiting).has_rung = false;
    }

    fn has_rung(&self) -> bool {
        lock(&self.waiting).has_rung
    }

    fn ring(&self) {
        let wakers = {
            let mut waiting = lock(&self.waiting);
            waiting.has_rung = true;
            if waiting.wakers.is_empty() {
                return;
            }
            std::mem::take(&mut waiting.wakers)
        };
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
