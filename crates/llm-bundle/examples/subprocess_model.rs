//! A model in another program: a synchronous embedding model that talks with a child process in lines of JSON, registered
//! and called like any other.
//!
//! `cargo run -p llm-bundle --example subprocess_model`
//!
//! So one keeps what exists only as a Python script or a C program. The child reads a request a line and writes an answer a
//! line; here it is this very program, started again. It is started when it is first needed and again after it has died, it
//! is killed when it does not answer in time, and it ends with the model. One call at a time goes through the pipe: what
//! comes meanwhile is joined by [`Batched`], which is what such a program wants anyway.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::future::join_all;
use llm_bundle::{Adapted, BatchOptions, Batched, Bundle, Registry, SyncPool};
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError, ModelInfo,
    ModelKind, ModelName, Operation, SyncEmbeddingModel,
};
use serde::{Deserialize, Serialize};

/// The longest line that is read, from either side.
const LONGEST_LINE: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Question {
    texts: Vec<String>,
}

/// What a line of the child says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Vectors(Vec<Vec<f32>>),
    Refused(String),
}

/// An embedding model in a child process.
struct InSubprocess {
    info: ModelInfo,
    program: PathBuf,
    arguments: Vec<String>,
    patience: Duration,
    worker: Mutex<Option<Worker>>,
}

impl SyncEmbeddingModel for InSubprocess {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        let question = Question { texts: request.inputs.clone() };
        let mut place = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        // A worker that fails is dropped, which kills the child; the next call starts another.
        let mut worker = match place.take() {
            Some(worker) => worker,
            None => Worker::start(&self.program, &self.arguments).map_err(broken)?,
        };
        let answer = worker.ask(&question, self.patience).map_err(broken)?;
        *place = Some(worker);
        match answer {
            Answer::Vectors(vectors) => {
                Ok(EmbeddingResponse { vectors, ..EmbeddingResponse::default() })
            }
            Answer::Refused(reason) => {
                Err(ModelError::new(ErrorKind::InvalidRequest, Operation::Embed, reason))
            }
        }
    }
}

/// The pipe broke. Trying again can help, since that starts a new child.
fn broken(error: io::Error) -> ModelError {
    ModelError::new(ErrorKind::Connection, Operation::Embed, "the model's process failed")
        .with_source(error)
}

/// A child that is alive, as far as is known.
struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Option<Receiver<io::Result<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Worker {
    fn start(program: &PathBuf, arguments: &[String]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        // A pipe cannot be read with a deadline, so a thread reads it. It ends when the child does.
        let (send, lines) = sync_channel(1);
        let reader = std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            while let Some(line) = read_line(&mut stdout).transpose() {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, stdin, lines: Some(lines), reader: Some(reader) })
    }

    fn ask(&mut self, question: &Question, patience: Duration) -> io::Result<Answer> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        write_line(stdin, question)?;
        let lines = self.lines.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        let line = lines.recv_timeout(patience).map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stdin = None;
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Without a receiver the reader waits for nobody.
        self.lines = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn write_line(pipe: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    pipe.write_all(&line)?;
    pipe.flush()
}

/// The next line; `None` at the end.
fn read_line(pipe: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = pipe.take(LONGEST_LINE).read_line(&mut line)?;
    Ok((read > 0).then_some(line))
}

/// The other program: lengths for vectors. It refuses some texts, and others kill it.
fn child() -> Result<(), Box<dyn Error>> {
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    while let Some(line) = read_line(&mut stdin)? {
        let question: Question = serde_json::from_str(&line)?;
        let has = |word: &str| question.texts.iter().any(|text| text == word);
        if has("crash") {
            return Err("out of memory".into());
        }
        let answer = if has("nonsense") {
            Answer::Refused("one of the texts is nonsense".into())
        } else {
            Answer::Vectors(question.texts.iter().map(|text| vec![text.len() as f32]).collect())
        };
        write_line(&mut stdout, &answer)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        return child();
    }
    let model = InSubprocess {
        info: ModelInfo::new(ModelName::new("local", "subprocess"), ModelKind::Embedding),
        program: std::env::current_exe()?,
        arguments: vec!["child".into()],
        patience: Duration::from_secs(10),
        worker: Mutex::new(None),
    };
    let pool = SyncPool::builder().name("models").threads(1).models().build()?;
    let adapted: Arc<dyn EmbeddingModel> = Arc::new(Adapted::new(Arc::new(model), pool.clone()));
    let batched = Batched::new(adapted, BatchOptions { runs_at_once: 1, ..BatchOptions::local() });
    let registry = Registry::builder().embedding(Arc::new(batched.clone())).build();
    let bundle = Bundle::new(registry);
    let embed = |text: String| bundle.embed_query("local/subprocess", text);

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let texts = (0..100).map(|n| "x".repeat(n + 1));
        for (n, vector) in join_all(texts.map(embed)).await.into_iter().enumerate() {
            assert_eq!(vector?, [(n + 1) as f32]);
        }
        let status = batched.status();
        println!("{} concurrent calls went through the pipe in {} runs", status.calls, status.runs);

        let (refused, fine) = futures::join!(embed("nonsense".into()), embed("sense".into()));
        println!("refused: {}", refused.map_or_else(|error| error.to_string(), |_| "no".into()));
        println!("beside it: {:?}", fine?);

        // The guards try again, each time with a new child.
        let crashed = embed("crash".into()).await;
        println!("crashed: {}", crashed.map_or_else(|error| error.to_string(), |_| "no".into()));
        println!("afterwards: {:?}", embed("fine again".into()).await?);
        pool.shutdown(Duration::from_secs(5)).await?;
        Ok(())
    })
}
