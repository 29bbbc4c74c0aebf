//! [`DialogService`]: the story of a turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use async_stream::try_stream;
use futures::future::Either;
use futures::{Stream, TryStreamExt};
use llm_bundle::tools::{ToolEvent, ToolReply};
use llm_core::{
    ChatEvent, ChatRequest, ErrorKind, FinishReason, Message, ReasoningDelta, Role, Usage,
};
use rag_core::MetadataFilter;

use crate::asking::asked;
use crate::compose::{Composed, TokenCount, compose};
use crate::dig::{Dig, Round};
use crate::kept_answers::{KeptAnswers, wanted};
use crate::limits::Limits;
use crate::prompt::Prompts;
use crate::query::Query;
use crate::speech::spoken;
use crate::spending::spent;
use crate::{
    Citer, Dialog, DialogError, DialogEvent, Done, Evidence, EvidenceSource, Filtering, Passage,
    Stage, Turn, afterwards, aside, filter, keywords, lead, rewrite, rows, search, translate,
};

/// Answers turns. Cheap to clone; one serves all dialogs.
#[derive(Clone)]
pub struct DialogService {
    evidence: Arc<dyn EvidenceSource>,
    prompts: Prompts,
    count: TokenCount,
    kept: Option<KeptAnswers>,
}

impl DialogService {
    /// A service that finds evidence in `evidence` and counts tokens with `count`.
    pub fn new(evidence: Arc<dyn EvidenceSource>, count: TokenCount) -> Self {
        Self { evidence, prompts: Prompts::new(), count, kept: None }
    }

    /// The same that gives answers again which dialogs want kept.
    pub fn with_kept_answers(mut self, kept: KeptAnswers) -> Self {
        self.kept = Some(kept);
        self
    }

    pub(crate) fn count(&self) -> &TokenCount {
        &self.count
    }

    /// Answers one turn as a stream of events: begins when polled, ends with [`DialogEvent::Done`] or one error.
    /// Dropping it cancels whatever stage is under way, down to the model's connection; cancelling [`Turn::stop`] ends it
    /// with the answer so far, or as [`DialogError::Stopped`].
    pub fn answer(
        &self,
        turn: Turn,
    ) -> impl Stream<Item = Result<DialogEvent, DialogError>> + Send + use<> {
        let (speech, kept) = (turn.dialog.speech.clone(), self.kept.clone().zip(wanted(&turn)));
        let answer = self.clone().written(turn);
        let answer = match kept {
            Some((kept, (question, keep))) => {
                let evidence = self.evidence.clone();
                Either::Left(Box::pin(kept.remembering(question, keep, evidence, answer)))
            }
            None => Either::Right(answer),
        };
        match speech {
            Some(speech) => Either::Left(Box::pin(spoken(answer, speech))),
            None => Either::Right(answer),
        }
    }

    /// The story of a turn.
    fn written(
        self,
        turn: Turn,
    ) -> impl Stream<Item = Result<DialogEvent, DialogError>> + Send + use<> {
        let mut flow = Flow::new(self, turn);
        try_stream!({
            flow.check()?;
            yield flow.started();

            let limits = Limits::of(&flow.turn);
            let question = limits.within(Box::pin(flow.question())).await?;
            let query = limits.within(Box::pin(flow.widen(question))).await?;
            for event in flow.take_warnings() {
                yield event;
            }
            if let Some(event) = flow.searched_for(&query) {
                yield event;
            }

            if flow.searches() {
                let mut dig = limits.within(Box::pin(flow.retrieve(&query))).await??;
                while let Some(progress) =
                    limits.within(Box::pin(flow.dig(&mut dig, &limits))).await?
                {
                    yield progress;
                }
                let found = flow.retrieved(dig)?;
                for event in flow.take_warnings() {
                    yield event;
                }
                yield found;
            }
            if let Some(text) = flow.empty_response() {
                yield DialogEvent::Delta { text };
                yield DialogEvent::Done(flow.done(Citer::off()));
                return;
            }

            let mut reply = limits.within(Box::pin(flow.ask())).await??;
            for event in flow.take_warnings() {
                yield event;
            }
            let mut citer = flow.citer();
            while let Some(event) = flow.next(&mut reply, &limits, &citer).await? {
                for event in flow.take(event, &mut citer) {
                    yield event;
                }
            }
            drop(reply);
            for event in citer.finish().into_iter().chain(flow.take_warnings()) {
                yield event;
            }
            for event in Box::pin(flow.afterwards(&query, &citer, &limits)).await {
                yield event;
            }
            yield DialogEvent::Done(flow.done(citer));
        })
    }
}

