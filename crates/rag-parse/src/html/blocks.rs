//! The blocks of a piece of a page, as text.

use dom_query::NodeRef;
use rag_core::{BlockKind, ParseError, ParsedDocument};

use super::table;
use crate::builder::DocumentBuilder;

/// Text and blocks of everything below a node. White space is as a browser shows it; lists and tables are written as
/// in Markdown.
///
/// # Errors
/// `TooLarge` for more text than `most_bytes`.
pub(super) fn of(root: &NodeRef<'_>, most_bytes: u64) -> Result<ParsedDocument, ParseError> {
    let mut writer =
        Writer { out: DocumentBuilder::new(most_bytes), line: Line::default(), mark: None };
    writer.children(root, &Context::default());
    writer.flush(&BlockKind::Paragraph);
    writer.out.finish()
}

/// An attribute with the level of a heading whose element was changed.
pub(super) const LEVEL: &str = "data-written-level";

/// What is around the current element.
#[derive(Clone)]
struct Context {
    /// What loose text is.
    kind: BlockKind,
    /// Lists around.
    lists: usize,
    /// Inside an article or the main part, where a footer belongs to the text.
    in_content: bool,
}

impl Default for Context {
    fn default() -> Self {
        Self { kind: BlockKind::Paragraph, lists: 0, in_content: false }
    }
}

struct Writer {
    out: DocumentBuilder,
    /// Text of the block that is open.
    line: Line,
    /// Goes before the next text: the mark of a list item.
    mark: Option<String>,
}

impl Writer {
    fn children(&mut self, node: &NodeRef<'_>, context: &Context) {
        for child in node.children_it(false) {
            self.node(&child, context);
        }
    }

    fn node(&mut self, node: &NodeRef<'_>, context: &Context) {
        if node.is_text() {
            return self.line.push(&node.text());
        }
        let Some(name) = node.node_name() else { return };
        if is_left_out(node, &name, context) {
            return;
        }
        match &*name {
            "br" => self.line.break_line(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let written = node.attr(LEVEL);
                let digit = written.as_deref().unwrap_or(name.get(1..).unwrap_or_default());
                let level = digit.parse::<u8>().unwrap_or(6).clamp(1, 6);
                self.block(node, context, BlockKind::Heading { level });
            }
            "ul" | "ol" | "menu" | "dir" => self.list(node, &name, context),
            "li" => self.item(node, "- ", context),
            "pre" | "listing" | "xmp" => self.code(node, context),
            "table" if table::is_data(node) => {
                self.flush(&context.kind);
                self.push(BlockKind::Table, &table::markdown(node));
            }
            "blockquote" => self.block(node, context, BlockKind::Quote),
            "figcaption" | "caption" => self.block(node, context, BlockKind::Caption),
            "main" | "article" => {
                let context = Context { in_content: true, ..context.clone() };
                self.block(node, &context, context.kind.clone());
            }
            "math" => match node.attr("alttext") {
                Some(formula) => self.line.push(&formula),
                None => self.children(node, context),
            },
            name if is_block(name) => self.block(node, context, context.kind.clone()),
            _ => self.children(node, context),
        }
    }

    fn block(&mut self, node: &NodeRef<'_>, context: &Context, kind: BlockKind) {
        self.flush(&context.kind);
        let inner = match kind {
            // Blocks inside headings and captions are theirs.
            BlockKind::Heading { .. } | BlockKind::Caption => {
                self.line.push(&inline_text(node));
                self.flush(&kind);
                return;
            }
            _ => Context { kind, ..context.clone() },
        };
        self.children(node, &inner);
        self.flush(&inner.kind);
    }

    fn list(&mut self, node: &NodeRef<'_>, name: &str, context: &Context) {
        self.flush(&context.kind);
        let inner = Context { lists: context.lists + 1, ..context.clone() };
        let mut number =
            node.attr("start").and_then(|start| start.parse::<i64>().ok()).unwrap_or(1);
        for child in node.children_it(false) {
            if !child.has_name("li") {
                self.node(&child, &inner);
                continue;
            }
            let mark = if name == "ol" { format!("{number}. ") } else { "- ".to_owned() };
            self.item(&child, &mark, &inner);
            number = number.saturating_add(1);
        }
    }

