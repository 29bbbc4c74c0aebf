//! A server as a child process: this test, started once more.

mod fixture;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fixture::Fixture;
use llm_core::Part;
use llm_mcp::{Endpoint, McpError, McpOptions, McpServer, Process};
use rmcp::ServiceExt;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

/// Where the child writes its own number.
const NUMBER: &str = "FIXTURE_NUMBER";

#[tokio::main]
async fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return serve().await;
    }
    let folder = std::env::temp_dir().join(format!("llm-mcp-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    timeout(Duration::from_secs(60), async {
        talks_and_ends_when_closed(&folder).await;
        is_started_again_when_it_died(&folder).await;
        is_killed_when_dropped(&folder).await;
        what_cannot_be_started_is_told().await;
    })
    .await
    .expect("it takes a few seconds");
    std::fs::remove_dir_all(folder).unwrap();
    println!("test result: ok");
}

async fn serve() {
    // Longer than what is logged, and no line break at its end.
    eprint!("{}", "loud ".repeat(10_000));
    let number = std::env::var(NUMBER).expect("its environment is what it was given");
    assert!(std::env::var("HOME").is_err(), "and nothing else");
    std::fs::write(number, std::process::id().to_string()).unwrap();
    let running = Fixture::default().serve(rmcp::transport::stdio()).await.unwrap();
    running.waiting().await.unwrap();
}

fn server(number: &Path) -> McpServer {
    let program = std::env::current_exe().unwrap();
    let mut process = Process::new(program.to_str().unwrap(), ["serve"]);
    process.environment =
        BTreeMap::from([(NUMBER.to_owned(), number.to_str().unwrap().to_owned().into())]);
    McpServer::new("child", Endpoint::Process(process), McpOptions::default()).unwrap()
}

async fn echo(server: &McpServer, text: &str) -> Result<Vec<Part>, McpError> {
    Ok(server.call("echo", json!({ "text": text })).await?.parts)
}

fn number(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}

fn is_alive(number: &Path) -> bool {
    let number = std::fs::read_to_string(number).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{number}/stat"));
    // One that has ended, and that nobody has asked about yet, counts as ended.
    status.is_ok_and(|status| !status.contains(") Z "))
}

async fn has_ended(number: &Path) {
    let begun = Instant::now();
    while is_alive(number) {
        assert!(begun.elapsed() < Duration::from_secs(10), "it ends");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn talks_and_ends_when_closed(folder: &Path) {
    let number = number(folder, "closed");
    let server = server(&number);
    assert_eq!(server.list().await.unwrap().len(), 7);
    assert_eq!(echo(&server, "hello").await.unwrap(), [Part::text("hello")]);
    assert!(is_alive(&number));
    server.close().await;
    assert!(!is_alive(&number), "it has ended when `close` returns");
}

async fn is_started_again_when_it_died(folder: &Path) {
    let number = number(folder, "died");
    let server = server(&number);
    echo(&server, "hello").await.unwrap();
    let error = server.call("die", json!({})).await.unwrap_err();
    assert!(matches!(error, McpError::Lost { .. }), "{error:?}");
    let begun = Instant::now();
    while let Err(error) = echo(&server, "again").await {
        assert!(begun.elapsed() < Duration::from_secs(10), "{error}");
        sleep(Duration::from_millis(20)).await;
    }
    server.close().await;
}

async fn is_killed_when_dropped(folder: &Path) {
    let number = number(folder, "dropped");
    let server = server(&number);
    let tools = server.list().await.unwrap();
    drop(server);
    assert!(is_alive(&number), "its tools hold it");
    drop(tools);
    has_ended(&number).await;
}

async fn what_cannot_be_started_is_told() {
    for process in [Process::new("/no/such/program", [""]), Process::new("/bin/true", [""])] {
        let endpoint = Endpoint::Process(process);
        let server = McpServer::new("none", endpoint, McpOptions::default()).unwrap();
        let error = server.list().await.unwrap_err();
        assert!(matches!(error, McpError::Connect { .. }), "{error:?}");
    }
}
