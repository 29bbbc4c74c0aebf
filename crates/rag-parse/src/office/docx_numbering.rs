//! Numbers of list items and headings of a DOCX file.

use std::collections::HashMap;

use super::xml::{self, Element};

/// Lists by id, and how far each is.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The definition of each list.
    definitions: HashMap<String, String>,
    levels: HashMap<String, Vec<Level>>,
    counters: HashMap<String, Vec<u32>>,
}

#[derive(Clone, Debug)]
struct Level {
    format: String,
    /// `%1.%2.`: where the numbers of the levels go.
    text: String,
    start: u32,
}

/// What stands before an item.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// `- ` or `2.1. `.
    pub(super) text: String,
    /// Whether it counts.
    pub(super) is_number: bool,
}

/// Levels of a list.
const MOST_LEVELS: usize = 9;

impl Lists {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let text = xml::text(bytes);
        let Ok(tree) = xml::tree("numbering", &text) else { return Self::default() };
        let mut lists = Self::default();
        for node in tree.root_element().elements() {
            match node.name() {
                "abstractNum" => {
                    let levels = node.elements().filter(|node| node.name() == "lvl").map(level);
                    let id = node.value("abstractNumId").unwrap_or_default().to_owned();
                    lists.levels.insert(id, levels.take(MOST_LEVELS).collect());
                }
                "num" => {
                    let definition = node.val("abstractNumId").unwrap_or_default().to_owned();
                    let id = node.value("numId").unwrap_or_default().to_owned();
                    lists.definitions.insert(id, definition);
                }
                _ => {}
            }
        }
        lists
    }

    /// Counts an item of a list; `None` for what is in no list.
    pub(super) fn next(&mut self, list: &str, level: usize) -> Option<Mark> {
        let definition = self.definitions.get(list)?;
        let levels = self.levels.get(definition)?;
        let this = levels.get(level)?;
        if this.format == "bullet" || this.format == "none" {
            return Some(Mark { text: "- ".into(), is_number: false });
        }
        let counters = self.counters.entry(definition.clone()).or_default();
        counters.truncate(level + 1);
        while counters.len() < level {
            counters.push(levels.get(counters.len()).map_or(1, |level| level.start));
        }
        match counters.get_mut(level) {
            Some(counter) => *counter = counter.saturating_add(1),
            None => counters.push(this.start),
        }
        let mut text = this.text.clone();
        for (number, (counter, level)) in counters.iter().zip(levels).enumerate() {
            let written = written(*counter, &level.format);
            text = text.replace(&format!("%{}", number + 1), &written);
        }
        Some(Mark { text: format!("{} ", text.trim()), is_number: true })
    }
}

fn level(node: roxmltree::Node<'_, '_>) -> Level {
    Level {
        format: node.val("numFmt").unwrap_or("decimal").to_owned(),
        text: node.val("lvlText").unwrap_or("%1.").chars().take(40).collect(),
        start: node.val("start").and_then(|start| start.parse().ok()).unwrap_or(1),
    }
}

fn written(number: u32, format: &str) -> String {
    match format {
        "lowerLetter" => letters(number),
        "upperLetter" => letters(number).to_uppercase(),
        "lowerRoman" => roman(number).to_lowercase(),
        "upperRoman" => roman(number),
        _ => number.to_string(),
    }
}

/// a … z, aa, bb …
fn letters(number: u32) -> String {
    let index = number.saturating_sub(1);
    let letter = char::from(b'a' + (index % 26) as u8);
    letter.to_string().repeat((index / 26 + 1).min(8) as usize)
}

fn roman(number: u32) -> String {
    const PARTS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if number > 3999 {
        return number.to_string();
    }
    let (mut left, mut text) = (number, String::new());
    for (value, letters) in PARTS {
        while left >= value {
            text.push_str(letters);
            left -= value;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_count_by_level() {
        let mut lists = Lists::read(
            br#"<numbering><abstractNum abstractNumId="0">
                <lvl><start val="1"/><numFmt val="decimal"/><lvlText val="%1."/></lvl>
                <lvl><start val="1"/><numFmt val="lowerLetter"/><lvlText val="%1%2)"/></lvl>
                <lvl><numFmt val="bullet"/><lvlText val="x"/></lvl>
            </abstractNum><num numId="7"><abstractNumId val="0"/></num></numbering>"#,
        );
        let mut next = |level| lists.next("7", level).map(|mark| mark.text);
        let marks: Vec<_> = [0, 1, 1, 0, 1, 2].into_iter().filter_map(&mut next).collect();
        assert_eq!(marks, ["1. ", "1a) ", "1b) ", "2. ", "2a) ", "- "]);
        assert_eq!(next(3), None);
        assert_eq!((roman(1994), letters(28)), ("MCMXCIV".into(), "bb".into()));
    }
}
