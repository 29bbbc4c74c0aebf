//! [`LoadError`]: why a model directory cannot be used.

use std::io;
use std::path::PathBuf;

/// A sentence-transformers directory that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file is missing or cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A configuration is not what sentence-transformers writes.
    #[error("cannot understand {}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// The tokenizer cannot be made.
    #[error("cannot make a tokenizer of {}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The weights are no safetensors file.
    #[error("cannot read the weights of {}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// Why.
        source: safetensors::SafeTensorError,
    },
    /// A tensor is missing, or has another shape or type than the configuration asks for.
    #[error("the tensor {name} {problem}")]
    Tensor {
        /// Which.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The model has a part that is not computed here.
    #[error("{0} is not supported")]
    Unsupported(String),
}
