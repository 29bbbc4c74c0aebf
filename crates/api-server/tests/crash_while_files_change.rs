//! `kill -9` at random moments of an ingestion, while files are written, rewritten and removed in between: what was told
//! to be done is found, each document is found as one of its versions, and in the end all is as in the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use testkit::Numbers;

/// How often to kill, for longer runs.
const ROUNDS: &str = "SERVER_CRASH_ROUNDS";
const USUAL_ROUNDS: u64 = 6;
const DOCUMENTS: u64 = 60;

#[test]
fn what_is_found_is_what_was_acknowledged() {
    let rounds = env::var(ROUNDS).map_or(USUAL_ROUNDS, |rounds| rounds.parse().unwrap());
    let mut library = Library::new();
    let mut numbers = Numbers::new(7);
    let mut killed_at_work = 0;
    for round in 1..=rounds {
        library.change_files(round, &mut numbers);
        let patience = numbers.below(250) as usize;
        killed_at_work += u64::from(library.ingest(patience) == Left::Work);
        library.check();
    }
    assert!(killed_at_work * 3 > rounds, "killed at work {killed_at_work} times of {rounds}");
    library.ingest(usize::MAX);
    library.check();
    assert_eq!(library.before, library.files, "all is as in the folder");
}

/// A folder of documents, and what has been found of them.
struct Library {
    folder: tempfile::TempDir,
    /// The versions of the files that are there.
    files: BTreeMap<String, u64>,
    /// The versions that were found when it was looked last.
    before: BTreeMap<String, u64>,
    /// Versions that a run has told to be done since then; `None`: that the document is removed.
    told: BTreeMap<String, Option<u64>>,
}

/// What a run that was killed left.
#[derive(PartialEq)]
enum Left {
    Work,
    Nothing,
}

impl Library {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        let (files, before, told) = Default::default();
        Self { folder, files, before, told }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes, rewrites and removes some files.
    fn change_files(&mut self, version: u64, numbers: &mut Numbers) {
        for _ in 0..16 {
            let name = format!("docs/{:03}.md", numbers.below(DOCUMENTS));
            if numbers.below(4) == 0 && self.files.remove(&name).is_some() {
                fs::remove_file(self.path(&name)).unwrap();
            } else {
                fs::write(self.path(&name), text(&name, version)).unwrap();
                self.files.insert(name, version);
            }
        }
    }

    /// Ingests the folder, and kills that when it has said so many things, or has nothing left to do.
    fn ingest(&mut self, most_lines: usize) -> Left {
        let mut child = self.program(&["ingest", "docs", "--watch", "--json"]);
        let mut gone: BTreeSet<String> =
            self.before.keys().filter(|name| !self.files.contains_key(*name)).cloned().collect();
        let mut ended = false;
        for line in BufReader::new(child.stdout.take().unwrap()).lines().take(most_lines) {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let name = event["name"].as_str().unwrap_or_default();
            match event["event"].as_str().unwrap() {
                "done" => {
                    self.told.insert(name.to_owned(), self.files.get(name).copied());
                    gone.remove(name);
                }
                "removed" => {
                    self.told.insert(name.to_owned(), None);
                    gone.remove(name);
                }
                // Accepted before the last kill, and removed since.
                "failed" => assert!(!self.files.contains_key(name), "{event}"),
                "summary" => ended = true,
                _ => {}
            }
            if ended && gone.is_empty() {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if ended && gone.is_empty() { Left::Nothing } else { Left::Work }
    }

    fn program(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_api-server"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("COLLOQUY_DIALOG__THRESHOLD", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// What is found now is what was told, or else what was found before or is in the folder; never a part.
    fn check(&mut self) {
        let found = self.found();
        let names: BTreeSet<&String> =
            [&found, &self.before, &self.files].into_iter().flat_map(BTreeMap::keys).collect();
        for name in names {
            let now = found.get(name).copied();
            match self.told.get(name) {
                Some(told) => assert_eq!(now, *told, "{name}, as was told"),
                None => {
                    let may_be = [self.before.get(name).copied(), self.files.get(name).copied()];
                    assert!(may_be.contains(&now), "{name} is {now:?}, not of {may_be:?}");
                }
            }
        }
        self.before = found;
        self.told.clear();
    }

    /// The version of each document that can be found, all of whose parts are there.
    fn found(&self) -> BTreeMap<String, u64> {
        let output = self.program(&["search", "--json", "--top", "1000", "keyword"]);
        let output = output.wait_with_output().unwrap();
        assert!(output.status.success());
        let hits: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut parts: BTreeMap<String, BTreeMap<u64, String>> = BTreeMap::new();
        for hit in hits["passages"].as_array().unwrap() {
            let of_document = parts.entry(hit["document_name"].as_str().unwrap().to_owned());
            let (ordinal, text) = (&hit["chunk"]["ordinal"], &hit["chunk"]["text"]);
            let text = text.as_str().unwrap().to_owned();
            let twice = of_document.or_default().insert(ordinal.as_u64().unwrap(), text);
            assert_eq!(twice, None, "a part is there once");
        }
        let versions = parts.into_iter().map(|(name, parts)| {
            let version = version_of(&name, parts);
            (name, version)
        });
        versions.collect()
    }
}

fn parts(version: u64) -> u64 {
    2 + version % 3
}

fn text(name: &str, version: u64) -> String {
    let filling = "More of it. ".repeat(90);
    let part = |part| {
        format!("# Part {part}\n\nkeyword version {version} part {part} of {name}. {filling}\n\n")
    };
    (0..parts(version)).map(part).collect()
}

/// The one version whose parts these are.
fn version_of(name: &str, found: BTreeMap<u64, String>) -> u64 {
    let first = found.first_key_value().map(|(_, text)| text.clone()).unwrap_or_default();
    let version = first.split_once("version ").and_then(|(_, rest)| rest.split(' ').next());
    let version: u64 = version.and_then(|number| number.parse().ok()).expect("a version");
    let all: String = found.values().map(String::as_str).collect();
    assert_eq!(all.matches("keyword version").count() as u64, parts(version), "{name}: {all}");
    for part in 0..parts(version) {
        let expected = format!("keyword version {version} part {part} of {name}.");
        assert!(all.contains(&expected), "{name} is of one version: {all}");
    }
    version
}
