//! Going on with an answer that broke off half-way: the next target is given the text so far and continues it.

use std::sync::Arc;

use futures::{Stream, StreamExt};
use llm_core::{ModelError, Usage, Warning};

use crate::call::Asked;
use crate::modality::{Modality, ModelReply, Spoken};
use crate::router::{Plan, Targets};
use crate::tally::{Tally, sum};

/// The code of the warning that marks the place where another model goes on.
const CONTINUED: &str = "continued";

/// A call on its way through its targets.
pub(crate) struct Remaining<M: Modality + ?Sized> {
    pub(crate) targets: Arc<Targets<M>>,
    pub(crate) plan: Plan,
    pub(crate) asked: Asked<M::Request>,
}

/// The reply, or, where the route continues broken answers and a target is left that can, one that goes on when it breaks.
pub(crate) fn guard<M: Modality + ?Sized>(
    reply: ModelReply<M::Event>,
    remaining: Remaining<M>,
) -> ModelReply<M::Event> {
    let continues = remaining.targets.options().continuation && !remaining.continuing().is_empty();
    if !continues || M::answers_at_once(&remaining.asked.request) {
        return reply;
    }
    ModelReply::new(continued(reply, remaining))
}

/// The events of an answer and, when it breaks off, of those that go on with it. One error at most, as the last item.
fn continued<M: Modality + ?Sized>(
    reply: ModelReply<M::Event>,
    mut remaining: Remaining<M>,
) -> impl Stream<Item = Result<M::Event, ModelError>> + Send + 'static {
    async_stream::stream!({
        let mut reply = reply;
        let mut said = Said::default();
        loop {
            let mut failure = None;
            while let Some(event) = reply.next().await {
                match event {
                    Ok(event) => match said.take::<M>(event) {
                        Some(event) => yield Ok(event),
                        None => continue,
                    },
                    Err(error) => failure = Some(error),
                }
            }
            let Some(error) = failure else { return };
            drop(reply);
            let Some(next) = remaining.after(&error, &said) else {
                yield Err(error);
                return;
            };
            let (next_reply, left) = match next.ask_next().await {
                Ok(answer) => answer,
                Err(later) => {
                    tracing::warn!(error = %later, "nobody could go on with the broken answer");
                    yield Err(error);
                    return;
                }
            };
            if let Some(notice) = M::notice(notice(&error)) {
                yield Ok(notice);
            }
            said.begin_again::<M>(&remaining.asked.request);
            (reply, remaining) = (next_reply, left);
        }
    })
}

fn notice(error: &ModelError) -> Warning {
    let message = format!("the answer broke off and another model goes on with it: {error}");
    Warning { code: CONTINUED.into(), param: None, message }
}

impl<M: Modality + ?Sized> Remaining<M> {
    /// The targets that can go on with a text.
    fn continuing(&self) -> Plan {
        let can = |at: &usize| {
            let target = self.targets.target(*at);
            target.is_some_and(|target| target.info().capabilities.prefix == Some(true))
        };
        self.plan.iter().copied().filter(can).collect()
    }

    /// The call that goes on where the answer broke off; `None` where that cannot be.
    fn after(&self, error: &ModelError, said: &Said) -> Option<Self> {
        if said.is_more_than_text || !self.targets.options().fallback.helps(error.kind()) {
            return None;
        }
        let plan = self.continuing();
        if plan.is_empty() {
            return None;
        }
        let request = M::go_on(&self.asked.request, &said.text)?;
        let asked = Asked { request, ..self.asked.clone() };
        Some(Self { targets: self.targets.clone(), plan, asked })
    }
}

/// What has been said so far, by all who took part.
#[derive(Default)]
struct Said {
    text: String,
    /// Tool calls, pictures and the like, which nobody can go on with.
    is_more_than_text: bool,
    /// What those before consumed.
    before: Usage,
    /// What the one who speaks has consumed so far.
    now: Usage,
    has_predecessor: bool,
    /// Whether whitespace at the beginning of what comes next has been said already.
    joins: bool,
}

impl Said {
    /// Notes an event, and gives it back as the caller shall see it.
    fn take<M: Modality + ?Sized>(&mut self, mut event: M::Event) -> Option<M::Event> {
        match M::spoken(&mut event) {
            Spoken::Nothing => {}
            Spoken::Text(text) => self.say(text),
            Spoken::Other => self.is_more_than_text = true,
        }
        if let Some(usage) = M::usage_mut(&mut event) {
            self.now.merge(usage.clone());
            if self.has_predecessor {
                *usage = sum(self.before.clone(), self.now.clone());
            }
        }
        (!self.has_predecessor || !M::is_opening(&event)).then_some(event)
    }

    fn say(&mut self, text: &mut String) {
        if self.joins {
            let doubled = text.len() - text.trim_start().len();
            text.drain(..doubled);
        }
        self.joins &= text.is_empty();
        self.text.push_str(text);
    }

    /// Another speaks from here on. What the one before consumed is estimated where it was not told.
    fn begin_again<M: Modality + ?Sized>(&mut self, request: &M::Request) {
        let mut tally = Tally::default();
        tally.whole(&std::mem::take(&mut self.now), self.text.len());
        let consumed = tally.usage(M::input_bytes(request));
        self.before = sum(std::mem::take(&mut self.before), consumed);
        self.has_predecessor = true;
        // Models are given the text without whitespace at its end, which some refuse.
        self.joins = self.text.ends_with(char::is_whitespace);
    }
}
