//! Dialogs: how they are set up, found by name, and asked.

mod as_chat;
mod saved;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dialog_service::{Attachment, Dialog, KeepAnswers, Prompts, Speech, Turn};
use llm_bundle::Bundle;
use llm_core::{ChatRequest, ErrorKind, ModelError, Operation, SpeechRequest};
use rag_core::{AllowedProviders, Dataset, DocumentId, TurnId};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::App;
use crate::bundle::{embedders, only};
use crate::config::{DialogConfig, deadline};
use crate::search::reranker;

pub(crate) use as_chat::as_chat;
pub(crate) use saved::{Found, ListedDialog, delete, find, list, save, unnamed};
pub(crate) use settings::{DialogSettings, Parameter, SpeechSettings};

/// A model of this prefix is the dialog of the name that follows.
pub(crate) const PREFIX: &str = "dialog/";

/// The dialog that a request names, if it names one.
pub(crate) fn named(request: &ChatRequest) -> Option<String> {
    request.model.strip_prefix(PREFIX).map(str::to_owned)
}

/// What a caller may choose besides the question.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// The model; `None` is the dialog's.
    pub(crate) model: Option<String>,
    /// Only these documents.
    pub(crate) documents: Option<Vec<DocumentId>>,
    /// What the question brings along.
    pub(crate) attachments: Vec<Attachment>,
    /// Values of the dialog's parameters.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// A turn of the dialog `name` that answers the request's conversation with a model of `bundle`.
///
/// # Errors
/// An unknown dialog, dataset or model; parameters that the dialog has not, or has no value for.
pub(crate) async fn turn(
    app: App,
    bundle: &Bundle,
    name: String,
    request: ChatRequest,
    choice: Choice,
) -> Result<Turn, ModelError> {
    let bundle = of_dialog(&app, bundle, &name, &choice)?;
    let found = find(&app, &name).await?.ok_or_else(|| {
        let message = format!("there is no dialog `{name}`; GET /v1/models lists them");
        ModelError::new(ErrorKind::NotFound, Operation::Chat, message).with_param("model")
    })?;
    turn_of(&app, &bundle, found, request, choice).await
}

/// The bundle for the models of a dialog that the caller names: those that it is set up with, and the one of the choice if
/// the caller may ask for it.
fn of_dialog(
    app: &App,
    bundle: &Bundle,
    name: &str,
    choice: &Choice,
) -> Result<Bundle, ModelError> {
    let dialog = format!("{PREFIX}{name}");
    if [Some(&dialog), choice.model.as_ref()].into_iter().flatten().all(|name| app.may_ask(name)) {
        return Ok(bundle.clone().with_all_models());
    }
    let message = "this key may not ask that dialog or model; GET /v1/models lists those it may";
    Err(ModelError::new(ErrorKind::Permission, Operation::Chat, message).with_param("model"))
}

