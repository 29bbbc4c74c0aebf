//! The pictures of a PDF that a model is to read: scanned pages, and figures on pages with text.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use lopdf::{Dictionary, Document, Object, ObjectId, Stream};
use rag_core::{Block, BoundingBox, PageSize, ParsedDocument, Picture, PictureKind, Place};

use super::image_file::{self, ImageFile};
use super::positions::{DrawnImage, DrawnPage};

/// The most figures of a file.
const MOST_FIGURES: usize = 100;

/// The most bytes of all pictures of a file.
const MOST_BYTES: usize = 128 << 20;

/// Smaller images, in pixels of a side, are ornaments.
const SMALL_FIGURE: u32 = 100;

/// What covers less of a page without text is an ornament too. Scanners cut pages into strips, so not all is one image.
const SMALL_PART_OF_PAGE: f32 = 0.02;

/// An image of a page with text that covers more of it lies behind the text: paper, or the scan that the text was read
/// from.
const BACKGROUND: f32 = 0.9;

/// The most images of a page without text.
const MOST_PARTS_OF_PAGE: usize = 40;

/// Adds the pictures to a document whose blocks have their boxes: all images of scanned pages, which are those without
/// text and those among the `unread` ones that an image covers, and the figures of the others. The scanned pages of
/// which an image cannot be read here are returned.
pub(super) fn add(
    parsed: &mut ParsedDocument,
    document: &Document,
    drawn: &BTreeMap<u32, DrawnPage>,
    unread: &BTreeSet<u32>,
) -> Vec<u32> {
    let pages = document.get_pages();
    let mut collected = Collected::default();
    let mut unreadable = Vec::new();
    let mut blocks_before = 0;
    for (number, drawn) in drawn {
        let blocks = blocks_of(parsed, *number, &mut blocks_before);
        let (Some(id), Some(size)) = (
            pages.get(number),
            number.checked_sub(1).and_then(|index| parsed.page_sizes.get(index as usize)),
        ) else {
            continue;
        };
        let images = Images::of(document, *id);
        let page = Page { number: *number, size: *size, blocks, blocks_before, images };
        let is_scan = match blocks.is_empty() {
            true => page.has_image_of(drawn, SMALL_PART_OF_PAGE),
            false => unread.contains(number) && page.has_image_of(drawn, BACKGROUND),
        };
        if !is_scan {
            collected.add_figures(document, &page, drawn);
        } else if !collected.add_scan(document, &page, drawn) {
            unreadable.push(*number);
        }
    }
    parsed.pictures = collected.pictures;
    unreadable
}

/// The blocks of a page; `before` becomes the number of blocks before them. Pages come in order.
fn blocks_of<'a>(parsed: &'a ParsedDocument, page: u32, before: &mut usize) -> &'a [Block] {
    let rest = parsed.blocks.get(*before..).unwrap_or_default();
    *before += rest.partition_point(|block| block.place.page < Some(page));
    let rest = parsed.blocks.get(*before..).unwrap_or_default();
    let count = rest.partition_point(|block| block.place.page <= Some(page));
    rest.get(..count).unwrap_or_default()
}

struct Page<'a> {
    number: u32,
    size: PageSize,
    blocks: &'a [Block],
    blocks_before: usize,
    images: Images<'a>,
}

impl Page<'_> {
    fn part(&self, bounds: BoundingBox) -> f32 {
        let area = (bounds.right - bounds.left) * (bounds.bottom - bounds.top);
        area / (self.size.width * self.size.height)
    }

    fn is_part_of_scan(&self, image: &DrawnImage) -> bool {
        self.part(image.bounds) >= SMALL_PART_OF_PAGE
    }

    fn has_image_of(&self, drawn: &DrawnPage, least: f32) -> bool {
        drawn.images.iter().any(|image| self.part(image.bounds) >= least)
    }

    fn picture(&self, kind: PictureKind, bounds: BoundingBox, file: ImageFile) -> Picture {
        Picture {
            kind,
            before_block: self.blocks_before + self.blocks_above(bounds),
            place: Place { page: Some(self.number), bounds: Some(bounds) },
            media_type: file.media_type.to_owned(),
            bytes: file.bytes,
        }
    }

    /// How many of the page's blocks come before a picture: all up to the last one that stands above it in its column.
    fn blocks_above(&self, picture: BoundingBox) -> usize {
        let is_above = |block: &Block| {
            block.place.bounds.is_some_and(|bounds| {
                let middle = (bounds.top + bounds.bottom) / 2.0;
                middle < picture.top && bounds.left < picture.right && picture.left < bounds.right
            })
        };
        self.blocks.iter().rposition(is_above).map_or(0, |last| last + 1)
    }
}

