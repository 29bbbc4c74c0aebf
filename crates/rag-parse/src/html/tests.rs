use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::outline::{is_well_formed, outline};

fn check(html: &str, expected: Expect) {
    let parsed = parse(html.as_bytes(), &ParseLimits::default()).unwrap();
    assert!(is_well_formed(&parsed));
    expected.assert_eq(&outline(&parsed));
}

#[test]
fn structure_of_a_page() {
    check(
        "<html><head><title>The  Guide</title><style>p{}</style></head><body><nav>Home</nav><h1>Tea &amp; more</h1>\
         loose <b>text</b>\n here<p>Boil<br>water</p><ul><li>one<ul><li>inner</li></ul></li><li><p>two</p><p>more</p></li></ul>\
         <ol start=3><li>three</ol><pre><code class='x language-rust'>fn a() {\n}\n</code></pre>\
         <blockquote>quoted</blockquote><figure><img src=x><figcaption>A figure</figcaption></figure>\
         <div hidden>not seen</div><script>var x;</script><footer>(c)</footer></body></html>",
        expect![[r#"
            title "The Guide"
            h1 "Tea & more"
            paragraph "loose text here"
            paragraph "Boil\nwater"
            listitem "- one"
            listitem "- inner"
            listitem "- two"
            listitem "more"
            listitem "3. three"
            code "fn a() {\n}"
            quote "quoted"
            caption "A figure"
        "#]],
    );
}

#[test]
fn tables_keep_their_cells() {
    check(
        "<table><tr><th>Name<th colspan=2>Sizes</tr><tr><td rowspan=2>a|b<td>1<td>2</tr><tr><td>3<td>4</tr></table>",
        expect![[r#"
            table "| Name | Sizes |  |\n| --- | --- | --- |\n| a\\|b | 1 | 2 |\n| a\\|b | 3 | 4 |"
        "#]],
    );
    check(
        "<table><tr><td><h2>Layout</h2><p>text</td><td>side</td></tr></table>",
        expect![[r#"
        h2 "Layout"
        paragraph "text"
        paragraph "side"
    "#]],
    );
}

#[test]
fn the_declared_encoding_counts_where_it_fits() {
    let page = |charset: &str, bytes: &[u8]| {
        let mut page = format!("<meta charset=\"{charset}\"><p>").into_bytes();
        page.extend_from_slice(bytes);
        parse(&page, &ParseLimits::default()).unwrap().text
    };
    let greek = encoding_rs::ISO_8859_7.encode("Καλημέρα").0;
    assert_eq!(page("iso-8859-7", &greek), "Καλημέρα");
    assert_eq!(page("iso-8859-7", "Καλημέρα".as_bytes()), "Καλημέρα");
}

#[test]
fn hostile_nesting_is_refused() {
    let page = format!("{}x", "<div>".repeat(2_000));
    let error = parse(page.as_bytes(), &ParseLimits::default()).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::TooLarge);
    assert_eq!(error.reason, "the page nests elements more than 512 deep");
}

#[test]
fn a_page_without_text_says_so() {
    let error = parse(b"<html><script>1</script></html>", &ParseLimits::default()).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::NoText);
}

proptest! {
    #[test]
    fn any_markup_is_read_in_order(
        html in "(<(p|div|ul|li|ol|table|tr|td|th|h1|h2|pre|b|br|blockquote|article|nav|span)( colspan=9| rowspan=3)?>|</(p|ul|li|table|td|div)>|[a-zé &<\n]{1,9}){0,40}"
    ) {
        if let Ok(parsed) = parse(html.as_bytes(), &ParseLimits::default()) {
            prop_assert!(is_well_formed(&parsed));
        }
    }
}
