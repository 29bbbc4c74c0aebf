//! `cargo xtask eval answers`: whether replies hold the labelled answers, and whether their citations lead to where those
//! stand. What is measured is what runs: store, retriever and `DialogService` with their defaults, and any chat model.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use dialog_service::{Citation, Dialog, DialogEvent, DialogService, Passage, Turn};
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use llm_bundle::{Adapted, SyncPool};
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, FinishReason, Message, ModelError, ModelInfo,
    ModelKind, ModelName, SyncChatModel, SyncEmbeddingModel,
};
use llm_local::{Extractive, StaticEmbedding};
use llm_providers::catalogue::{self, Dialect, ProviderEntry};
use llm_providers::{Access, connect_entry};
use rag_core::TurnId;
use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

use super::evidence::{Evidence, EvidenceSet, Question};
use super::library::Library;
use super::retrieval_set::{self, RetrievalSet};

/// The model that is measured when none is named.
const EXTRACTIVE: &str = "local/extractive";

/// What to measure, and how to print it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Labelled sets with spans of evidence, or directories of them [default: the shared ones beside the workspace]
    directories: Vec<PathBuf>,
    /// The chat model that answers, as provider/model
    #[arg(long, default_value = EXTRACTIVE)]
    model: String,
    /// Where its provider is, if not at its usual address
    #[arg(long)]
    base_url: Option<String>,
    /// The environment variable with its key [default: the provider's usual one]
    #[arg(long)]
    key_variable: Option<String>,
    /// In place of a model's, take the labelled sentences as replies, of which only one word in so many is kept, and without
    /// markers: how well sentences are matched to their passages
    #[arg(long, value_name = "N", conflicts_with = "model")]
    reworded: Option<usize>,
    /// Match sentences without markers by words alone
    #[arg(long)]
    words_only: bool,
    /// At most so many questions of each set, evenly spread
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    questions: usize,
    /// Questions that are asked at once
    #[arg(long, default_value_t = 2)]
    parallel: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    set: String,
    model: String,
    #[serde(flatten)]
    score: Score,
    milliseconds_per_question: f64,
}

/// Shares of a set's questions, but for `precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Score {
    questions: usize,
    /// Those whose turn failed.
    failed: usize,
    /// Whose reply holds a labelled answer, letter case aside.
    answer: f64,
    /// Whose reply holds the whole sentence in which a labelled answer stands.
    sentence: f64,
    /// Of all citations, those of a passage in which a labelled answer stands.
    citation_precision: f64,
    /// Whose reply has such a citation.
    citation_recall: f64,
    /// Whose reply has a citation of the very words: the quote overlaps a labelled answer.
    quoted: f64,
    citations_per_reply: f64,
}

/// What came of one question.
struct Outcome {
    reply: String,
    /// Each with the place of its passage in the corpus, and the passage's span there.
    citations: Vec<(usize, Range<usize>, Citation)>,
}

/// Measures every set and prints a row for each.
pub(crate) fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure_all(args))
}

async fn measure_all(args: &Args) -> Result<()> {
    let model = model(args)?;
    if !args.json {
        println!(
            "{:14} {:24} {:>9} {:>6} {:>8} {:>9} {:>6} {:>6} {:>9} {:>6}",
            "set",
            "model",
            "questions",
            "answer",
            "sentence",
            "precision",
            "recall",
            "quoted",
            "citations",
            "ms"
        );
    }
    let mut measured = 0;
    for directory in retrieval_set::find(&args.directories)? {
        match EvidenceSet::load(&directory) {
            Ok(evidence) => {
                print(&measure(args, &directory, &evidence, model.clone()).await?, args.json)?;
                measured += 1;
            }
            Err(error) => eprintln!("{} is left out: {error:#}", directory.display()),
        }
    }
    ensure!(measured > 0, "no set tells where its answers stand");
    Ok(())
}

