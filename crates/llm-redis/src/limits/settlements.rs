//! [`Settlements`]: what calls really used, on its way to Redis.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use llm_bundle::quota::{Charge, Consumed};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::script::Scripts;
use crate::{RedisConnection, Unavailable};

/// How many may wait to be sent. More than that come only while Redis is gone; they count as they were reserved.
const WAITING: usize = 8_192;

/// How many are sent side by side.
const AT_ONCE: usize = 64;

/// The pause before those that were not answered are sent again.
const PAUSE: Duration = Duration::from_millis(250);

/// How long somebody who flushes waits at most.
const LONGEST_FLUSH: Duration = Duration::from_secs(2);

/// What a call used, by the id of its reservation; `None` for as much as was reserved.
pub(super) struct Settlement {
    pub(super) id: String,
    pub(super) charges: Vec<Charge>,
    pub(super) consumed: Option<Consumed>,
}

enum Message {
    Settle(Settlement),
    /// Says when all that came before has been sent.
    Flush(oneshot::Sender<()>),
}

/// A queue to the task that sends them. The task ends when the last clone is gone, after it has tried to send the rest.
#[derive(Clone)]
pub(super) struct Settlements {
    queue: mpsc::Sender<Message>,
}

impl Settlements {
    pub(super) fn start(
        connection: RedisConnection,
        scripts: Arc<Scripts>,
        lease: Duration,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        tokio::spawn(Sender { connection, scripts, lease, waiting }.run());
        Self { queue }
    }

    /// Never blocks. Where there is no room any more, the reservation counts as it was made, until its window has passed.
    pub(super) fn send(&self, settlement: Settlement) {
        if self.queue.try_send(Message::Settle(settlement)).is_err() {
            tracing::debug!("a settlement was dropped: too many wait for redis");
        }
    }

    pub(super) async fn flush(&self) {
        let (sent, is_sent) = oneshot::channel();
        let flush = async {
            if self.queue.send(Message::Flush(sent)).await.is_ok() {
                let _ = is_sent.await;
            }
        };
        if timeout(LONGEST_FLUSH, flush).await.is_err() {
            tracing::warn!("redis has not taken all settlements in time");
        }
    }
}

/// The task.
struct Sender {
    connection: RedisConnection,
    scripts: Arc<Scripts>,
    lease: Duration,
    waiting: mpsc::Receiver<Message>,
}

impl Sender {
    async fn run(mut self) {
        let mut messages = Vec::with_capacity(AT_ONCE);
        while self.waiting.recv_many(&mut messages, AT_ONCE).await > 0 {
            let mut settlements = Vec::with_capacity(messages.len());
            let mut flushes = Vec::new();
            for message in messages.drain(..) {
                match message {
                    Message::Settle(settlement) => settlements.push(settlement),
                    Message::Flush(sent) => flushes.push(sent),
                }
            }
            self.send_all(settlements).await;
            for sent in flushes {
                // Who gave up waiting need not know.
                let _ = sent.send(());
            }
        }
    }

    /// Sends until all are answered, or have become meaningless since their reservations are gone.
    async fn send_all(&self, mut settlements: Vec<Settlement>) {
        let started = Instant::now();
        loop {
            let sent = join_all(settlements.iter().map(|settlement| self.send(settlement))).await;
            let mut sent = sent.into_iter();
            settlements.retain(|_| sent.next().is_some_and(|sent| sent.is_err()));
            let nobody_is_left = self.waiting.sender_strong_count() == 0;
            if settlements.is_empty() || nobody_is_left || started.elapsed() > self.lease {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    async fn send(&self, settlement: &Settlement) -> Result<(), Unavailable> {
        let Settlement { id, charges, consumed } = settlement;
        let call = self.scripts.settle(id, charges, consumed.as_ref());
        self.connection.ask(async |mut redis| call.invoke_async::<()>(&mut redis).await).await
    }
}
