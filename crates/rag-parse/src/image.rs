//! Images: text that only a model can read.

use rag_core::{
    MetadataValue, ParseError, ParseErrorKind, ParsedDocument, Picture, PictureKind, Place,
};

/// The formats that models read, by their media types.
const READ: [&str; 6] =
    ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff"];

/// The media type of a file that is an image.
pub(crate) fn media_type(bytes: &[u8]) -> Option<&'static str> {
    let found = infer::get(bytes)?.mime_type();
    READ.into_iter().find(|known| *known == found)
}

/// An image as the picture of a page, with its size in pixels as metadata. Nothing is decoded.
///
/// # Errors
/// `NoText` unless pictures are `wanted`.
pub(crate) fn parse(
    bytes: &[u8],
    media_type: &str,
    wanted: bool,
) -> Result<ParsedDocument, ParseError> {
    if !wanted {
        let reason = "the file is an image; a vision model is needed to read it";
        return Err(ParseError::new(ParseErrorKind::NoText, reason));
    }
    let place = Place { page: Some(1), bounds: None };
    let picture = Picture {
        kind: PictureKind::Page,
        before_block: 0,
        place,
        media_type: media_type.to_owned(),
        bytes: bytes.to_vec(),
    };
    let mut parsed =
        ParsedDocument { pages: 1, pictures: vec![picture], ..ParsedDocument::default() };
    if let Ok(size) = imagesize::blob_size(bytes) {
        for (name, pixels) in [("width", size.width), ("height", size.height)] {
            parsed.metadata.insert(name.to_owned(), MetadataValue::Number(pixels as f64));
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One pixel.
    const GIF: &[u8] =
        b"GIF89a\x01\0\x02\0\0\0\0!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

    #[test]
    fn an_image_is_the_picture_of_a_page() {
        assert_eq!(media_type(GIF), Some("image/gif"));
        assert_eq!(media_type(b"no image"), None);
        let parsed = parse(GIF, "image/gif", true).unwrap();
        assert_eq!((parsed.pages, parsed.pictures[0].bytes.as_slice()), (1, GIF));
        assert_eq!(parsed.metadata["height"], MetadataValue::Number(2.0));
        assert!(parse(b"GIF89a", "image/gif", true).unwrap().metadata.is_empty());
        assert_eq!(parse(GIF, "image/gif", false).unwrap_err().kind, ParseErrorKind::NoText);
    }
}
