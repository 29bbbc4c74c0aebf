//! Tenants do not see each other, in any address: what is another's is answered like what does not exist. The addresses come
//! from the OpenAPI document, which every route is in.

use accounts::{KeyRequest, Role};
use reqwest::Method;
use serde_json::{Value, json};

use crate::accounts::{Caller, holder, site, store, tenant};
use crate::openapi::{Operation, operations};
use crate::site::Site;

/// What stands in no answer to another tenant.
const SECRET: &str = "has 80 degrees";

/// Something of the tenant `local` for each parameter of a path.
struct Things(Vec<(&'static str, &'static str, String)>);

impl Things {
    /// What stands for the parameter in this path: that of the longest beginning.
    fn of(&self, path: &str, parameter: &str) -> &str {
        let before = &path[..path.find(&format!("{{{parameter}}}")).unwrap()];
        let found = self
            .0
            .iter()
            .filter(|(beginning, name, _)| before.starts_with(beginning) && *name == parameter);
        let found = found.max_by_key(|(beginning, ..)| beginning.len());
        let (.., thing) = found.unwrap_or_else(|| {
            panic!("a new address, {path}: tell this test of something that is `{parameter}` there")
        });
        thing
    }

    /// The path with these things, and with others of the same form that nobody has.
    fn paths(&self, operation: &Operation) -> (String, String) {
        let (mut own, mut absent) = (operation.path.clone(), operation.path.clone());
        for parameter in in_path(operation) {
            let (thing, written) =
                (self.of(&operation.path, parameter), format!("{{{parameter}}}"));
            own = own.replace(&written, thing);
            absent = absent.replace(&written, &nobodys(thing));
        }
        (own, absent)
    }
}

/// The parameters that stand in the path.
fn in_path(operation: &Operation) -> Vec<&str> {
    let of_path = operation.parameters.iter().filter(|parameter| parameter.place == "path");
    of_path.map(|parameter| parameter.name.as_str()).collect()
}

/// As long, and as well formed.
fn nobodys(thing: &str) -> String {
    let other = |letter: char| match letter {
        '0'..='9' => char::from(b'0' + (letter as u8 - b'0' + 1) % 10),
        'a'..='e' => char::from(letter as u8 + 1),
        other => other,
    };
    let (kept, changed) = thing.split_at(thing.len() - thing.len().min(6));
    format!("{kept}{}", changed.chars().map(other).collect::<String>())
}

/// A dataset, document, chunk, dialog, session, turn, key, member, invitation, stored response.
async fn things(site: &Site, local: &Caller<'_>) -> Things {
    let id = |answer: &Value, pointer: &str| {
        let found = answer.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no {pointer} in {answer}")).to_owned()
    };
    let dataset = id(&local.get("/api/v1/datasets").await.json(), "/data/0/id");
    let documents = local.get("/api/v2/datasets/default/documents").await.json();
    let document = id(&documents, "/documents/0/id");
    let chunks = local.get(&format!("/api/v2/documents/{document}/chunks")).await.json();
    let chunk = id(&chunks, "/chunks/0/id");
    let chat = json!({ "name": "tea chat", "dataset_ids": [dataset] });
    let chat = id(&local.post("/api/v1/chats", &chat).await.json(), "/data/id");
    let dialog = json!({ "datasets": ["default"] });
    let saved = local.send(Method::PUT, "/api/v2/dialogs/secret-dialog", Some(&dialog)).await;
    assert!(saved.status < 300, "{}", saved.text);
    let turns = "/api/v2/dialogs/default/turns";
    let asked = json!({ "question": "How hot is water for green tea?", "stream": false });
    local.post(turns, &asked).await;
    let sessions = local.get("/api/v2/sessions").await.json();
    let session = id(&sessions, "/sessions/0/id");
    let turns = local.get(&format!("/api/v2/sessions/{session}/turns")).await.json();
    let turn = id(&turns, "/turns/0/id");
    let key = store(site).keys(&tenant("local")).unwrap()[0].id.clone();
    let (invitation, secret) =
        store(site).invite(&tenant("local"), "ada@example.com", Role::Admin).unwrap();
    let (ada, _) = store(site).join(&secret, "Ada", &"correct horse".into()).unwrap();
    let (open, _) = store(site).invite(&tenant("local"), "b@example.com", Role::Admin).unwrap();
    assert_ne!(open.id, invitation.id);
    let respond = json!({ "model": "local/extractive", "input": "Hi" });
    let response = local.post("/v1/responses", &respond).await.json();
    Things(vec![
        ("/api/v2/datasets/", "name", "default".into()),
        ("/api/v2/dialogs/", "name", "secret-dialog".into()),
        ("/api/v2/documents/", "id", document.clone()),
        ("/api/v2/datasets/", "id", document.clone()),
        ("/api/v2/", "document", document.clone()),
        ("/api/v2/", "chunk", chunk.clone()),
        ("/api/v2/sessions/", "id", session.clone()),
        ("/api/v2/turns/", "id", turn.clone()),
        ("/api/v2/keys/", "id", key),
        ("/api/v2/people/", "id", ada.id),
        ("/api/v2/invitations/", "id", open.id),
        ("/api/v1/", "dataset", dataset),
        ("/api/v1/", "document", document),
        ("/api/v1/", "chunk", chunk),
        ("/api/v1/", "chat", chat),
        ("/api/v1/", "session", session),
        ("/api/v1/", "message", turn),
        ("/api/v2/providers/", "name", "mine".into()),
        ("/api/v1/tenants/", "tenant", "local".into()),
        (
            "/api/v1/system/tokens/",
            "token",
            store(site).keys(&tenant("local")).unwrap()[0].id.clone(),
        ),
        ("/v1/models/", "id", "dialog/secret-dialog".into()),
        ("/v1/responses/", "id", id(&response, "/id")),
    ])
}

