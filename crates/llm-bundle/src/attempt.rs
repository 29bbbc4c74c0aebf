//! [`Attempt`]: one time that a model is asked, and what that consumes.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use llm_core::ModelError;
use service_guards::Source;

use crate::call::{Asked, Trail};
use crate::modality::{Modality, ModelReply};
use crate::payee::Payee;
use crate::tally::Tally;

/// Counts what one attempt consumes, and tells the call's trail when it is over, also when it is dropped. It counts at the
/// model, so that nothing is missed of what no caller ever sees: attempts that were tried again, overtaken, or left.
pub(crate) struct Attempt<M: Modality + ?Sized> {
    trail: Arc<Trail>,
    payee: Arc<Payee>,
    input_bytes: u64,
    tally: Tally,
    events: u64,
    failed: bool,
    kind: PhantomData<fn() -> Box<M>>,
}

impl<M: Modality + ?Sized> Attempt<M> {
    /// The model is about to be asked.
    pub(crate) fn begin(asked: &Asked<M::Request>, payee: &Arc<Payee>) -> Self {
        asked.trail.attempt(payee);
        Self {
            trail: asked.trail.clone(),
            payee: payee.clone(),
            input_bytes: M::input_bytes(&asked.request),
            tally: Tally::default(),
            events: 0,
            failed: false,
            kind: PhantomData,
        }
    }

    /// The model answers.
    pub(crate) fn watch(self, reply: ModelReply<M::Event>) -> ModelReply<M::Event> {
        reply.map_source(|source| Watched { source, attempt: Some(self) })
    }

    /// The model has failed.
    pub(crate) fn failed(&mut self) {
        self.failed = true;
    }

    fn take(&mut self, event: &M::Event) {
        self.events += 1;
        M::count(event, &mut self.tally);
    }
}

impl<M: Modality + ?Sized> Drop for Attempt<M> {
    fn drop(&mut self) {
        // What failed before it answered is not billed.
        let is_billed = !self.failed || self.events > 0;
        if is_billed {
            self.trail.spend(&self.payee, self.tally.usage(self.input_bytes));
        }
    }
}

/// The events of an attempt. The source stands first: it is dropped before the attempt is over.
struct Watched<M: Modality + ?Sized> {
    source: Source<M::Event, ModelError>,
    /// `None` once it is over.
    attempt: Option<Attempt<M>>,
}

impl<M: Modality + ?Sized> Stream for Watched<M> {
    type Item = Result<M::Event, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { source, attempt } = &mut *self;
        let item = std::task::ready!(Pin::new(source).poll_next(cx));
        match (&item, attempt.as_mut()) {
            (Some(Ok(event)), Some(attempt)) => attempt.take(event),
            (Some(Err(_)), Some(attempt)) => attempt.failed(),
            _ => {}
        }
        if !matches!(item, Some(Ok(_))) {
            *attempt = None;
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.source.size_hint()
    }
}

impl<M: Modality + ?Sized> Unpin for Watched<M> {}
