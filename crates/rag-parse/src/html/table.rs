//! Tables as Markdown.

use dom_query::NodeRef;

use super::blocks::inline_text;
use crate::table::{self, MOST_COLUMNS};

/// Whether a table holds data, and does not only lay out the page.
pub(super) fn is_data(table: &NodeRef<'_>) -> bool {
    let presentation =
        table.attr("role").is_some_and(|role| matches!(&*role, "presentation" | "none"));
    let holds = |name: &str| table.descendants_it().any(|node| node.has_name(name));
    let lays_out = ["table", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "pre"]
        .iter()
        .any(|name| holds(name));
    let rows = rows(table);
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    !presentation
        && (holds("th") || !lays_out)
        && !rows.is_empty()
        && columns > 1
        && !table.descendants_it().any(|node| node.has_name("table"))
}

/// The rows as a Markdown table; the first is its header.
pub(super) fn markdown(element: &NodeRef<'_>) -> String {
    let rows = rows(element);
    let caption = element.children_it(false).find(|node| node.has_name("caption"));
    let mut text = String::new();
    if let Some(caption) =
        caption.map(|caption| inline_text(&caption)).filter(|caption| !caption.is_empty())
    {
        text.push_str(&caption);
        text.push_str("\n\n");
    }
    text.push_str(&table::markdown(&rows));
    text
}

/// The cells by row. A cell that spans rows stands in each of them; one that spans columns leaves the others empty.
fn rows(table: &NodeRef<'_>) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    // By column: text to repeat, and in how many more rows.
    let mut hanging: Vec<(String, usize)> = Vec::new();
    for row in table.descendants_it().filter(|node| node.has_name("tr")) {
        let mut cells: Vec<String> = Vec::new();
        for cell in row.children_it(false).filter(|node| node.has_name("td") || node.has_name("th"))
        {
            hang(&mut cells, &mut hanging);
            let span = |name: &str| {
                cell.attr(name).and_then(|span| span.trim().parse::<usize>().ok()).unwrap_or(1)
            };
            let (columns, rows) =
                (span("colspan").clamp(1, MOST_COLUMNS), span("rowspan").clamp(1, 1000));
            let text = inline_text(&cell);
            for column in 0..columns {
                let text = if column == 0 { text.clone() } else { String::new() };
                if rows > 1 {
                    hanging.resize(hanging.len().max(cells.len() + 1), (String::new(), 0));
                    if let Some(slot) = hanging.get_mut(cells.len()) {
                        *slot = (text.clone(), rows - 1);
                    }
                }
                cells.push(text);
            }
            cells.truncate(MOST_COLUMNS);
        }
        hang(&mut cells, &mut hanging);
        if cells.iter().any(|cell| !cell.is_empty()) {
            rows.push(cells);
        }
    }
    rows
}

/// Fills the next columns from cells above that reach down.
fn hang(cells: &mut Vec<String>, hanging: &mut [(String, usize)]) {
    while cells.len() < MOST_COLUMNS
        && let Some((text, rows)) = hanging.get_mut(cells.len())
        && *rows > 0
    {
        *rows -= 1;
        cells.push(text.clone());
    }
}
