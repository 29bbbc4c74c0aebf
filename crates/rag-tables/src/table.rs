//! [`Table`]: rows of documents, put together again.

use std::collections::HashMap;

use rag_core::{Chunk, ChunkKind};
use rag_parse::table::{TableRow, cell_text, rows};

/// A table: columns with names, rows of as many cells, blank ones empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// The documents that its rows are of.
    pub(crate) documents: Vec<String>,
}

impl Table {
    /// A table of these rows.
    pub fn new<'a, const N: usize>(
        name: &str,
        columns: [&str; N],
        rows: impl IntoIterator<Item = [&'a str; N]>,
    ) -> Self {
        let rows = rows.into_iter().map(|row| row.map(str::to_owned).into());
        Self {
            name: name.to_owned(),
            columns: columns.map(str::to_owned).into(),
            rows: rows.collect(),
            documents: Vec::new(),
        }
    }

    /// Bytes of all its cells.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.iter().flatten().map(String::len).sum()
    }
}

/// Gathers the rows of documents into tables: rows with the same columns are of one table, whichever document has them.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    tables: Vec<Table>,
    places: HashMap<Vec<String>, usize>,
}

impl Gathered {
    /// Takes the rows among the chunks of a document. A row that was cut, because it was too long for a chunk, is none.
    pub(crate) fn take(&mut self, document: &str, chunks: &[Chunk]) {
        for chunk in chunks {
            if chunk.kind != ChunkKind::Passage {
                continue;
            }
            let Some(context) = &chunk.context else { continue };
            let source = format!("{context}\n{}\n", chunk.text);
            let Some(read) = rows(&source) else { continue };
            let cells = |row: &TableRow| -> Vec<String> {
                row.cells.iter().map(|cell| cell_text(&source[cell.clone()])).collect()
            };
            let columns = cells(&read.header);
            let table = self.table(columns, document);
            let width = table.columns.len();
            let whole = read.rows.iter().map(cells).filter(|row| row.len() == width);
            table.rows.extend(whole);
        }
    }

    /// The tables that have rows.
    pub(crate) fn finish(self) -> Vec<Table> {
        self.tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
    }

    /// How many rows, and how many bytes of cells, there are so far.
    pub(crate) fn size(&self) -> (usize, usize) {
        let rows = self.tables.iter().map(|table| table.rows.len()).sum();
        (rows, self.tables.iter().map(Table::bytes).sum())
    }

    fn table(&mut self, columns: Vec<String>, document: &str) -> &mut Table {
        let next = self.tables.len();
        let place = *self.places.entry(columns).or_insert_with_key(|columns| {
            self.tables.push(Table {
                name: stem(document),
                columns: columns.clone(),
                ..Table::default()
            });
            next
        });
        let table = &mut self.tables[place];
        if table.documents.last().is_none_or(|last| last != document) {
            table.documents.push(document.to_owned());
        }
        table
    }
}

/// The file's name without its folders and its ending.
fn stem(document: &str) -> String {
    let name = document.rsplit('/').next().unwrap_or(document);
    name.split_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(context: Option<&str>, text: &str) -> Chunk {
        let id = "c".parse().unwrap();
        Chunk {
            context: context.map(str::to_owned),
            ..Chunk::new(id, "d".parse().unwrap(), "e".parse().unwrap(), text.to_owned())
        }
    }

    #[test]
    fn rows_with_the_same_columns_are_of_one_table() {
        let header = "| tea | price |\n|---|---|";
        let mut gathered = Gathered::default();
        gathered.take(
            "shop/a.csv",
            &[
                chunk(None, "Some words."),
                chunk(Some(header), "| green \\| mild | 3 |"),
                chunk(Some(header), "| cut off"),
            ],
        );
        gathered.take("b.csv", &[chunk(Some(header), "| black |  |")]);
        gathered.take("c.csv", &[chunk(Some("| cup |\n|---|"), "| large |")]);
        let tables = gathered.finish();
        assert_eq!(tables.len(), 2);
        assert_eq!(tables[0].name, "a");
        assert_eq!(tables[0].rows, [["green | mild", "3"], ["black", ""]]);
        assert_eq!(tables[0].documents, ["shop/a.csv", "b.csv"]);
        assert_eq!(tables[1].rows, [["large"]]);
    }
}
