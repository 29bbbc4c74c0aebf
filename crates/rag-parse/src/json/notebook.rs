//! Notebooks of Jupyter: prose, code, and what it printed.

use rag_core::{Block, BlockKind, ParseError, ParsedDocument};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ParseLimits;
use crate::builder::DocumentBuilder;
use crate::markdown;

/// Longer outputs are data, not text.
const LONGEST_OUTPUT: usize = 4000;

#[derive(Deserialize)]
pub(super) struct Notebook {
    cells: Vec<Cell>,
    /// Tells a notebook from other files with cells.
    #[serde(rename = "nbformat")]
    _format: u32,
    #[serde(default)]
    metadata: NotebookMetadata,
}

#[derive(Default, Deserialize)]
struct NotebookMetadata {
    title: Option<String>,
    kernelspec: Option<Kernel>,
    language_info: Option<Language>,
}

#[derive(Deserialize)]
struct Kernel {
    language: Option<String>,
}

#[derive(Deserialize)]
struct Language {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Cell {
    cell_type: String,
    source: Lines,
    #[serde(default)]
    outputs: Vec<Output>,
}

#[derive(Default, Deserialize)]
struct Output {
    text: Option<Lines>,
    #[serde(default)]
    data: OutputData,
}

#[derive(Default, Deserialize)]
struct OutputData {
    #[serde(rename = "text/plain")]
    plain: Option<Lines>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Lines {
    One(String),
    Many(Vec<String>),
}

impl Lines {
    fn text(self) -> String {
        match self {
            Lines::One(text) => text,
            Lines::Many(lines) => lines.concat(),
        }
    }
}

/// The notebook that a JSON value is.
pub(super) fn open(root: &RawValue) -> Option<Notebook> {
    let mentions = |word| root.get().contains(word);
    (mentions("\"nbformat\"") && mentions("\"cells\""))
        .then(|| serde_json::from_str(root.get()).ok())?
}

impl Notebook {
    pub(super) fn into_document(self, limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
        let NotebookMetadata { title, kernelspec, language_info } = self.metadata;
        let language = language_info
            .and_then(|language| language.name)
            .or(kernelspec.and_then(|kernel| kernel.language));
        let mut out = DocumentBuilder::new(limits.output_bytes);
        out.title(&title.unwrap_or_default());
        for cell in self.cells {
            let source = cell.source.text();
            match &*cell.cell_type {
                "markdown" => out.append(prose(source)),
                "code" => out.code(language.as_deref(), &source),
                _ => out.code(None, &source),
            }
            for output in cell.outputs {
                let printed = output.text.or(output.data.plain).map(Lines::text);
                if let Some(printed) = printed.filter(|text| text.len() <= LONGEST_OUTPUT) {
                    out.code(None, &printed);
                }
            }
        }
        let mut parsed = out.finish()?;
        parsed.title = parsed.title.take().or_else(|| first_heading(&parsed));
        Ok(parsed)
    }
}

fn prose(source: String) -> ParsedDocument {
    ParsedDocument { blocks: markdown::blocks(&source), text: source, ..ParsedDocument::default() }
}

fn first_heading(parsed: &ParsedDocument) -> Option<String> {
    let is_heading = |block: &&Block| block.kind == BlockKind::Heading { level: 1 };
    parsed.blocks.iter().find(is_heading).map(|block| parsed.block_text(block).to_owned())
}
