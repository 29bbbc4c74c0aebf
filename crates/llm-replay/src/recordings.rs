//! [`Recordings`]: a folder of recorded exchanges.

use std::collections::BTreeMap;
use std::path::Path;

use http::HeaderMap;
use url::Url;

use crate::exchange::{is_json, sorted_entries};
use crate::wire::Wire;
use crate::{Exchange, ExchangeError};

/// Recorded exchanges, in the order in which they are to be given.
#[derive(Clone, Debug, Default)]
pub struct Recordings {
    exchanges: Vec<Exchange>,
}

/// A provider that was recorded, and how it was spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordedProvider {
    /// What it was called.
    pub name: String,
    /// Where it was (`https://api.example.com`).
    pub origin: String,
    /// The path of its base URL (`/v1`), without a slash at the end.
    pub base_path: String,
    /// The wire format that its chats used most; where there is no chat, what was used most (`openai-chat` …).
    pub wire: String,
    /// The model that was asked first in that wire format, where recordings tell.
    pub model: Option<String>,
}

impl Recordings {
    /// Reads every `.json` file of a folder and of the folders in it, folders and files in the order of their names.
    /// Blocks, so it does not belong on a runtime's worker.
    ///
    /// # Errors
    /// When a folder or file cannot be read, a file is larger than 256 MiB or is no exchange.
    pub fn read(folder: &Path) -> Result<Self, ExchangeError> {
        let mut exchanges = Vec::new();
        for entry in sorted_entries(folder)? {
            if entry.is_dir() {
                for file in sorted_entries(&entry)?.iter().filter(|file| is_json(file)) {
                    exchanges.push(Exchange::read(file)?);
                }
            } else if is_json(&entry) {
                exchanges.push(Exchange::read(&entry)?);
            }
        }
        Ok(Self { exchanges })
    }

    /// All of them.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// Every provider that was recorded, by name. One that was reached at several places is told by the most used.
    pub fn providers(&self) -> Vec<RecordedProvider> {
        let mut uses: BTreeMap<&str, BTreeMap<(bool, RecordedProvider), usize>> = BTreeMap::new();
        for exchange in &self.exchanges {
            if let Some((is_chat, provider)) = spoken_to(exchange) {
                let uses = uses.entry(&exchange.provider).or_default();
                *uses.entry((is_chat, provider)).or_default() += 1;
            }
        }
        let most_used = uses.into_values().filter_map(|uses| {
            let most = uses.into_iter().max_by_key(|((is_chat, _), count)| (*is_chat, *count))?;
            let (_, provider) = most.0;
            Some(RecordedProvider { model: self.first_model(&provider), ..provider })
        });
        most_used.collect()
    }

    fn first_model(&self, provider: &RecordedProvider) -> Option<String> {
        let of_it = self.exchanges.iter().filter(|exchange| {
            exchange.provider == provider.name && exchange.wire == provider.wire
        });
        of_it.filter_map(|exchange| exchange.model.clone()).next()
    }
}

impl From<Vec<Exchange>> for Recordings {
    fn from(exchanges: Vec<Exchange>) -> Self {
        Self { exchanges }
    }
}

/// The provider of an exchange, and whether it was asked to chat.
fn spoken_to(exchange: &Exchange) -> Option<(bool, RecordedProvider)> {
    let url = Url::parse(&exchange.request.url).ok()?;
    let wire = Wire::of(url.path(), &HeaderMap::new());
    let provider = RecordedProvider {
        name: exchange.provider.clone(),
        origin: url.origin().ascii_serialization(),
        base_path: wire.base_path,
        wire: exchange.wire.clone(),
        model: None,
    };
    Some((exchange.op == "chat", provider))
}
