//! TLS: HTTP/2 by negotiation, the operator's own authority, and no crypto provider installed for the process.
//!
//! The fixtures are an authority made for this test and a certificate of it for `localhost`; nobody else trusts them.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use futures::TryStreamExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use llm_core::{ChatRequest, ErrorKind, Message, Retry, RetryHint};
use llm_providers::{OpenAi, TransportOptions};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use testkit::FakeUpstream;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const AUTHORITY: &[u8] = include_bytes!("fixtures/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("fixtures/localhost.pem");
const KEY: &[u8] = include_bytes!("fixtures/localhost.key.pem");

/// A server whose answer tells the HTTP version that it was asked with. Returns its port.
async fn start() -> u16 {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(socket) = acceptor.accept(socket).await {
                let service = TowerToHyperService::new(tower::service_fn(answer));
                let builder = Builder::new(TokioExecutor::new());
                tokio::spawn(async move {
                    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        }
    });
    port
}

async fn answer<B>(request: http::Request<B>) -> Result<http::Response<String>, Infallible> {
    let content = format!("{:?}", request.version());
    let choice = serde_json::json!({ "message": { "content": content }, "finish_reason": "stop" });
    let body = serde_json::json!({ "choices": [choice] });
    Ok(http::Response::new(body.to_string()))
}

async fn ask(port: u16, ca_certificates: &[u8]) -> Result<String, llm_core::ModelError> {
    let options =
        TransportOptions { ca_certificates: ca_certificates.to_vec(), ..Default::default() };
    let url = format!("https://localhost:{port}/v1");
    let provider = OpenAi::builder("tls", url).transport(options).build().unwrap();
    let request = ChatRequest::new(vec![Message::user("hi")]);
    let events: Vec<_> = provider.chat("m").chat(request).await?.try_collect().await?;
    Ok(format!("{events:?}"))
}

#[tokio::test]
async fn speaks_http2_to_an_authority_of_the_operator() {
    let port = start().await;
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    let answer = ask(port, AUTHORITY).await.unwrap();
    assert!(answer.contains("HTTP/2.0"), "{answer}");
}

#[tokio::test]
async fn refuses_an_authority_that_nobody_named() {
    let port = start().await;
    let error = ask(port, b"").await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Connection, Retry::Exhausted));
    assert_eq!(error.message(), "the provider's certificate is not trusted");
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_is_down() {
    let upstream = FakeUpstream::start().await.unwrap();
    let port = upstream.base_url().trim_end_matches("/v1").rsplit(':').next().unwrap().parse();
    let error = ask(port.unwrap(), AUTHORITY).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Connection, Retry::Exhausted));
    assert_eq!(error.message(), "the provider does not speak TLS at this address");
}
