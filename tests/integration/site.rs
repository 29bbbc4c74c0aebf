//! One server with its own data directory, documents and upstream.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use api_server::Server;
use api_server::config::Config;
use testkit::FakeUpstream;

use crate::client::Client;

/// A running server. Everything that was started ends with it.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) upstream: FakeUpstream,
    pub(crate) client: Client,
    folder: tempfile::TempDir,
}

impl Site {
    /// A server over these documents, whose provider `fake` is a fake upstream.
    pub(crate) async fn start(documents: &[(&str, &str)]) -> Self {
        Self::start_with(documents, |_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn start_with(
        documents: &[(&str, &str)],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let docs = folder.path().join("docs");
        std::fs::create_dir(&docs).unwrap();
        for (name, text) in documents {
            std::fs::write(docs.join(name), text).unwrap();
        }
        let upstream = FakeUpstream::start().await.unwrap();
        let mut config = config(folder.path(), &upstream.base_url());
        change(&mut config);
        let server = Server::start(config, &BTreeMap::new()).await.unwrap();
        let ingested = server.ingest(&[docs]).await.unwrap();
        assert_eq!(ingested.failed, []);
        let client = Client::new(server.address());
        Self { server, upstream, client, folder }
    }

    /// Ingests another document, or one that changed.
    pub(crate) async fn ingest(&self, name: &str, text: &str) {
        let docs = self.folder.path().join("docs");
        std::fs::write(docs.join(name), text).unwrap();
        let ingested = self.server.ingest(&[docs]).await.unwrap();
        assert_eq!((ingested.failed, ingested.added), (vec![], 1));
    }

    /// The folder with the data directory and, in `docs`, the documents.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the server in order, and gives the folder with its data.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.server.stop().await;
        self.folder
    }

    /// Waits until `/metrics` has a line that says this.
    pub(crate) async fn until(&self, line: &str) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        loop {
            let metrics = self.client.get("/metrics").await.text;
            if metrics.lines().any(|found| found == line) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "no {line} in\n{metrics}");
        }
    }
}

fn config(folder: &Path, upstream: &str) -> Config {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = {:?}\ndrain_seconds = 5\n\
         [[provider]]\nname = \"fake\"\nbase_url = \"{upstream}\"\n\
         [defaults]\nchat = \"local/extractive\"\n",
        folder.join("data")
    );
    let file = folder.join("colloquy.toml");
    std::fs::write(&file, text).unwrap();
    api_server::config::load(Some(&file), &BTreeMap::new()).unwrap()
}
