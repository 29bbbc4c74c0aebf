//! Search engines over HTTP, played by a server of our own.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use rag_web::{Engine, WebError, WebOptions, WebSearch};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Asked = Arc<Mutex<Vec<Value>>>;

struct Site {
    address: String,
    asked: Asked,
    serving: JoinHandle<()>,
}

impl Site {
    async fn start() -> Self {
        let asked = Asked::default();
        let tavily = async |State(asked): State<Asked>,
                            headers: HeaderMap,
                            Json(body): Json<Value>| {
            let key = headers["authorization"].to_str().unwrap().to_owned();
            asked.lock().unwrap().push(json!([key, body]));
            let page = json!({ "title": "Tea", "url": "https://tea.example/", "content": "Hot.", "score": 0.8 });
            Json(json!({ "results": [page] }))
        };
        let searxng = async |State(asked): State<Asked>,
                             Query(query): Query<BTreeMap<String, String>>| {
            asked.lock().unwrap().push(json!(query));
            if query["q"] == "busy" {
                return (StatusCode::TOO_MANY_REQUESTS, "slow\ndown".to_owned());
            }
            let page = json!({ "title": "", "url": "https://tea.example/", "content": "Hot.", "score": 12 });
            (StatusCode::OK, json!({ "results": [page] }).to_string())
        };
        let router = Router::new()
            .route("/search", post(tavily))
            .route("/searx/search", get(searxng))
            .with_state(asked.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, asked, serving }
    }

    async fn stop(self) {
        self.serving.abort();
        assert!(self.serving.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn engines_are_asked_as_they_want() {
    let site = Site::start().await;
    let options = WebOptions { key: Some("secret".into()), pages: 3, ..WebOptions::default() };
    let tavily = WebSearch::new(Engine::Tavily, &site.address, options).unwrap();
    let pages = tavily.search("How hot?").await.unwrap();
    assert_eq!((pages[0].text.as_str(), pages[0].score), ("Hot.", 0.8));
    assert!(!format!("{tavily:?}").contains("secret"));

    let address = format!("{}/searx/", site.address);
    let searxng = WebSearch::new(Engine::SearXng, &address, WebOptions::default()).unwrap();
    let pages = searxng.search("How hot?").await.unwrap();
    assert_eq!(pages[0].url.as_str(), "https://tea.example/");
    let refused = searxng.search("busy").await.unwrap_err();
    assert!(
        matches!(&refused, WebError::Status { status: 429, message } if message == "slow down")
    );

    let asked = site.asked.lock().unwrap().clone();
    let body = json!({ "query": "How hot?", "max_results": 3, "search_depth": "advanced" });
    assert_eq!(asked[0], json!(["Bearer secret", body]));
    assert_eq!(asked[1], json!({ "q": "How hot?", "format": "json" }));
    site.stop().await;
    let gone = searxng.search("How hot?").await.unwrap_err();
    assert!(matches!(gone, WebError::Connection(_)), "{gone}");
}

#[test]
fn an_address_that_cannot_be_asked_is_refused() {
    for address in ["tea", "ftp://tea.example", "http://me:secret@tea.example"] {
        let refused = WebSearch::new(Engine::Tavily, address, WebOptions::default()).unwrap_err();
        assert!(matches!(refused, WebError::Address { .. }), "{address}");
    }
}
