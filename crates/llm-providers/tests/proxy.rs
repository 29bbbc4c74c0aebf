//! Proxies: who is asked through one, who is not, and that nothing shows how we sign in.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use llm_core::{ChatRequest, ErrorKind, Message, ModelError};
use llm_providers::{AddressPolicy, OpenAi, Proxy, TransportOptions};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// What a server was asked: URI, and how its client signed in.
type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A server that answers whatever it is asked, as a provider or as a proxy before one.
async fn start() -> (u16, Seen) {
    let seen = Seen::default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let noted = seen.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let noted = noted.clone();
            let service = TowerToHyperService::new(tower::service_fn(move |request| {
                note(&noted, &request);
                std::future::ready(answer())
            }));
            tokio::spawn(async move {
                let builder = Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    (port, seen)
}

fn note<B>(seen: &Seen, request: &http::Request<B>) {
    let signed_in = request.headers().get("proxy-authorization");
    let signed_in = signed_in.map(|value| value.to_str().unwrap().to_owned());
    seen.lock().unwrap().push((request.uri().to_string(), signed_in));
}

fn answer() -> Result<http::Response<String>, Infallible> {
    let body = r#"{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]}"#;
    Ok(http::Response::new(body.into()))
}

async fn ask(base: &str, options: TransportOptions) -> Result<(), ModelError> {
    let provider = OpenAi::builder("p", base).transport(options).build().unwrap();
    let request = ChatRequest::new(vec![Message::user("hi")]);
    provider.chat("m").chat(request).await.map(|_| ())
}

fn through(proxy: Proxy) -> TransportOptions {
    TransportOptions { proxy: Some(proxy), ..Default::default() }
}

#[tokio::test]
async fn everything_goes_through_the_proxy_but_what_is_excepted() {
    let (proxy_port, at_proxy) = start().await;
    let (direct_port, at_provider) = start().await;
    let url = format!("http://somebody:hush%40@127.0.0.1:{proxy_port}");
    let proxy = Proxy::new(&url).unwrap().except(["127.0.0.0/8", "inside.example"]);

    ask("http://provider.invalid/v1", through(proxy.clone())).await.unwrap();
    ask(&format!("http://127.0.0.1:{direct_port}/v1"), through(proxy)).await.unwrap();

    let asked = "http://provider.invalid/v1/chat/completions".to_owned();
    // "somebody:hush@" in Base64.
    let signed_in = Some("Basic c29tZWJvZHk6aHVzaEA=".to_owned());
    assert_eq!(*at_proxy.lock().unwrap(), [(asked, signed_in)]);
    let at_provider = at_provider.lock().unwrap();
    assert_eq!(*at_provider, [("/v1/chat/completions".to_owned(), None)]);
}

#[tokio::test]
async fn a_trusted_proxy_looks_up_names_for_tenants() {
    let (port, at_proxy) = start().await;
    let proxy = Proxy::new(&format!("http://127.0.0.1:{port}")).unwrap().trusted();
    let options = TransportOptions { addresses: AddressPolicy::Public, ..through(proxy) };
    ask("http://tenant.invalid/v1", options).await.unwrap();
    assert_eq!(at_proxy.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_and_socks_is_spoken() {
    for scheme in ["http", "socks5h"] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Proxy::new(&format!("{scheme}://127.0.0.1:{port}")).unwrap();
        let hearing = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut heard = [0; 3];
            socket.read_exact(&mut heard).await.unwrap();
            heard
        };
        let asking = ask("https://provider.invalid/v1", through(proxy));
        let (heard, answer) = futures::join!(hearing, asking);
        // A SOCKS client begins with its version, and then how many ways of signing in it has.
        let expected: &[u8] = if scheme == "http" { b"CON" } else { &[5, 1, 0] };
        assert_eq!(heard, expected);
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Connection);
    }
}

#[tokio::test]
async fn no_error_shows_how_we_sign_in() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let proxy = Proxy::new(&format!("http://somebody:hush@127.0.0.1:{port}")).unwrap();
    let error = ask("http://provider.invalid/v1", through(proxy)).await.unwrap_err();
    let mut shown = format!("{error:?}");
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        shown += &format!(" {error} {error:?}");
        cause = error.source();
    }
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(!shown.contains("hush") && !shown.contains("somebody"), "{shown}");
}
