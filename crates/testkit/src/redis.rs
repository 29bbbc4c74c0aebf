//! [`RedisServer`]: a real Redis of its own for a test.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A `redis-server` process on a socket in a folder of its own, without a port and without files. Ends when dropped.
#[derive(Debug)]
pub struct RedisServer {
    folder: TempDir,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts one and waits until it answers. `None`, with a line on stderr, where no `redis-server` is installed: the
    /// test is then skipped.
    ///
    /// # Panics
    /// When it is installed, but does not start.
    #[allow(clippy::expect_used)]
    pub fn start() -> Option<Self> {
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if found.is_err() {
            eprintln!("skipped: no redis-server here (Debian: apt-get install redis-server)");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("redis").tempdir().expect("a folder");
        let mut server = Self { folder, process: None };
        server.restart();
        Some(server)
    }

    /// Its address: `redis+unix://…`.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Ends the process at once, as a crash would. What it knew is lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A process that has ended already is as good.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Stops the process where it is: it takes connections and questions, and answers none, until it is
    /// [woken](Self::wake).
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen process go on.
    pub fn wake(&self) {
        self.signal("-CONT");
    }

    #[allow(clippy::expect_used)]
    fn signal(&self, signal: &str) {
        if let Some(process) = &self.process {
            let sent = Command::new("kill").arg(signal).arg(process.id().to_string()).status();
            assert!(sent.expect("kill runs").success(), "the signal was not sent");
        }
    }

    /// Ends it and starts it again at the same address, empty.
    ///
    /// # Panics
    /// When it does not start.
    #[allow(clippy::expect_used)]
    pub fn restart(&mut self) {
        self.kill();
        let mut process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server starts");
        let log = process.stdout.take().expect("its log is a pipe");
        self.process = Some(process);
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        assert!(
            lines.any(|line| line.to_lowercase().contains("ready to accept connections")),
            "redis-server ended before it was ready"
        );
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
