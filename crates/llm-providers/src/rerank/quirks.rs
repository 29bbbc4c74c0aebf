//! [`RerankQuirks`]: how a service wants to be asked for rerank, as data.

use llm_core::ScoreType;
use serde::Deserialize;

/// How a service wants to be asked, and how to read its scores. `Default` is what most servers take: the shape that
/// Cohere gave, at `rerank` below the base URL, with scores that only compare with each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RerankQuirks {
    /// The form of request and answer.
    pub shape: RerankShape,
    /// Where it is below the base URL, if not at `rerank`; `{model}` stands for the model's name, `{model_}` for
    /// the same with `_` in place of `.`, as NVIDIA writes it.
    pub path: Option<String>,
    /// Rerank below another base URL than the rest.
    pub elsewhere: Vec<Elsewhere>,
    /// What the scores are; `None` promises nothing ([`ScoreType::Unbounded`]).
    pub scores: Option<ScoreType>,
    /// The most documents of one call.
    pub batch: Option<u32>,
    /// The documents come back unless the request says that nobody needs them.
    pub returns_documents: bool,
}

/// A service whose rerank is below another base URL than the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    /// The base URL of the rest. Only an instance that has this one is meant: whoever chose another base URL gets
    /// everything from there, and no key is sent elsewhere.
    pub instead_of: String,
    /// The base URL for rerank.
    pub base_url: String,
    /// Replaces the path.
    #[serde(default)]
    pub path: Option<String>,
}

/// The form of request and answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RerankShape {
    /// `{model, query, documents, top_n}` → `{results: [{index, relevance_score}]}`; some services call the list `data`.
    #[default]
    Cohere,
    /// `{model, query, documents, top_k}` → `{data: [{index, relevance_score}]}`.
    Voyage,
    /// `{query, texts}` → `[{index, score}]`; the server has one model.
    Tei,
    /// `{model, query: {text}, passages: [{text}]}` → `{rankings: [{index, logit}]}`.
    Nim,
    /// `{queries, documents}` → `{scores}`, one question for each document.
    DeepInfra,
}

impl RerankQuirks {
    /// The row of [`RerankQuirks::elsewhere`] that an instance is meant by.
    pub(crate) fn elsewhere(&self, base_url: &str) -> Option<&Elsewhere> {
        let base_url = base_url.trim_end_matches('/');
        self.elsewhere.iter().find(|place| place.instead_of == base_url)
    }

    /// The path below the base URL, with `{model}` where the model's name goes.
    pub(crate) fn path<'a>(&'a self, elsewhere: Option<&'a Elsewhere>) -> &'a str {
        let path = elsewhere.and_then(|place| place.path.as_deref());
        path.or(self.path.as_deref()).unwrap_or("rerank")
    }
}
