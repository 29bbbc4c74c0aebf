//! Several servers over one PostgreSQL: what one takes in, others answer from.

mod support;

use std::fs;
use std::path::Path;

use support::{Serving, run};
use testkit::PostgresServer;

/// A folder whose configuration names the database.
fn folder(url: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let storage = format!("[storage]\nmetadata = \"{url}\"\nindex = \"{url}\"\n");
    fs::write(folder.path().join("colloquy.toml"), storage).unwrap();
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder.join("docs")).unwrap();
    fs::write(folder.join("docs").join(name), text).unwrap();
}

#[test]
fn a_worker_ingests_and_others_answer() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.database();
    let (one, other) = (folder(&url), folder(&url));
    write(one.path(), "tea.md", "# Tea\n\nGreen tea is brewed at 80 degrees.");
    let worker = Serving::start(one.path(), &["--role", "worker", "--ingest", "docs"]);
    assert!(worker.get("/healthz").contains(" 200 "));
    assert!(worker.get("/metrics").contains(" 200 "));
    assert!(worker.get("/api/v2/datasets").contains(" 404 "), "it answers no questions");

    let api = Serving::start(other.path(), &["--role", "api"]);
    let found = api.post("/api/v2/search", r#"{"query": "how is green tea brewed?"}"#);
    assert!(found.contains(" 200 ") && found.contains("80 degrees"), "{found}");
    drop((worker, api));

    let output = run(other.path(), &["search", "--json", "green tea"]);
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(found.contains("80 degrees"), "{found}");
}

#[test]
fn what_is_in_a_database_is_not_backed_up_as_a_file() {
    let at = folder("postgres://nobody@127.0.0.1:1/none");
    for args in [&["backup", "copy.tar"][..], &["restore", "copy.tar"]] {
        let output = run(at.path(), args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && error.contains("the data are in PostgreSQL"),
            "{error}"
        );
    }
    let half = tempfile::tempdir().unwrap();
    let storage = "[storage]\nmetadata = \"postgres://nobody@127.0.0.1:1/none\"\n";
    fs::write(half.path().join("colloquy.toml"), storage).unwrap();
    let output = run(half.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("give both the same address"), "{error}");
}
