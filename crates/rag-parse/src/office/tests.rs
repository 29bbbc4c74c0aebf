//! Office documents that the tests write themselves.

use std::io::{Cursor, Write};

use expect_test::{Expect, expect};
use proptest::prelude::*;
use rag_core::{DocumentParser, ParseErrorKind, ParseRequest};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::outline::{is_well_formed, outline};
use crate::{FileParser, ParseLimits};

fn packed(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        // The media type is stored as it is, so that it can be read without unpacking.
        let method = match *name {
            "mimetype" => CompressionMethod::Stored,
            _ => CompressionMethod::Deflated,
        };
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn relations(list: &[(&str, &str, &str)]) -> String {
    let of = |(id, kind, target): &(&str, &str, &str)| {
        format!(r#"<Relationship Id="{id}" Type="http://x/{kind}" Target="{target}"/>"#)
    };
    format!("<Relationships>{}</Relationships>", list.iter().map(of).collect::<String>())
}

fn check(name: &str, bytes: &[u8], expected: Expect) {
    let parsed = FileParser::default().parse(&ParseRequest::new(name, bytes)).unwrap();
    assert!(is_well_formed(&parsed));
    let mut found = outline(&parsed);
    for (field, value) in &parsed.metadata {
        found.push_str(&format!("{field} = {value:?}\n"));
    }
    expected.assert_eq(&found);
}

fn docx() -> Vec<u8> {
    let paragraph = |style: &str, text: &str| {
        format!(
            r#"<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"#
        )
    };
    let item = |level: u32, text: &str| {
        format!(
            r#"<w:p><w:pPr><w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"#
        )
    };
    let body = [
        paragraph("T", "The Guide"),
        paragraph("H", "Tea"),
        r#"<w:p><w:r><w:t xml:space="preserve">Boil </w:t></w:r><w:del><w:r><w:delText>cold</w:delText></w:r></w:del><w:ins><w:r><w:t>hot</w:t></w:r></w:ins><w:r><w:tab/><w:t>water</w:t><w:footnoteReference w:id="2"/></w:r></w:p>"#.into(),
        item(0, "pour"),
        item(1, "wait"),
        item(0, "drink"),
        r#"<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr><w:p><w:r><w:t>both</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>1|2</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"#.into(),
        r#"<w:p><w:r><w:lastRenderedPageBreak/><w:t>next page</w:t></w:r></w:p>"#.into(),
        r#"<w:p><m:oMath><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath></w:p>"#.into(),
        r#"<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></mc:Fallback></mc:AlternateContent></w:r></w:p>"#.into(),
    ]
    .concat();
    let document = format!(
        r#"<w:document xmlns:w="w" xmlns:m="m" xmlns:mc="mc"><w:body>{body}<w:sectPr/></w:body></w:document>"#
    );
    packed(&[
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", &relations(&[("r1", "officeDocument", "word/document.xml")])),
        (
            "word/_rels/document.xml.rels",
            &relations(&[
                ("a", "styles", "styles.xml"),
                ("b", "numbering", "numbering.xml"),
                ("c", "footnotes", "footnotes.xml"),
            ]),
        ),
        ("word/document.xml", &document),
        (
            "word/styles.xml",
            r#"<w:styles xmlns:w="w"><w:style w:styleId="T"><w:name w:val="Title"/></w:style><w:style w:styleId="H"><w:name w:val="heading 2"/></w:style></w:styles>"#,
        ),
        (
            "word/numbering.xml",
            r#"<w:numbering xmlns:w="w"><w:abstractNum w:abstractNumId="0"><w:lvl><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl><w:lvl><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>"#,
        ),
        (
            "word/footnotes.xml",
            r#"<w:footnotes xmlns:w="w"><w:footnote w:id="2"><w:p><w:r><w:t>not too hot</w:t></w:r></w:p></w:footnote></w:footnotes>"#,
        ),
        (
            "docProps/core.xml",
            r#"<p xmlns:dc="dc"><dc:creator>Ada</dc:creator><created>2026-01-02</created></p>"#,
        ),
    ])
}

#[test]
fn a_text_document_has_its_structure() {
    check(
        "a.docx",
        &docx(),
        expect![[r#"
        title "The Guide"
        h1 p1 "The Guide"
        h2 p1 "Tea"
        paragraph p1 "Boil hot\twater"
        listitem p1 "1. pour"
        listitem p1 "- wait"
        listitem p1 "2. drink"
        table p1 "| both |  |\n| --- | --- |\n| a<br>b | 1\\|2 |"
        paragraph p2 "next page"
        paragraph p2 "(a+b)/2"
        paragraph p2 "boxed"
        paragraph p2 "[1] not too hot"
        author = Text("Ada")
        created = Text("2026-01-02")
    "#]],
    );
}

#[test]
fn a_presentation_has_a_page_for_each_slide() {
    let shape = |kind: &str, text: &str| {
        format!(
            r#"<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"#
        )
    };
    let slide = |shapes: &str| {
        format!(
            r#"<p:sld xmlns:p="p" xmlns:a="a"><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"#
        )
    };
    let table = r#"<p:graphicFrame><a:graphic><a:tbl><a:tr><a:tc><a:txBody><a:p><a:r><a:t>x</a:t></a:r></a:p></a:txBody></a:tc></a:tr><a:tr><a:tc><a:txBody><a:p><a:r><a:t>1</a:t></a:r></a:p></a:txBody></a:tc></a:tr></a:tbl></a:graphic></p:graphicFrame>"#;
    let first = slide(
        &[shape("body", "point"), shape("title", "Tea"), shape("sldNum", "7"), table.to_owned()]
            .concat(),
    );
    let notes = format!(
        r#"<p:notes xmlns:p="p" xmlns:a="a"><p:spTree>{}</p:spTree></p:notes>"#,
        shape("body", "say hello")
    );
    let bytes = packed(&[
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", &relations(&[("r", "officeDocument", "ppt/presentation.xml")])),
        (
            "ppt/presentation.xml",
            r#"<p:presentation xmlns:p="p" xmlns:r="r"><p:sldIdLst><p:sldId id="256" r:id="b"/><p:sldId id="257" r:id="a"/><p:sldId id="258" r:id="c"/></p:sldIdLst></p:presentation>"#,
        ),
        (
            "ppt/_rels/presentation.xml.rels",
            &relations(&[
                ("a", "slide", "slides/one.xml"),
                ("b", "slide", "slides/two.xml"),
                ("c", "slide", "slides/broken.xml"),
            ]),
        ),
        ("ppt/slides/one.xml", &slide(&shape("title", "Last"))),
        ("ppt/slides/two.xml", &first),
        ("ppt/slides/broken.xml", "<p:sld"),
        ("ppt/slides/_rels/two.xml.rels", &relations(&[("n", "notesSlide", "../notes/n.xml")])),
        ("ppt/notes/n.xml", &notes),
    ]);
    check(
        "a.pptx",
        &bytes,
        expect![[r#"
        title "Tea"
        h1 p1 "Tea"
        listitem p1 "- point"
        table p1 "| x |\n| --- |\n| 1 |"
        quote p1 "say hello"
        h1 p2 "Last"
    "#]],
    );
}

#[test]
fn open_documents_are_read() {
    let content = r#"<office:document-content xmlns:office="o" xmlns:text="t" xmlns:table="b"><office:body><office:text>
        <text:h text:outline-level="2">Tea</text:h>
        <text:p>Boil<text:s/>the   <text:span>water</text:span><text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>hot</text:p></text:note-body></text:note></text:p>
        <text:list><text:list-item><text:p>pour</text:p><text:list><text:list-item><text:p>wait</text:p></text:list-item></text:list></text:list-item></text:list>
        <table:table><table:table-row><table:table-cell table:number-columns-repeated="2"><text:p>x</text:p></table:table-cell></table:table-row></table:table>
    </office:text></office:body></office:document-content>"#;
    let bytes = packed(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", content),
        (
            "meta.xml",
            r#"<m xmlns:dc="dc"><dc:title>Guide</dc:title><dc:creator>Ada</dc:creator></m>"#,
        ),
    ]);
    check(
        "a.odt",
        &bytes,
        expect![[r#"
        title "Guide"
        h2 "Tea"
        paragraph "Boil the water"
        listitem "- pour"
        listitem "- wait"
        table "| x | x |\n| --- | --- |"
        paragraph "[1] hot"
        author = Text("Ada")
    "#]],
    );
}

#[test]
fn text_boxes_in_text_boxes_are_read_once() {
    let nested = (0..40).fold("<t:p>x</t:p>".to_owned(), |inner, _| {
        format!("<t:p>y<d:frame><d:text-box>{inner}</d:text-box></d:frame></t:p>")
    });
    let content = format!(
        r#"<o:c xmlns:o="o" xmlns:t="t" xmlns:d="d"><o:body><o:text>{nested}</o:text></o:body></o:c>"#
    );
    let bytes = packed(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", &content),
    ]);
    let parsed = FileParser::default().parse(&ParseRequest::new("a.odt", &bytes)).unwrap();
    let once = std::iter::repeat_n("y", 40).chain(["x"]).collect::<Vec<_>>();
    assert_eq!(parsed.text, once.join("\n\n"));
}

#[test]
fn a_book_is_read_in_order() {
    let bytes = packed(&[
        ("mimetype", "application/epub+zip"),
        (
            "META-INF/container.xml",
            r#"<container><rootfile full-path="OPS/book.opf"/></container>"#,
        ),
        (
            "OPS/book.opf",
            r#"<package xmlns:dc="dc"><metadata><dc:title>Tea</dc:title><dc:creator>Ada</dc:creator></metadata><manifest><item id="b" href="b%20b.xhtml"/><item id="a" href="a.xhtml"/></manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>"#,
        ),
        ("OPS/a.xhtml", "<html><body><h1>One</h1><p>Boil.</p></body></html>"),
        ("OPS/b b.xhtml", "<html><body><h1>Two</h1><p>Pour.</p></body></html>"),
    ]);
    check(
        "a.epub",
        &bytes,
        expect![[r#"
        title "Tea"
        h1 "One"
        paragraph "Boil."
        h1 "Two"
        paragraph "Pour."
        author = Text("Ada")
    "#]],
    );
}

#[test]
fn a_mail_is_its_header_its_text_and_what_is_attached() {
    let mail = "From: Ada <ada@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?T=C3=A9a?=\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nDear Bob,\r\n\r\nboil it.\r\n--x\r\nContent-Type: text/markdown; name=steps.md\r\nContent-Disposition: attachment; filename=steps.md\r\n\r\n# Steps\r\n\r\n- pour\r\n--x--\r\n";
    check(
        "a.eml",
        mail.as_bytes(),
        expect![[r#"
        title "Téa"
        h1 "Téa"
        paragraph "From: Ada <ada@example.org>\nTo: bob@example.org\nDate: 2026-11-23T10:00:00+01:00"
        paragraph "Dear Bob,"
        paragraph "boil it."
        h2 "steps.md"
        h1 "Steps"
        listitem "- pour"
        date = Text("2026-11-23T10:00:00+01:00")
        from = List(["Ada <ada@example.org>"])
        to = List(["bob@example.org"])
    "#]],
    );
}

#[test]
fn bombs_and_broken_files_are_refused() {
    let refuse = |bytes: &[u8], limits: ParseLimits| {
        FileParser::new(limits).parse(&ParseRequest::new("a.docx", bytes)).unwrap_err()
    };
    let limits = ParseLimits { output_bytes: 10_000, ..ParseLimits::default() };
    let body = format!("<w:document><w:body>{}</w:body></w:document>", "<w:p/>".repeat(50_000));
    let bomb = packed(&[("[Content_Types].xml", ""), ("word/document.xml", &body)]);
    assert!(bomb.len() < 10_000);
    assert_eq!(refuse(&bomb, limits).kind, ParseErrorKind::TooLarge);

    let laughs = r#"<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><w:document><w:body>&b;</w:body></w:document>"#;
    let laughs = packed(&[("[Content_Types].xml", ""), ("word/document.xml", laughs)]);
    assert_eq!(refuse(&laughs, ParseLimits::default()).kind, ParseErrorKind::Damaged);

    let whole = docx();
    let cut = refuse(&whole[..whole.len() / 2], ParseLimits::default());
    assert_eq!(cut.kind, ParseErrorKind::Damaged, "{cut}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn changed_bytes_end(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = docx();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(parsed) = FileParser::default().parse(&ParseRequest::new("a.docx", &bytes)) {
            prop_assert!(is_well_formed(&parsed));
        }
    }
}
