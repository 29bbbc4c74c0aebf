//! The binary as a person at a terminal sees it.

use std::fs;
use std::os::unix::fs::symlink;

use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder of documents and a data directory that nobody else uses.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        for (name, content) in files {
            fs::write(folder.path().join("docs").join(name), content).unwrap();
        }
        Self { folder }
    }

    fn docs(&self) -> std::path::PathBuf {
        self.folder.path().join("docs")
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_api-server"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path());
        command
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs and checks the code, that nothing panicked, and that some line of standard error says `expected`.
fn check(desk: &Desk, args: &[&str], code: i32, expected: &str) -> String {
    let output = desk.run(args);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    assert!(!error.contains("panicked"), "{error}");
    let said = error.lines().filter(|line| line.contains(expected)).count();
    assert_eq!(said, 1, "{args:?} says {expected:?} in one line: {error}");
    text(&output.stdout)
}

const TEA: &str = "# Tea\n\nGreen tea is made with water at 80 degrees.\n\n## Storage\n\nKeep the leaves dry and dark.\n";

#[test]
fn a_question_is_answered_with_numbered_sources() {
    let desk =
        Desk::new(&[("tea.md", TEA.as_bytes()), ("other.txt", b"Coffee beans are roasted.")]);
    let output = desk.run(&["ask", "--docs", "docs", "How hot must the water for green tea be?"]);
    let answer = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(answer.contains("Green tea is made with water at 80 degrees. [1]"), "{answer}");
    assert!(answer.contains("Sources\n[1] docs/tea.md, Tea (bytes "), "{answer}");
    assert!(answer.contains("“Green tea is made with water at 80 degrees.”"), "{answer}");

    let output = desk.run(&["ask", "--json", "Where are the leaves kept?"]);
    let events: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], *kinds.last().unwrap()), ("started", "done"));
    let citation = events.iter().find(|event| event["type"] == "citation").unwrap();
    assert_eq!(citation["quote"], "Keep the leaves dry and dark.");
    let span = &citation["source"];
    let (start, end) = (span["start"].as_u64().unwrap(), span["end"].as_u64().unwrap());
    assert_eq!(&TEA[start as usize..end as usize], "Keep the leaves dry and dark.");
}

