//! What every store of conversations must do: [`run`] checks it through the trait alone.

use std::sync::Arc;

use rag_core::{
    ConversationStore, Feedback, SavedDialog, SavedTurn, Session, SessionPage, StoreErrorKind,
    TenantId, TurnId, TurnStatus,
};

type Case = (&'static str, fn(&dyn ConversationStore));

const CASES: &[Case] = &[
    ("dialogs are kept by name, within their tenant", dialogs_are_kept),
    ("a dialog is renamed with its sessions", dialogs_are_renamed),
    ("sessions are found within their tenant", sessions_are_found),
    ("sessions are listed, the one updated last first, page by page", sessions_are_listed),
    ("a session is renamed and deleted with its turns", sessions_are_renamed_and_deleted),
    ("a turn is kept as it begins and as it ends", turns_begin_and_end),
    ("a turn needs its session and its parent", turns_need_what_they_follow),
    ("branches have paths of their own", branches_have_paths),
    ("turns are listed as they were asked, page by page", turns_are_listed),
    ("the latest turns are those of the sessions updated last", latest_turns_are_found),
    ("feedback is noted and taken back", feedback_is_noted),
    ("what ran in a dead process was interrupted", running_turns_are_interrupted),
    ("nothing of another tenant can be reached", tenants_are_apart),
];

/// Checks every case on a store of its own. Panics with the first thing that is wrong.
pub fn run(make_store: &dyn Fn() -> Arc<dyn ConversationStore>) {
    for (name, case) in CASES {
        eprintln!("conversation suite: {name}");
        case(&*make_store());
    }
}

fn mine() -> TenantId {
    TenantId::local()
}

fn other() -> TenantId {
    "other".parse().expect("an id")
}

fn dialogs_are_kept(store: &dyn ConversationStore) {
    let dialog = |name: &str, settings: &str, time| SavedDialog {
        tenant: mine(),
        name: name.into(),
        settings: settings.into(),
        created_at: time,
        updated_at: time,
    };
    assert!(store.save_dialog(&dialog("tea", "{}", 1)).expect("kept"));
    assert!(store.save_dialog(&dialog("Ärzte & Co", "{}", 1)).expect("kept"));
    assert!(!store.save_dialog(&dialog("tea", r#"{"top":3}"#, 2)).expect("kept"));
    let tea = SavedDialog { created_at: 1, ..dialog("tea", r#"{"top":3}"#, 2) };
    assert_eq!(store.dialog(&mine(), "tea").expect("read"), Some(tea));
    assert_eq!(store.dialog(&mine(), "Tea").expect("read"), None);
    let names: Vec<_> =
        store.dialogs(&mine()).expect("read").into_iter().map(|dialog| dialog.name).collect();
    assert_eq!(names, ["tea", "Ärzte & Co"]);

    assert_eq!(store.dialog(&other(), "tea").expect("read"), None);
    assert_eq!(store.dialogs(&other()).expect("read"), []);
    assert!(!store.delete_dialog(&other(), "tea").expect("asked"));
    let theirs = SavedDialog { tenant: other(), ..dialog("tea", "{}", 3) };
    assert!(store.save_dialog(&theirs).expect("kept"), "the same name");
    assert!(store.delete_dialog(&mine(), "tea").expect("deleted"));
    assert!(!store.delete_dialog(&mine(), "tea").expect("asked"));
    assert_eq!(store.dialog(&other(), "tea").expect("read"), Some(theirs));
}

fn dialogs_are_renamed(store: &dyn ConversationStore) {
    let dialog = |tenant: TenantId, name: &str| SavedDialog {
        tenant,
        name: name.into(),
        settings: "{}".into(),
        created_at: 1,
        updated_at: 1,
    };
    for dialog in [dialog(mine(), "default"), dialog(mine(), "tea"), dialog(other(), "default")] {
        store.save_dialog(&dialog).expect("kept");
    }
    store.create_session(&session("s", 5)).expect("made");
    let taken = store.rename_dialog(&mine(), "default", "tea").expect_err("the name is taken");
    assert_eq!(taken.kind(), StoreErrorKind::Occupied);
    assert!(store.rename_dialog(&mine(), "default", "coffee").expect("renamed"));
    assert!(!store.rename_dialog(&mine(), "default", "coffee too").expect("asked"));
    let names: Vec<_> =
        store.dialogs(&mine()).expect("read").into_iter().map(|dialog| dialog.name).collect();
    assert_eq!(names, ["coffee", "tea"]);
    let kept = store.session(&mine(), &"s".parse().expect("an id")).expect("read");
    assert_eq!(kept.expect("a session").dialog, "coffee");
    assert!(store.dialog(&other(), "default").expect("read").is_some(), "theirs stays");
}

fn session(id: &str, updated_at: i64) -> Session {
    Session {
        id: id.parse().expect("an id"),
        tenant: mine(),
        dialog: "default".into(),
        title: format!("Session {id}"),
        created_at: 1,
        updated_at,
    }
}

fn turn(id: &str, parent: Option<&str>) -> SavedTurn {
    SavedTurn {
        id: turn_id(id),
        session: "s".parse().expect("an id"),
        parent: parent.map(turn_id),
        status: TurnStatus::Running,
        question: format!("{id}?"),
        answer: String::new(),
        feedback: None,
        record: "{}".into(),
        asked_at: 10,
        ended_at: None,
    }
}

fn turn_id(id: &str) -> TurnId {
    id.parse().expect("an id")
}

/// A session `s` with these turns.
fn fill(store: &dyn ConversationStore, turns: &[(&str, Option<&str>)]) {
    store.create_session(&session("s", 5)).expect("made");
    for (id, parent) in turns {
        store.begin_turn(&mine(), &turn(id, *parent)).expect("begun");
    }
}

fn names(turns: Vec<SavedTurn>) -> Vec<String> {
    turns.into_iter().map(|turn| turn.id.into()).collect()
}

fn sessions_are_found(store: &dyn ConversationStore) {
    let made = session("s", 5);
    store.create_session(&made).expect("made");
    assert_eq!(store.session(&mine(), &made.id).expect("read"), Some(made.clone()));
    let again = store.create_session(&made).expect_err("the id is taken");
    assert_eq!(again.kind(), StoreErrorKind::Occupied);
    assert_eq!(store.session(&mine(), &"none".parse().expect("an id")).expect("read"), None);
}

fn sessions_are_listed(store: &dyn ConversationStore) {
    for (id, updated_at) in [("a", 3), ("b", 7), ("c", 3), ("d", 1)] {
        let dialog = if id == "d" { "tea" } else { "default" }.to_owned();
        store.create_session(&Session { dialog, ..session(id, updated_at) }).expect("made");
    }
    let list = |page: SessionPage| -> Vec<String> {
        let found = store.sessions(&mine(), &page).expect("listed");
        found.into_iter().map(|session| session.id.into()).collect()
    };
    let page = |after: Option<(i64, &str)>, limit| SessionPage {
        after: after.map(|(time, id)| (time, id.parse().expect("an id"))),
        limit,
        ..SessionPage::default()
    };
    assert_eq!(list(page(None, 10)), ["b", "c", "a", "d"]);
    assert_eq!(list(page(None, 2)), ["b", "c"]);
    assert_eq!(list(page(Some((3, "c")), 10)), ["a", "d"]);
    let tea = SessionPage { dialog: Some("tea".into()), ..page(None, 10) };
    assert_eq!(list(tea), ["d"]);
    let asked = SavedTurn { session: "d".parse().expect("an id"), ..turn("t", None) };
    store.begin_turn(&mine(), &asked).expect("begun");
    assert_eq!(list(page(None, 1)), ["d"], "a turn brings its session to the front");
}

fn sessions_are_renamed_and_deleted(store: &dyn ConversationStore) {
    fill(store, &[("t1", None), ("t2", Some("t1"))]);
    let id = session("s", 0).id;
    assert!(store.rename_session(&mine(), &id, "Tea").expect("renamed"));
    assert_eq!(store.session(&mine(), &id).expect("read").expect("there").title, "Tea");
    assert!(store.delete_session(&mine(), &id).expect("deleted"));
    assert!(!store.delete_session(&mine(), &id).expect("asked"), "it is gone");
    assert!(!store.rename_session(&mine(), &id, "Coffee").expect("asked"));
    assert_eq!(store.turn(&mine(), &turn_id("t2")).expect("read"), None);
    let ended = SavedTurn { status: TurnStatus::Complete, ..turn("t2", Some("t1")) };
    assert!(!store.update_turn(&ended).expect("asked"), "it went with its session");
}

fn turns_begin_and_end(store: &dyn ConversationStore) {
    fill(store, &[("t1", None)]);
    let begun = turn("t1", None);
    assert_eq!(store.turn(&mine(), &begun.id).expect("read"), Some(begun.clone()));
    for status in TurnStatus::ALL {
        let ended = SavedTurn {
            status,
            answer: "At 80 °C.".into(),
            record: r#"{"usage":{}}"#.into(),
            ended_at: Some(20),
            ..begun.clone()
        };
        assert!(store.update_turn(&ended).expect("ended"));
        assert_eq!(store.turn(&mine(), &begun.id).expect("read"), Some(ended));
    }
}

fn turns_need_what_they_follow(store: &dyn ConversationStore) {
    let refused = |turn: SavedTurn| store.begin_turn(&mine(), &turn).expect_err("refused").kind();
    assert_eq!(refused(turn("t1", None)), StoreErrorKind::NotFound, "no session");
    fill(store, &[("t1", None)]);
    assert_eq!(refused(turn("t2", Some("t9"))), StoreErrorKind::NotFound, "no parent");
    assert_eq!(refused(turn("t1", None)), StoreErrorKind::Occupied);
    store.create_session(&session("s2", 5)).expect("made");
    let elsewhere = SavedTurn { session: "s2".parse().expect("an id"), ..turn("t2", Some("t1")) };
    assert_eq!(refused(elsewhere), StoreErrorKind::NotFound, "a parent of another session");
    assert_eq!(names(store.turns(&mine(), &session("s", 0).id, None, 10).expect("read")), ["t1"]);
}

fn branches_have_paths(store: &dyn ConversationStore) {
    fill(
        store,
        &[("t1", None), ("t2", Some("t1")), ("t3", Some("t2")), ("b2", Some("t1")), ("r1", None)],
    );
    let path = |id: &str, limit| names(store.path(&mine(), &turn_id(id), limit).expect("read"));
    assert_eq!(path("t3", 10), ["t1", "t2", "t3"]);
    assert_eq!(path("b2", 10), ["t1", "b2"]);
    assert_eq!(path("r1", 10), ["r1"]);
    assert_eq!(path("t3", 2), ["t2", "t3"]);
    assert_eq!(path("t3", 0), [""; 0]);
    assert_eq!(path("none", 10), [""; 0]);
    let latest = store.latest_turn(&mine(), &session("s", 0).id).expect("read");
    assert_eq!(latest.expect("a turn"), turn("r1", None));
}

fn turns_are_listed(store: &dyn ConversationStore) {
    fill(store, &[("z", None), ("a", Some("z")), ("m", Some("z"))]);
    let id = session("s", 0).id;
    let list = |after: Option<&str>, limit| {
        let after = after.map(turn_id);
        names(store.turns(&mine(), &id, after.as_ref(), limit).expect("read"))
    };
    assert_eq!(list(None, 10), ["z", "a", "m"]);
    assert_eq!(list(None, 2), ["z", "a"]);
    assert_eq!(list(Some("a"), 2), ["m"]);
}

fn latest_turns_are_found(store: &dyn ConversationStore) {
    assert_eq!(store.latest_turns(&mine(), 3).expect("read"), []);
    for (id, updated_at) in [("s", 1), ("t", 2), ("u", 3)] {
        store.create_session(&session(id, updated_at)).expect("made");
    }
    let asked = |id: &str, session: &str, asked_at| SavedTurn {
        session: session.parse().expect("an id"),
        asked_at,
        ..turn(id, None)
    };
    let turns = [("a", "s", 10), ("b", "t", 11), ("c", "u", 12), ("d", "s", 13), ("e", "t", 14)];
    for (id, session, time) in turns {
        store.begin_turn(&mine(), &asked(id, session, time)).expect("begun");
    }
    assert_eq!(names(store.latest_turns(&mine(), 9).expect("read")), ["e", "d", "c", "b", "a"]);
    assert_eq!(names(store.latest_turns(&mine(), 2).expect("read")), ["e", "d"]);
    assert_eq!(store.latest_turns(&other(), 9).expect("read"), []);
}

fn feedback_is_noted(store: &dyn ConversationStore) {
    fill(store, &[("t1", None)]);
    let id = turn_id("t1");
    let noted = |feedback: Option<&Feedback>| {
        assert!(store.set_feedback(&mine(), &id, feedback).expect("noted"));
        assert_eq!(
            store.turn(&mine(), &id).expect("read").expect("there").feedback.as_ref(),
            feedback
        );
    };
    noted(Some(&Feedback { helpful: false, comment: Some("The page is wrong".into()) }));
    noted(Some(&Feedback { helpful: true, comment: None }));
    let ended = SavedTurn { status: TurnStatus::Complete, ..turn("t1", None) };
    store.update_turn(&ended).expect("ended");
    let kept = store.turn(&mine(), &id).expect("read").expect("there").feedback;
    assert!(kept.expect("kept").helpful, "ending a turn leaves its feedback");
    noted(None);
    assert!(!store.set_feedback(&mine(), &turn_id("none"), None).expect("asked"));
}

fn running_turns_are_interrupted(store: &dyn ConversationStore) {
    fill(store, &[("t1", None), ("t2", Some("t1"))]);
    let complete =
        SavedTurn { status: TurnStatus::Complete, ended_at: Some(20), ..turn("t1", None) };
    store.update_turn(&complete).expect("ended");
    assert_eq!(store.interrupt_turns().expect("marked"), 1);
    let read = |id: &str| store.turn(&mine(), &turn_id(id)).expect("read").expect("there");
    assert_eq!(read("t1"), complete);
    assert_eq!(read("t2").status, TurnStatus::Interrupted);
    assert!(read("t2").ended_at.is_some());
}

fn tenants_are_apart(store: &dyn ConversationStore) {
    fill(store, &[("t1", None)]);
    let (tenant, id, t1) = (other(), session("s", 0).id, turn_id("t1"));
    assert_eq!(store.session(&tenant, &id).expect("read"), None);
    let page = SessionPage { limit: 10, ..SessionPage::default() };
    assert_eq!(store.sessions(&tenant, &page).expect("read"), []);
    assert!(!store.rename_session(&tenant, &id, "x").expect("asked"));
    assert!(!store.delete_session(&tenant, &id).expect("asked"));
    let begun = store.begin_turn(&tenant, &turn("t2", None)).expect_err("refused");
    assert_eq!(begun.kind(), StoreErrorKind::NotFound);
    assert_eq!(store.turn(&tenant, &t1).expect("read"), None);
    assert_eq!(store.turns(&tenant, &id, None, 10).expect("read"), []);
    assert_eq!(store.latest_turn(&tenant, &id).expect("read"), None);
    assert_eq!(store.path(&tenant, &t1, 10).expect("read"), []);
    assert!(!store.set_feedback(&tenant, &t1, None).expect("asked"));
    assert_eq!(names(store.turns(&mine(), &id, None, 10).expect("read")), ["t1"], "untouched");
}
