//! What a collector of OpenTelemetry is told of a call, and what it is not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use testkit::{Behaviour, FakeUpstream};
use tokio::net::TcpListener;

const PROMPT: &str = "What is the colour of a forget-me-not";
const ANSWER: &str = "As blue as the sky over Kraichtal";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Takes what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>);

impl Collector {
    async fn start(&self) -> String {
        let take = async |State(Collector(taken)): State<Collector>,
                          uri: Uri,
                          headers: HeaderMap,
                          body: Bytes| {
            taken.lock().unwrap().push((uri.path().to_owned(), headers, body));
        };
        let router = Router::new().fallback(post(take)).with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Ends with the runtime of the test.
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}/otlp")
    }

    fn taken(&self, path: &str) -> Vec<Bytes> {
        let taken = self.0.lock().unwrap();
        taken.iter().filter(|(to, ..)| to == path).map(|(.., body)| body.clone()).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.taken("/otlp/v1/traces").into_iter();
        requests
            .map(|body| ExportTraceServiceRequest::decode(body).unwrap())
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }

    fn metrics(&self) -> Vec<String> {
        let requests = self.taken("/otlp/v1/metrics").into_iter();
        let mut names: Vec<String> = requests
            .map(|body| ExportMetricsServiceRequest::decode(body).unwrap())
            .flat_map(|request| request.resource_metrics)
            .flat_map(|resource| resource.scope_metrics)
            .flat_map(|scope| scope.metrics)
            .map(|metric| metric.name)
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn contains(&self, text: &str) -> bool {
        let taken = self.0.lock().unwrap();
        taken.iter().any(|(.., body)| body.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}

/// Runs a server that makes one call, and stops it in order.
/// A process that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It fails where the process has ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn serve_one_call(upstream: &str, telemetry: &str, model: &str) {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[[provider]]\nname = \"fake\"\nbase_url = \"{upstream}\"\n[defaults]\nchat = \"fake/m\"\n{telemetry}"
    );
    std::fs::write(folder.path().join("town.md"), "The forget-me-not grows in Kraichtal.").unwrap();
    std::fs::write(folder.path().join("colloquy.toml"), config).unwrap();
    let mut server = Ended(
        Command::new(env!("CARGO_BIN_EXE_api-server"))
            .args(["serve", "--listen", "127.0.0.1:0", "--ingest", "town.md"])
            .current_dir(folder.path())
            .env_clear()
            .env("COLLECTOR_KEY", "hush")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap();
    let answer = ask(address, model);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Kraichtal"), "{answer}");
    let killed = Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status().unwrap();
    assert!(killed.success() && server.0.wait().unwrap().success());
}

fn ask(address: &str, model: &str) -> String {
    let body = format!(
        r#"{{"model":"{model}","stream":true,"stream_options":{{"include_usage":true}},"messages":[{{"role":"user","content":"{PROMPT}?"}}]}}"#
    );
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ntraceparent: 00-{TRACE}-{CALLER}-01\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn value(attributes: &[KeyValue], key: &str) -> Option<String> {
    fn shown(value: &AnyValue) -> String {
        match value.value.as_ref() {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => number.to_string(),
            Some(Value::DoubleValue(number)) => number.to_string(),
            Some(Value::ArrayValue(array)) => {
                format!("{:?}", array.values.iter().map(shown).collect::<Vec<_>>())
            }
            other => format!("{other:?}"),
        }
    }
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.as_ref().map(shown)
}

async fn collect(capture: bool) -> Collector {
    collect_of("fake/m", capture).await
}

async fn collect_of(model: &'static str, capture: bool) -> Collector {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.always(Behaviour::text(ANSWER));
    let collector = Collector::default();
    let endpoint = collector.start().await;
    let telemetry = format!(
        "[telemetry]\notlp_endpoint = \"{endpoint}\"\nheaders = {{ x-key = \"env:COLLECTOR_KEY\" }}\n\
         service_name = \"desk\"\ncapture_content = {capture}\n"
    );
    let base = upstream.base_url();
    tokio::task::spawn_blocking(move || serve_one_call(&base, &telemetry, model)).await.unwrap();
    collector
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_a_span_in_the_callers_trace_and_nothing_of_its_text_leaves() {
    let collector = collect(false).await;
    let spans = collector.spans();
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    let request = spans.iter().find(|span| span.name == "POST /v1/chat/completions");
    let request = request.unwrap_or_else(|| panic!("{names:?}"));
    let call = spans.iter().find(|span| span.name == "chat m");
    let call = call.unwrap_or_else(|| panic!("{names:?}"));
    assert_eq!(
        (hex(&request.trace_id), hex(&request.parent_span_id)),
        (TRACE.into(), CALLER.into())
    );
    assert_eq!((&call.trace_id, &call.parent_span_id), (&request.trace_id, &request.span_id));
    // Server and client.
    assert_eq!((request.kind, call.kind), (2, 3));
    assert_eq!(value(&request.attributes, "http.response.status_code").as_deref(), Some("200"));
    for (key, expected) in [
        ("gen_ai.operation.name", Some("chat")),
        ("gen_ai.provider.name", Some("fake")),
        ("gen_ai.request.model", Some("m")),
        ("gen_ai.response.finish_reasons", Some("[\"stop\"]")),
        ("outcome", Some("completed")),
        ("attempts", Some("1")),
        ("error.type", None),
    ] {
        assert_eq!(value(&call.attributes, key).as_deref(), expected, "{key}");
    }
    for key in [
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.response.id",
        "gen_ai.response.time_to_first_chunk",
    ] {
        assert!(value(&call.attributes, key).is_some(), "{key}: {:?}", call.attributes);
    }
    assert!(
        call.end_time_unix_nano <= request.end_time_unix_nano,
        "the request ends after its call"
    );

    assert_eq!(
        collector.metrics(),
        [
            "gen_ai.client.operation.duration",
            "gen_ai.client.operation.time_to_first_chunk",
            "gen_ai.client.token.usage",
            "gen_ai.server.time_to_first_token",
        ]
    );
    assert!(collector.0.lock().unwrap().iter().all(|(_, headers, _)| headers["x-key"] == "hush"));
    assert!(collector.contains("desk"));
    assert!(!collector.contains("forget-me-not") && !collector.contains("Kraichtal"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_steps_of_a_turn_are_spans_around_the_calls_that_they_make() {
    let collector = collect_of("dialog/default", false).await;
    let spans = collector.spans();
    let named = |name: &str| {
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {names:?}"))
    };
    let request = named("POST /v1/chat/completions");
    for step in ["dialog search", "dialog answer"] {
        assert_eq!(named(step).parent_span_id, request.span_id, "{step}");
    }
    assert_eq!(named("chat m").parent_span_id, named("dialog answer").span_id);
    assert!(!collector.contains("forget-me-not") && !collector.contains("Kraichtal"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_and_answers_are_told_when_that_is_wanted() {
    let collector = collect(true).await;
    let spans = collector.spans();
    let call = spans.iter().find(|span| span.name == "chat m").unwrap();
    let event = &call.events[0];
    assert_eq!(event.name, "gen_ai.client.inference.operation.details");
    let input = value(&event.attributes, "gen_ai.input.messages").unwrap();
    let output = value(&event.attributes, "gen_ai.output.messages").unwrap();
    let (input, output): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&input).unwrap(), serde_json::from_str(&output).unwrap());
    assert_eq!(input[0]["role"], "user");
    assert_eq!(input[0]["parts"][0]["content"], format!("{PROMPT}?"));
    assert_eq!(output[0]["parts"][0]["content"], ANSWER);
    assert_eq!(output[0]["finish_reason"], "stop");
}

#[test]
fn what_is_wrong_with_the_collector_is_said_at_start() {
    for (telemetry, expected) in [
        ("otlp_endpoint = \"nowhere\"", "[telemetry]: `otlp_endpoint`: "),
        (
            "otlp_endpoint = \"http://127.0.0.1:9\"\nheaders = { a = \"env:NO\" }",
            "the environment variable `NO` is not set",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("colloquy.toml"), format!("[telemetry]\n{telemetry}\n"))
            .unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_api-server"))
            .args(["models"])
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(expected) && error.lines().count() == 1, "{error}");
    }
}
