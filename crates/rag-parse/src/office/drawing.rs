//! Images of office documents.

/// The smallest and the largest image that a model is shown.
const LEAST_BYTES: usize = 2 << 10;
const MOST_BYTES: usize = 20 << 20;

/// The media type of an image that a model can read, with its bytes; `None` for drawings, icons and giants.
pub(super) fn picture(bytes: Vec<u8>) -> Option<(&'static str, Vec<u8>)> {
    let media_type = infer::get(&bytes)?.mime_type();
    let is_read = matches!(media_type, "image/png" | "image/jpeg" | "image/webp" | "image/gif");
    let fits = (LEAST_BYTES..=MOST_BYTES).contains(&bytes.len());
    (is_read && fits).then_some((media_type, bytes))
}
