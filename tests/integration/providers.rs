//! Providers that tenants bring.

use accounts::{KeyRequest, Role};
use reqwest::Method;
use serde_json::{Value, json};

use crate::accounts::{holder, site, tenant};
use crate::site::Site;

const PATH: &str = "/api/v2/providers/mine";

fn question(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Hi" }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_added_tried_asked_and_forgotten() {
    let site = Site::start(&[]).await;
    let base = site.upstream.base_url();
    let saved =
        json!({ "base_url": base, "api_key": "sk-0123456789abcdefWXYZ", "default_model": "m" });
    let answer = site.client.send(Method::PUT, PATH, &saved).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    let listed = site.client.get("/api/v2/providers").await;
    assert!(!listed.text.contains("0123456789"), "{}", listed.text);
    let listed = listed.json();
    let mine = listed["providers"].as_array().unwrap().iter().find(|it| it["name"] == "mine");
    assert_eq!(mine.unwrap()["key"], "…WXYZ");
    assert!(listed["known"].as_array().unwrap().contains(&json!("openai")));

    let tried = site.client.post("/api/v2/providers/mine/test", &json!({})).await.json();
    assert_eq!((&tried["works"], &tried["model"]), (&json!(true), &json!("mine/m")), "{tried}");
    let asked = site.upstream.requests().pop().unwrap();
    assert_eq!(asked.headers.get("authorization").unwrap(), "Bearer sk-0123456789abcdefWXYZ");
    let answer = site.client.post("/v1/chat/completions", &question("mine/other")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);

    // The key stays when only the rest is changed.
    let moved = json!({ "base_url": base, "default_model": "n" });
    assert_eq!(site.client.send(Method::PUT, PATH, &moved).await.status, 204);
    let tried = site.client.post("/api/v2/providers/mine/test", &json!({})).await.json();
    assert_eq!(tried["model"], "mine/n");
    let asked = site.upstream.requests().pop().unwrap();
    assert_eq!(asked.headers.get("authorization").unwrap(), "Bearer sk-0123456789abcdefWXYZ");

    assert_eq!(site.client.send(Method::DELETE, PATH, &json!({})).await.status, 204);
    assert_eq!(site.client.send(Method::DELETE, PATH, &json!({})).await.status, 404);
    let answer = site.client.post("/v1/chat/completions", &question("mine/m")).await;
    assert_eq!(answer.status, 404, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_set_up_is_not_saved() {
    let site = Site::start(&[]).await;
    let base = site.upstream.base_url();
    for (name, body) in [
        ("mine", json!({})),
        ("mine", json!({ "base_url": "no url" })),
        ("mine", json!({ "base_url": base, "dialect": "klingon" })),
        ("mine", json!({ "base_url": base, "unknown": 1 })),
        ("mine", json!({ "base_url": base, "api_key": 7 })),
        ("fake", json!({ "base_url": base })),
        ("local", json!({ "base_url": base })),
        ("a%20b", json!({ "base_url": base })),
    ] {
        let path = format!("/api/v2/providers/{name}");
        let refused = site.client.send(Method::PUT, &path, &body).await;
        assert_eq!(refused.status, 400, "{name} {body}: {}", refused.text);
    }
    let gone = site.client.post("/api/v2/providers/none/test", &json!({})).await;
    assert_eq!(gone.status, 404);
    site.upstream.always(testkit::Behaviour::status(500));
    let tried = site.client.post("/api/v2/providers/fake/test", &json!({ "model": "m" })).await;
    assert_eq!((tried.status, &tried.json()["works"]), (200, &json!(false)), "{}", tried.text);
}

/// A tenant's base URL is no way into the server's own network, and its models are its own.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_bring_providers_on_public_addresses_for_themselves() {
    let site = site().await;
    let acme = holder(&site, &KeyRequest::new(tenant("acme"), "acme"));
    let local = holder(&site, &KeyRequest::new(tenant("local"), "local"));
    for base in [
        &site.upstream.base_url(),
        "http://localhost:1/v1",
        "http://169.254.169.254/v1",
        "http://[::1]:1/v1",
        "http://10.0.0.1/v1",
        "http://2130706433/v1",
    ] {
        let refused = acme.send(Method::PUT, PATH, Some(&json!({ "base_url": base }))).await;
        assert_eq!(refused.status, 400, "{base}: {}", refused.text);
    }
    let public = json!({ "base_url": "https://models.example/v1", "api_key": "sk-acme" });
    assert_eq!(acme.send(Method::PUT, PATH, Some(&public)).await.status, 204);
    let listed = local.get("/api/v2/providers").await.text;
    assert!(!listed.contains("models.example"), "{listed}");
    let answer = local.post("/v1/chat/completions", &question("mine/m")).await;
    assert_eq!(answer.status, 404, "{}", answer.text);
    assert_eq!(local.send(Method::DELETE, PATH, None).await.status, 404);
    let member = KeyRequest { role: Role::Member, ..KeyRequest::new(tenant("acme"), "member") };
    assert_eq!(holder(&site, &member).get("/api/v2/providers").await.status, 403);
}
