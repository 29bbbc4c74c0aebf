//! What a turn is made of: the dialog's settings, the conversation, the model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use llm_bundle::Trail;
use llm_bundle::tools::ToolSet;
use llm_core::{ChatModel, ChatRequest, Message};
use rag_core::{Dataset, DocumentId, MetadataFilter, TurnId};
use rag_retrieve::{Embedders, Reranker};
use tokio_util::sync::CancellationToken;

use crate::{Attachment, KeepAnswers, Prompts, Research, Sources, Speech, Trace};

/// A question to a dialog, with all that is needed to answer it.
#[derive(Clone)]
pub struct Turn {
    /// An id for this turn, unique to the caller.
    pub id: TurnId,
    /// When it was asked: what "today" means in the question.
    pub asked_at: SystemTime,
    /// The conversation, oldest first; the last message is the user's question.
    pub messages: Vec<Message>,
    /// What the question brings along. It is shown to the model, and not searched for.
    pub attachments: Vec<Attachment>,
    /// The model that answers.
    pub model: Arc<dyn ChatModel>,
    /// Model parameters (sampling, limits, tools …). Its messages are replaced, and its model name is kept.
    pub request: ChatRequest,
    /// The dialog's settings.
    pub dialog: Dialog,
    /// What its model calls are told of in: tells what they consumed. `model` must have been made with it, or nothing is
    /// known.
    pub trail: Arc<Trail>,
    /// The models that embed its questions, made with the same trail; `None`: those of the sources.
    pub embedders: Option<Embedders>,
    /// What was done for it is noted here.
    pub trace: Arc<Trace>,
    /// Cancelled to stop the turn: the answer ends where it is, as [`FinishReason::Cancelled`](llm_core::FinishReason);
    /// when there is none yet, the turn fails.
    pub stop: CancellationToken,
}

impl Turn {
    /// The day on which it was asked, in UTC: `Monday, 2026-11-23`.
    pub(crate) fn today(&self) -> String {
        let asked = Timestamp::try_from(self.asked_at).unwrap_or_default();
        asked.to_zoned(TimeZone::UTC).strftime("%A, %Y-%m-%d").to_string()
    }
}

/// How a dialog answers.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// Datasets to search. None, and no other sources, make it a plain chat.
    pub datasets: Vec<Dataset>,
    /// Further sources of evidence, which are asked the same questions; they know nothing of datasets.
    pub sources: Sources,
    /// Only these documents; `None` is no restriction, an empty list finds nothing.
    pub documents: Option<Vec<DocumentId>>,
    /// Only documents whose metadata pass; `None` is no restriction, and when none passes nothing is found.
    pub metadata: Option<MetadataFilter>,
    /// Whether the model makes a filter of the question, which is searched under besides `metadata`.
    pub filtering: Filtering,
    /// The most passages that the model sees.
    pub top: usize,
    /// Weight of the vectors against full text, 0 to 1; `None` takes the one measured for the embedding model.
    pub vector_weight: Option<f32>,
    /// A model that orders the best passages anew; its score then stands in place of theirs.
    pub rerank: Option<Reranker>,
    /// Passages with a lower score (0 to 1) are left out.
    pub threshold: f32,
    /// The operator's own instructions, before ours.
    pub instructions: Option<String>,
    /// Templates of the dialog's own; `None` takes those of the service.
    pub prompts: Option<Prompts>,
    /// Values of the parameters that the template of answers has.
    pub parameters: BTreeMap<String, String>,
    /// What to say when nothing was found; `None` lets the model answer without evidence.
    pub empty_response: Option<String>,
    /// Whether to reword a question that refers to the conversation before it.
    pub rewrite: bool,
    /// Whether to ask the model for keywords of the question, and search for those, too.
    pub keywords: bool,
    /// Languages to search in besides that of the question: the model translates it. Those beyond
    /// [`MOST_LANGUAGES`](Self::MOST_LANGUAGES) are left out.
    pub languages: Vec<String>,
    /// Whether to add sections that the model chooses from the table of contents of the best document, where it has one.
    pub contents: bool,
    /// Whether to add what is said of entities that are related to those that were found.
    pub graph: bool,
    /// How far to dig: the model says what is still missing, which is searched for, too.
    pub research: Option<Research>,
    /// Whether to give questions that may come next.
    pub related: bool,
    /// Whether to give a mind map of the evidence.
    pub mind_map: bool,
    /// Tools that are run when the model asks for them. Those of the turn's request are the caller's to run.
    pub tools: Option<ToolSet>,
    /// Whether answers are kept and given again, where the service keeps any.
    pub keep: Option<KeepAnswers>,
    /// How the answer is spoken while it comes.
    pub speech: Option<Speech>,
    /// How long the whole turn may take. Then the answer ends where it is, with a warning; when there is none yet, the turn
    /// fails. With a limit, the stream must be polled on a tokio runtime with a timer.
    pub deadline: Option<Duration>,
    /// Tokens of the model's context, where its own limit is unknown.
    pub fallback_context: u32,
}

/// Whether the model makes a filter over metadata of the question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Filtering {
    /// It does not.
    #[default]
    Off,
    /// It chooses from all fields that documents have.
    Any,
    /// It chooses from these fields.
    Fields(Vec<String>),
}

impl Dialog {
    /// Whether there is anything to search.
    pub fn searches(&self) -> bool {
        !self.datasets.is_empty() || !self.sources.0.is_empty()
    }

    /// Further [`languages`](Self::languages) are not searched in.
    pub const MOST_LANGUAGES: usize = 8;
}

impl Default for Dialog {
    fn default() -> Self {
        Self {
            datasets: Vec::new(),
            sources: Sources::default(),
            documents: None,
            metadata: None,
            filtering: Filtering::Off,
            top: 8,
            vector_weight: None,
            rerank: None,
            threshold: 0.1,
            instructions: None,
            prompts: None,
            parameters: BTreeMap::new(),
            empty_response: None,
            rewrite: true,
            keywords: false,
            languages: Vec::new(),
            contents: false,
            graph: false,
            research: None,
            related: false,
            mind_map: false,
            keep: None,
            speech: None,
            tools: None,
            deadline: None,
            fallback_context: 8_192,
        }
    }
}
