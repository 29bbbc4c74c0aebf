use expect_test::expect;
use lopdf::{Dictionary, Object, Stream, dictionary};
use proptest::prelude::*;
use rag_core::{BoundingBox, MetadataValue, PageSize, PictureKind};

use super::*;
use crate::outline::{is_well_formed, outline};

/// A page's content: lines of text from above, each `(size, line)`.
fn lines(lines: &[(u32, &str)]) -> Vec<u8> {
    let mut y = 740;
    let mut content = String::new();
    for (size, line) in lines {
        content.push_str(&format!("BT /F1 {size} Tf 72 {y} Td ({line}) Tj ET\n"));
        y -= 2 * *size as i32;
    }
    content.into_bytes()
}

/// A PDF of pages with these contents and further entries. They can draw the image `/Im1`, a gray one of 120 × 100
/// pixels. The outline has an entry for the first page and one below it for the last.
fn write(title: &str, pages: &[(Vec<u8>, Dictionary)]) -> Vec<u8> {
    let mut file = Document::with_version("1.5");
    let font = file.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
    });
    let image = file.add_object(Stream::new(
        dictionary! {
            "Type" => "XObject", "Subtype" => "Image", "Width" => 120, "Height" => 100,
            "ColorSpace" => "DeviceGray", "BitsPerComponent" => 8,
        },
        vec![77; 12_000],
    ));
    let root = file.new_object_id();
    let mut kids = Vec::new();
    for (content, entries) in pages {
        let content = file.add_object(Stream::new(Dictionary::new(), content.clone()));
        let mut page = dictionary! {
            "Type" => "Page", "Parent" => root, "Contents" => content,
            "MediaBox" => vec![0.into(), 0.into(), 612.into(), 792.into()],
            "Resources" => dictionary! {
                "Font" => dictionary! { "F1" => font },
                "XObject" => dictionary! { "Im1" => image },
            },
        };
        page.extend(entries);
        kids.push(file.add_object(page));
    }
    let (first, last) = (kids[0], kids[kids.len() - 1]);
    let outline = file.new_object_id();
    let below = file.add_object(dictionary! {
        "Title" => Object::string_literal("The end"),
        "A" => dictionary! { "S" => "GoTo", "D" => Object::Array(vec![last.into(), "Fit".into()]) },
        // A cycle.
        "Next" => outline,
    });
    let start = dictionary! {
        "Title" => Object::string_literal("The start"), "First" => below, "Next" => outline,
        "Dest" => Object::Array(vec![first.into(), "Fit".into()]),
    };
    file.objects.insert(outline, start.into());
    let count = kids.len() as i64;
    let kids: Vec<Object> = kids.into_iter().map(Object::from).collect();
    file.objects
        .insert(root, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count }.into());
    let catalog = file.add_object(dictionary! {
        "Type" => "Catalog", "Pages" => root, "Outlines" => dictionary! { "First" => outline },
    });
    let info = file.add_object(dictionary! {
        "Title" => Object::string_literal(title), "Author" => Object::string_literal("A. Writer"),
        "Keywords" => Object::string_literal("tea, water"),
        "CreationDate" => Object::string_literal("D:20240115103000Z"),
    });
    file.trailer.set("Root", catalog);
    file.trailer.set("Info", info);
    let mut bytes = Vec::new();
    file.save_to(&mut bytes).unwrap();
    bytes
}

