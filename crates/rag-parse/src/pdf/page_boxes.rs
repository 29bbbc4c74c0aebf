//! How large pages are as a reader sees them, and their boxes from the upper left corner.

use lopdf::{Dictionary, Document, Object, ObjectId};
use rag_core::{BoundingBox, PageSize};

/// Ancestors of a page that are asked for what it does not say itself. Real trees are a few levels deep; a cycle ends.
const MOST_ANCESTORS: usize = 32;

/// What readers take for a page that tells no size: US Letter.
const LETTER: [f32; 4] = [0.0, 0.0, 612.0, 792.0];

/// The sizes of all pages in order: the crop box within the media box, turned by the page's rotation.
pub(super) fn page_sizes(document: &Document) -> Vec<PageSize> {
    document.get_pages().into_values().map(|page| page_size(document, page)).collect()
}

fn page_size(document: &Document, page: ObjectId) -> PageSize {
    let media = inherited(document, page, b"MediaBox", rectangle).unwrap_or(LETTER);
    let visible = inherited(document, page, b"CropBox", rectangle)
        .and_then(|crop| intersection(media, crop))
        .unwrap_or(media);
    let [left, bottom, right, top] = visible;
    let (width, height) = (right - left, top - bottom);
    let rotation = inherited(document, page, b"Rotate", |_, value| number(value)).unwrap_or(0.0);
    let quarter_turns = (rotation / 90.0).round().rem_euclid(4.0);
    if quarter_turns == 1.0 || quarter_turns == 3.0 {
        PageSize { width: height, height: width }
    } else {
        PageSize { width, height }
    }
}

/// What a page or the nearest of its ancestors says.
fn inherited<T>(
    document: &Document,
    page: ObjectId,
    key: &[u8],
    read: impl Fn(&Document, &Object) -> Option<T>,
) -> Option<T> {
    let mut node: &Dictionary = document.get_dictionary(page).ok()?;
    for _ in 0..MOST_ANCESTORS {
        if let Ok(value) = node.get_deref(key, document)
            && let Some(value) = read(document, value)
        {
            return Some(value);
        }
        node = node.get_deref(b"Parent", document).ok()?.as_dict().ok()?;
    }
    None
}

/// Left, bottom, right and top of a rectangle that has an area.
fn rectangle(document: &Document, value: &Object) -> Option<[f32; 4]> {
    let mut numbers = value.as_array().ok()?.iter().filter_map(|value| {
        let (_, value) = document.dereference(value).ok()?;
        number(value)
    });
    let (a, b, c, d) = (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?);
    has_area([a.min(c), b.min(d), a.max(c), b.max(d)])
}

fn intersection(a: [f32; 4], b: [f32; 4]) -> Option<[f32; 4]> {
    has_area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])])
}

fn has_area(rectangle: [f32; 4]) -> Option<[f32; 4]> {
    (rectangle[2] > rectangle[0] && rectangle[3] > rectangle[1]).then_some(rectangle)
}

fn number(value: &Object) -> Option<f32> {
    value.as_float().ok().filter(|number| number.is_finite())
}

/// A box from its lower left corner as one from the page's upper left corner, cut to the page; `None` when nothing of it
/// is on the page.
pub(super) fn on_page(
    page: PageSize,
    left: f32,
    bottom: f32,
    right: f32,
    top: f32,
) -> Option<BoundingBox> {
    let within = |value: f32, most: f32| value.clamp(0.0, most);
    let all_finite = [left, bottom, right, top].iter().all(|value| value.is_finite());
    if !all_finite {
        return None;
    }
    let cut = BoundingBox {
        left: within(left, page.width),
        top: within(page.height - top, page.height),
        right: within(right, page.width),
        bottom: within(page.height - bottom, page.height),
    };
    (cut.right > cut.left && cut.bottom > cut.top).then_some(cut)
}

/// The smallest box around both.
pub(super) fn union(a: BoundingBox, b: BoundingBox) -> BoundingBox {
    BoundingBox {
        left: a.left.min(b.left),
        top: a.top.min(b.top),
        right: a.right.max(b.right),
        bottom: a.bottom.max(b.bottom),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn boxes_lie_on_the_page(
            width in 1.0_f32..2000.0, height in 1.0_f32..2000.0,
            sides in proptest::array::uniform4(proptest::num::f32::ANY),
        ) {
            let [left, bottom, right, top] = sides;
            if let Some(cut) = on_page(PageSize { width, height }, left, bottom, right, top) {
                prop_assert!(0.0 <= cut.left && cut.left < cut.right && cut.right <= width);
                prop_assert!(0.0 <= cut.top && cut.top < cut.bottom && cut.bottom <= height);
            }
        }
    }

    #[test]
    fn boxes_count_from_above() {
        let page = PageSize { width: 100.0, height: 200.0 };
        let cut = on_page(page, 10.0, 150.0, 120.0, 170.0).unwrap();
        assert_eq!(cut, BoundingBox { left: 10.0, top: 30.0, right: 100.0, bottom: 50.0 });
        assert_eq!(on_page(page, 110.0, 0.0, 120.0, 10.0), None);
        assert_eq!(on_page(page, 0.0, f32::NAN, 120.0, 10.0), None);
    }
}
