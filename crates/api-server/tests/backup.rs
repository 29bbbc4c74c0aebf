//! `backup` beside a server that ingests, and `restore` elsewhere.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rag_core::{DocumentSource, MetadataStore, TenantId};
use rag_store::{EmbeddedStore, StoreOptions};
use serde_json::Value;
use support::{Serving, run};
use tar::{Builder, EntryType, Header};

const QUESTION: &str = "How hot must the water for green tea be?";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it and sees that it ends well; what it printed.
fn well(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Sees that it fails in one line that says this.
fn refused(output: &Output, expected: &str) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(expected) && !error.contains("panicked"), "{expected:?} in {error}");
}

fn backed_up() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("docs")).unwrap();
    fs::write(folder.path().join("docs/tea.md"), "# Tea\n\nGreen tea has 80 degrees.\n").unwrap();
    well(folder.path(), &["ingest", "docs"]);
    well(folder.path(), &["backup", "saved.tar"]);
    folder
}

/// The answer to the question, without what differs from time to time.
fn well_asked(server: &Serving) -> Value {
    let question = format!(
        "{{\"model\":\"dialog/default\",\"messages\":[{{\"role\":\"user\",\"content\":\"{QUESTION}\"}}]}}"
    );
    let answer = server.post("/v1/chat/completions", &question);
    let message = body(&answer)["choices"][0]["message"].clone();
    assert!(message["content"].as_str().unwrap().contains("80 degrees"), "{message}");
    message
}

/// The databases of a directory. Whoever adds one adds it to backups.
fn databases(directory: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| is_database(name)).collect()
}

fn in_archive(file: &Path) -> BTreeSet<String> {
    let mut archive = tar::Archive::new(fs::File::open(file).unwrap());
    let entries = archive.entries().unwrap().map(|entry| entry.unwrap());
    let names = entries.map(|entry| entry.path().unwrap().display().to_string());
    names.filter(|name| is_database(name)).collect()
}

fn is_database(name: &str) -> bool {
    name.ends_with(".sqlite") || name.ends_with(".db")
}

/// A response that the server keeps.
fn kept(server: &Serving) -> Value {
    let question = format!("{{\"model\":\"dialog/default\",\"input\":\"{QUESTION}\"}}");
    let response = body(&server.post("/v1/responses", &question));
    assert_eq!(response["status"], "completed", "{response}");
    response
}

fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}

/// Sends documents, one after the other, until it is told that it is enough. How many they were.
fn send(server: &Serving, enough: &AtomicBool) -> usize {
    let text = "Coffee beans are roasted dark. ".repeat(200);
    for number in 0.. {
        let path = format!("/api/v2/datasets/default/documents?name=note{number}.md");
        let sent = server.post(&path, &format!("# Note {number}\n\n{text}"));
        assert!(sent.starts_with("HTTP/1.0 202"), "{sent}");
        if enough.load(Ordering::Relaxed) {
            return number + 1;
        }
    }
    unreachable!()
}

#[test]
fn what_a_server_holds_while_it_ingests_is_there_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let made = well(at, &["keys", "create", "laptop", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let server = Serving::start(at, &[]);
    let tea = "# Tea\n\nGreen tea is made with water at 80 degrees.\n";
    let sent = server.post("/api/v2/datasets/default/documents?name=a/tea.md", tea);
    assert!(sent.starts_with("HTTP/1.0 202"), "{sent}");
    server.until("/api/v2/ingest", "\"done\":1");
    let answer = well_asked(&server);
    let kept = kept(&server);
    // Records of usage are written a moment after the calls.
    server.until("/api/v2/usage?group_by=operation", "embed");
    let enough = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let sending = scope.spawn(|| send(&server, &enough));
        server.until("/api/v2/datasets/default/documents", "note1.md");
        well(at, &["backup", "saved.tar"]);
        assert!(!sending.is_finished());
        enough.store(true, Ordering::Relaxed);
        sending.join().unwrap()
    });
    refused(&run(at, &["restore", "saved.tar", "--replace"]), "in use");
    assert_eq!(databases(&at.join("colloquy-data")), in_archive(&at.join("saved.tar")));
    server.signal("-TERM");
    drop(server);

    let other = tempfile::tempdir().unwrap();
    let saved = at.join("saved.tar");
    well(other.path(), &["restore", saved.to_str().unwrap()]);
    let keys = well(other.path(), &["keys", "list"]);
    assert!(keys.contains(made["id"].as_str().unwrap()), "{keys}");
    assert!(well(other.path(), &["usage", "--json", "--by", "operation"]).contains("embed"));

    // Documents that were waiting are ingested now, from the files that came along.
    fs::remove_dir_all(at.join("colloquy-data")).unwrap();
    let server = Serving::start(other.path(), &[]);
    for state in ["queued", "running", "failed"] {
        let list = format!("/api/v2/datasets/default/documents?state={state}");
        server.until(&list, "\"documents\":[]");
    }
    let documents = server.get("/api/v2/datasets/default/documents?limit=1000");
    let notes = documents.matches("\"name\":\"note").count();
    assert!((2..=sent).contains(&notes), "{notes} of {sent}");
    assert_eq!(well_asked(&server), answer);
    let again = server.get(&format!("/v1/responses/{}", kept["id"].as_str().unwrap()));
    assert_eq!(body(&again)["output"], kept["output"]);
    assert!(!text(&fs::read(&saved).unwrap()).contains("master.key"));
    server.signal("-TERM");
    drop(server);
    let data = other.path().join("colloquy-data").canonicalize().unwrap();
    let store = EmbeddedStore::open(&data, StoreOptions::default()).unwrap();
    let dataset = store.dataset(&TenantId::local(), "default").unwrap().unwrap();
    let document = store.document_by_name(&dataset.id, "a/tea.md").unwrap().unwrap();
    let Some(DocumentSource::File { path }) = document.source else { panic!("{document:?}") };
    assert!(path.starts_with(data.join("uploads")), "{}", path.display());
    assert_eq!(fs::read_to_string(path).unwrap(), tea);
}

