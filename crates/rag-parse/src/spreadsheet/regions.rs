//! What stands together on a sheet.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use rag_core::BlockKind;

use super::grid::{Grid, GridCell};
use crate::table;

/// A rectangle of a sheet with the cells in it.
#[derive(Debug)]
pub(super) struct Region<'a> {
    rows: RangeInclusive<u32>,
    columns: RangeInclusive<u32>,
    /// By row, then by column.
    cells: Vec<&'a GridCell>,
    /// Rows at the top that are titles of the others.
    titles: usize,
}

/// Sheets with more parts are taken as one: nobody lays out so many tables.
const MOST_REGIONS: usize = 2000;

/// The regions of a sheet from top to bottom, then from left to right. Cells that touch, also at a corner, are of one
/// region, and regions do not overlap.
pub(super) fn of(grid: &Grid) -> Vec<Region<'_>> {
    let cells = grid.cells();
    let mut parts = Parts::of(cells);
    let mut regions: HashMap<usize, Region<'_>> = HashMap::new();
    for (number, cell) in cells.iter().enumerate() {
        let part = parts.root(number);
        regions.entry(part).or_insert_with(|| Region::new(cell)).add(cell);
    }
    let mut regions: Vec<Region<'_>> = regions.into_values().collect();
    regions.sort_by_key(|region| (*region.rows.start(), *region.columns.start()));
    let mut regions = apart(regions);
    regions.iter_mut().for_each(Region::find_titles);
    regions
}

/// Which cells hang together: a forest in which cells of one part have one root.
struct Parts {
    parents: Vec<usize>,
}

impl Parts {
    fn of(cells: &[GridCell]) -> Self {
        let mut parts = Self { parents: (0..cells.len()).collect() };
        // The first cell of the row above that may still touch one of this row.
        let mut above = 0;
        for (number, cell) in cells.iter().enumerate() {
            let is_before = |other: &GridCell| {
                other.row.saturating_add(1) < cell.row
                    || (other.row < cell.row && other.column.saturating_add(1) < cell.column)
            };
            while cells.get(above).is_some_and(is_before) {
                above += 1;
            }
            let touches_above = |other: &&GridCell| {
                other.row < cell.row && other.column <= cell.column.saturating_add(1)
            };
            let neighbours = cells.iter().skip(above).take_while(touches_above).count();
            for neighbour in above..above + neighbours {
                parts.join(number, neighbour);
            }
            let left = number.checked_sub(1).and_then(|left| cells.get(left));
            if left.is_some_and(|left| left.row == cell.row && left.column + 1 == cell.column) {
                parts.join(number, number - 1);
            }
        }
        parts
    }

    fn root(&mut self, mut number: usize) -> usize {
        while let Some(&parent) = self.parents.get(number).filter(|parent| **parent != number) {
            // Halves the way for who comes next.
            let above = self.parents.get(parent).copied().unwrap_or(parent);
            if let Some(slot) = self.parents.get_mut(number) {
                *slot = above;
            }
            number = parent;
        }
        number
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(parent) = self.parents.get_mut(one.max(other)) {
            *parent = one.min(other);
        }
    }
}

