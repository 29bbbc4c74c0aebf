//! [`TurnRecord`]: what is kept of a turn besides its question and its text.

use std::sync::Arc;

use llm_core::{Annotation, FinishReason, ToolCall, ToolCallDelta, ToolResult};
use rag_core::TurnStatus;
use serde::{Deserialize, Serialize};

use crate::{
    Attachment, Citation, DialogEvent, Done, MindMap, ModelSpending, Passage, Step, Trace,
    TurnFailure,
};

/// What is kept of a turn besides its question and its text: how the answer came about, in JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct TurnRecord {
    /// The model that answered, as `provider/model`.
    pub model: String,
    /// What the question brought along: the beginning of texts, pictures by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// What was searched for, where that was not just the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<SearchedFor>,
    /// The evidence, in the order of the prompt.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Passage>))]
    pub passages: Arc<[Passage]>,
    /// Chunks in the searched datasets.
    pub total: u64,
    /// The model's reasoning.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// Which span of the answer rests on which span of which passage.
    pub citations: Vec<Citation>,
    /// Sources that the model's provider named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
    /// Tools that the model asked for, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolCallDelta>,
    /// Tools of the dialog that were run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ran: Vec<ToolRun>,
    /// Questions that may come next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<String>,
    /// A mind map of the evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mind_map: Option<MindMap>,
    /// What went not quite as asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What all its model calls consumed, by model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<ModelSpending>,
    /// What was done on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<Step>,
    /// How it ended, if it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<Done>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<TurnFailure>,
}

/// A tool that was run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolRun {
    /// What the model asked for.
    pub call: ToolCall,
    /// What it was told; nothing when the turn ended before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ToolResult>,
    /// How long the tool took.
    #[serde(default)]
    pub seconds: f64,
}

/// Bytes of an attachment's text that are kept.
const KEPT: usize = 64 << 10;

/// What was searched for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchedFor {
    /// The question, reworded to stand alone.
    pub text: String,
    /// The same in other languages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub translations: Vec<String>,
    /// Words that were searched for with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Only documents whose metadata pass this, which the model made of the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

/// Gathers a turn's events into what is kept of it.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    answer: String,
    record: TurnRecord,
}

impl Recorder {
    /// Of a turn that begins, with what its question brings along.
    pub fn new(attachments: &[Attachment]) -> Self {
        let attachments = attachments.iter().map(|attachment| attachment.kept(KEPT)).collect();
        let record = TurnRecord { attachments, ..TurnRecord::default() };
        Self { record, ..Self::default() }
    }

    /// Takes the next event.
    pub fn take(&mut self, event: &Result<DialogEvent, TurnFailure>) {
        let record = &mut self.record;
        match event {
            Ok(DialogEvent::Started { model, .. }) => record.model.clone_from(model),
            Ok(DialogEvent::Question { text, translations, keywords, filter }) => {
                record.query = Some(SearchedFor {
                    text: text.clone(),
                    translations: translations.clone(),
                    keywords: keywords.clone(),
                    filter: filter.clone(),
                });
            }
            Ok(DialogEvent::Retrieved { passages, total }) => {
                record.passages = passages.clone();
                record.total = *total;
            }
            Ok(DialogEvent::Reasoning(delta)) => record.reasoning.push_str(&delta.text),
            Ok(DialogEvent::Delta { text }) => self.answer.push_str(text),
            Ok(DialogEvent::Citation(citation)) => record.citations.push(citation.clone()),
            Ok(DialogEvent::Annotation(annotation)) => record.annotations.push(annotation.clone()),
            Ok(DialogEvent::Tool(delta)) => record.tools.push(delta.clone()),
            Ok(DialogEvent::ToolCalled { call }) => {
                record.ran.push(ToolRun { call: call.clone(), ..ToolRun::default() });
            }
            Ok(DialogEvent::ToolReturned { result, seconds }) => {
                let is_its = |run: &&mut ToolRun| run.call.id == result.call_id;
                if let Some(run) = record.ran.iter_mut().rev().find(is_its) {
                    (run.result, run.seconds) = (Some(result.clone()), *seconds);
                }
            }
            Ok(DialogEvent::Audio { .. }) => {}
            Ok(DialogEvent::Related { questions }) => record.related.clone_from(questions),
            Ok(DialogEvent::MindMap { root }) => record.mind_map = Some(root.clone()),
            Ok(DialogEvent::Warning { message }) => record.warnings.push(message.clone()),
            Ok(DialogEvent::Done(done)) => {
                record.spent.clone_from(&done.spent);
                record.done = Some(Done { spent: Vec::new(), ..done.clone() });
            }
            Err(failure) => record.failure = Some(failure.clone()),
        }
    }

    /// The text of the answer so far.
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// What there is to keep besides it.
    pub fn record(&self) -> &TurnRecord {
        &self.record
    }

    /// Takes what the model calls of a turn consumed that has no last event to say so.
    pub(crate) fn spend(&mut self, spent: Vec<ModelSpending>) {
        self.record.spent = spent;
    }

    /// Takes what was done on the way.
    pub fn trace(&mut self, trace: &Trace) {
        self.record.trace = trace.steps();
    }

    /// How far the turn came, and whether it was ended before its time.
    pub(crate) fn status(&self, stopped: TurnStatus) -> TurnStatus {
        let is_stopped = |failure: &TurnFailure| failure.code == "stopped";
        match (&self.record.done, &self.record.failure) {
            (Some(done), _) if done.finish == FinishReason::Cancelled => stopped,
            (Some(_), _) => TurnStatus::Complete,
            (None, Some(failure)) if is_stopped(failure) => stopped,
            (None, Some(_)) => TurnStatus::Failed,
            (None, None) => TurnStatus::Running,
        }
    }
}
