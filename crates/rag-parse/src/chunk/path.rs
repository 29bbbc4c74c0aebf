//! [`HeadingPath`]: the headings above a place in a document.

/// The headings above a place, outermost first.
#[derive(Default)]
pub(super) struct HeadingPath(Vec<(u8, String)>);

/// Headings are shown and embedded with every chunk; longer ones are cut.
const LONGEST: usize = 200;

impl HeadingPath {
    /// Goes below a heading, which ends those of its level and lower ones.
    pub(super) fn enter(&mut self, level: u8, heading: &str) {
        self.0.retain(|(above, _)| *above < level);
        let text = heading.split_whitespace().collect::<Vec<_>>().join(" ");
        let end = text.floor_char_boundary(LONGEST);
        self.0.push((level, text.get(..end).unwrap_or_default().to_owned()));
    }

    /// Their words.
    pub(super) fn headings(&self) -> Vec<String> {
        self.0.iter().map(|(_, text)| text.clone()).collect()
    }

    /// The words of the lowest.
    pub(super) fn last(&self) -> Option<&str> {
        self.0.last().map(|(_, text)| text.as_str())
    }
}
