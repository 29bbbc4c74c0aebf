//! The OpenAI surface over plain models: chat, embeddings, models, and what is refused.

use serde_json::{Value, json};
use testkit::Behaviour;

use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_asked_with_everything_the_caller_said() {
    let site = Site::start(&[]).await;
    site.upstream.always(Behaviour::text("Hello there."));
    let request = json!({
        "model": "fake/some/model", "temperature": 0.5, "seed": 7, "user": "u", "stream": false,
        "messages": [{ "role": "user", "content": "Hi" }],
        "tools": [{ "type": "function", "function": { "name": "look", "parameters": { "type": "object" } } }],
        "a_new_field": { "x": 1 },
    });
    let answer = site.client.post("/v1/chat/completions", &request).await;
    let body = answer.json();
    assert_eq!(body["choices"][0]["message"]["content"], "Hello there.", "{body}");
    assert_eq!(body["model"], "fake/some/model");
    assert!(body["usage"]["completion_tokens"].as_u64() > Some(0));
    let sent = site.upstream.requests()[0].json();
    assert_eq!(sent["model"], "some/model");
    for field in ["temperature", "seed", "user", "messages", "tools", "a_new_field"] {
        assert_eq!(sent[field], request[field], "{field}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_model_does_not_take_is_told_or_refused() {
    // The catalogue says of this name that it takes no `top_k`.
    let site = Site::start_with(&[], |config| config.provider[0].name = "groq".into()).await;
    site.upstream.always(Behaviour::text("Hello there."));
    for stream in [false, true] {
        let request = json!({
            "model": "groq/m", "top_k": 5, "stream": stream,
            "messages": [{ "role": "user", "content": "Hi" }],
        });
        let answer = site.client.post("/v1/chat/completions", &request).await;
        assert_eq!(answer.header("x-colloquy-warnings"), "dropped_parameter=top_k");
        assert!(answer.text.contains("\"warnings\":["), "{}", answer.text);
        let sent = site.upstream.requests();
        assert!(sent.last().unwrap().json()["top_k"].is_null());

        let url = format!("{}/v1/chat/completions", site.client.base);
        for (choice, code) in [("refuse", Some("unsupported_parameter")), ("perhaps", None)] {
            let request = site.client.http.post(&url).body(request.to_string());
            let refused = request.header("x-colloquy-unsupported", choice).send().await.unwrap();
            assert_eq!(refused.status(), 400, "{choice}");
            let body: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
            assert_eq!(body["error"]["code"].as_str(), code, "{body}");
        }
        assert_eq!(site.upstream.requests().len(), sent.len(), "nothing was sent");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tool_calls_come_through_the_stream() {
    let site = Site::start(&[]).await;
    site.upstream.always(Behaviour::tool_call("look", "{\"at\":\"sky\"}"));
    let request = json!({
        "model": "fake/m", "stream": true, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": "Look" }],
    });
    let events = site.client.post("/v1/chat/completions", &request).await.events();
    let chunks: Vec<Value> = events[..events.len() - 1]
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let calls = || {
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0].as_object())
    };
    let arguments: String =
        calls().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert_eq!(calls().next().unwrap()["function"]["name"], "look");
    assert_eq!(arguments, "{\"at\":\"sky\"}");
    assert!(chunks.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "tool_calls"));
    assert!(chunks.last().unwrap()["usage"]["total_tokens"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embeddings_are_local_or_a_providers() {
    let site = Site::start(&[]).await;
    let embed = |model: &str, encoding: &str| {
        let (client, body) = (
            site.client.clone(),
            json!({ "model": model, "input": ["hot tea", "", "tax law"], "encoding_format": encoding }),
        );
        async move { client.post("/v1/embeddings", &body).await }
    };
    let local = embed("local/static", "float").await.json();
    let vector = local["data"][1]["embedding"].as_array().unwrap();
    let length: f64 = vector.iter().map(|number| number.as_f64().unwrap().powi(2)).sum();
    assert!((length - 1.0).abs() < 1e-3, "a blank text has a vector, too: {length}");
    assert!(embed("local/static", "base64").await.json()["data"][0]["embedding"].is_string());
    let remote = embed("fake/e", "float").await.json();
    assert_eq!(remote["data"].as_array().unwrap().len(), 3);
    assert_eq!(site.upstream.requests()[0].json()["model"], "e");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_and_dialogs_are_listed() {
    let site = Site::start(&[]).await;
    let list = site.client.get("/v1/models").await.json();
    let ids: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    for id in ["dialog/default", "local/extractive", "local/lexical", "local/static"] {
        assert!(ids.contains(&json!(id)), "{ids:?}");
    }
    assert_eq!(site.client.get("/v1/models/local/static").await.json()["kind"], "embedding");
    let missing = site.client.get("/v1/models/no/such").await;
    assert_eq!((missing.status, missing.json()["error"]["param"].as_str()), (404, Some("model")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_and_named() {
    let site = Site::start_with(&[], |config| config.server.max_body_bytes = 4_096).await;
    let message = json!([{ "role": "user", "content": "Hi" }]);
    let long = "x".repeat(5_000);
    for (body, status, expected) in [
        ("{", 400, "no JSON"),
        ("[]", 400, "must be a JSON object"),
        (r#"{"messages": []}"#, 400, "model"),
        (&json!({ "model": "fake/m" }).to_string(), 400, "messages"),
        (&json!({ "model": "fake/m", "messages": "Hi" }).to_string(), 400, "messages"),
        (
            &json!({ "model": "fake/m", "messages": message, "temperature": "hot" }).to_string(),
            400,
            "temperature",
        ),
        (&json!({ "model": "nobody/m", "messages": message }).to_string(), 404, "nobody/m"),
        (&json!({ "model": "dialog/none", "messages": message }).to_string(), 404, "dialog"),
        (
            &json!({ "model": "dialog/default", "messages": [{ "role": "user", "content": " " }] })
                .to_string(),
            400,
            "blank",
        ),
        (&long, 413, "limit"),
    ] {
        let answer = site.client.post_text("/v1/chat/completions", body).await;
        let shown: String = body.chars().take(80).collect();
        assert_eq!(answer.status, status, "{shown}: {}", answer.text);
        let error = &answer.json()["error"];
        let said = format!("{} {}", error["message"], error["param"]);
        assert!(said.contains(expected), "{shown}: {said}");
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_tell_what_is_known_of_them() {
    let site = Site::start_with(&[], |config| {
        let known = "[[known]]\nname = \"fake/m\"\ncontext_tokens = 9000\n\
                     input_price = 2.0\noutput_price = 8.0\ncache_read_price = 0.5";
        config.models = toml::from_str(known).unwrap();
    })
    .await;
    let model = site.client.get("/v1/models/fake/m").await.json();
    assert_eq!((&model["owned_by"], &model["kind"]), (&json!("fake"), &json!("chat")), "{model}");
    assert_eq!(model["limits"]["context_tokens"], 9_000);
    assert_eq!(model["prices"], json!({ "input": 2e-6, "output": 8e-6, "cache_read": 5e-7 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embeddings_of_one_key_go_out_together_where_that_is_asked_for() {
    let site = Site::start_with(&[], |config| config.provider[0].join_embeddings = true).await;
    site.upstream.always(Behaviour::text("").after(std::time::Duration::from_millis(50)));
    let ask = |number: usize| {
        let body = json!({ "model": "fake/m", "input": format!("text {number}") });
        let client = &site.client;
        async move { client.post("/v1/embeddings", &body).await }
    };
    let answers = futures::future::join_all((0..16).map(ask)).await;
    let vectors: Vec<_> = answers.iter().map(|answer| &answer.text).collect();
    assert!(answers.iter().all(|answer| answer.status == 200), "{vectors:?}");
    let sent = site.upstream.requests();
    assert!(sent.len() < 16, "{}", sent.len());
    let texts: usize =
        sent.iter().map(|request| request.json()["input"].as_array().map_or(1, Vec::len)).sum();
    assert_eq!(texts, 16);
    let alone = ask(7).await.json();
    assert_eq!(answers[7].json()["data"], alone["data"]);
}
