//! [`WebSearch`]: pages of the web as evidence.

use std::fmt;

use dialog_service::{DialogError, Evidence, EvidenceRequest, EvidenceSource, Passage};
use futures::future::BoxFuture;
use rag_core::{Chunk, ChunkId, DatasetId, DocumentId};
use rag_retrieve::Explanation;
use reqwest::Client;
use url::Url;

use crate::client::{answer, client};
use crate::{Engine, WebError, WebOptions, WebPage};

/// The most bytes of a question that are sent.
const MOST_QUESTION: usize = 400;

/// Bytes of a page's text that are shown.
const MOST_TEXT: usize = 8 << 10;

/// A search engine. Cheap to clone; clones share connections. Whoever may ask it tells it their question.
#[derive(Clone)]
pub struct WebSearch {
    engine: Engine,
    base: Url,
    options: WebOptions,
    client: Client,
}

impl WebSearch {
    /// The engine at this address, which the operator chose: any is allowed. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`WebError::Address`], [`WebError::Tls`].
    pub fn new(engine: Engine, address: &str, options: WebOptions) -> Result<Self, WebError> {
        let wrong = |reason: &str| WebError::Address {
            address: address.chars().take(200).collect(),
            reason: reason.into(),
        };
        let base = Url::parse(address).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong("it begins with http:// or https://"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong("it holds no user and password"));
        }
        let client = client(&options, base.scheme() == "https")?;
        Ok(Self { engine, base, options, client })
    }

    /// Pages about a question, best first. The future borrows nothing; dropping it cancels the request.
    ///
    /// # Errors
    /// [`WebError`].
    pub fn search(&self, question: &str) -> BoxFuture<'static, Result<Vec<WebPage>, WebError>> {
        let question = &question[..question.floor_char_boundary(MOST_QUESTION)];
        let request = self.engine.request(&self.client, &self.base, question, &self.options);
        let (engine, most) = (self.engine, self.options.pages);
        Box::pin(async move { engine.pages(&answer(request).await?, most) })
    }
}

impl fmt::Debug for WebSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, base, .. } = self;
        f.debug_struct("WebSearch").field("engine", engine).field("base", &base.as_str()).finish()
    }
}

impl EvidenceSource for WebSearch {
    fn find(&self, request: EvidenceRequest) -> BoxFuture<'static, Result<Evidence, DialogError>> {
        let pages = self.search(&request.question);
        let (top, threshold) = (request.top, request.threshold);
        Box::pin(async move {
            let pages = pages.await.map_err(|error| DialogError::Retrieval(Box::new(error)))?;
            let fitting = pages.into_iter().filter(|page| page.score >= threshold);
            let passages = fitting.take(top).filter_map(passage).collect();
            Ok(Evidence { passages, ..Evidence::default() })
        })
    }
}

/// A page as a passage. Its ids are made of its address, and belong to nothing that is stored.
fn passage(page: WebPage) -> Option<Passage> {
    let digest = blake3::hash(page.url.as_str().as_bytes()).to_hex();
    let id = &digest.as_str()[..32];
    let (chunk, document) = (id.parse::<ChunkId>().ok()?, id.parse::<DocumentId>().ok()?);
    let dataset: DatasetId = "web".parse().ok()?;
    let text = page.text.trim();
    let text = text[..text.floor_char_boundary(MOST_TEXT)].to_owned();
    let name = if page.title.trim().is_empty() { page.url.as_str() } else { page.title.trim() };
    Some(Passage {
        chunk: Chunk::new(chunk, dataset, document, text),
        document_name: name.to_owned(),
        title: None,
        url: Some(page.url.to_string()),
        score: page.score,
        why: Explanation::default(),
    })
}
