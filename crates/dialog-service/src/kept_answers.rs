//! [`KeptAnswers`]: answers that dialogs gave before, given again.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_stream::stream;
use futures::{Stream, StreamExt};
use llm_bundle::{Meaning, SemanticOptions};
use llm_core::{EmbeddingModel, FinishReason, Role};
use lru::LruCache;
use rag_core::DocumentId;
use tokio::time::Instant;

use crate::memory::now;
use crate::{DialogError, DialogEvent, Done, EvidenceSource, Turn};

/// Scopes whose answers are kept, and answers of one scope.
const MOST_SCOPES: NonZeroUsize = NonZeroUsize::new(256).expect("it is not zero");
const MOST_ANSWERS: usize = 64;

/// An answer with more text than this is not kept.
const MOST_TEXT: usize = 64 << 10;

/// Answers that dialogs gave before, for questions that mean the same. An answer is given again as long as its time is not
/// over and no document that it cites has changed. Clones share them. They live in this process.
#[derive(Clone)]
pub struct KeptAnswers(Arc<Inner>);

struct Inner {
    embedding: Arc<dyn EmbeddingModel>,
    options: SemanticOptions,
    kept: Mutex<LruCache<String, VecDeque<Arc<Kept>>>>,
}

/// Whether a dialog's answers are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAnswers {
    /// What decides about the answer besides the question, and who may be given it: two turns with equal scopes are given
    /// each other's answers.
    pub scope: String,
    /// How long.
    pub time: Duration,
}

struct Kept {
    meaning: Meaning,
    until: Instant,
    /// The documents that it cites, and when they had changed last.
    cited: Vec<(DocumentId, Option<i64>)>,
    /// All between the first event and the last.
    events: Vec<DialogEvent>,
    done: Done,
}

impl KeptAnswers {
    /// None yet; questions are compared by this model.
    pub fn new(embedding: Arc<dyn EmbeddingModel>, options: SemanticOptions) -> Self {
        let kept = Mutex::new(LruCache::new(MOST_SCOPES));
        Self(Arc::new(Inner { embedding, options, kept }))
    }

    /// The same events, or those of an answer that was kept, whose last one says so; an answer that is worth it is kept.
    pub(crate) fn remembering(
        self,
        question: String,
        keep: KeepAnswers,
        evidence: Arc<dyn EvidenceSource>,
        answer: impl Stream<Item = Result<DialogEvent, DialogError>> + Send,
    ) -> impl Stream<Item = Result<DialogEvent, DialogError>> + Send {
        stream! {
            let mut answer = std::pin::pin!(answer);
            let Inner { embedding, options, .. } = &*self.0;
            let began = now();
            let Some(first) = answer.next().await else { return };
            let is_started = first.is_ok();
            yield first;
            let meaning = match is_started {
                true => Meaning::of(&question, &**embedding, options).await,
                false => None,
            };
            if let Some(meaning) = &meaning
                && let Some(kept) = self.find(&keep.scope, meaning, &*evidence).await
            {
                for event in &kept.events {
                    yield Ok(event.clone());
                }
                yield Ok(DialogEvent::Done(kept.done.clone()));
                return;
            }
            let mut events = Some(Vec::new());
            while let Some(event) = answer.next().await {
                match &event {
                    Ok(DialogEvent::Done(done)) => {
                        if let (Some(events), Some(meaning)) = (events.take(), meaning.clone()) {
                            self.keep(&keep, meaning, events, done, began, &*evidence).await;
                        }
                    }
                    Ok(event) if is_kept(event) => {
                        if let Some(events) = &mut events {
                            events.push(event.clone());
                        }
                    }
                    _ => events = None,
                }
                yield event;
            }
        }
    }

    async fn find(
        &self,
        scope: &str,
        meaning: &Meaning,
        evidence: &dyn EvidenceSource,
    ) -> Option<Arc<Kept>> {
        let near = self.near(scope, meaning)?;
        let documents = near.cited.iter().map(|(document, _)| document.clone()).collect();
        let changed = evidence.changed_at(documents).await.ok()?;
        let is_same = near.cited.iter().map(|(_, at)| *at).eq(changed);
        if !is_same {
            let mut kept = self.lock();
            if let Some(answers) = kept.get_mut(scope) {
                answers.retain(|answer| !Arc::ptr_eq(answer, &near));
            }
        }
        is_same.then_some(near)
    }

