//! `cargo xtask bench turns`: what a turn costs besides its model and its search, and whether many at once disturb each
//! other. The model says the same each time, the evidence is at hand.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use dialog_service::{
    ConversationOptions, Conversations, Dialog, DialogError, DialogEvent, DialogService, Evidence,
    EvidenceRequest, EvidenceSource, Follows, Passage, Turn,
};
use futures::future::{BoxFuture, join_all};
use futures::{Stream, StreamExt, stream};
use llm_bundle::SyncPool;
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, FinishReason, Message, ModelError, ModelInfo,
    ModelKind, ModelName,
};
use rag_core::{
    Chunk, ConversationStore, Dataset, DatasetSettings, EmbeddingIdentity, Session, SessionId,
    TenantId, TurnId,
};
use rag_store::{EmbeddedStore, StoreOptions};

/// How much to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Turns one after the other
    #[arg(long, default_value_t = 2_000)]
    turns: usize,
    /// Turns at once
    #[arg(long, default_value_t = 1_000)]
    concurrent: usize,
    /// Tokens of each answer
    #[arg(long, default_value_t = 200)]
    tokens: usize,
    /// Milliseconds between two tokens of turns at once
    #[arg(long, default_value_t = 20)]
    pause: u64,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stage = Stage::new(args.tokens)?;
        let alone = stage.alone(args.turns).await?;
        println!(
            "turns one after the other ({} tokens, {} passages of {} bytes, 4 citations)",
            args.tokens, PASSAGES, PASSAGE_BYTES
        );
        alone.print("the service");
        stage.kept(args.turns.min(500)).await?.print("kept in SQLite, too");

        let pause = Duration::from_millis(args.pause);
        println!(
            "{} at once, a token every {:?}: milliseconds between two events",
            args.concurrent, pause
        );
        let model = stage.model(Some(pause));
        let bare = gaps(args.concurrent, || {
            let reply = model.chat(ChatRequest::default());
            stream::once(reply).flat_map(|reply| {
                reply.map_or_else(|_| stream::empty().boxed(), |reply| reply.map(|_| ()).boxed())
            })
        });
        Times::of(bare.await).print("the model alone");
        let turns = gaps(args.concurrent, || {
            let answer = stage.service.answer(stage.turn(stage.model(Some(pause))));
            answer.filter_map(|event| async move {
                matches!(event, Ok(DialogEvent::Delta { .. })).then_some(())
            })
        });
        Times::of(turns.await).print("turns");
        Ok(())
    })
}

const PASSAGES: usize = 8;
const PASSAGE_BYTES: usize = 1_000;

/// A model that says what it always says, and evidence that is at hand.
struct Stage {
    service: DialogService,
    words: Arc<[String]>,
    dataset: Dataset,
}

impl Stage {
    fn new(tokens: usize) -> Result<Self> {
        let text = "water is heated to eighty degrees ".repeat(PASSAGE_BYTES / 34 + 1);
        let text = &text[..PASSAGE_BYTES];
        let passages = (0..PASSAGES).map(|number| {
            let id = |kind: &str| format!("{kind}{number}");
            let chunk = Chunk {
                tokens: 200,
                ..Chunk::new(id("c").parse()?, "d".parse()?, id("doc").parse()?, text.into())
            };
            Ok(Passage {
                chunk,
                document_name: id("tea.md"),
                title: None,
                url: None,
                score: 0.5,
                why: Default::default(),
            })
        });
        let passages = passages.collect::<Result<Vec<Passage>>>()?;
        let quarter = (tokens / 4).max(1);
        let words = (0..tokens).map(|number| match number % quarter {
            0 => format!(" [ID:{}]. Then", number % PASSAGES),
            _ => " water".to_owned(),
        });
        let dataset = Dataset {
            id: "d".parse()?,
            tenant: TenantId::local(),
            name: "default".into(),
            embedding: EmbeddingIdentity::default(),
            settings: DatasetSettings::default(),
            created_at: 0,
        };
        let count = Arc::new(|text: &str| llm_tokens::estimate(text) as usize);
        let service = DialogService::new(Arc::new(AtHand(passages)), count);
        Ok(Self { service, words: words.collect(), dataset })
    }

    fn model(&self, pause: Option<Duration>) -> Arc<dyn ChatModel> {
        let info = ModelInfo::new(ModelName::new("bench", "scripted"), ModelKind::Chat);
        Arc::new(Scripted { info, words: self.words.clone(), pause })
    }

