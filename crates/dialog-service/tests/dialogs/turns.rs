//! Whole turns, as a caller sees them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use dialog_service::{Filtering, Research, Speech};
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use llm_core::{
    ChatEvent, ErrorKind, FinishReason, Message, ModelError, Operation, ReasoningDelta,
    SpeechReply, SpeechRequest,
};

use crate::stage::{Stage, goes_silent, question, says};

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
    assert!(stage.shelf.questions.lock().unwrap().is_empty());
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
    assert_eq!(*stage.shelf.questions.lock().unwrap(), ["How hot is tea?"]);
    let asked = stage.model.asked.lock().unwrap()[0].messages[0].text();
    assert!(asked.contains("today is Thursday, 1970-01-01"), "{asked}");

    let stage = Stage::new(&["Tea."], vec![Err(ErrorKind::Upstream), says(&["Hot."])]);
    let lines = stage.play(conversation()).await;
    assert!(lines[1].starts_with("warning the question was searched for as it was asked"));
    assert_eq!(*stage.shelf.questions.lock().unwrap(), ["How hot?"]);
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
    assert_eq!(*stage.shelf.questions.lock().unwrap(), ["How hot?, degrees", "Wie heiß?"]);

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
    assert_eq!(*stage.shelf.questions.lock().unwrap(), ["How hot?"]);

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

