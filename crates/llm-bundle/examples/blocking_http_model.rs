//! A blocking HTTP client as a model: a synchronous chat model over `ureq`, registered and called like any other.
//!
//! `cargo run -p llm-bundle --example blocking_http_model`
//!
//! So one keeps a client that was written against a blocking library. Its calls run on the threads of a [`SyncPool`]: they
//! stream, they stop when the caller leaves, and a hundred of them never take more threads than the pool has. The server is
//! a few lines further down and speaks a tiny protocol: a line of JSON for each word.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use futures::future::try_join_all;
use llm_bundle::{Adapted, Blocking, Bundle, Registry, SyncPool};
use llm_core::{
    ChatEvent, ChatModel, ChatRequest, ErrorKind, FinishReason, Message, ModelError, ModelInfo,
    ModelKind, ModelName, Operation, SyncChatModel,
};
use serde_json::{Value, json};

/// The longest line of an answer that is read.
const LONGEST_LINE: u64 = 1 << 20;

/// A chat model behind a blocking HTTP client.
struct OverUreq {
    info: ModelInfo,
    url: String,
    agent: ureq::Agent,
}

impl OverUreq {
    fn new(server: SocketAddr) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false)
            .build();
        Self {
            info: ModelInfo::new(ModelName::new("legacy", "echo"), ModelKind::Chat),
            url: format!("http://{server}/chat"),
            agent: config.into(),
        }
    }
}

impl SyncChatModel for OverUreq {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(
        &self,
        request: &ChatRequest,
        sink: &mut dyn FnMut(ChatEvent) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let question = request.messages.last().map(Message::text).unwrap_or_default();
        let response = self.agent.post(&self.url).send_json(json!({ "question": question }));
        let response = response.map_err(|error| broken("the server was not reached", error))?;
        // The place that sees the status decides the kind, and so whether trying again can help.
        if response.status() != 200 {
            let kind =
                if response.status() == 429 { ErrorKind::RateLimit } else { ErrorKind::Upstream };
            return Err(ModelError::new(kind, Operation::Chat, "the server refused")
                .with_status(response.status().as_u16()));
        }
        let mut body = BufReader::new(response.into_body().into_reader());
        loop {
            let mut line = String::new();
            let read = (&mut body).take(LONGEST_LINE).read_line(&mut line);
            if read.map_err(|error| broken("the answer broke off", error))? == 0 {
                break;
            }
            let word: Value =
                serde_json::from_str(&line).map_err(|error| broken("a line is no JSON", error))?;
            let text = word["word"].as_str().unwrap_or_default();
            if sink(ChatEvent::text(format!("{text} "))).is_break() {
                // The caller has left. Dropping the body closes the connection.
                return Ok(());
            }
        }
        // It says nothing more, whether or not anybody listens.
        let _ = sink(ChatEvent::finished(FinishReason::Stop));
        Ok(())
    }
}

fn broken(message: &str, error: impl Into<Box<dyn Error + Send + Sync>>) -> ModelError {
    ModelError::new(ErrorKind::Connection, Operation::Chat, message).with_source(error)
}

/// A server on threads of its own that says the question's words one by one, a millisecond apart.
struct Server {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    accepting: Option<std::thread::JoinHandle<()>>,
    /// Words that were written.
    words: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (stopping, words) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default());
        let (stop, count) = (stopping.clone(), words.clone());
        let accepting = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                for stream in listener.incoming().flatten() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let count = &count;
                    // An error here is a client that has left.
                    scope.spawn(move || answer(stream, count).ok());
                }
            });
        });
        Ok(Self { address, stopping, accepting: Some(accepting), words })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn answer(mut stream: TcpStream, words: &AtomicUsize) -> io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        request.read_line(&mut line)?;
        let (name, value) = line.trim().split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = Vec::new();
    request.take(length).read_to_end(&mut body)?;
    let question: Value = serde_json::from_slice(&body)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
    for word in question["question"].as_str().unwrap_or_default().split_whitespace() {
        stream.write_all(format!("{}\n", json!({ "word": word })).as_bytes())?;
        words.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn question(text: &str) -> ChatRequest {
    ChatRequest { model: "legacy/echo".into(), ..ChatRequest::new(vec![Message::user(text)]) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::start()?;
    let pool = SyncPool::builder().name("models").threads(4).models().build()?;
    let model = Adapted::new(Arc::new(OverUreq::new(server.address)), pool.clone());
    let bundle = Bundle::new(Registry::builder().chat(Arc::new(model)).build());

    let home = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    home.block_on(async {
        let answer = bundle.chat(question("an answer in one piece")).await?;
        println!("whole: {}", answer.text());

        let mut reply = bundle.chat_stream(question("and one word by word")).await?;
        while let Some(event) = reply.try_next().await? {
            println!("event: {event:?}");
        }

        let began = Instant::now();
        try_join_all((0..40).map(|_| bundle.chat(question("ten words or so one after the other"))))
            .await?;
        println!("forty at once, on four threads: {:?}", began.elapsed());

        // Who leaves stops the model, down to its connection.
        let before = server.words.load(Ordering::SeqCst);
        let endless = bundle.chat_stream(question(&"word ".repeat(100_000))).await?;
        drop(endless);
        pool.shutdown(Duration::from_secs(5)).await?;
        let written = server.words.load(Ordering::SeqCst) - before;
        println!("of a hundred thousand words, {written} were written before the server noticed");
        Ok::<(), Box<dyn Error>>(())
    })?;

    // And the way back: synchronous code asks the same model through the bundle, from a plain thread.
    let pool = SyncPool::builder().name("models").threads(1).models().build()?;
    let model: Arc<dyn ChatModel> =
        Arc::new(Adapted::new(Arc::new(OverUreq::new(server.address)), pool));
    let model = Blocking::new(model, home.handle().clone());
    for event in model.chat_stream(question("to synchronous callers"))? {
        println!("event: {:?}", event?);
    }
    Ok(())
}
