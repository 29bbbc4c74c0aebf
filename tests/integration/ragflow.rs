//! `/api/v1`: RAGFlow's dialect, as its clients write and read it.

use api_server::config::Config;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::Behaviour;

use crate::client::Answer;
use crate::site::Site;

const TEA: &str = "# Tea\n\nGreen tea is made with water at 80 degrees.\n";
const COFFEE: &str = "# Coffee\n\nCoffee beans are roasted at 220 degrees.\n";

/// The data of an answer that went well.
fn good(answer: &Answer) -> Value {
    let body = answer.json();
    assert_eq!((answer.status, &body["code"]), (200, &json!(0)), "{}", answer.text);
    body["data"].clone()
}

/// Why an answer went not well, with its code.
fn bad(answer: &Answer) -> (u64, String) {
    let body = answer.json();
    (body["code"].as_u64().unwrap(), body["message"].as_str().unwrap().to_owned())
}

async fn upload(site: &Site, dataset: &str, files: &[(&str, &str)]) -> Value {
    let mut body = String::new();
    for (name, text) in files {
        body.push_str(&format!(
            "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{text}\r\n"
        ));
    }
    body.push_str("--x--\r\n");
    let request =
        site.client.http.post(format!("{}/api/v1/datasets/{dataset}/documents", site.client.base));
    let request = request.header("content-type", "multipart/form-data; boundary=x").body(body);
    let text = request.send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["code"], 0, "{text}");
    answer["data"].clone()
}

