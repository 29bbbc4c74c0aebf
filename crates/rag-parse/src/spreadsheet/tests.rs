use calamine::Dimensions;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::outline::{is_well_formed, outline};

/// A sheet drawn with a character per cell; blanks are empty.
fn check(rows: &[&[&str]], merged: &[Dimensions], expected: Expect) {
    let mut grid = Grid::default();
    for (row, cells) in rows.iter().enumerate() {
        for (column, text) in cells.iter().enumerate() {
            grid.push((row as u32, column as u32), (*text).to_owned()).unwrap();
        }
    }
    grid.merge(merged);
    let mut out = DocumentBuilder::new(10_000);
    push_sheet(&mut out, "Sheet", &grid, 10_000);
    let parsed = out.finish().unwrap();
    assert!(is_well_formed(&parsed));
    expected.assert_eq(&outline(&parsed));
}

#[test]
fn what_stands_together_is_a_table() {
    check(
        &[
            &["name", "price", "", "note"],
            &["tea", "1.10", "", ""],
            &["", "", "", ""],
            &["total", "", "", ""],
            &["1.10", "x|y", "", ""],
        ],
        &[],
        expect![[r#"
            h2 "Sheet"
            table "| name | price |\n| --- | --- |\n| tea | 1.10 |"
            paragraph "note"
            table "| total |  |\n| --- | --- |\n| 1.10 | x\\|y |"
        "#]],
    );
}

#[test]
fn merged_cells_stand_in_each_place_and_titles_above() {
    check(
        &[&["Ducks", "", ""], &["kind", "2019", "2020"], &["wild", "1", "2"], &["", "3", "4"]],
        &[Dimensions::new((0, 0), (0, 2)), Dimensions::new((2, 0), (3, 0))],
        expect![[r#"
            h2 "Sheet"
            caption "Ducks"
            table "| kind | 2019 | 2020 |\n| --- | --- | --- |\n| wild | 1 | 2 |\n| wild | 3 | 4 |"
        "#]],
    );
}

#[test]
fn areas_that_no_file_can_fill_are_left_alone() {
    check(
        &[&["a", "b"], &["c", "d"]],
        &[Dimensions::new((0, 0), (1_048_575, 16_383)), Dimensions::new((5, 5), (2, 2))],
        expect![[r#"
            h2 "Sheet"
            table "| a | b |\n| --- | --- |\n| c | d |"
        "#]],
    );
}

#[test]
fn next_to_empty_sheets_are_lines() {
    let mut grid = Grid::default();
    for step in 0..300 {
        grid.push((step, step), format!("v{step}")).unwrap();
    }
    grid.merge(&[]);
    let mut out = DocumentBuilder::new(10_000);
    push_sheet(&mut out, "Sheet", &grid, 10_000);
    let parsed = out.finish().unwrap();
    assert_eq!(parsed.blocks.len(), 2);
    assert!(parsed.text.ends_with("v298\nv299"));
}

#[test]
fn what_is_no_spreadsheet_is_damaged() {
    use SpreadsheetFormat::{Ods, Xls, Xlsb, Xlsx};
    for format in [Xlsx, Xlsb, Xls, Ods] {
        let error = parse(b"PK\x03\x04 nothing", format, &ParseLimits::default()).unwrap_err();
        assert_eq!(error.kind, ParseErrorKind::Damaged, "{format:?}");
        assert!(error.reason.starts_with("the spreadsheet is broken: "), "{}", error.reason);
    }
}

proptest! {
    #[test]
    fn every_cell_is_in_a_region(
        places in proptest::collection::btree_set((0_u32..12, 0_u32..12), 1..60)
    ) {
        let mut grid = Grid::default();
        for (row, column) in &places {
            grid.push((*row, *column), format!("{row}:{column}")).unwrap();
        }
        grid.merge(&[]);
        let mut out = DocumentBuilder::new(100_000);
        push_sheet(&mut out, "Sheet", &grid, 100_000);
        let parsed = out.finish().unwrap();
        prop_assert!(is_well_formed(&parsed));
        let words: Vec<&str> = parsed.text.split_whitespace().collect();
        for (row, column) in &places {
            let wanted = format!("{row}:{column}");
            prop_assert_eq!(words.iter().filter(|word| **word == wanted).count(), 1);
        }
    }
}