async fn measure(
    args: &Args,
    directory: &Path,
    evidence: &EvidenceSet,
    model: Arc<dyn ChatModel>,
) -> Result<Row> {
    let set = RetrievalSet::load(directory)?;
    let library = Library::of(&set.documents, Arc::new(StaticEmbedding::new()))?;
    let pool = SyncPool::builder().name("callers").build()?;
    let mut service = DialogService::new(
        Arc::new(library.source(pool)),
        Arc::new(|text: &str| llm_tokens::estimate(text) as usize),
    );
    if !args.words_only {
        let threads = SyncPool::builder().name("matching").models().build()?;
        let model: Arc<dyn SyncEmbeddingModel> = Arc::new(StaticEmbedding::new());
        service = service.with_matching(Arc::new(Adapted::new(model, threads)));
    }
    let dialog = Dialog { datasets: vec![library.dataset().clone()], ..Dialog::default() };

    let asked = spread(&evidence.questions, args.questions);
    let began = Instant::now();
    let outcomes: Vec<Result<Outcome>> = stream::iter(asked.iter().map(|question| {
        let turn = Turn {
            id: TurnId::from_u128(0),
            asked_at: SystemTime::now(),
            messages: vec![Message::user(&question.text)],
            attachments: Vec::new(),
            model: match args.reworded {
                Some(one_in) => Arc::new(Reworded::of(question, evidence, one_in)),
                None => model.clone(),
            },
            request: ChatRequest { model: args.model.clone(), ..ChatRequest::default() },
            dialog: dialog.clone(),
            trail: Arc::default(),
            embedders: None,
            trace: Arc::default(),
            stop: Default::default(),
        };
        ask(&service, turn)
    }))
    .buffered(args.parallel.max(1))
    .collect()
    .await;
    let took = began.elapsed();
    let mut marks = Vec::new();
    for (question, outcome) in asked.iter().zip(outcomes) {
        match outcome {
            Ok(outcome) => marks.push(Some(Mark::of(question, &outcome, evidence))),
            Err(error) => {
                eprintln!("{:?} failed: {error:#}", question.text);
                marks.push(None);
            }
        }
    }
    Ok(Row {
        set: set.name,
        model: args.reworded.map_or_else(|| args.model.clone(), |n| format!("(one word in {n})")),
        score: Score::of(&marks),
        milliseconds_per_question: took.as_secs_f64() * 1e3 / asked.len() as f64,
    })
}

async fn ask(service: &DialogService, turn: Turn) -> Result<Outcome> {
    let mut events = Box::pin(service.answer(turn));
    let mut passages: Arc<[Passage]> = Arc::new([]);
    let (mut reply, mut citations) = (String::new(), Vec::new());
    while let Some(event) = events.try_next().await? {
        match event {
            DialogEvent::Retrieved { passages: found, .. } => passages = found,
            DialogEvent::Delta { text } => reply.push_str(&text),
            DialogEvent::Citation(citation) => {
                let passage =
                    passages.get(citation.passage).context("the passage of a citation")?;
                let document = passage.document_name.parse().context("a document's place")?;
                citations.push((document, passage.chunk.span.clone(), citation));
            }
            _ => {}
        }
    }
    Ok(Outcome { reply, citations })
}

/// Replies with one text, whatever it is asked.
struct Reworded {
    info: ModelInfo,
    text: String,
}

impl Reworded {
    /// The sentence in which the first labelled answer stands, of which one word in so many is kept.
    fn of(question: &Question, set: &EvidenceSet, one_in: usize) -> Self {
        let sentence = question.evidence.first().and_then(|evidence| {
            let (_, text) = set.documents.iter().find(|(name, _)| *name == evidence.document)?;
            Some(sentence_around(text, &evidence.span))
        });
        let kept = sentence.unwrap_or_default().split_word_bounds();
        let mut words = 0;
        let text = kept.filter(|word| {
            let is_word = word.chars().any(char::is_alphanumeric);
            words += usize::from(is_word);
            !is_word || words % one_in.max(1) == 1 % one_in.max(1)
        });
        let text = text.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
        let mut info = ModelInfo::new(ModelName::new("eval", "reworded"), ModelKind::Chat);
        info.capabilities.instructions = Some(false);
        Self { info, text }
    }
}

