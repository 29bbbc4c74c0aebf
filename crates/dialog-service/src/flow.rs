//! [`Flow`]: a turn under way, stage by stage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use futures::future::try_join_all;
use llm_bundle::tools::{ToolEvent, ToolReply};
use llm_core::{
    ChatEvent, ChatRequest, ErrorKind, FinishReason, Message, Part, ReasoningDelta, Role, ToolCall,
    ToolResult, Usage,
};
use rag_core::MetadataFilter;

use crate::asking::asked;
use crate::cite::Unmatched;
use crate::clock::Clock;
use crate::compose::{Composed, compose};
use crate::dig::Dig;
use crate::limits::Limits;
use crate::prompt::Prompts;
use crate::query::Query;
use crate::spending::spent;
use crate::{
    Citer, Dialog, DialogError, DialogEvent, DialogService, Done, Evidence, Filtering, Passage,
    Stage, Turn, afterwards, aside, filter, keywords, lead, meaning, rewrite, rows, search,
    translate,
};
/// One turn under way.
pub(crate) struct Flow {
    service: DialogService,
    turn: Turn,
    passages: Arc<[Passage]>,
    /// What the model is asked with these passages, once it is known.
    composed: Option<Composed>,
    pub(crate) warnings: Vec<String>,
    usage: Usage,
    finish: FinishReason,
    clock: Clock,
    /// When the model said its first word.
    first_said: Option<Instant>,
    /// Tools that run.
    called: Vec<ToolCall>,
}

impl Flow {
    pub(crate) fn new(service: DialogService, turn: Turn) -> Self {
        Self {
            service,
            turn,
            passages: Arc::new([]),
            composed: None,
            warnings: Vec::new(),
            usage: Usage::default(),
            finish: FinishReason::Stop,
            clock: Clock::start(),
            first_said: None,
            called: Vec::new(),
        }
    }

    /// What ends it before its time, from now on.
    pub(crate) fn limits(&self) -> Limits {
        Limits::of(&self.turn)
    }

