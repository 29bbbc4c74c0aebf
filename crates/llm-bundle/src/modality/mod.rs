//! [`Modality`]: what the six kinds of model have in common, so that guards and registry are written once.

mod chat;
mod in_one_piece;
mod speech;

use std::sync::Arc;

use futures::future::BoxFuture;
use llm_core::{
    ChatModel, EmbeddingModel, ModelError, ModelInfo, ModelKind, ModelSource, Operation, Reply,
    RerankModel, SpeechModel, TranscriptionModel, Usage, VisionModel, Warning,
};

use crate::cache::{CacheableEvent, CacheableRequest};
use crate::content::Page;
use crate::registry::{Shelf, Shelves};
use crate::tally::Tally;

pub(crate) use chat::text_bytes;

/// A reply of a model.
pub type ModelReply<T> = Reply<T, ModelError>;

/// A model on its way to answer.
pub type Asking<T> = BoxFuture<'static, Result<ModelReply<T>, ModelError>>;

/// A kind of model. Implemented for the trait objects of `llm-core` (`dyn ChatModel` …) and for nothing else.
///
/// An answer is always a reply: a stream of events for chat and speech, one item for the others. So all guards that
/// hold until a stream ends serve every kind. What has a default here is so for all kinds but chat.
pub trait Modality: sealed::Sealed + Send + Sync + 'static {
    /// What is asked.
    type Request: CacheableRequest + Clone + Send + 'static;
    /// What an answer consists of.
    type Event: CacheableEvent;
    /// Which kind this is.
    const KIND: ModelKind;
    /// What a call is called.
    const OPERATION: Operation;

    /// What the model is and can do.
    fn model_info(&self) -> &ModelInfo;

    /// Asks the model.
    fn ask(&self, request: Self::Request) -> Asking<Self::Event>;

    /// Puts the model's name, as its provider says it, into the request.
    fn address(request: &mut Self::Request, model: &str);

    /// Whether the answer comes in one piece, so that its first event is its end.
    fn answers_at_once(_request: &Self::Request) -> bool {
        true
    }

    /// Roughly how many bytes of text the request has.
    fn input_bytes(request: &Self::Request) -> u64;

    /// Adds an event to what is known of the call.
    fn count(event: &Self::Event, tally: &mut Tally);

    /// Writes the texts of a request on a page.
    fn read(request: &Self::Request, page: &mut Page);

    /// The text in an event.
    fn answer_text(_event: &Self::Event) -> Option<&str> {
        None
    }

    /// Whether with this event the answer has begun, so that nothing may be tried again.
    fn commits(_event: &Self::Event) -> bool {
        true
    }

    /// Whether this event ends an answer that the provider's policy cut.
    fn is_filtered(_event: &Self::Event) -> bool {
        false
    }

    /// Whether a model of which this is known can be expected to serve the request. What is unknown is no hindrance.
    fn fits(_request: &Self::Request, _info: &ModelInfo) -> bool {
        true
    }

    /// The most tokens that the request lets the answer have.
    fn output_limit(_request: &Self::Request) -> Option<u64> {
        None
    }

    /// What an event adds to the text of the answer.
    fn spoken(_event: &mut Self::Event) -> Spoken<'_> {
        Spoken::Other
    }

    /// Whether the event only tells that the call was accepted.
    fn is_opening(_event: &Self::Event) -> bool {
        false
    }

    /// The count in an event that has one.
    fn usage_mut(_event: &mut Self::Event) -> Option<&mut Usage> {
        None
    }

    /// The request that lets a model go on with an answer of which this much has been said; `None` where that cannot be.
    fn go_on(_request: &Self::Request, _said: &str) -> Option<Self::Request> {
        None
    }

    /// The event that tells the caller this; `None` where there is none.
    fn notice(_warning: Warning) -> Option<Self::Event> {
        None
    }
}

/// What an event adds to the text of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Spoken<'a> {
    /// Nothing; it tells something about the answer.
    Nothing,
    /// This.
    Text(&'a mut String),
    /// Something else than text.
    Other,
}

/// How the registry finds models of a kind.
pub(crate) trait Registered: Modality {
    fn shelf(shelves: &Shelves) -> &Shelf<Self>;
    fn from_source(source: &dyn ModelSource, model: &str) -> Option<Arc<Self>>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! registered {
    ($($model:ident: $field:ident),*) => {$(
        impl sealed::Sealed for dyn $model {}

        impl Registered for dyn $model {
            fn shelf(shelves: &Shelves) -> &Shelf<Self> {
                &shelves.$field
            }

            fn from_source(source: &dyn ModelSource, model: &str) -> Option<Arc<Self>> {
                source.$field(model)
            }
        }
    )*};
}

registered!(
    ChatModel: chat,
    EmbeddingModel: embedding,
    RerankModel: rerank,
    SpeechModel: speech,
    TranscriptionModel: transcription,
    VisionModel: vision
);
