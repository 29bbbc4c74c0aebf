//! Whole turns, as a caller sees them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use dialog_service::{
    Dialog, DialogError, DialogEvent, DialogService, Evidence, EvidenceRequest, EvidenceSource,
    Passage, Turn,
};
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, ErrorKind, FinishReason, Hold, Message,
    ModelError, ModelInfo, ModelKind, ModelName, Operation, ReasoningDelta,
};
use serde_json::json;

/// Answers each call with the next script; remembers what it was asked.
struct Scripted {
    info: ModelInfo,
    scripts: Mutex<Vec<Script>>,
    asked: Mutex<Vec<ChatRequest>>,
    live: Arc<AtomicUsize>,
}

/// A head that fails, or events. A timeout stands for a model that says nothing more.
type Script = Result<Vec<Result<ChatEvent, ErrorKind>>, ErrorKind>;

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
            let events = script.map_err(failure)?;
            let silent = matches!(events.last(), Some(Err(ErrorKind::Timeout)));
            let events = events.into_iter().filter(|event| *event != Err(ErrorKind::Timeout));
            let events = stream::iter(events.map(|event| event.map_err(failure)));
            let rest = stream::pending().take(if silent { usize::MAX } else { 0 });
            Ok(ChatReply::new(events.chain(rest)).hold(alive))
        })
    }
}

/// Finds the same passages for every question; remembers the questions.
struct Shelf(Vec<Passage>, Mutex<Vec<String>>);

impl EvidenceSource for Shelf {
    fn find(&self, request: EvidenceRequest) -> BoxFuture<'static, Result<Evidence, DialogError>> {
        self.1.lock().unwrap().push(request.question);
        let evidence = Evidence { passages: self.0.clone(), total: 9, warnings: Vec::new() };
        Box::pin(async { Ok(evidence) })
    }
}

fn passage(number: usize, text: &str) -> Passage {
    serde_json::from_value(json!({
        "document_name": format!("{number}.md"), "score": 0.9,
        "chunk": {
            "id": format!("c{number}"), "dataset": "d", "document": format!("doc{number}"), "ordinal": 0,
            "text": text, "span": { "start": 0, "end": text.len() }, "headings": [], "places": [], "tokens": 9,
        },
    }))
    .unwrap()
}

struct Stage {
    service: DialogService,
    model: Arc<Scripted>,
    shelf: Arc<Shelf>,
    dialog: Dialog,
}

