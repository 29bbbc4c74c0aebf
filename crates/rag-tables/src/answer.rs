//! [`Answer`]: the rows that a query gives.

/// The rows that a query gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, with what each cell says.
    pub rows: Vec<Vec<String>>,
    /// Whether there are more rows, which were left out.
    pub is_cut: bool,
}

impl Answer {
    /// The rows as a Markdown table. Cells can hold no row of their own.
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
            format!("| {} |", cells.join(" | "))
        };
        let dashes = vec!["---".to_owned(); self.columns.len()];
        let head = [line(&self.columns), line(&dashes)];
        let mut lines: Vec<String> =
            head.into_iter().chain(self.rows.iter().map(|row| line(row))).collect();
        if self.is_cut {
            lines.push(format!("(the first {} rows)", self.rows.len()));
        }
        lines.join("\n")
    }
}

fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace(['\n', '\r'], " ")
}
