//! [`in_batches`]: an embedding request in calls of the size that a provider takes.

use futures::{StreamExt, TryStreamExt, stream};
use llm_core::{EmbeddingRequest, EmbeddingResponse, ModelError, Usage};

use crate::vectors;

/// How many calls of one request run at once.
const AT_ONCE: usize = 4;

/// Makes calls of at most `batch` inputs (all at once where that is `None` or zero), a few of them at a time, and joins
/// their answers in the order of the inputs. The first failure ends all. No inputs make no call.
///
/// # Errors
/// That of a call; `Malformed` when the vectors of two calls differ in length.
pub(crate) async fn in_batches<C, F>(
    mut request: EmbeddingRequest,
    batch: Option<u32>,
    call: C,
) -> Result<EmbeddingResponse, ModelError>
where
    C: Fn(EmbeddingRequest) -> F,
    F: Future<Output = Result<EmbeddingResponse, ModelError>>,
{
    if request.inputs.is_empty() {
        return Ok(EmbeddingResponse::default());
    }
    let most = batch.filter(|batch| *batch > 0).map_or(usize::MAX, |batch| batch as usize);
    if request.inputs.len() <= most {
        return call(request).await;
    }
    let mut inputs = std::mem::take(&mut request.inputs);
    let mut calls = Vec::with_capacity(inputs.len().div_ceil(most));
    while !inputs.is_empty() {
        let rest = inputs.split_off(most.min(inputs.len()));
        let inputs = std::mem::replace(&mut inputs, rest);
        calls.push(call(EmbeddingRequest { inputs, ..request.clone() }));
    }
    let answers: Vec<EmbeddingResponse> =
        stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    let whole = answers.into_iter().reduce(join).unwrap_or_default();
    vectors::check_lengths(&whole.vectors, None)?;
    Ok(whole)
}

fn join(mut whole: EmbeddingResponse, more: EmbeddingResponse) -> EmbeddingResponse {
    whole.vectors.extend(more.vectors);
    whole.usage = Usage {
        input_tokens: sum(whole.usage.input_tokens, more.usage.input_tokens),
        cost: match (whole.usage.cost, more.usage.cost) {
            (Some(known), Some(more)) => Some(known + more),
            (known, more) => known.or(more),
        },
        ..Usage::default()
    };
    for warning in more.warnings {
        if !whole.warnings.contains(&warning) {
            whole.warnings.push(warning);
        }
    }
    whole
}

/// These are calls of their own, so they add up.
fn sum(known: Option<u64>, more: Option<u64>) -> Option<u64> {
    match (known, more) {
        (Some(known), Some(more)) => Some(known.saturating_add(more)),
        (known, more) => known.or(more),
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use llm_core::{ErrorKind, Operation};

    use super::*;

    /// Embeds each text as its number.
    async fn embed(request: EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        assert!(request.inputs.len() <= 2, "{:?}", request.inputs);
        let number = |text: &String| {
            text.parse().map(|number: f32| vec![number]).map_err(|_| {
                ModelError::new(ErrorKind::InvalidRequest, Operation::Embed, "no number")
            })
        };
        let usage = Usage { input_tokens: Some(1), ..Usage::default() };
        let vectors = request.inputs.iter().map(number).collect::<Result<_, _>>()?;
        Ok(EmbeddingResponse { vectors, usage, ..EmbeddingResponse::default() })
    }

    #[test]
    fn answers_come_in_the_order_of_the_inputs() {
        let request = EmbeddingRequest::documents(["0", "1", "2", "3", "4"]);
        let whole = block_on(in_batches(request, Some(2), embed)).unwrap();
        assert_eq!(whole.vectors, [[0.0], [1.0], [2.0], [3.0], [4.0]]);
        assert_eq!(whole.usage.input_tokens, Some(3));
    }

    #[test]
    fn the_first_failure_ends_all() {
        let request = EmbeddingRequest::documents(["0", "1", "?", "3"]);
        let error = block_on(in_batches(request, Some(2), embed)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }

    #[test]
    fn nothing_asks_nobody() {
        let nobody = |_| async { Err(ModelError::new(ErrorKind::Internal, Operation::Embed, "")) };
        let none = EmbeddingRequest::documents([""; 0]);
        assert_eq!(block_on(in_batches(none, Some(2), nobody)).unwrap(), Default::default());
    }
}
