//! [`ToolSet`]: the tools of a conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures::future::try_join_all;
use llm_core::{
    ErrorKind, ModelError, Operation, SyncToolHandler, Tool, ToolError, ToolHandler, ToolSource,
};

use crate::{Adapted, SyncPool};

/// Names of functions may be so long with OpenAI and Anthropic.
const LONGEST_NAME: usize = 64;

/// The tools of a conversation: some that are known, and sources that are asked for theirs when it begins. Cheap to
/// clone.
#[derive(Clone, Default)]
pub struct ToolSet {
    handlers: Arc<[Arc<dyn ToolHandler>]>,
    sources: Arc<[Arc<dyn ToolSource>]>,
}

/// Puts a [`ToolSet`] together.
#[derive(Default)]
pub struct ToolSetBuilder {
    handlers: Vec<Arc<dyn ToolHandler>>,
    sources: Vec<Arc<dyn ToolSource>>,
}

/// A tool that cannot be offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolSetError {
    /// Two tools have one name.
    #[error("there are two tools named `{name}`; a model could not tell them apart")]
    Twice {
        /// The name.
        name: String,
    },
    /// Providers would refuse the name.
    #[error("`{name}` is no name for a tool; take up to 64 letters, digits, `_` and `-`")]
    Name {
        /// The name.
        name: String,
    },
    /// It is a tool that the provider runs.
    #[error("a tool that the provider runs goes into the request, not into a set of tools to run")]
    NotAFunction,
}

impl ToolSetBuilder {
    /// Adds a tool.
    pub fn tool(mut self, tool: Arc<dyn ToolHandler>) -> Self {
        self.handlers.push(tool);
        self
    }

    /// Adds a synchronous tool, to be run on `pool`; see [`Adapted`].
    pub fn sync_tool(self, tool: Arc<dyn SyncToolHandler>, pool: &SyncPool) -> Self {
        self.tool(Arc::new(Adapted::new(tool, pool.clone())))
    }

    /// Adds the tools of somebody else, as they are when a conversation begins. One whose name is taken is left out.
    pub fn source(mut self, source: Arc<dyn ToolSource>) -> Self {
        self.sources.push(source);
        self
    }

    /// The set.
    ///
    /// # Errors
    /// A tool without a name that providers take, or with one that is taken.
    pub fn build(self) -> Result<ToolSet, ToolSetError> {
        let mut names = BTreeSet::new();
        for handler in &self.handlers {
            let name = handler.tool().name().ok_or(ToolSetError::NotAFunction)?;
            if !is_name(name) {
                return Err(ToolSetError::Name { name: name.into() });
            }
            if !names.insert(name) {
                return Err(ToolSetError::Twice { name: name.into() });
            }
        }
        Ok(ToolSet { handlers: self.handlers.into(), sources: self.sources.into() })
    }
}

impl ToolSet {
    /// Starts putting one together.
    pub fn builder() -> ToolSetBuilder {
        ToolSetBuilder::default()
    }

    /// What is on offer now, next to the tools of a request.
    ///
    /// # Errors
    /// A source that cannot list its tools; a name that one of `taken` has, too.
    pub(super) async fn offer(&self, taken: &[Tool]) -> Result<Offer, ModelError> {
        let listings = self.sources.iter().map(|source| async move {
            let listed = source.tools().await;
            listed.map_err(|error| unlisted(source.name(), error))
        });
        let listed = try_join_all(listings).await?;
        let mut offer = Offer::default();
        for handler in &*self.handlers {
            offer.add(handler);
        }
        for handler in listed.iter().flatten() {
            if !offer.add(handler) {
                let name = handler.tool().name();
                tracing::warn!(name, "a tool is left out: its name is taken, or is none");
            }
        }
        let twice = taken.iter().filter_map(Tool::name).find(|name| offer.get(name).is_some());
        match twice {
            Some(name) => Err(taken_name(name)),
            None => Ok(offer),
        }
    }
}

impl fmt::Debug for ToolSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.handlers.iter().filter_map(|handler| handler.tool().name());
        let sources = self.sources.iter().map(|source| source.name());
        f.debug_struct("ToolSet")
            .field("tools", &names.collect::<Vec<_>>())
            .field("sources", &sources.collect::<Vec<_>>())
            .finish()
    }
}

/// The tools that one conversation can use.
#[derive(Default)]
pub(super) struct Offer {
    handlers: BTreeMap<String, Arc<dyn ToolHandler>>,
    /// In the order of the set, so that the provider's prompt cache sees the same each time.
    tools: Vec<Tool>,
}

impl Offer {
    /// Whether there was a place for it.
    fn add(&mut self, handler: &Arc<dyn ToolHandler>) -> bool {
        let tool = handler.tool();
        let name = tool.name().filter(|name| is_name(name) && self.get(name).is_none());
        let Some(name) = name else { return false };
        self.handlers.insert(name.to_owned(), handler.clone());
        self.tools.push(tool.clone());
        true
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<dyn ToolHandler>> {
        self.handlers.get(name)
    }

    pub(super) fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// The name that comes nearest, if one does.
    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        let near = |known: &&str| strsim::jaro_winkler(name, known);
        let names = self.handlers.keys().map(String::as_str).filter(|known| near(known) > 0.8);
        names.max_by(|a, b| near(a).total_cmp(&near(b)))
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_plain)
}

fn unlisted(source: &str, error: ToolError) -> ModelError {
    let message = format!("the tools of `{source}` cannot be listed: {}", error.message());
    ModelError::new(ErrorKind::Upstream, Operation::Chat, message)
        .with_param("tools")
        .with_source(error)
}

fn taken_name(name: &str) -> ModelError {
    let message =
        format!("the request has a tool `{name}`, and so have the tools that are run here");
    ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, message).with_param("tools")
}
