//! [`DialogService`]: the story of a turn.

use std::sync::Arc;

use async_stream::try_stream;
use futures::Stream;
use futures::future::Either;
use llm_core::EmbeddingModel;

use crate::compose::TokenCount;
use crate::flow::Flow;
use crate::kept_answers::{KeptAnswers, wanted};
use crate::prompt::Prompts;
use crate::speech::spoken;
use crate::{Citer, DialogError, DialogEvent, EvidenceSource, Turn};

/// Answers turns. Cheap to clone; one serves all dialogs.
#[derive(Clone)]
pub struct DialogService {
    pub(crate) evidence: Arc<dyn EvidenceSource>,
    pub(crate) prompts: Prompts,
    pub(crate) count: TokenCount,
    pub(crate) kept: Option<KeptAnswers>,
    pub(crate) embedding: Option<Arc<dyn EmbeddingModel>>,
}

impl DialogService {
    /// A service that finds evidence in `evidence` and counts tokens with `count`.
    pub fn new(evidence: Arc<dyn EvidenceSource>, count: TokenCount) -> Self {
        Self { evidence, prompts: Prompts::new(), count, kept: None, embedding: None }
    }

    /// The same that matches sentences without markers to the evidence by this model, too. It should be one that is near
    /// and costs nothing: it is asked after each such answer.
    pub fn with_matching(mut self, embedding: Arc<dyn EmbeddingModel>) -> Self {
        self.embedding = Some(embedding);
        self
    }

    /// The same that gives answers again which dialogs want kept.
    pub fn with_kept_answers(mut self, kept: KeptAnswers) -> Self {
        self.kept = Some(kept);
        self
    }

    pub(crate) fn count(&self) -> &TokenCount {
        &self.count
    }

    /// The texts that a turn searches for: its question, reworded where it leans on the conversation, with keywords, and
    /// its translations; and what of that did not work. For searching without answering.
    pub async fn searched_texts(&self, turn: Turn) -> (Vec<String>, Vec<String>) {
        let mut flow = Flow::new(self.clone(), turn);
        let question = flow.question().await;
        let query = flow.widen(question).await;
        (query.texts(), flow.warnings)
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

            let limits = flow.limits();
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
            for event in flow.finish(&mut citer, &limits).await {
                yield event;
            }
            for event in Box::pin(flow.afterwards(&query, &citer, &limits)).await {
                yield event;
            }
            yield DialogEvent::Done(flow.done(citer));
        })
    }
}
