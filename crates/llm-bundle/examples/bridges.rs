//! What each bridge between synchronous and async code costs per call, beside a runtime per call.
//!
//! `cargo run --release -p llm-bundle --example bridges`
//!
//! First with a model that does nothing, so that a figure is the bridge alone; then with one that asks a server on
//! loopback, because what a runtime per call really costs is its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use llm_bundle::{Adapted, Blocking, Bundle, GuardOptions, Guarded, Registry, SyncPool};
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, EmbeddingModel, EmbeddingRequest,
    EmbeddingResponse, ErrorKind, ModelError, ModelInfo, ModelKind, ModelName, Operation,
    SyncEmbeddingModel,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;

/// Answers at once.
struct Nothing(ModelInfo);

impl Nothing {
    fn new() -> Self {
        Self(ModelInfo::new(ModelName::new("example", "nothing"), ModelKind::Embedding))
    }
}

fn answer() -> EmbeddingResponse {
    EmbeddingResponse { vectors: vec![vec![1.0]], ..EmbeddingResponse::default() }
}

impl EmbeddingModel for Nothing {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn embed(
        &self,
        _: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        Box::pin(async { Ok(answer()) })
    }
}

impl SyncEmbeddingModel for Nothing {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn embed(&self, _: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        Ok(answer())
    }
}

/// Says a number of words at once.
struct Words(ModelInfo, u32);

impl ChatModel for Words {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn chat(&self, _: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let words = stream::iter(0..self.1).map(|_| Ok(ChatEvent::text("word ")));
        Box::pin(async move { Ok(ChatReply::new(words)) })
    }
}

/// Asks a server over a connection that it keeps.
struct Remote {
    info: ModelInfo,
    server: SocketAddr,
    connection: Arc<Mutex<Option<TcpStream>>>,
}

impl Remote {
    fn new(server: SocketAddr) -> Self {
        let info = ModelInfo::new(ModelName::new("example", "remote"), ModelKind::Embedding);
        Self { info, server, connection: Arc::default() }
    }
}

impl EmbeddingModel for Remote {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(
        &self,
        _: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let (server, connection) = (self.server, self.connection.clone());
        Box::pin(async move {
            let mut connection = connection.lock().await;
            exchange(&mut connection, server).await.map_err(|error| {
                ModelError::new(ErrorKind::Connection, Operation::Embed, "no echo")
                    .with_source(error)
            })?;
            Ok(answer())
        })
    }
}

async fn exchange(connection: &mut Option<TcpStream>, server: SocketAddr) -> std::io::Result<()> {
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(server).await?;
            stream.set_nodelay(true)?;
            connection.insert(stream)
        }
    };
    let mut echo = [0; 16];
    stream.write_all(&echo).await?;
    stream.read_exact(&mut echo).await?;
    Ok(())
}

/// A server on a runtime of its own that echoes, and counts its connections.
fn echo_server(runtime: &Runtime) -> std::io::Result<(SocketAddr, Arc<AtomicU32>)> {
    let connections = Arc::new(AtomicU32::new(0));
    let counter = connections.clone();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    Ok((address, connections))
}

fn request() -> EmbeddingRequest {
    EmbeddingRequest::query("what does a bridge cost?")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let models = SyncPool::builder().name("models").threads(2).models().build()?;
    let callers = SyncPool::builder().name("callers").threads(2).build()?;

    let bare: Arc<dyn EmbeddingModel> = Arc::new(Nothing::new());
    let adapted: Arc<dyn EmbeddingModel> =
        Arc::new(Adapted::new(Arc::new(Nothing::new()), models.clone()));
    let guarded: Arc<dyn EmbeddingModel> =
        Arc::new(Guarded::new(bare.clone(), &GuardOptions::default(), Arc::new(())));
    let registry = Registry::builder().embedding(bare.clone()).build();
    let bundle = Bundle::new(registry);
    let blocking = Arc::new(Blocking::new(bare.clone(), home.handle().clone()));
    let both = Arc::new(Blocking::new(adapted.clone(), home.handle().clone()));

    println!("| bridge | µs per call |");
    println!("|---|---|");
    on_runtime(&home, "async model, awaited (no bridge)", &bare);
    on_runtime(&home, "async model behind all guards, awaited", &guarded);
    row("the same through `Bundle::embed`", 20_000, |calls| {
        let bundle = bundle.clone();
        home.block_on(async move {
            for _ in 0..calls {
                let request = EmbeddingRequest { model: "example/nothing".into(), ..request() };
                bundle.embed(request).await.map(drop).unwrap_or_else(|error| panic!("{error}"));
            }
        });
    });
    on_runtime(&home, "`Adapted`: sync model on a pool, awaited", &adapted);
    row("`Blocking` from a plain thread", 20_000, |calls| repeat(&*blocking, calls));
    let on_pool = blocking.clone();
    row("`Blocking` from a thread of a pool for callers", 20_000, |calls| {
        let model = on_pool.clone();
        let done = callers.run_blocking(move || repeat(&*model, calls));
        done.unwrap_or_else(|error| panic!("{error}"));
    });
    let on_worker = blocking.clone();
    row("`Blocking` from a worker of the home runtime (`block_in_place`)", 20_000, |calls| {
        let model = on_worker.clone();
        let task = home.spawn(async move { repeat(&*model, calls) });
        home.block_on(task).unwrap_or_else(|error| panic!("{error}"));
    });
    row("`Blocking` over `Adapted`: sync → async → sync", 20_000, |calls| {
        repeat(&*both, calls)
    });
    row("a single-thread runtime per call", 5_000, |calls| {
        for _ in 0..calls {
            call_with(&bare, Builder::new_current_thread().enable_all().build());
        }
    });
    row("a multi-thread runtime per call (2 workers)", 1_000, |calls| {
        for _ in 0..calls {
            let mut runtime = Builder::new_multi_thread();
            call_with(&bare, runtime.worker_threads(2).enable_all().build());
        }
    });
    streams(&home);
    remote(&home)
}

