//! The outline (bookmarks) of a PDF.

use std::collections::{BTreeMap, HashMap, HashSet};

use lopdf::{Dictionary, Document, Object, ObjectId, decode_text_string};
use rag_core::OutlineEntry;

use super::one_line;

/// Outlines of manuals have thousands of entries; more are left out.
const MOST_ENTRIES: usize = 10_000;

/// Names of destinations that are looked at.
const MOST_NAMES: usize = 100_000;

/// Entries deeper than this are left out.
const MOST_LEVELS: u8 = 32;

/// The entries in order. What is broken, or was seen before (outlines can be cyclic), is left out.
pub(super) fn read(document: &Document) -> Vec<OutlineEntry> {
    let Some(root) = document.catalog().ok().and_then(|it| dictionary(document, it, b"Outlines"))
    else {
        return Vec::new();
    };
    let destinations = Destinations::of(document);
    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    // Each level's next entry; the last level is the deepest.
    let mut levels: Vec<Option<ObjectId>> = vec![reference(root, b"First")];
    while let Some(next) = levels.pop() {
        let Some(id) = next else { continue };
        let Ok(entry) = document.get_dictionary(id) else { continue };
        if !seen.insert(id) || entries.len() == MOST_ENTRIES {
            continue;
        }
        levels.push(reference(entry, b"Next"));
        let level = u8::try_from(levels.len()).unwrap_or(u8::MAX);
        let title =
            entry.get_deref(b"Title", document).ok().and_then(|it| decode_text_string(it).ok());
        let title = title.map(|title| one_line(&title)).filter(|title| !title.is_empty());
        if let Some(title) = title {
            entries.push(OutlineEntry { level, title, page: destinations.page_of_entry(entry) });
        }
        if level < MOST_LEVELS {
            levels.push(reference(entry, b"First"));
        }
    }
    entries
}

/// Finds the pages of destinations.
struct Destinations<'a> {
    document: &'a Document,
    pages: HashMap<ObjectId, u32>,
    named: BTreeMap<&'a [u8], &'a Object>,
}

impl<'a> Destinations<'a> {
    fn of(document: &'a Document) -> Self {
        let pages = document.get_pages().into_iter().map(|(number, id)| (id, number)).collect();
        Self { document, pages, named: named_destinations(document) }
    }

    /// The page that an entry points to, directly or through an action.
    fn page_of_entry(&self, entry: &Dictionary) -> Option<u32> {
        let through_action = || {
            let action = dictionary(self.document, entry, b"A")?;
            let is_within =
                action.get(b"S").and_then(Object::as_name).is_ok_and(|it| it == b"GoTo");
            is_within.then(|| action.get_deref(b"D", self.document).ok())?
        };
        let destination = entry.get_deref(b"Dest", self.document).ok().or_else(through_action)?;
        self.page(destination)
    }

    fn page(&self, destination: &Object) -> Option<u32> {
        let destination = match destination {
            Object::Name(name) | Object::String(name, _) => *self.named.get(name.as_slice())?,
            other => other,
        };
        let (_, destination) = self.document.dereference(destination).ok()?;
        let place = match destination {
            Object::Dictionary(wrapped) => wrapped.get_deref(b"D", self.document).ok()?,
            other => other,
        };
        match place.as_array().ok()?.first()? {
            Object::Reference(page) => self.pages.get(page).copied(),
            // Some writers count pages from 0 instead of pointing at them.
            Object::Integer(index) => u32::try_from(*index)
                .ok()?
                .checked_add(1)
                .filter(|page| *page as usize <= self.pages.len()),
            _ => None,
        }
    }
}

/// Destinations by name: the old dictionary, and the tree of names.
fn named_destinations(document: &Document) -> BTreeMap<&[u8], &Object> {
    let mut named = BTreeMap::new();
    let Ok(catalog) = document.catalog() else { return named };
    if let Some(old) = dictionary(document, catalog, b"Dests") {
        named.extend(old.iter().take(MOST_NAMES).map(|(name, it)| (name.as_slice(), it)));
    }
    let root =
        dictionary(document, catalog, b"Names").and_then(|it| dictionary(document, it, b"Dests"));
    let mut nodes: Vec<&Dictionary> = root.into_iter().collect();
    let mut seen = HashSet::new();
    while let Some(node) = nodes.pop() {
        if let Ok(pairs) = node.get_deref(b"Names", document).and_then(Object::as_array) {
            for pair in pairs.chunks_exact(2) {
                if let [Object::String(name, _), destination] = pair
                    && named.len() < MOST_NAMES
                {
                    named.insert(name.as_slice(), destination);
                }
            }
        }
        if let Ok(kids) = node.get_deref(b"Kids", document).and_then(Object::as_array) {
            let new = kids.iter().filter_map(|kid| kid.as_reference().ok());
            let new = new.filter(|kid| seen.len() < MOST_NAMES && seen.insert(*kid));
            nodes.extend(new.filter_map(|kid| document.get_dictionary(kid).ok()));
        }
    }
    named
}

fn dictionary<'a>(
    document: &'a Document,
    of: &'a Dictionary,
    key: &[u8],
) -> Option<&'a Dictionary> {
    of.get_deref(key, document).ok()?.as_dict().ok()
}

fn reference(of: &Dictionary, key: &[u8]) -> Option<ObjectId> {
    of.get(key).ok()?.as_reference().ok()
}
