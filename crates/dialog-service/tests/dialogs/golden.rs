//! Each kind of dialog with each way that a turn can go: the whole stream, and what is kept of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use dialog_service::{Citation, ConversationOptions, DialogEvent, Follows, Research, TurnRecord};
use futures::{StreamExt, TryStreamExt};
use llm_core::{ErrorKind, FinishReason, Message};
use proptest::prelude::*;
use rag_core::TurnStatus;

use crate::stage::{Script, Stage, calls_a_tool, goes_silent, lines, question, says};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Plain,
    Rag,
}

/// A stage for a dialog of this kind, whose model answers by this script.
fn stage(kind: Kind, passages: &[&str], script: Script) -> Stage {
    let mut stage = Stage::new(passages, vec![script]);
    if kind == Kind::Plain {
        stage.dialog.datasets.clear();
    }
    stage
}

/// What goes on, in which kind of dialog, over which passages; what the model does; the events after the first; as what
/// the turn is kept.
type Row =
    (&'static str, Kind, &'static [&'static str], Script, &'static [&'static str], TurnStatus);

fn breaks_off(texts: &[&str], kind: ErrorKind) -> Script {
    let mut events = says(texts)?;
    events.pop();
    events.push(Err(kind));
    Ok(events)
}

/// The tool call is shown as the model gave it; here only that it is there.
fn without_details(line: String) -> String {
    if line.starts_with("Tool(") { "tool".into() } else { line }
}

#[tokio::test]
async fn every_kind_of_dialog_and_every_way_it_can_go() {
    use Kind::{Plain, Rag};
    use TurnStatus::{Complete, Failed};
    let hit = || says(&["Hot", " [ID:0]."]);
    let rows: Vec<Row> = vec![
        (
            "found",
            Rag,
            &["Tea is hot."],
            hit(),
            &[
                "retrieved 1 of 9",
                "delta Hot",
                "citation 0 0..3 \"Tea is hot.\"",
                "delta .",
                "done Stop cited [0] dropped 0",
            ],
            Complete,
        ),
        (
            "without datasets nothing is a marker",
            Plain,
            &["Tea is hot."],
            hit(),
            &["delta Hot", "delta  [ID:0].", "done Stop cited [] dropped 0"],
            Complete,
        ),
        (
            "nothing found",
            Rag,
            &[],
            hit(),
            &["retrieved 0 of 9", "delta Hot", "delta .", "done Stop cited [] dropped 1"],
            Complete,
        ),
        (
            "fails before the first token",
            Rag,
            &["Tea."],
            Err(ErrorKind::Upstream),
            &["retrieved 1 of 9", "error upstream"],
            Failed,
        ),
        (
            "fails before the first token",
            Plain,
            &[],
            Err(ErrorKind::RateLimit),
            &["error rate_limit"],
            Failed,
        ),
        (
            "fails half-way",
            Rag,
            &["Tea."],
            breaks_off(&["Hot [ID:0] and", " wet"], ErrorKind::Connection),
            &[
                "retrieved 1 of 9",
                "delta Hot",
                "citation 0 0..3 \"Tea.\"",
                "delta  and",
                "delta  wet",
                "error connection",
            ],
            Failed,
        ),
        (
            "fails half-way",
            Plain,
            &[],
            breaks_off(&["Hot", " and"], ErrorKind::Connection),
            &["delta Hot", "delta  and", "error connection"],
            Failed,
        ),
        (
            "asks for a tool",
            Rag,
            &["Tea."],
            calls_a_tool(),
            &["retrieved 1 of 9", "tool", "done ToolCalls cited [] dropped 0"],
            Complete,
        ),
        (
            "asks for a tool",
            Plain,
            &[],
            calls_a_tool(),
            &["tool", "done ToolCalls cited [] dropped 0"],
            Complete,
        ),
    ];
    for (name, kind, passages, script, expected, status) in rows {
        let stage = stage(kind, passages, script);
        let talk = stage.conversations(ConversationOptions::default());
        let turn = talk.begin(&stage, "t", Follows::Latest).await.unwrap();
        let seen: Vec<String> = lines(&turn, 0).await.into_iter().map(without_details).collect();
        assert_eq!(seen[0], "started test/scripted", "{name}, {kind:?}");
        assert_eq!(seen[1..], *expected, "{name}, {kind:?}");
        let text: String = seen.iter().filter_map(|line| line.strip_prefix("delta ")).collect();
        let kept = talk.kept("t");
        assert_eq!((kept.answer, kept.status), (text, status), "{name}, {kind:?}");
        assert_eq!(stage.model.live.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn the_tools_of_a_dialog_are_run() {
    type Row = (&'static str, Vec<Script>, &'static [&'static str], TurnStatus);
    let called = &["retrieved 1 of 9", "called weather {}", "returned rain"];
    let rows: Vec<Row> = vec![
        (
            "the answer comes after them",
            vec![calls_a_tool(), says(&["Wet [ID:0]."])],
            &["delta Wet", "citation 0 0..3 \"Tea.\"", "delta .", "done Stop cited [0] dropped 0"],
            TurnStatus::Complete,
        ),
        (
            "the model fails when it is told",
            vec![calls_a_tool(), Err(ErrorKind::Upstream)],
            &["error upstream"],
            TurnStatus::Failed,
        ),
        (
            "the model breaks off when it is told",
            vec![calls_a_tool(), breaks_off(&["Wet"], ErrorKind::Connection)],
            &["delta Wet", "error connection"],
            TurnStatus::Failed,
        ),
    ];
    for (name, scripts, expected, status) in rows {
        let stage = Stage::new(&["Tea."], scripts).with_weather(false);
        let talk = stage.conversations(ConversationOptions::default());
        let turn = talk.begin(&stage, "t", Follows::Latest).await.unwrap();
        let seen = lines(&turn, 0).await;
        assert_eq!(seen[1..], [&called[..], expected].concat(), "{name}");
        let kept = talk.kept("t");
        let record: TurnRecord = serde_json::from_str(&kept.record).unwrap();
        let ran = &record.ran[0];
        assert_eq!((ran.call.name.as_str(), ran.result.is_some()), ("weather", true));
        assert_eq!(kept.status, status, "{name}");
        assert_eq!(stage.model.live.load(Ordering::SeqCst), 0);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stuck {
    Rewriting,
    Widening,
    Retrieving,
    Researching,
    Asking,
    BeforeTheFirstToken,
    InATool,
    HalfWay,
    Afterwards,
}

const STAGES: [Stuck; 9] = [
    Stuck::Rewriting,
    Stuck::Widening,
    Stuck::Retrieving,
    Stuck::Researching,
    Stuck::Asking,
    Stuck::BeforeTheFirstToken,
    Stuck::InATool,
    Stuck::HalfWay,
    Stuck::Afterwards,
];

/// A stage where a turn goes no further than this, and the turn's conversation.
fn stuck(at: Stuck) -> (Stage, Vec<Message>) {
    let never = || Err(ErrorKind::Timeout);
    let scripts = match at {
        Stuck::Rewriting | Stuck::Widening | Stuck::Researching | Stuck::Asking => vec![never()],
        Stuck::Afterwards => vec![says(&["Hot."]), never()],
        Stuck::Retrieving => Vec::new(),
        Stuck::BeforeTheFirstToken => vec![goes_silent(&[])],
        Stuck::InATool => vec![calls_a_tool()],
        Stuck::HalfWay => vec![goes_silent(&["Hot", " and"])],
    };
    let mut stage = Stage::new(&["Tea."], scripts);
    if at == Stuck::InATool {
        stage = stage.with_weather(true);
    }
    stage.dialog.research = (at == Stuck::Researching).then(Research::default);
    stage.dialog.related = at == Stuck::Afterwards;
    stage.dialog.keywords = at == Stuck::Widening;
    stage.shelf.is_stuck.store(at == Stuck::Retrieving, Ordering::SeqCst);
    let mut messages = question("How hot?");
    if at == Stuck::Rewriting {
        messages.splice(0..0, [Message::user("Tea?"), Message::assistant("Yes.")]);
    }
    (stage, messages)
}

/// Events of a turn that is stuck there, before what ends it.
fn before(at: Stuck) -> &'static [&'static str] {
    match at {
        Stuck::Rewriting | Stuck::Widening | Stuck::Retrieving | Stuck::Researching => {
            &["started test/scripted"]
        }
        Stuck::Afterwards => &["started test/scripted", "retrieved 1 of 9", "delta Hot."],
        Stuck::Asking | Stuck::BeforeTheFirstToken => {
            &["started test/scripted", "retrieved 1 of 9"]
        }
        Stuck::InATool => &["started test/scripted", "retrieved 1 of 9", "called weather {}"],
        Stuck::HalfWay => &["started test/scripted", "retrieved 1 of 9", "delta Hot", "delta  and"],
    }
}

#[tokio::test(start_paused = true)]
async fn when_time_is_up_at_any_stage() {
    for at in STAGES {
        let (mut stage, messages) = stuck(at);
        stage.dialog.deadline = Some(Duration::from_secs(30));
        let end: &[&str] = match at {
            Stuck::HalfWay => &[
                "warning the answer is not complete: its time was up",
                "done Length cited [] dropped 0",
            ],
            Stuck::Afterwards => &[
                "warning there was no time for what follows the answer",
                "done Stop cited [] dropped 0",
            ],
            _ => &["error there was no answer within 30 s"],
        };
        assert_eq!(stage.play(messages).await, [before(at), end].concat(), "{at:?}");
    }
}

#[tokio::test]
async fn when_it_is_stopped_at_any_stage() {
    for at in STAGES {
        let (stage, messages) = stuck(at);
        let turn = stage.turn(messages);
        let stop = turn.stop.clone();
        let mut events = Box::pin(stage.service.answer(turn));
        for _ in before(at) {
            events.next().await.unwrap().unwrap();
        }
        assert!(futures::poll!(events.next()).is_pending(), "{at:?}");
        stop.cancel();
        let last: Vec<_> = events.collect().await;
        match (at, &last[..]) {
            (Stuck::HalfWay, [Ok(DialogEvent::Done(done))]) => {
                assert_eq!(done.finish, FinishReason::Cancelled);
            }
            (Stuck::Afterwards, [Ok(DialogEvent::Warning { .. }), Ok(DialogEvent::Done(done))]) => {
                assert_eq!(done.finish, FinishReason::Stop, "the answer is complete");
            }
            (_, [Err(error)]) => {
                assert_eq!(error.to_string(), "the turn was stopped before it was answered");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(stage.model.live.load(Ordering::SeqCst), 0, "{at:?}");
    }
}

#[tokio::test]
async fn when_its_reader_drops_it_at_any_stage() {
    for at in STAGES {
        let (stage, messages) = stuck(at);
        let mut events = Box::pin(stage.service.answer(stage.turn(messages)));
        for _ in before(at) {
            events.next().await.unwrap().unwrap();
        }
        assert!(futures::poll!(events.next()).is_pending(), "{at:?}");
        drop(events);
        assert_eq!(stage.model.live.load(Ordering::SeqCst), 0, "{at:?}");
    }
}

/// What a turn comes to, however its text was cut.
#[derive(Debug, PartialEq)]
struct Whole {
    text: String,
    citations: Vec<Citation>,
    cited: Vec<usize>,
    dropped: u32,
}

async fn whole(pieces: &[&str]) -> Whole {
    let stage = Stage::new(&["Tea is hot.", "茶は熱い。", "الشاي ساخن."], vec![says(pieces)]);
    let events: Vec<_> =
        stage.service.answer(stage.turn(question("How hot?"))).try_collect().await.unwrap();
    let mut whole = Whole { text: String::new(), citations: vec![], cited: vec![], dropped: 0 };
    for event in events {
        match event {
            DialogEvent::Delta { text } => whole.text.push_str(&text),
            DialogEvent::Citation(citation) => whole.citations.push(citation),
            DialogEvent::Done(done) => {
                whole.cited = done.cited;
                whole.dropped = done.dropped_citations;
            }
            _ => {}
        }
    }
    whole
}

proptest! {
    #[test]
    fn any_chunking_of_the_models_text_gives_the_same(
        parts in proptest::collection::vec(
            "Tea is hot|茶は熱い。|الشاي ساخن\\. |👩‍🔬|<think>|</think>|```\n|`|\\[ID:[0-9]\\]|\\[ID: 0, 2\\]|【ID:1】|\\[ID|ID:1\\]|\\(ID:2\\)|\\. |\n\n|[a-c \\[\\]]{0,3}",
            0..14,
        ),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let text = parts.concat();
        let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).skip(1).collect();
        let mut cuts: Vec<usize> = match borders.is_empty() {
            true => Vec::new(),
            false => cuts.iter().map(|cut| *cut.get(&borders)).collect(),
        };
        cuts.sort_unstable();
        cuts.dedup();
        let mut pieces = Vec::new();
        let mut rest = 0;
        for cut in cuts {
            pieces.push(&text[rest..cut]);
            rest = cut;
        }
        pieces.push(&text[rest..]);
        let (cut, uncut) = futures::executor::block_on(async {
            (whole(&pieces).await, whole(&[&text]).await)
        });
        prop_assert_eq!(cut, uncut);
    }
}
