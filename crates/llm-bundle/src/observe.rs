//! The observer of a model call: its span, and the record that it ends as.

use std::sync::Arc;
use std::time::SystemTime;

use llm_core::{ErrorKind, ModelError, ModelName, Prices, Usage};
use service_guards::{Observer, Outcome, Summary};
use tracing::Span;

use crate::call::{Asked, CallContext, Trail};
use crate::modality::Modality;
use crate::record::{CallRecord, RecordSink};
use crate::tally::Tally;

/// What the records of a model's calls have in common.
pub(crate) struct Ledger {
    pub(crate) model: Arc<ModelName>,
    pub(crate) prices: Option<Prices>,
    pub(crate) records: Arc<dyn RecordSink>,
}

/// Watches one call to a model of kind `M`.
pub(crate) struct CallObserver<M: Modality + ?Sized> {
    ledger: Arc<Ledger>,
    context: CallContext,
    trail: Arc<Trail>,
    span: Span,
    started: SystemTime,
    input_bytes: u64,
    tally: Tally,
    error: Option<ErrorKind>,
    kind: std::marker::PhantomData<fn() -> Box<M>>,
}

impl<M: Modality + ?Sized> CallObserver<M> {
    pub(crate) fn new(ledger: &Arc<Ledger>, asked: &Asked<M::Request>) -> Self {
        let model = &ledger.model;
        let span = tracing::info_span!(
            "model.call",
            operation = %M::OPERATION,
            model = %model,
            tenant = asked.context.tenant.as_deref(),
        );
        Self {
            ledger: ledger.clone(),
            context: asked.context.clone(),
            trail: asked.trail.clone(),
            span,
            started: SystemTime::now(),
            input_bytes: M::input_bytes(&asked.request),
            tally: Tally::default(),
            error: None,
            kind: std::marker::PhantomData,
        }
    }

    fn usage(&self, summary: &Summary) -> Usage {
        // What was never asked, or failed before it answered, is not billed.
        let unbilled = self.trail.attempts() == 0
            || (summary.outcome == Outcome::Failed && summary.items == 0);
        self.tally.usage(if unbilled { 0 } else { self.input_bytes })
    }
}

impl<M: Modality + ?Sized> Observer<M::Event, ModelError> for CallObserver<M> {
    fn span(&self) -> Span {
        self.span.clone()
    }

    fn item(&mut self, event: &M::Event) {
        M::count(event, &mut self.tally);
    }

    fn failed(&mut self, error: ModelError) -> ModelError {
        self.error = Some(error.kind());
        let target = self.trail.target();
        let ModelName { provider, model } = &**target.as_ref().unwrap_or(&self.ledger.model);
        error.during(M::OPERATION).at_if_unknown(provider, model)
    }

    fn is_whole(&self) -> bool {
        self.tally.is_whole()
    }

    fn ended(self, summary: Summary) {
        let usage = self.usage(&summary);
        let card = self.trail.card();
        let (model, prices) = match &card {
            Some(card) => (&card.model, &card.prices),
            None => (&self.ledger.model, &self.ledger.prices),
        };
        let record = CallRecord {
            tenant: self.context.tenant,
            model: model.clone(),
            operation: M::OPERATION,
            outcome: summary.outcome,
            finish: self.tally.finish(),
            error: self.error,
            cost: prices.as_ref().map_or(usage.cost, |prices| prices.cost(&usage)),
            usage,
            attempts: self.trail.attempts(),
            events: summary.items,
            started: self.started,
            queued: self.trail.queued(),
            first_event: summary.first_event,
            total: summary.total,
        };
        tracing::debug!(
            outcome = ?record.outcome,
            error = record.error.map(ErrorKind::as_str),
            attempts = record.attempts,
            events = record.events,
            total = ?record.total,
            "model call ended"
        );
        self.ledger.records.record(record);
    }
}
