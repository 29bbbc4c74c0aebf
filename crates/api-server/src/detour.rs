//! [`Detour`]: providers reached through a recorder, or answered from recordings.

use anyhow::{Context, Result, ensure};
use llm_providers::catalogue::{self, Dialect, ProviderEntry};
use llm_providers::{Access, TransportOptions};
use llm_replay::{RecordedProvider, Recorder, RecorderLimits, Recordings, Replayer};
use secrecy::ExposeSecret;
use url::Url;

use crate::causes_line;
use crate::config::RecordingsConfig;

/// What stands between this server and its providers.
pub(crate) enum Detour {
    /// Nothing.
    None,
    /// A proxy that writes down what passes.
    Record(Recorder),
    /// A server on this machine that answers in the providers' place.
    Replay(Replayer),
}

impl Detour {
    /// As configured.
    ///
    /// # Errors
    /// A folder that cannot be written, or cannot be read or holds no recording.
    pub(crate) async fn open(config: &RecordingsConfig) -> Result<Self> {
        if let Some(folder) = &config.record {
            let recorder = Recorder::start(folder, RecorderLimits::default()).await?;
            tracing::info!(folder = %folder.display(), "calls to providers are recorded");
            return Ok(Self::Record(recorder));
        }
        let Some(folder) = config.replay.clone() else {
            return Ok(Self::None);
        };
        let shown = folder.display().to_string();
        let recordings = tokio::task::spawn_blocking(move || Recordings::read(&folder))
            .await?
            .with_context(|| format!("cannot read the recordings in `{shown}`"))?;
        let count = recordings.exchanges().len();
        ensure!(count > 0, "there are no recordings in `{shown}`");
        tracing::info!(folder = shown, count, "providers are answered for from recordings");
        Ok(Self::Replay(Replayer::start(recordings).await.context("starting the replay")?))
    }

    /// Whether recordings answer, so that keys and the network do not matter.
    pub(crate) fn is_replay(&self) -> bool {
        matches!(self, Self::Replay(_))
    }

    /// Every provider that recordings answer for.
    pub(crate) fn recorded(&self) -> &[RecordedProvider] {
        match self {
            Self::Replay(replayer) => replayer.providers(),
            Self::None | Self::Record(_) => &[],
        }
    }

    /// Leads what goes to a provider here instead. A provider that cannot be recorded is reached as ever, and a line in the
    /// log says so.
    pub(crate) fn lead(&self, entry: &ProviderEntry, access: Access) -> Access {
        match self {
            Self::None => access,
            Self::Replay(replayer) => replayed(replayer, entry, access),
            Self::Record(recorder) => match recorded(recorder, entry, &access) {
                Ok(base_url) => Access { base_url: Some(base_url), ..access },
                Err(reason) => {
                    tracing::warn!(provider = entry.name, reason, "its calls are not recorded");
                    access
                }
            },
        }
    }

    /// Ends it. What was recorded is written when this returns.
    pub(crate) async fn close(self) {
        if let Self::Record(recorder) = self {
            recorder.finish().await;
        }
    }
}

/// The base URL that stands for the provider's own at the recorder.
fn recorded(recorder: &Recorder, entry: &ProviderEntry, access: &Access) -> Result<String, String> {
    let transport = &access.transport;
    if transport.proxy.is_some()
        || transport.client_certificate.is_some()
        || !transport.ca_certificates.is_empty()
    {
        return Err("the recorder uses no proxy and no certificates of its own".into());
    }
    let key = access.key.as_ref().map(|key| key.expose_secret().trim());
    if entry.dialect == Dialect::Bedrock && key.is_none_or(|key| key.starts_with('{')) {
        return Err("signatures hold for one host; only a bearer token can be recorded".into());
    }
    let base_url = match &access.base_url {
        Some(base_url) => base_url.clone(),
        None if entry.dialect == Dialect::Vertex => {
            return Err("its host depends on the location; say its `base_url`".into());
        }
        None => {
            let filled = entry.base_url_for(&access.variables);
            filled.map_err(|error| causes_line(&error))?
        }
    };
    let base_url: Url = base_url.parse().map_err(|_| "its base URL is none")?;
    let origin = recorder.add(&entry.name, &base_url).map_err(|error| causes_line(&error))?;
    Ok(at(&origin, &base_url))
}

