//! What the readers of the formats have in common.

use std::io::Cursor;

use calamine::{
    Data, Dimensions, Ods, OdsError, Range, Reader, Sheet, SheetType, WorkbookProperties, Xls,
    XlsError, Xlsb, XlsbError, Xlsx, XlsxError,
};
use rag_core::{MetadataValue, ParseError, ParseErrorKind};

use super::grid::Grid;
use super::number;
use crate::builder::DocumentBuilder;

/// An open file.
pub(super) trait Workbook: Sized {
    /// The sheets in the order of their tabs.
    fn sheets(&self) -> Vec<Sheet>;

    /// What the file says of itself.
    fn properties(&mut self) -> WorkbookProperties;

    /// The cells of a sheet as they are shown; `None` for what holds none (a chart).
    fn grid(&mut self, sheet: &str) -> Result<Option<Grid>, ParseError>;
}

/// Opens a file.
pub(super) trait Open<'a>: Sized {
    fn open(file: Cursor<&'a [u8]>) -> Result<Self, ParseError>;
}

fn damaged(error: impl std::fmt::Display) -> ParseError {
    let reason = format!("the spreadsheet is broken: {error}").replace(['\n', '\r'], " ");
    ParseError::new(ParseErrorKind::Damaged, reason)
}

fn encrypted() -> ParseError {
    let reason = "the spreadsheet needs a password; save it without one";
    ParseError::new(ParseErrorKind::Encrypted, reason)
}

macro_rules! open {
    ($($workbook:ident, $error:ident;)*) => {$(
        impl<'a> Open<'a> for $workbook<Cursor<&'a [u8]>> {
            fn open(file: Cursor<&'a [u8]>) -> Result<Self, ParseError> {
                Self::new(file).map_err(|error| match error {
                    $error::Password => encrypted(),
                    error => damaged(error),
                })
            }
        }
    )*};
}

open! {
    Xlsx, XlsxError;
    Xlsb, XlsbError;
    Xls, XlsError;
    Ods, OdsError;
}

impl Workbook for Xlsx<Cursor<&[u8]>> {
    fn sheets(&self) -> Vec<Sheet> {
        self.sheets_metadata().to_vec()
    }

    fn properties(&mut self) -> WorkbookProperties {
        self.workbook_properties().unwrap_or_default()
    }

    fn grid(&mut self, sheet: &str) -> Result<Option<Grid>, ParseError> {
        let merged = self.merge_cells_by_sheet_name(sheet).unwrap_or_default();
        let mut grid = Grid::default();
        let mut reader = match self.worksheet_cells_reader(sheet) {
            Ok(reader) => reader,
            Err(XlsxError::NotAWorksheet(_)) => return Ok(None),
            Err(error) => return Err(damaged(error)),
        };
        let codes: Vec<Option<String>> = reader
            .styles()
            .iter()
            .map(|style| style.number_format.as_ref().map(|format| format.format_code.clone()))
            .collect();
        while let Some((cell, style)) = reader.next_cell_with_style_id().map_err(damaged)? {
            let code = codes.get(style).and_then(Option::as_deref);
            let text = number::shown(cell.get_value().clone().into(), code);
            grid.push(cell.get_position(), text)?;
        }
        grid.merge(&merged);
        Ok(Some(grid))
    }
}

impl Workbook for Xlsb<Cursor<&[u8]>> {
    fn sheets(&self) -> Vec<Sheet> {
        self.sheets_metadata().to_vec()
    }

    fn properties(&mut self) -> WorkbookProperties {
        self.workbook_properties().unwrap_or_default()
    }

    fn grid(&mut self, sheet: &str) -> Result<Option<Grid>, ParseError> {
        let mut grid = Grid::default();
        let mut reader = self.worksheet_cells_reader(sheet).map_err(damaged)?;
        while let Some(cell) = reader.next_cell().map_err(damaged)? {
            grid.push(cell.get_position(), number::shown(cell.get_value().clone().into(), None))?;
        }
        grid.merge(&[]);
        Ok(Some(grid))
    }
}

impl Workbook for Xls<Cursor<&[u8]>> {
    fn sheets(&self) -> Vec<Sheet> {
        worksheets(self.sheets_metadata())
    }

    fn properties(&mut self) -> WorkbookProperties {
        self.workbook_properties().unwrap_or_default()
    }

    fn grid(&mut self, sheet: &str) -> Result<Option<Grid>, ParseError> {
        let range = self.worksheet_range(sheet).map_err(damaged)?;
        let merged = self.merge_cells_by_sheet_name(sheet).unwrap_or_default();
        grid_of(&range, &merged).map(Some)
    }
}

impl Workbook for Ods<Cursor<&[u8]>> {
    fn sheets(&self) -> Vec<Sheet> {
        worksheets(self.sheets_metadata())
    }

    fn properties(&mut self) -> WorkbookProperties {
        self.workbook_properties().unwrap_or_default()
    }

    fn grid(&mut self, sheet: &str) -> Result<Option<Grid>, ParseError> {
        grid_of(&self.worksheet_range(sheet).map_err(damaged)?, &[]).map(Some)
    }
}

fn worksheets(sheets: &[Sheet]) -> Vec<Sheet> {
    sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).cloned().collect()
}

fn grid_of(range: &Range<Data>, merged: &[Dimensions]) -> Result<Grid, ParseError> {
    let (top, left) = range.start().unwrap_or_default();
    let mut grid = Grid::default();
    for (row, column, value) in range.used_cells() {
        let position = (
            top.saturating_add(u32::try_from(row).unwrap_or(u32::MAX)),
            left.saturating_add(u32::try_from(column).unwrap_or(u32::MAX)),
        );
        grid.push(position, number::shown(value.clone(), None))?;
    }
    grid.merge(merged);
    Ok(grid)
}

/// The file's properties as title and metadata.
pub(super) fn describe(out: &mut DocumentBuilder, properties: WorkbookProperties) {
    out.title(properties.title.as_deref().unwrap_or_default());
    let fields = [
        ("author", properties.creator),
        ("subject", properties.subject),
        ("description", properties.description),
        ("keywords", properties.keywords),
        ("category", properties.category),
        ("created", properties.created),
        ("modified", properties.modified),
        ("company", properties.company),
    ];
    for (name, value) in fields {
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            out.metadata().insert(name.to_owned(), MetadataValue::Text(value.trim().to_owned()));
        }
    }
}
