//! `/api/v2/dialogs/…/turns`, sessions and turns: typed events, resumed, stopped, kept.

use std::collections::BTreeMap;
use std::time::Duration;

use api_server::Server;
use api_server::config::{Config, WhenBusyConfig};
use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::Behaviour;

use crate::client::{Answer, Client};
use crate::site::Site;

const TEA: &str = "# Tea\n\nGreen tea is made with water at 80 degrees.\n";
const TURNS: &str = "/api/v2/dialogs/default/turns";

/// An event as a browser's `EventSource` sees it.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    id: u64,
    name: String,
    data: Value,
}

fn events(text: &str) -> Vec<Event> {
    let frames = text.split("\n\n").filter(|frame| !frame.is_empty() && !frame.starts_with(':'));
    frames.map(event).collect()
}

fn event(frame: &str) -> Event {
    let field = |name: &str| {
        let line = frame.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {frame:?}"))
    };
    Event {
        id: field("id: ").parse().unwrap(),
        name: field("event: ").to_owned(),
        data: serde_json::from_str(field("data: ")).unwrap(),
    }
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

fn text(events: &[Event]) -> String {
    let deltas = events.iter().filter(|event| event.name == "delta");
    deltas.map(|event| event.data["text"].as_str().unwrap()).collect()
}

/// A site whose dialogs are answered by the fake upstream.
async fn site(change: impl FnOnce(&mut Config)) -> Site {
    Site::start_with(&[("tea.md", TEA)], |config| {
        config.defaults.chat = Some("fake/m".into());
        config.dialog.rewrite = false;
        // What is found does not matter.
        config.dialog.empty_response = String::new();
        change(config);
    })
    .await
}

async fn ask(client: &Client, body: Value) -> Answer {
    let answer = client.post(TURNS, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

/// Asks and waits for the whole turn.
async fn whole(client: &Client, mut body: Value) -> Value {
    body["stream"] = json!(false);
    ask(client, body).await.json()
}

/// Asks, and reads until there are so many deltas; the turn's id, what was read, and the rest.
async fn begin(
    client: &Client,
    body: Value,
    deltas: usize,
) -> (String, Vec<Event>, impl futures::Stream<Item = Vec<u8>> + use<>) {
    let response = client.open(TURNS, &body).await;
    assert_eq!(response.status(), 200);
    let turn = response.headers()["x-colloquy-turn"].to_str().unwrap().to_owned();
    let mut body = response.bytes_stream().map(|bytes| bytes.unwrap().to_vec());
    let mut read = String::new();
    while read.matches("event: delta").count() < deltas || !read.ends_with("\n\n") {
        read.push_str(std::str::from_utf8(&body.next().await.unwrap()).unwrap());
    }
    (turn, events(&read), body)
}

/// The turn, once it has ended.
async fn ended(client: &Client, turn: &str) -> Value {
    let path = format!("/api/v2/turns/{turn}");
    client.get(&format!("{path}/events")).await;
    client.get(&path).await.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_is_a_stream_of_events_and_is_kept() {
    let site = site(|_| {}).await;
    site.upstream.always(Behaviour::text("At eighty degrees [ID:0]."));
    let answer = ask(&site.client, json!({ "question": "How hot is green tea?" })).await;
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    let events = events(&answer.text);
    let names = names(&events);
    assert_eq!(names[..2], ["started", "retrieved"]);
    assert_eq!(*names.last().unwrap(), "done");
    assert_eq!(names.iter().filter(|name| **name == "citation").count(), 1);
    assert_eq!(text(&events), "At eighty degrees.");
    let ids: Vec<u64> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=events.len() as u64).collect::<Vec<_>>());

    let turn = answer.header("x-colloquy-turn");
    assert_eq!(events[0].data, json!({ "type": "started", "turn": turn, "model": "fake/m" }));
    let kept = site.client.get(&format!("/api/v2/turns/{turn}")).await.json();
    assert_eq!(kept["answer"], "At eighty degrees.");
    assert_eq!(kept["status"], "complete");
    assert_eq!(kept["passages"], events[1].data["passages"]);
    assert_eq!(kept["citations"][0]["quote"], "Green tea is made with water at 80 degrees.");
    assert_eq!(kept["done"]["cited"], json!([0]));
    assert_eq!(kept["spent"], events.last().unwrap().data["spent"]);
    let models: Vec<_> =
        kept["spent"].as_array().unwrap().iter().map(|spent| &spent["model"]).collect();
    assert_eq!(models, ["local/static", "fake/m"], "embedding and answer");

    let session = answer.header("x-colloquy-session");
    let listed = site.client.get("/api/v2/sessions").await.json();
    assert_eq!(listed["sessions"][0]["id"], session);
    assert_eq!(listed["sessions"][0]["title"], "How hot is green tea?");
    assert_eq!(listed["next"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_loses_nothing() {
    let site = site(|_| {}).await;
    site.upstream.always(Behaviour::tokens(60).every(Duration::from_millis(10)));
    let (turn, read, connection) = begin(&site.client, json!({ "question": "Tea?" }), 3).await;
    drop(connection);
    let last = read.last().unwrap().id.to_string();
    let path = format!("/api/v2/turns/{turn}/events");
    let resume = site.client.http.get(format!("{}{path}", site.client.base));
    let resumed = resume.header("last-event-id", last).send().await.unwrap();
    let resumed = events(&resumed.text().await.unwrap());

    let together = [read, resumed].concat();
    let from_the_start = events(&site.client.get(&path).await.text);
    assert_eq!(together, from_the_start);
    assert_eq!(names(&together).last(), Some(&"done"));
    let kept = site.client.get(&format!("/api/v2/turns/{turn}")).await.json();
    assert_eq!(kept["answer"], text(&together));
    assert_eq!(site.upstream.calls(), 1, "it was asked once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_is_stopped_down_to_the_provider() {
    let site = site(|_| {}).await;
    site.upstream.always(Behaviour::tokens(60).silent_after(5));
    let (turn, read, connection) = begin(&site.client, json!({ "question": "Tea?" }), 4).await;
    let path = format!("/api/v2/turns/{turn}");
    let stopped = site.client.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(stopped.status, 204);
    assert!(site.upstream.closed().await.by_client);
    let rest: Vec<_> = connection.collect().await;
    let rest = events(std::str::from_utf8(&rest.concat()).unwrap());
    assert_eq!(rest.last().unwrap().data["finish"], "cancelled");
    let kept = site.client.get(&path).await.json();
    assert_eq!(kept["status"], "stopped");
    assert_eq!(kept["answer"], text(&[read, rest].concat()));
    let again = site.client.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(again.status, 204, "it stays as it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_goes_on_and_branches() {
    let site = site(|_| {}).await;
    site.upstream.always(Behaviour::text("Yes."));
    let told = || -> Vec<String> {
        let asked = site.upstream.requests().pop().unwrap().json();
        let messages = asked["messages"].as_array().unwrap()[1..].to_vec();
        messages.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect()
    };
    let first = whole(&site.client, json!({ "question": "One?" })).await;
    let session = &first["session"];
    let second = whole(&site.client, json!({ "question": "Two?", "session": session })).await;
    assert_eq!(told(), ["One?", "Yes.", "Two?"]);
    assert_eq!(second["parent"], first["id"]);

    let again = whole(&site.client, json!({ "instead_of": second["id"] })).await;
    assert_eq!((&again["parent"], &again["question"]), (&first["id"], &json!("Two?")));
    let edited = json!({ "instead_of": first["id"], "question": "Uno?" });
    let edited = whole(&site.client, edited).await;
    assert_eq!(told(), ["Uno?"]);
    assert_eq!(edited["parent"], Value::Null);
    let after = json!({ "question": "Three?", "session": session, "parent": again["id"] });
    whole(&site.client, after).await;
    assert_eq!(told(), ["One?", "Yes.", "Two?", "Yes.", "Three?"]);
    let anew = json!({ "question": "New?", "session": session, "parent": null });
    assert_eq!(whole(&site.client, anew).await["parent"], Value::Null);

    let path = format!("/api/v2/sessions/{}/turns", session.as_str().unwrap());
    let listed = site.client.get(&path).await.json();
    let questions: Vec<_> =
        listed["turns"].as_array().unwrap().iter().map(|turn| &turn["question"]).collect();
    assert_eq!(questions, ["One?", "Two?", "Two?", "Uno?", "Three?", "New?"]);
    let page = site.client.get(&format!("{path}?limit=2")).await.json();
    let next = page["next"].as_str().unwrap();
    let page = site.client.get(&format!("{path}?limit=200&after={next}")).await.json();
    assert_eq!(page["turns"].as_array().unwrap().len(), 4);
    assert_eq!(page["next"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_turns_at_once_are_refused_or_wait() {
    for when_busy in [WhenBusyConfig::Refuse, WhenBusyConfig::Wait] {
        let site = site(|config| config.sessions.when_busy = when_busy).await;
        site.upstream.next(Behaviour::tokens(60).silent_after(3));
        site.upstream.always(Behaviour::text("Yes."));
        let (turn, ..) = begin(&site.client, json!({ "question": "One?" }), 1).await;
        let session = site.client.get("/api/v2/sessions").await.json()["sessions"][0]["id"].clone();
        let second = json!({ "question": "Two?", "session": session, "stream": false });
        let stop = async || {
            let path = format!("/api/v2/turns/{turn}");
            site.client.send(Method::DELETE, &path, &Value::Null).await;
        };
        match when_busy {
            WhenBusyConfig::Refuse => {
                let refused = site.client.post(TURNS, &second).await;
                assert_eq!(refused.status, 409, "{}", refused.text);
                assert_eq!(refused.header("content-type"), "application/problem+json");
                stop().await;
            }
            WhenBusyConfig::Wait => {
                let asked = site.client.post(TURNS, &second);
                let (answered, ()) = tokio::join!(asked, stop());
                assert_eq!(answered.json()["parent"], json!(turn));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_keeps_what_there_is() {
    let site = site(|config| config.server.drain_seconds = 0).await;
    site.upstream.always(Behaviour::tokens(60).silent_after(5));
    let (turn, read, connection) = begin(&site.client, json!({ "question": "Tea?" }), 4).await;
    let rest = tokio::spawn(async move {
        let rest: Vec<_> = connection.collect().await;
        events(std::str::from_utf8(&rest.concat()).unwrap())
    });
    let folder = site.stop().await;
    let rest = rest.await.unwrap();
    assert_eq!(rest.last().unwrap().data["finish"], "cancelled", "its reader is told");

    let file = folder.path().join("colloquy.toml");
    let config = api_server::config::load(Some(&file), &BTreeMap::new()).unwrap();
    let server = Server::start(config, &BTreeMap::new()).await.unwrap();
    let client = Client::new(server.address());
    let kept = client.get(&format!("/api/v2/turns/{turn}")).await.json();
    assert_eq!(kept["status"], "interrupted");
    assert_eq!(kept["answer"], text(&[read, rest].concat()));
    let gone = client.get(&format!("/api/v2/turns/{turn}/events")).await;
    assert_eq!(gone.status, 410, "{}", gone.text);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_lets_turns_finish_that_nobody_reads() {
    let site = site(|_| {}).await;
    site.upstream.always(Behaviour::tokens(30).every(Duration::from_millis(10)));
    let (turn, _, connection) = begin(&site.client, json!({ "question": "Tea?" }), 1).await;
    drop(connection);
    let folder = site.stop().await;
    let file = folder.path().join("colloquy.toml");
    let config = api_server::config::load(Some(&file), &BTreeMap::new()).unwrap();
    let server = Server::start(config, &BTreeMap::new()).await.unwrap();
    let kept = Client::new(server.address()).get(&format!("/api/v2/turns/{turn}")).await.json();
    assert_eq!(kept["status"], "complete");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_provider_is_an_event_or_a_status_and_is_kept() {
    let site = site(|_| {}).await;
    site.upstream.always(Behaviour::status(429).header("retry-after", "3600"));
    let answer = site.client.post(TURNS, &json!({ "question": "Tea?", "stream": false })).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "3600"), "{}", answer.text);

    let answer = ask(&site.client, json!({ "question": "Tea?" })).await;
    let events = events(&answer.text);
    assert_eq!(names(&events), ["started", "retrieved", "error"]);
    assert_eq!(events[2].data["code"], "rate_limit");
    assert!(events[2].data["retry_after_seconds"].as_u64().unwrap() > 0);
    let kept = ended(&site.client, answer.header("x-colloquy-turn")).await;
    assert_eq!((&kept["status"], &kept["answer"]), (&json!("failed"), &json!("")));
    assert_eq!(kept["failure"], events[2].data);

    let site = self::site(|_| {}).await;
    site.upstream.always(Behaviour::tokens(20).cut_after(5));
    let answer = ask(&site.client, json!({ "question": "Tea?" })).await;
    let events = self::events(&answer.text);
    assert_eq!(events.last().unwrap().name, "error");
    let kept = ended(&site.client, answer.header("x-colloquy-turn")).await;
    assert_eq!((&kept["status"], &kept["answer"]), (&json!("failed"), &json!(text(&events))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_made_renamed_paged_and_deleted() {
    let site = site(|_| {}).await;
    site.upstream.always(Behaviour::text("Yes."));
    let made = site.client.post("/api/v2/dialogs/default/sessions", &json!({ "title": "A" })).await;
    assert_eq!(made.status, 201);
    let session = made.json();
    let path = format!("/api/v2/sessions/{}", session["id"].as_str().unwrap());
    let renamed = site.client.send(Method::PATCH, &path, &json!({ "title": " B\nc " })).await;
    assert_eq!(renamed.json()["title"], "B c");
    let turn = whole(&site.client, json!({ "question": "Tea?", "session": session["id"] })).await;
    for number in 0..3 {
        whole(&site.client, json!({ "question": format!("{number}?") })).await;
    }
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let page = site.client.get(&format!("/api/v2/sessions?limit=2{next}")).await.json();
        let sessions = page["sessions"].as_array().unwrap();
        seen.extend(sessions.iter().map(|session| session["title"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(after) => next = format!("&after={after}"),
            None => break,
        }
    }
    assert_eq!(seen, ["2?", "1?", "0?", "B c"]);

    let turn_path = format!("/api/v2/turns/{}", turn["id"].as_str().unwrap());
    let judged = json!({ "feedback": { "helpful": false, "comment": "Wrong page" } });
    let judged = site.client.send(Method::PATCH, &turn_path, &judged).await.json();
    assert_eq!(judged["feedback"], json!({ "helpful": false, "comment": "Wrong page" }));
    let taken_back =
        site.client.send(Method::PATCH, &turn_path, &json!({ "feedback": null })).await;
    assert_eq!(taken_back.json()["feedback"], Value::Null);

    assert_eq!(site.client.send(Method::DELETE, &path, &Value::Null).await.status, 204);
    for path in [path.as_str(), &format!("{path}/turns"), &turn_path] {
        assert_eq!(site.client.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said() {
    let site = site(|_| {}).await;
    let bad = [
        (json!({}), 400, "`question` is missing or blank"),
        (json!({ "question": " " }), 400, "`question` is missing or blank"),
        (json!({ "qestion": "Tea?" }), 400, "unknown field `qestion`"),
        (json!({ "question": "Tea?", "parent": "x" }), 400, "`parent` is a turn of a session"),
        (json!({ "question": "Tea?", "session": "x" }), 404, "there is no session `x`"),
        (json!({ "question": "Tea?", "session": "../x" }), 404, "there is no session `../x`"),
        (json!({ "instead_of": "x" }), 404, "there is no turn `x`"),
        (json!({ "instead_of": "x", "parent": null }), 400, "leave these out"),
        (json!({ "question": "Tea?", "model": "no/such" }), 404, "no/such"),
    ];
    for (body, status, reason) in bad {
        let answer = site.client.post(TURNS, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert!(answer.text.contains(reason), "{body}: {}", answer.text);
    }
    let unknown = site.client.post("/api/v2/dialogs/none/turns", &json!({ "question": "?" })).await;
    assert_eq!(unknown.status, 404);
    for path in ["/api/v2/sessions?limit=0", "/api/v2/sessions?after=x", "/api/v2/sessions?limt=1"]
    {
        assert_eq!(site.client.get(path).await.status, 400, "{path}");
    }
    assert_eq!(site.client.get("/api/v2/sessions").await.json()["sessions"], json!([]));
    assert_eq!(site.upstream.calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_come_along_are_seen_by_the_model() {
    let site = site(|_| {}).await;
    site.upstream.always(Behaviour::text("Yes."));
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let files = json!([
        { "name": "plan.md", "data": "IyBQbGFuCgpTZXJ2ZSB0ZWEgYXQgZm91ci4K" },
        { "name": "note.txt", "text": "Not at five." },
        { "name": "cup.png", "data": png },
    ]);
    let first = whole(&site.client, json!({ "question": "When?", "attachments": files })).await;
    let seen =
        |place: usize| site.upstream.requests().pop().unwrap().json()["messages"][place].clone();
    let content = seen(1)["content"].clone();
    assert!(content.to_string().contains("Serve tea at four."), "{content}");
    assert!(content.to_string().contains("Not at five."), "{content}");
    let image = content.as_array().unwrap().last().unwrap();
    assert!(image["image_url"]["url"].as_str().unwrap().starts_with("data:image/png;base64,"));
    assert_eq!(first["question"], "When?");
    let names: Vec<_> =
        first["attachments"].as_array().unwrap().iter().map(|kept| &kept["name"]).collect();
    assert_eq!(names, ["plan.md", "note.txt", "cup.png"]);

    whole(&site.client, json!({ "question": "Sure?", "session": first["session"] })).await;
    let content = seen(1)["content"].to_string();
    assert!(content.contains("Serve tea at four.") && !content.contains("image"), "{content}");

    whole(&site.client, json!({ "instead_of": first["id"] })).await;
    assert!(seen(1)["content"].to_string().contains("Serve tea at four."), "asked anew");

    for (file, reason) in [
        (json!({ "name": "x.bin", "data": "AAEC" }), "`x.bin` is of a kind that is not read here"),
        (json!({ "name": "x.md", "data": "***" }), "no base64"),
        (json!({ "name": "x.md" }), "has either `data` or `text`"),
        (json!({ "name": "x.html", "data": "" }), "`x.html` cannot be read"),
    ] {
        let body = json!({ "question": "When?", "attachments": [file] });
        let refused = site.client.post(TURNS, &body).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert!(refused.text.contains(reason), "{}", refused.text);
    }
}
