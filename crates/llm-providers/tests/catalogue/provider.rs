//! A server in the place of a row's provider.

use std::collections::BTreeMap;

use llm_providers::Access;
use llm_providers::catalogue::{self, Dialect, ProviderEntry};
use testkit::{Chunking, Exchange, RecordedRequest, RecordedResponse, ReplayServer, SeenRequest};

/// A model that no rule for a family means.
pub(crate) const MODEL: &str = "some/model-1";

pub(crate) const KEY: &str = "sk-test";

/// A streamed answer of one word.
pub(crate) const STREAM: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"yes\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// The rows of a dialect.
pub(crate) fn rows_of(dialect: Dialect) -> impl Iterator<Item = &'static ProviderEntry> {
    catalogue::entries().iter().filter(move |entry| entry.dialect == dialect)
}

/// A provider that gives the same answer to everybody, at a row's path.
pub(crate) struct Provider {
    server: ReplayServer,
    id: String,
    /// What stands behind the host in its base URL.
    pub(crate) path: String,
    /// How it is reached, with a key and something for every variable.
    pub(crate) access: Access,
}

impl Provider {
    /// Answers as the row's dialect does.
    pub(crate) async fn of(entry: &ProviderEntry, body: &str, content_type: &str) -> Self {
        let server = ReplayServer::start().await.unwrap();
        let headers = BTreeMap::from([("content-type".to_owned(), content_type.to_owned())]);
        let exchange = Exchange {
            id: entry.name.clone(),
            provider: entry.name.clone(),
            request: RecordedRequest { method: "POST".into(), ..RecordedRequest::default() },
            response: RecordedResponse {
                status: 200,
                headers,
                body: Some(body.to_owned()),
                ..RecordedResponse::default()
            },
            ..Exchange::default()
        };
        let origin = server.add(exchange, Chunking::Whole);
        let variables: BTreeMap<_, _> =
            entry.variables.keys().map(|name| (name.clone(), format!("a-{name}"))).collect();
        let path = path_of(entry, &variables);
        let access = Access {
            key: Some(KEY.into()),
            base_url: Some(format!("{origin}{path}")),
            variables,
            ..Access::default()
        };
        Self { server, id: entry.name.clone(), path, access }
    }

    /// What was asked, once.
    pub(crate) fn seen(&self) -> SeenRequest {
        let mut seen = self.server.taken(&self.id);
        assert_eq!(seen.len(), 1, "{}", self.id);
        seen.remove(0)
    }
}

/// What stands behind the host in a row's base URL.
fn path_of(entry: &ProviderEntry, variables: &BTreeMap<String, String>) -> String {
    let filled = variables.iter().fold(entry.base_url.clone(), |url, (name, value)| {
        url.replace(&format!("{{{name}}}"), value)
    });
    let (_, rest) = filled.split_once("://").unwrap_or(("", "host"));
    rest.find('/').map_or(String::new(), |at| rest[at..].to_owned())
}