#[tokio::test]
async fn the_model_makes_a_filter_of_the_question() {
    let end = &["delta Hot.", "done Stop cited [] dropped 0"][..];
    const STRICT: &str = "warning nothing was found where year = 2024; all was searched";
    const FAILED: &str =
        "warning no filter could be made of the question: all documents were searched";
    type Row = (&'static str, bool, &'static [&'static str], &'static [Option<&'static str>]);
    let rows: Vec<Row> = vec![
        (
            "year = 2024",
            false,
            &["question How hot? | year = 2024", "retrieved 1 of 9"],
            &[Some("year = 2024")],
        ),
        (
            "year = 2024",
            true,
            &["question How hot? | year = 2024", STRICT, "retrieved 1 of 9"],
            &[Some("year = 2024"), None],
        ),
        ("none", false, &["retrieved 1 of 9"], &[None]),
        ("I do not know.", false, &[FAILED, "retrieved 1 of 9"], &[None]),
    ];
    for (reply, is_strict, expected, searched) in rows {
        let mut stage = Stage::new(&["Tea."], vec![says(&[reply]), says(&["Hot."])]);
        stage.dialog.filtering = Filtering::Any;
        stage.shelf.is_strict.store(is_strict, Ordering::SeqCst);
        let seen = stage.play(question("How hot?")).await;
        assert_eq!(seen[1..], [expected, end].concat(), "{reply}");
        let filters = stage.shelf.filters.lock().unwrap().clone();
        let filters: Vec<_> = filters.iter().map(Option::as_deref).collect();
        assert_eq!(filters, searched, "{reply}");
        let asked = stage.model.asked.lock().unwrap()[0].messages[0].text();
        assert!(asked.contains("year: 2024 | 2025\n"), "{asked}");
    }
}

#[tokio::test]
async fn a_dialog_digs_until_it_is_enough() {
    let scripts =
        || vec![says(&["1. Which tea?\n2. Which water?"]), says(&["enough"]), says(&["Hot."])];
    let end = ["retrieved 1 of 9", "delta Hot.", "done Stop cited [] dropped 0"];
    let mut stage = Stage::new(&["Tea."], scripts());
    stage.dialog.research = Some(Research { rounds: 3, questions: 3 });
    let seen = stage.play(question("How hot?")).await;
    let progress = "reasoning Which tea?\nWhich water?\n(0 further passages)\n\n";
    // Nothing new was found, so nobody asks for more: the second script is the answer.
    assert_eq!(seen[1..3], [progress, "retrieved 1 of 9"]);
    assert_eq!(*stage.shelf.questions.lock().unwrap(), ["How hot?", "Which tea?", "Which water?"]);

    let mut stage = Stage::new(&["Tea."], scripts()[1..].to_vec());
    stage.dialog.research = Some(Research::default());
    assert_eq!(stage.play(question("How hot?")).await[1..], end);

    let failing = vec![Err(ErrorKind::Upstream), says(&["Hot."])];
    let mut stage = Stage::new(&["Tea."], failing);
    stage.dialog.research = Some(Research::default());
    let seen = stage.play(question("How hot?")).await;
    assert_eq!(seen[1], "warning the search was not taken further");
    assert_eq!(seen[2..], end);
}

#[tokio::test]
async fn what_follows_the_answer() {
    let stage = |scripts| {
        let mut stage = Stage::new(&["Tea."], scripts);
        (stage.dialog.related, stage.dialog.mind_map) = (true, true);
        stage
    };
    let all =
        stage(vec![says(&["Hot."]), says(&["- Which tea?\n- Why?"]), says(&["- tea\n  - hot"])]);
    assert_eq!(
        all.play(question("How hot?")).await[2..],
        [
            "delta Hot.",
            "related Which tea? | Why?",
            "mind map tea: hot",
            "done Stop cited [] dropped 0",
        ]
    );
    let none = stage(vec![says(&["Hot."]), Err(ErrorKind::Upstream), says(&["I cannot."])]);
    assert_eq!(
        none.play(question("How hot?")).await[3..],
        [
            "warning there is no related question: the model did not give any",
            "warning there is no mind map: the model did not give any",
            "done Stop cited [] dropped 0",
        ]
    );
}

#[test]
fn a_turn_takes_little_room_where_it_is_held() {
    let stage = Stage::new(&[], Vec::new());
    let bytes = size_of_val(&stage.service.answer(stage.turn(question("How hot?"))));
    assert!(bytes < 16 << 10, "{bytes}");
}

/// Speaks each text as its length, the long ones later; "fail" fails.
fn voice() -> Speech {
    let speak = |request: SpeechRequest| -> BoxFuture<'static, _> {
        Box::pin(async move {
            if request.input.contains("fail") {
                return Err(ModelError::new(ErrorKind::Upstream, Operation::Speak, "hoarse"));
            }
            tokio::time::sleep(Duration::from_millis(request.input.len() as u64)).await;
            let sound = format!("{} {}", request.voice.unwrap_or_default(), request.input.len());
            Ok(SpeechReply::new(stream::iter([Ok(Bytes::from(sound))])))
        })
    };
    let request = SpeechRequest { voice: Some("alto".into()), ..SpeechRequest::default() };
    Speech { speak: Arc::new(speak), request }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_spoken_in_order_and_its_text_does_not_wait() {
    let texts =
        ["The first sentence is rather long, as they go. ", "A second one is short. ", "Third."];
    let mut stage = Stage::new(&["Tea."], vec![says(&texts)]);
    stage.dialog.speech = Some(voice());
    let seen = stage.play(question("How hot?")).await;
    assert_eq!(
        seen[2..],
        [
            "delta The first sentence is rather long, as they go.",
            "delta  A second one is short.",
            "delta  Third.",
            "audio 0 alto 46: The first sentence is rather long, as they go.",
            "audio 1 alto 29: A second one is short. Third.",
            "done Stop cited [] dropped 0",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_fails_costs_a_warning() {
    let texts = ["These words will fail to be spoken. ", "And so these are not tried at all."];
    let mut stage = Stage::new(&["Tea."], vec![says(&texts)]);
    stage.dialog.speech = Some(voice());
    let seen = stage.play(question("How hot?")).await;
    let warning = "warning the answer is not spoken any further: the voice failed";
    assert_eq!(seen.iter().filter(|line| *line == warning).count(), 1, "{seen:?}");
    assert!(!seen.iter().any(|line| line.starts_with("audio")), "{seen:?}");
    assert!(seen.last().unwrap().starts_with("done Stop"));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_stopped_falls_silent() {
    let texts = ["The first sentence is rather long, as they go. ", "The second is"];
    let mut stage = Stage::new(&["Tea."], vec![goes_silent(&texts)]);
    stage.dialog.speech = Some(voice());
    stage.dialog.deadline = Some(Duration::from_millis(20));
    let seen = stage.play(question("How hot?")).await;
    assert!(!seen.iter().any(|line| line.starts_with("audio")), "{seen:?}");
    assert!(seen.last().unwrap().starts_with("done Length"), "{seen:?}");
}
