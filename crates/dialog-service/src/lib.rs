//! The RAG turn as one async generator.
//!
//! [`DialogService::answer`] takes a [`Turn`] and gives a stream of [`DialogEvent`]s: reword the question, retrieve,
//! compose within the context, generate, cite, done. It needs no HTTP and no database; evidence comes from an
//! [`EvidenceSource`], the answer from any [`ChatModel`](llm_core::ChatModel).
//!
//! - Text comes as deltas without citation markers; [`Citation`]s tell which span of the answer rests on which span of
//!   which document.
//! - The stream ends with [`DialogEvent::Done`] or with one `Err`. Dropping it cancels the turn.
//!
//! ```
//! # use std::sync::Arc;
//! # use dialog_service::*;
//! # use futures::{StreamExt, executor::block_on, future::BoxFuture, stream};
//! # use llm_core::*;
//! # struct Scripted(ModelInfo);
//! # impl ChatModel for Scripted {
//! #     fn info(&self) -> &ModelInfo { &self.0 }
//! #     fn chat(&self, _: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
//! #         let events = [ChatEvent::text("At 80 "), ChatEvent::text("degrees [ID:0]."), ChatEvent::finished(FinishReason::Stop)];
//! #         Box::pin(async { Ok(ChatReply::new(stream::iter(events.map(Ok)))) })
//! #     }
//! # }
//! # struct Strings(Vec<Passage>);
//! # impl EvidenceSource for Strings {
//! #     fn find(&self, _: EvidenceRequest) -> BoxFuture<'static, Result<Evidence, DialogError>> {
//! #         let passages = self.0.clone();
//! #         Box::pin(async { Ok(Evidence { passages, ..Evidence::default() }) })
//! #     }
//! # }
//! # let text = "Green tea is made at 80 degrees.";
//! # let passage: Passage = serde_json::from_value(serde_json::json!({
//! #     "document_name": "tea.md", "score": 0.9,
//! #     "chunk": { "id": "c0", "dataset": "d", "document": "tea", "ordinal": 0, "text": text,
//! #                "span": { "start": 0, "end": text.len() }, "headings": [], "places": [], "tokens": 8 },
//! # })).unwrap();
//! # let dataset: rag_core::Dataset = serde_json::from_value(serde_json::json!({
//! #     "id": "d", "tenant": "local", "name": "default", "embedding": { "model": "local/static", "dimensions": 256 },
//! #     "settings": {}, "created_at": 0 })).unwrap();
//! # let model = Arc::new(Scripted(ModelInfo::new(ModelName::new("test", "scripted"), ModelKind::Chat)));
//! # let evidence = Arc::new(Strings(vec![passage]));
//! let service = DialogService::new(evidence, Arc::new(|text| text.len() / 3));
//! let turn = Turn {
//!     id: "turn-1".parse().unwrap(),
//!     asked_at: std::time::SystemTime::now(),
//!     messages: vec![Message::user("How hot must the water be?")],
//!     attachments: Vec::new(),
//!     model,
//!     request: ChatRequest::default(),
//!     dialog: Dialog { datasets: vec![dataset], ..Dialog::default() },
//!     trail: Default::default(),
//!     embedders: None,
//!     trace: Default::default(),
//!     stop: Default::default(),
//! };
//! let events: Vec<_> = block_on(service.answer(turn).collect());
//! let answer: String = events
//!     .iter()
//!     .filter_map(|event| match event {
//!         Ok(DialogEvent::Delta { text }) => Some(text.as_str()),
//!         _ => None,
//!     })
//!     .collect();
//! assert_eq!(answer, "At 80 degrees.");
//! assert!(matches!(&events[4], Ok(DialogEvent::Citation(c)) if c.quote.contains("80 degrees")));
//! ```

mod afterwards;
mod aside;
mod asking;
mod attach;
mod busy;
mod cite;
mod clock;
mod compose;
mod conversations;
mod dig;
mod error;
mod event;
mod evidence;
mod failure;
mod filter;
mod flow;
mod kept_answers;
mod keywords;
mod lead;
mod library;
mod limits;
mod live;
mod meaning;
mod memory;
mod passage;
mod prompt;
mod query;
mod recent;
mod record;
mod rewrite;
mod rows;
mod search;
mod service;
mod speech;
mod spending;
mod trace;
mod translate;
mod turn;

pub use afterwards::MindMap;
pub use attach::{Attachment, AttachmentContent};
pub use cite::{Citation, Citer};
pub use compose::TokenCount;
pub use conversations::{ConversationError, ConversationOptions, Conversations, Follows, WhenBusy};
pub use dig::Research;
pub use error::DialogError;
pub use event::{DialogEvent, Done, Stage};
pub use evidence::{Evidence, EvidenceRequest, EvidenceSource, Leads, Sources, Tables};
pub use failure::TurnFailure;
pub use kept_answers::{KeepAnswers, KeptAnswers};
pub use library::{Library, TablesFor};
pub use live::{LiveTurn, NumberedEvent};
pub use memory::MemoryConversations;
pub use passage::Passage;
pub use prompt::{AnswerPrompt, Prompts};
pub use record::{Recorder, SearchedFor, ToolRun, TurnRecord};
pub use service::DialogService;
pub use speech::{Speak, Speech};
pub use spending::ModelSpending;
pub use trace::{Step, Trace};
pub use turn::{Dialog, Filtering, Turn};
