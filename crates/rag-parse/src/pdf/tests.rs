use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::outline::{is_well_formed, outline};

/// A PDF of pages with lines of text, each `(size, line)`, written by hand.
fn pdf(title: &str, pages: &[&[(u32, &str)]]) -> Vec<u8> {
    let first_page = 4;
    let kids: String =
        (0..pages.len()).map(|page| format!("{} 0 R ", first_page + 2 * page)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    for (page, lines) in pages.iter().enumerate() {
        let mut y = 740;
        let mut content = String::new();
        for (size, line) in *lines {
            content.push_str(&format!("BT /F1 {size} Tf 72 {y} Td ({line}) Tj ET\n"));
            y -= 2 * *size as i32;
        }
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {} 0 R /Resources << /Font << /F1 3 0 R >> >> >>",
            first_page + 2 * page + 1
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{content}endstream", content.len()));
    }
    objects.push(format!("<< /Title ({title}) >>"));
    let mut file = "%PDF-1.4\n".to_owned();
    let mut offsets = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", number + 1));
    }
    let table = file.len();
    let size = objects.len() + 1;
    file.push_str(&format!("xref\n0 {size}\n0000000000 65535 f \n"));
    for offset in offsets {
        file.push_str(&format!("{offset:010} 00000 n \n"));
    }
    file.push_str(&format!(
        "trailer\n<< /Size {size} /Root 1 0 R /Info {} 0 R >>\nstartxref\n{table}\n%%EOF\n",
        size - 1
    ));
    file.into_bytes()
}

fn read(file: &[u8]) -> Result<ParsedDocument, ParseError> {
    parse(&ParseRequest::new("a.pdf", file), &ParseLimits::default())
}

fn example() -> Vec<u8> {
    pdf(
        "A Guide to Tea",
        &[
            &[
                (24, "Brewing"),
                (
                    11,
                    "Boil the water first, in a kettle that holds enough of it for all of the cups.",
                ),
                (
                    11,
                    "Then pour it over the leaves and wait for three minutes, or for four if you like.",
                ),
            ],
            &[
                (24, "Serving"),
                (11, "Pour the tea into warm cups, and offer milk and sugar to those who want it."),
            ],
        ],
    )
}

#[test]
fn headings_text_and_pages() {
    let parsed = read(&example()).unwrap();
    assert!(is_well_formed(&parsed));
    assert_eq!(parsed.pages, 2);
    expect![[r#"
        title "A Guide to Tea"
        h1 p1 "Brewing"
        paragraph p1 "Boil the water first, in a kettle that holds enough of it for all of the cups."
        paragraph p1 "Then pour it over the leaves and wait for three minutes, or for four if you like."
        h1 p2 "Serving"
        paragraph p2 "Pour the tea into warm cups, and offer milk and sugar to those who want it."
    "#]]
    .assert_eq(&outline(&parsed));
}

#[test]
fn too_many_pages_are_refused() {
    let limits = ParseLimits { pdf_pages: 1, ..ParseLimits::default() };
    let error = parse(&ParseRequest::new("a.pdf", &example()), &limits).unwrap_err();
    assert_eq!(
        (error.kind, error.reason.as_str()),
        (ParseErrorKind::TooLarge, "the PDF has 2 pages, 1 are allowed")
    );
}

#[test]
fn pages_without_text_say_what_is_needed() {
    let error = read(&pdf("x", &[&[]])).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::NoText);
}

#[test]
fn page_marks_split_only_where_they_can_be_true() {
    let found: Vec<(u32, &str)> =
        pages("a<!-- Page 1 -->b<!-- Page 9 -->c<!-- Page 3 -->d<!-- Page 2 -->e", 3).collect();
    assert_eq!(found, [(1, "a"), (1, "b<!-- Page 9 -->c"), (3, "d<!-- Page 2 -->e")]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_files_end_in_text_or_a_reason(
        at in 0.0_f64..1.0, bytes in proptest::collection::vec(any::<u8>(), 1..20), cut in any::<bool>(),
    ) {
        let mut file = example();
        let at = (at * file.len() as f64) as usize;
        if cut {
            file.truncate(at);
        }
        let end = file.len().min(at + bytes.len());
        file.splice(at.min(end)..end, bytes);
        use rag_core::{DocumentParser, ParseRequest};
        if let Ok(parsed) = crate::FileParser::default().parse(&ParseRequest::new("a.pdf", &file)) {
            prop_assert!(is_well_formed(&parsed));
        }
    }
}