/// Bodies that get further than a check of their form.
fn body(operation: &Operation) -> Value {
    let asked = json!({ "question": "How hot is water for green tea?", "stream": false });
    match (operation.method.as_str(), operation.path.as_str()) {
        ("POST", path) if path.ends_with("/turns") => asked,
        ("POST", path) if path.ends_with("/completions") => json!({
            "model": "m", "question": "How hot?", "stream": false,
            "messages": [{ "role": "user", "content": "How hot?" }],
        }),
        ("POST", path) if path.ends_with("/chunks") => {
            json!({ "text": "new", "content": "new", "document_ids": ["x"] })
        }
        ("PUT", path) if path.ends_with("/feedback") => json!({ "thumbup": true }),
        ("PUT", path) if path.starts_with("/api/v2/dialogs/") => json!({ "datasets": ["default"] }),
        ("PATCH", path) if path.starts_with("/api/v2/people/") => json!({ "role": "reader" }),
        ("PATCH", path) if path.starts_with("/api/v2/sessions/") => json!({ "title": "stolen" }),
        ("PATCH", path) if path.starts_with("/api/v2/turns/") => json!({ "feedback": null }),
        ("PATCH", path) if path.contains("/chunks/") => json!({ "text": "stolen" }),
        ("PATCH", path) if path.contains("/documents/") => json!({ "name": "stolen.md" }),
        ("POST" | "PUT" | "PATCH", path) if path.contains("/sessions") => {
            json!({ "name": "stolen", "title": "stolen" })
        }
        ("PUT" | "PATCH", path) if path.starts_with("/api/v1/") => json!({ "name": "stolen" }),
        _ => json!({}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_tenants_is_answered_like_what_is_not_there() {
    let site = site().await;
    let local = holder(&site, &KeyRequest::new(tenant("local"), "owner"));
    let acme = holder(&site, &KeyRequest::new(tenant("acme"), "stranger"));
    let things = things(&site, &local).await;
    let before = seen(&local).await;
    let with_ids = operations(&site).await;
    let with_ids = with_ids.iter().filter(|operation| !in_path(operation).is_empty());
    let mut compared = 0;
    for operation in with_ids {
        // A dialog of that name of one's own can be made by everybody.
        if (operation.method.as_str(), operation.path.as_str()) == ("PUT", "/api/v2/dialogs/{name}")
        {
            continue;
        }
        let (own, absent) = things.paths(operation);
        let body = body(operation);
        let body = (operation.method != Method::GET).then_some(&body);
        let real = acme.send(operation.method.clone(), &own, body).await;
        let missing = acme.send(operation.method.clone(), &absent, body).await;
        let line = format!("{} {}", operation.method, operation.path);
        assert_eq!(real.status, missing.status, "{line}: {}\n{}", real.text, missing.text);
        let plain = |text: &str| {
            let mut text = text.to_owned();
            for parameter in in_path(operation) {
                let thing = things.of(&operation.path, parameter);
                text = text.replace(&nobodys(thing), "X").replace(thing, "X");
            }
            text
        };
        assert_eq!(plain(&real.text), plain(&missing.text), "{line}");
        assert!(!real.text.contains(SECRET), "{line}: {}", real.text);
        compared += 1;
    }
    assert!(compared > 30, "{compared} addresses take an id");
    assert_eq!(seen(&local).await, before, "a stranger changed something");
}

/// What lists things lists one's own.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_can_be_read_names_what_is_another_tenants() {
    let site = site().await;
    let local = holder(&site, &KeyRequest::new(tenant("local"), "owner"));
    let acme = holder(&site, &KeyRequest::new(tenant("acme"), "stranger"));
    let things = things(&site, &local).await;
    let ids: Vec<&String> =
        things.0.iter().map(|(.., thing)| thing).filter(|thing| thing.len() > 10).collect();
    let mut read = 0;
    for operation in operations(&site).await {
        // Streams do not end, and the description has made-up examples.
        let is_other = operation.path.ends_with("/events") || operation.path == "/openapi.json";
        if operation.method != Method::GET || !in_path(&operation).is_empty() || is_other {
            continue;
        }
        let answer = acme.get(&operation.path).await;
        let told = ids.iter().find(|id| answer.text.contains(id.as_str()));
        assert!(told.is_none(), "{}: {told:?} in {}", operation.path, answer.text);
        for secret in [SECRET, "tea.md", "ada@example.com", "b@example.com"] {
            assert!(!answer.text.contains(secret), "{}: {}", operation.path, answer.text);
        }
        read += 1;
    }
    assert!(read > 10, "{read} addresses without parameters");
}

/// What its owner sees of everything.
async fn seen(local: &Caller<'_>) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in [
        "/api/v2/datasets",
        "/api/v2/datasets/default/documents",
        "/api/v2/dialogs",
        "/api/v2/sessions",
        "/api/v2/people",
        "/api/v2/invitations",
        "/api/v1/chats",
    ] {
        let answer = local.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        seen.push(answer.json());
    }
    let keys = local.get("/api/v2/keys").await.json();
    seen.extend(keys["keys"].as_array().unwrap().iter().map(|key| key["status"].clone()));
    seen
}
