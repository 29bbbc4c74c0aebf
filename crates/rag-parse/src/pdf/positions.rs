//! Where the pages draw their text and images.

use std::collections::BTreeMap;

use pdf_inspector::extractor::ItemType;
use pdf_inspector::{PositionFrame, PositionOptions, TextItem};
use rag_core::{BoundingBox, PageSize};

use super::block_boxes::Piece;
use super::doubled_letters::undouble;
use super::page_boxes::on_page;
use super::page_selection::PageSelection;

/// What a page draws, in the order of drawing.
#[derive(Clone, Debug, Default)]
pub(super) struct DrawnPage {
    /// Its text.
    pub(super) pieces: Vec<Piece>,
    /// Its images.
    pub(super) images: Vec<DrawnImage>,
    /// Its text as the extractor tells it, where asked for.
    pub(super) items: Vec<TextItem>,
}

/// An image on a page.
#[derive(Clone, Debug)]
pub(super) struct DrawnImage {
    /// Its name among the resources of the page, or of a form on it.
    pub(super) name: String,
    /// Where it stands.
    pub(super) bounds: BoundingBox,
}

/// What the wanted pages draw, with the items of those that `keep` asks for; nothing where their sizes are not known, or their content cannot be read.
pub(super) fn drawn_pages(
    bytes: &[u8],
    sizes: &[PageSize],
    wanted: PageSelection<'_>,
    keep: impl Fn(u32) -> bool,
) -> BTreeMap<u32, DrawnPage> {
    let mut drawn: BTreeMap<u32, DrawnPage> = BTreeMap::new();
    let Ok(count) = u32::try_from(sizes.len()) else { return drawn };
    if count == 0 {
        return drawn;
    }
    let pages = (!wanted.is_all()).then(|| wanted.up_to(count).collect());
    let options = PositionOptions::new().frame(PositionFrame::Display);
    let items =
        pdf_inspector::extract_text_with_positions_mem_with_options(bytes, pages.as_ref(), options);
    let items = items.unwrap_or_else(|error| {
        tracing::debug!(%error, "the positions of a PDF's text cannot be read");
        Vec::new()
    });
    for item in items {
        let size = (item.page as usize).checked_sub(1).and_then(|index| sizes.get(index));
        let Some(bounds) = size.and_then(|size| bounds(&item, *size)) else { continue };
        let page = drawn.entry(item.page).or_default();
        match item.item_type {
            ItemType::Text => {
                page.pieces.push(Piece { text: undouble(&item.text).into_owned(), bounds });
                if keep(item.page) {
                    page.items.push(item);
                }
            }
            ItemType::Image => {
                page.images.extend(name(&item.text).map(|name| DrawnImage { name, bounds }))
            }
            ItemType::Link(_) | ItemType::FormField => {}
        }
    }
    drawn
}

/// An item's box. That of upright text reaches from its baseline one em upwards; glyphs mostly reach from a fifth of an
/// em below to nine tenths above.
fn bounds(item: &TextItem, page: PageSize) -> Option<BoundingBox> {
    const BELOW: f32 = 0.2;
    const ABOVE: f32 = 0.9;
    let is_text = matches!(item.item_type, ItemType::Text);
    let (bottom, top) = match is_text && item.is_upright() {
        true => (item.y - BELOW * item.height, item.y + ABOVE * item.height),
        false => (item.y, item.y + item.height),
    };
    on_page(page, item.x, bottom, item.x + item.width, top)
}

/// The extractor tells an image's name as `[Image: Im0]`.
fn name(text: &str) -> Option<String> {
    Some(text.strip_prefix("[Image: ")?.strip_suffix(']')?.to_owned())
}
