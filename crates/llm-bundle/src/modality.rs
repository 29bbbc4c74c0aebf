//! [`Modality`]: what the six kinds of model have in common, so that guards and registry are written once.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use llm_core::{
    ChatEvent, ChatModel, ChatRequest, Description, EmbeddingModel, EmbeddingRequest,
    EmbeddingResponse, FinishReason, Message, ModelError, ModelInfo, ModelKind, ModelSource,
    Operation, Part, Reply, RerankModel, RerankRequest, RerankResponse, Role, SpeechModel,
    SpeechRequest, Transcript, TranscriptionModel, TranscriptionRequest, Usage, VisionModel,
    VisionRequest, Warning,
};

use crate::cache::{CacheableEvent, CacheableRequest};
use crate::content::Page;
use crate::registry::{Shelf, Shelves};
use crate::requirements;
use crate::tally::Tally;

/// A reply of a model.
pub type ModelReply<T> = Reply<T, ModelError>;

/// A model on its way to answer.
pub type Asking<T> = BoxFuture<'static, Result<ModelReply<T>, ModelError>>;

/// A kind of model. Implemented for the trait objects of `llm-core` (`dyn ChatModel` …) and for nothing else.
///
/// An answer is always a reply: a stream of events for chat and speech, one item for the others. So all guards that
/// hold until a stream ends serve every kind.
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
    fn answers_at_once(request: &Self::Request) -> bool;

    /// Roughly how many bytes of text the request has.
    fn input_bytes(request: &Self::Request) -> u64;

    /// Adds an event to what is known of the call.
    fn count(event: &Self::Event, tally: &mut Tally);

    /// Whether with this event the answer has begun, so that nothing may be tried again.
    fn commits(event: &Self::Event) -> bool;

    /// Whether this event ends an answer that the provider's policy cut.
    fn is_filtered(event: &Self::Event) -> bool;

    /// Whether a model of which this is known can be expected to serve the request. What is unknown is no hindrance.
    fn fits(request: &Self::Request, info: &ModelInfo) -> bool;

    /// Writes the texts of a request on a page.
    fn read(request: &Self::Request, page: &mut Page);

    /// Writes the text of an event on a page.
    fn read_answer(event: &Self::Event, page: &mut Page);

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

macro_rules! modality {
    (
        $model:ident $kind:ident $operation:ident $field:ident
        $request:ident -> $event:ident
        ask: $ask:expr,
        answers_at_once: $at_once:expr,
        input_bytes: $input_bytes:expr,
        count: $count:expr,
        commits: $commits:expr,
        is_filtered: $is_filtered:expr,
        fits: $fits:expr,
        read: $read:expr,
        read_answer: $read_answer:expr,
        $($more:item)*
    ) => {
        impl sealed::Sealed for dyn $model {}

        impl Modality for dyn $model {
            type Request = $request;
            type Event = $event;
            const KIND: ModelKind = ModelKind::$kind;
            const OPERATION: Operation = Operation::$operation;

            fn model_info(&self) -> &ModelInfo {
                self.info()
            }

            fn ask(&self, request: $request) -> Asking<$event> {
                let ask: fn(&Self, $request) -> Asking<$event> = $ask;
                ask(self, request)
            }

            fn address(request: &mut $request, model: &str) {
                request.model.clear();
                request.model.push_str(model);
            }

            fn answers_at_once(request: &$request) -> bool {
                let at_once: fn(&$request) -> bool = $at_once;
                at_once(request)
            }

            fn input_bytes(request: &$request) -> u64 {
                let input_bytes: fn(&$request) -> usize = $input_bytes;
                input_bytes(request) as u64
            }

            fn count(event: &$event, tally: &mut Tally) {
                let count: fn(&$event, &mut Tally) = $count;
                count(event, tally)
            }

            fn commits(event: &$event) -> bool {
                let commits: fn(&$event) -> bool = $commits;
                commits(event)
            }

            fn is_filtered(event: &$event) -> bool {
                let is_filtered: fn(&$event) -> bool = $is_filtered;
                is_filtered(event)
            }

            fn fits(request: &$request, info: &ModelInfo) -> bool {
                let fits: fn(&$request, &ModelInfo) -> bool = $fits;
                fits(request, info)
            }

            fn read(request: &$request, page: &mut Page) {
                let read: fn(&$request, &mut Page) = $read;
                read(request, page)
            }

            fn read_answer(event: &$event, page: &mut Page) {
                let read: fn(&$event) -> Option<&str> = $read_answer;
                if let Some(text) = read(event) {
                    page.add("assistant", text, true);
                }
            }

            $($more)*
        }

        impl Registered for dyn $model {
            fn shelf(shelves: &Shelves) -> &Shelf<Self> {
                &shelves.$field
            }

            fn from_source(source: &dyn ModelSource, model: &str) -> Option<Arc<Self>> {
                source.$field(model)
            }
        }
    };
}

