//! Who may do what: people, roles, keys that open a part, and tenants that do not see each other.

use accounts::{AccountStore, KeyRequest, KeyScope, Role};
use api_server::config::AuthMode;
use rag_core::TenantId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::site::Site;

const DOCUMENTS: &[(&str, &str)] = &[("tea.md", "# Tea\n\nWater for green tea has 80 degrees.")];
const PASSWORD: &str = "correct horse";

pub(crate) async fn site() -> Site {
    Site::start_with(DOCUMENTS, |config| config.auth.mode = AuthMode::Keys).await
}

/// As a command beside the server does.
pub(crate) fn store(site: &Site) -> AccountStore {
    let data_dir = &site.server.app().config.server.data_dir;
    AccountStore::open(&data_dir.join("accounts.sqlite")).unwrap()
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

/// Somebody who sends the same header with every request.
pub(crate) struct Caller<'a> {
    client: &'a Client,
    header: (&'static str, String),
}

impl Caller<'_> {
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.client.http.request(method, format!("{}{path}", self.client.base));
        let mut request = request.header(self.header.0, &self.header.1);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }
}

/// The holder of a new key.
pub(crate) fn holder<'a>(site: &'a Site, request: &KeyRequest) -> Caller<'a> {
    let (_, secret) = store(site).create_key(request).unwrap();
    Caller {
        client: &site.client,
        header: ("authorization", format!("Bearer {}", secret.expose())),
    }
}

fn key(at: &str, role: Role, scope: KeyScope) -> KeyRequest {
    KeyRequest { role, scope, ..KeyRequest::new(tenant(at), "test") }
}

/// Joins by an invitation, over HTTP; what came back.
async fn joins(site: &Site, at: &str, email: &str, role: Role) -> Answer {
    let (_, invitation) = store(site).invite(&tenant(at), email, role).unwrap();
    let joining =
        json!({ "invitation": invitation.expose(), "name": "Somebody", "password": PASSWORD });
    site.client.post("/api/v2/auth/join", &joining).await
}

