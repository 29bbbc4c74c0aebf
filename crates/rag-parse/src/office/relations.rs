//! Which part of an Office Open XML file refers to which.

use std::collections::HashMap;

use rag_core::ParseError;

use super::xml::{self, Element};
use crate::archive::{self, Archive};

/// What a part refers to, by id.
#[derive(Debug, Default)]
pub(super) struct Relations(HashMap<String, Relation>);

#[derive(Debug)]
struct Relation {
    /// The last part of its type's name: `styles`, `slide`, `notesSlide` …
    kind: String,
    target: String,
}

impl Relations {
    /// Of the part of this name; of the whole file for the empty name. A part without any has none.
    pub(super) fn of(archive: &mut Archive<'_>, part: &str) -> Result<Self, ParseError> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let name = match folder {
            "" => format!("_rels/{file}.rels"),
            folder => format!("{folder}/_rels/{file}.rels"),
        };
        let Some(bytes) = archive.read(&name)? else { return Ok(Self::default()) };
        let text = xml::text(&bytes);
        let tree = xml::tree(&name, &text)?;
        let relation = |node: roxmltree::Node<'_, '_>| {
            let kind = node.value("Type")?.rsplit('/').next()?.to_owned();
            let outside = node.value("TargetMode") == Some("External");
            let target = match outside {
                true => return None,
                false => archive::resolve(part, node.value("Target")?),
            };
            Some((node.value("Id")?.to_owned(), Relation { kind, target }))
        };
        Ok(Self(tree.root_element().elements().filter_map(relation).collect()))
    }

    /// The part of this id.
    pub(super) fn target(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(|relation| relation.target.as_str())
    }

    /// A part of this kind.
    pub(super) fn of_kind(&self, kind: &str) -> Option<&str> {
        let mut found = self.0.values().filter(|relation| relation.kind == kind);
        found.next().map(|relation| relation.target.as_str())
    }
}

/// The part that the file is about: its document, its presentation.
pub(super) fn main_part(archive: &mut Archive<'_>, usual: &str) -> Result<String, ParseError> {
    let relations = Relations::of(archive, "")?;
    Ok(relations.of_kind("officeDocument").unwrap_or(usual).to_owned())
}
