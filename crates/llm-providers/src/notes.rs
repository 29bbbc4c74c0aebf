//! [`Notes`]: what a translation could not carry over, as warnings or as a refusal.

use llm_core::{ErrorKind, ModelError, Operation, Unsupported, Warning};

/// Collects what a translation leaves out. With [`Unsupported::Refuse`] the first such thing is an error instead.
#[derive(Debug)]
pub(crate) struct Notes {
    policy: Unsupported,
    warnings: Vec<Warning>,
}

impl Notes {
    pub(crate) fn new(policy: Unsupported) -> Self {
        Self { policy, warnings: Vec::new() }
    }

    /// A parameter was left out.
    pub(crate) fn dropped_parameter(&mut self, param: &str) -> Result<(), ModelError> {
        self.note("dropped_parameter", param, format!("the model does not take `{param}`"))
    }

    /// A part of a message was left out.
    pub(crate) fn dropped_content(&mut self, param: &str, what: &str) -> Result<(), ModelError> {
        self.note("dropped_content", param, format!("the provider does not take {what}"))
    }

    /// A parameter was carried out by other means, without the provider's guarantee.
    pub(crate) fn emulated_parameter(&mut self, param: &str) -> Result<(), ModelError> {
        let message = format!("the model does not take `{param}`; the prompt asks for it instead");
        self.note("emulated_parameter", param, message)
    }

    /// A part of a message was put elsewhere; never refused, since nothing is lost.
    pub(crate) fn moved_content(&mut self, param: &str, message: &str) {
        self.push("moved_content", param, message.to_owned());
    }

    /// A parameter was said in the provider's own terms, which are not quite the same; never refused.
    #[cfg(any(feature = "bedrock", feature = "cohere"))]
    pub(crate) fn translated_parameter(&mut self, param: &str, message: &str) {
        self.push("translated_parameter", param, message.to_owned());
    }

    pub(crate) fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }

    fn note(&mut self, code: &str, param: &str, message: String) -> Result<(), ModelError> {
        match self.policy {
            Unsupported::Refuse => {
                Err(ModelError::new(ErrorKind::Unsupported, Operation::Chat, message)
                    .with_param(param))
            }
            Unsupported::Warn => {
                self.push(code, param, message);
                Ok(())
            }
        }
    }

    /// Once, however often it happens.
    fn push(&mut self, code: &str, param: &str, message: String) {
        let warning = Warning { code: code.to_owned(), param: Some(param.to_owned()), message };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}
