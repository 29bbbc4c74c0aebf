//! What turns are played on: a model that answers by script, a shelf of passages.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use dialog_service::{
    ConversationError, ConversationOptions, Conversations, Dialog, DialogError, DialogEvent,
    DialogService, Evidence, EvidenceRequest, EvidenceSource, Follows, LiveTurn,
    MemoryConversations, NumberedEvent, Passage, Turn,
};
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use llm_bundle::SyncPool;
use llm_bundle::tools::ToolSet;
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, ErrorKind, FinishReason, Hold, Message,
    ModelError, ModelInfo, ModelKind, ModelName, Operation, Part, Tool, ToolCallDelta, ToolError,
    ToolHandler, ToolInput, ToolOutput,
};
use rag_core::{ConversationStore, Dataset, FieldValue, KnownField, SavedTurn, Session, TenantId};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Answers each call with the next script; remembers what it was asked.
pub(crate) struct Scripted {
    info: ModelInfo,
    scripts: Mutex<Vec<Script>>,
    pub(crate) asked: Mutex<Vec<ChatRequest>>,
    pub(crate) live: Arc<AtomicUsize>,
}

/// A head that fails, or events. A timeout, as either, stands for a model that says nothing more.
pub(crate) type Script = Result<Vec<Result<ChatEvent, ErrorKind>>, ErrorKind>;

struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn failure(kind: ErrorKind) -> ModelError {
    ModelError::new(kind, Operation::Chat, "scripted").at("test", "scripted")
}

impl ChatModel for Scripted {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        self.asked.lock().unwrap().push(request);
        let script = self.scripts.lock().unwrap().remove(0);
        self.live.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(self.live.clone());
        Box::pin(async move {
            if matches!(script, Err(ErrorKind::Timeout)) {
                let _alive = alive;
                return std::future::pending().await;
            }
            let events = script.map_err(failure)?;
            let silent = matches!(events.last(), Some(Err(ErrorKind::Timeout)));
            let events = events.into_iter().filter(|event| *event != Err(ErrorKind::Timeout));
            let events = stream::iter(events.map(|event| event.map_err(failure)));
            let rest = stream::pending().take(if silent { usize::MAX } else { 0 });
            Ok(ChatReply::new(events.chain(rest)).hold(alive))
        })
    }
}

/// Finds the same passages for every question, or never comes back; remembers the questions.
pub(crate) struct Shelf {
    passages: Vec<Passage>,
    pub(crate) is_stuck: AtomicBool,
    pub(crate) questions: Mutex<Vec<String>>,
    /// The filter of each search, if any.
    pub(crate) filters: Mutex<Vec<Option<String>>>,
    /// Whether nothing passes any filter.
    pub(crate) is_strict: AtomicBool,
}

impl EvidenceSource for Shelf {
    fn find(&self, request: EvidenceRequest) -> BoxFuture<'static, Result<Evidence, DialogError>> {
        self.questions.lock().unwrap().push(request.question);
        let filter = request.metadata.map(|filter| filter.to_string());
        let nothing = filter.is_some() && self.is_strict.load(Ordering::SeqCst);
        self.filters.lock().unwrap().push(filter);
        if self.is_stuck.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        let passages = if nothing { Vec::new() } else { self.passages.clone() };
        Box::pin(async { Ok(Evidence { passages, total: 9, warnings: Vec::new() }) })
    }

    fn fields(&self, _: Vec<Dataset>) -> BoxFuture<'static, Result<Vec<KnownField>, DialogError>> {
        let value = |value: &str| FieldValue { value: value.into(), documents: 1 };
        let field = KnownField {
            name: "year".into(),
            documents: 2,
            distinct: 2,
            values: vec![value("2024"), value("2025")],
        };
        Box::pin(async { Ok(vec![field]) })
    }
}

/// A tool that tells the weather, or never comes back.
pub(crate) struct Weather {
    tool: Tool,
    is_stuck: bool,
    live: Arc<AtomicUsize>,
}

impl ToolHandler for Weather {
    fn tool(&self) -> &Tool {
        &self.tool
    }

    fn call(&self, _: ToolInput) -> BoxFuture<'static, Result<ToolOutput, ToolError>> {
        self.live.fetch_add(1, Ordering::SeqCst);
        let (alive, is_stuck) = (Alive(self.live.clone()), self.is_stuck);
        Box::pin(async move {
            let _alive = alive;
            if is_stuck {
                return std::future::pending().await;
            }
            Ok(ToolOutput::text("rain"))
        })
    }
}

