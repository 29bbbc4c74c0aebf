//! How much of a tool's output the model sees.

use llm_core::{Media, MediaSource, Part};

use super::ToolOptions;

/// The parts of an output that a result can hold, up to the bounds. Where something was cut or left out, a note says so,
/// for the model to ask for less.
pub(super) fn bounded(parts: Vec<Part>, options: &ToolOptions) -> Vec<Part> {
    let mut text_left = options.result_text_bytes;
    let mut media_left = options.result_media_bytes;
    let (mut cut, mut left_out) = (0, 0);
    let mut kept = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Text(mut part) => {
                let fits = part.text.floor_char_boundary(text_left);
                cut += part.text.len() - fits;
                part.text.truncate(fits);
                text_left -= fits;
                if !part.text.is_empty() {
                    kept.push(Part::Text(part));
                }
            }
            Part::Image(ref media) | Part::Audio(ref media) | Part::File(ref media) => {
                match media_left.checked_sub(size(media)) {
                    Some(left) => {
                        media_left = left;
                        kept.push(part);
                    }
                    None => left_out += 1,
                }
            }
            // Nothing else can stand in a result.
            _ => {}
        }
    }
    if cut > 0 {
        kept.push(Part::text(format!("\n[the output was cut: {cut} more bytes; ask for less]")));
    }
    if left_out > 0 {
        kept.push(Part::text(format!("\n[{left_out} files were too large and are left out]")));
    }
    kept
}

fn size(media: &Media) -> usize {
    match &media.source {
        MediaSource::Base64(text) | MediaSource::Text(text) => text.len(),
        MediaSource::Url(text) | MediaSource::FileId(text) => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_told() {
        let options =
            ToolOptions { result_text_bytes: 6, result_media_bytes: 4, ..ToolOptions::default() };
        let image = |bytes: &str| Part::Image(Media::new(MediaSource::Base64(bytes.into())));
        let parts = vec![
            Part::text("abc"),
            image("AAAA"),
            Part::text("dé€"),
            image("AAAA"),
            Part::Refusal(llm_core::TextPart::new("no")),
        ];
        assert_eq!(
            bounded(parts, &options),
            [
                Part::text("abc"),
                image("AAAA"),
                Part::text("dé"),
                Part::text("\n[the output was cut: 3 more bytes; ask for less]"),
                Part::text("\n[1 files were too large and are left out]"),
            ]
        );
        let short = vec![Part::text("abc"), Part::text("def")];
        assert_eq!(bounded(short.clone(), &options), short);
    }
}
