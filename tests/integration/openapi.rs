//! What `/openapi.json` says, held against a running server.

use std::collections::BTreeSet;

use api_server::config::AuthMode;
use reqwest::Method;
use serde_json::Value;

use crate::client::Answer;
use crate::site::Site;

/// An operation of the description.
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// As it is described: `/api/v2/datasets/{name}`.
    pub(crate) path: String,
    pub(crate) tag: String,
    pub(crate) parameters: Vec<Parameter>,
    /// Whether it opens without a key.
    pub(crate) is_open: bool,
    /// The media type of its body, where it has one.
    pub(crate) body: Option<String>,
}

/// What an operation takes in its address or head.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `path`, `query` or `header`.
    pub(crate) place: String,
    pub(crate) is_required: bool,
}

impl Operation {
    /// The address with this in place of each of its parameters.
    pub(crate) fn address(&self, value: &str) -> String {
        let of_path = self.parameters.iter().filter(|parameter| parameter.place == "path");
        of_path.fold(self.path.clone(), |path, parameter| {
            path.replace(&format!("{{{}}}", parameter.name), value)
        })
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Every operation that the server describes.
pub(crate) async fn operations(site: &Site) -> Vec<Operation> {
    let description = site.client.get("/openapi.json").await.json();
    let paths = description["paths"].as_object().unwrap();
    let methods = |path: &String, item: &Value| {
        let operations = item.as_object().unwrap().iter();
        operations.map(|(method, said)| operation(method, path, said)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(|(path, item)| methods(path, item)).collect()
}

fn operation(method: &str, path: &str, said: &Value) -> Operation {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let parameter = |said: &Value| Parameter {
        name: text(&said["name"]),
        place: text(&said["in"]),
        is_required: said["required"] == true,
    };
    let parameters = said["parameters"].as_array().into_iter().flatten().map(parameter).collect();
    let body = said["requestBody"]["content"].as_object();
    Operation {
        method: method.to_uppercase().parse().unwrap(),
        path: path.to_owned(),
        tag: text(&said["tags"][0]),
        parameters,
        is_open: said["security"].as_array().is_some_and(Vec::is_empty),
        body: body.and_then(|content| content.keys().next().cloned()),
    }
}

/// Asks without a body. Streams that do not end by themselves are not read.
async fn ask(site: &Site, method: &Method, address: &str) -> Answer {
    let request =
        site.client.http.request(method.clone(), format!("{}{address}", site.client.base));
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let is_stream = headers
        .get("content-type")
        .is_some_and(|kind| kind.to_str().unwrap().starts_with("text/event-stream"));
    let text = if is_stream { String::new() } else { response.text().await.unwrap() };
    Answer { status, headers, text }
}

/// Whether a refusal has the shape that the address's dialect gives it.
fn check_shape(path: &str, answer: &Answer) {
    let body = answer.json();
    match path {
        _ if path.starts_with("/api/v1") => {
            assert!(body["code"].as_u64().is_some_and(|code| code >= 100), "{path}: {body}");
            assert!(body["message"].is_string(), "{path}: {body}");
        }
        _ if path.starts_with("/api/") => {
            assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
            assert_eq!(body["status"], answer.status, "{path}: {body}");
            assert!(body["detail"].is_string(), "{path}: {body}");
        }
        _ if path.starts_with("/v1/messages") => {
            assert_eq!(body["type"], "error", "{path}: {body}");
            assert!(body["error"]["message"].is_string(), "{path}: {body}");
        }
        _ => assert!(body["error"]["message"].is_string(), "{path}: {body}"),
    }
}

const NOWHERE: [&str; 2] = ["there is nothing at this address", "Not Found: "];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_described_is_there() {
    let site = Site::start(&[]).await;
    let operations = operations(&site).await;
    assert!(operations.len() > 100, "{} operations", operations.len());
    for operation in &operations {
        let name = operation.name();
        let answer = ask(&site, &operation.method, &operation.address("nothing")).await;
        let is_nowhere = NOWHERE.iter().any(|words| answer.text.contains(words));
        assert!(answer.status != 405 && !is_nowhere, "{name}: {} {}", answer.status, answer.text);
        assert!(answer.status < 500 || answer.status == 503, "{name}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_not_described_is_refused_in_the_address_s_dialect() {
    let site = Site::start(&[]).await;
    let operations = operations(&site).await;
    let described: BTreeSet<(&str, &str)> =
        operations.iter().map(|it| (it.path.as_str(), it.method.as_str())).collect();
    for operation in &operations {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if described.contains(&(operation.path.as_str(), method.as_str())) {
                continue;
            }
            let answer = ask(&site, &method, &operation.address("nothing")).await;
            assert_eq!(answer.status, 405, "{method} {}: {}", operation.path, answer.text);
            assert!(answer.header("allow").contains(operation.method.as_str()), "{method}");
            check_shape(&operation.path, &answer);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_but_what_is_marked_open_asks_for_a_key() {
    let site = Site::start_with(&[], |config| config.auth.mode = AuthMode::Keys).await;
    let operations = operations(&site).await;
    let mut open = Vec::new();
    for operation in &operations {
        let (name, path) = (operation.name(), &operation.path);
        let answer = ask(&site, &operation.method, &operation.address("nothing")).await;
        if operation.is_open {
            assert_ne!(answer.status, 401, "{name}");
            open.push(name);
            continue;
        }
        assert_eq!(answer.status, 401, "{name}: {}", answer.text);
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{name}");
        check_shape(path, &answer);
    }
    let known = [
        "POST /api/v1/auth/login",
        "POST /api/v2/auth/join",
        "POST /api/v2/auth/login",
        "GET /healthz",
        "GET /openapi.json",
        "GET /readyz",
    ];
    open.sort_by_key(|name| name.split(' ').next_back().map(str::to_owned));
    assert_eq!(open, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_nowhere_says_so_in_its_dialect() {
    let site = Site::start(&[]).await;
    for path in ["/v1/nothing", "/v1/messages/nothing", "/api/v2/nothing", "/api/v1/nothing"] {
        let answer = site.client.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        check_shape(path, &answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_says_what_it_takes() {
    let site = Site::start(&[]).await;
    let mut ids = BTreeSet::new();
    for operation in operations(&site).await {
        let name = operation.name();
        let of_path: Vec<&Parameter> =
            operation.parameters.iter().filter(|parameter| parameter.place == "path").collect();
        assert_eq!(of_path.len(), operation.path.matches('{').count(), "{name}");
        assert!(of_path.iter().all(|parameter| parameter.is_required), "{name}");
        assert!(!operation.tag.is_empty() && ids.insert(name.clone()), "{name}");
        assert!(operation.method != Method::GET || operation.body.is_none(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_shown_without_asking_anybody_else() {
    let site = Site::start_with(&[], |config| config.auth.mode = AuthMode::Keys).await;
    for (path, kind) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/viewer.js", "text/javascript; charset=utf-8"),
        ("/docs/viewer.css", "text/css; charset=utf-8"),
    ] {
        let answer = site.client.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, kind), "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        for elsewhere in ["http://", "https://", "eval(", "innerHTML"] {
            assert!(!answer.text.contains(elsewhere), "{path} has {elsewhere}");
        }
    }
    assert_eq!(site.client.get("/docs/nothing.js").await.status, 401);
}
