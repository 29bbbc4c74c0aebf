//! [`FileParser`]: one parser for every format that is read here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rag_core::{DocumentParser, ParseError, ParseErrorKind, ParseRequest, ParsedDocument};

use crate::format::{self, Format};
use crate::limits::size;
use crate::{
    ParseLimits, code, delimited, encoding, epub, html, image, json, mail, markdown, office, pdf,
    spreadsheet, subtitles, text, xml_text,
};

/// Raised when a file may be read differently than before, so that what was kept of earlier readings is not used.
const REVISION: u32 = 2;

/// Reads every format of this crate within [`ParseLimits`], in the calling thread.
///
/// A panic of a parser becomes an error here; an endless loop, a stack overflow or exhausted memory does not. For files
/// of strangers use [`IsolatedParser`](crate::isolated::IsolatedParser), which wraps this.
#[derive(Clone, Debug, Default)]
pub struct FileParser {
    limits: ParseLimits,
}

impl FileParser {
    /// A parser with these limits.
    pub fn new(limits: ParseLimits) -> Self {
        Self { limits }
    }

    /// Its limits.
    pub fn limits(&self) -> &ParseLimits {
        &self.limits
    }

    /// The format of a file that is not too large for it.
    pub(crate) fn admit(&self, name: &str, bytes: &[u8]) -> Result<Format, ParseError> {
        let format = format::of_file(name, bytes)?;
        let (what, limit) = match format {
            Format::Pdf => ("a PDF", self.limits.pdf_bytes),
            Format::Html => ("an HTML page", self.limits.html_bytes),
            Format::Spreadsheet(_) => ("a spreadsheet", self.limits.text_bytes),
            Format::Image(_) => ("an image", self.limits.text_bytes),
            Format::Markdown
            | Format::Delimited
            | Format::Json
            | Format::JsonLines
            | Format::Subtitles
            | Format::Docx
            | Format::Pptx
            | Format::OpenDocument
            | Format::Epub
            | Format::Rtf
            | Format::Mail
            | Format::Xml
            | Format::Code(_)
            | Format::Text => ("a text", self.limits.text_bytes),
        };
        let length = bytes.len() as u64;
        if length > limit {
            let (length, limit) = (size(length), size(limit));
            let reason = format!("the file has {length}, but {what} may have {limit} at most");
            return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
        }
        Ok(format)
    }

    fn read(
        &self,
        format: Format,
        request: &ParseRequest<'_>,
        depth: usize,
    ) -> Result<ParsedDocument, ParseError> {
        let bytes = request.bytes;
        let parsed = match format {
            Format::Pdf => pdf::parse(request, &self.limits)?,
            Format::Html => html::parse(bytes, &self.limits)?,
            Format::Markdown => markdown::parse(encoding::decode(bytes, None), &self.limits),
            Format::Delimited => delimited::parse(encoding::decode(bytes, None), &self.limits)?,
            Format::Json => json::parse(bytes, &self.limits)?,
            Format::JsonLines => json::parse_lines(bytes, &self.limits)?,
            Format::Spreadsheet(format) => spreadsheet::parse(bytes, format, &self.limits)?,
            Format::Subtitles => subtitles::parse(encoding::decode(bytes, None), &self.limits)?,
            Format::Code(language) => code::parse(encoding::decode(bytes, None), language),
            Format::Docx => office::docx::parse(request, &self.limits)?,
            Format::Pptx => office::pptx::parse(request, &self.limits)?,
            Format::OpenDocument => office::odf::parse(request, &self.limits)?,
            Format::Rtf => office::rtf::parse(bytes, &self.limits)?,
            Format::Epub => epub::parse(bytes, &self.limits)?,
            Format::Mail => mail::parse(self, request, depth)?,
            Format::Xml => xml_text::parse(bytes, &self.limits)?,
            Format::Image(media_type) => image::parse(bytes, media_type, request.pictures)?,
            Format::Text => text::parse(encoding::decode(bytes, None)),
        };
        if parsed.text.len() as u64 > self.limits.output_bytes {
            let limit = size(self.limits.output_bytes);
            let reason = format!("the file expands to more than {limit} of text");
            return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
        }
        if parsed.blocks.is_empty() && parsed.pictures.is_empty() {
            return Err(ParseError::new(ParseErrorKind::NoText, "the file holds only white space"));
        }
        Ok(parsed)
    }
}

impl FileParser {
    /// Reads a file that stands in another, `depth` files deep.
    pub(crate) fn parse_within(
        &self,
        request: &ParseRequest<'_>,
        depth: usize,
    ) -> Result<ParsedDocument, ParseError> {
        let format = self.admit(request.name, request.bytes)?;
        self.read(format, request, depth)
    }
}

impl DocumentParser for FileParser {
    fn parse(&self, request: &ParseRequest<'_>) -> Result<ParsedDocument, ParseError> {
        let ParseRequest { name, bytes, .. } = *request;
        let format = self.admit(name, bytes)?;
        // Nothing outlives the closure that a panic could leave half changed.
        catch_unwind(AssertUnwindSafe(|| self.read(format, request, 0))).unwrap_or_else(|_| {
            tracing::warn!(name, ?format, "a parser panicked");
            let reason = "reading the file brought the parser down; the file is broken in a way that it does not know";
            Err(ParseError::new(ParseErrorKind::Crashed, reason))
        })
    }

    fn takes(&self, name: &str) -> bool {
        format::by_name(name).is_some()
    }

    fn revision(&self) -> u32 {
        REVISION
    }
}
