//! `/api/v2/dialogs`: set up, listed, asked through every door, deleted.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Behaviour;

use crate::site::Site;

const TEA: &str = "# Tea\n\nGreen tea is made with water at 80 degrees.\n";

async fn site() -> Site {
    let site = Site::start_with(&[("tea.md", TEA)], |config| {
        config.defaults.chat = Some("fake/usual".into());
    })
    .await;
    site.upstream.always(Behaviour::text("At eighty degrees [ID:0]."));
    site
}

/// The system prompt of the last call upstream, and the model that was asked.
fn asked(site: &Site) -> (String, Value) {
    let request = site.upstream.requests().pop().unwrap().json();
    (request["messages"][0]["content"].as_str().unwrap().to_owned(), request["model"].clone())
}

async fn put(site: &Site, name: &str, settings: &Value) -> crate::client::Answer {
    site.client.send(Method::PUT, &format!("/api/v2/dialogs/{name}"), settings).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialog_of_ones_own_answers_as_it_says() {
    let site = site().await;
    let path = "/api/v2/dialogs/tea%20room";
    let prompt = "Be {{ parameters.tone }} to {{ parameters.who }}.{% for p in passages %}\n[{{ loop.index0 }}] {{ p.text }}{% endfor %}";
    let settings = json!({
        "description": "About tea", "datasets": ["default"], "model": "fake/own", "top": 3,
        "prompt": prompt, "parameters": [{ "name": "tone", "default": "kind" }, { "name": "who" }],
    });
    let made = put(&site, "tea%20room", &settings).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let shown = made.json();
    assert_eq!(shown, json!({ "name": "tea room", "implied": false, "settings": settings }));
    assert_eq!(site.client.get(path).await.json(), shown);

    let question = json!({
        "question": "How hot must the water for green tea be?", "stream": false,
        "parameters": { "who": "guests" },
    });
    let answer = site.client.post(&format!("{path}/turns"), &question).await;
    assert_eq!(answer.json()["answer"], "At eighty degrees.", "{}", answer.text);
    let (system, model) = asked(&site);
    assert!(system.starts_with("Be kind to guests.\n[0] "), "{system}");
    assert!(system.contains("water at 80 degrees"), "{system}");
    assert_eq!(model, "own");

    for (parameters, reason) in [
        (json!({}), "`parameters` lack `who`"),
        (json!({ "x": "y", "who": "" }), "no parameter `x`"),
    ] {
        let question = json!({ "question": "Tea?", "parameters": parameters });
        let refused = site.client.post(&format!("{path}/turns"), &question).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert!(refused.text.contains(reason), "{}", refused.text);
    }
    let listed = site.client.get("/api/v2/sessions").await.json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "what was refused left none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialog_is_a_model_and_a_dataset_is_a_dialog() {
    let site = site().await;
    let names = async || -> Vec<String> {
        let listed = site.client.get("/api/v2/dialogs").await.json();
        let dialogs = listed["dialogs"].as_array().unwrap().clone();
        dialogs.iter().map(|dialog| format!("{} {}", dialog["name"], dialog["implied"])).collect()
    };
    assert_eq!(names().await, ["\"default\" true"]);
    let brief = json!({ "datasets": ["default"], "instructions": "Be brief." });
    assert_eq!(put(&site, "brief", &brief).await.status, 201);
    assert_eq!(names().await, ["\"brief\" false", "\"default\" true"]);
    let models = site.client.get("/v1/models").await.json();
    let ids: Vec<_> = models["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(ids[..2], ["dialog/brief", "dialog/default"]);

    let request = json!({
        "model": "dialog/brief",
        "messages": [{ "role": "user", "content": "How hot must the water for green tea be?" }],
    });
    let answer = site.client.post("/v1/chat/completions", &request).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "At eighty degrees.");
    assert!(asked(&site).0.starts_with("Be brief."));

    let changed = json!({ "datasets": ["default"], "instructions": "Be long." });
    assert_eq!(put(&site, "brief", &changed).await.status, 200);
    site.client.post("/v1/chat/completions", &request).await;
    assert!(asked(&site).0.starts_with("Be long."));

    put(&site, "default", &json!({ "datasets": [], "instructions": "Just chat." })).await;
    let request = json!({ "question": "Hi", "stream": false });
    let turn = site.client.post("/api/v2/dialogs/default/turns", &request).await.json();
    assert_eq!(turn["answer"], "At eighty degrees [ID:0].", "nothing is a marker");
    assert_eq!(asked(&site).0, "Just chat.");
    let deleted = site.client.send(Method::DELETE, "/api/v2/dialogs/default", &Value::Null).await;
    assert_eq!(deleted.status, 204);
    assert_eq!(names().await, ["\"brief\" false", "\"default\" true"], "the dataset's own again");
    let again = site.client.send(Method::DELETE, "/api/v2/dialogs/default", &Value::Null).await;
    assert_eq!(again.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rerank_model_has_the_last_word() {
    let site = site().await;
    for (rerank, is_there) in [(json!("local/lexical"), true), (json!(""), false)] {
        put(&site, "tea", &json!({ "datasets": ["default"], "rerank": rerank })).await;
        let request = json!({ "question": "How hot is green tea?", "stream": false });
        let turn = site.client.post("/api/v2/dialogs/tea/turns", &request).await.json();
        let why = &turn["passages"][0]["why"];
        assert_eq!(why["rerank"].is_number(), is_there, "{turn}");
        let spent = turn["spent"].as_array().unwrap();
        assert_eq!(spent.iter().any(|spent| spent["model"] == "local/lexical"), is_there, "{turn}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dialog_cannot_be_is_said_when_it_is_set_up() {
    let site = site().await;
    for (name, settings, status, reason) in [
        ("x", json!({ "datasets": ["none"] }), 404, "there is no dataset `none`"),
        ("x", json!({ "model": "no/such" }), 404, "no/such"),
        ("x", json!({ "rerank": "no/such" }), 404, "no/such"),
        ("x", json!({ "prompt": "{{ nothing }}" }), 400, "`prompt`: undefined value"),
        ("x", json!({ "prompt": "Hello" }), 400, "it shows no evidence"),
        ("x", json!({ "tpo": 3 }), 400, "unknown field `tpo`"),
        ("x", json!({ "filter": "year >" }), 400, "`filter`"),
        ("a%2Fb", json!({}), 400, "no slash"),
        ("%20x", json!({}), 400, "no space around it"),
    ] {
        let refused = put(&site, name, &settings).await;
        assert_eq!(refused.status, status, "{settings}: {}", refused.text);
        assert!(refused.text.contains(reason), "{settings}: {}", refused.text);
    }
    let listed = site.client.get("/api/v2/dialogs").await.json();
    assert_eq!(listed["dialogs"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_makes_a_filter_of_the_fields_that_documents_have() {
    let old = "---\nyear: 2019\n---\n# Tea\n\nGreen tea is made with water at 70 degrees.\n";
    let new = "---\nyear: 2024\n---\n# Tea\n\nGreen tea is made with water at 80 degrees.\n";
    let site = Site::start_with(&[("old.md", old), ("new.md", new)], |_| {}).await;
    let fields = site.client.get("/api/v2/datasets/default/fields").await.json();
    let year = fields["fields"].as_array().unwrap().iter().find(|field| field["name"] == "year");
    assert_eq!(year.unwrap()["values"][0], json!({ "value": "2019", "documents": 1 }), "{fields}");

    let settings = json!({ "datasets": ["default"], "model": "fake/m", "auto_filter": ["year"] });
    assert_eq!(put(&site, "new", &settings).await.status, 201);
    site.upstream.next(Behaviour::text("year >= 2020"));
    site.upstream.next(Behaviour::text("80 [ID:0]."));
    let question = json!({ "question": "How hot is green tea in recent guides?", "stream": false });
    let turn = site.client.post("/api/v2/dialogs/new/turns", &question).await.json();
    assert_eq!(turn["query"]["filter"], "year >= 2020", "{turn}");
    let names: Vec<_> = turn["passages"].as_array().unwrap().iter().collect();
    assert!(names.iter().all(|passage| passage["document_name"] == "docs/new.md"), "{turn}");
    assert!(!names.is_empty());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_is_shown_to_the_providers_that_may_see_it_alone() {
    let site = site().await;
    let dataset = site.client.get("/api/v2/datasets/default").await.json()["id"].clone();
    let question = json!({ "question": "How hot is the water for green tea?", "stream": false });
    for (providers, model, answer) in [
        (json!(["elsewhere"]), "fake/usual", None),
        (json!(["elsewhere"]), "local/extractive", Some("Green tea is made with water")),
        (json!(["elsewhere", "fake"]), "fake/usual", Some("At eighty degrees")),
    ] {
        let settings = json!({ "settings": { "providers": providers } });
        let path = "/api/v2/datasets/default";
        let changed = site.client.send(Method::PATCH, path, &settings).await;
        assert_eq!(changed.json()["settings"]["providers"], providers, "{}", changed.text);
        let before = site.upstream.requests().len();
        let mut question = question.clone();
        question["model"] = json!(model);
        let answered = site.client.post("/api/v2/dialogs/default/turns", &question).await;
        let turn = answered.json();
        match answer {
            Some(text) => assert!(turn["answer"].as_str().unwrap().contains(text), "{turn}"),
            None => {
                assert_eq!(answered.status, 400, "{turn}");
                assert!(answered.text.contains("may not be seen by `fake`"), "{turn}");
                for (path, search) in [
                    ("/api/v2/search", json!({ "query": "green tea", "rerank": "fake/r" })),
                    (
                        "/api/v1/retrieval",
                        json!({ "question": "tea", "dataset_ids": [dataset], "rerank_id": "r@fake" }),
                    ),
                ] {
                    let found = site.client.post(path, &search).await;
                    assert!(found.text.contains("80 degrees"), "{}", found.text);
                    assert!(found.text.contains("fake/r failed"), "{}", found.text);
                }
                assert_eq!(site.upstream.requests().len(), before, "nothing was sent");
            }
        }
    }
    site.stop().await;
}

/// A search engine in the manner of SearXNG that knows one page.
async fn searxng() -> (String, tokio::task::JoinHandle<()>) {
    let page = json!({
        "title": "Tea Weekly", "url": "https://tea.example/news", "score": 3.0,
        "content": "The tea museum opens on Friday at nine.",
    });
    let answer = axum::Json(json!({ "results": [page] }));
    let router = axum::Router::new().route("/search", axum::routing::get(async || answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (address, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialog_searches_the_web_besides_its_datasets() {
    let (address, engine) = searxng().await;
    let gone = "http://127.0.0.1:1".to_owned();
    let configured = [("searx", address), ("gone", gone)].map(|(name, url)| {
        let text = format!("name = \"{name}\"\nengine = \"searxng\"\nurl = \"{url}\"");
        toml::from_str(&text).unwrap()
    });
    let site = Site::start_with(&[("tea.md", TEA)], |config| config.web = configured.into()).await;
    site.upstream.always(Behaviour::text("On Friday [ID:0]."));
    let unknown = put(&site, "news", &json!({ "web": ["bing"] })).await;
    assert_eq!(unknown.status, 400, "{}", unknown.text);
    let settings = json!({
        "datasets": ["default"], "web": ["searx", "gone"], "model": "fake/m",
    });
    assert_eq!(put(&site, "news", &settings).await.status, 201);

    let question = json!({ "question": "When does the tea museum open?", "stream": false });
    let turn = site.client.post("/api/v2/dialogs/news/turns", &question).await.json();
    let passages = turn["passages"].as_array().unwrap();
    assert_eq!(passages[0]["url"], "https://tea.example/news", "{turn}");
    assert!(passages.iter().any(|passage| passage["document_name"] == "docs/tea.md"), "{turn}");
    assert_eq!(turn["warnings"], json!(["`gone` could not be searched"]));

    let request = json!({
        "model": "dialog/news", "messages": [{ "role": "user", "content": "When does the museum open?" }],
    });
    let answer = site.client.post("/v1/chat/completions", &request).await.json();
    let annotation = &answer["choices"][0]["message"]["annotations"][0];
    assert_eq!(annotation["type"], "url_citation", "{answer}");
    assert_eq!(annotation["url_citation"]["url"], "https://tea.example/news");
    engine.abort();
    assert!(engine.await.unwrap_err().is_cancelled());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_brings_its_dialog_along() {
    let site = site().await;
    let dialog = json!({
        "datasets": ["default"], "model": "fake/m", "related": true, "mind_map": true,
        "research": { "rounds": 1 },
    });
    let script = || {
        site.upstream.next(Behaviour::text("Which temperature does green tea need?"));
        site.upstream.next(Behaviour::text("At eighty degrees [ID:0]."));
        site.upstream.next(Behaviour::text("- And black tea?"));
        site.upstream.next(Behaviour::text("- tea\n  - 80 degrees"));
    };
    script();
    let question = json!({ "question": "How hot?", "dialog": dialog, "stream": false });
    let answer = site.client.post("/api/v2/ask", &question).await.json();
    assert_eq!(answer["answer"], "At eighty degrees.", "{answer}");
    assert!(answer["reasoning"].as_str().unwrap().starts_with("Which temperature"), "{answer}");

    script();
    let question = json!({ "question": "How hot?", "dialog": dialog });
    let streamed = site.client.post("/api/v2/ask", &question).await;
    for part in ["event: reasoning\n", "event: retrieved\n", "event: done\n", "id: 1\n"] {
        assert!(streamed.text.contains(part), "{}", streamed.text);
    }
    for (wrong, reason) in [
        (json!({ "question": " " }), "`question` has 1 to"),
        (json!({ "question": "x", "dialog": { "datasets": ["none"] } }), "no dataset `none`"),
        (json!({ "question": "x", "dialog": { "research": { "rounds": 9 } } }), "between 1 and 4"),
        (json!({ "question": "x", "dialg": {} }), "unknown field `dialg`"),
    ] {
        let refused = site.client.post("/api/v2/ask", &wrong).await;
        assert!(
            (400..500).contains(&refused.status) && refused.text.contains(reason),
            "{}",
            refused.text
        );
    }
    assert!(
        site.client.get("/api/v2/sessions").await.json()["sessions"].as_array().unwrap().is_empty()
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_asked_in_sql() {
    let site = Site::start_with(&[("tea.md", TEA)], |_| {}).await;
    let settings = json!({ "settings": { "chunking": { "method": "table" } } });
    let changed = site.client.send(Method::PATCH, "/api/v2/datasets/default", &settings).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let rows: String = (1..=40)
        .map(|n| format!("tea {n},{},{}\n", n * 3, if n % 2 == 0 { "green" } else { "black" }))
        .collect();
    site.ingest("prices.csv", &format!("name,price,kind\n{rows}")).await;

    let question = json!({
        "question": "What do all green teas cost together?", "stream": false,
        "dialog": { "datasets": ["default"], "model": "fake/m" },
    });
    let sql = "SELECT sum(price) AS total FROM prices WHERE kind = 'green'";
    site.upstream.next(Behaviour::text("SELECT sum(cost) FROM prices"));
    site.upstream.next(Behaviour::text(&format!("```sql\n{sql};\n```")));
    site.upstream.next(Behaviour::text("1260 [ID:0]."));
    let turn = site.client.post("/api/v2/ask", &question).await.json();
    let rows = &turn["passages"][0];
    assert_eq!(rows["chunk"]["text"], "| total |\n| --- |\n| 1260 |", "{turn}");
    assert_eq!(
        (&rows["chunk"]["context"], &rows["document_name"]),
        (&json!(sql), &json!("docs/prices.csv"))
    );
    assert_eq!(turn["citations"][0]["passage"], 0);
    let asked = site.upstream.requests();
    let told = asked[1].json()["messages"][0]["content"].as_str().unwrap().to_owned();
    assert!(told.contains("no such column: cost"), "{told}");
    assert!(told.contains("CREATE TABLE \"prices\" (\"name\" TEXT, \"price\" NUMERIC"), "{told}");

    site.upstream.next(Behaviour::text("DROP TABLE prices"));
    site.upstream.next(Behaviour::text("DELETE FROM prices"));
    site.upstream.next(Behaviour::text("I do not know."));
    let turn = site.client.post("/api/v2/ask", &question).await.json();
    assert_eq!(turn["answer"], "I do not know.", "{turn}");
    assert_eq!(
        turn["warnings"],
        json!(["the tables could not be asked: their rows were searched as text"])
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contents_and_entities_lead_on() {
    let site = Site::start_with(&[("tea.md", TEA)], |_| {}).await;
    let settings = json!({ "settings": {
        "chunking": { "max_tokens": 16 },
        "enrichment": { "contents": true, "graph": {}, "model": "fake/m" },
    } });
    let changed = site.client.send(Method::PATCH, "/api/v2/datasets/default", &settings).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let entities = json!({
        "entities": [
            { "name": "Ada Byron", "type": "person", "description": "She wrote programs." },
            { "name": "Babbage", "type": "person", "description": "He drew engines." },
        ],
        "relations": [{ "from": "Ada Byron", "to": "Babbage", "description": "worked with" }],
    });
    site.upstream.always(Behaviour::text(&entities.to_string()));
    let text = "# Engines\n\n## Programs\n\nAda Byron wrote programs for engines that nobody had built.\n\n\
                ## Drawings\n\nBabbage drew them on large sheets of paper for years.\n\n\
                ## Museum\n\nA copy stands in London where visitors turn its handle.\n";
    site.ingest("engines.md", text).await;

    site.upstream.always(Behaviour::text("4"));
    let question = json!({
        "question": "Who wrote programs?", "stream": false,
        "dialog": {
            "datasets": ["default"], "model": "fake/m", "top": 2, "contents": true, "graph": true,
            "threshold": 0.2,
        },
    });
    let turn = site.client.post("/api/v2/ask", &question).await.json();
    let texts: Vec<&str> = turn["passages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|passage| passage["chunk"]["text"].as_str().unwrap())
        .collect();
    assert!(texts[0].contains("programs"), "{turn}");
    assert!(texts.iter().any(|text| text.contains("A copy stands in London")), "{turn}");
    assert!(texts.iter().any(|text| text.starts_with("Babbage (person)")), "{turn}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_given_again_until_what_it_cites_changes() {
    let coffee = "# Coffee\n\nCoffee is made with water at 95 degrees.\n";
    let site = Site::start_with(&[("tea.md", TEA), ("coffee.md", coffee)], |_| {}).await;
    site.upstream.always(Behaviour::text("Eighty degrees [ID:0]."));
    let settings =
        json!({ "datasets": ["default"], "model": "fake/m", "keep_answers_seconds": 600 });
    assert_eq!(put(&site, "faq", &settings).await.status, 201);
    let ask = async |question: &str| {
        let question = json!({ "question": question, "stream": false });
        let turn = site.client.post("/api/v2/dialogs/faq/turns", &question).await.json();
        assert_eq!(turn["answer"], "Eighty degrees.", "{turn}");
        assert!(turn["citations"][0]["quote"].as_str().unwrap().contains("80 degrees"), "{turn}");
        turn["done"]["kept"] == true
    };
    assert!(!ask("How hot is the water for green tea?").await);
    assert!(ask("How hot is the water for green tea?").await);
    assert!(ask("how hot is the water for green tea").await, "it means the same");
    assert!(!ask("How hot is the water for 2 green teas?").await, "other numbers");
    site.ingest("coffee.md", "# Coffee\n\nCoffee is made with water at 96 degrees.\n").await;
    assert!(ask("How hot is the water for green tea?").await, "another document changed");
    site.ingest("tea.md", "# Tea\n\nAll green tea is made with water at 80 degrees.\n").await;
    assert!(!ask("How hot is the water for green tea?").await);
    assert!(ask("How hot is the water for green tea?").await);
    assert_eq!(site.upstream.requests().len(), 3);
    site.stop().await;
}
