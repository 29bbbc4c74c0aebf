//! [`RedisLimits`]: limits that all replicas of a server share.

mod script;
mod settlements;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use llm_bundle::quota::{
    Charge, Consumed, LimitStore, Measure, MemoryLimits, Refusal, Reservation, Scope,
};

use self::script::{Scripts, read_reserved};
use self::settlements::{Settlement, Settlements};
use crate::{RedisConnection, Unavailable};

/// How limits are shared.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisLimitsOptions {
    /// How many replicas there are: while Redis is gone each counts for itself, within its share of every limit.
    /// Default 1.
    pub replicas: u64,
    /// How long a call may last: after that its place counts as given back, and what it reserved as used. The places of a
    /// replica that died come back after this time. Default 15 minutes, more than a call's deadline.
    pub lease: Duration,
    /// The window of requests and tokens. A minute; anything else is for tests.
    pub window: Duration,
}

impl Default for RedisLimitsOptions {
    fn default() -> Self {
        Self { replicas: 1, lease: Duration::from_secs(15 * 60), window: Duration::from_secs(60) }
    }
}

/// Counts in Redis or Valkey, for all replicas that use the same server and prefix, by the server's clock. Clones share it.
///
/// A reservation is one script, so it is all or nothing for all replicas together. Settling is another one, which a task
/// of this store runs soon after; it does something only once for each reservation, so it is repeated until it is answered.
/// Who stops asking, or asked when Redis was too slow to answer, gets back what may have been reserved.
///
/// While Redis does not answer ([`RedisConnection`]), each replica counts in memory, within `1/replicas` of every limit;
/// a call that needs more than that share goes when it is alone. What was counted on the one side is not known on the other: around
/// such a change at most the limit is admitted once more, and so it is for the money of a day.
///
/// Needs scripts that may write after asking for the time: Redis 5 or later, or any Valkey. In a cluster all keys lie in one slot.
#[derive(Clone)]
pub struct RedisLimits {
    shared: Arc<Shared>,
}

struct Shared {
    connection: RedisConnection,
    scripts: Arc<Scripts>,
    settlements: Settlements,
    alone: MemoryLimits,
    replicas: u64,
    instance: String,
    next: AtomicU64,
}

impl RedisLimits {
    /// Counts through `connection`. Must be called on a tokio runtime, on which settlements are sent until the last clone
    /// and the last reservation are gone.
    pub fn new(connection: RedisConnection, options: &RedisLimitsOptions) -> Self {
        let scripts = Arc::new(Scripts::new(connection.prefix(), options.window, options.lease));
        let settlements = Settlements::start(connection.clone(), scripts.clone(), options.lease);
        let random = || RandomState::new().hash_one(0_u8);
        let shared = Shared {
            connection,
            scripts,
            settlements,
            alone: MemoryLimits::new(),
            replicas: options.replicas.max(1),
            instance: format!("{:016x}{:016x}", random(), random()),
            next: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Asks Redis.
    async fn reserve_shared(
        &self,
        charges: &[Charge],
    ) -> Result<Result<Box<dyn Reservation>, Refusal>, Unavailable> {
        let Shared { connection, scripts, .. } = &*self.shared;
        let mut reservation = self.reservation(charges);
        let answer = connection.ask(async |mut redis| {
            // From here on it may be there, whether we hear of it or not.
            reservation.end = End::Undo;
            let call = scripts.reserve(&reservation.id, charges);
            read_reserved(&call.invoke_async::<Vec<i64>>(&mut redis).await?)
        });
        Ok(match answer.await? {
            Ok(()) => {
                reservation.end = End::AsReserved;
                Ok(Box::new(reservation))
            }
            Err(refusal) => {
                reservation.end = End::Nothing;
                Err(refusal)
            }
        })
    }

    fn reservation(&self, charges: &[Charge]) -> RedisReservation {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        RedisReservation {
            id: format!("{}:{number:x}", self.shared.instance),
            charges: charges.to_vec(),
            end: End::Nothing,
            settlements: self.shared.settlements.clone(),
        }
    }

    /// Counts here, within this replica's share.
    fn reserve_alone(&self, charges: &[Charge]) -> Result<Box<dyn Reservation>, Refusal> {
        let share = |charge: &Charge| {
            let limit = (charge.limit / self.shared.replicas).max(charge.amount).min(charge.limit);
            Charge { limit, ..charge.clone() }
        };
        self.shared.alone.try_reserve(&charges.iter().map(share).collect::<Vec<_>>())
    }
}

impl LimitStore for RedisLimits {
    fn reserve<'a>(
        &'a self,
        charges: &'a [Charge],
    ) -> BoxFuture<'a, Result<Box<dyn Reservation>, Refusal>> {
        Box::pin(async {
            match self.reserve_shared(charges).await {
                Ok(reserved) => reserved,
                Err(Unavailable) => self.reserve_alone(charges),
            }
        })
    }

    fn read<'a>(&'a self, counters: &'a [(Scope, Measure)]) -> BoxFuture<'a, Vec<u64>> {
        Box::pin(async {
            let Shared { connection, scripts, alone, .. } = &*self.shared;
            let read = connection.ask(async |mut redis| {
                scripts.read(counters).invoke_async::<Vec<u64>>(&mut redis).await
            });
            match read.await {
                Ok(used) if used.len() == counters.len() => used,
                _ => alone.read(counters).await,
            }
        })
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.shared.settlements.flush())
    }

    fn is_shared(&self) -> bool {
        self.shared.connection.is_available()
    }
}

impl fmt::Debug for RedisLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLimits")
            .field("connection", &self.shared.connection)
            .field("replicas", &self.shared.replicas)
            .finish_non_exhaustive()
    }
}

/// What is done with a reservation when it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It was not made.
    Nothing,
    /// Nobody waited for the answer: it may have been made.
    Undo,
    /// It counts as used, and its call as ended.
    AsReserved,
}

/// A reservation in Redis. What it took is known there by its id.
struct RedisReservation {
    id: String,
    charges: Vec<Charge>,
    end: End,
    settlements: Settlements,
}

impl RedisReservation {
    fn send(&mut self, consumed: Option<Consumed>) {
        self.end = End::Nothing;
        let (id, charges) = (std::mem::take(&mut self.id), std::mem::take(&mut self.charges));
        self.settlements.send(Settlement { id, charges, consumed });
    }
}

impl Reservation for RedisReservation {
    fn settle(mut self: Box<Self>, consumed: &Consumed) {
        self.send(Some(*consumed));
    }
}

impl Drop for RedisReservation {
    fn drop(&mut self) {
        match self.end {
            End::Nothing => {}
            End::Undo => {
                self.send(Some(Consumed { nanodollars: Some(0), ..Consumed::default() }));
            }
            End::AsReserved => self.send(None),
        }
    }
}

impl fmt::Debug for RedisReservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.charges).finish()
    }
}