fn passage(number: usize, text: &str) -> Passage {
    serde_json::from_value(json!({
        "document_name": format!("{number}.md"), "score": 0.9,
        "chunk": {
            "id": format!("c{number}"), "dataset": "d", "document": format!("doc{number}"), "ordinal": 0,
            "text": text, "span": { "start": 0, "end": text.len() }, "headings": [], "places": [], "tokens": text.len() / 3,
        },
    }))
    .unwrap()
}

pub(crate) struct Stage {
    pub(crate) service: DialogService,
    pub(crate) model: Arc<Scripted>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) dialog: Dialog,
}

impl Stage {
    pub(crate) fn new(passages: &[&str], scripts: Vec<Script>) -> Self {
        let passages = passages.iter().enumerate().map(|(number, text)| passage(number, text));
        let shelf = Arc::new(Shelf {
            passages: passages.collect(),
            is_stuck: AtomicBool::new(false),
            questions: Mutex::default(),
            filters: Mutex::default(),
            is_strict: AtomicBool::new(false),
        });
        let model = Arc::new(Scripted {
            info: ModelInfo::new(ModelName::new("test", "scripted"), ModelKind::Chat),
            scripts: Mutex::new(scripts),
            asked: Mutex::default(),
            live: Arc::default(),
        });
        let dataset = serde_json::from_value(json!({
            "id": "d", "tenant": "local", "name": "default", "created_at": 0, "settings": {},
            "embedding": { "model": "local/static", "dimensions": 256 },
        }))
        .unwrap();
        let dialog = Dialog { datasets: vec![dataset], ..Dialog::default() };
        let service = DialogService::new(shelf.clone(), Arc::new(|text| text.len() / 3));
        Self { service, model, shelf, dialog }
    }