#[test]
fn what_was_consumed_is_shown() {
    let desk = Desk::new(&[("tea.md", TEA.as_bytes())]);
    let nothing = text(&desk.run(&["usage"]).stdout);
    assert_eq!(nothing.lines().count(), 2, "a heading and a total: {nothing}");
    let output = desk.run(&["ask", "--docs", "docs", "How hot must the water for green tea be?"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json = text(&desk.run(&["usage", "--json", "--by", "operation,model"]).stdout);
    let groups: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let operations: Vec<_> = groups.iter().map(|group| &group["by"]["operation"]).collect();
    assert_eq!(operations, ["chat", "embed"], "{json}");
    let table = text(&desk.run(&["usage", "--since", "1h"]).stdout);
    assert!(table.contains("local/static") && table.contains("local/extractive"), "{table}");
    check(&desk, &["usage", "--by", "colour"], 2, "records cannot be summed by `colour`");
    check(&desk, &["usage", "--since", "7"], 2, "write a number and s, m, h, d or w");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_are_checked() {
    let desk = Desk::new(&[]);
    assert_eq!(
        text(&desk.run(&["check"]).stdout).lines().last(),
        Some("no provider is set up; questions are answered by local/extractive, which quotes")
    );
    let upstream = testkit::FakeUpstream::start().await.unwrap();
    upstream.for_model("good", testkit::Behaviour::text("ready"));
    upstream.for_model("bad", testkit::Behaviour::status(401));
    let provider = |name: &str| {
        let url = upstream.base_url();
        format!(
            "[[provider]]\nname = \"{name}\"\nbase_url = \"{url}\"\ndefault_model = \"{name}\"\n"
        )
    };
    fs::write(desk.folder.path().join("colloquy.toml"), provider("good") + &provider("bad"))
        .unwrap();
    let output = tokio::task::spawn_blocking(move || desk.run(&["check"])).await.unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", text(&output.stderr));
    assert!(said.contains("good/good answered in "), "{said}");
    assert!(said.contains("bad did not answer: chat request to bad/bad failed"), "{said}");
}

/// A PDF of one line per page.
fn pdf(pages: &[&str]) -> Vec<u8> {
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    for (number, line) in pages.iter().enumerate() {
        let content = format!("BT /F1 12 Tf 72 700 Td ({line}) Tj ET");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>",
            5 + 2 * number
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut offsets = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file += &format!("{} 0 obj\n{object}\nendobj\n", number + 1);
    }
    let table = file.len();
    file += &format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for offset in offsets {
        file += &format!("{offset:010} 00000 n \n");
    }
    file += &format!(
        "trailer << /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n",
        objects.len() + 1
    );
    file.into_bytes()
}

#[test]
fn pdf_and_html_are_cited_by_page_and_heading() {
    let tea =
        pdf(&["Coffee beans are roasted in drums.", "Green tea is made with water at 80 degrees."]);
    let html =
        "<html><body><h1>Cocoa</h1><p>Cocoa beans are fermented for a week.</p></body></html>";
    let desk = Desk::new(&[("tea.pdf", &tea), ("cocoa.html", html.as_bytes())]);
    for (question, quote, place) in [
        (
            "How hot must the water for green tea be?",
            "Green tea is made with water at 80 degrees.",
            "docs/tea.pdf, page 2 ",
        ),
        (
            "How long are cocoa beans fermented?",
            "Cocoa beans are fermented for a week.",
            "docs/cocoa.html, Cocoa ",
        ),
    ] {
        let output = desk.run(&["ask", "--docs", "docs", question]);
        let answer = text(&output.stdout);
        assert!(answer.contains(&format!("{quote} [1]")), "{answer}{}", text(&output.stderr));
        assert!(answer.contains(&format!("[1] {place}")), "{answer}");
    }
}

#[test]
fn a_second_ingestion_takes_only_what_changed() {
    let desk = Desk::new(&[("tea.md", TEA.as_bytes()), ("b.txt", b"Coffee beans are roasted.")]);
    check(&desk, &["ingest", "docs"], 0, "2 added, 0 unchanged, 0 failed");
    check(&desk, &["ingest", "docs"], 0, "0 added, 2 unchanged, 0 failed");
    fs::write(desk.docs().join("b.txt"), "Cocoa beans are fermented.").unwrap();
    check(&desk, &["ingest", "docs"], 0, "1 added, 1 unchanged, 0 failed");
    let found = text(&desk.run(&["search", "--json", "beans"]).stdout);
    assert!(found.contains("Cocoa") && !found.contains("Coffee"), "{found}");
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let large = vec![b'a'; 200 << 20];
    let desk = Desk::new(&[("tea.md", TEA.as_bytes()), ("empty.pdf", b""), ("large.txt", &large)]);
    symlink(desk.docs(), desk.docs().join("again")).unwrap();
    let args = ["ingest", "docs"];
    let output = desk.run(&args);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    for expected in ["empty.pdf: ", "large.txt: ", "again: ", "1 added, 0 unchanged"] {
        assert_eq!(
            error.lines().filter(|line| line.contains(expected)).count(),
            1,
            "{expected}: {error}"
        );
    }
    assert!(!error.contains("panicked"), "{error}");
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let desk = Desk::new(&[("tea.md", TEA.as_bytes())]);
    check(&desk, &["serve", "--listen", "0.0.0.0:0"], 1, "refusing to listen on 0.0.0.0:0");
    check(&desk, &["serve", "--listen", "nonsense"], 2, "invalid value 'nonsense'");
    check(&desk, &["ingest", "nowhere"], 1, "nowhere");
    check(&desk, &["ask", "--config", "missing.toml", "x"], 1, "missing.toml: cannot be read");
    check(
        &desk,
        &["ask", "--docs", "docs", "--model", "local/extractiv", "x"],
        1,
        "did you mean `local/extractive`?",
    );
    check(&desk, &["ask", "   "], 1, "its question is blank");
    fs::write(desk.folder.path().join("colloquy.toml"), "[server]\nlisen = 1\n").unwrap();
    check(&desk, &["models"], 1, "colloquy.toml, line 2: unknown field `lisen`");
}

#[test]
fn a_wrong_key_gives_one_clear_line() {
    let desk = Desk::new(&[("tea.md", TEA.as_bytes())]);
    let refusing = refusing_upstream();
    let output = desk
        .command(&["ask", "--docs", "docs", "How hot is tea?"])
        .env("OPENAI_API_KEY", "sk-wrong-key-1234")
        .env("OPENAI_BASE_URL", format!("http://{}/v1", refusing.address))
        .env("COLLOQUY_DEFAULTS__CHAT", "openai/gpt-4o")
        .output()
        .unwrap();
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let lines: Vec<_> = error.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "{error}");
    assert!(lines[0].contains("openai") && lines[0].contains("Incorrect API key"), "{error}");
    assert!(!error.contains("sk-wrong-key-1234"), "{error}");
}

struct Refusing {
    address: std::net::SocketAddr,
}

/// Answers every request with 401, as OpenAI does. Its thread ends with the process of the test.
fn refusing_upstream() -> Refusing {
    use std::io::{BufRead, BufReader, Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(8).flatten() {
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                line.clear();
            }
            let mut body = vec![0; length];
            let _ = reader.read_exact(&mut body);
            let body = r#"{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
            let _ = write!(
                &stream,
                "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    Refusing { address }
}

#[test]
fn help_names_the_commands() {
    let desk = Desk::new(&[]);
    let help = text(&desk.run(&["--help"]).stdout);
    for command in ["serve", "ask", "ingest", "search", "models"] {
        assert!(help.contains(command), "{help}");
    }
    assert!(!help.contains("parse-worker"), "{help}");
}

#[test]
fn shells_complete_commands_and_options() {
    let desk = Desk::new(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = desk.run(&["completions", shell]).stdout.len();
        assert!(script > 1_000, "{shell}: {script}");
    }
    let script = text(&desk.run(&["completions", "bash"]).stdout);
    assert!(script.contains("--data-dir") && script.contains("restore"), "{script}");
    assert!(!desk.folder.path().join("colloquy-data").exists());
    check(&desk, &["completions", "csh"], 2, "[possible values: bash,");
}

#[test]
fn wrong_usage_is_one_line_and_code_2() {
    let desk = Desk::new(&[]);
    for (args, expected) in [
        (&["serve", "--lisen", "x"][..], "'--listen'"),
        (&["sreve"], "unrecognized subcommand"),
        (&["serve", "--role", "both"], "possible values: all, api, worker"),
        (&["keys"], "by a subcommand"),
    ] {
        let output = desk.run(args);
        let error = text(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
        assert!(error.contains(expected) && error.starts_with("error: "), "{error}");
    }
    for role in ["api", "worker"] {
        let refused = "with the embedded store one process does everything";
        check(&desk, &["serve", "--role", role], 1, refused);
    }
}

#[test]
fn whoever_stops_reading_is_no_failure() {
    let desk = Desk::new(&[]);
    let mut child = desk
        .command(&["completions", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut child = desk
        .command(&["models"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn scripts_read_json() {
    let desk = Desk::new(&[("tea.md", TEA.as_bytes())]);
    let json = |args: &[&str]| -> Vec<serde_json::Value> {
        let output = desk.run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains('\u{1b}'), "{args:?} is without colours");
        let lines = text(&output.stdout);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(json(&["ingest", "docs", "--json"]).last().unwrap()["event"], "summary");
    assert!(json(&["models", "--json"]).iter().any(|model| model["id"] == "local/extractive"));
    assert_eq!(json(&["check", "--json"]).len(), 0);
    let made = json(&["keys", "create", "laptop", "--json"]);
    let revoked = json(&["keys", "revoke", made[0]["id"].as_str().unwrap(), "--json"]);
    assert_eq!(revoked[0]["revoked"], true);
    let saved = json(&["backup", "saved.tar", "--json"]);
    assert_eq!(saved[0]["file"], "saved.tar");
    assert!(saved[0]["bytes"].as_u64().unwrap() > 1_000);
}

#[test]
fn keys_are_shown_once_listed_without_their_secret_and_revoked() {
    let desk = Desk::new(&[]);
    let made = text(&desk.run(&["keys", "create", "laptop", "--json"]).stdout);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(key.starts_with("clq_") && key.len() == 47, "{made}");

    let listed = text(&desk.run(&["keys", "list"]).stdout);
    assert!(listed.contains(id) && listed.contains("active") && listed.contains("laptop"));
    assert!(!listed.contains(key), "{listed}");

    check(&desk, &["keys", "revoke", id], 0, "is revoked");
    let listed = text(&desk.run(&["keys", "list", "--json"]).stdout);
    assert!(listed.contains(r#""status":"revoked""#) && !listed.contains(key), "{listed}");
    check(&desk, &["keys", "revoke", id], 1, "there is no key");
    check(&desk, &["keys", "create", ""], 1, "1 to 100 characters");
}
