//! Datasets, documents, search and the progress of ingestion over HTTP.

use std::fs;
use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::site::Site;

const TEA: &str = "# Tea\n\nGreen tea is made with water at 80 degrees.\n";
const COFFEE: &str = "# Coffee\n\nCoffee beans are roasted at 220 degrees.\n";

async fn documents(site: &Site) -> Vec<Value> {
    let listed = site.client.get("/api/v2/datasets/default/documents").await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    listed.json()["documents"].as_array().unwrap().clone()
}

fn id(document: &Value) -> &str {
    document["id"].as_str().unwrap()
}

async fn search(site: &Site, body: Value) -> Value {
    let found = site.client.post("/api/v2/search", &body).await;
    assert_eq!(found.status, 200, "{}", found.text);
    found.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_says_why_and_filters_by_metadata() {
    let site = Site::start(&[("tea.md", TEA), ("coffee.md", COFFEE)]).await;
    let found = search(&site, json!({ "query": "green tea degrees", "threshold": 0.0 })).await;
    assert_eq!((found["total"].as_u64(), found["matching"].as_u64()), (Some(2), Some(2)));
    let best = &found["passages"][0];
    assert_eq!(best["document_name"], "docs/tea.md");
    let part = |name: &str| best["why"][name].as_f64().unwrap();
    let sum =
        (1.0 - part("vector_weight")) * part("coverage") + part("vector_weight") * part("nearness");
    assert!((sum - part("fused")).abs() < 1e-4, "{best}");

    let listed = documents(&site).await;
    let coffee = id(listed.iter().find(|it| it["name"] == "docs/coffee.md").unwrap()).to_owned();
    let path = format!("/api/v2/documents/{coffee}");
    let change = json!({ "metadata": { "year": 2024, "tags": ["drinks", "hot"] } });
    let changed = site.client.send(Method::PATCH, &path, &change).await;
    assert_eq!(changed.json()["metadata"], change["metadata"], "{}", changed.text);
    for (filter, expected) in [
        ("year >= 2020", vec!["docs/coffee.md"]),
        ("tags contains \"cold\"", vec![]),
        ("not (year = 2024)", vec!["docs/tea.md"]),
    ] {
        let found =
            search(&site, json!({ "query": "degrees", "filter": filter, "threshold": 0.0 })).await;
        let names: Vec<&str> = found["passages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|passage| passage["document_name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{filter}");
        assert_eq!(found["total"], expected.len(), "{filter}");
    }

    let deleted = site.client.send(Method::DELETE, &path, &json!({})).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    assert_eq!(site.client.get(&path).await.status, 404);
    assert_eq!(search(&site, json!({ "query": "coffee" })).await["total"], 1);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_searched_is_told() {
    let site = Site::start(&[("tea.md", TEA)]).await;
    for (body, status, told) in [
        (json!({ "query": " " }), 400, "`query` is empty"),
        (json!({ "query": "tea", "top": 0 }), 400, "`top`"),
        (json!({ "query": "tea", "diversity": 2 }), 400, "`diversity`"),
        (json!({ "query": "tea", "limit": 3 }), 400, "limit"),
        (json!({ "query": "tea", "filter": "year >=" }), 400, "filter"),
        (
            json!({ "query": "tea", "filter": { "field": { "field": "year", "operator": "less" } } }),
            400,
            "`filter`: the condition on `year` lacks the value",
        ),
        (json!({ "query": "tea", "datasets": ["no"] }), 404, "there is no dataset `no`"),
        (json!({ "query": "tea", "rerank": "no/model" }), 404, "no"),
    ] {
        let answer = site.client.post("/api/v2/search", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(told), "{body}: {detail}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    for path in ["/api/v2/datasets/no", "/api/v2/documents/no", "/api/v2/documents/a%2Fb/chunks"] {
        assert_eq!(site.client.get(path).await.status, 404, "{path}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datasets_and_chunks_can_be_read_and_settings_changed() {
    let site = Site::start(&[("tea.md", TEA), ("coffee.md", COFFEE)]).await;
    let listed = site.client.get("/api/v2/datasets").await.json();
    assert_eq!(listed["datasets"][0]["name"], "default");
    let settings = json!({ "settings": { "page_rank": 3, "chunking": { "max_tokens": 64 } } });
    let changed =
        site.client.send(Method::PATCH, "/api/v2/datasets/default", &settings).await.json();
    assert_eq!(changed["settings"]["page_rank"], 3, "{changed}");
    let unknown = json!({ "settings": { "chunking": { "tokens": 64 } } });
    let refused = site.client.send(Method::PATCH, "/api/v2/datasets/default", &unknown).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let foreign = json!({ "settings": { "enrichment": { "tag_datasets": ["elsewhere"] } } });
    let refused = site.client.send(Method::PATCH, "/api/v2/datasets/default", &foreign).await;
    assert_eq!(refused.status, 400, "{}", refused.text);

    let first = site.client.get("/api/v2/datasets/default/documents?limit=1").await.json();
    assert_eq!(first["documents"][0]["name"], "docs/coffee.md");
    let next = first["next"].as_str().unwrap();
    let path = format!("/api/v2/datasets/default/documents?limit=1&after={next}&state=ready");
    let second = site.client.get(&path).await.json();
    assert_eq!(
        (&second["documents"][0]["name"], &second["next"]),
        (&json!("docs/tea.md"), &Value::Null)
    );
    let path = format!("/api/v2/documents/{}/chunks", id(&second["documents"][0]));
    let chunks = site.client.get(&path).await.json();
    assert!(chunks["chunks"][0]["text"].as_str().unwrap().contains("80 degrees"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_told_while_it_goes_on() {
    let site = Site::start(&[("tea.md", TEA)]).await;
    let response = site.client.http.get(format!("{}/api/v2/ingest/events", site.client.base));
    let mut body = response.send().await.unwrap().bytes_stream();
    let more = tempfile::tempdir().unwrap();
    fs::write(more.path().join("coffee.md"), COFFEE).unwrap();
    let paths = [more.path().to_owned()];
    let ingesting = site.server.ingest(&paths);
    let reading = async {
        let mut text = String::new();
        while !(text.contains("\"event\":\"done\"") && text.contains("\"done\":2")) {
            text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
        }
        text
    };
    let both = futures::future::join(ingesting, reading);
    let (ingested, text) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    assert_eq!(ingested.unwrap().added, 1);
    assert!(text.contains("coffee.md"), "{text}");
    let progress = site.client.get("/api/v2/ingest").await.json();
    assert_eq!((&progress["done"], &progress["failed"]), (&json!(2), &json!(0)));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datasets_are_made_filled_and_deleted() {
    let site = Site::start(&[]).await;
    let made = site.client.post("/api/v2/datasets", &json!({ "name": "drinks" })).await;
    assert_eq!((made.status, made.json()["name"].as_str()), (201, Some("drinks")), "{}", made.text);
    for (body, status) in [
        (json!({ "name": "drinks" }), 409),
        (json!({ "name": " " }), 400),
        (json!({ "name": "a/b" }), 400),
        (json!({ "name": "x", "colour": 1 }), 400),
    ] {
        let answer = site.client.post("/api/v2/datasets", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    for (path, status) in [
        ("drinks/documents?name=tea.md", 202),
        // The same again is nothing new.
        ("drinks/documents?name=tea.md", 200),
        ("drinks/documents?name=program.exe", 400),
        ("drinks/documents?name=..%2Ftea.md", 400),
        ("drinks/documents", 400),
        ("no/documents?name=tea.md", 404),
    ] {
        let answer = site.client.post_text(&format!("/api/v2/datasets/{path}"), TEA).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        site.server.app().pipeline.run_until_idle().await.unwrap();
    }
    let question = json!({ "query": "green tea degrees", "datasets": ["drinks"] });
    let found = search(&site, question).await;
    assert_eq!(found["passages"][0]["document_name"], "tea.md");

    let document = found["passages"][0]["chunk"]["document"].as_str().unwrap().to_owned();
    let path = format!("/api/v2/documents/{document}");
    assert_eq!(site.client.send(Method::DELETE, &path, &json!({})).await.status, 200);
    let gone = site.client.send(Method::DELETE, "/api/v2/datasets/drinks", &json!({})).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert_eq!(site.client.get("/api/v2/datasets/drinks").await.status, 404);
    let data = site.stop().await;
    let uploads = data.path().join("data/uploads");
    let left = fs::read_dir(&uploads).unwrap().count();
    assert_eq!(left, 0, "what was sent is gone with its dataset");
}
