//! What is measured: the upstream itself, nginx before it, and our server before it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// A process that ends when this does, and where it answers.
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    /// Before the model's name.
    pub(super) prefix: &'static str,
    child: Child,
}

impl Drop for Target {
    fn drop(&mut self) {
        // nginx ends its workers when it is asked to, and not when it is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Target {
    /// This program again, as the upstream.
    pub(super) fn upstream() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "gateway", "--serve-upstream"])
            .stdout(Stdio::piped())
            .spawn()?;
        let port: u16 = first_line(&mut child)?.trim().parse()?;
        Ok(Self { name: "direct", address: ([127, 0, 0, 1], port).into(), prefix: "", child })
    }

    /// nginx as it is set up for an API that streams; `None` where it is not installed.
    pub(super) fn nginx(folder: &Path, upstream: SocketAddr) -> Result<Option<Self>> {
        let address = free_address()?;
        let file = folder.join("nginx.conf");
        let here = folder.display();
        fs::write(
            &file,
            format!(
                "daemon off; worker_processes 2; pid {here}/nginx.pid; error_log {here}/error.log;\n\
                 events {{ worker_connections 8192; }}\n\
                 http {{ access_log off; client_body_temp_path {here}/body;\n\
                 proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/f; uwsgi_temp_path {here}/u;\n\
                 scgi_temp_path {here}/s; keepalive_requests 1000000000;\n\
                 upstream up {{ server {upstream}; keepalive 512; keepalive_requests 1000000000; }}\n\
                 server {{ listen {address}; location / {{ proxy_pass http://up;\n\
                 proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off; }} }} }}\n"
            ),
        )?;
        let started = Command::new("nginx").arg("-c").arg(&file).stderr(Stdio::null()).spawn();
        let Ok(child) = started else { return Ok(None) };
        let nginx = Self { name: "nginx", address, prefix: "", child };
        nginx.wait_for()?;
        Ok(Some(nginx))
    }

    /// Our server, with all that it counts and records.
    pub(super) fn ours(
        folder: &Path,
        program: &Path,
        upstream: SocketAddr,
        most_requests: usize,
    ) -> Result<Self> {
        ensure!(
            program.is_file(),
            "there is no {}; make it with `cargo build --release`",
            program.display()
        );
        let file = folder.join("colloquy.toml");
        fs::write(
            &file,
            format!(
                "[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = {:?}\nmax_requests = {most_requests}\n\
                 [[provider]]\nname = \"up\"\ndialect = \"openai\"\nbase_url = \"http://{upstream}/v1\"\n",
                folder.join("data")
            ),
        )?;
        let mut child = Command::new(program)
            .args(["serve", "--config"])
            .arg(&file)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let line = first_line(&mut child)?;
        let address = line.trim().strip_prefix("listening on http://").context("its address")?;
        Ok(Self { name: "ours", address: address.parse()?, prefix: "up/", child })
    }

    /// Seconds of processor time that its processes took so far.
    pub(super) fn processor_seconds(&self) -> f64 {
        self.processes().iter().filter_map(|id| seconds(*id)).sum()
    }

    /// The resident memory of its processes, in MiB.
    pub(super) fn memory(&self) -> f64 {
        let pages = |id: &u32| {
            let text = fs::read_to_string(format!("/proc/{id}/statm")).ok()?;
            text.split(' ').nth(1)?.parse::<f64>().ok()
        };
        self.processes().iter().filter_map(pages).sum::<f64>() * 4096.0 / f64::from(1 << 20)
    }

    /// The process and its children.
    fn processes(&self) -> Vec<u32> {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        [own].into_iter().chain(children).collect()
    }

    fn wait_for(&self) -> Result<()> {
        for _ in 0..200 {
            if std::net::TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        anyhow::bail!("{} does not listen", self.name)
    }
}

/// The release binary of this workspace.
pub(super) fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let target = own.parent().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    target.join("release").join("api-server")
}

fn first_line(child: &mut Child) -> Result<String> {
    let stdout = child.stdout.take().context("its output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line)
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn seconds(id: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name, which may hold anything: state is the 3rd field, user and system time are the 14th and 15th.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}
