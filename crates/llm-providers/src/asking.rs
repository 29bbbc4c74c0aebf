//! Which model is being asked, for what happens far below the call: the transport serves all models of an instance, and
//! what a response's head tells of limits concerns the one that was asked.

use std::sync::Arc;

use llm_core::ModelInfo;

tokio::task_local! {
    static ASKED: Arc<ModelInfo>;
}

/// The call as a call of this model. Costs a few nanoseconds each time that it is polled.
pub(crate) fn asking<F: Future>(
    model: Arc<ModelInfo>,
    call: F,
) -> impl Future<Output = F::Output> + use<F> {
    ASKED.scope(model, call)
}

/// Looks at the model that is being asked; passes over calls of none, such as for a list of models.
pub(crate) fn with_asked(look: impl FnOnce(&ModelInfo)) {
    // An error says that there is none.
    ASKED.try_with(|model| look(model)).ok();
}