impl ChatModel for Reworded {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, _: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let events = [ChatEvent::text(&self.text), ChatEvent::finished(FinishReason::Stop)];
        Box::pin(async { Ok(ChatReply::new(stream::iter(events.map(Ok)))) })
    }
}

/// What is right about one reply.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mark {
    answer: bool,
    sentence: bool,
    citations: usize,
    right_citations: usize,
    quoted: bool,
}

impl Mark {
    fn of(question: &Question, outcome: &Outcome, set: &EvidenceSet) -> Self {
        let reply = plain(&outcome.reply);
        let holds = |text: &str| reply.contains(&plain(text));
        let stands = |evidence: &Evidence| {
            set.documents.iter().position(|(name, _)| *name == evidence.document)
        };
        let labelled: Vec<(usize, &Range<usize>)> =
            question.evidence.iter().filter_map(|e| Some((stands(e)?, &e.span))).collect();
        let leads_to = |place: usize, span: &Range<usize>| {
            labelled.iter().any(|(document, answer)| *document == place && overlap(answer, span))
        };
        let right =
            outcome.citations.iter().filter(|(place, passage, _)| leads_to(*place, passage));
        Self {
            answer: labelled
                .iter()
                .any(|(place, span)| holds(&set.documents[*place].1[(*span).clone()])),
            sentence: labelled
                .iter()
                .any(|(place, span)| holds(sentence_around(&set.documents[*place].1, span))),
            citations: outcome.citations.len(),
            right_citations: right.count(),
            quoted: outcome.citations.iter().any(|(place, _, c)| leads_to(*place, &c.source)),
        }
    }
}

impl Score {
    /// `None` is a question whose turn failed.
    fn of(marks: &[Option<Mark>]) -> Self {
        let share = |is: fn(&Mark) -> bool| {
            marks.iter().flatten().filter(|mark| is(mark)).count() as f64 / marks.len() as f64
        };
        let sum = |of: fn(&Mark) -> usize| marks.iter().flatten().map(of).sum::<usize>() as f64;
        let citations = sum(|mark| mark.citations);
        Self {
            questions: marks.len(),
            failed: marks.iter().filter(|mark| mark.is_none()).count(),
            answer: share(|mark| mark.answer),
            sentence: share(|mark| mark.sentence),
            citation_precision: sum(|mark| mark.right_citations) / citations.max(1.0),
            citation_recall: share(|mark| mark.right_citations > 0),
            quoted: share(|mark| mark.quoted),
            citations_per_reply: citations / marks.len() as f64,
        }
    }
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Lower case, every run of white space one space.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The sentence that holds the beginning of `span`, or all of `span` where that goes on behind it.
fn sentence_around<'a>(text: &'a str, span: &Range<usize>) -> &'a str {
    let bounds = text.split_sentence_bound_indices().map(|(start, s)| start..start + s.len());
    let around = bounds.into_iter().find(|bounds| bounds.contains(&span.start));
    let around = around.unwrap_or(span.clone());
    text[around.start..around.end.max(span.end)].trim()
}

/// At most `count` of them, evenly spread.
fn spread(questions: &[Question], count: usize) -> Vec<&Question> {
    let count = count.clamp(1, questions.len());
    (0..count).map(|number| &questions[number * questions.len() / count]).collect()
}

fn print(row: &Row, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(row)?);
        return Ok(());
    }
    let score = &row.score;
    println!(
        "{:14} {:24} {:9} {:6.3} {:8.3} {:9.3} {:6.3} {:6.3} {:9.2} {:6.1}",
        row.set,
        row.model,
        score.questions,
        score.answer,
        score.sentence,
        score.citation_precision,
        score.citation_recall,
        score.quoted,
        score.citations_per_reply,
        row.milliseconds_per_question
    );
    Ok(())
}

