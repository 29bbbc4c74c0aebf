//! One cell of the matrix: a call through a [`Bundle`], and everything that can be seen of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::StreamExt;
use llm_bundle::{
    Bundle, CallRecord, GuardOptions, Outcome, Registry, RegistryBuilder, RetryOptions,
    RouteOptions,
};
use llm_core::{ChatEvent, ChatRequest, ErrorKind, Message, ModelError, ModelKind};

use crate::faults::Fault;
use crate::target::Target;

/// The name that is asked, and the providers behind it.
const NAME: &str = "any";
const PROVIDERS: [&str; 2] = ["first", "second"];

/// Whether the answer is asked for as a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Streamed,
    Whole,
}

impl Asked {
    pub(crate) const BOTH: [Self; 2] = [Self::Streamed, Self::Whole];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Streamed => "stream",
            Self::Whole => "whole",
        }
    }
}

/// What can be seen of a call.
pub(crate) struct Seen {
    /// What its caller got.
    pub(crate) caller: String,
    /// How many calls reached each target.
    pub(crate) calls: Vec<usize>,
    /// What remained of it.
    pub(crate) record: CallRecord,
}

/// The defaults, with small pauses; and where only a limit ends a call, with small limits, which are still long for a
/// busy machine.
fn options(fault: &Fault) -> GuardOptions {
    let retry = RetryOptions {
        first_pause: Duration::from_millis(10),
        longest_pause: Duration::from_millis(20),
        longest_wait: Duration::from_secs(1),
        ..RetryOptions::default()
    };
    let options = GuardOptions { retry, ..GuardOptions::default() };
    if !fault.is_silence {
        return options;
    }
    GuardOptions {
        deadline: Duration::from_secs(10),
        first_event: Duration::from_secs(2),
        idle: Duration::from_secs(2),
        ..options
    }
}

/// Asks a name over these targets once, with limits that fit the fault.
///
/// # Errors
/// When the call does not end as exactly one record, or something of the case cannot be set up.
pub(crate) async fn run(
    fault: &Fault,
    targets: &[Target],
    route: RouteOptions,
    asked: Asked,
) -> Result<Seen> {
    let records = Arc::new(Mutex::new(Vec::new()));
    let registry = Registry::builder().guards(options(fault));
    let bundle = bundle(registry, targets, route, records.clone())?;
    let caller = ask(&bundle, asked).await;
    let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(records.len() == 1, "one call, {} records: {records:?}", records.len());
    Ok(Seen {
        caller,
        calls: targets.iter().map(Target::calls).collect(),
        record: records.remove(0),
    })
}

fn bundle(
    registry: RegistryBuilder,
    targets: &[Target],
    route: RouteOptions,
    records: Arc<Mutex<Vec<CallRecord>>>,
) -> Result<Bundle> {
    let keep = move |record| records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    let mut registry = registry.records(Arc::new(keep));
    let mut names = Vec::new();
    for (provider, target) in PROVIDERS.into_iter().zip(targets) {
        let model = target.model(provider)?;
        names.push(model.info().name.clone().into());
        registry = registry.chat(model);
    }
    let registry = registry.route(ModelKind::Chat, NAME, names, route)?;
    Ok(Bundle::new(registry.build()))
}

/// Asks, and says what came.
async fn ask(bundle: &Bundle, asked: Asked) -> String {
    let mut request = ChatRequest::new(vec![Message::user("is it so?")]);
    request.model = NAME.into();
    match asked {
        Asked::Whole => match bundle.chat(request).await {
            Ok(response) => answered(&response.text()),
            Err(error) => failed(&error),
        },
        Asked::Streamed => match bundle.chat_stream(request).await {
            Ok(mut reply) => {
                let mut text = String::new();
                while let Some(event) = reply.next().await {
                    match event {
                        Ok(ChatEvent::Text { text: more, .. }) => text.push_str(&more),
                        Ok(_) => {}
                        Err(error) => return after(&text, &failed(&error)),
                    }
                }
                answered(&text)
            }
            Err(error) => failed(&error),
        },
    }
}

fn answered(text: &str) -> String {
    format!("“{text}”")
}

fn after(text: &str, failure: &str) -> String {
    if text.is_empty() { failure.to_owned() } else { format!("“{text}”, then {failure}") }
}

fn failed(error: &ModelError) -> String {
    let status = error.status().map(|status| format!(" {status}")).unwrap_or_default();
    let whose = error.provider();
    format!("**{}**{status} of `{whose}`: `{}`", error.kind().as_str(), error.message())
}

/// A record in one line.
pub(crate) fn recorded(record: &CallRecord) -> String {
    let CallRecord { target, attempts, events, .. } = record;
    let by = format!("by `{}`, attempts {attempts}", target.provider);
    let error = record.error.map_or("no error", ErrorKind::as_str);
    match record.outcome {
        Outcome::Completed => format!("completed {by}"),
        Outcome::Failed => format!("failed ({error}) {by}, events {events}"),
        Outcome::Cancelled => format!("cancelled {by}, events {events}"),
    }
}
