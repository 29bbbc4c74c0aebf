//! [`Surface`]: where Claude is served, since addresses and the envelope of the body differ.

use crate::path_segment::path_segment;

/// Where a model of this dialect is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Surface {
    /// `POST …/messages`, the model in the body: Anthropic itself, Azure, and everybody who copies them.
    #[default]
    Messages,
    /// Vertex AI: the model in the address, `anthropic_version` in the body.
    Vertex,
    /// Bedrock's `invoke`: the model in the address, `anthropic_version` in the body, which does not say whether to
    /// stream.
    Bedrock,
}

impl Surface {
    /// Whether the body names the model.
    pub(super) fn names_model(self) -> bool {
        self == Surface::Messages
    }

    /// What `anthropic_version` the body holds.
    pub(super) fn version(self) -> Option<&'static str> {
        match self {
            Surface::Messages => None,
            Surface::Vertex => Some("vertex-2023-10-16"),
            Surface::Bedrock => Some("bedrock-2023-05-31"),
        }
    }

    /// Whether the body says that the answer shall be streamed.
    pub(super) fn names_stream(self) -> bool {
        self != Surface::Bedrock
    }

    /// The path below the base URL that answers `model`.
    pub(super) fn path(self, model: &str, is_streamed: bool) -> String {
        let verb = if is_streamed { "streamRawPredict" } else { "rawPredict" };
        match self {
            Surface::Messages => "messages".to_owned(),
            Surface::Vertex => format!("{}:{verb}", path_segment(model)),
            Surface::Bedrock => {
                let verb = if is_streamed { "invoke-with-response-stream" } else { "invoke" };
                format!("{}/{verb}", path_segment(model))
            }
        }
    }

    /// The path below the base URL that counts tokens.
    pub(super) fn count_path(self) -> &'static str {
        match self {
            Surface::Messages => "messages/count_tokens",
            Surface::Vertex | Surface::Bedrock => "count-tokens:rawPredict",
        }
    }
}

/// A project on Vertex AI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VertexProject {
    /// The project's id.
    pub project: String,
    /// The region (`us-east5`), a multi-region (`us`, `eu`) or `global`.
    pub location: String,
}

impl VertexProject {
    /// Where the models of Anthropic are, below which a model's name and verb stand.
    ///
    /// ```
    /// use llm_providers::anthropic::VertexProject;
    ///
    /// let project = VertexProject { project: "p".into(), location: "us-east5".into() };
    /// let base = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5";
    /// assert_eq!(project.base_url(), format!("{base}/publishers/anthropic/models"));
    /// ```
    pub fn base_url(&self) -> String {
        let (project, location) = (path_segment(&self.project), path_segment(&self.location));
        let host = match location.as_str() {
            "global" => "aiplatform.googleapis.com".to_owned(),
            "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
            region => format!("{region}-aiplatform.googleapis.com"),
        };
        format!(
            "https://{host}/v1/projects/{project}/locations/{location}/publishers/anthropic/models"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_segment() {
        for (name, path) in [
            ("claude-haiku-4-5@20251001", "claude-haiku-4-5@20251001:rawPredict"),
            ("../../x", "..%2F..%2Fx:rawPredict"),
            ("..", "%252E%252E:rawPredict"),
            ("a?b#c%2F", "a%3Fb%23c%252F:rawPredict"),
        ] {
            assert_eq!(Surface::Vertex.path(name, false), path);
        }
    }
}
