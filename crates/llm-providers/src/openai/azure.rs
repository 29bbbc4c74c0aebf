//! OpenAI's models, and others, on Azure: the same dialect at other addresses, with a key of its own or a token of Entra.

use http::HeaderName;

use super::provider::{OpenAi, OpenAiBuilder, Routing};
use crate::path_segment::path_segment;

/// Which of Azure's interfaces is asked (Azure OpenAI "REST API reference", Foundry "Model Inference REST API").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AzureApi {
    /// `{endpoint}/openai/v1/…`, the deployment named in the body: what Azure recommends since August 2025.
    #[default]
    V1,
    /// `{endpoint}/openai/deployments/{deployment}/…?api-version=…`, the deployment named in the address. Responses have
    /// no deployment in theirs.
    Deployments {
        /// Such as `2024-10-21`.
        version: String,
    },
    /// `{endpoint}/models/…?api-version=…`: every model of a Foundry resource, named in the body.
    Models {
        /// Such as `2024-05-01-preview`.
        version: String,
    },
}

/// What addresses that people copy end with, besides the endpoint.
const API_PATHS: [&str; 3] = ["/openai/v1", "/openai", "/models"];

impl OpenAi {
    /// Begins a provider called `name` for a resource on Azure. `endpoint` is `https://NAME.openai.azure.com` or
    /// `https://NAME.services.ai.azure.com`; names of models are names of deployments. The key is sent as `api-key`; for
    /// Entra give a token source ([`credentials::azure`](crate::credentials::azure)) and no key.
    ///
    /// ```
    /// use llm_providers::openai::{AzureApi, OpenAi};
    ///
    /// # fn example(key: secrecy::SecretString) -> Result<(), llm_providers::BuildError> {
    /// let api = AzureApi::Deployments { version: "2024-10-21".into() };
    /// let azure = OpenAi::azure("azure", "https://example.openai.azure.com", api).api_key(key).build()?;
    /// let model = azure.chat("my-deployment");
    /// # Ok(())
    /// # }
    /// # example("key".into()).unwrap();
    /// ```
    pub fn azure(
        name: impl Into<String>,
        endpoint: impl AsRef<str>,
        api: AzureApi,
    ) -> OpenAiBuilder {
        let endpoint = endpoint_of(endpoint.as_ref());
        let (base_url, routing) = match api {
            AzureApi::V1 => (format!("{endpoint}/openai/v1"), Routing::Plain),
            AzureApi::Deployments { version } => {
                let version = path_segment(&version);
                (format!("{endpoint}/openai?api-version={version}"), Routing::Deployments)
            }
            AzureApi::Models { version } => {
                let version = path_segment(&version);
                (format!("{endpoint}/models?api-version={version}"), Routing::Plain)
            }
        };
        let builder = Self::builder(name, base_url).routing(routing);
        builder.key_header(HeaderName::from_static("api-key"))
    }
}

/// The endpoint alone, whatever was copied behind it.
fn endpoint_of(url: &str) -> &str {
    let url = url.trim().trim_end_matches('/');
    let endpoint = API_PATHS.iter().find_map(|path| url.strip_suffix(path)).unwrap_or(url);
    endpoint.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(endpoint: &str, api: AzureApi, expected: &str) {
        let provider = OpenAi::azure("a", endpoint, api).build().unwrap();
        assert!(format!("{provider:?}").contains(&format!("\"{expected}\"")), "{provider:?}");
    }

    #[test]
    fn endpoints_lead_to_their_interface() {
        let host = "https://r.openai.azure.com";
        for endpoint in ["", "/", "/openai/v1/", "/openai", "/models"] {
            let endpoint = format!("{host}{endpoint}");
            check(&endpoint, AzureApi::V1, &format!("{host}/openai/v1"));
            let api = AzureApi::Deployments { version: "2024-10-21".into() };
            check(&endpoint, api, &format!("{host}/openai?api-version=2024-10-21"));
            let api = AzureApi::Models { version: "v".into() };
            check(&endpoint, api, &format!("{host}/models?api-version=v"));
        }
    }
}
