//! One run of joined calls, from their texts to their answers.

use std::sync::Arc;

use futures::future::{BoxFuture, Shared as SharedFuture};
use futures::{FutureExt, StreamExt, stream};
use llm_core::{EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError};
use tokio::sync::oneshot;

use super::shares::shares;
use super::{Shared, UnderWay};

/// Calls under way for a run that is taken apart.
const CALLS_AT_ONCE: usize = 4;

/// A run that any of its callers drives. Cancelled when the last of them leaves.
pub(super) type Run = SharedFuture<BoxFuture<'static, ()>>;

/// A call in a run.
pub(super) struct Member {
    pub(super) request: EmbeddingRequest,
    /// Closed when its caller has left.
    pub(super) answer: oneshot::Sender<Result<EmbeddingResponse, ModelError>>,
}

impl Member {
    fn tell(self, answer: Result<EmbeddingResponse, ModelError>) {
        // The caller may have left.
        drop(self.answer.send(answer));
    }

    /// The length of its texts, at least one.
    fn weight(&self) -> u64 {
        self.request.inputs.iter().map(|text| text.len() as u64).sum::<u64>().max(1)
    }
}

/// Makes a run. Nothing happens until it is polled; callers who have left by then are left out.
pub(super) fn run(shared: Arc<Shared>, members: Vec<Member>, under_way: UnderWay) -> Run {
    let run = async move {
        let _under_way = under_way;
        let staying = members.into_iter().filter(|member| !member.answer.is_closed());
        ask_together(&shared, staying.collect()).await;
    };
    run.boxed().shared()
}

async fn ask_together(shared: &Shared, members: Vec<Member>) {
    let Some(first) = members.first() else {
        return;
    };
    if members.len() == 1 {
        return ask_apart(shared, members).await;
    }
    let inputs = members.iter().flat_map(|member| &member.request.inputs).cloned().collect();
    let request = EmbeddingRequest { inputs, ..without_inputs(&first.request) };
    let texts = request.inputs.len();
    match shared.ask(request).await {
        Ok(response) if response.vectors.len() == texts => hand_out(response, members),
        Ok(_) => ask_apart(shared, members).await,
        Err(error) if is_of_one(&error) => ask_apart(shared, members).await,
        Err(error) => members.into_iter().for_each(|member| member.tell(Err(error.clone()))),
    }
}

/// Each call by itself, as if nothing had been joined; no more calls than that.
async fn ask_apart(shared: &Shared, members: Vec<Member>) {
    let ask = |mut member: Member| async move {
        let request = std::mem::take(&mut member.request);
        tokio::select! {
            answer = shared.ask(request) => member.tell(answer),
            () = member.answer.closed() => {}
        }
    };
    stream::iter(members).for_each_concurrent(CALLS_AT_ONCE, ask).await;
}

/// Whether one call's texts may be to blame.
fn is_of_one(error: &ModelError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidRequest
            | ErrorKind::Unsupported
            | ErrorKind::ContextLength
            | ErrorKind::ContentFilter
            | ErrorKind::Malformed
            | ErrorKind::Internal
    )
}

/// Gives each call its own vectors, and its share of what was consumed.
fn hand_out(response: EmbeddingResponse, members: Vec<Member>) {
    let EmbeddingResponse { vectors, model, usage, warnings } = response;
    let weights: Vec<u64> = members.iter().map(Member::weight).collect();
    let mut vectors = vectors.into_iter();
    for (member, usage) in members.into_iter().zip(shares(&usage, &weights)) {
        let own = vectors.by_ref().take(member.request.inputs.len()).collect();
        let (model, warnings) = (model.clone(), warnings.clone());
        member.tell(Ok(EmbeddingResponse { vectors: own, model, usage, warnings }));
    }
}

/// What a request asks for besides its texts.
pub(super) fn without_inputs(request: &EmbeddingRequest) -> EmbeddingRequest {
    let EmbeddingRequest { model, inputs: _, purpose, dimensions, user, extra_body, extra_headers } =
        request;
    EmbeddingRequest {
        model: model.clone(),
        inputs: Vec::new(),
        purpose: *purpose,
        dimensions: *dimensions,
        user: user.clone(),
        extra_body: extra_body.clone(),
        extra_headers: extra_headers.clone(),
    }
}