/// One turn under way.
struct Flow {
    service: DialogService,
    turn: Turn,
    passages: Arc<[Passage]>,
    /// What the model is asked with these passages, once it is known.
    composed: Option<Composed>,
    warnings: Vec<String>,
    usage: Usage,
    finish: FinishReason,
    clock: Clock,
}

impl Flow {
    fn new(service: DialogService, turn: Turn) -> Self {
        Self {
            service,
            turn,
            passages: Arc::new([]),
            composed: None,
            warnings: Vec::new(),
            usage: Usage::default(),
            finish: FinishReason::Stop,
            clock: Clock::start(),
        }
    }

    fn check(&self) -> Result<(), DialogError> {
        let invalid = |reason: &str| Err(DialogError::Invalid(reason.into()));
        match self.turn.messages.last() {
            None => invalid("it has no message"),
            Some(last) if !matches!(last.role, Role::User | Role::Tool) => {
                invalid("its last message is not the user's")
            }
            Some(_) if self.searches() && self.asked().trim().is_empty() => {
                invalid("its question is blank")
            }
            Some(_) => Ok(()),
        }
    }

    fn started(&self) -> DialogEvent {
        self.turn.trace.begin();
        DialogEvent::Started {
            turn: self.turn.id.clone(),
            model: self.turn.model.info().name.to_string(),
        }
    }

    fn searches(&self) -> bool {
        self.turn.dialog.searches()
    }

    /// The user's last words.
    fn asked(&self) -> String {
        let user = self.turn.messages.iter().rev().find(|message| message.role == Role::User);
        user.map(|message| message.text()).unwrap_or_default()
    }

