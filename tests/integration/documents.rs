//! What owners do with their documents: keep the file, call it otherwise, take it out of searches, edit its chunks.

use std::fs;

use accounts::{AccountStore, KeyRequest};
use api_server::config::AuthMode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::site::Site;

const TEA: &str = "# Tea\n\nGreen tea is made with water at 80 degrees.\n";

/// Sends a file to the dataset `drinks`, and takes it in.
async fn sent(site: &Site, name: &str, text: &str) -> Value {
    site.client.post("/api/v2/datasets", &json!({ "name": "drinks" })).await;
    let path = format!("/api/v2/datasets/drinks/documents?name={name}");
    let answer = site.client.post_text(&path, text).await;
    assert!(answer.status < 300, "{}", answer.text);
    site.server.app().pipeline.run_until_idle().await.unwrap();
    answer.json()
}

fn addresses(document: &Value) -> [String; 2] {
    let id = document["id"].as_str().unwrap();
    [format!("/api/v2/documents/{id}"), format!("/api/v2/datasets/drinks/documents/{id}")]
}

async fn patch(site: &Site, path: &str, body: Value) -> Answer {
    site.client.send(Method::PATCH, path, &body).await
}

/// Texts of the best passages for a question.
async fn found(site: &Site, question: &str) -> Vec<String> {
    let body = json!({ "query": question, "datasets": ["drinks"], "threshold": 0.0 });
    let answer = site.client.post("/api/v2/search", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let text = |passage: &Value| passage["chunk"]["text"].as_str().unwrap().to_owned();
    answer.json()["passages"].as_array().unwrap().iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_given_as_it_was_submitted_or_not_at_all() {
    let site = Site::start(&[("coffee.md", "# Coffee\n\nBeans are roasted.\n")]).await;
    let long = "Tea, again and again. ".repeat(40_000);
    let text = sent(&site, "my%20t%C3%A9.txt", &long).await;
    for address in addresses(&text) {
        let file = site.client.get(&format!("{address}/file")).await;
        assert_eq!((file.status, file.text.len()), (200, long.len()));
        assert_eq!(file.text, long);
        assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(file.header("content-length"), long.len().to_string());
        assert_eq!(
            file.header("content-disposition"),
            "attachment; filename=\"my_t_.txt\"; filename*=UTF-8''my%20t%C3%A9.txt"
        );
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert_eq!(file.header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!(file.header("cache-control"), "private, no-store");
    }
    let page = sent(&site, "page.html", "<p>Tea</p><script>alert(1)</script>").await;
    let file = site.client.get(&format!("{}/file", addresses(&page)[0])).await;
    assert_eq!((file.status, file.header("content-type")), (200, "application/octet-stream"));
    assert!(file.header("content-disposition").starts_with("attachment"));

    // A document of a folder that was ingested has its file there, until that changes or goes.
    let listed = site.client.get("/api/v2/datasets/default/documents").await.json();
    let coffee = listed["documents"][0]["id"].as_str().unwrap();
    let address = format!("/api/v2/documents/{coffee}/file");
    assert_eq!(site.client.get(&address).await.text, "# Coffee\n\nBeans are roasted.\n");
    let elsewhere = format!("/api/v2/datasets/drinks/documents/{coffee}/file");
    assert_eq!(site.client.get(&elsewhere).await.status, 404, "it is of another dataset");
    let path = site.folder().join("docs/coffee.md");
    let secret = site.folder().join("secret.txt");
    // As long as the document.
    fs::write(&secret, "# Secret\n\nBeans are roasted.\n".replace("Secret", "Hidden")).unwrap();
    let replace: [&dyn Fn(); 4] = [
        &|| fs::write(&path, "# Coffee\n\nBeans are smashed.\n").unwrap(),
        &|| fs::remove_file(&path).unwrap(),
        &|| std::os::unix::fs::symlink(&secret, &path).unwrap(),
        &|| {
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
        },
    ];
    for replace in replace {
        replace();
        let gone = site.client.get(&address).await;
        assert_eq!(gone.status, 404, "{}", gone.text);
        assert!(gone.json()["detail"].as_str().unwrap().contains("is not there any more"));
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_renamed_and_left_out_of_searches() {
    let site = Site::start(&[]).await;
    let tea = sent(&site, "tea.md", TEA).await;
    sent(&site, "other.md", "# Other\n\nNothing of it.\n").await;
    let [address, below] = addresses(&tea);
    let change = json!({ "name": "green.md", "metadata": { "year": 2024 } });
    let changed = patch(&site, &address, change).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let changed = changed.json();
    assert_eq!(
        (&changed["name"], &changed["metadata"]["year"]),
        (&json!("green.md"), &json!(2024))
    );
    let again = patch(&site, &below, json!({ "enabled": false })).await.json();
    assert_eq!((&again["disabled"], &again["metadata"]["year"]), (&json!(true), &json!(2024)));
    assert!(!found(&site, "green tea degrees").await.iter().any(|text| text.contains("80")));
    patch(&site, &address, json!({ "enabled": true })).await;
    assert!(found(&site, "green tea degrees").await.iter().any(|text| text.contains("80")));

    for (change, status) in [
        (json!({ "name": "other.md" }), 409),
        (json!({ "name": "green.pdf" }), 400),
        (json!({ "name": "../green.md" }), 400),
        (json!({ "colour": 1 }), 400),
        (json!({}), 200),
    ] {
        let answer = patch(&site, &address, change.clone()).await;
        assert_eq!(answer.status, status, "{change}: {}", answer.text);
    }
    // The old name is free, and the file that is sent under it is another one.
    let black = sent(&site, "tea.md", "# Black tea\n\nWater at 100 degrees.\n").await;
    assert_ne!(black["id"], tea["id"]);
    assert_eq!(site.client.get(&format!("{address}/file")).await.text, TEA);
    let deleted = site.client.send(Method::DELETE, &addresses(&black)[0], &json!({})).await;
    assert_eq!(deleted.status, 200);
    assert_eq!(site.client.get(&format!("{address}/file")).await.text, TEA);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_are_edited() {
    let site = Site::start(&[]).await;
    let tea = sent(&site, "tea.md", TEA).await;
    let [address, below] = addresses(&tea);
    let chunks = format!("{below}/chunks");
    let first = site.client.get(&chunks).await.json()["chunks"][0].clone();
    let one = format!("{address}/chunks/{}", first["id"].as_str().unwrap());

    let change = json!({ "text": "White tea wants 70 degrees.", "keywords": ["camellia"] });
    let changed = patch(&site, &one, change).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let changed = changed.json();
    assert_eq!((&changed["kind"], &changed["span"]), (&json!("written"), &first["span"]));
    assert_eq!(found(&site, "camellia").await[0], "White tea wants 70 degrees.");
    let off = patch(&site, &one, json!({ "enabled": false })).await.json();
    assert_eq!((&off["disabled"], &off["keywords"]), (&json!(true), &json!(["camellia"])));
    assert_eq!(found(&site, "white tea").await, Vec::<String>::new());

    let added = json!({ "text": "Rooibos is no tea.", "questions": ["What is rooibos?"] });
    let added = site.client.post(&chunks, &added).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let (added, id) = (added.json(), added.json()["id"].clone());
    assert_eq!((&added["kind"], &added["document"]), (&json!("written"), &tea["id"]));
    assert_eq!(found(&site, "What is rooibos?").await, ["Rooibos is no tea."]);

    let both = json!({ "ids": [id, first["id"], id], "enabled": true });
    let switched = patch(&site, &chunks, both).await;
    assert_eq!(switched.json(), json!({ "changed": 2 }), "{}", switched.text);
    assert_eq!(found(&site, "white tea").await.len(), 2);

    let other = sent(&site, "other.md", "# Other\n\nNothing of it.\n").await;
    let wrong = format!("{}/chunks/{}", addresses(&other)[0], id.as_str().unwrap());
    for (method, path, body, status) in [
        (Method::PATCH, wrong.as_str(), json!({ "enabled": false }), 404),
        (Method::DELETE, wrong.as_str(), json!({}), 404),
        (Method::PATCH, one.as_str(), json!({ "text": " " }), 400),
        (Method::PATCH, one.as_str(), json!({ "tokens": 3 }), 400),
        (Method::PATCH, one.as_str(), json!({ "tags": [{ "name": "x", "weight": 0 }] }), 400),
        (Method::POST, chunks.as_str(), json!({ "keywords": ["x"] }), 400),
        (Method::PATCH, chunks.as_str(), json!({ "ids": [], "enabled": true }), 400),
        (Method::DELETE, chunks.as_str(), json!({ "ids": ["none"] }), 404),
    ] {
        let answer = site.client.send(method, path, &body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.text);
    }
    let gone = site.client.send(Method::DELETE, &one, &json!({})).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    let gone = site.client.send(Method::DELETE, &chunks, &json!({ "ids": [id] })).await;
    assert_eq!(gone.json(), json!({ "deleted": 1 }));
    assert_eq!(site.client.get(&chunks).await.json(), json!({ "chunks": [] }));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_are_not_named_stay() {
    let site = Site::start(&[]).await;
    let settings = json!({
        "description": "Teas", "labels": { "team": "kitchen" }, "page_rank": 3,
        "chunking": { "max_tokens": 64, "overlap_tokens": 4 },
    });
    let new = json!({ "name": "drinks", "settings": settings });
    assert_eq!(site.client.post("/api/v2/datasets", &new).await.status, 201);
    let path = "/api/v2/datasets/drinks";
    let change = json!({ "settings": { "chunking": { "max_tokens": 128 } } });
    let changed = patch(&site, path, change).await.json()["settings"].clone();
    let kept = [&changed["description"], &changed["labels"], &changed["page_rank"]];
    assert_eq!(kept, [&json!("Teas"), &json!({ "team": "kitchen" }), &json!(3)]);
    let chunking = [&changed["chunking"]["max_tokens"], &changed["chunking"]["overlap_tokens"]];
    assert_eq!(chunking, [&json!(128), &json!(4)]);
    let change =
        json!({ "settings": { "labels": { "team": null, "floor": "2" }, "page_rank": null } });
    let changed = patch(&site, path, change).await.json()["settings"].clone();
    assert_eq!((&changed["labels"], &changed["page_rank"]), (&json!({ "floor": "2" }), &json!(0)));
    let wrong = json!({ "settings": { "chunking": { "max_tokens": "many" } } });
    let refused = patch(&site, path, wrong).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenant_reaches_nothing_of_it() {
    let keys = |config: &mut api_server::config::Config| config.auth.mode = AuthMode::Keys;
    let site = Site::start_with(&[("tea.md", TEA)], keys).await;
    let store = &site.server.app().config.server.data_dir.join("accounts.sqlite");
    let store = AccountStore::open(store).unwrap();
    let key = |tenant: &str| {
        let (_, secret) =
            store.create_key(&KeyRequest::new(tenant.parse().unwrap(), "test")).unwrap();
        format!("Bearer {}", secret.expose())
    };
    let (own, other) = (key(site.server.app().tenant().as_str()), key("elsewhere"));
    let ask = async |key: &str, method: Method, path: &str| {
        let request = site.client.http.request(method, format!("{}{path}", site.client.base));
        let request =
            request.header("authorization", key).header("content-type", "application/json");
        let response = request.body("{}").send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let listed = ask(&own, Method::GET, "/api/v2/datasets/default/documents").await.1;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let id = listed["documents"][0]["id"].as_str().unwrap();
    let chunks = ask(&own, Method::GET, &format!("/api/v2/documents/{id}/chunks")).await.1;
    let chunks: Value = serde_json::from_str(&chunks).unwrap();
    let chunk = format!("/chunks/{}", chunks["chunks"][0]["id"].as_str().unwrap());
    for address in
        [format!("/api/v2/documents/{id}"), format!("/api/v2/datasets/default/documents/{id}")]
    {
        for (method, rest) in [
            (Method::GET, "/file"),
            (Method::GET, ""),
            (Method::PATCH, ""),
            (Method::PATCH, chunk.as_str()),
        ] {
            let path = format!("{address}{rest}");
            assert_eq!(ask(&other, method.clone(), &path).await.0, 404, "{method} {path}");
            assert_eq!(ask(&own, method.clone(), &path).await.0, 200, "{method} {path}");
        }
        assert_eq!(ask(&other, Method::DELETE, &format!("{address}{chunk}")).await.0, 404);
    }
    let turns = ask(&other, Method::GET, "/api/v2/turns").await;
    assert_eq!(turns, (200, "{\"turns\":[]}".to_owned()));
    site.stop().await;
}