    fn item(&mut self, node: &NodeRef<'_>, mark: &str, context: &Context) {
        self.flush(&context.kind);
        self.mark = Some(format!("{}{mark}", "  ".repeat(context.lists.clamp(1, 8) - 1)));
        let inner = Context { kind: BlockKind::ListItem, ..context.clone() };
        self.children(node, &inner);
        self.flush(&inner.kind);
        self.mark = None;
    }

    fn code(&mut self, node: &NodeRef<'_>, context: &Context) {
        self.flush(&context.kind);
        let language =
            node.descendants_it().chain([*node]).filter_map(|node| node.class()).find_map(
                |classes| {
                    classes.split(' ').find_map(|class| {
                        class
                            .strip_prefix("language-")
                            .or(class.strip_prefix("lang-"))
                            .map(str::to_owned)
                    })
                },
            );
        self.push(BlockKind::Code { language }, node.text().trim_matches('\n'));
    }

    /// Ends the open block.
    fn flush(&mut self, kind: &BlockKind) {
        let line = self.line.take();
        self.push(kind.clone(), &line);
    }

    fn push(&mut self, kind: BlockKind, piece: &str) {
        if !piece.trim().is_empty() {
            let mark = self.mark.take().unwrap_or_default();
            self.out.push_marked(kind, &mark, piece);
        }
    }
}

/// Text with its white space collapsed.
#[derive(Default)]
pub(super) struct Line {
    text: String,
    space: bool,
}

impl Line {
    pub(super) fn push(&mut self, text: &str) {
        for c in text.chars() {
            // A no-break space is one to the reader of a chunk; soft hyphens and zero-width marks are nothing.
            match c {
                '\u{ad}' | '\u{200b}' | '\u{feff}' => {}
                c if c.is_whitespace() => self.space = true,
                c => {
                    if self.space && !self.text.is_empty() && !self.text.ends_with('\n') {
                        self.text.push(' ');
                    }
                    self.space = false;
                    self.text.push(c);
                }
            }
        }
    }

    fn break_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.space = false;
    }

    pub(super) fn take(&mut self) -> String {
        self.space = false;
        std::mem::take(&mut self.text).trim_end().to_owned()
    }
}

/// All text below a node in one line, as shown.
pub(super) fn inline_text(node: &NodeRef<'_>) -> String {
    fn collect(node: &NodeRef<'_>, line: &mut Line) {
        for child in node.children_it(false) {
            if child.is_text() {
                line.push(&child.text());
                continue;
            }
            let Some(name) = child.node_name() else { continue };
            if is_left_out(&child, &name, &Context { in_content: true, ..Context::default() }) {
                continue;
            }
            let apart = is_block(&name) || matches!(&*name, "br" | "li" | "p" | "td" | "th" | "tr");
            line.space |= apart;
            collect(&child, line);
            line.space |= apart;
        }
    }
    let mut line = Line::default();
    collect(node, &mut line);
    line.take()
}

/// Elements that are never text for readers.
const LEFT_OUT: [&str; 25] = [
    "head",
    "script",
    "style",
    "noscript",
    "template",
    "svg",
    "iframe",
    "object",
    "embed",
    "canvas",
    "audio",
    "video",
    "img",
    "picture",
    "map",
    "nav",
    "button",
    "select",
    "option",
    "input",
    "textarea",
    "dialog",
    "annotation",
    "annotation-xml",
    "frameset",
];

fn is_left_out(node: &NodeRef<'_>, name: &str, context: &Context) -> bool {
    if LEFT_OUT.contains(&name) || (name == "footer" && !context.in_content) {
        return true;
    }
    let has = |attribute: &str, value: &str| {
        node.attr(attribute).is_some_and(|found| found.trim().eq_ignore_ascii_case(value))
    };
    let styled_away = node.attr("style").is_some_and(|style| {
        let style: String = style.to_ascii_lowercase().split_whitespace().collect();
        style.contains("display:none") || style.contains("visibility:hidden")
    });
    styled_away
        || node.has_attr("hidden")
        || has("aria-hidden", "true") && name != "math" && name != "span"
        || has("role", "navigation")
        || (has("role", "contentinfo") && !context.in_content)
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "body"
            | "center"
            | "dd"
            | "details"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figure"
            | "footer"
            | "form"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "main"
            | "p"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "td"
            | "tfoot"
            | "th"
            | "thead"
            | "tr"
    )
}