/// A PDF of pages with lines of text.
fn pdf(title: &str, pages: &[&[(u32, &str)]]) -> Vec<u8> {
    let pages: Vec<_> = pages.iter().map(|page| (lines(page), Dictionary::new())).collect();
    write(title, &pages)
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

/// The corners of each block's box, rounded.
fn corners(parsed: &ParsedDocument) -> Vec<Option<[i32; 4]>> {
    let rounded =
        |it: BoundingBox| [it.left, it.top, it.right, it.bottom].map(|side| side.round() as i32);
    parsed.blocks.iter().map(|block| block.place.bounds.map(rounded)).collect()
}

#[test]
fn blocks_have_boxes_on_upright_pages() {
    let parsed = read(&example()).unwrap();
    assert_eq!(parsed.page_sizes, [PageSize { width: 612.0, height: 792.0 }; 2]);
    let boxes = corners(&parsed);
    assert!(boxes.iter().all(Option::is_some), "{boxes:?}");
    // The heading's baseline is at 740 of 792, and its letters are of 24 points.
    let [left, top, right, bottom] = boxes[0].unwrap();
    assert_eq!((left, top, bottom), (72, 792 - 740 - 22, 792 - 740 + 5));
    assert!((140..200).contains(&right), "{right}");

    // On a page turned by a quarter, text that runs upwards on the sheet reads from left to right.
    let content = b"BT 0 1 -1 0 300 100 Tm /F1 10 Tf (Turned text of some length) Tj ET".to_vec();
    let parsed = read(&write("x", &[(content, dictionary! { "Rotate" => 90 })])).unwrap();
    assert_eq!(parsed.page_sizes, [PageSize { width: 792.0, height: 612.0 }]);
    let [left, top, right, bottom] = corners(&parsed)[0].unwrap();
    assert_eq!((left, top, bottom), (100, 291, 302));
    assert!((190..260).contains(&right), "{right}");
}

#[test]
fn outline_and_metadata_are_told() {
    let parsed = read(&example()).unwrap();
    let outline: Vec<_> =
        parsed.outline.iter().map(|it| (it.level, it.title.as_str(), it.page)).collect();
    assert_eq!(outline, [(1, "The start", Some(1)), (2, "The end", Some(2))]);
    let text = |key: &str| match parsed.metadata.get(key) {
        Some(MetadataValue::Text(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(text("author"), "A. Writer");
    assert_eq!(text("created"), "2024-01-15T10:30:00Z");
    let keywords = MetadataValue::List(vec!["tea".into(), "water".into()]);
    assert_eq!(parsed.metadata.get("keywords"), Some(&keywords));
}

#[test]
fn only_the_wanted_pages_are_read() {
    let file = example();
    let request = |pages| ParseRequest { pages, ..ParseRequest::new("a.pdf", &file) };
    let parsed = parse(&request(&[(2, u32::MAX)]), &ParseLimits::default()).unwrap();
    assert_eq!((parsed.pages, parsed.page_sizes.len()), (2, 2));
    assert!(parsed.text.starts_with("# Serving"), "{}", parsed.text);
    assert!(parsed.blocks.iter().all(|block| block.place.page == Some(2)));
    assert!(corners(&parsed).iter().all(Option::is_some));
    let error = parse(&request(&[(3, 9)]), &ParseLimits::default()).unwrap_err();
    assert_eq!(error.reason, "the PDF has 2 pages, and none of those asked for");
}

#[test]
fn scans_and_figures_are_pictures_where_wanted() {
    let scan = b"q 612 0 0 792 0 0 cm /Im1 Do Q".to_vec();
    let mut figure =
        lines(&[(11, "A line of text above the figure, which is long enough to be one.")]);
    figure.extend_from_slice(b"q 120 0 0 100 72 300 cm /Im1 Do Q\n");
    figure.extend_from_slice(
        b"BT /F1 11 Tf 72 200 Td (And a line of text below it, which ends the page.) Tj ET",
    );
    let file = write("x", &[(figure, Dictionary::new()), (scan.clone(), Dictionary::new())]);
    let pictures = |file: &[u8]| {
        let request = ParseRequest { pictures: true, ..ParseRequest::new("a.pdf", file) };
        parse(&request, &ParseLimits::default()).unwrap()
    };
    let parsed = pictures(&file);
    assert_eq!(parsed.blocks.len(), 2);
    let found: Vec<_> = parsed
        .pictures
        .iter()
        .map(|it| (it.kind, it.place.page, it.before_block, it.media_type.as_str()))
        .collect();
    let expected = [
        (PictureKind::Figure, Some(1), 1, "image/png"),
        (PictureKind::Page, Some(2), 2, "image/png"),
    ];
    assert_eq!(found, expected);
    let bounds = BoundingBox { left: 72.0, top: 392.0, right: 192.0, bottom: 492.0 };
    assert_eq!(parsed.pictures[0].place.bounds, Some(bounds));
    assert_eq!(parsed.warnings, Vec::<String>::new());

    let scan = write("x", &[(scan, Dictionary::new())]);
    assert_eq!(pictures(&scan).pictures.len(), 1);
    assert_eq!(read(&scan).unwrap_err().kind, ParseErrorKind::NoText);
    let without = read(&file).unwrap();
    assert!(without.pictures.is_empty());
    assert_eq!(
        without.warnings,
        ["pages that need an OCR or vision model to be read in full: 1, 2"]
    );
}

#[test]
fn the_layer_behind_a_scan_is_read_once() {
    let words = "What a scanner has read of this page is written behind its picture, in no color.";
    let content =
        format!("q 612 0 0 792 0 0 cm /Im1 Do Q BT 3 Tr /F1 11 Tf 72 700 Td ({words}) Tj ET");
    let file = write("x", &[(content.into_bytes(), Dictionary::new())]);
    for pictures in [false, true] {
        let request = ParseRequest { pictures, ..ParseRequest::new("a.pdf", &file) };
        let parsed = parse(&request, &ParseLimits::default()).unwrap();
        assert_eq!((parsed.text.as_str(), parsed.pictures.len()), (words, 0));
        assert_eq!(parsed.warnings, Vec::<String>::new());
    }
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
        if let Ok(parsed) = crate::FileParser::default().parse(&ParseRequest { pictures: true, ..ParseRequest::new("a.pdf", &file) }) {
            prop_assert!(is_well_formed(&parsed));
            for block in &parsed.blocks {
                let Some(bounds) = block.place.bounds else { continue };
                let page = parsed.page_sizes[block.place.page.unwrap() as usize - 1];
                prop_assert!(0.0 <= bounds.left && bounds.left < bounds.right && bounds.right <= page.width);
                prop_assert!(0.0 <= bounds.top && bounds.top < bounds.bottom && bounds.bottom <= page.height);
            }
        }
    }
}
