//! [`Writer`]: makes recorded exchanges of what passed through, and files of them, away from the runtime's workers.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::tape::{Taken, TakenResponse};
use crate::wire::{Wire, framing, kind, model};
use crate::{Exchange, RecordedRequest, RecordedResponse, Scrubber};

/// How many exchanges may wait to be written. Their bytes are bounded by the recorder's budget.
const WAITING: usize = 4_096;

/// Writes one exchange after another. It ends when every [`Outbox`] is gone and everything is written.
#[derive(Debug)]
pub(super) struct Writer {
    task: JoinHandle<()>,
}

/// Where exchanges are handed to the writer.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    sender: mpsc::Sender<Taken>,
}

impl Writer {
    /// Starts a writer into a folder.
    pub(super) fn start(folder: PathBuf) -> (Self, Outbox) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { task: tokio::spawn(write_all(receiver, folder)) }, Outbox { sender })
    }

    /// Waits for it to end.
    pub(super) async fn finish(self) {
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the writer of recordings did not end well");
        }
    }
}

impl Outbox {
    /// Hands an exchange over. Never waits: one that finds the box full is not kept.
    pub(super) fn put(&self, taken: Taken) {
        if self.sender.try_send(taken).is_err() {
            tracing::warn!("not recorded: too many exchanges wait to be written");
        }
    }
}

async fn write_all(mut receiver: mpsc::Receiver<Taken>, folder: PathBuf) {
    while let Some(taken) = receiver.recv().await {
        let folder = folder.clone();
        let id = taken.id.clone();
        let written = tokio::task::spawn_blocking(move || write(&folder, taken)).await;
        match written {
            Ok(Ok(())) => tracing::debug!(id, "recorded"),
            Ok(Err(error)) => tracing::warn!(id, %error, "not recorded"),
            Err(error) => tracing::warn!(id, %error, "not recorded"),
        }
    }
}

/// Writes an exchange, so that its file is there as a whole or not at all.
fn write(folder: &Path, taken: Taken) -> io::Result<()> {
    let Some(exchange) = exchange(taken) else {
        return Err(io::Error::other("without its secrets it would be no JSON any more"));
    };
    let folder = folder.join(&exchange.provider);
    std::fs::create_dir_all(&folder)?;
    let mut file = tempfile::Builder::new().prefix(".recording-").tempfile_in(&folder)?;
    let mut text = io::BufWriter::new(&mut file);
    serde_json::to_writer_pretty(&mut text, &exchange)?;
    text.write_all(b"\n")?;
    text.flush()?;
    drop(text);
    file.persist(folder.join(format!("{}.json", exchange.id)))?;
    Ok(())
}

/// The exchange without its secrets.
fn exchange(mut taken: Taken) -> Option<Exchange> {
    let response = taken.response.take()?;
    let scrubber = Scrubber::new(&taken.headers, &taken.query);
    let wire = Wire::of(&taken.path, &taken.headers);
    let request = request(&scrubber, &taken)?;
    let status = response.status.as_u16();
    let response = recorded_response(&scrubber, response, taken.is_whole)?;
    let incomplete = (!taken.is_whole).then(|| "incomplete_stream".to_owned());
    Some(Exchange {
        kind: kind(wire.operation, status, &response.framing),
        model: model(&taken.path, request.body.as_ref()),
        id: taken.id,
        dialect: taken.provider.clone(),
        provider: taken.provider,
        wire: wire.format,
        op: wire.operation.into(),
        features: incomplete.into_iter().collect(),
        fidelity: vec!["raw".into(), "network-chunks".into()],
        request,
        response,
        expect: None,
    })
}

fn request(scrubber: &Scrubber, taken: &Taken) -> Option<RecordedRequest> {
    let mark = if taken.query.is_empty() { "" } else { "?" };
    let path = scrubber.text(&taken.path);
    let mut request = RecordedRequest {
        method: taken.method.to_string(),
        url: format!("{}{path}{mark}{}", taken.origin, scrubber.query(&taken.query)),
        headers: scrubber.request_headers(&taken.headers),
        ..RecordedRequest::default()
    };
    if taken.body.is_empty() {
        return Some(request);
    }
    let was_json = is_json(&taken.body);
    let mut body = taken.body.to_vec();
    scrubber.blank(&mut body);
    match serde_json::from_slice(&body) {
        Ok(value) => request.body = Some(value),
        Err(_) if was_json => return None,
        Err(_) => match String::from_utf8(body) {
            Ok(text) => request.body_text = Some(text),
            Err(bytes) => request.body_base64 = Some(STANDARD.encode(bytes.as_bytes())),
        },
    }
    Some(request)
}

fn recorded_response(
    scrubber: &Scrubber,
    taken: TakenResponse,
    is_whole: bool,
) -> Option<RecordedResponse> {
    let framing = framing(content_type(&taken.headers), &taken.body);
    let was_json = framing == "json" && is_json(&taken.body);
    let mut body = taken.body;
    match framing {
        "aws-eventstream" => scrubber.blank_event_stream(&mut body),
        _ => scrubber.blank(&mut body),
    }
    if was_json && !is_json(&body) {
        return None;
    }
    let mut response = RecordedResponse {
        status: taken.status.as_u16(),
        headers: scrubber.response_headers(&taken.headers),
        framing: framing.into(),
        chunk_lengths: Some(taken.lengths),
        chunk_ms: Some(taken.times),
        head_ms: Some(taken.head_ms),
        broke_off: !is_whole,
        ..RecordedResponse::default()
    };
    match String::from_utf8(body) {
        Ok(text) => response.body = Some(text),
        Err(bytes) => response.body_base64 = Some(STANDARD.encode(bytes.as_bytes())),
    }
    Some(response)
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
