use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::outline::{is_well_formed, outline};

fn check_with(
    read: impl Fn(&[u8], &ParseLimits) -> Result<ParsedDocument, ParseError>,
    source: &str,
    expected: Expect,
) {
    let parsed = read(source.as_bytes(), &ParseLimits::default()).unwrap();
    assert!(is_well_formed(&parsed));
    expected.assert_eq(&format!("{}{}", outline(&parsed), parsed.warnings.join("\n")));
}

fn check(source: &str, expected: Expect) {
    check_with(parse, source, expected);
}

fn refused(source: &[u8]) -> String {
    let error = parse(source, &ParseLimits::default()).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::Damaged);
    error.reason
}

#[test]
fn values_keep_their_paths() {
    check(
        r#"{"name": "Tea", "price": 1.10, "id": 123456789012345678901234567890, "tags": ["hot", "green"],
            "maker": {"name": "Ada", "address": {"town": "Rome"}},
            "size": {"height": 1e400, "width": null}, "notes": "First.\n\nSecond.", "none": {}}"#,
        expect![[r#"
            title "Tea"
            paragraph "name: Tea\nprice: 1.10\nid: 123456789012345678901234567890\ntags: hot, green\nsize.height: 1e400\nsize.width: null\nnone: {}"
            h1 "maker"
            paragraph "name: Ada\naddress.town: Rome"
            h1 "notes"
            paragraph "First."
            paragraph "Second."
        "#]],
    );
}

#[test]
fn objects_that_are_alike_are_a_table() {
    check(
        r#"{"people": [{"name": "Ada", "born": {"year": 1815}}, {"name": "Carl|x", "tags": [1, 2], "born": {"year": 1777}}]}"#,
        expect![[r#"
            h1 "people"
            table "| name | born.year | tags |\n| --- | --- | --- |\n| Ada | 1815 |  |\n| Carl\\|x | 1777 | 1, 2 |"
        "#]],
    );
    check(
        r#"[["a", "b"], [1, 2]]"#,
        expect![[r#"
            table "| a | b |\n| --- | --- |\n| 1 | 2 |"
        "#]],
    );
    check(
        r#"[{"a": 1}, {"b": {"c": {"d": 2}}}, "text"]"#,
        expect![[r#"
            h1 "[0]"
            paragraph "a: 1"
            h1 "[1]"
            h2 "b"
            paragraph "c.d: 2"
            listitem "- text"
        "#]],
    );
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    let cases: [(&[u8], &str); 5] = [
        (b"{\"a\": 1,}", "the file is not valid JSON: key must be a string at line 1 column 9"),
        (b"[1]\n[2]", "the file is not valid JSON: trailing characters at line 2 column 1"),
        (b"[01]", "the file is not valid JSON: invalid number at line 1 column 3"),
        (b"[1,\n\"\xff\"]", "the file is not valid JSON: line 2 is not UTF-8"),
        (b" ", "the file is not valid JSON: EOF while parsing a value at line 1 column 1"),
    ];
    for (source, reason) in cases {
        assert_eq!(refused(source), reason);
    }
    assert!(refused("[".repeat(100_000).as_bytes()).contains("EOF"));
}

#[test]
fn depth_and_emptiness_are_no_errors() {
    check(
        "[]",
        expect![[r#"
        code json "[]"
    "#]],
    );
    check(
        "\"\"",
        expect![[r#"
        code json "\"\""
    "#]],
    );
    check(
        r#"{"\ud800": 1}"#,
        expect![[r#"
        paragraph "{\"\\ud800\": 1}"
    "#]],
    );
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse(deep.as_bytes(), &ParseLimits::default()).is_ok());
}

#[test]
fn records_on_lines() {
    check_with(
        parse_lines,
        "{\"a\": 1}\n\n{\"a\": 2}\n{\"a\"",
        expect![[r#"
            table "| a |\n| --- |\n| 1 |\n| 2 |"
            1 of 3 lines are left out as not valid JSON; the first is line 4, at column 4"#]],
    );
    let records = "{\"a\": {\"b\": [{\"c\": \"x\"}]}}\n{\"d\": 2}\n";
    for read in [parse, parse_lines] {
        check_with(
            read,
            records,
            expect![[r#"
                paragraph "a.b[0].c: x"
                paragraph "d: 2"
            "#]],
        );
    }
    assert!(parse_lines(b"a\nb\n{}", &ParseLimits::default()).is_err());
}

#[test]
fn notebooks_are_prose_and_code() {
    check(
        r##"{"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"name": "python3", "language": "python"}}, "cells": [
            {"cell_type": "markdown", "source": ["# Tea\n", "\n", "Boil it."]},
            {"cell_type": "code", "source": "1 + 1", "outputs": [
                {"output_type": "execute_result", "data": {"text/plain": ["2"], "image/png": "aGk="}},
                {"output_type": "stream", "text": "done\n"}]}]}"##,
        expect![[r#"
            title "Tea"
            h1 "Tea"
            paragraph "Boil it."
            code python "1 + 1"
            code "2"
            code "done"
        "#]],
    );
}

proptest! {
    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(&bytes, &ParseLimits::default());
        let _ = parse_lines(&bytes, &ParseLimits::default());
    }

    #[test]
    fn any_nest_of_values_is_sound(source in r#"(\[|\]|\{"a":|\}|,|"x\n\n"|1| |\n){0,30}"#) {
        for read in [parse, parse_lines] {
            if let Ok(parsed) = read(source.as_bytes(), &ParseLimits::default()) {
                prop_assert!(is_well_formed(&parsed));
            }
        }
    }
}