#[test]
fn what_is_there_is_replaced_only_when_that_is_said() {
    let folder = backed_up();
    let at = folder.path();
    refused(&run(at, &["restore", "saved.tar"]), "`--replace` replaces all of it");
    fs::write(at.join("docs/more.md"), "# More\n\nBlack tea has 95 degrees.\n").unwrap();
    well(at, &["ingest", "docs"]);
    let key = fs::read(at.join("colloquy-data/master.key")).unwrap();
    well(at, &["restore", "saved.tar", "--replace"]);
    assert_eq!(fs::read(at.join("colloquy-data/master.key")).unwrap(), key, "it is in no backup");
    let found = well(at, &["search", "tea"]);
    assert!(found.contains("docs/tea.md") && !found.contains("docs/more.md"), "{found}");
    refused(&run(at, &["backup", "saved.tar", "--data-dir", "nowhere"]), "holds no data");
    refused(&run(at, &["backup", "colloquy-data/saved.tar"]), "name a file outside");
    let left: Vec<_> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing else is left: {left:?}");
}

#[test]
fn a_damaged_backup_is_refused_and_changes_nothing() {
    let folder = backed_up();
    let at = folder.path();
    let whole = fs::read(at.join("saved.tar")).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (name, content, expected) in [
        ("flipped", &flipped[..], "damaged"),
        ("cut", &whole[..whole.len() / 2], "damaged"),
        ("text", b"not a backup at all", "this is no backup"),
        ("empty", b"", "this is no backup"),
    ] {
        fs::write(at.join(name), content).unwrap();
        refused(&run(at, &["restore", name, "--data-dir", "other"]), expected);
        assert!(!at.join("other").exists(), "{name}");
        refused(&run(at, &["restore", name, "--replace"]), expected);
    }
    assert!(well(at, &["search", "tea"]).contains("docs/tea.md"));
}

#[test]
fn archives_of_others_write_nothing_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let head = |version: u32| {
        format!(
            "{{\"version\":{version},\"program\":\"9.9.9\",\"made_at\":\"2026-01-01T00:00:00Z\",\"data_dir\":\"/x\"}}"
        )
    };
    let archive = |head: &str, name: &str, kind: EntryType| {
        let mut tar = Builder::new(Vec::new());
        for (name, kind, content) in
            [("colloquy-backup.json", EntryType::Regular, head), (name, kind, "")]
        {
            let mut header = Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            if kind == EntryType::Symlink {
                header.set_link_name("/etc").unwrap();
            }
            header.set_cksum();
            tar.append(&header, content.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    };
    let file = EntryType::Regular;
    for (content, expected) in [
        (archive(&head(2), "store.sqlite", file), "newer version of this program (9.9.9)"),
        (archive(&head(1), "../escaped", file), "does not belong into it"),
        (archive(&head(1), "/tmp/escaped", file), "does not belong into it"),
        (archive(&head(1), "uploads/../../escaped", file), "does not belong into it"),
        (archive(&head(1), "uploads/link", EntryType::Symlink), "is no file"),
        (archive(&head(1), "uploads/device", EntryType::Char), "is no file"),
        (archive(&head(1), "uploads/a", file), "it was cut off"),
    ] {
        fs::write(at.join("saved.tar"), content).unwrap();
        refused(&run(at, &["restore", "saved.tar"]), expected);
    }
    assert_eq!(fs::read_dir(at).unwrap().count(), 1);
}

#[test]
fn backups_of_documents_alone_are_still_restored() {
    let folder = backed_up();
    let at = folder.path();
    EmbeddedStore::backup_of(at.join("colloquy-data"), at.join("old.db"), |_| {
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    well(at, &["restore", "old.db", "--data-dir", "other"]);
    assert!(well(at, &["search", "tea", "--data-dir", "other"]).contains("docs/tea.md"));
}
