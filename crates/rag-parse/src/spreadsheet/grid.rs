//! The cells of a sheet that hold something.

use calamine::Dimensions;
use rag_core::{ParseError, ParseErrorKind};

/// The most cells of a sheet.
pub(super) const MOST_CELLS: usize = 5_000_000;

/// Merged cells beyond so many of a sheet, and single ones larger than so many cells, stand only in their first place.
const MOST_MERGED: u64 = 200_000;
const LARGEST_MERGED: u64 = 10_000;

/// A cell with its text, which is not blank.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GridCell {
    pub(super) row: u32,
    pub(super) column: u32,
    pub(super) text: String,
}

/// Cells by row, then by column; at most one for each place.
#[derive(Debug, Default)]
pub(super) struct Grid {
    cells: Vec<GridCell>,
}

impl Grid {
    /// Adds a cell unless it is blank.
    ///
    /// # Errors
    /// `TooLarge` beyond [`MOST_CELLS`].
    pub(super) fn push(
        &mut self,
        (row, column): (u32, u32),
        text: String,
    ) -> Result<(), ParseError> {
        if text.trim().is_empty() {
            return Ok(());
        }
        if self.cells.len() >= MOST_CELLS {
            let reason = format!("a sheet has more than {MOST_CELLS} cells; save it in parts");
            return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
        }
        self.cells.push(GridCell { row, column, text });
        Ok(())
    }

    /// Brings the cells in order, and lets merged cells stand in each of their places: a row is to be understood
    /// without the one above. Cells within a merged one are not seen.
    pub(super) fn merge(&mut self, merged: &[Dimensions]) {
        self.sort();
        let mut room = MOST_MERGED.min((MOST_CELLS - self.cells.len().min(MOST_CELLS)) as u64);
        let mut copies = Vec::new();
        for area in merged {
            let (rows, columns) = (area.start.0..=area.end.0, area.start.1..=area.end.1);
            let Some(text) = self.text(area.start.0, area.start.1) else { continue };
            let places = (u64::from(area.end.0.saturating_sub(area.start.0)) + 1)
                * (u64::from(area.end.1.saturating_sub(area.start.1)) + 1);
            if places > LARGEST_MERGED || places > room {
                continue;
            }
            room -= places;
            copies.extend(rows.flat_map(|row| {
                let text = text.to_owned();
                columns.clone().map(move |column| GridCell { row, column, text: text.clone() })
            }));
        }
        // The copies come first, and the first of a place stays.
        copies.append(&mut self.cells);
        self.cells = copies;
        self.sort();
        self.cells.dedup_by(|later, first| (later.row, later.column) == (first.row, first.column));
    }

    /// Whether there is nothing to see.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// All cells.
    pub(super) fn cells(&self) -> &[GridCell] {
        &self.cells
    }

    fn sort(&mut self) {
        self.cells.sort_by_key(|cell| (cell.row, cell.column));
    }

    fn text(&self, row: u32, column: u32) -> Option<&str> {
        let place =
            self.cells.binary_search_by_key(&(row, column), |cell| (cell.row, cell.column)).ok()?;
        self.cells.get(place).map(|cell| &*cell.text)
    }
}
