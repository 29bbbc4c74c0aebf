//! A small HTTP client for tests.

use std::net::SocketAddr;
use std::sync::Once;

use futures::StreamExt;
use serde_json::Value;

/// Talks to one server.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `data:` of each server-sent event.
    pub(crate) fn events(&self) -> Vec<String> {
        self.text
            .split("\n\n")
            .filter(|event| !event.is_empty())
            .map(|event| {
                event.strip_prefix("data: ").expect("each event is one data line").to_owned()
            })
            .collect()
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base: format!("http://{address}"), http }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Self::answer(self.http.get(format!("{}{path}", self.base))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, body.to_string()).await
    }

    pub(crate) async fn post_text(&self, path: &str, body: impl Into<String>) -> Answer {
        Self::answer(self.request(path).body(body.into())).await
    }

    /// The same with these headers.
    pub(crate) async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let request = headers
            .iter()
            .fold(self.request(path), |request, (name, value)| request.header(*name, *value));
        Self::answer(request.body(body.to_string())).await
    }

    /// A request of another method.
    pub(crate) async fn send(&self, method: reqwest::Method, path: &str, body: &Value) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.base));
        Self::answer(request.header("content-type", "application/json").body(body.to_string()))
            .await
    }

    /// Sends a request and gives the response as soon as its head is there.
    pub(crate) async fn open(&self, path: &str, body: &Value) -> reqwest::Response {
        self.request(path).body(body.to_string()).send().await.unwrap()
    }

    fn request(&self, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.base));
        request.header("content-type", "application/json")
    }

    /// Sends a request of any kind.
    pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(bytes) = stream.next().await {
            body.extend_from_slice(&bytes.unwrap());
        }
        Answer { status, headers, text: String::from_utf8(body).unwrap() }
    }
}
