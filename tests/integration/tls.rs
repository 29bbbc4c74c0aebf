//! Servers that speak TLS.

use std::path::Path;
use std::time::Duration;

use api_server::Server;
use api_server::config::{Config, TlsConfig};
use futures::StreamExt;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use testkit::Behaviour;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::client::Client;
use crate::site::Site;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes a new certificate of the authority and its key, one after the other.
fn certify(authority: &Authority, files: &TlsConfig) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
}

fn files(folder: &Path) -> TlsConfig {
    TlsConfig { certificate: folder.join("server.pem"), key: folder.join("server.key.pem") }
}

/// A client that trusts the authority alone and keeps no connection.
fn client(site: &Site, authority: &Authority) -> Client {
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([root])
        .tls_info(true)
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    Client { base: format!("https://localhost:{}", site.server.address().port()), http }
}

async fn site(files: &TlsConfig, change: impl FnOnce(&mut Config)) -> Site {
    let tls = files.clone();
    Site::start_with(&[("tea.md", "# Tea\n\nWater for green tea has 80 degrees.")], |config| {
        config.server.tls = Some(tls);
        config.metrics.listen = Some("127.0.0.1:0".parse().unwrap());
        change(config);
    })
    .await
}

/// The certificate that a new connection is shown.
async fn shown(client: &Client) -> Vec<u8> {
    let answer = client.http.get(format!("{}/healthz", client.base)).send().await.unwrap();
    let info = answer.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
    info.peer_certificate().unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_are_answered_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (files, authority) = (files(folder.path()), authority());
    certify(&authority, &files);
    let site = site(&files, |_| {}).await;
    assert!(site.server.url().starts_with("https://127.0.0.1:"), "{}", site.server.url());
    let client = client(&site, &authority);
    let question = json!({
        "model": "dialog/default", "messages": [{ "role": "user", "content": "How hot is water for tea?" }],
    });
    let response = client.open("/v1/chat/completions", &question).await;
    assert_eq!(response.version(), reqwest::Version::HTTP_2, "by negotiation");
    assert!(response.text().await.unwrap().contains("80 degrees"));
    let stranger = Client::new(site.server.address());
    let refused = stranger.http.get(format!("{}/healthz", client.base)).send().await;
    assert!(refused.is_err(), "whoever does not trust the authority");
    let plain = stranger.http.get(format!("http://{}/healthz", site.server.address())).send().await;
    assert!(plain.is_err(), "nothing is said without TLS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_while_an_old_stream_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (files, authority) = (files(folder.path()), authority());
    certify(&authority, &files);
    let site = site(&files, |config| config.server.drain_seconds = 0).await;
    let client = client(&site, &authority);
    site.upstream.always(Behaviour::tokens(10).silent_after(2));
    let request = json!({
        "model": "fake/m", "stream": true, "messages": [{ "role": "user", "content": "Hi" }],
    });
    let mut stream = client.open("/v1/chat/completions", &request).await.bytes_stream();
    stream.next().await.unwrap().unwrap();

    let before = shown(&client).await;
    std::fs::write(&files.certificate, "half a certificate").unwrap();
    assert_eq!(shown(&client).await, before);
    certify(&authority, &files);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while shown(&client).await == before {
        assert!(tokio::time::Instant::now() < deadline, "the new certificate is not shown");
    }

    site.stop().await;
    let mut rest = String::new();
    while let Some(Ok(bytes)) = stream.next().await {
        rest += &String::from_utf8_lossy(&bytes);
    }
    assert!(rest.contains("the server is stopping"), "{rest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_is_cut_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let (files, authority) = (files(folder.path()), authority());
    certify(&authority, &files);
    let site = site(&files, |config| config.server.header_seconds = 1.try_into().unwrap()).await;
    let mut silent = TcpStream::connect(site.server.address()).await.unwrap();
    assert_eq!(client(&site, &authority).get("/healthz").await.text, "ok");
    let read = tokio::time::timeout(Duration::from_secs(10), silent.read(&mut [0])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
    let metrics = Client::new(site.server.metrics_address().unwrap()).get("/metrics").await.text;
    let cut = "colloquy_connections_cut_total{reason=\"handshake\"} 1";
    assert!(metrics.lines().any(|line| line == cut), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_shown_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let (good, authority) = (files(folder.path()), authority());
    certify(&authority, &good);
    let blank = folder.path().join("blank.pem");
    std::fs::write(&blank, "\n").unwrap();
    let other = folder.path().join("other.key.pem");
    std::fs::write(&other, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let none = folder.path().join("none.pem");
    for (certificate, key, expected) in [
        (&none, &good.key, "`certificate`: cannot read the file"),
        (&blank, &good.key, "`certificate`: the file"),
        (&good.certificate, &blank, "`key`: the file"),
        (&good.certificate, &other, "do not make a certificate to show"),
    ] {
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.data_dir = folder.path().join("data");
        config.server.tls = Some(TlsConfig { certificate: certificate.clone(), key: key.clone() });
        let error = Server::start(config, &Default::default()).await.err().unwrap();
        let line = api_server::error_line(&error);
        assert!(line.contains(expected) && !line.contains("PRIVATE"), "{line}");
    }
}
