//! Servers in the same process and over HTTP.

mod fixture;

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fixture::{Fixture, Seen};
use llm_core::{Part, ToolHandler, ToolInput, ToolSource};
use llm_mcp::{Endpoint, HttpEndpoint, McpError, McpOptions, McpServer, Streams};
use rmcp::ServiceExt;
use rmcp::service::{RoleServer, RunningService};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;
use tokio::time::{Instant, timeout};

/// A server in this process, and the connections to it.
#[derive(Clone, Default)]
struct Near {
    fixture: Fixture,
    running: Arc<Mutex<Vec<RunningService<RoleServer, Fixture>>>>,
    is_down: Arc<AtomicBool>,
    attempts: Arc<AtomicUsize>,
}

impl Near {
    fn server(&self, options: McpOptions) -> McpServer {
        let near = self.clone();
        let streams = Streams::new(move || {
            let near = near.clone();
            async move { near.open() }
        });
        McpServer::new("near", Endpoint::Streams(streams), options).unwrap()
    }

    fn open(
        &self,
    ) -> io::Result<(
        tokio::io::ReadHalf<tokio::io::DuplexStream>,
        tokio::io::WriteHalf<tokio::io::DuplexStream>,
    )> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        if self.is_down.load(Ordering::SeqCst) {
            return Err(io::Error::other("down"));
        }
        let (ours, theirs) = tokio::io::duplex(4_096);
        let near = self.clone();
        tokio::spawn(async move {
            let running = near.fixture.clone().serve(theirs).await.unwrap();
            near.fixture.seen.connections.fetch_add(1, Ordering::SeqCst);
            near.running.lock().unwrap().push(running);
        });
        Ok(tokio::io::split(ours))
    }

    /// Ends all connections from the server's side.
    async fn hang_up(&self) {
        let running = std::mem::take(&mut *self.running.lock().unwrap());
        for running in running {
            running.cancel().await.unwrap();
        }
    }

    fn seen(&self) -> &Seen {
        &self.fixture.seen
    }
}

async fn call(server: &McpServer, tool: &str, text: &str) -> Result<String, String> {
    let output = server.call(tool, json!({ "text": text })).await;
    let output = output.map_err(|error| error.to_string())?;
    let text: String = output.parts.iter().filter_map(Part::as_text).collect();
    if output.is_error { Err(text) } else { Ok(text) }
}

async fn names(server: &McpServer) -> Vec<String> {
    let tools = server.list().await.unwrap();
    tools.iter().map(|tool| tool.tool().name().unwrap().to_owned()).collect()
}

/// Runs what should take an instant.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), work).await.expect("it takes an instant")
}

#[tokio::test]
async fn its_tools_are_listed_over_pages_and_called_by_their_own_names() {
    let near = Near::default();
    let server = near.server(McpOptions::default());
    let expected = ["echo", "fail", "refuse", "hang", "grow", "die", "names_with_dots"];
    assert_eq!(soon(names(&server)).await, expected.map(|name| format!("near__{name}")));

    let tools = soon(ToolSource::tools(&server)).await.unwrap();
    let dotted = tools.last().unwrap();
    let input = ToolInput::new("id", json!({ "text": "hello" }));
    assert_eq!(soon(dotted.call(input)).await.unwrap().parts, [Part::text("hello")]);

    assert_eq!(soon(call(&server, "fail", "")).await, Err("no such file".into()));
    let refused = soon(call(&server, "refuse", "why")).await.unwrap_err();
    assert_eq!(refused, "the MCP server `near` refused: refused: why");
    assert_eq!(near.seen().connections.load(Ordering::SeqCst), 1, "one connection for all");
    server.close().await;
}

#[tokio::test]
async fn a_list_is_kept_until_it_changes() {
    let near = Near::default();
    let server = near.server(McpOptions::default());
    for _ in 0..3 {
        assert_eq!(soon(names(&server)).await.len(), 7);
    }
    assert_eq!(near.seen().lists.load(Ordering::SeqCst), 1);
    soon(call(&server, "grow", "")).await.unwrap();
    assert_eq!(soon(names(&server)).await.last().unwrap(), "near__extra0");
    assert_eq!(near.seen().lists.load(Ordering::SeqCst), 2);
    server.close().await;
}

#[tokio::test]
async fn only_so_many_and_only_those_allowed_are_taken() {
    let near = Near::default();
    let few = near.server(McpOptions { max_tools: 4, ..McpOptions::default() });
    assert_eq!(soon(names(&few)).await.len(), 4);
    let allowed = Some(vec!["echo".into(), "names/with.dots".into(), "none".into()]);
    let some = near.server(McpOptions { allowed, ..McpOptions::default() });
    assert_eq!(soon(names(&some)).await, ["near__echo", "near__names_with_dots"]);
    few.close().await;
    some.close().await;
}

