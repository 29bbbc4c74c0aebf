//! Real and hostile documents, where a collection of them stands beside the workspace.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rag_core::{DocumentParser, ParseErrorKind, ParseRequest, ParsedDocument};
use rag_parse::ParseLimits;
use rag_parse::isolated::{IsolatedParser, worker_main};

/// No file may take longer.
const LIMIT: Duration = Duration::from_secs(20);

const WORKER: &str = "be-a-worker";

/// This test binary is its own parse worker.
#[test]
fn as_a_worker() {
    if std::env::args().any(|arg| arg == WORKER) {
        worker_main(std::io::stdin().lock(), std::io::stdout()).unwrap();
        std::process::exit(0);
    }
}

fn parser() -> IsolatedParser {
    let args = ["as_a_worker", "--exact", "--nocapture", WORKER].map(OsString::from);
    let limits = ParseLimits { time: LIMIT, ..ParseLimits::default() };
    IsolatedParser::new(std::env::current_exe().unwrap(), args, limits)
}

fn folder(kind: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/documents").join(kind);
    if !folder.is_dir() {
        eprintln!("skipped: there is no {}", folder.display());
        return None;
    }
    Some(folder)
}

/// The documents of a folder without what is expected of them.
fn documents(kind: &str) -> Vec<PathBuf> {
    let Some(folder) = folder(kind) else { return Vec::new() };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        let name = file.to_string_lossy();
        !name.contains(".expected.") && !name.ends_with(".poppler.txt")
    });
    if cfg!(debug_assertions) {
        files.retain(|file| {
            let is_long = file.ends_with("DA-619p.pdf");
            if is_long {
                eprintln!("skipped: {} takes a minute without optimisation", file.display());
            }
            !is_long
        });
    }
    files.sort();
    files
}

/// Parses a folder; each file ends in well-formed text or in a reason, in time.
fn outcomes(kind: &str) -> BTreeMap<String, Result<ParsedDocument, ParseErrorKind>> {
    let parser = parser();
    let outcome = |file: PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let started = Instant::now();
        let outcome = parser.parse(&ParseRequest::new(&name, &std::fs::read(&file).unwrap()));
        let time = started.elapsed();
        assert!(time < LIMIT, "{name} took {time:?}");
        match &outcome {
            Ok(parsed) => check_spans(&name, parsed),
            Err(error) => {
                assert!(!error.reason.is_empty() && !error.reason.contains('\n'), "{name}")
            }
        }
        (name, outcome.map_err(|error| error.kind))
    };
    documents(kind).into_iter().map(outcome).collect()
}

fn check_spans(name: &str, parsed: &ParsedDocument) {
    let mut end = 0;
    for block in &parsed.blocks {
        assert!(block.span.start >= end && block.span.start < block.span.end, "{name}");
        assert!(parsed.text.get(block.span.clone()).is_some(), "{name}");
        let page = block.place.page.unwrap_or(parsed.pages);
        assert!(page <= parsed.pages, "{name}");
        if let Some(bounds) = block.place.bounds {
            let size = parsed.page_sizes[page as usize - 1];
            assert!(0.0 <= bounds.left && bounds.left < bounds.right, "{name}");
            assert!(0.0 <= bounds.top && bounds.top < bounds.bottom, "{name}");
            assert!(bounds.right <= size.width && bounds.bottom <= size.height, "{name}");
        }
        end = block.span.end;
    }
    assert!(!parsed.blocks.is_empty(), "{name}");
}

/// All files of a folder are read, but for those named here.
fn check(kind: &str, refused: &[(&str, ParseErrorKind)]) {
    let found: Vec<(String, ParseErrorKind)> = outcomes(kind)
        .into_iter()
        .filter_map(|(name, outcome)| outcome.err().map(|kind| (name, kind)))
        .collect();
    if documents(kind).is_empty() {
        return;
    }
    let found: Vec<(&str, ParseErrorKind)> =
        found.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    assert_eq!(found, refused, "{kind}");
}

#[test]
fn texts() {
    use ParseErrorKind::NoText;
    check("md", &[]);
    check("txt", &[("fake-text-all-whitespace.txt", NoText)]);
    check("html", &[]);
    check("html-readability", &[]);
}

#[test]
fn data() {
    use ParseErrorKind::{Damaged, Encrypted};
    check("csv", &[]);
    check("json", &[]);
    check("xml", &[]);
    check("xlsx", &[("password_protected.xlsx", Encrypted)]);
    check("xls", &[("OOM_alloc3.xls", Damaged)]);
}

#[test]
fn json_is_strict() {
    for (name, outcome) in outcomes("json-conformance") {
        assert_eq!(outcome.is_ok(), name.starts_with("y_"), "{name}");
        assert!(matches!(outcome, Ok(_) | Err(ParseErrorKind::Damaged | ParseErrorKind::Empty)));
    }
}

#[test]
fn pdfs() {
    use ParseErrorKind::NoText;
    // Two have Japanese fonts that are neither embedded nor describe their characters.
    check("pdf", &[("noembed-eucjp.pdf", NoText), ("noembed-sjis.pdf", NoText)]);
}

#[test]
fn broken_and_closed_pdfs() {
    use ParseErrorKind::{Damaged, Empty, Encrypted, NoText};
    check(
        "pdf-broken",
        &[
            ("REDHAT-1531897-0.pdf", Damaged),
            ("empty.pdf", Empty),
            ("issue9105_other.pdf", Damaged),
            ("poppler-85140-0.pdf", Damaged),
            ("testPDF_no_extract_yes_accessibility_owner_empty.pdf", Damaged),
        ],
    );
    // One that has a password for its user opens with the owner's, which is empty.
    check(
        "pdf-encrypted",
        &[
            ("libreoffice-writer-password.pdf", Encrypted),
            ("password.pdf", Encrypted),
            ("r3-user-password.pdf", Encrypted),
            ("r6-both-passwords.pdf", Encrypted),
            ("testUnicodePassword.pdf", Encrypted),
        ],
    );
    check(
        "pdf-scanned",
        &[
            ("loremipsum-flat.pdf", NoText),
            ("nemotron_multipage.pdf", NoText),
            ("ocr_test_rotated_90.pdf", NoText),
        ],
    );
}

#[test]
fn scans_are_pictures_for_models() {
    let parser = parser();
    for file in documents("pdf-scanned") {
        let bytes = std::fs::read(&file).unwrap();
        let request = ParseRequest { pictures: true, ..ParseRequest::new("scan.pdf", &bytes) };
        let parsed = parser.parse(&request).unwrap();
        let pages: Vec<u32> =
            parsed.pictures.iter().filter_map(|picture| picture.place.page).collect();
        let expected: Vec<u32> = (1..=parsed.pages).collect();
        assert_eq!(pages, expected, "{}", file.display());
    }
}

#[test]
fn texts_in_any_encoding_are_exact() {
    let Some(folder) = folder("encoding") else { return };
    for (name, outcome) in outcomes("encoding") {
        let expected =
            std::fs::read_to_string(folder.join(format!("{name}.expected.txt"))).unwrap();
        assert_eq!(outcome.unwrap().text, expected, "{name}");
    }
}