/// What the guards cost for each event of a stream.
fn streams(home: &Runtime) {
    println!("\n| stream of 1,000 events | µs per event |");
    println!("|---|---|");
    let info = ModelInfo::new(ModelName::new("example", "words"), ModelKind::Chat);
    let bare: Arc<dyn ChatModel> = Arc::new(Words(info, 1_000));
    let guarded = Guarded::new(bare.clone(), &GuardOptions::default(), Arc::new(()));
    for (name, model) in [("bare", bare), ("behind all guards", Arc::new(guarded) as _)] {
        row(name, 500_000, |events| {
            let model = model.clone();
            let task = home.spawn(async move {
                for _ in 0..events / 1_000 {
                    let request = ChatRequest::default().streamed();
                    let reply = model.chat(request).await.unwrap_or_else(|e| panic!("{e}"));
                    assert_eq!(reply.count().await, 1_000);
                }
            });
            home.block_on(task).unwrap_or_else(|error| panic!("{error}"));
        });
    }
}

/// The same bridges over a model that needs a connection.
fn remote(home: &Runtime) -> Result<(), Box<dyn std::error::Error>> {
    println!("\n| from a plain thread, over loopback | µs per call | connections |");
    println!("|---|---|---|");
    let far = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (server, connections) = echo_server(&far)?;
    let counted = |name: &str, calls: u32, round: &dyn Fn(u32)| {
        connections.store(0, Ordering::Relaxed);
        let cost = fastest(calls, round);
        let connections = connections.load(Ordering::Relaxed);
        println!("| {name} | {cost:.1} | {connections} |");
    };
    let shared: Arc<dyn EmbeddingModel> = Arc::new(Remote::new(server));
    let blocking = Blocking::new(shared, home.handle().clone());
    counted("`Blocking`: one home runtime", 2_000, &|calls| repeat(&blocking, calls));
    counted("a single-thread runtime per call", 2_000, &|calls| {
        for _ in 0..calls {
            // A connection belongs to the runtime that it was opened on, so it cannot be kept.
            let model: Arc<dyn EmbeddingModel> = Arc::new(Remote::new(server));
            call_with(&model, Builder::new_current_thread().enable_all().build());
        }
    });
    Ok(())
}

/// Calls from one task, one after the other.
fn on_runtime(home: &Runtime, name: &str, model: &Arc<dyn EmbeddingModel>) {
    row(name, 50_000, |calls| {
        let model = model.clone();
        let task = home.spawn(async move {
            for _ in 0..calls {
                model.embed(request()).await.map(drop).unwrap_or_else(|error| panic!("{error}"));
            }
        });
        home.block_on(task).unwrap_or_else(|error| panic!("{error}"));
    });
}

fn repeat(model: &dyn SyncEmbeddingModel, calls: u32) {
    for _ in 0..calls {
        model.embed(&request()).map(drop).unwrap_or_else(|error| panic!("{error}"));
    }
}

fn call_with(model: &Arc<dyn EmbeddingModel>, runtime: std::io::Result<Runtime>) {
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    let answer = runtime.block_on(model.embed(request()));
    answer.map(drop).unwrap_or_else(|error| panic!("{error}"));
}

fn row(name: &str, calls: u32, round: impl Fn(u32)) {
    println!("| {name} | {:.2} |", fastest(calls, &round));
}

/// Microseconds per call in the fastest of five rounds, after one to warm up: other work may share the machine, and it
/// only ever adds.
fn fastest(calls: u32, round: &dyn Fn(u32)) -> f64 {
    round(calls / 10);
    let rounds = (0..5).map(|_| {
        let start = Instant::now();
        round(calls);
        start.elapsed()
    });
    rounds.min().unwrap_or(Duration::ZERO).as_secs_f64() * 1e6 / f64::from(calls)
}
