use std::net::SocketAddr;

use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

#[test]
fn paths_go_below_the_base() {
    for (base, expected) in [
        ("https://a.example/v1", "https://a.example/v1/models"),
        ("https://a.example/v1/", "https://a.example/v1/models"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/models"),
        ("https://a.example/v1?api-version=2", "https://a.example/v1/models?api-version=2"),
    ] {
        let transport =
            Transport::new(base, HeaderMap::new(), TransportOptions::default()).unwrap();
        assert_eq!(transport.url("models").as_str(), expected);
    }
    let transport =
        Transport::new("https://a.example/v1?a=1", HeaderMap::new(), Default::default());
    let url = transport.unwrap().url("models/m:stream?alt=sse");
    assert_eq!(url.as_str(), "https://a.example/v1/models/m:stream?a=1&alt=sse");
}

#[test]
fn refuses_what_is_no_base() {
    for base in ["", "localhost:80", "ftp://a.example", "https://me:secret@a.example"] {
        let error =
            Transport::new(base, HeaderMap::new(), TransportOptions::default()).unwrap_err();
        assert!(matches!(error, BuildError::BaseUrl { .. }), "{base}");
        assert!(!error.to_string().contains("secret"));
    }
}

/// A resolver that knows one name.
struct Names(&'static str, Vec<SocketAddr>);

impl Resolve for Names {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let addresses = if name.as_str() == self.0 { self.1.clone() } else { Vec::new() };
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs) })
    }
}

fn public() -> TransportOptions {
    TransportOptions { addresses: AddressPolicy::Public, ..Default::default() }
}

/// A socket that only connections to a name may reach, its port, and a transport that is told that name's addresses.
async fn aimed(addresses: &[&str], options: TransportOptions) -> (TcpListener, Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let addresses = addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
    let names = Arc::new(Names("tenant.example", addresses));
    let base = format!("http://tenant.example:{port}/v1");
    let transport = Transport::with_names(&base, HeaderMap::new(), options, names).unwrap();
    (listener, transport)
}

#[tokio::test]
async fn a_name_of_this_machine_is_refused_before_a_connection() {
    for addresses in [&["127.0.0.1"][..], &["::ffff:127.0.0.1", "10.1.2.3", "::1"], &[]] {
        let (listener, transport) = aimed(addresses, public()).await;
        let error = transport.get(Operation::Chat, "models").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        assert_eq!(error.message(), "`tenant.example` has no public address");
        assert_ne!(llm_core::RetryHint::retry(&error), llm_core::Retry::Now);
        assert!(listener.accept().now_or_never().is_none(), "somebody connected");
    }
}

#[tokio::test]
async fn the_operator_may_name_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let transport = Transport::new(&base, HeaderMap::new(), Default::default()).unwrap();
    let (accepted, _) = tokio::select! {
        accepted = listener.accept() => accepted.unwrap(),
        answer = transport.get(Operation::Chat, "models") => panic!("{answer:?}"),
    };
    drop(accepted);
}

#[tokio::test]
async fn redirects_lead_nowhere() {
    let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", outside.local_addr().unwrap());
    let head = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
        inside.local_addr().unwrap()
    );
    let redirecting = async {
        let (mut socket, _) = outside.accept().await.unwrap();
        socket.read_exact(&mut [0; 4]).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        socket
    };
    let transport = Transport::new(&base, HeaderMap::new(), Default::default()).unwrap();
    let asking = transport.post(Operation::Chat, "chat", HeaderMap::new(), Vec::new());
    let (answer, _socket) = futures::join!(asking, redirecting);
    assert_eq!(answer.unwrap().status(), 307);
    assert!(inside.accept().now_or_never().is_none(), "somebody followed");
}

#[test]
fn a_tenant_may_not_name_this_machine() {
    for host in ["localhost", "127.1", "[::1]", "169.254.169.254", "[fd00:ec2::254]"] {
        let base = format!("https://{host}/v1");
        let error = Transport::new(&base, HeaderMap::new(), public()).unwrap_err();
        assert!(matches!(error, BuildError::Address { .. }), "{host}: {error}");
    }
}

#[test]
fn public_addresses_need_a_proxy_that_is_trusted() {
    let proxy = Proxy::new("http://user:hush@10.0.0.1:3128").unwrap();
    let build = |base: &str, options| Transport::new(base, HeaderMap::new(), options);
    let (base, elsewhere) = ("https://tenant.example/v1", "http://10.0.0.1/v1");
    let with = |proxy| TransportOptions { proxy: Some(proxy), ..public() };
    let error = build(base, with(proxy.clone())).unwrap_err();
    assert!(matches!(error, BuildError::Proxy { .. }), "{error}");
    let error = build(base, TransportOptions { system_proxy: true, ..public() }).unwrap_err();
    assert!(matches!(error, BuildError::Proxy { .. }), "{error}");
    let error = build(elsewhere, with(proxy.clone().trusted())).unwrap_err();
    assert!(matches!(error, BuildError::Address { .. }), "{error}");
    let named = Proxy::new("http://proxy.example:3128").unwrap().trusted();
    let error = build("http://proxy.example/v1", with(named)).unwrap_err();
    assert!(matches!(error, BuildError::Address { .. }), "{error}");
    let transport = build(base, with(proxy.trusted())).unwrap();
    assert!(!format!("{transport:?}").contains("hush"), "{transport:?}");
}

#[test]
fn keys_do_not_show() {
    let (_, value) = bearer(&SecretString::from("sk-1")).unwrap();
    assert_eq!(format!("{value:?}"), "Sensitive");
    let error = bearer(&SecretString::from("sk\n1")).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("sk"));
}

#[test]
fn raw_requests_stay_with_their_host() {
    let transport =
        Transport::new("https://a.example/v1?v=1", HeaderMap::new(), Default::default());
    let transport = transport.unwrap();
    let url = |path: &str| {
        let raw = RawRequest::get(path).query("b", "ü&");
        transport.raw_url(Operation::Raw, &raw).map(String::from)
    };
    let check = |path, expected| assert_eq!(url(path).unwrap(), expected, "{path}");
    check("files", "https://a.example/v1/files?v=1&b=%C3%BC%26");
    check("files?a=1", "https://a.example/v1/files?v=1&a=1&b=%C3%BC%26");
    check("/upload/v1/files", "https://a.example/upload/v1/files?v=1&b=%C3%BC%26");
    check("//b.example/x", "https://a.example//b.example/x?v=1&b=%C3%BC%26");
    check("https://b.example/x", "https://a.example/v1/https://b.example/x?v=1&b=%C3%BC%26");
    for path in ["../x", "/a/../b", "a/%2e%2E/b", "a/.%2e", "a\\..\\b", "a#b"] {
        assert_eq!(url(path).unwrap_err().kind(), ErrorKind::InvalidRequest, "{path}");
    }
}
