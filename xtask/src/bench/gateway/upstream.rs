//! An upstream that costs next to nothing: it answers chats of the OpenAI dialect with as many tokens as the model's name
//! says, `t100-d10` being 100 tokens, 10 milliseconds apart.

use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep_until};

/// Serves until it is killed; the first line on standard output is its port.
pub(super) async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new());
        let connection = server.serve_connection(TokioIo::new(socket), service_fn(answer));
        tokio::spawn(connection);
    }
}

#[derive(Deserialize)]
struct Asked {
    model: String,
    #[serde(default)]
    stream: bool,
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>) -> Result<Response<Body>> {
    let body = request.into_body().collect().await?.to_bytes();
    let asked: Asked = serde_json::from_slice(&body)?;
    let (tokens, pause) = read(&asked.model);
    if !asked.stream {
        sleep_until(Instant::now() + pause * tokens as u32).await;
        let body = Full::new(Bytes::from(whole(&asked.model, tokens)));
        let response = Response::builder().header("content-type", "application/json");
        return Ok(response.body(body.boxed())?);
    }
    let body =
        StreamBody::new(events(asked.model, tokens, pause).map(|text| Ok(Frame::data(text))));
    let response = Response::builder().header("content-type", "text/event-stream");
    Ok(response.body(BodyExt::boxed(body))?)
}

/// Tokens, and the time between two of them.
fn read(model: &str) -> (usize, Duration) {
    let part = |letter: char| {
        model.split('-').find_map(|part| part.strip_prefix(letter)?.parse::<u64>().ok())
    };
    let tokens = part('t').unwrap_or(16) as usize;
    (tokens, Duration::from_millis(part('d').unwrap_or(0)))
}

fn whole(model: &str, tokens: usize) -> String {
    let text: String = (0..tokens).map(|token| format!("{token} ")).collect();
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"{model}","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":9,"completion_tokens":{tokens},"total_tokens":{}}}}}"#,
        tokens + 9
    )
}

/// The events of a stream; those without a pause between them come in one piece.
fn events(
    model: String,
    tokens: usize,
    pause: Duration,
) -> impl Stream<Item = Bytes> + Send + Sync {
    let (began, at_once) = (Instant::now(), pause.is_zero());
    let pieces = if at_once { 1 } else { tokens + 1 };
    stream::iter(0..pieces).then(move |piece| {
        let mut text = String::new();
        let own = if at_once { 0..tokens } else { piece..(piece + 1).min(tokens) };
        for token in own {
            event(&mut text, &model, &format!(r#"{{"content":"{token} "}}"#), "null");
        }
        if piece + 1 == pieces {
            event(&mut text, &model, "{}", "\"stop\"");
            text.push_str("data: [DONE]\n\n");
        }
        let due = began + pause * piece as u32;
        async move {
            if !at_once {
                sleep_until(due).await;
            }
            Bytes::from(text)
        }
    })
}

fn event(text: &mut String, model: &str, delta: &str, finish: &str) {
    // Writing to memory does not fail.
    let _ = write!(
        text,
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
         \"model\":\"{model}\",\"choices\":[{{\"index\":0,\"delta\":{delta},\
         \"finish_reason\":{finish}}}]}}\n\n"
    );
}