impl Stage {
    fn new(passages: &[&str], scripts: Vec<Script>) -> Self {
        let shelf = Arc::new(Shelf(
            passages.iter().enumerate().map(|(number, text)| passage(number, text)).collect(),
            Mutex::default(),
        ));
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

    fn turn(&self, messages: Vec<Message>) -> Turn {
        Turn {
            id: "t".into(),
            asked_at: UNIX_EPOCH,
            messages,
            model: self.model.clone(),
            request: ChatRequest::default(),
            dialog: self.dialog.clone(),
        }
    }

    /// The events of a turn, one line each.
    async fn play(&self, messages: Vec<Message>) -> Vec<String> {
        let events: Vec<_> = self.service.answer(self.turn(messages)).collect().await;
        assert_eq!(self.model.live.load(Ordering::SeqCst), 0, "no call outlives its turn");
        events.iter().map(line).collect()
    }
}

fn line(event: &Result<DialogEvent, DialogError>) -> String {
    match event {
        Ok(DialogEvent::Started { model, .. }) => format!("started {model}"),
        Ok(DialogEvent::Question { text, translations, keywords }) => {
            let also = [&translations[..], keywords].concat();
            [&[format!("question {text}")][..], &also].concat().join(" | ")
        }
        Ok(DialogEvent::Retrieved { passages, total }) => {
            format!("retrieved {} of {total}", passages.len())
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

fn says(texts: &[&str]) -> Script {
    let mut events: Vec<_> = texts.iter().map(|text| Ok(ChatEvent::text(*text))).collect();
    events.push(Ok(ChatEvent::finished(FinishReason::Stop)));
    Ok(events)
}

/// Says this, and then nothing more.
fn goes_silent(texts: &[&str]) -> Script {
    let mut script = says(texts)?;
    script.pop();
    script.push(Err(ErrorKind::Timeout));
    Ok(script)
}

fn question(text: &str) -> Vec<Message> {
    vec![Message::user(text)]
}

#[tokio::test]
async fn an_answer_with_citations() {
    let script = Ok(vec![
        Ok(ChatEvent::Reasoning(ReasoningDelta::text("hm"))),
        Ok(ChatEvent::text("It is 80 degrees [I")),
        Ok(ChatEvent::text("D:1][ID:7].")),
        Ok(ChatEvent::finished(FinishReason::Stop)),
    ]);
    let stage = Stage::new(&["Coffee.", "Tea needs 80 degrees."], vec![script]);
    assert_eq!(
        stage.play(question("How hot?")).await,
        [
            "started test/scripted",
            "retrieved 2 of 9",
            "reasoning hm",
            "delta It is 80 degrees",
            "citation 1 0..16 \"Tea needs 80 degrees.\"",
            "delta .",
            "done Stop cited [1] dropped 1",
        ]
    );
    let asked = stage.model.asked.lock().unwrap();
    assert!(asked[0].messages[0].text().contains("<evidence id=\"1\" title=\"1.md\">"));
    assert_eq!(asked[0].messages[1].text(), "How hot?");
}

#[tokio::test]
async fn nothing_found_is_said_by_the_operator_or_by_the_model() {
    let mut stage = Stage::new(&[], vec![says(&["The documents do not say [ID:0]."])]);
    assert_eq!(
        stage.play(question("Why?")).await[1..],
        [
            "retrieved 0 of 9",
            "delta The documents do not say",
            "delta .",
            "done Stop cited [] dropped 1"
        ]
    );
    stage.dialog.empty_response = Some("Sorry.".into());
    assert_eq!(
        stage.play(question("Why?")).await[1..],
        ["retrieved 0 of 9", "delta Sorry.", "done Stop cited [] dropped 0"]
    );
}

#[tokio::test]
async fn a_plain_chat_searches_nothing_and_cites_nothing() {
    let mut stage = Stage::new(&["Tea."], vec![says(&["a [ID:0]", " b"])]);
    stage.dialog.datasets.clear();
    assert_eq!(
        stage.play(question("Hi")).await[1..],
        ["delta a [ID:0]", "delta  b", "done Stop cited [] dropped 0"]
    );
    assert!(stage.shelf.1.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_failure_comes_once_and_last() {
    for (script, expected) in [
        (Err(ErrorKind::Quota), &["error the model could not answer"][..]),
        (
            Ok(vec![Ok(ChatEvent::text("Tea")), Err(ErrorKind::Connection)]),
            &["delta Tea", "error the model could not answer"],
        ),
    ] {
        let stage = Stage::new(&["Tea."], vec![script]);
        assert_eq!(stage.play(question("Why?")).await[2..], *expected);
    }
    let stage = Stage::new(&["Tea."], vec![]);
    for messages in [vec![], question("  "), vec![Message::assistant("Me?")]] {
        let lines = stage.play(messages).await;
        assert!(lines[0].starts_with("error the turn cannot be answered"), "{lines:?}");
    }
}

#[tokio::test]
async fn a_question_that_leans_on_the_conversation_is_reworded() {
    let conversation = || {
        vec![
            Message::user("What is tea?"),
            Message::assistant("A drink."),
            Message::user("How hot?"),
        ]
    };
    let stage = Stage::new(&["Tea."], vec![says(&["How hot is tea?"]), says(&["Hot."])]);
    assert_eq!(stage.play(conversation()).await[1], "question How hot is tea?");
    assert_eq!(*stage.shelf.1.lock().unwrap(), ["How hot is tea?"]);
    let asked = stage.model.asked.lock().unwrap()[0].messages[0].text();
    assert!(asked.contains("today is Thursday, 1970-01-01"), "{asked}");

    let stage = Stage::new(&["Tea."], vec![Err(ErrorKind::Upstream), says(&["Hot."])]);
    let lines = stage.play(conversation()).await;
    assert!(lines[1].starts_with("warning the question was searched for as it was asked"));
    assert_eq!(*stage.shelf.1.lock().unwrap(), ["How hot?"]);
}

#[tokio::test]
async fn a_question_is_also_searched_for_in_other_languages_and_with_keywords() {
    let scripts = vec![says(&["Wie heiß?"]), says(&["degrees, How hot?"]), says(&["Hot."])];
    let mut stage = Stage::new(&["Tea."], scripts);
    stage.dialog.languages = vec!["German".into()];
    stage.dialog.keywords = true;
    assert_eq!(
        stage.play(question("How hot?")).await[1..3],
        ["question How hot? | Wie heiß? | degrees", "retrieved 1 of 9"]
    );
    assert_eq!(*stage.shelf.1.lock().unwrap(), ["How hot?, degrees", "Wie heiß?"]);

    let scripts = vec![Err(ErrorKind::Upstream), Err(ErrorKind::Quota), says(&["Hot."])];
    let mut stage = Stage::new(&["Tea."], scripts);
    stage.dialog.languages = vec!["German".into()];
    stage.dialog.keywords = true;
    assert_eq!(
        stage.play(question("How hot?")).await[1..4],
        [
            "warning the question was not searched for in German",
            "warning the question was searched for without keywords",
            "retrieved 1 of 9",
        ]
    );
    assert_eq!(*stage.shelf.1.lock().unwrap(), ["How hot?"]);

    let mut stage = Stage::new(&["Tea."], vec![says(&["Hi."])]);
    stage.dialog.languages = vec!["German".into()];
    stage.dialog.datasets.clear();
    assert_eq!(stage.play(question("How hot?")).await[1], "delta Hi.", "nothing is searched");
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_asked_once_more_with_less() {
    let stage =
        Stage::new(&["a", "b", "c", "d"], vec![Err(ErrorKind::ContextLength), says(&["Yes."])]);
    let lines = stage.play(question("Why?")).await;
    assert_eq!(
        lines[2],
        "warning the prompt was too long for the model: it saw the best 2 of 4 passages"
    );
    let second = stage.model.asked.lock().unwrap()[1].clone();
    assert!(!second.messages[0].text().contains("<evidence id=\"2\""));

    let stage =
        Stage::new(&["a", "b"], vec![Err(ErrorKind::ContextLength), Err(ErrorKind::ContextLength)]);
    assert!(stage.play(question("Why?")).await.last().unwrap().starts_with("error"));
}

#[tokio::test]
async fn evidence_and_history_are_fitted_into_the_context() {
    let long = "word ".repeat(2_000);
    let mut stage = Stage::new(&["short", &long, "never"], vec![says(&["Yes."])]);
    stage.dialog.fallback_context = 2_000;
    stage.dialog.rewrite = false;
    let messages = vec![
        Message::user(&long),
        Message::assistant("old"),
        Message::user("recent"),
        Message::assistant("answer"),
        Message::user("Why?"),
    ];
    assert_eq!(stage.play(messages).await[1], "retrieved 1 of 9");
    let asked = stage.model.asked.lock().unwrap();
    let kept: Vec<_> = asked[0].messages[1..].iter().map(Message::text).collect();
    assert_eq!(kept, ["recent", "answer", "Why?"]);
}

#[tokio::test(start_paused = true)]
async fn when_time_is_up_the_answer_ends_where_it_is() {
    for (texts, expected) in [
        (
            &["Tea. ", "Hot"][..],
            &[
                "delta Tea.",
                "delta  Hot",
                "warning the answer is not complete: its time was up",
                "done Length cited [] dropped 0",
            ][..],
        ),
        (&[], &["error there was no answer within 30 s"]),
    ] {
        let mut stage = Stage::new(&["Tea."], vec![goes_silent(texts)]);
        stage.dialog.deadline = Some(Duration::from_secs(30));
        assert_eq!(stage.play(question("Why?")).await[2..], *expected);
    }
}

#[tokio::test(start_paused = true)]
async fn every_stage_ends_when_time_is_up() {
    let conversation =
        vec![Message::user("Tea?"), Message::assistant("Yes."), Message::user("Hot?")];
    for (messages, keywords) in [(conversation, false), (question("Hot?"), true)] {
        let mut stage = Stage::new(&["Tea."], vec![goes_silent(&["Tea"])]);
        stage.dialog.deadline = Some(Duration::from_secs(30));
        stage.dialog.keywords = keywords;
        assert_eq!(
            stage.play(messages).await,
            ["started test/scripted", "error there was no answer within 30 s"]
        );
    }
}

#[tokio::test]
async fn leaving_at_any_event_ends_the_call() {
    for leave_after in 0..6 {
        let stage = Stage::new(&["Tea."], vec![says(&["a", "b", "c"])]);
        let mut events = Box::pin(stage.service.answer(stage.turn(question("Why?"))));
        for _ in 0..leave_after {
            events.next().await;
        }
        drop(events);
        assert_eq!(stage.model.live.load(Ordering::SeqCst), 0, "after {leave_after} events");
    }
}
