//! A conversation with tools under way: what the loop in `chat.rs` does at each step.

use std::future::Future;
use std::sync::Arc;

use futures::TryStreamExt;
use llm_core::{
    ChatEvent, ChatFold, ChatReply, ChatRequest, ChatResponse, Choice, ErrorKind, FinishReason,
    Message, ModelError, Operation, Part, Retry, Role, Tool, ToolCall, ToolChoice, Usage, Warning,
};
use tokio::time::{Instant, timeout_at};

use super::chat::Asked;
use super::round::{Heard, Next, hear};
use super::run::{Ran, Workshop};
use super::{ToolAnswer, ToolOptions, ToolSet};
use crate::tally::sum;

/// A conversation under way.
pub(super) struct Turn {
    asked: Asked,
    request: ChatRequest,
    /// The tools that came with the request.
    requested: Vec<Tool>,
    pub(super) workshop: Arc<Workshop>,
    /// `None` is so far off that it never comes.
    until: Option<Instant>,
    round: u32,
    fold: ChatFold,
    /// Of all rounds that have ended.
    pub(super) usage: Usage,
    warnings: Vec<Warning>,
    /// The last round's.
    response: ChatResponse,
    pub(super) finish: FinishReason,
    raw_finish: Option<String>,
    /// Where the conversation was when it began.
    length_before: usize,
    /// The results of this round.
    pub(super) ran: Vec<Ran>,
    pub(super) left: Vec<ToolCall>,
}

impl Turn {
    pub(super) async fn begin(
        asked: Asked,
        tools: ToolSet,
        options: ToolOptions,
        mut request: ChatRequest,
    ) -> Result<Self, ModelError> {
        if request.n.is_some_and(|n| n > 1) {
            let message = "a conversation with tools has one answer; leave `n` out";
            let error = ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, message);
            return Err(error.with_param("n"));
        }
        let until = Instant::now().checked_add(options.deadline);
        let offer = within(until, &options, tools.offer(&request.tools)).await??;
        let requested = request.tools.clone();
        request.tools.extend_from_slice(offer.tools());
        let length_before = request.messages.len();
        Ok(Self {
            asked,
            request,
            requested,
            workshop: Arc::new(Workshop { offer, options }),
            until,
            round: 0,
            fold: ChatFold::default(),
            usage: Usage::default(),
            warnings: Vec::new(),
            response: ChatResponse::default(),
            finish: FinishReason::Other,
            raw_finish: None,
            length_before,
            ran: Vec::new(),
            left: Vec::new(),
        })
    }

    pub(super) fn begin_round(&mut self) -> u32 {
        self.round += 1;
        if self.is_last() && !self.request.tools.is_empty() {
            self.request.tool_choice = Some(ToolChoice::None);
        }
        self.round
    }

    fn is_last(&self) -> bool {
        self.round >= self.workshop.options.max_rounds
    }

    pub(super) async fn ask(&self) -> Result<ChatReply, ModelError> {
        self.within(self.asked.chat(self.request.clone())).await?
    }

    /// The next event to hand on. What may only come once in a conversation is kept back.
    pub(super) async fn next(
        &mut self,
        reply: &mut ChatReply,
    ) -> Result<Option<ChatEvent>, ModelError> {
        while let Some(event) = self.within(reply.try_next()).await?? {
            self.fold.push(event.clone());
            match event {
                ChatEvent::Usage(_) | ChatEvent::Finished { .. } => {}
                ChatEvent::Started(_) if self.round > 1 => {}
                event => return Ok(Some(event)),
            }
        }
        Ok(None)
    }

    /// Understands the answer of this round, and takes it into the conversation.
    pub(super) fn hear(&mut self) -> Result<Next, ModelError> {
        let mut response = std::mem::take(&mut self.fold).finish();
        let usage = std::mem::take(&mut response.usage);
        self.usage = if self.round == 1 { usage } else { sum(self.usage.clone(), usage) };
        self.warnings.append(&mut response.warnings);
        let choice = response.choices.pop().ok_or_else(no_answer)?;
        let logprobs = choice.logprobs.clone();
        let audio = choice.audio.clone();
        let offer = &self.workshop.offer;
        let Heard { message, finish, raw_finish, next } =
            hear(choice, self.round, self.is_last(), offer, &self.requested);
        (self.finish, self.raw_finish) = (finish, raw_finish.clone());
        self.request.messages.push(message.clone());
        response.choices = vec![Choice { message, finish, raw_finish, logprobs, audio }];
        self.response = response;
        self.demand_no_tool();
        Ok(next)
    }

    /// A demand for a tool is fulfilled by the first round.
    fn demand_no_tool(&mut self) {
        match &mut self.request.tool_choice {
            Some(ToolChoice::Allowed { required, .. }) => *required = false,
            Some(choice @ (ToolChoice::Required | ToolChoice::Function(_))) => {
                *choice = ToolChoice::Auto;
            }
            _ => {}
        }
    }

    /// Takes the results of this round into the conversation, in the order of the calls. Where one is the answer, its
    /// parts are.
    pub(super) fn returned(&mut self) -> Option<Vec<Part>> {
        let mut ran = std::mem::take(&mut self.ran);
        ran.sort_unstable_by_key(|ran| ran.at);
        let answer = ran.iter().find(|ran| ran.is_answer).map(|ran| ran.result.parts.clone());
        let results = ran.into_iter().map(|ran| Part::ToolResult(ran.result)).collect();
        self.request.messages.push(Message::new(Role::Tool, results));
        let parts = answer?;
        // Also in the conversation, since some providers take no question right after a result.
        let message = Message::new(Role::Assistant, parts.clone());
        self.request.messages.push(message.clone());
        (self.finish, self.raw_finish) = (FinishReason::Stop, None);
        let choice = Choice {
            message,
            finish: FinishReason::Stop,
            raw_finish: None,
            logprobs: Vec::new(),
            audio: None,
        };
        self.response.choices = vec![choice];
        Some(parts)
    }

    pub(super) fn out_of_rounds(&mut self) -> Warning {
        let rounds = self.workshop.options.max_rounds;
        let warning = Warning {
            code: "tool_rounds".into(),
            param: None,
            message: format!("the model still asked for tools after {rounds} rounds"),
        };
        self.warnings.push(warning.clone());
        warning
    }

    pub(super) fn finished(&self) -> ChatEvent {
        ChatEvent::Finished { choice: 0, reason: self.finish, raw: self.raw_finish.clone() }
    }

    pub(super) fn answer(self) -> ToolAnswer {
        let Self { request, usage, warnings, response, round, left, .. } = self;
        let messages = request.messages.into_iter().skip(self.length_before).collect();
        let response = ChatResponse { usage, warnings, ..response };
        ToolAnswer { response, messages, rounds: round, left }
    }

    pub(super) async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, ModelError> {
        within(self.until, &self.workshop.options, work).await
    }
}

/// The work, unless the time for all rounds is over before.
async fn within<T>(
    until: Option<Instant>,
    options: &ToolOptions,
    work: impl Future<Output = T>,
) -> Result<T, ModelError> {
    let Some(until) = until else { return Ok(work.await) };
    timeout_at(until, work).await.map_err(|_| {
        let message = format!("the rounds with tools took longer than {:?}", options.deadline);
        ModelError::new(ErrorKind::Timeout, Operation::Chat, message).with_retry(Retry::No)
    })
}

pub(super) fn no_answer() -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, "the model ended without an answer")
}
