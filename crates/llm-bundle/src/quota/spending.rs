//! [`Spending`]: what a call under way has reserved, settled when it ends, whichever way.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use llm_core::ModelError;
use service_guards::Source;

use super::Consumed;
use super::limits::nanodollars;
use super::quotas::Reserved;
use crate::call::{Asked, Trail};
use crate::modality::Modality;
use crate::tally::Tally;

/// What a call has reserved and what it has used so far. Its `Drop` settles.
pub(super) struct Spending<M: Modality + ?Sized> {
    reserved: Option<Reserved>,
    trail: Arc<Trail>,
    attempts_before: u32,
    input_bytes: u64,
    tally: Tally,
    has_events: bool,
    has_failed: bool,
    kind: PhantomData<fn() -> Box<M>>,
}

impl<M: Modality + ?Sized> Spending<M> {
    pub(super) fn new(reserved: Reserved, asked: &Asked<M::Request>) -> Self {
        Self {
            reserved: Some(reserved),
            trail: asked.trail.clone(),
            attempts_before: asked.trail.attempts(),
            input_bytes: M::input_bytes(&asked.request),
            tally: Tally::default(),
            has_events: false,
            has_failed: false,
            kind: PhantomData,
        }
    }

    pub(super) fn item(&mut self, event: &M::Event) {
        self.has_events = true;
        M::count(event, &mut self.tally);
    }

    pub(super) fn failed(&mut self) {
        self.has_failed = true;
    }

    fn consumed(&self) -> Consumed {
        let attempts = self.trail.attempts().saturating_sub(self.attempts_before);
        // As for the call's record: what was never asked, or failed before it answered, is not billed.
        let is_billed = attempts > 0 && (self.has_events || !self.has_failed);
        let usage = self.tally.usage(if is_billed { self.input_bytes } else { 0 });
        let tokens = usage.total_tokens();
        let card = self.trail.card();
        let prices = card.as_ref().and_then(|card| card.prices.as_ref());
        let cost = prices.map_or(usage.cost, |prices| prices.cost(&usage)).map(nanodollars);
        // Something was used that has a price, but nobody knows how much of it.
        let is_priced = prices.is_some() && tokens.is_some();
        Consumed {
            requests: u64::from(attempts.min(1)),
            attempts: u64::from(attempts),
            tokens: tokens.unwrap_or(0),
            nanodollars: if is_priced { cost } else { Some(cost.unwrap_or(0)) },
        }
    }
}

impl<M: Modality + ?Sized> Drop for Spending<M> {
    fn drop(&mut self) {
        if let Some(Reserved { reservation, line }) = self.reserved.take() {
            reservation.settle(&self.consumed());
            // Something has come back nearly always, and who stands first can tell.
            line.nudge();
        }
    }
}

/// A reply that is paid for. The source stands first: it is dropped before the call is settled.
pub(super) struct Spent<M: Modality + ?Sized> {
    source: Source<M::Event, ModelError>,
    spending: Spending<M>,
}

impl<M: Modality + ?Sized> Spent<M> {
    pub(super) fn new(source: Source<M::Event, ModelError>, spending: Spending<M>) -> Self {
        Self { source, spending }
    }
}

impl<M: Modality + ?Sized> Unpin for Spent<M> {}

impl<M: Modality + ?Sized> Stream for Spent<M> {
    type Item = Result<M::Event, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { source, spending } = &mut *self;
        let item = std::task::ready!(Pin::new(source).poll_next(cx));
        match &item {
            Some(Ok(event)) => spending.item(event),
            Some(Err(_)) => spending.failed(),
            None => {}
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.source.size_hint()
    }
}