/// The model to measure: the one that needs nothing, or a provider's.
fn model(args: &Args) -> Result<Arc<dyn ChatModel>> {
    if args.model == EXTRACTIVE {
        let pool = SyncPool::builder().name("models").models().build()?;
        let model: Arc<dyn SyncChatModel> = Arc::new(Extractive::new());
        return Ok(Arc::new(Adapted::new(model, pool)));
    }
    let (provider, model) = args.model.split_once('/').context("a model is provider/model")?;
    let entry = entry(provider, args.base_url.as_deref())?;
    let variables = args.key_variable.iter().chain(&entry.key_variables);
    let key = variables.filter_map(|name| std::env::var(name).ok()).next().map(Into::into);
    let access = Access { key, base_url: args.base_url.clone(), ..Access::default() };
    let source = connect_entry(&entry, access)?;
    source.chat(model).with_context(|| format!("`{provider}` has no chat models"))
}

/// What is known of a provider; one that nobody knows speaks OpenAI's dialect at `base_url`.
fn entry(provider: &str, base_url: Option<&str>) -> Result<ProviderEntry> {
    match (catalogue::find(provider), base_url) {
        (Some(entry), _) => Ok(entry.clone()),
        (None, Some(url)) => Ok(ProviderEntry::unlisted(provider, Dialect::default(), url)),
        (None, None) => anyhow::bail!("no provider `{provider}` is known; add --base-url"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> EvidenceSet {
        let text = "Tea is old. Water for it has 80 degrees.\nCoffee is younger.";
        EvidenceSet {
            documents: vec![("a".into(), "Milk is white.".into()), ("b".into(), text.into())],
            questions: Vec::new(),
        }
    }

    fn question() -> Question {
        let evidence = vec![Evidence { document: "b".into(), span: 29..39 }];
        Question { text: "How hot?".into(), evidence }
    }

    fn citation(source: Range<usize>) -> Citation {
        Citation {
            passage: 0,
            answer: 0..1,
            quote: String::new(),
            source,
            page: None,
            support: 1.0,
        }
    }

    #[test]
    fn replies_and_citations_are_held_against_the_labelled_answer() {
        let check = |reply: &str, citations: Vec<(usize, Range<usize>, Citation)>, expected| {
            let outcome = Outcome { reply: reply.into(), citations };
            assert_eq!(Mark::of(&question(), &outcome, &set()), expected, "{reply}");
        };
        let whole = "water for it\nhas 80 degrees.";
        check(
            whole,
            vec![(1, 0..59, citation(12..40))],
            Mark { answer: true, sentence: true, citations: 1, right_citations: 1, quoted: true },
        );
        check(
            "80 Degrees",
            vec![(1, 0..59, citation(0..11)), (0, 0..14, citation(0..14))],
            Mark { answer: true, sentence: false, citations: 2, right_citations: 1, quoted: false },
        );
        check(
            "It is hot.",
            vec![(1, 41..59, citation(41..59))],
            Mark { citations: 1, ..Mark::default() },
        );
    }

    #[test]
    fn a_turn_that_failed_is_no_answer() {
        let right = Mark { answer: true, citations: 2, right_citations: 1, ..Mark::default() };
        let score = Score::of(&[Some(right), None]);
        assert_eq!((score.questions, score.failed), (2, 1));
        assert_eq!(
            (score.answer, score.citation_precision, score.citation_recall),
            (0.5, 0.5, 0.5)
        );
    }

    #[test]
    fn questions_are_spread_over_the_set() {
        let questions: Vec<Question> = (0..10)
            .map(|number| Question { text: number.to_string(), evidence: Vec::new() })
            .collect();
        let texts =
            |count| spread(&questions, count).iter().map(|q| q.text.clone()).collect::<String>();
        assert_eq!((texts(3).as_str(), texts(99).as_str()), ("036", "0123456789"));
    }
}
