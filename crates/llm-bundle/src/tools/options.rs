//! [`ToolOptions`]: the bounds of the tool loop.

use std::time::Duration;

/// The bounds of the tool loop. The defaults are safe to deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOptions {
    /// How often the model is asked; at least once. The last time it may not use tools, so that it answers. Default 8.
    pub max_rounds: u32,
    /// How many calls of one answer are run; further ones get an error as their result. Default 16.
    pub max_calls: usize,
    /// How many of them run at the same time. Default 4.
    pub parallel: usize,
    /// How long a tool may take that has no limit of its own. Default 60 s.
    pub tool_timeout: Duration,
    /// How long all rounds may take together. Then the call fails with [`ErrorKind::Timeout`]. Default 10 minutes.
    ///
    /// [`ErrorKind::Timeout`]: llm_core::ErrorKind::Timeout
    pub deadline: Duration,
    /// How much text of one result the model sees, in bytes; what is longer is cut, and the model told so. Default
    /// 64 KiB.
    pub result_text_bytes: usize,
    /// How many bytes of media (in base64) of one result the model sees; what is more is left out, and the model told
    /// so. Default 8 MiB.
    pub result_media_bytes: usize,
}

impl Default for ToolOptions {
    fn default() -> Self {
        Self {
            max_rounds: 8,
            max_calls: 16,
            parallel: 4,
            tool_timeout: Duration::from_secs(60),
            deadline: Duration::from_secs(600),
            result_text_bytes: 64 << 10,
            result_media_bytes: 8 << 20,
        }
    }
}