/// A dataset with two documents that are parsed; its id, and theirs.
async fn drinks(site: &Site) -> (String, Vec<String>) {
    let made = site.client.post("/api/v1/datasets", &json!({ "name": "drinks" })).await;
    let dataset = good(&made)["id"].as_str().unwrap().to_owned();
    let documents = upload(site, &dataset, &[("tea.md", TEA), ("coffee.md", COFFEE)]).await;
    let ids: Vec<String> = documents
        .as_array()
        .unwrap()
        .iter()
        .map(|document| {
            assert_eq!(document["run"], "UNSTART", "{document}");
            document["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let path = format!("/api/v1/datasets/{dataset}/chunks");
    good(&site.client.post(&path, &json!({ "document_ids": ids })).await);
    // Works off what is queued.
    site.server.ingest(&[]).await.unwrap();
    (dataset, ids)
}

async fn chat(site: &Site, dataset: &str, more: Value) -> String {
    let mut body = json!({ "name": "barista", "dataset_ids": [dataset] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = site.client.post("/api/v1/chats", &body).await;
    good(&made)["id"].as_str().unwrap().to_owned()
}

fn with_fake_model(config: &mut Config) {
    config.defaults.chat = Some("fake/m".into());
    config.dialog.rewrite = false;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_told_in_the_envelope() {
    let site = Site::start(&[]).await;
    let name = "x".repeat(129);
    for (body, code, told) in [
        (
            json!({ "name": "" }),
            101,
            "Field: <name> - Message: <String should have at least 1 character> - Value: <>",
        ),
        (json!({ "name": name }), 101, "String should have at most 128 characters"),
        (json!({}), 101, "Field: <name> - Message: <Field required>"),
        (
            json!({ "name": "a", "chunk_method": "x" }),
            101,
            "Field: <chunk_method> - Message: <Input should be 'naive', ",
        ),
        (
            json!({ "name": "a", "pagerank": 101 }),
            101,
            "Input should be less than or equal to 100> - Value: <101>",
        ),
        (
            json!({ "name": "a", "parser_config": { "chunk_token_num": 0, "x": 1 } }),
            101,
            "Field: <parser_config.chunk_token_num> - Message: <Input should be greater than or equal to 1> - Value: <0>\nField: <parser_config.x> - Message: <Extra inputs are not permitted> - Value: <1>",
        ),
        (
            json!({ "name": "a", "embedding_model": "no@where" }),
            102,
            "Unsupported model: <no@where>",
        ),
        (json!([]), 101, "Invalid request payload: expected object, got list"),
    ] {
        let (found, message) = bad(&site.client.post("/api/v1/datasets", &body).await);
        assert_eq!(found, code, "{body}: {message}");
        assert!(message.contains(told), "{body}: {message}");
    }
    let (code, message) = bad(&site.client.post_text("/api/v1/datasets", "{a").await);
    assert_eq!((code, message.starts_with("Malformed JSON syntax")), (101, true), "{message}");
    let unknown = "0".repeat(32);
    for (method, path, body, code, told) in [
        (Method::GET, format!("/api/v1/datasets?id={unknown}"), json!({}), 102, "lacks permission"),
        (Method::DELETE, "/api/v1/datasets".to_owned(), json!({ "ids": null }), 102, "delete_all"),
        (
            Method::POST,
            "/api/v1/retrieval".to_owned(),
            json!({ "question": "x" }),
            102,
            "`dataset_ids` is required.",
        ),
        (
            Method::GET,
            format!("/api/v1/chats/{unknown}/sessions"),
            json!({}),
            102,
            "You do not own the assistant",
        ),
        (Method::GET, "/api/v1/agents".to_owned(), json!({}), 102, "agents are not supported"),
        (
            Method::POST,
            "/api/v1/memories/1/x".to_owned(),
            json!({}),
            102,
            "memories are not supported",
        ),
        (Method::PATCH, "/api/v1/retrieval".to_owned(), json!({}), 100, "405: Method Not Allowed"),
    ] {
        let answer = site.client.send(method, &path, &body).await;
        // Only an address that does not take the method says so by its status, too.
        let status = if told.starts_with("405") { 405 } else { 200 };
        assert_eq!(answer.status, status, "{path}");
        let (found, message) = bad(&answer);
        assert_eq!(found, code, "{path}: {message}");
        assert!(message.contains(told), "{path}: {message}");
    }
    let nowhere = site.client.get("/api/v1/nowhere").await;
    assert_eq!((nowhere.status, bad(&nowhere)), (404, (404, "Not Found: /api/v1/nowhere".into())));
    assert_eq!(site.client.get("/api/v1/system/ping").await.text, "pong");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_taken_in_edited_and_found() {
    let site = Site::start(&[]).await;
    let (dataset, ids) = drinks(&site).await;
    let base = format!("/api/v1/datasets/{dataset}/documents");
    let listed = good(&site.client.get(&format!("{base}?orderby=name&desc=false&run=DONE")).await);
    assert_eq!(listed["total"], 2);
    assert_eq!(listed["docs"][0]["name"], "coffee.md");
    assert_eq!(listed["docs"][1]["progress"], 1.0);
    let again = upload(&site, &dataset, &[("tea.md", TEA)]).await;
    assert_eq!(again[0]["name"], "tea(1).md");
    let path = format!("{base}/{}", ids[0]);
    assert_eq!(site.client.get(&path).await.text, TEA, "its file comes back");
    let ending = site.client.send(Method::PUT, &path, &json!({ "name": "tea.txt" })).await;
    assert!(bad(&ending).1.contains("extension"), "{}", ending.text);

    let search = async |more: Value| {
        let mut body = json!({
            "question": "water degrees", "dataset_ids": [dataset], "similarity_threshold": 0.0,
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let found = good(&site.client.post("/api/v1/retrieval", &body).await);
        let chunks = found["chunks"].as_array().unwrap().clone();
        chunks.iter().map(|it| it["content"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(search(json!({})).await.len(), 2);
    assert_eq!(search(json!({ "page": 2, "page_size": 1 })).await.len(), 1);
    assert_eq!(search(json!({ "document_ids": [ids[1]] })).await.len(), 1);
    assert_eq!(search(json!({ "question": "" })).await.len(), 0);
    let highlight = json!({ "question": "water", "dataset_ids": [dataset], "highlight": true, "similarity_threshold": 0.0 });
    let found = good(&site.client.post("/api/v1/retrieval", &highlight).await);
    assert!(
        found["chunks"][0]["highlight"].as_str().unwrap().contains("<em>water</em>"),
        "{found}"
    );
    assert_eq!(found["doc_aggs"][0]["doc_name"], "tea.md");

    let chunks = format!("{path}/chunks");
    let added = json!({ "content": "White tea takes water at 75 degrees.", "important_keywords": ["pale"] });
    let chunk = good(&site.client.post(&chunks, &added).await)["chunk"].clone();
    assert_eq!(search(json!({ "question": "pale" })).await[0], added["content"].as_str().unwrap());
    let one = format!("{chunks}/{}", chunk["id"].as_str().unwrap());
    good(&site.client.send(Method::PATCH, &one, &json!({ "content": "Now 70 degrees." })).await);
    assert_eq!(good(&site.client.get(&one).await)["content"], "Now 70 degrees.");
    let off = json!({ "chunk_ids": [chunk["id"]], "available_int": 0 });
    good(&site.client.send(Method::PATCH, &chunks, &off).await);
    assert!(!search(json!({})).await.contains(&"Now 70 degrees.".to_owned()));
    assert_eq!(good(&site.client.get(&format!("{chunks}?available=false")).await)["total"], 1);
    let removed = json!({ "chunk_ids": [chunk["id"]] });
    good(&site.client.send(Method::DELETE, &chunks, &removed).await);
    assert_eq!(bad(&site.client.get(&one).await).0, 102);

    good(&site.client.send(Method::PATCH, &path, &json!({ "enabled": 0 })).await);
    assert_eq!(search(json!({})).await.len(), 1, "a disabled document is not searched");
    let change = json!({ "enabled": 1, "meta_fields": { "year": 2024 } });
    assert_eq!(good(&site.client.send(Method::PATCH, &path, &change).await)["status"], "1");
    let condition =
        json!({ "conditions": [{ "name": "year", "comparison_operator": ">", "value": 2020 }] });
    assert_eq!(search(json!({ "metadata_condition": condition })).await.len(), 1);
    let renamed = json!({ "name": "beverages", "pagerank": 1 });
    let dataset_path = format!("/api/v1/datasets/{dataset}");
    assert_eq!(
        good(&site.client.send(Method::PUT, &dataset_path, &renamed).await)["name"],
        "beverages"
    );
    assert_eq!(good(&site.client.get(&dataset_path).await)["document_count"], 3);
    good(&site.client.send(Method::DELETE, "/api/v1/datasets", &json!({ "ids": [dataset] })).await);
    let folder = site.stop().await;
    let uploads = folder.path().join("data/uploads");
    assert_eq!(std::fs::read_dir(uploads).unwrap().count(), 0, "no file is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_answers_with_markers_and_keeps_its_sessions() {
    let site = Site::start_with(&[], with_fake_model).await;
    let (dataset, _) = drinks(&site).await;
    let prompt = json!({ "prompt": "Be {tone}. {knowledge}", "variables": [{ "key": "tone", "optional": false }], "similarity_threshold": 0.0 });
    let chat =
        chat(&site, &dataset, json!({ "prompt": prompt, "llm": { "temperature": 0.5 } })).await;
    let path = format!("/api/v1/chats/{chat}/completions");
    let question = json!({ "question": "How hot is green tea?", "stream": false, "tone": "kind" });
    let lacking = json!({ "question": "How hot?", "stream": false });
    assert_eq!(bad(&site.client.post(&path, &lacking).await), (100, "Miss parameter: tone".into()));

    site.upstream.always(Behaviour::text("At eighty degrees [ID:0]."));
    let whole = good(&site.client.post(&path, &question).await);
    assert_eq!(whole["answer"], "At eighty degrees [ID:0].");
    assert!(whole["reference"]["chunks"][0]["content"].as_str().unwrap().contains("80 degrees"));
    let asked = site.upstream.requests().pop().unwrap().json();
    assert_eq!(asked["temperature"], 0.5);
    assert!(asked["messages"][0]["content"].as_str().unwrap().starts_with("Be kind. <evidence"));

    let session = whole["session_id"].as_str().unwrap();
    for (is_cumulative, expected) in [(true, whole["answer"].as_str().unwrap()), (false, "")] {
        let mut body = question.clone();
        body["stream"] = json!(true);
        body["session_id"] = json!(session);
        body["legacy"] = json!(is_cumulative);
        let events: Vec<Value> = site
            .client
            .post(&path, &body)
            .await
            .events()
            .iter()
            .map(|event| serde_json::from_str::<Value>(event).unwrap()["data"].clone())
            .collect();
        assert_eq!(events.last(), Some(&json!(true)));
        let last = &events[events.len() - 2];
        assert_eq!((&last["final"], last["answer"].as_str()), (&json!(true), Some(expected)));
        assert!(!last["reference"]["chunks"].as_array().unwrap().is_empty());
        let mut pieces =
            events[..events.len() - 2].iter().map(|event| event["answer"].as_str().unwrap());
        let said: String =
            if is_cumulative { pieces.next_back().unwrap().into() } else { pieces.collect() };
        assert_eq!(said, "At eighty degrees [ID:0].");
    }
    let sessions =
        good(&site.client.get(&format!("/api/v1/chats/{chat}/sessions?id={session}")).await);
    let messages = sessions[0]["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 7, "the opener, and three times two");
    assert_eq!(messages[2]["content"], "At eighty degrees [ID:0].");
    let listed = good(&site.client.get("/api/v1/chats").await);
    assert_eq!(listed[0]["prompt"]["prompt"], "Be {tone}. {knowledge}", "{listed}");

    let change = json!({ "name": "sommelier" });
    good(&site.client.send(Method::PATCH, &format!("/api/v1/chats/{chat}"), &change).await);
    let sessions = good(&site.client.get(&format!("/api/v1/chats/{chat}/sessions")).await);
    assert_eq!(sessions.as_array().unwrap().len(), 1, "sessions go along");

    site.upstream.always(Behaviour::status(400));
    let mut body = question.clone();
    body["stream"] = json!(true);
    let failed = site.client.post(&path, &body).await.events();
    let failure: Value = serde_json::from_str(&failed[failed.len() - 2]).unwrap();
    assert_eq!(failure["code"], 500, "{failure}");
    assert!(failure["data"]["answer"].as_str().unwrap().starts_with("**ERROR**: "));
    good(&site.client.send(Method::DELETE, "/api/v1/chats", &json!({ "ids": [chat] })).await);
    assert_eq!(site.client.get("/api/v2/sessions").await.json()["sessions"], json!([]));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_speaks_openais_dialect_too() {
    let site = Site::start_with(&[], with_fake_model).await;
    let (dataset, _) = drinks(&site).await;
    let config = json!({ "system": "Answer.", "quote": true });
    let chat =
        chat(&site, &dataset, json!({ "prompt_config": config, "similarity_threshold": 0.0 }))
            .await;
    site.upstream.always(Behaviour::text("At eighty degrees [ID:0]."));
    for address in ["chats_openai", "openai"] {
        let path = format!("/api/v1/{address}/{chat}/chat/completions");
        let mut body = json!({
            "model": "model",
            "messages": [{ "role": "system", "content": "x" }, { "role": "user", "content": "How hot is green tea?" }],
        });
        let plain = site.client.post(&path, &body).await.json();
        assert_eq!(plain["choices"][0]["message"]["content"], "At eighty degrees.");
        assert_eq!(plain["choices"][0]["message"]["reference"], Value::Null);
        body["extra_body"] = json!({ "reference": true });
        let cited = site.client.post(&path, &body).await.json();
        assert_eq!(cited["choices"][0]["message"]["content"], "At eighty degrees [ID:0].");
        body["stream"] = json!(true);
        let events = site.client.post(&path, &body).await.events();
        assert_eq!(events.last().unwrap(), "[DONE]");
        let last: Value = serde_json::from_str(&events[events.len() - 2]).unwrap();
        assert_eq!(last["choices"][0]["delta"]["final_content"], "At eighty degrees [ID:0].");
        assert_eq!(last["choices"][0]["finish_reason"], "stop");
    }
    let listed = good(&site.client.get("/api/v1/chats").await);
    assert_eq!(listed["total"], 1, "chats made in the newer form are listed so");
    site.stop().await;
}
