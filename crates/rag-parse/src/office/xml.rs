//! Parts of office documents as trees.

use rag_core::{ParseError, ParseErrorKind};
use roxmltree::{Document, Node, ParsingOptions};

use crate::encoding;

/// More nodes than documents of thousands of pages have.
const MOST_NODES: u32 = 20_000_000;

/// The text of a part, decoded.
pub(super) fn text(bytes: &[u8]) -> String {
    encoding::decode(bytes, None).text
}

/// A part as a tree. Document types, and with them entities of their own, are refused.
///
/// # Errors
/// `Damaged`, `TooLarge`.
pub(super) fn tree<'a>(name: &str, text: &'a str) -> Result<Document<'a>, ParseError> {
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..Default::default() };
    Document::parse_with_options(text, options).map_err(|error| {
        let kind = match error {
            roxmltree::Error::NodesLimitReached => ParseErrorKind::TooLarge,
            _ => ParseErrorKind::Damaged,
        };
        ParseError::new(kind, format!("the part `{name}` of the file is broken: {error}"))
    })
}

/// What the trees are asked for. Names are compared without their namespaces, which differ between editions of one
/// format.
pub(super) trait Element<'a, 'i: 'a>: Sized {
    /// The name without its namespace.
    fn name(self) -> &'a str;
    /// Elements in it.
    fn elements(self) -> impl Iterator<Item = Node<'a, 'i>>;
    /// The first element in it of this name.
    fn child(self, name: &str) -> Option<Node<'a, 'i>>;
    /// The value of an attribute, whatever its namespace.
    fn value(self, name: &str) -> Option<&'a str>;
    /// The attribute `val` of the first element in it of this name.
    fn val(self, name: &str) -> Option<&'a str>;
}

impl<'a, 'i: 'a> Element<'a, 'i> for Node<'a, 'i> {
    fn name(self) -> &'a str {
        self.tag_name().name()
    }

    fn elements(self) -> impl Iterator<Item = Node<'a, 'i>> {
        self.children().filter(Node::is_element)
    }

    fn child(self, name: &str) -> Option<Node<'a, 'i>> {
        self.elements().find(|child| child.tag_name().name() == name)
    }

    fn value(self, name: &str) -> Option<&'a str> {
        self.attributes().find(|attribute| attribute.name() == name).map(|found| found.value())
    }

    fn val(self, name: &str) -> Option<&'a str> {
        self.child(name)?.value("val")
    }
}

/// A yes or no: an element that is there without a value says yes.
pub(super) fn is_on(value: Option<&str>) -> bool {
    !matches!(value, Some("0" | "false" | "off"))
}
