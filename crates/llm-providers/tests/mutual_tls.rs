//! Mutual TLS: a provider that asks its clients for a certificate. Authority and certificates are made for each run.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use futures::TryStreamExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use llm_core::{ChatRequest, ErrorKind, Message, ModelError};
use llm_providers::{BuildError, ClientCertificate, OpenAi, TransportOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for this name, and its key.
fn certify(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

fn client_certificate(authority: &Authority) -> ClientCertificate {
    let (certificate, key) = certify(authority, "client.example");
    ClientCertificate {
        chain_pem: certificate.pem().into_bytes(),
        key_pem: key.serialize_pem().into(),
    }
}

/// A server that talks only to clients that the authority knows. Returns its port.
async fn start(authority: &Authority) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let (certificate, key) = certify(authority, "localhost");
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
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

async fn answer<B>(_: http::Request<B>) -> Result<http::Response<String>, Infallible> {
    let body = r#"{"choices":[{"message":{"content":"known"},"finish_reason":"stop"}]}"#;
    Ok(http::Response::new(body.into()))
}

async fn ask(
    port: u16,
    authority: &Authority,
    client_certificate: Option<ClientCertificate>,
) -> Result<String, ModelError> {
    let options = TransportOptions {
        ca_certificates: authority.pem().into_bytes(),
        client_certificate,
        ..Default::default()
    };
    let url = format!("https://localhost:{port}/v1");
    let provider = OpenAi::builder("tls", url).transport(options).build().unwrap();
    let request = ChatRequest::new(vec![Message::user("hi")]);
    let events: Vec<_> = provider.chat("m").chat(request).await?.try_collect().await?;
    Ok(format!("{events:?}"))
}

#[tokio::test]
async fn a_client_with_a_certificate_is_answered_and_others_are_not() {
    let authority = authority();
    let port = start(&authority).await;
    let answer = ask(port, &authority, Some(client_certificate(&authority))).await.unwrap();
    assert!(answer.contains("known"), "{answer}");
    let strangers = [None, Some(client_certificate(&self::authority()))];
    for certificate in strangers {
        let error = ask(port, &authority, certificate).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection);
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_without_its_key() {
    let good = client_certificate(&authority());
    let other = client_certificate(&authority());
    for (chain_pem, key_pem) in [
        (b"".to_vec(), good.key_pem.clone()),
        (b"-----BEGIN CERTIFICATE-----\n??".to_vec(), good.key_pem.clone()),
        (good.chain_pem.clone(), "-----BEGIN PRIVATE KEY-----\nhush".into()),
        (good.chain_pem.clone(), other.key_pem),
    ] {
        let certificate = ClientCertificate { chain_pem, key_pem };
        assert!(!format!("{certificate:?}").contains("hush"));
        let options =
            TransportOptions { client_certificate: Some(certificate), ..Default::default() };
        let built = OpenAi::builder("tls", "https://a.example/v1").transport(options).build();
        let error = built.unwrap_err();
        assert!(matches!(error, BuildError::ClientCertificate { .. }), "{error}");
        assert!(!format!("{error:?} {error}").contains("hush"), "{error}");
    }
}
