//! The documents as tools, over the Model Context Protocol.

use std::time::Duration;

use accounts::{AccountStore, KeyRequest, KeyScope};
use api_server::config::AuthMode;
use llm_core::{ToolHandler, ToolInput};
use llm_mcp::{Endpoint, HttpEndpoint, McpOptions, McpServer, McpTool};
use serde_json::{Value, json};
use testkit::Behaviour;

use crate::client::{Answer, Client};
use crate::site::Site;

const DOCUMENTS: &[(&str, &str)] = &[
    ("tea.md", "# Tea\n\nGreen tea is made with water at 80 degrees.\n"),
    ("coffee.md", "# Coffee\n\nCoffee is made with water at 94 degrees.\n"),
];
const QUESTION: &str = "How hot must the water for green tea be?";

/// Sends one message, as a client that knows of no session does.
async fn send(client: &Client, message: &Value, headers: &[(&str, &str)]) -> Answer {
    let accept = ("accept", "application/json, text/event-stream");
    let version = ("mcp-protocol-version", "2025-06-18");
    let headers: Vec<_> = [accept, version].iter().chain(headers).copied().collect();
    client.post_with("/mcp", &headers, message).await
}

fn call(tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": 7 } });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

/// The messages that came back; the last one answers.
fn messages(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let data = answer.text.lines().filter_map(|line| line.strip_prefix("data:"));
    let parsed = data.filter_map(|data| serde_json::from_str(data.trim()).ok());
    parsed.collect()
}

/// What a tool gives, and how it told of its progress.
async fn run(site: &Site, tool: &str, arguments: Value) -> (Value, Vec<Value>) {
    let answer = send(&site.client, &call(tool, arguments), &[]).await;
    let mut told = messages(&answer);
    let result = told.pop().unwrap()["result"].clone();
    assert!(result.is_object(), "{}", answer.text);
    (result, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_finds_the_tools_and_uses_them() {
    let site = Site::start(DOCUMENTS).await;
    let endpoint = Endpoint::Http(HttpEndpoint::new(format!("{}/mcp", site.client.base)));
    let server = McpServer::new("docs", endpoint, McpOptions::default()).unwrap();
    let tools = server.list().await.unwrap();
    let names: Vec<&str> = tools.iter().map(McpTool::remote_name).collect();
    assert_eq!(names, ["list_datasets", "search", "ask", "read_document"]);
    for (tool, arguments, word) in [
        (0, json!({}), "default: 2 documents"),
        (1, json!({ "query": QUESTION }), "Green tea is made with water at 80 degrees."),
        (2, json!({ "question": QUESTION }), "Sources:\n- docs/tea.md, Tea: “Green tea"),
        (3, json!({ "dataset": "default", "document": "docs/coffee.md" }), "94 degrees"),
    ] {
        let input = ToolInput::new("call", arguments);
        let output = tools[tool].call(input).await.unwrap();
        assert!(!output.is_error, "{output:?}");
        let llm_core::Part::Text(text) = &output.parts[0] else { panic!("{output:?}") };
        assert!(text.text.contains(word), "{}", text.text);
    }
    server.close().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tools_give_is_data_as_well() {
    let site = Site::start(DOCUMENTS).await;
    let (listed, _) = run(&site, "list_datasets", json!({})).await;
    let datasets = &listed["structuredContent"]["datasets"];
    assert_eq!((&datasets[0]["name"], &datasets[0]["documents"]), (&json!("default"), &json!(2)));

    let (found, _) = run(&site, "search", json!({ "query": "green tea", "top": 1 })).await;
    let passages = found["structuredContent"]["passages"].as_array().unwrap();
    assert_eq!((passages.len(), &passages[0]["document_name"]), (1, &json!("docs/tea.md")));
    assert_eq!(
        (&passages[0]["dataset"], &passages[0]["headings"]),
        (&json!("default"), &json!(["Tea"]))
    );
    let filter = json!({ "query": "green tea", "filter": "year >= 2024" });
    let (found, _) = run(&site, "search", filter).await;
    assert_eq!(found["structuredContent"]["passages"], json!([]));
    assert_eq!(found["content"][0]["text"], "Nothing was found.");

    let asked = json!({ "dataset": "default", "document": passages[0]["document"], "limit": 1 });
    let (page, _) = run(&site, "read_document", asked).await;
    let page = &page["structuredContent"];
    assert_eq!((&page["document_name"], &page["total"]), (&json!("docs/tea.md"), &json!(1)));
    assert_eq!((&page["passages"][0]["passage"], &page["next_offset"]), (&json!(0), &Value::Null));

    let (answer, told) =
        run(&site, "ask", json!({ "question": QUESTION, "dialog": "default" })).await;
    let answer = &answer["structuredContent"];
    assert_eq!(answer["answer"], "Green tea is made with water at 80 degrees.");
    let citation = &answer["citations"][0];
    assert_eq!(
        (&citation["document_name"], &citation["start"]),
        (&json!("docs/tea.md"), &json!(0))
    );
    assert!(citation["quote"].as_str().unwrap().contains("80 degrees"), "{citation}");
    let steps: Vec<_> = told.iter().map(|it| &it["params"]["message"]).collect();
    assert!(steps.iter().any(|step| *step == "answering"), "{told:?}");
    assert!(told.iter().all(|it| it["params"]["progressToken"] == 7), "{told:?}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_hears_what_is_wrong_with_its_call() {
    let site = Site::start(DOCUMENTS).await;
    for (tool, arguments, word) in [
        ("search", json!({}), "missing field `query`"),
        ("search", json!({ "query": "tea", "where": "x" }), "unknown field `where`"),
        ("search", json!({ "query": " " }), "`query` is empty"),
        ("search", json!({ "query": "tea", "top": 51 }), "`top` lies between"),
        ("search", json!({ "query": "tea", "datasets": ["none"] }), "no dataset `none`"),
        ("search", json!({ "query": "tea", "filter": "year >" }), "`filter`"),
        ("ask", json!({ "question": "" }), "`question`"),
        ("ask", json!({ "question": "x", "dialog": "a", "datasets": ["b"] }), "not both"),
        ("ask", json!({ "question": "x", "dialog": "nobody" }), "no dialog `nobody`"),
        ("ask", json!({ "question": "x", "model": "no/such" }), "no/such"),
        ("read_document", json!({ "dataset": "default", "document": "x" }), "no document `x`"),
        (
            "read_document",
            json!({ "dataset": "default", "document": "docs/tea.md", "limit": 0 }),
            "`limit`",
        ),
    ] {
        let (result, _) = run(&site, tool, arguments).await;
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(result["isError"] == true && text.contains(word), "{tool}: {result}");
    }
    let unknown = messages(&send(&site.client, &call("fly", json!({})), &[]).await).pop().unwrap();
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_ends_the_answer() {
    let site = Site::start_with(DOCUMENTS, |config| {
        config.defaults.chat = Some("fake/m".into());
    })
    .await;
    site.upstream.always(Behaviour::tokens(10_000).every(Duration::from_millis(5)));
    let message = call("ask", json!({ "question": QUESTION }));
    let request = site.client.http.post(format!("{}/mcp", site.client.base));
    let request = request.header("accept", "application/json, text/event-stream");
    let request = request.header("content-type", "application/json").body(message.to_string());
    let asking = tokio::spawn(async move { request.send().await.unwrap().bytes().await });
    site.until("colloquy_live_streams 1").await;
    site.upstream.requested(1).await;
    asking.abort();
    let end = tokio::time::timeout(Duration::from_secs(5), site.upstream.closed()).await;
    assert!(end.expect("the upstream sees it").by_client);
    site.until("colloquy_live_streams 0").await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_is_as_the_others_are() {
    let site = Site::start_with(&[], |config| config.server.max_body_bytes = 10_000).await;
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    assert_eq!(send(&site.client, &ping, &[]).await.status, 200);
    let other = [("origin", "https://elsewhere.example")];
    assert_eq!(send(&site.client, &ping, &other).await.status, 403);
    assert_eq!(send(&site.client, &ping, &[("host", "elsewhere.example")]).await.status, 403);
    let long = call("search", json!({ "query": "x".repeat(20_000) }));
    assert_eq!(send(&site.client, &long, &[]).await.status, 413);
    assert_eq!(site.client.get("/mcp").await.status, 405);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_sees_its_tenants_documents_only_from_any_address() {
    let site = Site::start_with(DOCUMENTS, |config| {
        config.auth.mode = AuthMode::Keys;
        config.server.listen = "0.0.0.0:0".parse().unwrap();
    })
    .await;
    let data_dir = &site.server.app().config.server.data_dir;
    let keys = AccountStore::open(&data_dir.join("accounts.sqlite")).unwrap();
    let bearer = |tenant: &str| {
        let request = KeyRequest::new(tenant.parse().unwrap(), "test");
        format!("Bearer {}", keys.create_key(&request).unwrap().1.expose())
    };
    let (ours, theirs) = (bearer("local"), bearer("theirs"));
    let scope = KeyScope { datasets: Some(vec!["other".into()]), ..KeyScope::default() };
    let part = KeyRequest { scope, ..KeyRequest::new("local".parse().unwrap(), "part") };
    let part = format!("Bearer {}", keys.create_key(&part).unwrap().1.expose());
    let list = call("list_datasets", json!({}));
    assert_eq!(send(&site.client, &list, &[]).await.status, 401);
    let none = "There are no datasets.";
    for (key, texts) in [(&ours, "default: 2 documents"), (&theirs, none), (&part, none)] {
        let headers = [("authorization", key.as_str()), ("host", "docs.example:9380")];
        let told = messages(&send(&site.client, &list, &headers).await).pop().unwrap();
        let text = told["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with(texts), "{told}");
    }
    for (tool, arguments) in [
        ("read_document", json!({ "dataset": "default", "document": "docs/tea.md" })),
        ("search", json!({ "query": "tea", "datasets": ["default"] })),
        ("ask", json!({ "question": QUESTION, "dialog": "default" })),
        ("ask", json!({ "question": QUESTION, "datasets": ["default"] })),
        ("ask", json!({ "question": QUESTION })),
    ] {
        for key in [&theirs, &part] {
            let headers = [("authorization", key.as_str())];
            let answer = send(&site.client, &call(tool, arguments.clone()), &headers).await;
            let told = messages(&answer).pop().unwrap();
            assert_eq!(told["result"]["isError"], true, "{tool}: {told}");
        }
    }
    site.stop().await;
}