    pub(crate) fn turn(&self, messages: Vec<Message>) -> Turn {
        Turn {
            id: "t".parse().unwrap(),
            asked_at: UNIX_EPOCH,
            messages,
            attachments: Vec::new(),
            model: self.model.clone(),
            request: ChatRequest::default(),
            dialog: self.dialog.clone(),
            trail: Arc::default(),
            embedders: None,
            trace: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    /// The same whose dialog can tell the weather, or gets stuck when it tries.
    pub(crate) fn with_weather(mut self, is_stuck: bool) -> Self {
        let tool = Tool::function("weather", "Tells the weather.", json!({ "type": "object" }));
        let weather = Weather { tool, is_stuck, live: self.model.live.clone() };
        let tools = ToolSet::builder().tool(Arc::new(weather)).build().unwrap();
        self.dialog.tools = Some(tools);
        self
    }

    /// The events of a turn, one line each.
    pub(crate) async fn play(&self, messages: Vec<Message>) -> Vec<String> {
        let events: Vec<_> = self.service.answer(self.turn(messages)).collect().await;
        assert_eq!(self.model.live.load(Ordering::SeqCst), 0, "no call outlives its turn");
        events.iter().map(line).collect()
    }

    /// Conversations on this stage, kept in memory, with one session.
    pub(crate) fn conversations(&self, options: ConversationOptions) -> Talk {
        let store = Arc::new(MemoryConversations::new());
        store.create_session(&session("s")).unwrap();
        let threads = SyncPool::builder().name("store").threads(1).build().unwrap();
        let conversations =
            Conversations::new(self.service.clone(), store.clone(), threads.clone(), options);
        Talk { conversations, store, threads }
    }
}

/// Conversations, and where they are kept.
pub(crate) struct Talk {
    pub(crate) conversations: Conversations,
    pub(crate) store: Arc<MemoryConversations>,
    pub(crate) threads: SyncPool,
}

impl Talk {
    /// Begins a turn in the session `s`.
    pub(crate) async fn begin(
        &self,
        stage: &Stage,
        id: &str,
        follows: Follows,
    ) -> Result<Arc<LiveTurn>, ConversationError> {
        let mut turn = stage.turn(question(&format!("{id}?")));
        turn.id = id.parse().unwrap();
        let session = session("s").id;
        self.conversations.begin(TenantId::local(), session, follows, turn).await
    }

    /// What is kept of a turn.
    pub(crate) fn kept(&self, id: &str) -> SavedTurn {
        self.store.turn(&TenantId::local(), &id.parse().unwrap()).unwrap().unwrap()
    }
}

/// A session that has no turn yet.
pub(crate) fn session(id: &str) -> Session {
    Session {
        id: id.parse().unwrap(),
        tenant: TenantId::local(),
        dialog: "default".into(),
        title: String::new(),
        created_at: 0,
        updated_at: 0,
    }
}

/// A turn's events after the one of this number, to its end, one line each.
pub(crate) async fn lines(turn: &Arc<LiveTurn>, after: u64) -> Vec<String> {
    let events: Vec<_> = turn.events(after).collect().await;
    let ids: Vec<u64> = events.iter().map(|event| event.id).collect();
    let expected: Vec<u64> = (1..=events.len() as u64).map(|place| after + place).collect();
    assert_eq!(ids, expected, "numbered without gaps");
    events.iter().map(|event| numbered_line(event)).collect()
}

pub(crate) fn numbered_line(event: &NumberedEvent) -> String {
    match &event.event {
        Ok(event) => line(&Ok(event.clone())),
        Err(failure) => format!("error {}", failure.code),
    }
}

pub(crate) fn line(event: &Result<DialogEvent, DialogError>) -> String {
    match event {
        Ok(DialogEvent::Started { model, .. }) => format!("started {model}"),
        Ok(DialogEvent::Question { text, translations, keywords, filter }) => {
            let filter = filter.iter().cloned().collect();
            let also = [translations.clone(), keywords.clone(), filter].concat();
            [&[format!("question {text}")][..], &also].concat().join(" | ")
        }
        Ok(DialogEvent::Retrieved { passages, total }) => {
            format!("retrieved {} of {total}", passages.len())
        }
        Ok(DialogEvent::ToolCalled { call }) => format!("called {} {}", call.name, call.arguments),
        Ok(DialogEvent::ToolReturned { result, .. }) => {
            let texts = result.parts.iter().filter_map(|part| match part {
                Part::Text(part) => Some(part.text.as_str()),
                _ => None,
            });
            format!("returned {}", texts.collect::<String>())
        }
        Ok(DialogEvent::Audio { number, text, data }) => {
            format!("audio {number} {}: {text}", String::from_utf8_lossy(data))
        }
        Ok(DialogEvent::Related { questions }) => format!("related {}", questions.join(" | ")),
        Ok(DialogEvent::MindMap { root }) => {
            let parts: Vec<_> = root.parts.iter().map(|part| part.text.as_str()).collect();
            format!("mind map {}: {}", root.text, parts.join(" "))
        }
        Ok(DialogEvent::Reasoning(delta)) => format!("reasoning {}", delta.text),
        Ok(DialogEvent::Delta { text }) => format!("delta {text}"),
        Ok(DialogEvent::Citation(citation)) => {
            format!("citation {} {:?} {:?}", citation.passage, citation.answer, citation.quote)
        }
        Ok(DialogEvent::Warning { message }) => format!("warning {message}"),
        Ok(DialogEvent::Done(done)) => {
            format!(
                "done {:?} cited {:?} dropped {}",
                done.finish, done.cited, done.dropped_citations
            )
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("error {error}"),
    }
}

pub(crate) fn says(texts: &[&str]) -> Script {
    let mut events: Vec<_> = texts.iter().map(|text| Ok(ChatEvent::text(*text))).collect();
    events.push(Ok(ChatEvent::finished(FinishReason::Stop)));
    Ok(events)
}

/// Asks for the weather.
pub(crate) fn calls_a_tool() -> Script {
    let call = ToolCallDelta {
        index: 0,
        id: Some("call-1".into()),
        name: Some("weather".into()),
        arguments: "{}".into(),
        ..ToolCallDelta::default()
    };
    Ok(vec![Ok(ChatEvent::ToolCall(call)), Ok(ChatEvent::finished(FinishReason::ToolCalls))])
}

/// Says this, and then nothing more.
pub(crate) fn goes_silent(texts: &[&str]) -> Script {
    let mut script = says(texts)?;
    script.pop();
    script.push(Err(ErrorKind::Timeout));
    Ok(script)
}

pub(crate) fn question(text: &str) -> Vec<Message> {
    vec![Message::user(text)]
}
