//! A document put together piece by piece.

use rag_core::{
    Block, BlockKind, Metadata, ParseError, ParseErrorKind, ParsedDocument, Picture, Place,
};

use crate::limits::size;

/// Puts text and blocks together, with an empty line between blocks and none between the items of a list.
///
/// What goes beyond the bound of its text is dropped, and [`finish`](Self::finish) fails: whoever reads on in a loop
/// asks [`is_full`](Self::is_full) now and then.
#[derive(Debug)]
pub(crate) struct DocumentBuilder {
    parsed: ParsedDocument,
    most_bytes: u64,
    full: bool,
}

impl DocumentBuilder {
    /// Nothing yet, and at most this much text.
    pub(crate) fn new(most_bytes: u64) -> Self {
        Self { parsed: ParsedDocument::default(), most_bytes, full: false }
    }

    /// Adds a block of this text without the white space around it; none for white space alone.
    pub(crate) fn push(&mut self, kind: BlockKind, piece: &str) {
        self.push_marked(kind, "", piece.trim());
    }

    /// Adds a heading; levels out of bounds are the nearest one within.
    pub(crate) fn heading(&mut self, level: usize, piece: &str) {
        let level = u8::try_from(level).unwrap_or(6).clamp(1, 6);
        self.push(BlockKind::Heading { level }, piece);
    }

    /// Adds verbatim text: only empty lines around it go.
    pub(crate) fn code(&mut self, language: Option<&str>, piece: &str) {
        let kind = BlockKind::Code { language: language.map(str::to_owned) };
        self.push_marked(kind, "", piece.trim_matches(['\n', '\r']));
    }

    /// Adds an item of a list with its mark (`- `, `3. `), `depth` lists deep, from 0.
    pub(crate) fn item(&mut self, depth: usize, mark: &str, piece: &str) {
        let mark = format!("{}{mark}", "  ".repeat(depth.min(7)));
        self.push_marked(BlockKind::ListItem, &mark, piece.trim());
    }

    /// Adds a block that begins with a mark; white space before the mark stands before the block.
    pub(crate) fn push_marked(&mut self, kind: BlockKind, mark: &str, piece: &str) {
        if piece.trim().is_empty() || !self.make_room(mark.len() + piece.len()) {
            return;
        }
        self.separate(&kind);
        let indentation = mark.len() - mark.trim_start().len();
        let start = self.parsed.text.len() + indentation;
        self.parsed.text.push_str(mark);
        self.parsed.text.push_str(piece.trim_end());
        let span = start..self.parsed.text.len();
        self.parsed.blocks.push(Block { kind, span, place: Place::default() });
    }

    /// Adds another document after what is there: its text, blocks, pictures and warnings; title and metadata stay
    /// behind.
    pub(crate) fn append(&mut self, other: ParsedDocument) {
        let Some(first) = other.blocks.first() else {
            self.parsed.warnings.extend(other.warnings);
            return;
        };
        if !self.make_room(other.text.len()) {
            return;
        }
        self.separate(&first.kind);
        let (offset, blocks) = (self.parsed.text.len(), self.parsed.blocks.len());
        self.parsed.text.push_str(other.text.trim_end());
        self.parsed.blocks.extend(other.blocks.into_iter().map(|block| Block {
            span: block.span.start + offset..block.span.end + offset,
            ..block
        }));
        self.parsed.pictures.extend(
            other
                .pictures
                .into_iter()
                .map(|picture| Picture { before_block: picture.before_block + blocks, ..picture }),
        );
        self.parsed.warnings.extend(other.warnings);
    }

    /// Adds a line for whoever wants to know what is amiss; a thousand are enough.
    pub(crate) fn warn(&mut self, warning: impl Into<String>) {
        if self.parsed.warnings.len() < 1000 {
            self.parsed.warnings.push(warning.into());
        }
    }

    /// Sets the title unless there is one, or this one is blank.
    pub(crate) fn title(&mut self, title: &str) {
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.parsed.title.is_none() && !title.is_empty() {
            self.parsed.title = Some(title);
        }
    }

    /// What the file says of itself, to add to.
    pub(crate) fn metadata(&mut self) -> &mut Metadata {
        &mut self.parsed.metadata
    }

    /// How many blocks there are.
    pub(crate) fn blocks(&self) -> usize {
        self.parsed.blocks.len()
    }

    /// Whether something had to be dropped, so that nothing more need be added.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// The document.
    ///
    /// # Errors
    /// `TooLarge` when something had to be dropped.
    pub(crate) fn finish(self) -> Result<ParsedDocument, ParseError> {
        if self.full {
            let limit = size(self.most_bytes);
            let reason = format!("the file expands to more than {limit} of text");
            return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
        }
        Ok(self.parsed)
    }

    fn make_room(&mut self, bytes: usize) -> bool {
        self.full |= (self.parsed.text.len() + bytes) as u64 > self.most_bytes;
        !self.full
    }

    fn separate(&mut self, next: &BlockKind) {
        if let Some(last) = self.parsed.blocks.last() {
            let in_list = last.kind == BlockKind::ListItem && *next == BlockKind::ListItem;
            self.parsed.text.push_str(if in_list { "\n" } else { "\n\n" });
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::outline::{is_well_formed, outline};

    #[test]
    fn pieces_become_blocks() {
        let mut builder = DocumentBuilder::new(1000);
        builder.title(" The\n Tea ");
        builder.title("Another");
        builder.heading(9, "Steps");
        builder.item(0, "1. ", "Boil");
        builder.item(1, "- ", " long \n");
        builder.push(BlockKind::Paragraph, " \n ");
        builder.code(Some("sh"), "\n  tea --hot\n");
        builder.append(ParsedDocument {
            text: "\nother".into(),
            blocks: vec![Block {
                kind: BlockKind::Paragraph,
                span: 1..6,
                place: Place { page: None, bounds: None },
            }],
            ..ParsedDocument::default()
        });
        let parsed = builder.finish().unwrap();
        assert!(is_well_formed(&parsed));
        expect![[r#"
            title "The Tea"
            h6 "Steps"
            listitem "1. Boil"
            listitem "- long"
            code sh "  tea --hot"
            paragraph "other"
        "#]]
        .assert_eq(&outline(&parsed));
        assert_eq!(parsed.text, "Steps\n\n1. Boil\n  - long\n\n  tea --hot\n\n\nother");
    }

    #[test]
    fn too_much_text_is_refused() {
        let mut builder = DocumentBuilder::new(8);
        builder.push(BlockKind::Paragraph, "eight by");
        assert!(!builder.is_full());
        builder.push(BlockKind::Paragraph, "t");
        assert!(builder.is_full());
        let error = builder.finish().unwrap_err();
        assert_eq!(error.kind, ParseErrorKind::TooLarge);
        assert_eq!(error.reason, "the file expands to more than 8 bytes of text");
    }
}