/// The same of a dialog that was found.
///
/// # Errors
/// As [`turn`].
pub(crate) async fn turn_of(
    app: &App,
    bundle: &Bundle,
    Found { settings, datasets, prompts }: Found,
    mut request: ChatRequest,
    choice: Choice,
) -> Result<Turn, ModelError> {
    let trail = bundle.trail().cloned().unwrap_or_default();
    let allowed = AllowedProviders::of_all(&datasets);
    let bundle = bundle.clone().with_trail(trail.clone());
    // Datasets are bound to their models: nobody chooses these.
    let embedders = embedders(bundle.clone().with_all_models());
    let bundle = only(bundle, &allowed);
    let model = choice.model.as_deref().or(settings.model.as_deref());
    let model = app.chat_model_of(&bundle, model).await?;
    let parameters = settings.values(choice.parameters).map_err(|reason| {
        ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, reason).with_param("parameters")
    })?;
    let rerank = settings.rerank.as_ref().or(app.config.dialog.rerank.as_ref());
    let rerank = rerank.filter(|name| !name.trim().is_empty());
    let rerank = rerank.map(|name| reranker(&bundle, &datasets, name)).transpose()?;
    request.max_output_tokens = request.max_output_tokens.or(settings.max_output_tokens);
    let sources = app.setup.web.of_dialog(&settings.web)?;
    let speech = settings.speech.clone().map(|settings| speech(&bundle, settings));
    let tools = app.setup.mcp.of_dialog(&settings.tools).await?;
    let sampling = &mut request.sampling;
    sampling.temperature = sampling.temperature.or(settings.temperature);
    sampling.top_p = sampling.top_p.or(settings.top_p);
    sampling.presence_penalty = sampling.presence_penalty.or(settings.presence_penalty);
    sampling.frequency_penalty = sampling.frequency_penalty.or(settings.frequency_penalty);
    let messages = std::mem::take(&mut request.messages);
    let asked = (&request, &choice.documents, model.info().name.to_string(), &parameters);
    let keep = keep(&settings, &datasets, &(app.tenant(), asked));
    let dialog = Dialog {
        datasets,
        documents: choice.documents,
        rerank,
        tools,
        speech,
        keep,
        sources,
        ..dialog(settings, &app.config.dialog, prompts, parameters)
    };
    Ok(Turn {
        id: TurnId::from_u128(Uuid::now_v7().as_u128()),
        asked_at: SystemTime::now(),
        messages,
        attachments: choice.attachments,
        model,
        request,
        dialog,
        trail,
        embedders: Some(embedders),
        trace: Arc::default(),
        stop: CancellationToken::new(),
    })
}

/// Answers are given again to those who would be given the same: of one tenant, with the same settings, model, datasets,
/// documents and parameters.
fn keep(
    settings: &DialogSettings,
    datasets: &[Dataset],
    asked: &impl Serialize,
) -> Option<KeepAnswers> {
    let seconds = settings.keep_answers_seconds.filter(|seconds| *seconds > 0)?;
    let ids: Vec<_> = datasets.iter().map(|dataset| (&dataset.tenant, &dataset.id)).collect();
    let scope = serde_json::to_string(&(settings, ids, asked)).ok()?;
    Some(KeepAnswers { scope, time: Duration::from_secs(seconds) })
}

/// The voice of a dialog: its model is one of the bundle's.
fn speech(bundle: &Bundle, settings: SpeechSettings) -> Speech {
    let SpeechSettings { model, voice, format } = settings;
    let bundle = bundle.clone();
    Speech {
        speak: Arc::new(move |request| bundle.speak(request)),
        request: SpeechRequest { model, voice, format, ..SpeechRequest::default() },
    }
}

/// How a dialog answers: as it says, else as the server is configured.
fn dialog(
    settings: DialogSettings,
    configured: &DialogConfig,
    prompts: Option<Prompts>,
    parameters: BTreeMap<String, String>,
) -> Dialog {
    let empty_response = settings.empty_response.or(Some(configured.empty_response.clone()));
    Dialog {
        metadata: settings.filter,
        filtering: settings.auto_filter.map(Into::into).unwrap_or_default(),
        top: settings.top.unwrap_or(configured.top),
        vector_weight: settings.vector_weight.or(configured.vector_weight),
        threshold: settings.threshold.unwrap_or(configured.threshold),
        instructions: settings.instructions.or_else(|| configured.instructions.clone()),
        empty_response: empty_response.filter(|text| !text.trim().is_empty()),
        rewrite: settings.rewrite.unwrap_or(configured.rewrite),
        keywords: settings.keywords.unwrap_or(configured.keywords),
        languages: settings.languages.unwrap_or_else(|| configured.languages.clone()),
        deadline: deadline(settings.deadline_seconds.unwrap_or(configured.deadline_seconds)),
        contents: settings.contents,
        graph: settings.graph,
        research: settings.research.map(Into::into),
        related: settings.related,
        mind_map: settings.mind_map,
        prompts,
        parameters,
        ..Dialog::default()
    }
}