#[tokio::test]
async fn leaving_and_lateness_are_told_to_the_server() {
    let near = Near::default();
    let server =
        near.server(McpOptions { call_timeout: Duration::from_secs(5), ..McpOptions::default() });
    soon(server.list()).await.unwrap();
    let mut hanging = Box::pin(server.call("hang", json!({})));
    tokio::select! {
        biased;
        _ = &mut hanging => panic!("it hangs"),
        () = near.seen().hanging.notified() => {}
    }
    drop(hanging);
    soon(near.seen().cancelled.notified()).await;

    tokio::time::pause();
    let begun = Instant::now();
    let error = server.call("hang", json!({})).await.unwrap_err();
    assert!(matches!(error, McpError::Timeout { .. }), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 5);
    soon(near.seen().cancelled.notified()).await;
    assert_eq!(soon(call(&server, "echo", "on")).await, Ok("on".into()), "the connection stays");
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_died_is_connected_to_again_with_growing_pauses() {
    let near = Near::default();
    let server = near.server(McpOptions::default());
    assert_eq!(call(&server, "echo", "1").await, Ok("1".into()));
    tokio::time::sleep(Duration::from_secs(60)).await;
    near.hang_up().await;
    assert_eq!(call(&server, "echo", "2").await, Ok("2".into()), "at once, after a long life");

    near.is_down.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(60)).await;
    near.hang_up().await;
    let before = near.attempts.load(Ordering::SeqCst);
    let begun = Instant::now();
    let mut errors = BTreeSet::new();
    while begun.elapsed() < Duration::from_secs(100) {
        errors.insert(call(&server, "echo", "3").await.unwrap_err());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let attempts = near.attempts.load(Ordering::SeqCst) - before;
    assert!((7..=9).contains(&attempts), "0.5 + 1 + 2 + … + 60 s between them: {attempts}");
    assert!(errors.contains("the MCP server `near` cannot be reached"), "{errors:?}");
    assert!(errors.iter().any(|error| error.contains("is down; it is tried again in")));

    near.is_down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(call(&server, "echo", "4").await, Ok("4".into()));
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_over_at_once_is_not_connected_to_at_once() {
    let near = Near::default();
    let server = near.server(McpOptions::default());
    assert_eq!(call(&server, "echo", "1").await, Ok("1".into()));
    near.hang_up().await;
    let error = call(&server, "echo", "2").await.unwrap_err();
    assert!(error.contains("is down"), "{error}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(call(&server, "echo", "2").await, Ok("2".into()));
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_says_nothing_is_given_up() {
    let mute = Streams::new(async || {
        let (ours, theirs) = tokio::io::duplex(64);
        tokio::spawn(async move {
            let _theirs = theirs;
            std::future::pending::<()>().await;
        });
        Ok(tokio::io::split(ours))
    });
    let server = McpServer::new("mute", Endpoint::Streams(mute), McpOptions::default()).unwrap();
    let begun = Instant::now();
    let error = server.list().await.unwrap_err();
    assert_eq!(error.to_string(), "the MCP server `mute` did not answer within 30 s");
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn many_callers_share_one_connection() {
    let near = Near::default();
    let server = near.server(McpOptions::default());
    let callers = (0..32).map(|n| {
        let server = server.clone();
        async move { call(&server, "echo", &n.to_string()).await == Ok(n.to_string()) }
    });
    assert!(soon(futures::future::join_all(callers)).await.into_iter().all(|is_same| is_same));
    assert_eq!(near.attempts.load(Ordering::SeqCst), 1);
    server.close().await;
}

#[tokio::test]
async fn what_is_closed_stays_closed() {
    let near = Near::default();
    let server = near.server(McpOptions::default());
    soon(server.list()).await.unwrap();
    soon(server.close()).await;
    soon(server.close()).await;
    let error = server.list().await.unwrap_err();
    assert!(matches!(error, McpError::Closed { .. }), "{error}");
    let endpoint = Endpoint::Http(HttpEndpoint::new("http://127.0.0.1:9"));
    let error = McpServer::new("a b", endpoint, McpOptions::default()).unwrap_err();
    assert!(matches!(error, McpError::Name { .. }), "{error}");
}

#[tokio::test]
async fn over_http_with_headers_that_nobody_sees() {
    let fixture = Fixture::default();
    let seen = fixture.seen.clone();
    let service: StreamableHttpService<Fixture, LocalSessionManager> = StreamableHttpService::new(
        move || Ok(fixture.clone()),
        Arc::default(),
        StreamableHttpServerConfig::default(),
    );
    let check = async |request: axum::extract::Request, next: axum::middleware::Next| match request
        .headers()
        .get("x-key")
        .map(|key| key == "hush")
    {
        Some(true) => next.run(request).await,
        _ => axum::response::IntoResponse::into_response(axum::http::StatusCode::UNAUTHORIZED),
    };
    let router =
        axum::Router::new().nest_service("/mcp", service).layer(axum::middleware::from_fn(check));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    let with = |value: &str| {
        let headers = vec![("x-key".to_owned(), value.into())];
        let endpoint = Endpoint::Http(HttpEndpoint { headers, ..HttpEndpoint::new(&url) });
        McpServer::new("far", endpoint, McpOptions::default()).unwrap()
    };
    let server = with("hush");
    assert!(!format!("{server:?}").contains("hush"));
    assert_eq!(soon(names(&server)).await.len(), 7);
    assert_eq!(soon(call(&server, "echo", "over there")).await, Ok("over there".into()));
    soon(call(&server, "grow", "")).await.unwrap();
    let grown = async {
        while names(&server).await.len() == 7 {
            tokio::task::yield_now().await;
        }
    };
    soon(grown).await;

    let mut hanging = Box::pin(server.call("hang", json!({})));
    tokio::select! {
        biased;
        _ = &mut hanging => panic!("it hangs"),
        () = seen.hanging.notified() => {}
    }
    drop(hanging);
    soon(seen.cancelled.notified()).await;
    soon(server.close()).await;

    let error = soon(with("wrong").list()).await.unwrap_err();
    assert_eq!(error.to_string(), "the MCP server `far` cannot be reached");
    let error = soon(with("a\nb").list()).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "the header `x-key` cannot be sent");
    serving.abort();
    drop(serving.await);
}
