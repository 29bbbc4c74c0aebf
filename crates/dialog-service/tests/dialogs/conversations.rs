//! Conversations: turns that are kept, and go on when nobody looks.

use std::sync::Arc;
use std::time::Duration;

use dialog_service::{
    ConversationError, ConversationOptions, Follows, MemoryConversations, TurnRecord, WhenBusy,
};
use futures::{FutureExt, StreamExt};
use llm_core::{ErrorKind, Message};
use rag_core::{ConversationStore, TenantId, TurnStatus};
use testkit::conversation_suite;

use crate::stage::{Stage, Talk, goes_silent, lines, says, session};

#[test]
fn those_in_memory_do_what_all_must() {
    conversation_suite::run(&|| Arc::new(MemoryConversations::new()));
}

fn options() -> ConversationOptions {
    ConversationOptions::default()
}

#[tokio::test]
async fn a_turn_goes_on_when_nobody_looks_and_can_be_read_from_any_event() {
    let stage = Stage::new(&["Tea is hot."], vec![says(&["Hot [ID:0]", "."])]);
    let talk = stage.conversations(options());
    let turn = talk.begin(&stage, "t", Follows::Latest).await.unwrap();
    let mut reader = Box::pin(turn.events(0));
    assert_eq!(reader.next().await.unwrap().id, 1);
    drop(reader);

    let all = lines(&turn, 0).await;
    assert!(turn.has_ended());
    for after in 0..=all.len() {
        assert_eq!(lines(&turn, after as u64).await, all[after..]);
    }
    assert_eq!(lines(&turn, u64::MAX).await, [""; 0]);

    let kept = talk.kept("t");
    assert_eq!((kept.question.as_str(), kept.answer.as_str()), ("t?", "Hot."));
    assert!(kept.ended_at.is_some());
    let record: TurnRecord = serde_json::from_str(&kept.record).unwrap();
    assert_eq!((record.passages.len(), record.citations.len(), record.total), (1, 1, 9));
    assert_eq!(record.done.unwrap().cited, [0]);
}

#[tokio::test]
async fn a_turn_knows_the_conversation_before_it() {
    let scripts = ["One.", "Two.", "Branch.", "New."].map(|text| says(&[text]));
    let mut scripts = Vec::from(scripts);
    scripts.insert(2, Err(ErrorKind::Upstream));
    let mut stage = Stage::new(&[], scripts);
    stage.dialog.rewrite = false;
    let talk = stage.conversations(options());
    for (id, follows, history) in [
        ("a", Follows::Latest, &["a?"][..]),
        ("b", Follows::Latest, &["a?", "One.", "b?"]),
        ("fails", Follows::Latest, &["a?", "One.", "b?", "Two.", "fails?"]),
        (
            "branch",
            Follows::Turn("fails".parse().unwrap()),
            &["a?", "One.", "b?", "Two.", "branch?"],
        ),
        ("new", Follows::Nothing, &["new?"]),
    ] {
        let turn = talk.begin(&stage, id, follows).await.unwrap();
        lines(&turn, 0).await;
        let asked = stage.model.asked.lock().unwrap().last().unwrap().clone();
        let told: Vec<_> = asked.messages[1..].iter().map(Message::text).collect();
        assert_eq!(told, history, "{id}");
    }
    assert_eq!(talk.kept("branch").parent, Some("fails".parse().unwrap()));
    assert_eq!(talk.kept("fails").status, TurnStatus::Failed);
}

