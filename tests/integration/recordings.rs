//! `--record` and `--replay`: a conversation again, without its provider.

use std::path::{Path, PathBuf};

use api_server::Server;
use api_server::config::Config;
use serde_json::{Value, json};
use testkit::Behaviour;

use crate::client::Client;
use crate::site::Site;

const TEA: &str = "# Tea\n\nGreen tea is made with water at 80 degrees.\n";
const SECRET: &str = "a-token-that-nobody-may-see";

fn question(text: &str, stream: bool) -> Value {
    json!({
        "model": "dialog/default", "stream": stream,
        "messages": [{ "role": "user", "content": text }],
    })
}

/// What a caller gets, without what is new with every call.
async fn answer(client: &Client, question: &Value) -> Value {
    let answer = client.post("/v1/chat/completions", question).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    if question["stream"] == false {
        return answer.json()["choices"][0]["message"].clone();
    }
    let events = answer.events();
    let deltas = events.iter().filter_map(|event| serde_json::from_str::<Value>(event).ok());
    deltas.map(|chunk| chunk["choices"].clone()).collect()
}

/// A server over the data of an earlier one, with nothing but recordings to answer.
async fn replaying(folder: &Path, recordings: PathBuf) -> Server {
    let mut config = Config::default();
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config.server.data_dir = folder.join("data");
    config.recordings.replay = Some(recordings);
    Server::start(config, &Default::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_conversation_is_answered_without_its_provider() {
    let recordings = tempfile::tempdir().unwrap();
    let site = Site::start_with(&[("tea.md", TEA)], |config| {
        config.defaults.chat = Some("fake/any".into());
        config.recordings.record = Some(recordings.path().to_owned());
        config.provider[0].headers.insert("x-gateway-token".into(), SECRET.into());
    })
    .await;
    site.upstream.always(Behaviour::text(&format!("Eighty degrees [ID:0]. {SECRET}")));
    let calls = [question("How hot is the water?", false), question("How hot is it?", true)];
    let mut then = Vec::new();
    for call in &calls {
        then.push(answer(&site.client, call).await);
    }
    assert!(then[0]["annotations"][0]["file_citation"]["quote"].is_string(), "{}", then[0]);
    assert_eq!(site.upstream.requests()[0].headers["x-gateway-token"], SECRET);

    // The fake provider ends with the site, and the configuration that named it is not used again.
    let folder = site.stop().await;
    assert_eq!(files_without_secrets(&recordings.path().join("fake")), 2);
    let server = replaying(folder.path(), recordings.path().to_owned()).await;
    let client = Client::new(server.address());
    let hidden = SECRET.replace(|character: char| character.is_ascii_alphabetic(), "X");
    for (call, then) in calls.iter().zip(then) {
        let now = answer(&client, call).await.to_string();
        // What was blanked stays so; everything else, citations included, is what it was.
        assert_eq!(now, without_secret(&then, &hidden));
    }

    let other = client.post("/v1/chat/completions", &question("And coffee?", false)).await;
    assert_eq!(other.status, 404, "{}", other.text);
    let message = other.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("no recording of this POST /v1/chat/completions"), "{message}");
    server.stop().await;
}

/// The same answer as it is in a recording. A stream has the secret in one delta, so a replacement finds it.
fn without_secret(answer: &Value, hidden: &str) -> String {
    let text = answer.to_string();
    assert!(text.contains(SECRET), "{text}");
    text.replace(SECRET, hidden)
}

fn files_without_secrets(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let checked = files.map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(SECRET), "{}", path.display());
    });
    checked.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_without_recordings_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    for (recordings, expected) in [("", "there are no recordings"), ("nowhere", "cannot read")] {
        let mut config = Config::default();
        config.server.data_dir = folder.path().join("data");
        let empty = folder.path().join("empty").join(recordings);
        std::fs::create_dir_all(folder.path().join("empty")).unwrap();
        config.recordings.replay = Some(empty);
        let error = Server::start(config, &Default::default()).await.err().unwrap();
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }
}
