//! The other doors of `/v1`: Anthropic's messages, OpenAI's responses, rerank. Any of them leads to any model or dialog.

use serde_json::{Value, json};
use testkit::Behaviour;

use crate::client::Answer;
use crate::site::Site;

const TEA: &str = "# Tea\n\nGreen tea is made with water at 80 degrees.\n";
const QUESTION: &str = "How hot must the water for green tea be?";

/// The name and the data of each server-sent event.
fn events(answer: &Answer) -> Vec<(String, Value)> {
    assert!(answer.header("content-type").starts_with("text/event-stream"), "{}", answer.text);
    let event = |frame: &str| {
        let (name, data) = frame.strip_prefix("event: ")?.split_once("\ndata: ")?;
        Some((name.to_owned(), serde_json::from_str(data).ok()?))
    };
    let frames = answer.text.split("\n\n").filter(|frame| !frame.is_empty());
    frames.map(|frame| event(frame).unwrap_or_else(|| panic!("{frame:?}"))).collect()
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

fn message(model: &str, stream: bool) -> Value {
    json!({
        "model": model, "max_tokens": 100, "stream": stream,
        "messages": [{ "role": "user", "content": QUESTION }],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_reach_dialogs_and_models_of_any_provider() {
    let site = Site::start(&[("tea.md", TEA)]).await;
    let whole = site.client.post("/v1/messages", &message("dialog/default", false)).await;
    assert_eq!(whole.status, 200, "{}", whole.text);
    let whole = whole.json();
    assert_eq!((&whole["type"], &whole["stop_reason"]), (&json!("message"), &json!("end_turn")));
    assert_eq!(whole["content"][0]["text"], "Green tea is made with water at 80 degrees.");

    let streamed = site.client.post("/v1/messages", &message("dialog/default", true)).await;
    let events = events(&streamed);
    assert_eq!(
        names(&events)[..3],
        ["message_start", "content_block_start", "content_block_delta"]
    );
    assert_eq!(names(&events).last(), Some(&"message_stop"));
    let texts = events.iter().filter_map(|(_, data)| data["delta"]["text"].as_str());
    assert_eq!(texts.collect::<String>(), "Green tea is made with water at 80 degrees.");

    site.upstream.always(Behaviour::tool_call("look_up", "{\"what\":\"tea\"}"));
    let mut request = message("fake/m", false);
    request["tools"] = json!([{ "name": "look_up", "input_schema": { "type": "object" } }]);
    let called = site.client.post("/v1/messages", &request).await.json();
    assert_eq!(called["stop_reason"], "tool_use");
    let call = &called["content"][0];
    assert_eq!((&call["name"], &call["input"]), (&json!("look_up"), &json!({ "what": "tea" })));
    let upstream = site.upstream.requests().pop().unwrap().json();
    assert_eq!(upstream["tools"][0]["function"]["name"], "look_up", "in the provider's dialect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_told_in_the_dialect_of_the_door() {
    let site = Site::start(&[]).await;
    site.upstream.always(Behaviour::status(401));
    let refused = site.client.post("/v1/messages", &message("fake/m", true)).await;
    assert_eq!((refused.status, &refused.json()["type"]), (401, &json!("error")));
    assert_eq!(refused.json()["error"]["type"], "authentication_error");
    let refused =
        site.client.post("/v1/responses", &json!({ "model": "fake/m", "input": "Hi" })).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["error"]["type"], "authentication_error");

    for (path, body, word) in [
        (
            "/v1/messages",
            json!({ "model": "fake/m", "messages": [{ "role": "user", "content": "Hi" }] }),
            "max_tokens",
        ),
        ("/v1/messages", message("no/such", false), "no/such"),
        ("/v1/responses", json!({ "model": "fake/m", "input": 5 }), "input"),
        (
            "/v1/responses",
            json!({ "model": "fake/m", "input": "Hi", "previous_response_id": "resp_1" }),
            "there is no response `resp_1`",
        ),
        ("/v1/rerank", json!({ "model": "local/lexical", "query": "x" }), "documents"),
    ] {
        let refused = site.client.post(path, &body).await;
        assert!((400..500).contains(&refused.status), "{path}: {}", refused.text);
        assert!(refused.text.contains(word), "{path}: {}", refused.text);
        assert_eq!(refused.json()["type"] == "error", path == "/v1/messages");
    }

    let site = Site::start(&[]).await;
    site.upstream.always(Behaviour::tokens(20).cut_after(5));
    let cut = site.client.post("/v1/messages", &message("fake/m", true)).await;
    assert_eq!(names(&events(&cut)).last(), Some(&"error"));
    let request = json!({ "model": "fake/m", "input": "Hi", "stream": true });
    let cut = site.client.post("/v1/responses", &request).await;
    assert_eq!(names(&events(&cut)).last(), Some(&"response.failed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_counted_without_asking_anybody() {
    let site = Site::start(&[]).await;
    let mut request = message("fake/m", false);
    request.as_object_mut().unwrap().remove("max_tokens");
    let counted = site.client.post("/v1/messages/count_tokens", &request).await;
    let tokens = counted.json()["input_tokens"].as_u64().unwrap();
    assert!((8..30).contains(&tokens), "{tokens}");
    assert_eq!(site.upstream.calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_reach_dialogs_with_their_citations() {
    let site = Site::start(&[("tea.md", TEA)]).await;
    let request =
        |stream| json!({ "model": "dialog/default", "input": QUESTION, "stream": stream });
    let whole = site.client.post("/v1/responses", &request(false)).await.json();
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("completed")));
    let output = whole["output"].as_array().unwrap();
    let content = &output.iter().find(|item| item["type"] == "message").unwrap()["content"][0];
    assert_eq!(content["text"], "Green tea is made with water at 80 degrees.");
    assert_eq!(content["annotations"].as_array().unwrap().len(), 1, "{whole}");

    let streamed = site.client.post("/v1/responses", &request(true)).await;
    let events = events(&streamed);
    assert_eq!(names(&events)[..2], ["response.created", "response.in_progress"]);
    assert_eq!(names(&events).last(), Some(&"response.completed"));
    let deltas = events.iter().filter(|(name, _)| name == "response.output_text.delta");
    let text: String = deltas.map(|(_, data)| data["delta"].as_str().unwrap()).collect();
    assert_eq!(text, "Green tea is made with water at 80 degrees.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_ordered_by_a_rerank_model() {
    let site = Site::start(&[]).await;
    let request = json!({
        "model": "local/lexical", "query": "green tea", "top_n": 2, "return_documents": true,
        "documents": ["Coffee beans", { "text": "Green tea leaves" }, "A green door"],
    });
    let ranked = site.client.post("/v1/rerank", &request).await;
    assert_eq!(ranked.status, 200, "{}", ranked.text);
    let ranked = ranked.json();
    let results = ranked["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(
        (&results[0]["index"], &results[0]["document"]["text"]),
        (&json!(1), &json!("Green tea leaves"))
    );
    assert_eq!(results[1]["index"], 2);
    let scores = [0, 1].map(|place| results[place]["relevance_score"].as_f64().unwrap());
    assert!(1.0 >= scores[0] && scores[0] > scores[1] && scores[1] > 0.0, "{scores:?}");
}