#[tokio::test]
async fn a_session_answers_one_turn_at_a_time() {
    let stage = Stage::new(&[], vec![goes_silent(&["Hm"]), says(&["Yes."])]);
    let talk = stage.conversations(options());
    let first = talk.begin(&stage, "a", Follows::Latest).await.unwrap();
    let refused = talk.begin(&stage, "b", Follows::Latest).await;
    assert!(matches!(refused, Err(ConversationError::Busy)));

    first.stop();
    assert_eq!(lines(&first, 0).await.last().unwrap(), "done Cancelled cited [] dropped 0");
    assert_eq!(talk.kept("a").status, TurnStatus::Stopped);
    assert_eq!(talk.kept("a").answer, "Hm");

    let mut stage = Stage::new(&[], vec![goes_silent(&["Hm"]), says(&["Yes."])]);
    stage.dialog.rewrite = false;
    let talk = stage.conversations(ConversationOptions { when_busy: WhenBusy::Wait, ..options() });
    let first = talk.begin(&stage, "a", Follows::Latest).await.unwrap();
    let second = talk.begin(&stage, "b", Follows::Latest);
    let mut second = std::pin::pin!(second);
    assert!((&mut second).now_or_never().is_none(), "it waits");
    first.stop();
    let second = second.await.unwrap();
    assert_eq!(lines(&second, 0).await.last().unwrap(), "done Stop cited [] dropped 0");
    assert_eq!(talk.kept("b").parent, Some("a".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_reads_ends_where_it_is_if_so_configured() {
    let limit = Some(Duration::from_secs(60));
    let stage = Stage::new(&[], vec![goes_silent(&["Hm"])]);
    let talk = stage.conversations(ConversationOptions { abandon_after: limit, ..options() });
    let turn = talk.begin(&stage, "t", Follows::Latest).await.unwrap();
    let mut reader = Box::pin(turn.events(0));
    for _ in 0..3 {
        reader.next().await.unwrap();
    }
    tokio::time::advance(Duration::from_secs(600)).await;
    assert!(reader.next().now_or_never().is_none(), "it goes on for its reader");
    drop(reader);
    tokio::time::advance(Duration::from_secs(59)).await;
    let mut reader = Box::pin(turn.events(0));
    reader.next().await.unwrap();
    tokio::time::advance(Duration::from_secs(600)).await;
    assert!(!turn.has_ended(), "its reader came back in time");
    drop(reader);
    while !turn.has_ended() {
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    assert_eq!(talk.kept("t").status, TurnStatus::Abandoned);
    assert_eq!(talk.kept("t").answer, "Hm");
}

#[tokio::test]
async fn closing_ends_turns_where_they_are_and_keeps_them() {
    let stage = Stage::new(&[], vec![goes_silent(&["Hm"])]);
    let talk = stage.conversations(options());
    let turn = talk.begin(&stage, "t", Follows::Latest).await.unwrap();
    let mut reader = Box::pin(turn.events(0));
    for _ in 0..3 {
        reader.next().await.unwrap();
    }
    talk.conversations.close(Duration::ZERO).await;
    assert_eq!(talk.kept("t").status, TurnStatus::Interrupted);
    assert_eq!(lines(&turn, 3).await, ["done Cancelled cited [] dropped 0"]);
    let late = talk.begin(&stage, "late", Follows::Latest).await;
    assert!(matches!(late, Err(ConversationError::Stopping)));
}

#[tokio::test]
async fn what_cannot_be_kept_is_told() {
    let stage = Stage::new(&[], vec![goes_silent(&["Hm"])]);
    let talk = stage.conversations(options());
    let turn = talk.begin(&stage, "t", Follows::Latest).await.unwrap();
    talk.threads.shutdown(Duration::from_secs(5)).await.unwrap();
    turn.stop();
    let seen = lines(&turn, 0).await;
    let [.., warning, last] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(warning, "warning the answer could not be kept; copy what you need of it");
    assert!(last.starts_with("done Cancelled") || last == "error stopped", "{last}");
}

#[tokio::test]
async fn what_is_named_must_be_there() {
    let stage = Stage::new(&[], vec![]);
    let talk = stage.conversations(options());
    let missing = Follows::Turn("none".parse().unwrap());
    let refused = talk.begin(&stage, "t", missing).await.unwrap_err();
    assert_eq!(refused.to_string(), "the session has no turn `none`");
    let Talk { conversations, .. } = &talk;
    let elsewhere = "none".parse().unwrap();
    let turn = stage.turn(vec![Message::user("Why?")]);
    let refused = conversations.begin(TenantId::local(), elsewhere, Follows::Latest, turn).await;
    assert_eq!(refused.unwrap_err().to_string(), "there is no session `none`");
}

#[tokio::test]
async fn turns_that_ended_are_known_for_a_while() {
    let scripts = ["a", "b", "c"].map(|text| says(&[text]));
    let stage = Stage::new(&[], scripts.into());
    let talk = stage.conversations(ConversationOptions { most_recent: 2, ..options() });
    for id in ["a", "b", "c"] {
        let turn = talk.begin(&stage, id, Follows::Nothing).await.unwrap();
        lines(&turn, 0).await;
    }
    talk.conversations.close(Duration::from_secs(5)).await;
    let is_known = |tenant: &str, id: &str| {
        talk.conversations.live(&tenant.parse().unwrap(), &id.parse().unwrap()).is_some()
    };
    assert!(!is_known("local", "a") && is_known("local", "b") && is_known("local", "c"));
    assert!(!is_known("other", "c"), "another tenant's is as good as missing");
}

#[tokio::test]
async fn a_turn_that_says_too_much_ends_there() {
    let long = "tea ".repeat(500);
    let stage = Stage::new(&[], vec![goes_silent(&[&long, &long, &long])]);
    let talk = stage.conversations(ConversationOptions { most_turn_bytes: 4_000, ..options() });
    let turn = talk.begin(&stage, "t", Follows::Latest).await.unwrap();
    let lines = lines(&turn, 0).await;
    let warning = "warning the answer ends here: it is longer than any that is kept";
    assert_eq!(lines.iter().filter(|line| *line == warning).count(), 1);
    assert_eq!(lines.last().unwrap(), "done Cancelled cited [] dropped 0");
    assert_eq!(talk.kept("t").status, TurnStatus::Interrupted);
}

#[tokio::test]
async fn a_session_that_is_deleted_meanwhile_stays_deleted() {
    let stage = Stage::new(&[], vec![goes_silent(&["Hm"])]);
    let talk = stage.conversations(options());
    let turn = talk.begin(&stage, "t", Follows::Latest).await.unwrap();
    let session = session("s").id;
    talk.conversations.stop_session(&"other".parse().unwrap(), &session);
    assert!(!turn.has_ended(), "it is not theirs");
    assert!(talk.store.delete_session(&TenantId::local(), &session).unwrap());
    talk.conversations.stop_session(&TenantId::local(), &session);
    lines(&turn, 0).await;
    assert_eq!(talk.store.turn(&TenantId::local(), &turn.id).unwrap(), None);
}

#[tokio::test]
async fn the_answer_so_far_is_kept_while_it_comes() {
    let stage = Stage::new(&["Tea."], vec![goes_silent(&["Hot", " and"])]);
    let options =
        ConversationOptions { keep_every: Some(Duration::ZERO), ..ConversationOptions::default() };
    let talk = stage.conversations(options);
    let turn = talk.begin(&stage, "t", Follows::Latest).await.unwrap();
    let so_far = async {
        while talk.kept("t").answer.is_empty() {
            tokio::task::yield_now().await;
        }
        talk.kept("t")
    };
    let kept = tokio::time::timeout(Duration::from_secs(20), so_far).await.unwrap();
    assert!("Hot and".starts_with(&kept.answer), "{}", kept.answer);
    assert_eq!(kept.status, TurnStatus::Running);
    assert!(kept.record.contains("passages"), "with its evidence: {}", kept.record);
    assert_eq!(talk.store.interrupt_turns().unwrap(), 1, "as when the process begins anew");
    assert_eq!(talk.kept("t").answer, kept.answer);
    turn.stop();
    lines(&turn, 0).await;
}

#[tokio::test]
async fn what_was_done_is_kept_with_the_turn() {
    let scripts = vec![says(&["80 degrees, brewing"]), Err(ErrorKind::Upstream)];
    let mut stage = Stage::new(&["Tea."], scripts);
    stage.dialog.keywords = true;
    let talk = stage.conversations(ConversationOptions::default());
    let turn = talk.begin(&stage, "t", Follows::Latest).await.unwrap();
    lines(&turn, 0).await;
    let record: TurnRecord = serde_json::from_str(&talk.kept("t").record).unwrap();
    let shown: Vec<String> = record
        .trace
        .iter()
        .map(|step| {
            let last = step.input.lines().last().unwrap_or_default();
            format!(
                "{}: {last} > {:?}{}",
                step.name,
                step.output,
                step.failure.as_deref().map_or("", |_| " failed")
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "keywords: </question> > \"80 degrees, brewing\"",
            "search: t?, 80 degrees, brewing > \"1 of 9\\n0.900 0.md\"",
            "answer: t? > \"\" failed",
        ]
    );
}