/// The same path and query elsewhere.
fn at(origin: &str, base_url: &Url) -> String {
    let path = base_url.path().trim_end_matches('/');
    match base_url.query() {
        Some(query) => format!("{origin}{path}?{query}"),
        None => format!("{origin}{path}"),
    }
}

/// Access that needs nothing and leaves this machine for nothing: no secrets that a token would be fetched with, no proxy.
fn replayed(replayer: &Replayer, entry: &ProviderEntry, access: Access) -> Access {
    let origin = replayer.origin(&entry.name);
    let known = replayer.providers().iter().find(|provider| provider.name == entry.name);
    let configured = access.base_url.as_deref().and_then(|url| Url::parse(url).ok());
    let base_url = match (configured, known) {
        (Some(url), _) => at(&origin, &url),
        // Azure's base URL is that of a resource; the client adds the rest.
        (None, Some(known)) if entry.dialect == Dialect::Azure => {
            let path = known.base_path.split_once("/openai/");
            format!("{origin}{}", path.map_or("", |(path, _)| path))
        }
        (None, Some(known)) => format!("{origin}{}", known.base_path),
        (None, None) => origin,
    };
    let mut variables = access.variables;
    for (name, variable) in &entry.variables {
        if !variable.optional && variable.default.is_none() {
            variables.entry(name.clone()).or_insert_with(|| "replayed".into());
        }
    }
    let asks_for_tokens =
        matches!(entry.dialect, Dialect::Vertex | Dialect::Bedrock | Dialect::Azure);
    Access {
        key: access.key.filter(|_| !asks_for_tokens).or_else(|| Some("replayed".into())),
        base_url: Some(base_url),
        variables,
        secrets: Default::default(),
        transport: TransportOptions::default(),
        ..access
    }
}

/// What is known of a recorded provider: its row where there is one, in the dialect that it was recorded in.
pub(crate) fn row(provider: &RecordedProvider) -> ProviderEntry {
    let known = catalogue::find(&provider.name).map(|entry| entry.renamed(&provider.name));
    let dialects = dialects(&provider.wire);
    let mut entry = known.unwrap_or_else(|| {
        let dialect = dialects.first().copied().unwrap_or_default();
        ProviderEntry::unlisted(&provider.name, dialect, "")
    });
    if let (Some(dialect), false) = (dialects.first(), dialects.contains(&entry.dialect)) {
        entry.dialect = *dialect;
    }
    entry
}

/// The dialects that speak a wire format, the usual one first.
fn dialects(wire: &str) -> &'static [Dialect] {
    const SPEAK: &[(&str, &[Dialect])] = &[
        ("openai-responses", &[Dialect::OpenAiResponses, Dialect::Azure]),
        ("openai-chat", &[Dialect::OpenAi, Dialect::Azure]),
        ("openai-", &[Dialect::OpenAi, Dialect::OpenAiResponses, Dialect::Azure]),
        ("anthropic-", &[Dialect::Anthropic, Dialect::Vertex]),
        ("gemini-", &[Dialect::Gemini, Dialect::Vertex]),
        ("bedrock-", &[Dialect::Bedrock]),
        ("cohere-", &[Dialect::Cohere]),
    ];
    let found = SPEAK.iter().find(|(beginning, _)| wire.starts_with(beginning));
    found.map_or(&[], |(_, dialects)| dialects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_providers_keep_their_row_in_the_dialect_of_the_recording() {
        for (name, wire, expected) in [
            ("openai", "openai-chat", Dialect::OpenAi),
            ("openai", "openai-responses", Dialect::OpenAiResponses),
            ("vertex", "gemini-generate", Dialect::Vertex),
            ("vertex", "anthropic-messages", Dialect::Vertex),
            ("gemini", "openai-chat", Dialect::OpenAi),
            ("own", "anthropic-messages", Dialect::Anthropic),
            ("own", "gemini-generate", Dialect::Gemini),
            ("own", "cohere-v2-chat", Dialect::Cohere),
            ("own", "unknown", Dialect::OpenAi),
        ] {
            let provider = RecordedProvider {
                name: name.into(),
                wire: wire.into(),
                ..RecordedProvider::default()
            };
            let entry = row(&provider);
            assert_eq!((entry.name.as_str(), entry.dialect), (name, expected), "{wire}");
        }
    }
}