/// Joins regions until none overlaps another.
fn apart(mut regions: Vec<Region<'_>>) -> Vec<Region<'_>> {
    if regions.len() > MOST_REGIONS {
        return regions.into_iter().reduce(Region::join).into_iter().collect();
    }
    loop {
        let before = regions.len();
        let mut joined: Vec<Region<'_>> = Vec::with_capacity(before);
        for region in regions {
            match joined.iter().position(|other| other.overlaps(&region)) {
                Some(place) => {
                    let other = joined.remove(place);
                    joined.insert(place, other.join(region));
                }
                None => joined.push(region),
            }
        }
        regions = joined;
        if regions.len() == before {
            return regions;
        }
    }
}

impl<'a> Region<'a> {
    fn new(cell: &GridCell) -> Self {
        Self {
            rows: cell.row..=cell.row,
            columns: cell.column..=cell.column,
            cells: Vec::new(),
            titles: 0,
        }
    }

    fn add(&mut self, cell: &'a GridCell) {
        let widened =
            |range: &RangeInclusive<u32>, at: u32| *range.start().min(&at)..=*range.end().max(&at);
        self.rows = widened(&self.rows, cell.row);
        self.columns = widened(&self.columns, cell.column);
        self.cells.push(cell);
    }

    fn overlaps(&self, other: &Self) -> bool {
        let meet = |one: &RangeInclusive<u32>, other: &RangeInclusive<u32>| {
            one.start() <= other.end() && other.start() <= one.end()
        };
        meet(&self.rows, &other.rows) && meet(&self.columns, &other.columns)
    }

    fn join(mut self, other: Self) -> Self {
        other.cells.into_iter().for_each(|cell| self.add(cell));
        self.cells.sort_by_key(|cell| (cell.row, cell.column));
        self
    }

    /// Rows of a single text above a table are what it is called.
    fn find_titles(&mut self) {
        const MOST_TITLES: usize = 3;
        let rows: Vec<&[&GridCell]> = self.by_row().take(MOST_TITLES + 2).collect();
        if self.columns.start() == self.columns.end() || self.is_sparse() {
            return;
        }
        let is_title = |row: &&&[&GridCell]| {
            row.first().is_some_and(|first| {
                first.column == *self.columns.start()
                    && row.iter().all(|cell| cell.text == first.text)
            })
        };
        let titles = rows.iter().take(MOST_TITLES).take_while(is_title).count();
        // Two rows, a header and another, are the least of a table.
        self.titles = if rows.len() >= titles + 2 { titles } else { 0 };
    }

    fn by_row(&self) -> impl Iterator<Item = &[&'a GridCell]> {
        self.cells.chunk_by(|one, other| one.row == other.row)
    }

    /// The titles above the table.
    pub(super) fn captions(&self) -> impl Iterator<Item = &str> {
        self.by_row().take(self.titles).filter_map(|row| row.first()).map(|cell| &*cell.text)
    }

    /// The region as tables, several for a wide one; as a paragraph if it is one cell, and as a line per row if it is
    /// next to empty. More than `most_bytes` is not written to its end.
    pub(super) fn pieces(&self, most_bytes: u64) -> Vec<(BlockKind, String)> {
        if let [cell] = self.cells.as_slice() {
            return vec![(BlockKind::Paragraph, cell.text.clone())];
        }
        if self.is_sparse() {
            return vec![(BlockKind::Paragraph, self.lines())];
        }
        let width = (self.columns.end() - self.columns.start()) as usize + 1;
        table::column_groups(width)
            .map(|group| (BlockKind::Table, self.table(&group, most_bytes)))
            .collect()
    }

    fn is_sparse(&self) -> bool {
        let rows = self.by_row().count() as u64;
        let columns = u64::from(self.columns.end() - self.columns.start()) + 1;
        rows * columns > 10_000 && rows * columns > 20 * self.cells.len() as u64
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        for row in self.by_row() {
            for (number, cell) in row.iter().enumerate() {
                text.push_str(if number > 0 { ", " } else { "" });
                text.push_str(cell.text.trim());
            }
            text.push('\n');
        }
        text
    }

    fn table(&self, group: &[usize], most_bytes: u64) -> String {
        let mut text = String::new();
        for (number, row) in self.by_row().skip(self.titles).enumerate() {
            let cell = |column: &usize| {
                let column = self.columns.start() + u32::try_from(*column).unwrap_or(u32::MAX);
                let place = row.binary_search_by_key(&column, |cell| cell.column).ok();
                place.and_then(|place| row.get(place)).map_or("", |cell| &*cell.text)
            };
            table::push_row(&mut text, group.iter().map(cell), group.len());
            if number == 0 {
                table::push_delimiter_row(&mut text, group.len());
            }
            if text.len() as u64 > most_bytes {
                break;
            }
        }
        text
    }
}
