//! SIGHUP: the binary reads its configuration again.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_api-server"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder)
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self { child, address }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Asks until the answer says this.
    fn until(&self, path: &str, expected: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let answer = self.get(path);
            if answer.contains(expected) {
                return;
            }
            assert!(Instant::now() < deadline, "no {expected} in {answer}");
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn models_come_and_go_with_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| fs::write(folder.path().join("colloquy.toml"), text).unwrap();
    let model =
        |name: &str| format!("[[model]]\nname = \"{name}\"\ntargets = [\"local/extractive\"]\n");
    write(&model("first"));
    let mut server = Serving::start(folder.path());
    server.until("/v1/models", "\"first\"");

    write(&(model("second") + "[server]\nlisten = \"127.0.0.1:1\"\n"));
    server.signal("-HUP");
    server.until("/v1/models", "\"second\"");
    assert!(!server.get("/v1/models").contains("\"first\""));

    write("[[model]]\nname = \"third\"\ntargets = []\n");
    server.signal("-HUP");
    server.until("/metrics", "colloquy_config_reloads_total{outcome=\"refused\"} 1");
    assert!(server.get("/v1/models").contains("\"second\""));

    server.signal("-TERM");
    assert!(server.child.wait().unwrap().success());
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("server.listen"), "what waits for a restart is named: {log}");
    assert!(log.contains("name at least one target"), "{log}");
}
