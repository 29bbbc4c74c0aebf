//! Chat and rerank through InvokeModel: each maker's own dialect, the model in the path.
//!
//! | family ([`InvokeFamily`]) | request and answer |
//! |---|---|
//! | Claude | Messages ([`anthropic`](crate::anthropic)), with `anthropic_version` in the body |
//! | Nova | Converse's fields with `schemaVersion`, and what Converse keeps in `additionalModelRequestFields` beside them |
//! | Command R | Cohere's chat, version 1 ([`cohere::v1`](crate::cohere::v1)) |
//! | Command | Cohere's `generate` |
//! | gpt-oss, newer Mistral models, Qwen and others | chat completions ([`openai::chat`](crate::openai::chat)) |
//! | Llama, Titan, older Mistral models, Jurassic, Claude's older form | a prompt in the family's template |
//!
//! | template | from |
//! |---|---|
//! | Llama 3: `<\|start_header_id\|>user<\|end_header_id\|>` … `<\|eot_id\|>`; Llama 2: `[INST]` … `[/INST]` with `<<SYS>>` | "Meta Llama models" in the user guide |
//! | Llama 4: `<\|header_start\|>user<\|header_end\|>` … `<\|eot\|>` | the model card |
//! | Mistral: `[INST]` … `[/INST]` | "Mistral AI text completion" in the user guide |
//! | Claude's older form: `Human:` … `Assistant:` | "Anthropic Claude Text Completions" in the user guide |
//! | Titan: `User:` … `Bot:`, but one question as it is | "Amazon Titan Text models" in the user guide |
//! | Jurassic: as Titan | none is documented |
//!
//! A prompt of the caller's own goes through [`ChatRequest::extra_body`](llm_core::ChatRequest::extra_body).
//!
//! A stream is an event stream whose frames hold one event of that dialect each, as base64 in `bytes`; the last one has the
//! service's own count of tokens beside it (`amazon-bedrock-invocationMetrics`). A whole answer has that count in its headers.

mod family;
mod model;
mod native;
mod nova;
mod prompt;
mod prompt_answer;
mod prompt_request;
mod reasoning_tags;
mod request;
mod rerank;
mod stream;

pub use family::InvokeFamily;
pub use request::{RenderedRequest, parse_request, render_request};
pub use stream::decode_chunks;