    fn turn(&self, model: Arc<dyn ChatModel>) -> Turn {
        Turn {
            id: TurnId::from_u128(0),
            asked_at: SystemTime::now(),
            messages: vec![Message::user("How hot is the water?")],
            attachments: Vec::new(),
            model,
            request: ChatRequest::default(),
            dialog: Dialog { datasets: vec![self.dataset.clone()], ..Dialog::default() },
            trail: Arc::default(),
            embedders: None,
            trace: Arc::default(),
            stop: Default::default(),
        }
    }

    /// Milliseconds of whole turns.
    async fn alone(&self, turns: usize) -> Result<Times> {
        let model = self.model(None);
        let mut times = Vec::new();
        for _ in 0..turns {
            let began = Instant::now();
            let mut events = std::pin::pin!(self.service.answer(self.turn(model.clone())));
            let mut last = None;
            while let Some(event) = events.next().await {
                last = Some(event?);
            }
            times.push(began.elapsed());
            ensure!(matches!(last, Some(DialogEvent::Done(_))), "a turn did not end");
        }
        Ok(Times::of(times))
    }

    /// The same for turns of sessions, each in one of its own.
    async fn kept(&self, turns: usize) -> Result<Times> {
        let directory = tempfile::tempdir()?;
        let store = EmbeddedStore::open(directory.path(), StoreOptions::default())?;
        let threads = SyncPool::builder().name("store").build()?;
        let options = ConversationOptions::default();
        let conversations =
            Conversations::new(self.service.clone(), store.clone(), threads, options);
        let model = self.model(None);
        let mut times = Vec::new();
        for number in 0..turns as u128 {
            let session = session(number);
            store.create_session(&session)?;
            let turn = Turn { id: TurnId::from_u128(number), ..self.turn(model.clone()) };
            let began = Instant::now();
            let begun = conversations.begin(TenantId::local(), session.id, Follows::Latest, turn);
            let live = begun.await?;
            let last = live.events(0).collect::<Vec<_>>().await.pop().context("an event")?;
            times.push(began.elapsed());
            ensure!(last.event.is_ok(), "a turn failed");
        }
        conversations.close(Duration::ZERO).await;
        Ok(Times::of(times))
    }
}

fn session(number: u128) -> Session {
    Session {
        id: SessionId::from_u128(number),
        tenant: TenantId::local(),
        dialog: "default".into(),
        title: String::new(),
        created_at: 0,
        updated_at: 0,
    }
}

/// Times between two items, of so many streams at once.
async fn gaps<S>(count: usize, make: impl Fn() -> S) -> Vec<Duration>
where
    S: Stream + Send + 'static,
    S::Item: Send,
{
    let tasks = (0..count).map(|_| {
        let stream = make();
        tokio::spawn(async move {
            let mut stream = std::pin::pin!(stream);
            let mut gaps = Vec::new();
            let mut last: Option<Instant> = None;
            while stream.next().await.is_some() {
                let now = Instant::now();
                gaps.extend(last.map(|last| now - last));
                last = Some(now);
            }
            gaps
        })
    });
    let gaps = join_all(tasks.collect::<Vec<_>>()).await;
    gaps.into_iter().flatten().flatten().collect()
}

/// Times, the shortest first.
struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    fn print(&self, what: &str) {
        let share = |share: f64| {
            let place = (self.0.len() as f64 * share) as usize;
            self.0
                .get(place.min(self.0.len().saturating_sub(1)))
                .map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        println!(
            "  {what:24} p50 {:8.3}  p99 {:8.3}  max {:8.3} ms  ({})",
            share(0.5),
            share(0.99),
            share(1.0),
            self.0.len()
        );
    }
}

struct AtHand(Vec<Passage>);

impl EvidenceSource for AtHand {
    fn find(&self, _: EvidenceRequest) -> BoxFuture<'static, Result<Evidence, DialogError>> {
        let evidence = Evidence { passages: self.0.clone(), total: 1_000, warnings: Vec::new() };
        Box::pin(async { Ok(evidence) })
    }
}

struct Scripted {
    info: ModelInfo,
    words: Arc<[String]>,
    pause: Option<Duration>,
}

impl ChatModel for Scripted {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, _: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let (words, pause) = (self.words.clone(), self.pause);
        let count = words.len();
        let words = stream::iter(0..count).map(move |at| words[at].clone());
        let said = words.then(move |word| async move {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            Ok(ChatEvent::text(word))
        });
        let end = stream::iter([Ok(ChatEvent::finished(FinishReason::Stop))]);
        Box::pin(async move { Ok(ChatReply::new(said.chain(end))) })
    }
}