    /// The question that is searched for. A rewording that fails costs a warning, not the turn.
    async fn question(&mut self) -> String {
        if !rewrite::is_needed(&self.turn) {
            return self.asked();
        }
        let reworded = rewrite::reword(&self.turn, self.prompts()).await;
        self.clock.lap(Stage::Rewrite);
        reworded.unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "question not reworded");
            self.warnings.push("the question was searched for as it was asked".into());
            self.asked()
        })
    }

    /// The question with what else is searched for. What fails costs a warning.
    async fn widen(&mut self, question: String) -> Query {
        let Dialog { keywords, languages, filtering, .. } = &self.turn.dialog;
        let is_wanted = *keywords || !languages.is_empty() || *filtering != Filtering::Off;
        if !is_wanted || !self.searches() || !aside::is_possible(&self.turn) {
            return Query { question, ..Query::default() };
        }
        let (turn, prompts) = (&self.turn, self.prompts());
        let evidence = &*self.service.evidence;
        let ((translations, untranslated), (keywords, unnamed), (filter, unfiltered)) = futures::join!(
            translate::translations(turn, prompts, &question),
            keywords::keywords(turn, prompts, &question),
            filter::guessed(turn, prompts, evidence, &question),
        );
        self.warnings.extend(untranslated.into_iter().chain(unnamed).chain(unfiltered));
        self.clock.lap(Stage::Widen);
        Query { question, translations, keywords, filter }
    }

    /// Tells what is searched for, unless it is just what was asked.
    fn searched_for(&self, query: &Query) -> Option<DialogEvent> {
        let Query { question, translations, keywords, filter } = query.clone();
        let as_asked = question == self.asked() && translations.is_empty() && keywords.is_empty();
        let filter = filter.map(|filter| filter.to_string());
        let event = DialogEvent::Question { text: question, translations, keywords, filter };
        (!as_asked || query.filter.is_some()).then_some(event)
    }

    async fn retrieve(&mut self, query: &Query) -> Result<Dig, DialogError> {
        let evidence = &*self.service.evidence;
        let (found, (rows, unasked)) = futures::join!(
            self.found(query, query.filter.clone()),
            rows::found(&self.turn, self.prompts(), evidence, &query.question),
        );
        self.warnings.extend(unasked);
        let mut found = found?;
        if let (Some(filter), true) = (&query.filter, found.passages.is_empty()) {
            self.warnings.push(format!("nothing was found where {filter}; all was searched"));
            found = self.found(query, None).await?;
        }
        let leads = self.service.evidence.leads();
        let (further, astray) =
            lead::on(&self.turn, self.prompts(), leads, &query.question, &found.passages).await;
        self.warnings.extend(astray);
        found.passages.extend(further);
        found.passages.splice(0..0, rows);
        self.clock.lap(Stage::Retrieve);
        Ok(Dig::new(&query.question, found))
    }

    /// One round of digging, and what was searched for, if there is still something missing. One that fails costs a
    /// warning, and so does one that would take the time of the answer.
    async fn dig(&mut self, dig: &mut Dig, limits: &Limits) -> Option<DialogEvent> {
        if self.turn.dialog.research.is_none() || !aside::is_possible(&self.turn) {
            return None;
        }
        if limits.is_half_over() {
            self.warnings.push("not all was searched for: half of the time was up".into());
            return None;
        }
        let round = dig.next(&self.turn, self.prompts(), &*self.service.evidence).await;
        self.clock.add(Stage::Research);
        match round {
            Ok(round) => round.map(|Round { questions, new }| {
                let searched = questions.join("\n");
                let text = format!("{searched}\n({new} further passages)\n\n");
                DialogEvent::Reasoning(ReasoningDelta::text(text))
            }),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no further search");
                self.warnings.push("the search was not taken further".into());
                None
            }
        }
    }

    /// What was found, as far as it fits.
    fn retrieved(&mut self, dig: Dig) -> Result<DialogEvent, DialogError> {
        let Evidence { passages, total, warnings } = dig.into_evidence(&self.turn);
        self.passages = passages.into();
        self.warnings.extend(warnings);
        let composed = self.compose()?;
        self.passages = composed.passages.clone();
        self.composed = Some(composed);
        Ok(DialogEvent::Retrieved { passages: self.passages.clone(), total })
    }

    async fn found(
        &self,
        query: &Query,
        filter: Option<MetadataFilter>,
    ) -> Result<Evidence, DialogError> {
        search::found(&self.turn, &*self.service.evidence, query, filter).await
    }

    /// What to say instead of asking the model.
    fn empty_response(&self) -> Option<String> {
        let nothing = self.searches() && self.passages.is_empty();
        self.turn.dialog.empty_response.clone().filter(|_| nothing)
    }

    /// Asks the model. When the prompt turns out too long, once more with half of the evidence, its numbering kept.
    async fn ask(&mut self) -> Result<ToolReply, DialogError> {
        let composed = self.composed.take().map_or_else(|| self.compose(), Ok);
        let Composed { request, cut, .. } = composed?;
        if !cut.is_empty() {
            let warning =
                format!("too long for the model, so it saw only a part: {}", cut.join(", "));
            self.warnings.push(warning);
        }
        match self.first_of(request).await {
            Ok(reply) => Ok(reply),
            Err(DialogError::Model(error))
                if error.kind() == ErrorKind::ContextLength && self.passages.len() > 1 =>
            {
                let half = self.passages.len() / 2;
                self.warnings.push(format!(
                    "the prompt was too long for the model: it saw the best {half} of {} passages",
                    self.passages.len()
                ));
                self.passages = self.passages[..half].into();
                let request = self.compose()?.request;
                self.first_of(request).await
            }
            Err(error) => Err(error),
        }
    }

    /// The answer to a request, once it has begun.
    async fn first_of(&self, request: ChatRequest) -> Result<ToolReply, DialogError> {
        let prompt: Vec<String> = request.messages.iter().map(Message::text).collect();
        let asked = async { Ok(asked(&self.turn, request).await?) };
        let began = |_: &ToolReply| "the answer began".to_owned();
        self.turn.trace.step("answer", &prompt.join("\n\n"), asked, began).await
    }

    fn compose(&self) -> Result<Composed, DialogError> {
        compose(&self.turn, self.prompts(), &self.service.count, self.passages.clone())
    }

    fn prompts(&self) -> &Prompts {
        self.turn.dialog.prompts.as_ref().unwrap_or(&self.service.prompts)
    }

    fn citer(&self) -> Citer {
        if self.searches() { Citer::new(self.passages.clone()) } else { Citer::off() }
    }

    /// The next event of the model or its tools. When time is up, or the turn is stopped, there is none, and the answer so far is the
    /// answer.
    async fn next(
        &mut self,
        reply: &mut ToolReply,
        limits: &Limits,
        citer: &Citer,
    ) -> Result<Option<ToolEvent>, DialogError> {
        match limits.within(reply.try_next()).await {
            Ok(event) => Ok(event?),
            Err(early) if citer.text().is_empty() => Err(early),
            Err(DialogError::Stopped) => {
                self.finish = FinishReason::Cancelled;
                Ok(None)
            }
            Err(late) => {
                self.finish = FinishReason::Length;
                tracing::warn!(error = &late as &dyn std::error::Error, "an answer was cut short");
                self.warnings.push("the answer is not complete: its time was up".into());
                Ok(None)
            }
        }
    }

    /// What an event of the model or its tools means for the turn.
    fn take(&mut self, event: ToolEvent, citer: &mut Citer) -> Vec<DialogEvent> {
        match event {
            ToolEvent::Model(event) => self.take_said(event, citer),
            ToolEvent::Called { call } => vec![DialogEvent::ToolCalled { call }],
            ToolEvent::Returned { result, took } => {
                vec![DialogEvent::ToolReturned { result, seconds: took.as_secs_f64() }]
            }
            _ => Vec::new(),
        }
    }

    fn take_said(&mut self, event: ChatEvent, citer: &mut Citer) -> Vec<DialogEvent> {
        self.clock.first_event();
        match event {
            ChatEvent::Text { text, .. } | ChatEvent::Refusal { text, .. } => citer.push(&text),
            ChatEvent::Reasoning(delta) => vec![DialogEvent::Reasoning(delta)],
            ChatEvent::ToolCall(delta) => vec![DialogEvent::Tool(delta)],
            ChatEvent::Annotation { annotation, .. } => vec![DialogEvent::Annotation(annotation)],
            ChatEvent::Warning(warning) => vec![DialogEvent::Warning { message: warning.message }],
            ChatEvent::Usage(usage) => {
                self.usage.merge(usage);
                Vec::new()
            }
            ChatEvent::Finished { reason, .. } => {
                self.finish = reason;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// What the dialog gives after a complete answer, as far as there is time.
    async fn afterwards(
        &mut self,
        query: &Query,
        citer: &Citer,
        limits: &Limits,
    ) -> Vec<DialogEvent> {
        let Dialog { related, mind_map, .. } = &self.turn.dialog;
        let is_wanted = (*related || *mind_map) && self.finish == FinishReason::Stop;
        if !is_wanted || !aside::is_possible(&self.turn) {
            return Vec::new();
        }
        self.clock.lap(Stage::Generate);
        let extras = afterwards::extras(
            &self.turn,
            self.prompts(),
            &query.question,
            citer.text(),
            &self.passages,
        );
        let late = || vec!["there was no time for what follows the answer".to_owned()];
        let extras = limits.within(extras).await;
        let (events, warnings) = extras.unwrap_or_else(|_| (Vec::new(), late()));
        self.warnings.extend(warnings);
        self.clock.lap(Stage::Afterwards);
        events.into_iter().chain(self.take_warnings()).collect()
    }

    fn take_warnings(&mut self) -> Vec<DialogEvent> {
        self.warnings.drain(..).map(|message| DialogEvent::Warning { message }).collect()
    }

    fn done(&mut self, citer: Citer) -> Done {
        self.clock.end(Stage::Generate);
        Done {
            finish: self.finish,
            usage: std::mem::take(&mut self.usage),
            timings: self.clock.finish(),
            cited: citer.cited().iter().copied().collect(),
            dropped_citations: citer.dropped(),
            kept: false,
            spent: spent(&self.turn.trail),
        }
    }
}

/// Times the stages of a turn.
struct Clock {
    began: Instant,
    lap: Instant,
    timings: BTreeMap<Stage, std::time::Duration>,
}

impl Clock {
    fn start() -> Self {
        let now = Instant::now();
        Self { began: now, lap: now, timings: BTreeMap::new() }
    }

    /// Ends a stage, and begins the next.
    fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        self.timings.insert(stage, now - self.lap);
        self.lap = now;
    }

    /// Ends a stage that was there before, or may come again.
    fn add(&mut self, stage: Stage) {
        let now = Instant::now();
        *self.timings.entry(stage).or_default() += now - self.lap;
        self.lap = now;
    }

    /// Ends a stage, unless that was done.
    fn end(&mut self, stage: Stage) {
        if !self.timings.contains_key(&stage) {
            self.lap(stage);
        }
    }

    fn first_event(&mut self) {
        if !self.timings.contains_key(&Stage::FirstEvent) {
            self.lap(Stage::FirstEvent);
        }
    }

    fn finish(&mut self) -> BTreeMap<Stage, std::time::Duration> {
        self.timings.insert(Stage::Total, self.began.elapsed());
        std::mem::take(&mut self.timings)
    }
}