fn session<'a>(site: &'a Site, answer: &Answer) -> Caller<'a> {
    let secret = answer.json()["session"].as_str().unwrap().to_owned();
    Caller { client: &site.client, header: ("authorization", format!("Bearer {secret}")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_joins_logs_in_and_leaves() {
    let site = site().await;
    let joined = joins(&site, "local", "Ada@example.com", Role::Admin).await;
    assert_eq!(joined.status, 200, "{}", joined.text);
    let cookie = joined.header("set-cookie");
    for part in ["colloquy_session=cls_", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let me = session(&site, &joined).get("/api/v2/auth/me").await.json();
    assert_eq!((&me["by"], &me["role"]), (&json!("session"), &json!("admin")));
    assert_eq!(me["person"]["email"], "ada@example.com");
    assert_eq!(me["tenants"], json!([{ "tenant": "local", "role": "admin" }]));

    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let ada = site.client.post("/api/v2/auth/login", &login).await;
    let ada = session(&site, &ada);
    assert_eq!(ada.get("/api/v2/datasets").await.status, 200);
    assert_eq!(ada.send(Method::POST, "/api/v2/auth/logout", None).await.status, 204);
    assert_eq!(ada.get("/api/v2/datasets").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_passwords_is_slow() {
    let site = site().await;
    joins(&site, "local", "ada@example.com", Role::Member).await;
    let wrong = json!({ "email": "ada@example.com", "password": "wrong horse" });
    let unknown = json!({ "email": "eve@example.com", "password": "wrong horse" });
    let known = site.client.post("/api/v2/auth/login", &wrong).await;
    let nobody = site.client.post("/api/v2/auth/login", &unknown).await;
    assert_eq!((known.status, &known.text), (401, &nobody.text));
    let mut waits = None;
    for _ in 0..6 {
        let answer = site.client.post("/api/v2/auth/login", &wrong).await;
        waits = (answer.status == 429).then(|| answer.header("retry-after").to_owned());
    }
    assert!(waits.is_some_and(|seconds| seconds.parse::<u64>().unwrap() >= 1));
    let right = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(site.client.post("/api/v2/auth/login", &right).await.status, 429);
}

/// What a browser sends along by itself lets nobody in whom a page of another site sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_changes_nothing_for_other_sites() {
    let site = site().await;
    let joined = joins(&site, "local", "ada@example.com", Role::Admin).await;
    let cookie = joined.header("set-cookie").split(';').next().unwrap().to_owned();
    let own = site.client.base.clone();
    let make = |origin: Option<String>| {
        let url = format!("{}/api/v2/datasets", site.client.base);
        let request = site.client.http.post(url).header("cookie", &cookie);
        let request = request.header("content-type", "application/json");
        let request = request.body(json!({ "name": "new" }).to_string());
        match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        }
    };
    for origin in [None, Some("https://evil.example".to_owned()), Some("null".to_owned())] {
        let answer = make(origin.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{origin:?}");
    }
    let answer = make(Some(own)).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    let url = format!("{}/api/v2/datasets", site.client.base);
    let read = site.client.http.get(url).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(read.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_say_what_may_be_done() {
    let site = site().await;
    let question = json!({ "query": "How hot is water for green tea?" });
    let dataset = json!({ "name": "new" });
    for (role, writes, manages) in
        [(Role::Reader, 403, 403), (Role::Member, 201, 403), (Role::Admin, 200, 200)]
    {
        let caller = holder(&site, &key("local", role, KeyScope::default()));
        assert_eq!(caller.get("/api/v2/datasets").await.status, 200, "{role}");
        assert_eq!(caller.post("/api/v2/search", &question).await.status, 200, "{role}");
        let written = caller.post("/api/v2/datasets", &dataset).await;
        assert!(written.status == writes || writes == 200, "{role}: {}", written.text);
        let keys = caller.get("/api/v2/keys").await;
        assert_eq!(keys.status, manages, "{role}: {}", keys.text);
    }
    // Each surface says so in its own words.
    let reader = holder(&site, &key("local", Role::Reader, KeyScope::default()));
    let refused = reader.post("/api/v1/datasets", &dataset).await.json();
    assert_eq!(refused["code"], 108);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_over_http_and_know_their_maker() {
    let site = site().await;
    let joined = joins(&site, "local", "ada@example.com", Role::Admin).await;
    let ada = session(&site, &joined);
    let new = json!({ "name": "ci", "role": "member", "scope": { "dollars_per_day": 2.5 } });
    let made = ada.post("/api/v2/keys", &new).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!(made["made_by"], joined.json()["person"]["id"]);
    let listed = ada.get("/api/v2/keys").await;
    assert!(!listed.text.contains(made["key"].as_str().unwrap()), "{}", listed.text);
    assert_eq!(listed.json()["keys"][0]["scope"], json!({ "dollars_per_day": 2.5 }));

    let header = ("authorization", format!("Bearer {}", made["key"].as_str().unwrap()));
    let holder = Caller { client: &site.client, header };
    assert_eq!(holder.get("/api/v2/auth/me").await.json()["key"]["name"], "ci");
    let path = format!("/api/v2/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(holder.send(Method::DELETE, &path, None).await.status, 403);
    assert_eq!(ada.send(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(ada.send(Method::DELETE, &path, None).await.status, 404);
    assert_eq!(holder.get("/api/v2/auth/me").await.status, 401, "it is forgotten at once");
    for wrong in [json!({}), json!({ "name": "" }), json!({ "name": "x", "role": "king" })] {
        let refused = ada.post("/api/v2/keys", &wrong).await;
        assert!([400, 422].contains(&refused.status), "{wrong}: {}", refused.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_invited_changed_and_removed() {
    let site = site().await;
    let ada = joins(&site, "local", "ada@example.com", Role::Admin).await;
    let ada = session(&site, &ada);
    let invited = json!({ "email": "bob@example.com", "role": "reader" });
    let invitation = ada.post("/api/v2/invitations", &invited).await.json();
    assert_eq!(ada.get("/api/v2/invitations").await.json()["invitations"][0]["role"], "reader");
    let joining =
        json!({ "invitation": invitation["invitation"], "name": "Bob", "password": PASSWORD });
    let joined = site.client.post("/api/v2/auth/join", &joining).await;
    let (bob, id) = (session(&site, &joined), joined.json()["person"]["id"].clone());
    let again = site.client.post("/api/v2/auth/join", &joining).await;
    assert_eq!(again.status, 404);

    let path = format!("/api/v2/people/{}", id.as_str().unwrap());
    assert_eq!(bob.post("/api/v2/datasets", &json!({ "name": "bobs" })).await.status, 403);
    let member = json!({ "role": "member" });
    assert_eq!(ada.send(Method::PATCH, &path, Some(&member)).await.status, 204);
    assert_eq!(bob.post("/api/v2/datasets", &json!({ "name": "bobs" })).await.status, 201);
    assert_eq!(ada.get("/api/v2/people").await.json()["people"].as_array().unwrap().len(), 2);
    assert_eq!(ada.send(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(bob.get("/api/v2/datasets").await.status, 401);
    let me = ada.get("/api/v2/auth/me").await.json();
    let own = format!("/api/v2/people/{}", me["person"]["id"].as_str().unwrap());
    assert_eq!(ada.send(Method::DELETE, &own, None).await.status, 409, "the last admin stays");
}

/// A key that opens a part asks of that part, and sees nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_scoped_key_asks_of_its_part_only() {
    let site = site().await;
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let ask = |model: &str| {
        json!({
            "model": model,
            "messages": [{ "role": "user", "content": "How hot is water for green tea?" }],
        })
    };
    let scope = KeyScope { models: names(&["dialog/default"]), ..KeyScope::default() };
    let caller = holder(&site, &key("local", Role::Member, scope));
    let path = "/v1/chat/completions";
    assert_eq!(caller.post(path, &ask("dialog/default")).await.status, 200);
    let refused = caller.post(path, &ask("local/extractive")).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let embed = json!({ "model": "local/static", "input": "tea" });
    assert_eq!(caller.post("/v1/embeddings", &embed).await.status, 403);
    let listed = caller.get("/v1/models").await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
    let chosen = json!({ "question": "How hot?", "model": "local/extractive" });
    let refused = caller.post("/api/v2/dialogs/default/turns", &chosen).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    for path in ["/api/v2/datasets", "/api/v2/sessions", "/api/v2/usage", "/api/v1/datasets"] {
        let refused = caller.get(path).await;
        let code = refused.json()["code"].as_u64().unwrap_or_default();
        assert!(refused.status == 403 || code == 108, "{path}: {}", refused.text);
    }

    let scope = KeyScope { datasets: names(&["other"]), ..KeyScope::default() };
    let caller = holder(&site, &key("local", Role::Member, scope));
    let query = json!({ "query": "green tea" });
    assert_eq!(caller.post("/api/v2/search", &query).await.status, 404);
    assert_eq!(caller.post(path, &ask("dialog/default")).await.status, 404);
    let once = json!({ "question": "green tea?", "dialog": { "datasets": ["default"] } });
    assert_eq!(caller.post("/api/v2/ask", &once).await.status, 404);
    let admin = holder(&site, &key("local", Role::Admin, KeyScope::default()));
    let all = admin.get("/api/v1/datasets").await.json();
    let retrieval = json!({ "question": "tea", "dataset_ids": [all["data"][0]["id"]] });
    assert_eq!(admin.post("/api/v1/retrieval", &retrieval).await.json()["data"]["total"], 1);
    let refused = caller.post("/api/v1/retrieval", &retrieval).await.json();
    assert_ne!(refused["code"], 0, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_own_limits_hold() {
    let site = site().await;
    let scope = KeyScope { requests_per_minute: Some(1), ..KeyScope::default() };
    let caller = holder(&site, &key("local", Role::Reader, scope));
    let ask = json!({ "model": "fake/m", "messages": [{ "role": "user", "content": "Hi" }] });
    assert_eq!(caller.post("/v1/chat/completions", &ask).await.status, 200);
    let refused = caller.post("/v1/chat/completions", &ask).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    let other = holder(&site, &key("local", Role::Reader, KeyScope::default()));
    assert_eq!(other.post("/v1/chat/completions", &ask).await.status, 200);
}

/// The same names, and nothing of each other.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_have_their_own() {
    let site = site().await;
    let local = holder(&site, &key("local", Role::Admin, KeyScope::default()));
    let acme = holder(&site, &key("acme", Role::Admin, KeyScope::default()));
    assert_eq!(acme.get("/api/v2/datasets").await.json()["datasets"], json!([]));
    let query = json!({ "query": "green tea" });
    assert_eq!(acme.post("/api/v2/search", &query).await.status, 404);
    assert_eq!(acme.post("/api/v2/datasets", &json!({ "name": "default" })).await.status, 201);
    let found = acme.post("/api/v2/search", &query).await.json();
    assert_eq!(found["total"], 0, "{found}");
    let found = local.post("/api/v2/search", &query).await.json();
    assert_ne!(found["total"], 0, "{found}");

    let ask = json!({ "model": "fake/m", "messages": [{ "role": "user", "content": "Hi" }] });
    assert_eq!(acme.post("/v1/chat/completions", &ask).await.status, 200);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let usage = acme.get("/api/v2/usage?group_by=model").await.text;
        if usage.contains("fake/m") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{usage}");
    }
    let usage = local.get("/api/v2/usage?group_by=model").await;
    assert!(!usage.text.contains("fake"), "{}", usage.text);
}

/// RAGFlow's own ways to log in and to make keys.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_ragflow_log_in_and_make_tokens() {
    let site = site().await;
    joins(&site, "local", "ada@example.com", Role::Admin).await;
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let answer = site.client.post("/api/v1/auth/login", &login).await;
    assert_eq!(answer.json()["data"]["email"], "ada@example.com");
    let ada = Caller {
        client: &site.client,
        header: ("authorization", answer.header("authorization").to_owned()),
    };
    let me = ada.get("/api/v1/users/me").await.json();
    assert_eq!((&me["code"], &me["data"]["nickname"]), (&json!(0), &json!("Somebody")));
    assert_eq!(ada.get("/api/v1/tenants").await.json()["data"][0]["tenant_id"], "local");
    let members = ada.get("/api/v1/tenants/local/users").await.json();
    assert_eq!(members["data"][0]["email"], "ada@example.com");
    assert_eq!(ada.get("/api/v1/tenants/acme/users").await.json()["code"], 108);

    let token = ada.send(Method::POST, "/api/v1/system/tokens", None).await.json();
    let token = token["data"]["token"].as_str().unwrap().to_owned();
    let holder = Caller { client: &site.client, header: ("authorization", token.clone()) };
    assert_eq!(holder.get("/api/v1/datasets").await.json()["code"], 0);
    let listed = ada.get("/api/v1/system/tokens").await;
    assert_eq!(listed.json()["data"].as_array().unwrap().len(), 1);
    assert!(!listed.text.contains(&token), "{}", listed.text);
    let path = format!("/api/v1/system/tokens/{token}");
    assert_eq!(ada.send(Method::DELETE, &path, None).await.json()["code"], 0);
    assert_eq!(holder.get("/api/v1/datasets").await.status, 401);
    let wrong = json!({ "email": "ada@example.com", "password": "wrong horse" });
    assert_eq!(site.client.post("/api/v1/auth/login", &wrong).await.json()["code"], 109);
}
