//! Where methods of models are found.

use llm_core::{ErrorKind, ModelError, Operation};

/// Which of Google's two services answers. They share the dialect and differ in addresses, keys and embeddings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// The Gemini API (`generativelanguage.googleapis.com`).
    #[default]
    GeminiApi,
    /// Vertex AI (`aiplatform.googleapis.com`).
    Vertex,
}

impl Service {
    /// The full name of a model: `models/NAME`, or `publishers/google/models/NAME`. Names that are full already
    /// (`tunedModels/…`, `endpoints/…`) stay; on Vertex `PUBLISHER/NAME` is short for the publisher's model.
    pub(super) fn resource(self, model: &str) -> String {
        const FULL: [&str; 5] =
            ["models/", "tunedModels/", "publishers/", "endpoints/", "projects/"];
        if FULL.iter().any(|beginning| model.starts_with(beginning)) {
            return model.to_owned();
        }
        match (self, model.split_once('/')) {
            (Service::GeminiApi, _) => format!("models/{model}"),
            (Service::Vertex, None) => format!("publishers/google/models/{model}"),
            (Service::Vertex, Some((publisher, name))) => {
                format!("publishers/{publisher}/models/{name}")
            }
        }
    }

    /// The path of a model's method below the base URL.
    ///
    /// # Errors
    /// `InvalidRequest` for a name that would lead elsewhere.
    pub(super) fn path(
        self,
        operation: Operation,
        model: &str,
        method: &str,
    ) -> Result<String, ModelError> {
        let resource = self.resource(model);
        let mut path = String::with_capacity(resource.len() + method.len() + 1);
        for segment in resource.split('/') {
            if matches!(segment, "" | "." | "..") {
                let message = format!("`{model}` is no name of a model");
                return Err(ModelError::new(ErrorKind::InvalidRequest, operation, message)
                    .with_param("model"));
            }
            if !path.is_empty() {
                path.push('/');
            }
            push_encoded(&mut path, segment);
        }
        path.push(':');
        path.push_str(method);
        Ok(path)
    }
}

/// Encodes what has a meaning in a URL.
fn push_encoded(path: &mut String, segment: &str) {
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_their_paths() {
        for (service, model, expected) in [
            (Service::GeminiApi, "gemini-2.5-flash", "models/gemini-2.5-flash:m"),
            (Service::GeminiApi, "tunedModels/x", "tunedModels/x:m"),
            (Service::Vertex, "gemini-2.5-pro", "publishers/google/models/gemini-2.5-pro:m"),
            (Service::Vertex, "meta/llama@1", "publishers/meta/models/llama@1:m"),
            (Service::Vertex, "endpoints/12", "endpoints/12:m"),
            (Service::GeminiApi, "a:b?c#d", "models/a%3Ab%3Fc%23d:m"),
        ] {
            assert_eq!(service.path(Operation::Chat, model, "m").unwrap(), expected);
        }
        for model in ["", "../x", "models/../../x", "a//b"] {
            let error = Service::GeminiApi.path(Operation::Chat, model, "m").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{model}");
        }
    }
}