    fn near(&self, scope: &str, meaning: &Meaning) -> Option<Arc<Kept>> {
        let now = Instant::now();
        let mut kept = self.lock();
        let answers = kept.get_mut(scope)?;
        answers.retain(|answer| answer.until > now);
        let near = answers.iter().filter_map(|answer| {
            let similarity = answer.meaning.similarity(meaning)?;
            (similarity >= self.0.options.threshold).then_some((similarity, answer))
        });
        near.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, answer)| answer.clone())
    }

    async fn keep(
        &self,
        keep: &KeepAnswers,
        meaning: Meaning,
        events: Vec<DialogEvent>,
        done: &Done,
        began: i64,
        evidence: &dyn EvidenceSource,
    ) {
        if done.finish != FinishReason::Stop || text_bytes(&events) > MOST_TEXT {
            return;
        }
        let documents = cited(&events);
        let Ok(changed) = evidence.changed_at(documents.clone()).await else { return };
        // Without a source whose changes can be told, an answer would never grow old; and what changed while it was
        // answered may be newer than what the answer says.
        let is_older = |at: &Option<i64>| at.is_some_and(|at| at < began);
        if documents.is_empty() || !changed.iter().all(is_older) {
            return;
        }
        let Some(until) = Instant::now().checked_add(keep.time) else { return };
        let done = Done {
            kept: true,
            usage: Default::default(),
            spent: Vec::new(),
            timings: Default::default(),
            ..done.clone()
        };
        let cited = documents.into_iter().zip(changed).collect();
        let answer = Arc::new(Kept { meaning, until, cited, events, done });
        let mut kept = self.lock();
        let answers = kept.get_or_insert_mut(keep.scope.clone(), VecDeque::new);
        if answers.len() == MOST_ANSWERS {
            answers.pop_front();
        }
        answers.push_back(answer);
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<String, VecDeque<Arc<Kept>>>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The question of a turn whose answer is to be kept. One that leans on others, brings files along or runs tools is always
/// answered anew.
pub(crate) fn wanted(turn: &Turn) -> Option<(String, KeepAnswers)> {
    let keep = turn.dialog.keep.clone().filter(|_| stands_alone(turn))?;
    Some((turn.messages.last()?.text(), keep))
}

fn stands_alone(turn: &Turn) -> bool {
    let users = turn.messages.iter().filter(|message| message.role == Role::User).count();
    users == 1
        && turn.messages.len() == 1
        && turn.attachments.is_empty()
        && turn.dialog.tools.is_none()
        && turn.request.tools.is_empty()
}

/// What belongs to an answer that can be given again. A warning says that it is not as it should be.
fn is_kept(event: &DialogEvent) -> bool {
    matches!(
        event,
        DialogEvent::Question { .. }
            | DialogEvent::Retrieved { .. }
            | DialogEvent::Reasoning(_)
            | DialogEvent::Delta { .. }
            | DialogEvent::Citation(_)
            | DialogEvent::Related { .. }
            | DialogEvent::MindMap { .. }
    )
}

fn text_bytes(events: &[DialogEvent]) -> usize {
    let length = |event: &DialogEvent| match event {
        DialogEvent::Delta { text } => text.len(),
        DialogEvent::Reasoning(delta) => delta.text.len(),
        _ => 0,
    };
    events.iter().map(length).sum()
}

/// The documents that an answer cites, each once.
fn cited(events: &[DialogEvent]) -> Vec<DocumentId> {
    let mut passages = None;
    let mut documents = Vec::new();
    let mut known = HashSet::new();
    for event in events {
        match event {
            DialogEvent::Retrieved { passages: found, .. } => passages = Some(found),
            DialogEvent::Citation(citation) => {
                let passage = passages.and_then(|passages| passages.get(citation.passage));
                let document = passage.map(|passage| passage.chunk.document.clone());
                documents.extend(document.filter(|document| known.insert(document.clone())));
            }
            _ => {}
        }
    }
    documents
}
