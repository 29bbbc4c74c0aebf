//! Servers that ask for an API key.

use accounts::{AccountStore, ApiKey, KeyRequest, KeySecret};
use api_server::Server;
use api_server::config::AuthMode;
use rag_core::TenantId;
use reqwest::Method;
use serde_json::json;

use crate::client::Answer;
use crate::site::Site;

const DOCUMENTS: &[(&str, &str)] = &[("tea.md", "# Tea\n\nWater for green tea has 80 degrees.")];

/// A server on every address of this machine, which only keys open.
async fn site() -> Site {
    Site::start_with(DOCUMENTS, |config| {
        config.auth.mode = AuthMode::Keys;
        config.server.listen = "0.0.0.0:0".parse().unwrap();
    })
    .await
}

/// As a command beside the server does.
fn keys(site: &Site) -> AccountStore {
    let data_dir = &site.server.app().config.server.data_dir;
    AccountStore::open(&data_dir.join("accounts.sqlite")).unwrap()
}

fn new_key(site: &Site) -> (ApiKey, KeySecret) {
    keys(site).create_key(&KeyRequest::new(TenantId::local(), "test")).unwrap()
}

async fn ask(site: &Site, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = site.client.http.request(method, format!("{}{path}", site.client.base));
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_data_asks_for_a_key_in_the_dialect_of_its_address() {
    let site = site().await;
    for path in ["/", "/favicon.svg", "/healthz", "/readyz"] {
        assert_eq!(ask(&site, Method::GET, path, &[]).await.status, 200, "{path}");
    }
    let refused = [
        (Method::GET, "/v1/models"),
        (Method::POST, "/v1/chat/completions"),
        (Method::POST, "/v1/messages"),
        (Method::POST, "/v1/messages/count_tokens"),
        (Method::GET, "/api/v2/datasets"),
        (Method::POST, "/api/v2/search"),
        (Method::GET, "/api/v2/usage"),
        (Method::GET, "/api/v1/datasets"),
        (Method::GET, "/metrics"),
        (Method::GET, "/healthz/"),
        (Method::GET, "//healthz"),
        (Method::GET, "/nothing"),
    ];
    let unknown = KeySecret::parse(&format!("clq_{}", "A".repeat(43))).unwrap();
    let unknown = format!("Bearer {}", unknown.expose());
    for (method, path) in refused {
        for headers in
            [&[][..], &[("authorization", "Bearer none")], &[("authorization", &unknown)]]
        {
            let answer = ask(&site, method.clone(), path, headers).await;
            assert_eq!(
                (answer.status, answer.header("www-authenticate")),
                (401, "Bearer"),
                "{path}"
            );
            let body = answer.json();
            match path {
                path if path.starts_with("/api/v1/") => {
                    assert_eq!(body["code"], 401);
                    assert_eq!(body["message"], "<Unauthorized '401: Unauthorized'>");
                }
                path if path.starts_with("/v1/messages") => {
                    assert_eq!(body["type"], "error");
                    assert_eq!(body["error"]["type"], "authentication_error");
                }
                path if path.starts_with("/api/") => assert_eq!(body["status"], 401),
                _ => assert_eq!(body["error"]["code"], "invalid_api_key"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_every_door_and_is_believed_in_either_header() {
    let site = site().await;
    let (_, secret) = new_key(&site);
    let bearer = format!("Bearer {}", secret.expose());
    for header in [("authorization", bearer.as_str()), ("x-api-key", secret.expose())] {
        for path in ["/v1/models", "/api/v2/datasets", "/metrics"] {
            assert_eq!(ask(&site, Method::GET, path, &[header]).await.status, 200, "{path}");
        }
        let question = json!({
            "model": "dialog/default",
            "max_tokens": 100,
            "messages": [{ "role": "user", "content": "How hot is water for green tea?" }],
        });
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let answer = site.client.post_with(path, &[header], &question).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            assert!(answer.text.contains("80 degrees"), "{path}: {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_opens_nothing() {
    let site = site().await;
    let (key, secret) = new_key(&site);
    assert!(keys(&site).revoke_key(&TenantId::local(), &key.id).unwrap());
    let answer = ask(&site, Method::GET, "/v1/models", &[("x-api-key", secret.expose())]).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_without_keys_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = api_server::config::Config::default();
    config.server.listen = "0.0.0.0:0".parse().unwrap();
    config.server.data_dir = folder.path().join("data");
    let refused = Server::start(config, &Default::default()).await.err().unwrap().to_string();
    assert!(refused.contains("api-server keys create"), "{refused}");
}
