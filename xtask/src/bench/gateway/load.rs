//! A closed loop of load: so many connections, each with one request under way. Every answer is checked.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// What is asked, and what must come back.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) address: SocketAddr,
    pub(super) model: String,
    pub(super) stream: bool,
    /// Tokens of each answer.
    pub(super) tokens: usize,
    /// Bytes of the prompt.
    pub(super) prompt: usize,
}

impl Ask {
    /// The bytes of the request.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let Self { address, model, stream, .. } = self;
        let prompt = "x".repeat(self.prompt);
        let body = format!(
            r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"{prompt}"}}]}}"#
        );
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// What came back of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    /// Until the first bytes of the body.
    pub(super) first: Duration,
    /// Until the last.
    pub(super) all: Duration,
}

/// Asks for so long on so many connections. Requests that began in that time are answered.
pub(super) async fn closed_loop(
    ask: &Ask,
    connections: usize,
    time: Duration,
) -> Result<Vec<Answered>> {
    let until = Instant::now() + time;
    let mut loops = JoinSet::new();
    for _ in 0..connections {
        let ask = ask.clone();
        loops.spawn(async move {
            let (mut connection, bytes) = (Connection::open(ask.address).await?, ask.bytes());
            let mut answered = Vec::new();
            while Instant::now() < until {
                let answer = connection.ask(&bytes, &ask).await?;
                answered.push(answer);
                if connection.is_over {
                    connection = Connection::open(ask.address).await?;
                }
            }
            anyhow::Ok(answered)
        });
    }
    let mut all = Vec::new();
    while let Some(answered) = loops.join_next().await {
        all.extend(answered??);
    }
    Ok(all)
}

/// Each connection asks once, all within `spread`.
pub(super) async fn at_once(ask: &Ask, count: usize, spread: Duration) -> Result<Vec<Answered>> {
    let mut asked = JoinSet::new();
    let began = Instant::now();
    for number in 0..count {
        let ask = ask.clone();
        let due = began + spread * number as u32 / count as u32;
        asked.spawn(async move {
            tokio::time::sleep_until(due).await;
            let mut connection = Connection::open(ask.address).await?;
            connection.ask(&ask.bytes(), &ask).await
        });
    }
    let mut all = Vec::new();
    while let Some(answered) = asked.join_next().await {
        all.push(answered??);
    }
    Ok(all)
}

/// A connection that is kept.
struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// The server will close it.
    is_over: bool,
}

/// Longer takes no answer here.
const LONGEST: Duration = Duration::from_secs(120);

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address).await.context("connecting")?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: Vec::with_capacity(16 << 10), is_over: false })
    }

    async fn ask(&mut self, request: &[u8], ask: &Ask) -> Result<Answered> {
        let began = Instant::now();
        let answered = timeout(LONGEST, async {
            self.socket.write_all(request).await?;
            self.answer(began, ask).await
        });
        answered.await.context("no answer in time")?
    }

    async fn answer(&mut self, began: Instant, ask: &Ask) -> Result<Answered> {
        self.buffer.clear();
        let head = loop {
            self.more().await?;
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let status = std::str::from_utf8(&self.buffer[9..12])?.parse()?;
        let headers = std::str::from_utf8(&self.buffer[..head])?.to_ascii_lowercase();
        self.is_over = headers.contains("connection: close");
        let length = headers.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        let length: Option<usize> = length.map(str::parse).transpose()?;
        let mut first = None;
        loop {
            let body = &self.buffer[head..];
            if first.is_none() && !body.is_empty() {
                first = Some(began.elapsed());
            }
            let is_whole = match length {
                Some(length) => body.len() >= length,
                None => body.ends_with(b"0\r\n\r\n"),
            };
            if is_whole {
                break;
            }
            self.more().await?;
        }
        let all = began.elapsed();
        if status == 200 {
            check(&self.buffer[head..], ask)?;
        }
        Ok(Answered { status, first: first.unwrap_or(all), all })
    }

    async fn more(&mut self) -> Result<()> {
        ensure!(self.socket.read_buf(&mut self.buffer).await? > 0, "the answer was cut");
        Ok(())
    }
}

/// All tokens came, in order, and the end.
fn check(body: &[u8], ask: &Ask) -> Result<()> {
    if !ask.stream {
        let last = format!("{} \"", ask.tokens - 1);
        ensure!(memmem::find(body, last.as_bytes()).is_some(), "the answer lacks its end");
        return Ok(());
    }
    let mut rest = body;
    for token in 0..ask.tokens {
        let text = format!("\"content\":\"{token} \"");
        let Some(place) = memmem::find(rest, text.as_bytes()) else {
            bail!("token {token} is missing");
        };
        rest = &rest[place + text.len()..];
    }
    ensure!(memmem::find(rest, b"data: [DONE]").is_some(), "the stream lacks its end");
    Ok(())
}