/// The images that a page can draw, by name.
struct Images<'a> {
    by_name: BTreeMap<&'a [u8], (ObjectId, &'a Stream)>,
}

impl<'a> Images<'a> {
    /// The images among a page's resources and those of the forms that it draws, which a page may draw as well.
    fn of(document: &'a Document, page: ObjectId) -> Self {
        const MOST: usize = 1000;
        let mut by_name = BTreeMap::new();
        let mut forms = HashSet::new();
        let mut resources: Vec<&Dictionary> = Vec::new();
        if let Ok((own, inherited)) = document.get_page_resources(page) {
            let inherited = inherited.iter().filter_map(|id| document.get_dictionary(*id).ok());
            resources.extend(own.into_iter().chain(inherited).take(MOST));
        }
        while let Some(next) = resources.pop() {
            let objects = next.get_deref(b"XObject", document).and_then(Object::as_dict);
            for (name, object) in objects.into_iter().flat_map(Dictionary::iter).take(MOST) {
                let Ok(id) = object.as_reference() else { continue };
                let Ok(stream) = document.get_object(id).and_then(Object::as_stream) else {
                    continue;
                };
                match stream.dict.get(b"Subtype").and_then(Object::as_name) {
                    Ok(b"Image") if by_name.len() < MOST => {
                        by_name.entry(name.as_slice()).or_insert((id, stream));
                    }
                    Ok(b"Form") if forms.len() < MOST && forms.insert(id) => {
                        let own = stream.dict.get_deref(b"Resources", document);
                        resources.extend(own.and_then(Object::as_dict).ok());
                    }
                    _ => {}
                }
            }
        }
        Self { by_name }
    }

    fn get(&self, name: &str) -> Option<(ObjectId, &'a Stream)> {
        self.by_name.get(name.as_bytes()).copied()
    }
}

#[derive(Default)]
struct Collected {
    pictures: Vec<Picture>,
    figures: usize,
    bytes: usize,
    /// Figures that were looked at: logos repeat on each page.
    seen: HashSet<ObjectId>,
}

impl Collected {
    /// Adds the parts of a scanned page from above; whether all of them can be read.
    fn add_scan(&mut self, document: &Document, page: &Page<'_>, drawn: &DrawnPage) -> bool {
        let mut parts: Vec<&DrawnImage> =
            drawn.images.iter().filter(|image| page.is_part_of_scan(image)).collect();
        parts.sort_by(|a, b| a.bounds.top.total_cmp(&b.bounds.top));
        let mut is_read = parts.len() <= MOST_PARTS_OF_PAGE;
        for part in parts.into_iter().take(MOST_PARTS_OF_PAGE) {
            let file = page
                .images
                .get(&part.name)
                .and_then(|(_, image)| image_file::read(document, image));
            let room = MOST_BYTES.saturating_sub(self.bytes);
            match file.filter(|file| file.bytes.len() <= room) {
                Some(file) => self.push(page.picture(PictureKind::Page, part.bounds, file)),
                None => is_read = false,
            }
        }
        is_read
    }

    fn add_figures(&mut self, document: &Document, page: &Page<'_>, drawn: &DrawnPage) {
        let figures = drawn.images.iter().filter(|image| page.part(image.bounds) < BACKGROUND);
        for figure in figures {
            if self.figures == MOST_FIGURES {
                return;
            }
            let Some((id, image)) = page.images.get(&figure.name) else { continue };
            let is_large = image_file::pixels(image)
                .is_some_and(|(width, height)| width.min(height) >= SMALL_FIGURE);
            if !is_large || !self.seen.insert(id) {
                continue;
            }
            let room = MOST_BYTES.saturating_sub(self.bytes);
            let file = image_file::read(document, image).filter(|file| file.bytes.len() <= room);
            if let Some(file) = file {
                self.figures += 1;
                self.push(page.picture(PictureKind::Figure, figure.bounds, file));
            }
        }
    }

    fn push(&mut self, picture: Picture) {
        self.bytes += picture.bytes.len();
        self.pictures.push(picture);
    }
}
