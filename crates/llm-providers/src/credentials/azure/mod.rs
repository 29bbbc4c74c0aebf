//! Tokens of Microsoft Entra ID, for models on Azure.
//!
//! | source | from |
//! |---|---|
//! | [`Entra`] | an application: its secret, or a statement of who it is that somebody else has signed (workload identity) |
//! | [`ManagedIdentity`] | the identity of the machine, the container or the app that this runs in |
//!
//! Facts: "Microsoft identity platform and the OAuth 2.0 client credentials flow", "How managed identities for Azure
//! resources work with Azure virtual machines", "App Service: REST endpoint reference".
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use llm_providers::credentials::CachedTokens;
//! use llm_providers::credentials::azure::Entra;
//! use llm_providers::openai::{AzureApi, OpenAi};
//!
//! # fn example(secret: secrecy::SecretString) -> Result<(), llm_providers::BuildError> {
//! let entra = Entra::with_secret("my-tenant", "my-application", secret)?;
//! let tokens = Arc::new(CachedTokens::new(Arc::new(entra)));
//! let azure = OpenAi::azure("azure", "https://example.openai.azure.com", AzureApi::V1).token_source(tokens).build()?;
//! # Ok(())
//! # }
//! ```

mod entra;
mod managed_identity;

pub use entra::Entra;
pub use managed_identity::ManagedIdentity;

/// What tokens are asked for unless something else is named: Azure OpenAI and what is beside it.
const RESOURCE: &str = "https://cognitiveservices.azure.com";
