//! `kill -9` while documents are ingested: what was acknowledged is there or finishes, nothing is half there or twice.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const DOCUMENTS: usize = 120;

fn server(folder: &Path, ingest: bool) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-server"));
    command.args(["serve", "--listen", "127.0.0.1:0"]).current_dir(folder).env_clear();
    if ingest {
        command.args(["--ingest", "docs"]);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until the server is ready, stops it in order, and sees that it ended well.
fn finish(mut server: Child) {
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line:?}");
    let killed = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(server.wait().unwrap().success());
}

/// Documents by name, with the numbers of their chunks that can be found.
fn found(folder: &Path) -> BTreeMap<String, Vec<u64>> {
    let output = Command::new(env!("CARGO_BIN_EXE_api-server"))
        .args(["search", "--json", "--top", "1000", "keyword"])
        .current_dir(folder)
        .env_clear()
        .env("COLLOQUY_DIALOG__THRESHOLD", "0")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let hits: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for hit in hits["passages"].as_array().unwrap() {
        let name = hit["document_name"].as_str().unwrap().to_owned();
        found.entry(name).or_default().push(hit["chunk"]["ordinal"].as_u64().unwrap());
    }
    found.values_mut().for_each(|ordinals| ordinals.sort_unstable());
    found
}

#[test]
fn nothing_is_lost_half_there_or_twice() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("docs")).unwrap();
    for number in 0..DOCUMENTS {
        let section = |part: usize| {
            format!(
                "# Part {part}\n\nThe keyword of document {number} is here. {}\n\n",
                "More of it. ".repeat(40)
            )
        };
        let text: String = (0..3).map(section).collect();
        fs::write(folder.path().join(format!("docs/{number:03}.md")), text).unwrap();
    }
    for delay in [20, 60, 120, 200, 320] {
        let mut server = server(folder.path(), true);
        std::thread::sleep(Duration::from_millis(delay));
        server.kill().unwrap();
        server.wait().unwrap();
    }
    // Jobs that were accepted before the last kill are finished without being submitted again.
    finish(server(folder.path(), false));
    let partly = found(folder.path());
    // And the rest comes with the next ingestion.
    finish(server(folder.path(), true));
    let whole = found(folder.path());
    assert_eq!(whole.len(), DOCUMENTS);
    for (name, chunks) in &whole {
        let expected: Vec<u64> = (0..chunks.len() as u64).collect();
        assert!(chunks.len() >= 3, "{name}: {chunks:?}");
        assert_eq!(chunks, &expected, "{name} has each chunk once");
    }
    for (name, chunks) in &partly {
        assert_eq!(chunks, &whole[name], "{name} was whole before, too");
    }
}