modality! {
    ChatModel Chat Chat chat
    ChatRequest -> ChatEvent
    ask: |model, request| model.chat(request),
    answers_at_once: |request| !request.stream,
    input_bytes: |request| {
        request.messages.iter().flat_map(|message| &message.parts).map(text_bytes).sum()
    },
    count: |event, tally| tally.chat(event),
    commits: |event| {
        !matches!(event, ChatEvent::Started(_) | ChatEvent::Warning(_) | ChatEvent::Usage(_))
    },
    is_filtered: |event| {
        matches!(event, ChatEvent::Finished { reason: FinishReason::ContentFilter, .. })
    },
    fits: requirements::are_met,
    read: read_messages,
    read_answer: |event| match event {
        ChatEvent::Text { text, .. } | ChatEvent::Refusal { text, .. } => Some(text),
        _ => None,
    },

    fn output_limit(request: &ChatRequest) -> Option<u64> {
        let answers = u64::from(request.n.unwrap_or(1).max(1));
        request.max_output_tokens.map(|most| u64::from(most) * answers)
    }

    fn spoken(event: &mut ChatEvent) -> Spoken<'_> {
        match event {
            ChatEvent::Text { choice: 0, text, signature: None } => Spoken::Text(text),
            ChatEvent::Started(_)
            | ChatEvent::Warning(_)
            | ChatEvent::Usage(_)
            | ChatEvent::Finished { .. } => Spoken::Nothing,
            // Reasoning that led to the text so far is not needed to go on with it.
            ChatEvent::Reasoning(delta) if delta.choice == 0 => Spoken::Nothing,
            _ => Spoken::Other,
        }
    }

    fn is_opening(event: &ChatEvent) -> bool {
        matches!(event, ChatEvent::Started(_))
    }

    fn usage_mut(event: &mut ChatEvent) -> Option<&mut Usage> {
        match event {
            ChatEvent::Usage(usage) => Some(usage),
            _ => None,
        }
    }

    fn go_on(request: &ChatRequest, said: &str) -> Option<ChatRequest> {
        let mut request = request.clone();
        let said = said.trim_end();
        if !said.is_empty() {
            request.messages.push(Message::assistant(said));
        }
        Some(request)
    }

    fn notice(warning: Warning) -> Option<ChatEvent> {
        Some(ChatEvent::Warning(warning))
    }
}

modality! {
    EmbeddingModel Embedding Embed embedding
    EmbeddingRequest -> EmbeddingResponse
    ask: |model, request| one(model.embed(request)),
    answers_at_once: |_| true,
    input_bytes: |request| request.inputs.iter().map(String::len).sum(),
    count: |response, tally| tally.whole(&response.usage, 0),
    commits: |_| true,
    is_filtered: |_| false,
    fits: |_, _| true,
    read: |request, page| request.inputs.iter().for_each(|input| page.add("user", input, false)),
    read_answer: |_| None,
}

modality! {
    RerankModel Rerank Rerank rerank
    RerankRequest -> RerankResponse
    ask: |model, request| {
        let (scores, answer) = (model.info().scores, model.rerank(request));
        one(Box::pin(async move {
            let response = answer.await?;
            Ok(RerankResponse { scores: response.scores.or(scores), ..response })
        }))
    },
    answers_at_once: |_| true,
    input_bytes: |request| {
        request.query.len() + request.documents.iter().map(String::len).sum::<usize>()
    },
    count: |response, tally| tally.whole(&response.usage, 0),
    commits: |_| true,
    is_filtered: |_| false,
    fits: |_, _| true,
    read: |request, page| {
        let documents = request.documents.iter();
        [&request.query].into_iter().chain(documents).for_each(|text| page.add("user", text, false));
    },
    read_answer: |_| None,
}

modality! {
    SpeechModel Speech Speak speech
    SpeechRequest -> Bytes
    ask: |model, request| model.speak(request),
    answers_at_once: |_| false,
    input_bytes: |request| request.input.len(),
    count: |_, _| {},
    commits: |_| true,
    is_filtered: |_| false,
    fits: |_, _| true,
    read: |request, page| page.add("user", &request.input, false),
    read_answer: |_| None,
}

modality! {
    TranscriptionModel Transcription Transcribe transcription
    TranscriptionRequest -> Transcript
    ask: |model, request| one(model.transcribe(request)),
    answers_at_once: |_| true,
    input_bytes: |_| 0,
    count: |transcript, tally| tally.whole(&transcript.usage, transcript.text.len()),
    commits: |_| true,
    is_filtered: |_| false,
    fits: |_, _| true,
    read: |_, _| {},
    read_answer: |transcript| Some(&transcript.text),
}

modality! {
    VisionModel Vision Describe vision
    VisionRequest -> Description
    ask: |model, request| one(model.describe(request)),
    answers_at_once: |_| true,
    input_bytes: |request| request.prompt.as_ref().map_or(0, String::len),
    count: |description, tally| tally.whole(&description.usage, description.text.len()),
    commits: |_| true,
    is_filtered: |_| false,
    fits: |_, _| true,
    read: |request, page| page.add("user", request.prompt.as_deref().unwrap_or_default(), false),
    read_answer: |description| Some(&description.text),
}

/// A whole answer as a reply of one item.
fn one<T: Send + 'static>(answer: BoxFuture<'static, Result<T, ModelError>>) -> Asking<T> {
    Box::pin(async move { Ok(Reply::one(answer.await?)) })
}

pub(crate) fn text_bytes(part: &Part) -> usize {
    match part {
        Part::Text(part) | Part::Refusal(part) => part.text.len(),
        Part::Reasoning(block) => block.text.len(),
        Part::ToolCall(call) => call.arguments.len(),
        Part::ToolResult(result) => result.parts.iter().map(text_bytes).sum(),
        _ => 0,
    }
}

fn read_messages(request: &ChatRequest, page: &mut Page) {
    for message in &request.messages {
        let role = match message.role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            _ => "tool",
        };
        for part in &message.parts {
            read_part(part, role, page);
        }
    }
}

fn read_part(part: &Part, role: &'static str, page: &mut Page) {
    match part {
        Part::Text(part) | Part::Refusal(part) => page.add(role, &part.text, false),
        Part::ToolCall(call) => page.add(role, &call.arguments, false),
        Part::ToolResult(result) => {
            result.parts.iter().for_each(|part| read_part(part, role, page));
        }
        _ => {}
    }
}
