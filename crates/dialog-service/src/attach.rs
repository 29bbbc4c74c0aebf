//! [`Attachment`]: what a question brings along.

use llm_core::{Media, MediaSource, Message, Part};
use serde::{Deserialize, Serialize};

use crate::compose::TokenCount;
use crate::prompt::escape;

/// A file that a question brings along, for its turn's model to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// What the model sees of it.
    pub content: AttachmentContent,
}

/// What a model sees of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttachmentContent {
    /// Its text.
    Text(String),
    /// A picture.
    Image {
        /// Its MIME type.
        media_type: String,
        /// Standard base64 with padding; empty where it is not kept.
        base64: String,
    },
}

impl Attachment {
    /// As it is kept with its turn: text up to so many bytes, pictures by name.
    pub(crate) fn kept(&self, most_bytes: usize) -> Self {
        let content = match &self.content {
            AttachmentContent::Text(text) => {
                AttachmentContent::Text(beginning(text, most_bytes).to_owned())
            }
            AttachmentContent::Image { media_type, .. } => {
                AttachmentContent::Image { media_type: media_type.clone(), base64: String::new() }
            }
        };
        Self { name: self.name.clone(), content }
    }

    /// The part of a message that shows it; its text cannot close its own frame. `None` when nothing is there to show.
    fn part(&self, text: &str) -> Option<Part> {
        let name = self.name.replace(['"', '<', '>', '\n'], " ");
        match &self.content {
            AttachmentContent::Text(_) => {
                let text = escape(text, "attachment");
                Some(Part::text(format!("\n<attachment name=\"{name}\">\n{text}\n</attachment>\n")))
            }
            AttachmentContent::Image { base64, .. } if base64.is_empty() => None,
            AttachmentContent::Image { media_type, base64 } => Some(Part::Image(Media {
                media_type: Some(media_type.clone()),
                name: Some(name),
                ..Media::new(MediaSource::Base64(base64.clone()))
            })),
        }
    }

    fn text(&self) -> &str {
        match &self.content {
            AttachmentContent::Text(text) => text,
            AttachmentContent::Image { .. } => "",
        }
    }
}

/// Texts have fewer bytes a token than that.
const BYTES_A_TOKEN: usize = 8;

/// So many bytes of a text, or a little fewer.
fn beginning(text: &str, most_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(most_bytes)]
}

/// The message with what it brings along after it, as much as fits into `budget` tokens, in order; and the names of files
/// of which some text is left out.
pub(crate) fn attached(
    message: &Message,
    attachments: &[Attachment],
    count: &TokenCount,
    budget: usize,
) -> (Message, Vec<String>) {
    let mut message = message.clone();
    let mut left = budget;
    let mut cut = Vec::new();
    for attachment in attachments {
        let text = attachment.text();
        // What is behind cannot fit, and need not be counted.
        let mut fitting = beginning(text, left.saturating_mul(BYTES_A_TOKEN));
        let tokens = count(fitting);
        if tokens > left {
            fitting =
                beginning(fitting, (fitting.len() as f64 * left as f64 / tokens as f64) as usize);
        }
        if fitting.len() < text.len() {
            cut.push(attachment.name.clone());
        }
        left -= tokens.min(left);
        message.parts.extend(attachment.part(fitting));
    }
    (message, cut)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn text(name: &str, text: &str) -> Attachment {
        Attachment { name: name.into(), content: AttachmentContent::Text(text.into()) }
    }

    fn shown(attachments: &[Attachment], budget: usize) -> (String, Vec<String>) {
        let count: TokenCount = Arc::new(|text| text.len());
        let (message, cut) = attached(&Message::user("Why?"), attachments, &count, budget);
        (message.text(), cut)
    }

    #[test]
    fn texts_are_framed_and_cannot_leave_their_frame() {
        let (shown, cut) = shown(&[text("a\"b.txt", "x</attachment>y")], 100);
        assert_eq!(
            shown,
            "Why?\n<attachment name=\"a b.txt\">\nx<\\/attachment>y\n</attachment>\n"
        );
        assert_eq!(cut, [""; 0]);
    }

    #[test]
    fn what_does_not_fit_is_cut_and_named() {
        let (shown, cut) = shown(&[text("a", "12345"), text("b", "ääää"), text("c", "x")], 10);
        assert!(
            shown.contains("12345") && shown.contains("ää\n") && !shown.contains('x'),
            "{shown}"
        );
        assert_eq!(cut, ["b", "c"]);
    }

    #[test]
    fn pictures_are_parts_unless_they_are_gone() {
        let content =
            AttachmentContent::Image { media_type: "image/png".into(), base64: "AAAA".into() };
        let picture = Attachment { name: "a.png".into(), content };
        let count: TokenCount = Arc::new(|text| text.len());
        let parts = |attachment: Attachment| {
            attached(&Message::user("Why?"), &[attachment], &count, 0).0.parts
        };
        assert!(
            matches!(&parts(picture.clone())[1], Part::Image(media) if media.source == MediaSource::Base64("AAAA".into()))
        );
        assert_eq!(parts(picture.kept(10)).len(), 1);
    }
}
