use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::outline::{is_well_formed, outline};

fn check(source: &str, expected: Expect) {
    let parsed = parse(source.as_bytes(), &ParseLimits::default()).unwrap();
    assert!(is_well_formed(&parsed));
    expected.assert_eq(&format!("{}{}", outline(&parsed), parsed.warnings.join("\n")));
}

#[test]
fn data_is_lines_and_prose_is_paragraphs() {
    check(
        "<?xml version='1.0'?><!-- x --><shop><item id='1'><name>Tea &amp; &#x43;o</name><price>1</price><part no='7' xmlns:a='b'/></item><item><name>Ink</name></item></shop>",
        expect![[r#"
            paragraph "name: Tea & Co\nprice: 1\npart: no=7"
            paragraph "name: Ink"
        "#]],
    );
    check(
        "<article><front><article-title>On <i>Ducks</i></article-title><journal>Birds</journal></front><body><sec><title>Wild</title><p>They <xref>1</xref> swim<sup>2</sup>.</p><list><list-item><p>one</p></list-item></list><table-wrap><caption>Sizes</caption><table><tr><th>a</th><th>b</th></tr><tr><td>1</td></tr></table></table-wrap><pre> x\n  y</pre></sec></body></article>",
        expect![[r#"
            title "On Ducks"
            h1 "On Ducks"
            paragraph "journal: Birds"
            h2 "Wild"
            paragraph "They 1 swim2."
            listitem "- one"
            caption "Sizes"
            table "| a | b |\n| --- | --- |\n| 1 |  |"
            code " x\n  y"
        "#]],
    );
    check(
        "<rss><channel><title>News</title><link>http://x</link><item><title>One</title><description><![CDATA[<p>A <b>bold</b> word</p><ul><li>x</li></ul>]]></description></item></channel></rss>",
        expect![[r#"
            title "News"
            h1 "News"
            paragraph "link: http://x"
            h2 "One"
            paragraph "A bold word"
            listitem "- x"
        "#]],
    );
}

#[test]
fn entities_are_not_expanded_and_breaks_are_told() {
    check(
        "<!DOCTYPE a [<!ENTITY b \"boom\"><!ENTITY c \"&b;&b;\">]><a>x &c; y</a>",
        expect![[r#"
            paragraph "x &c; y"
        "#]],
    );
    check(
        "<a><p>good</p>\n<p>bad</a>",
        expect![[r#"
            paragraph "good"
            paragraph "bad"
            the XML is broken at line 2: ill-formed document: expected `</p>`, but `</a>` was found; what follows is not read"#]],
    );
    let error = |source: &str| parse(source.as_bytes(), &ParseLimits::default()).unwrap_err();
    assert_eq!(error("<a></b>").kind, ParseErrorKind::Damaged);
    assert_eq!(error(&"<a>".repeat(10_000)).kind, ParseErrorKind::TooLarge);
}

#[test]
fn declared_encodings_are_believed() {
    let parsed = parse(
        b"<?xml version='1.0' encoding='windows-1251'?><a>\xcf\xf0\xe8\xe2\xe5\xf2</a>",
        &ParseLimits::default(),
    );
    assert_eq!(parsed.unwrap().text, "Привет");
}

proptest! {
    #[test]
    fn any_markup_ends(
        source in "(<a>|</a>|<p>|</p>|<title>|</title>|<table>|</table>|<tr>|</tr>|<td>|</td>|<b/>|x|&amp;|&z;|<!\\[CDATA\\[<p>|\\]\\]>| |<){0,40}"
    ) {
        if let Ok(parsed) = parse(source.as_bytes(), &ParseLimits::default()) {
            prop_assert!(is_well_formed(&parsed));
        }
    }
}
