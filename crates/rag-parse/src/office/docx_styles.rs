//! Styles of a DOCX file: which are headings, which number their paragraphs.

use std::collections::HashMap;

use super::xml::{self, Element};

/// Styles by id.
#[derive(Debug, Default)]
pub(super) struct Styles(HashMap<String, Style>);

#[derive(Debug, Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    numbering: Option<Numbering>,
}

/// A list and the level in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbering {
    pub(super) list: Option<String>,
    pub(super) level: Option<usize>,
}

/// Styles that are based on one another, at most.
const MOST_ANCESTORS: usize = 16;

impl Styles {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let text = xml::text(bytes);
        let Ok(tree) = xml::tree("styles", &text) else { return Self::default() };
        let styles = tree.root_element().elements().filter(|node| node.name() == "style");
        let style = |node: roxmltree::Node<'_, '_>| {
            let paragraph = node.child("pPr");
            let outline = paragraph.and_then(|p| p.val("outlineLvl")?.parse().ok());
            let style = Style {
                name: node.val("name").unwrap_or_default().to_lowercase(),
                based_on: node.val("basedOn").map(str::to_owned),
                outline,
                numbering: paragraph.and_then(numbering),
            };
            Some((node.value("styleId")?.to_owned(), style))
        };
        Self(styles.filter_map(style).collect())
    }

    /// The level of heading that paragraphs of a style are: 1 for the highest.
    pub(super) fn heading(&self, id: &str) -> Option<u8> {
        self.ancestors(id).find_map(|style| {
            let by_name = match style.name.as_str() {
                "title" => Some(1),
                "subtitle" => Some(2),
                name => name.strip_prefix("heading ").and_then(|level| level.trim().parse().ok()),
            };
            by_name.or(style.outline.filter(|level| *level < 9).map(|level| level + 1))
        })
    }

    /// Whether paragraphs of a style are the document's title.
    pub(super) fn is_title(&self, id: &str) -> bool {
        self.ancestors(id).next().is_some_and(|style| style.name == "title")
    }

    /// Whether paragraphs of a style are items of a list by its name.
    pub(super) fn is_list(&self, id: &str) -> bool {
        self.ancestors(id)
            .any(|style| style.name.starts_with("list ") && style.name != "list paragraph")
    }

    /// The numbering that a style brings.
    pub(super) fn numbering(&self, id: &str) -> Option<Numbering> {
        self.ancestors(id).find_map(|style| style.numbering.clone())
    }

    fn ancestors<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a Style> {
        let first = self.0.get(id);
        let next = |style: &&'a Style| self.0.get(style.based_on.as_ref()?);
        std::iter::successors(first, next).take(MOST_ANCESTORS)
    }
}

/// The numbering among the properties of a paragraph.
pub(super) fn numbering(properties: roxmltree::Node<'_, '_>) -> Option<Numbering> {
    let numbering = properties.child("numPr")?;
    Some(Numbering {
        list: numbering.val("numId").map(str::to_owned),
        level: numbering.val("ilvl").and_then(|level| level.parse().ok()),
    })
}
