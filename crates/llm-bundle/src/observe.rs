//! The observer of a model call: its span, and the record that it ends as.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use llm_core::{ErrorKind, ModelError, ModelName};
use service_guards::{Observer, Rejection, Summary};
use tokio::time::timeout;
use tracing::Span;
use uuid::Uuid;

use crate::cache::CacheStatus;
use crate::call::{Asked, Bill, CallContext, Trail};
use crate::content::Page;
use crate::genai;
use crate::modality::Modality;
use crate::payee::Payee;
use crate::record::{CallRecord, Place, RecordSink, Reservation};
use crate::tally::Tally;

/// What the records of the calls by one name have in common.
pub(crate) struct Ledger {
    /// The name.
    pub(crate) route: Arc<str>,
    /// The model that is asked, or the first one of several.
    pub(crate) payee: Arc<Payee>,
    pub(crate) records: Arc<dyn RecordSink>,
    /// How long a call may wait for the place of its record, whatever the sink thinks: as long as for everything else.
    pub(crate) deadline: Duration,
}

/// Watches one call to a model of kind `M`.
pub(crate) struct CallObserver<M: Modality + ?Sized> {
    ledger: Arc<Ledger>,
    context: CallContext,
    trail: Arc<Trail>,
    place: Option<Reservation>,
    span: Span,
    started: SystemTime,
    tally: Tally,
    content: Option<Content>,
    error: Option<ErrorKind>,
    request_id: Option<Arc<str>>,
    kind: std::marker::PhantomData<fn() -> Box<M>>,
}

/// What was asked and answered so far, where that is kept.
struct Content {
    input: Page,
    output: Page,
}

impl<M: Modality + ?Sized> CallObserver<M> {
    pub(crate) fn new(ledger: &Arc<Ledger>, asked: &Asked<M::Request>) -> Self {
        let span = genai::begin(M::OPERATION, &ledger.payee, &asked.context);
        let capture = ledger.records.capture().filter(|_| !span.is_disabled());
        let content = capture.map(|capture| {
            let mut input = capture.page();
            M::read(&asked.request, &mut input);
            Content { input, output: capture.page() }
        });
        Self {
            ledger: ledger.clone(),
            context: asked.context.clone(),
            trail: asked.trail.clone(),
            place: Some(ledger.records.reserve()),
            span,
            started: SystemTime::now(),
            tally: Tally::default(),
            content,
            error: None,
            request_id: None,
            kind: std::marker::PhantomData,
        }
    }

    /// Writes what was asked and answered into the span.
    fn tell_content(&mut self) {
        let (Some(capture), Some(content)) = (self.ledger.records.capture(), self.content.take())
        else {
            return;
        };
        tracing::event!(
            name: "gen_ai.client.inference.operation.details",
            target: "gen_ai",
            tracing::Level::INFO,
            gen_ai.input.messages = %capture.input(content.input),
            gen_ai.output.messages = %capture.output(content.output, self.tally.finish()),
        );
    }
}

impl<M: Modality + ?Sized> Observer<M::Event, ModelError> for CallObserver<M> {
    fn span(&self) -> Span {
        self.span.clone()
    }

    fn prepare(&mut self) -> Option<BoxFuture<'_, Result<(), ModelError>>> {
        if !matches!(self.place, Some(Reservation::Waiting(_))) {
            return None;
        }
        Some(Box::pin(async {
            // Kept where it is while it waits, so that nothing is lost when the caller leaves.
            if let Some(Reservation::Waiting(place)) = self.place.as_mut() {
                let limit = self.ledger.deadline;
                let place = timeout(limit, place).await;
                self.place = None;
                let place = place.map_err(|_| Rejection::Deadline { limit })?;
                self.place = Some(Reservation::Ready(place?));
            }
            Ok(())
        }))
    }

    fn item(&mut self, event: &M::Event) {
        M::count(event, &mut self.tally);
        if let (Some(content), Some(text)) = (self.content.as_mut(), M::answer_text(event)) {
            content.output.add("assistant", text, true);
        }
    }

    fn failed(&mut self, error: ModelError) -> ModelError {
        self.error = Some(error.kind());
        self.request_id = error.request_id().map(Arc::from);
        let payee = self.trail.of_models().payee();
        let ModelName { provider, model } = &*payee.as_ref().unwrap_or(&self.ledger.payee).name;
        error.during(M::OPERATION).at_if_unknown(provider, model)
    }

    fn is_whole(&self) -> bool {
        self.tally.is_whole()
    }

    fn ended(mut self, summary: Summary) {
        self.tell_content();
        let trail = self.trail.of_models();
        // What another call consumed is in that one's record.
        let is_free = self.trail.cache().is_some_and(CacheStatus::is_free);
        let nothing = Bill { cost: Some(0.0), ..Bill::default() };
        let Bill { usage, cost, .. } = if is_free { nothing } else { trail.bill(None) };
        let payee = trail.payee().unwrap_or_else(|| self.ledger.payee.clone());
        let started = self.tally.started();
        let record = CallRecord {
            id: Uuid::now_v7(),
            trace: None,
            tenant: self.context.tenant,
            key: self.context.key,
            priority: self.context.priority,
            route: self.ledger.route.clone(),
            target: payee.name.clone(),
            operation: M::OPERATION,
            outcome: summary.outcome,
            cache: self.trail.cache(),
            finish: self.tally.finish(),
            error: self.error,
            cost,
            usage,
            attempts: trail.attempts(),
            events: summary.items,
            started: self.started,
            queued: trail.queued(),
            first_event: summary.first_event,
            total: summary.total,
            request_id: self.request_id.or(started.request_id),
            response_id: started.id,
            response_model: started.model,
        };
        genai::end(&self.span, &record);
        tracing::debug!(
            outcome = record.ending().as_str(),
            error = record.error.map(ErrorKind::as_str),
            attempts = record.attempts,
            events = record.events,
            total = ?record.total,
            "model call ended"
        );
        // A call that left or was refused while it waited for a place has none; there may be room for its record.
        let place = match self.place {
            Some(Reservation::Ready(place)) => place,
            _ => Place::unlimited(),
        };
        self.ledger.records.record(record, place);
    }
}
