//! [`Asking`]: the calls for one document, kept, counted and bounded.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use llm_core::{ChatRequest, ChatResponse, Message, ModelError, Retry, RetryHint};
use rag_core::{ArtifactKey, ArtifactKind, EnrichmentOptions};

use super::{Enricher, EnricherParts};
use crate::artifacts::{self, Artifacts};

/// The calls for one document.
pub(crate) struct Asking<'a> {
    parts: &'a EnricherParts,
    artifacts: &'a Artifacts,
    most_tokens: Option<u64>,
    tokens: AtomicU64,
    /// A call succeeded: what fails from then on is a warning.
    answered: AtomicBool,
    warnings: Mutex<Warnings>,
}

#[derive(Default)]
struct Warnings {
    unpaid: u64,
    failed: u64,
    last_failure: Option<String>,
    unreadable: u64,
}

impl<'a> Asking<'a> {
    pub(crate) fn new(enricher: &'a Enricher, options: &EnrichmentOptions) -> Self {
        Self {
            parts: &enricher.parts,
            artifacts: &enricher.artifacts,
            most_tokens: options.most_tokens,
            tokens: AtomicU64::new(0),
            answered: AtomicBool::new(false),
            warnings: Mutex::default(),
        }
    }

    /// The same for a document that has cost so many tokens before.
    pub(crate) fn after(self, spent: u64) -> Self {
        self.tokens.store(spent, Ordering::Relaxed);
        self
    }

    /// The answer to a prompt, which was kept or is asked for now; `None` when it cannot be had, which is noted.
    ///
    /// # Errors
    /// The model's, when it is the first call and another time may mend it.
    pub(crate) async fn ask(&self, prompt: String) -> Result<Option<String>, ModelError> {
        let key = self.key(&prompt);
        if let Some(kept) = self.kept(key).await {
            return Ok(Some(kept));
        }
        if self.most_tokens.is_some_and(|most| self.tokens.load(Ordering::Relaxed) >= most) {
            self.note(|warnings| warnings.unpaid += 1);
            return Ok(None);
        }
        match self.call(prompt).await {
            Ok(answer) => {
                self.answered.store(true, Ordering::Relaxed);
                self.artifacts.keep(vec![(key, answer.clone().into_bytes())]).await;
                Ok(Some(answer))
            }
            Err(error) if self.is_worth_waiting(&error) => Err(error),
            Err(error) => {
                self.note(|warnings| {
                    warnings.failed += 1;
                    warnings.last_failure = Some(error.to_string());
                });
                Ok(None)
            }
        }
    }

    /// Asks for each of these, several at once, and gives the outcomes in order.
    ///
    /// Boxed, since the compiler cannot see that an opaque stream over borrowed items is `Send`.
    pub(crate) fn ask_each<'s, T: Send + 's>(
        &'s self,
        prompts: impl IntoIterator<Item = (T, Option<String>), IntoIter: Send + 's>,
    ) -> BoxStream<'s, Result<(T, Option<String>), ModelError>> {
        let asked = prompts.into_iter().map(move |(of, prompt)| async move {
            match prompt {
                Some(prompt) => Ok((of, self.ask(prompt).await?)),
                None => Ok((of, None)),
            }
        });
        stream::iter(asked).buffered(self.parts.concurrency.max(1)).boxed()
    }

    /// Notes that an answer was not what was asked for.
    pub(crate) fn unreadable(&self) {
        self.note(|warnings| warnings.unreadable += 1);
    }

    /// What is missing, and what it cost.
    pub(crate) fn finish(self) -> (Vec<String>, u64) {
        let tokens = self.tokens.into_inner();
        let noted = self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut warnings = Vec::new();
        if noted.unpaid > 0 {
            let (calls, tokens) = (noted.unpaid, self.most_tokens.unwrap_or(tokens));
            warnings.push(format!(
                "enrichment stopped at {tokens} tokens; {calls} calls were not made (`most_tokens`)"
            ));
        }
        if let Some(last) = noted.last_failure {
            warnings.push(format!("enrichment: {} calls failed, the last: {last}", noted.failed));
        }
        if noted.unreadable > 0 {
            let answers = noted.unreadable;
            warnings.push(format!("enrichment: {answers} answers were not what was asked for"));
        }
        (warnings, tokens)
    }

    async fn call(&self, prompt: String) -> Result<String, ModelError> {
        let asked = prompt.len();
        let request = ChatRequest {
            model: self.parts.chat.info().name.model.clone(),
            messages: vec![Message::user(prompt)],
            ..ChatRequest::default()
        };
        let reply = self.parts.chat.chat(request).await?;
        let response = ChatResponse::collect(reply).await?;
        let answer = response.text();
        let usage = &response.usage;
        let tokens = usage.input_tokens.unwrap_or(about(asked))
            + usage.output_tokens.unwrap_or(about(answer.len()));
        self.tokens.fetch_add(tokens, Ordering::Relaxed);
        Ok(answer)
    }

    /// A provider that is down, or full: nothing is lost by trying the document later.
    fn is_worth_waiting(&self, error: &ModelError) -> bool {
        let passes = error.is_refusal() || !matches!(error.retry(), Retry::No);
        passes && !self.answered.load(Ordering::Relaxed)
    }

    fn key(&self, prompt: &str) -> ArtifactKey {
        let model = self.parts.chat.info().name.to_string();
        artifacts::key(ArtifactKind::Enrichment, &[model.as_bytes(), prompt.as_bytes()])
    }

    async fn kept(&self, key: ArtifactKey) -> Option<String> {
        let kept = self.artifacts.find(vec![key]).await;
        String::from_utf8(kept.into_iter().next()??).ok()
    }

    fn note(&self, note: impl FnOnce(&mut Warnings)) {
        note(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The tokens of so many bytes, roughly: providers that do not count them cost something all the same.
fn about(bytes: usize) -> u64 {
    const BYTES_A_TOKEN: usize = 4;
    bytes.div_ceil(BYTES_A_TOKEN) as u64
}
