//! Responses that are kept, gone on from by their id, read and deleted.

use std::time::Duration;

use accounts::{AccountStore, KeyRequest, KeyScope};
use api_server::config::AuthMode;
use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::Behaviour;

use crate::client::{Answer, Client};
use crate::site::Site;

const PATH: &str = "/v1/responses";

fn asked(input: impl Into<Value>) -> Value {
    json!({ "model": "fake/m", "input": input.into() })
}

/// A request that goes on from a response.
fn then(previous: &Value, input: impl Into<Value>) -> Value {
    let mut request = asked(input);
    request["previous_response_id"] = previous["id"].clone();
    request
}

async fn answered(site: &Site, request: &Value) -> Value {
    let answer = site.client.post(PATH, request).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn address(response: &Value) -> String {
    format!("{PATH}/{}", response["id"].as_str().unwrap())
}

/// What the last call to the upstream said, as `role: text`.
fn told(site: &Site) -> Vec<String> {
    let sent = site.upstream.requests().pop().unwrap().json();
    let messages = sent["messages"].as_array().unwrap().iter();
    let text = |message: &Value| match &message["content"] {
        Value::String(text) => text.clone(),
        parts => parts[0]["text"].as_str().unwrap_or_default().to_owned(),
    };
    messages.map(|it| format!("{}: {}", it["role"].as_str().unwrap(), text(it))).collect()
}

/// The response object of the last event.
fn last(streamed: &Answer) -> Value {
    let data = streamed.text.lines().rev().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str::<Value>(data.unwrap()).unwrap()["response"].clone()
}

fn refused(answer: &Answer) -> (u16, String, String) {
    let error = &answer.json()["error"];
    let field = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (answer.status, field("code"), field("param"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_goes_on_by_the_id_of_what_was_answered() {
    let site = Site::start(&[]).await;
    site.upstream.always(Behaviour::text("Green."));
    let mut request = asked("Which tea?");
    request["instructions"] = "Be brief.".into();
    let first = answered(&site, &request).await;
    assert_eq!((&first["store"], &first["previous_response_id"]), (&json!(true), &Value::Null));

    // The instructions are those of each request.
    site.upstream.always(Behaviour::tool_call("boil", "{}"));
    let mut request = then(&first, "How hot?");
    request["stream"] = true.into();
    request["tools"] = json!([{ "type": "function", "name": "boil", "parameters": {} }]);
    let second = last(&site.client.post(PATH, &request).await);
    assert_eq!((&second["status"], &second["store"]), (&json!("completed"), &json!(true)));
    assert_eq!(second["previous_response_id"], first["id"]);
    assert_eq!(told(&site), ["user: Which tea?", "assistant: Green.", "user: How hot?"]);

    site.upstream.always(Behaviour::text("80 degrees."));
    let result =
        json!([{ "type": "function_call_output", "call_id": "call_fake", "output": "80" }]);
    let third = answered(&site, &then(&second, result)).await;
    let sent = site.upstream.requests().pop().unwrap().json();
    assert_eq!(sent["messages"][3]["tool_calls"][0]["function"]["name"], "boil", "{sent}");
    assert_eq!(told(&site)[4], "tool: 80");

    // A second way on from the first.
    answered(&site, &then(&first, "Why?")).await;
    assert_eq!(told(&site), ["user: Which tea?", "assistant: Green.", "user: Why?"]);

    let read = site.client.get(&address(&third)).await;
    assert_eq!((read.status, read.json()), (200, third.clone()));
    let read = site.client.get(&address(&second)).await.json();
    assert_eq!(read, second, "a streamed one, too");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_response_answered_is_listed() {
    let site = Site::start(&[]).await;
    site.upstream.always(Behaviour::text("Green."));
    let first = answered(&site, &asked("Which tea?")).await;
    let items =
        json!([{ "role": "user", "content": "How hot?" }, { "role": "user", "content": "Now." }]);
    let second = answered(&site, &then(&first, items)).await;
    let list = async |query: &str| {
        let listed = site.client.get(&format!("{}/input_items?{query}", address(&second))).await;
        assert_eq!(listed.status, 200, "{}", listed.text);
        listed.json()
    };
    let texts = |page: &Value| -> Vec<String> {
        let text = |item: &Value| item["content"][0]["text"].as_str().unwrap().to_owned();
        page["data"].as_array().unwrap().iter().map(text).collect()
    };
    let all = list("order=asc").await;
    assert_eq!(texts(&all), ["Which tea?", "Green.", "How hot?", "Now."]);
    assert_eq!((&all["object"], &all["has_more"]), (&json!("list"), &json!(false)));
    let page = list("limit=3").await;
    assert_eq!((texts(&page)[0].as_str(), &page["has_more"]), ("Now.", &json!(true)));
    let rest = list(&format!("limit=3&after={}", page["last_id"].as_str().unwrap())).await;
    assert_eq!((texts(&rest), &rest["has_more"]), (vec!["Which tea?".to_owned()], &json!(false)));
    for query in ["limit=0", "limit=101", "order=up", "after=nothing", "limit=x"] {
        let path = format!("{}/input_items?{query}", address(&second));
        assert_eq!(site.client.get(&path).await.status, 400, "{query}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_or_was_never_kept_cannot_be_gone_on_from() {
    let site = Site::start(&[]).await;
    let first = answered(&site, &asked("Which tea?")).await;
    let second = answered(&site, &then(&first, "How hot?")).await;
    let calls = site.upstream.calls();
    let deleted = site.client.send(Method::DELETE, &address(&first), &Value::Null).await;
    let expected = json!({ "id": first["id"], "object": "response", "deleted": true });
    assert_eq!((deleted.status, deleted.json()), (200, expected));
    for method in [Method::GET, Method::DELETE] {
        let gone = site.client.send(method, &address(&first), &Value::Null).await;
        assert_eq!((gone.status, refused(&gone).1.as_str()), (404, "not_found"));
    }
    let unknown = json!({ "id": "resp_x" });
    for (previous, stream) in [(&first, false), (&second, true), (&unknown, false)] {
        let mut request = then(previous, "And?");
        request["stream"] = stream.into();
        let answer = site.client.post(PATH, &request).await;
        let code = "previous_response_not_found".to_owned();
        assert_eq!(refused(&answer), (400, code, "previous_response_id".into()));
    }
    assert_eq!(site.client.get(&address(&second)).await.status, 200, "is still there");
    assert_eq!(site.upstream.calls(), calls, "nobody was asked");

    let mut request = asked("Which tea?");
    request["store"] = false.into();
    let secret = answered(&site, &request).await;
    assert_eq!(secret["store"], false);
    assert_eq!(site.client.get(&address(&secret)).await.status, 404);
    for (field, value) in [
        ("store", json!("yes")),
        ("previous_response_id", json!(1)),
        ("conversation", json!("conv_1")),
        ("prompt", json!({ "id": "p" })),
        ("background", json!(true)),
    ] {
        let mut request = asked("Hi");
        request[field] = value;
        let answer = site.client.post(PATH, &request).await;
        assert_eq!(refused(&answer), (400, String::new(), field.into()), "{}", answer.text);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_or_was_left_is_not_kept() {
    let site = Site::start(&[]).await;
    let stream = |request: Value| {
        let mut request = request;
        request["stream"] = true.into();
        request
    };
    site.upstream.always(Behaviour::tokens(20).cut_after(5));
    let failed = last(&site.client.post(PATH, &stream(asked("Hi"))).await);
    assert_eq!(failed["status"], "failed");
    assert_eq!(site.client.get(&address(&failed)).await.status, 404);

    site.upstream.always(Behaviour::tokens(10_000).every(Duration::from_millis(5)));
    let mut body = site.client.open(PATH, &stream(asked("Hi"))).await.bytes_stream();
    let begin = String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap();
    let data = begin.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let left = serde_json::from_str::<Value>(data).unwrap()["response"].clone();
    drop(body);
    site.upstream.closed().await;
    site.until("colloquy_live_streams 0").await;
    assert_eq!(site.client.get(&address(&left)).await.status, 404);
    let answer = site.client.post(PATH, &then(&left, "And?")).await;
    assert_eq!(refused(&answer).1, "previous_response_not_found");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_says_what_is_kept() {
    let site = Site::start_with(&[], |config| config.responses.store = false).await;
    let response = answered(&site, &asked("Hi")).await;
    assert_eq!(response["store"], false);
    assert_eq!(site.client.get(&address(&response)).await.status, 404);
    let mut request = asked("Hi");
    request["store"] = true.into();
    let response = answered(&site, &request).await;
    assert_eq!(site.client.get(&address(&response)).await.status, 200);

    // Too long to be kept: answered all the same, and it says so.
    request["input"] = "tea ".repeat(5 << 20).into();
    let long = answered(&site, &request).await;
    assert_eq!(
        (&long["store"], &long["warnings"][0]["code"]),
        (&json!(false), &json!("not_stored"))
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialogs_are_gone_on_with_too() {
    let tea = [("tea.md", "# Tea\n\nGreen tea is made with water at 80 degrees.\n")];
    let site = Site::start_with(&tea, |config| config.defaults.chat = Some("fake/m".into())).await;
    site.upstream.always(Behaviour::text("80 degrees."));
    let mut request = asked("How hot must the water for green tea be?");
    request["model"] = "dialog/default".into();
    let first = answered(&site, &request).await;
    let mut request = then(&first, "And why?");
    request["model"] = "dialog/default".into();
    answered(&site, &request).await;
    let told = told(&site).join("\n");
    assert!(told.contains("How hot must") && told.contains("assistant: 80 degrees."), "{told}");
    site.stop().await;
}

/// The same client with a key of this tenant, which opens so much.
fn client_of(site: &Site, tenant: &str, scope: KeyScope) -> Client {
    let data_dir = &site.server.app().config.server.data_dir;
    let keys = AccountStore::open(&data_dir.join("accounts.sqlite")).unwrap();
    let request = KeyRequest { scope, ..KeyRequest::new(tenant.parse().unwrap(), "test") };
    let (_, secret) = keys.create_key(&request).unwrap();
    let headers =
        [(reqwest::header::AUTHORIZATION, format!("Bearer {}", secret.expose()).parse().unwrap())];
    let http = reqwest::Client::builder().no_proxy().default_headers(headers.into_iter().collect());
    Client { http: http.build().unwrap(), base: site.client.base.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_is_its_tenants_only() {
    let site = Site::start_with(&[], |config| config.auth.mode = AuthMode::Keys).await;
    let client = |tenant| client_of(&site, tenant, KeyScope::default());
    let (ours, theirs) = (client("ours"), client("theirs"));
    let first = ours.post(PATH, &asked("Which tea?")).await.json();
    for path in [address(&first), format!("{}/input_items", address(&first))] {
        assert_eq!(ours.get(&path).await.status, 200);
        assert_eq!(theirs.get(&path).await.status, 404, "{path}");
        assert_eq!(site.client.get(&path).await.status, 401, "{path}");
    }
    let answer = theirs.post(PATH, &then(&first, "And?")).await;
    assert_eq!(refused(&answer).1, "previous_response_not_found");
    let answer = theirs.send(Method::DELETE, &address(&first), &Value::Null).await;
    assert_eq!(answer.status, 404);
    assert_eq!(ours.post(PATH, &then(&first, "And?")).await.status, 200);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_for_some_models_sees_what_it_asked_for_itself() {
    let site = Site::start_with(&[], |config| config.auth.mode = AuthMode::Keys).await;
    let scope = KeyScope { models: Some(vec!["fake/*".into()]), ..KeyScope::default() };
    let all = client_of(&site, "ours", KeyScope::default());
    let some = client_of(&site, "ours", scope);
    let (hidden, own) = (all.post(PATH, &asked("A")).await, some.post(PATH, &asked("B")).await);
    let (hidden, own) = (hidden.json(), own.json());
    assert_eq!(some.get(&address(&hidden)).await.status, 404);
    assert_eq!(refused(&some.post(PATH, &then(&hidden, "C")).await).0, 400);
    assert_eq!(some.send(Method::DELETE, &address(&hidden), &Value::Null).await.status, 404);
    assert_eq!(some.post(PATH, &then(&own, "C")).await.status, 200);
    assert_eq!(all.get(&address(&own)).await.status, 200);
    site.stop().await;
}
