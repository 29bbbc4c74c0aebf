//! What a server's tool said, as the output of a tool of ours.

use llm_core::{Media, MediaSource, Part, ToolOutput};
use rmcp::model::{CallToolResult, ContentBlock, Resource, ResourceContents};

/// The content in its order. Structured content counts where there is no other, since a server repeats it as text.
pub(crate) fn output(result: CallToolResult) -> ToolOutput {
    let mut parts: Vec<Part> = result.content.into_iter().filter_map(part).collect();
    if let (true, Some(value)) = (parts.is_empty(), &result.structured_content) {
        parts.push(Part::text(value.to_string()));
    }
    ToolOutput { parts, is_error: result.is_error.unwrap_or(false) }
}

fn part(block: ContentBlock) -> Option<Part> {
    match block {
        ContentBlock::Text(text) => Some(Part::text(text.text)),
        ContentBlock::Image(image) => Some(Part::Image(media(image.data, Some(image.mime_type)))),
        ContentBlock::Audio(audio) => Some(Part::Audio(media(audio.data, Some(audio.mime_type)))),
        ContentBlock::Resource(embedded) => resource(embedded.resource),
        ContentBlock::ResourceLink(link) => Some(Part::text(link_text(&link))),
        _ => None,
    }
}

fn resource(contents: ResourceContents) -> Option<Part> {
    match contents {
        ResourceContents::TextResourceContents { uri, text, .. } => {
            Some(Part::text(format!("[{uri}]\n{text}\n")))
        }
        ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
            let kind = mime_type.as_deref().and_then(|kind| kind.split('/').next());
            let wrap = match kind {
                Some("image") => Part::Image,
                Some("audio") => Part::Audio,
                _ => Part::File,
            };
            let name = uri.rsplit('/').next().map(str::to_owned);
            Some(wrap(Media { name, ..media(blob, mime_type) }))
        }
        #[allow(unreachable_patterns)] // The vocabulary may grow.
        _ => None,
    }
}

fn link_text(link: &Resource) -> String {
    let title = link.title.as_deref().unwrap_or(&link.name);
    let about = link.description.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    format!("[{title}]({}){about}\n", link.uri)
}

fn media(data: String, media_type: Option<String>) -> Media {
    Media { media_type, ..Media::new(MediaSource::Base64(data)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(result: serde_json::Value) -> ToolOutput {
        output(serde_json::from_value(result).unwrap())
    }

    #[test]
    fn every_kind_of_content_becomes_a_part() {
        let said = check(json!({ "content": [
            { "type": "text", "text": "a" },
            { "type": "image", "data": "AAAA", "mimeType": "image/png" },
            { "type": "audio", "data": "BBBB", "mimeType": "audio/wav" },
            { "type": "resource", "resource": { "uri": "file:///x.txt", "text": "hi" } },
            { "type": "resource", "resource": {
                "uri": "file:///d/x.pdf", "mimeType": "application/pdf", "blob": "CCCC" } },
            { "type": "resource_link", "uri": "file:///y", "name": "y", "description": "why" },
        ]}));
        assert!(!said.is_error);
        assert_eq!(said.parts[0], Part::text("a"));
        assert_eq!(said.parts[1], Part::Image(media("AAAA".into(), Some("image/png".into()))));
        assert_eq!(said.parts[2], Part::Audio(media("BBBB".into(), Some("audio/wav".into()))));
        assert_eq!(said.parts[3], Part::text("[file:///x.txt]\nhi\n"));
        let pdf = media("CCCC".into(), Some("application/pdf".into()));
        assert_eq!(said.parts[4], Part::File(Media { name: Some("x.pdf".into()), ..pdf }));
        assert_eq!(said.parts[5], Part::text("[y](file:///y): why\n"));
    }

    #[test]
    fn structured_content_counts_where_there_is_no_other() {
        let said = check(json!({ "content": [], "structuredContent": { "n": 1 } }));
        assert_eq!(said.parts, [Part::text("{\"n\":1}")]);
        let said = check(json!({
            "content": [{ "type": "text", "text": "one" }],
            "structuredContent": { "n": 1 },
            "isError": true,
        }));
        assert_eq!((said.parts, said.is_error), (vec![Part::text("one")], true));
    }
}