    pub(crate) fn check(&self) -> Result<(), DialogError> {
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

    pub(crate) fn started(&self) -> DialogEvent {
        self.turn.trace.begin();
        DialogEvent::Started {
            turn: self.turn.id.clone(),
            model: self.turn.model.info().name.to_string(),
        }
    }

    pub(crate) fn searches(&self) -> bool {
        self.turn.dialog.searches()
    }

    /// The user's last words.
    fn asked(&self) -> String {
        let user = self.turn.messages.iter().rev().find(|message| message.role == Role::User);
        user.map(|message| message.text()).unwrap_or_default()
    }

    /// The question that is searched for. A rewording that fails costs a warning, not the turn.
    pub(crate) async fn question(&mut self) -> String {
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
    pub(crate) async fn widen(&mut self, question: String) -> Query {
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
    pub(crate) fn searched_for(&self, query: &Query) -> Option<DialogEvent> {
        let Query { question, translations, keywords, filter } = query.clone();
        let as_asked = question == self.asked() && translations.is_empty() && keywords.is_empty();
        let filter = filter.map(|filter| filter.to_string());
        let event = DialogEvent::Question { text: question, translations, keywords, filter };
        (!as_asked || query.filter.is_some()).then_some(event)
    }

    pub(crate) async fn retrieve(&mut self, query: &Query) -> Result<Dig, DialogError> {
        let evidence = &*self.service.evidence;
        let (found, (rows, unasked)) = futures::join!(
            self.found(query, query.filter.clone()),
            rows::found(&self.turn, self.prompts(), evidence, &query.question),
        );
        self.warnings.extend(unasked);
        let (mut found, mut filter) = (found?, query.filter.clone());
        if let Some(filter) = filter.take_if(|_| found.passages.is_empty()) {
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
        Ok(Dig::new(&query.question, found, filter))
    }

    /// One round of digging, and what was searched for, if there is still something missing. One that fails costs a
    /// warning, and so does one that would take the time of the answer.
    pub(crate) async fn dig(&mut self, dig: &mut Dig, limits: &Limits) -> Option<DialogEvent> {
        if self.turn.dialog.research.is_none() || !aside::is_possible(&self.turn) {
            return None;
        }
        if limits.is_half_over() {
            self.warnings.push("not all was searched for: half of the time was up".into());
            return None;
        }
        let further = self.further(dig).await;
        self.clock.add(Stage::Research);
        match further {
            Ok(told) => told.map(|told| DialogEvent::Reasoning(ReasoningDelta::text(told))),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no further search");
                self.warnings.push("the search was not taken further".into());
                None
            }
        }
    }

    /// Searches for what the model says is missing, all at once; what was searched for, if anything.
    async fn further(&self, dig: &mut Dig) -> Result<Option<String>, DialogError> {
        let questions = dig.ask(&self.turn, self.prompts()).await?;
        if questions.is_empty() {
            return Ok(None);
        }
        let queries: Vec<Query> = questions.iter().map(|question| Query::plain(question)).collect();
        let found = queries.iter().map(|query| self.found(query, dig.filter.clone()));
        let found = try_join_all(found).await?;
        let searched = questions.join("\n");
        let new = dig.take(questions, found);
        Ok(Some(format!("{searched}\n({new} further passages)\n\n")))
    }

    /// What was found, as far as it fits.
    pub(crate) fn retrieved(&mut self, dig: Dig) -> Result<DialogEvent, DialogError> {
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
    pub(crate) fn empty_response(&self) -> Option<String> {
        let nothing = self.searches() && self.passages.is_empty();
        self.turn.dialog.empty_response.clone().filter(|_| nothing)
    }

    /// Asks the model. When the prompt turns out too long, once more with half of the evidence, its numbering kept.
    pub(crate) async fn ask(&mut self) -> Result<ToolReply, DialogError> {
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

    pub(crate) fn citer(&self) -> Citer {
        if self.searches() { Citer::new(self.passages.clone()) } else { Citer::off() }
    }

    /// The next event of the model or its tools. When time is up, or the turn is stopped, there is none, and the answer so far is the
    /// answer.
    pub(crate) async fn next(
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
    pub(crate) fn take(&mut self, event: ToolEvent, citer: &mut Citer) -> Vec<DialogEvent> {
        match event {
            ToolEvent::Model(event) => self.take_said(event, citer),
            ToolEvent::Called { call } => {
                self.called.push(call.clone());
                vec![DialogEvent::ToolCalled { call }]
            }
            ToolEvent::Returned { result, took } => {
                self.note_tool(&result, took);
                vec![DialogEvent::ToolReturned { result, seconds: took.as_secs_f64() }]
            }
            _ => Vec::new(),
        }
    }

    fn note_tool(&mut self, result: &ToolResult, took: Duration) {
        let place = self.called.iter().position(|call| call.id == result.call_id);
        let call = place.map(|place| self.called.swap_remove(place));
        let input = call.map(|call| format!("{} {}", call.name, call.arguments));
        let now = Instant::now();
        let began = now.checked_sub(took).unwrap_or(now);
        let output: Vec<&str> = result.parts.iter().filter_map(Part::as_text).collect();
        let input = input.unwrap_or_default();
        self.turn.trace.ended("tool", began, &input, &output.join("\n"));
    }

    fn take_said(&mut self, event: ChatEvent, citer: &mut Citer) -> Vec<DialogEvent> {
        self.clock.first_event();
        self.first_said.get_or_insert_with(Instant::now);
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

    /// What the citer held back, and the citations of an answer without markers: by words and, if there is a model for
    /// that and time, by meaning.
    pub(crate) async fn finish(&mut self, citer: &mut Citer, limits: &Limits) -> Vec<DialogEvent> {
        let mut events = citer.flush();
        if let Some(began) = self.first_said {
            self.turn.trace.ended("write", began, "", citer.text());
        }
        let cosines = match (&self.service.embedding, citer.unmatched()) {
            (Some(embedding), Some(Unmatched { claims, sentences })) => {
                let cosines = meaning::cosines(embedding, claims, sentences);
                limits.within(cosines).await.ok().flatten()
            }
            _ => None,
        };
        events.extend(citer.matched(cosines.as_deref()));
        events.extend(self.take_warnings());
        events
    }

    /// What the dialog gives after a complete answer, as far as there is time.
    pub(crate) async fn afterwards(
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

    pub(crate) fn take_warnings(&mut self) -> Vec<DialogEvent> {
        self.warnings.drain(..).map(|message| DialogEvent::Warning { message }).collect()
    }

    pub(crate) fn done(&mut self, citer: Citer) -> Done {
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
