//! What the targets have in common: files that hold any bytes, and what must hold of what is read from them.

use std::io::{Cursor, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use rag_core::{DocumentParser, ParseErrorKind, ParseRequest, ParsedDocument};
use rag_parse::{FileParser, ParseLimits};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Reads a file within small limits. It must end in a document whose spans are sound, or in a reason of one line. A
/// panic of ours ends the process, even where the parser would catch it; one of a library must be caught.
pub fn check(name: &str, bytes: &[u8]) {
    static HOOK: Once = Once::new();
    HOOK.call_once(forgive_libraries);
    let limits = ParseLimits { pdf_pages: 50, output_bytes: 16 << 20, ..ParseLimits::default() };
    let request = ParseRequest { pictures: true, ..ParseRequest::new(name, bytes) };
    match FileParser::new(limits).parse(&request) {
        Ok(parsed) => assert!(is_well_formed(&parsed), "{parsed:?}"),
        Err(error) => {
            let forgiven = LIBRARY_PANICKED.swap(false, Ordering::Relaxed);
            assert!(error.kind != ParseErrorKind::Crashed || forgiven, "{error:?}");
            assert!(!error.reason.is_empty() && !error.reason.contains('\n'), "{error:?}");
        }
    }
}

/// Whether a library panicked on this input.
static LIBRARY_PANICKED: AtomicBool = AtomicBool::new(false);

/// libFuzzer's hook ends the process at any panic. From now on one that arises in a library unwinds instead, for the
/// parser to make a reason of it.
fn forgive_libraries() {
    let end = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // Sources from a registry lie below such a folder; the standard library and our crates do not.
        match panic.location() {
            Some(place) if place.file().contains("/registry/src/") => {
                LIBRARY_PANICKED.store(true, Ordering::Relaxed);
            }
            _ => end(panic),
        }
    }));
}

/// Whether spans ascend without overlap, on character borders, inside the text.
fn is_well_formed(parsed: &ParsedDocument) -> bool {
    let mut end = 0;
    let blocks = parsed.blocks.iter().all(|block| {
        let in_order = block.span.start >= end && block.span.start < block.span.end;
        end = block.span.end;
        in_order && parsed.text.get(block.span.clone()).is_some()
    });
    blocks && parsed.pictures.iter().all(|picture| picture.before_block <= parsed.blocks.len())
}

/// A kind of file that is an archive.
#[derive(Clone, Copy)]
pub enum Package {
    Docx,
    Pptx,
    Xlsx,
    Odt,
    Ods,
    Epub,
}

const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

impl Package {
    /// The smallest such file with these bytes as the part that holds its text.
    pub fn with(self, part: &[u8]) -> Vec<u8> {
        match self {
            Package::Docx => office("word/document.xml", "wordprocessingml.document.main", &[], part),
            Package::Pptx => {
                let presentation = format!(
                    "<p:presentation xmlns:p='http://schemas.openxmlformats.org/presentationml/2006/main' xmlns:r='{OFFICE}'><p:sldIdLst><p:sldId id='256' r:id='rId1'/></p:sldIdLst></p:presentation>"
                );
                let parts = [
                    ("ppt/_rels/presentation.xml.rels", relation("slide", "slides/slide1.xml")),
                    ("ppt/slides/slide1.xml", String::from_utf8_lossy(part).into_owned()),
                ];
                let main = "presentationml.presentation.main";
                office("ppt/presentation.xml", main, &parts, presentation.as_bytes())
            }
            Package::Xlsx => {
                let workbook = format!(
                    "<workbook xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main' xmlns:r='{OFFICE}'><sheets><sheet name='S' sheetId='1' r:id='rId1'/></sheets></workbook>"
                );
                let parts = [
                    ("xl/_rels/workbook.xml.rels", relation("worksheet", "worksheets/sheet1.xml")),
                    ("xl/worksheets/sheet1.xml", String::from_utf8_lossy(part).into_owned()),
                ];
                office("xl/workbook.xml", "spreadsheetml.sheet.main", &parts, workbook.as_bytes())
            }
            Package::Odt => open_document("text", part),
            Package::Ods => open_document("spreadsheet", part),
            Package::Epub => zip(&[
                ("mimetype", b"application/epub+zip"),
                ("META-INF/container.xml", b"<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles><rootfile full-path='book.opf' media-type='application/oebps-package+xml'/></rootfiles></container>"),
                ("book.opf", b"<package xmlns='http://www.idpf.org/2007/opf' version='3.0'><metadata/><manifest><item id='c' href='chapter.xhtml' media-type='application/xhtml+xml'/></manifest><spine><itemref idref='c'/></spine></package>"),
                ("chapter.xhtml", part),
            ]),
        }
    }
}

fn office(main: &str, kind: &str, parts: &[(&str, String)], content: &[u8]) -> Vec<u8> {
    let types = format!(
        "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'><Default Extension='xml' ContentType='application/xml'/><Override PartName='/{main}' ContentType='application/vnd.openxmlformats-officedocument.{kind}+xml'/></Types>"
    );
    let relation = relation("officeDocument", main);
    let mut all = vec![
        ("[Content_Types].xml", types.as_bytes()),
        ("_rels/.rels", relation.as_bytes()),
        (main, content),
    ];
    all.extend(parts.iter().map(|(name, text)| (*name, text.as_bytes())));
    zip(&all)
}

fn relation(kind: &str, target: &str) -> String {
    format!(
        "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'><Relationship Id='rId1' Type='{OFFICE}/{kind}' Target='{target}'/></Relationships>"
    )
}

fn open_document(kind: &str, content: &[u8]) -> Vec<u8> {
    let kind = format!("application/vnd.oasis.opendocument.{kind}");
    zip(&[("mimetype", kind.as_bytes()), ("content.xml", content)])
}

fn zip(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        archive.start_file(*name, options).expect("a short name");
        archive.write_all(content).expect("memory");
    }
    archive.finish().expect("memory").into_inner()
}
