//! `dialog/default`: answers from the documents, with citations.

use serde_json::{Value, json};
use testkit::Behaviour;

use crate::site::Site;

const TEA: &str = "# Tea\n\nGreen tea is made with water at 80 degrees.\n\n# Coffee\n\nCoffee beans are roasted.\n";

fn question(stream: bool) -> Value {
    json!({
        "model": "dialog/default", "stream": stream,
        "messages": [{ "role": "user", "content": "How hot must the water for green tea be?" }],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_answer_cites_the_sentence_it_quotes() {
    let site = Site::start(&[("tea.md", TEA)]).await;
    let answer = site.client.post("/v1/chat/completions", &question(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let message = &answer.json()["choices"][0]["message"];
    assert_eq!(message["content"], "Green tea is made with water at 80 degrees.");
    let citation = &message["annotations"][0]["file_citation"];
    assert_eq!(citation["filename"], "docs/tea.md");
    assert_eq!(citation["heading"], "Tea");
    assert_eq!(citation["quote"], "Green tea is made with water at 80 degrees.");
    assert_eq!(citation["support"], 1.0);
    let place = |name: &str| citation[name].as_u64().unwrap() as usize;
    assert_eq!(&TEA[place("source_start")..place("source_end")], citation["quote"]);
    assert_eq!((place("start_index"), place("end_index")), (0, 43));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_answer_says_and_cites_the_same() {
    let site = Site::start(&[("tea.md", TEA)]).await;
    let whole = site.client.post("/v1/chat/completions", &question(false)).await.json();
    let streamed = site.client.post("/v1/chat/completions", &question(true)).await;
    assert!(streamed.header("content-type").starts_with("text/event-stream"));
    let events = streamed.events();
    assert_eq!(events.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> = events[..events.len() - 1]
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    let text: String = deltas.iter().filter_map(|delta| delta["content"].as_str()).collect();
    let annotations: Vec<&Value> =
        deltas.iter().filter_map(|delta| delta["annotations"].as_array()).flatten().collect();
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["content"], text);
    assert_eq!(message["annotations"], json!(annotations));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_answers_from_the_same_evidence() {
    let site = Site::start_with(&[("tea.md", TEA)], |config| {
        config.defaults.chat = Some("fake/any".into());
    })
    .await;
    site.upstream.always(Behaviour::text("Eighty degrees [ID:0]."));
    let answer = site.client.post("/v1/chat/completions", &question(false)).await.json();
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["content"], "Eighty degrees.");
    assert_eq!(message["annotations"][0]["file_citation"]["filename"], "docs/tea.md");
    let asked = site.upstream.requests()[0].json();
    assert_eq!(asked["model"], "any");
    let prompt = asked["messages"][0]["content"].to_string();
    assert!(prompt.contains("water at 80 degrees"), "{prompt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_in_another_language_is_found_by_the_translated_question() {
    let german = "# Tee\n\nEin Aufguss wird mit achtzig Grad bereitet.\n";
    let ask = async |languages: Vec<String>| {
        let site = Site::start_with(&[("tee.md", german)], |config| {
            config.defaults.chat = Some("fake/any".into());
            config.dialog.languages = languages;
        })
        .await;
        site.upstream.next(Behaviour::text("Mit wie viel Grad wird ein Aufguss bereitet?"));
        site.upstream.always(Behaviour::text("At eighty degrees [ID:0]."));
        let answer = site.client.post("/v1/chat/completions", &question(false)).await.json();
        answer["choices"][0]["message"].clone()
    };
    let message = ask(vec!["German".into()]).await;
    assert_eq!(message["content"], "At eighty degrees.");
    assert_eq!(message["annotations"][0]["file_citation"]["filename"], "docs/tee.md");
    let nothing = ask(Vec::new()).await;
    assert_eq!(nothing["annotations"], Value::Null, "{nothing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_provider_is_a_status_before_and_an_event_after_the_first_token() {
    let site = Site::start_with(&[("tea.md", TEA)], |config| {
        config.defaults.chat = Some("fake/any".into());
    })
    .await;
    site.upstream.always(Behaviour::status(401));
    for stream in [false, true] {
        let answer = site.client.post("/v1/chat/completions", &question(stream)).await;
        assert_eq!(
            (answer.status, answer.json()["error"]["type"].as_str()),
            (401, Some("authentication_error"))
        );
    }
    site.upstream.always(Behaviour::tokens(20).cut_after(5));
    let answer = site.client.post("/v1/chat/completions", &question(true)).await;
    assert_eq!(answer.status, 200);
    let last = answer.events().pop().unwrap();
    let error: Value = serde_json::from_str(&last).unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains("fake/any"), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_survives_a_restart_and_nothing_is_ingested_twice() {
    let site = Site::start(&[("tea.md", TEA)]).await;
    let folder = site.stop().await;
    let file = folder.path().join("colloquy.toml");
    let config = api_server::config::load(Some(&file), &Default::default()).unwrap();
    let server = api_server::Server::start(config, &Default::default()).await.unwrap();
    let client = crate::client::Client::new(server.address());
    let answer = client.post("/v1/chat/completions", &question(false)).await.json();
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "Green tea is made with water at 80 degrees."
    );
    let ingested = server.ingest(&[folder.path().join("docs")]).await.unwrap();
    assert_eq!((ingested.added, ingested.unchanged), (0, 1));
    server.stop().await;
}

/// Retrieval is a job of the callers' threads; embedding the question and quoting the answer are jobs of the models'.
/// A part that ran on a worker of the runtime instead would be missing from these counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn synchronous_parts_run_on_their_own_threads() {
    let site = Site::start(&[("tea.md", TEA)]).await;
    let app = site.server.app();
    let jobs = || (app.callers.status().finished, app.models.status().finished);
    let (callers, models) = jobs();
    let answer = site.client.post("/v1/chat/completions", &question(false)).await;
    assert_eq!(answer.status, 200);
    // One job finds the dataset, one retrieves; one embeds the question, one answers.
    assert_eq!(jobs(), (callers + 2, models + 2));
    let names: Vec<String> = thread_names();
    for pool in ["callers-", "models-"] {
        assert!(names.iter().any(|name| name.starts_with(pool)), "{names:?}");
    }
}

fn thread_names() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}
