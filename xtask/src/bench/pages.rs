//! Pages to ingest, in the shape of documentation, of words as frequent as those of natural language.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use testkit::spell;

/// Writes so many pages into a folder. Bytes of all of them.
pub(super) fn write(folder: &Path, pages: usize) -> Result<u64> {
    let mut bytes = 0;
    for number in 0..pages {
        let text = page(number)?;
        bytes += text.len() as u64;
        std::fs::write(folder.join(format!("{number:06}.md")), text)?;
    }
    Ok(bytes)
}

/// A page of eight sections, about 1,400 words, as frequent as those of natural language.
fn page(number: usize) -> Result<String, std::fmt::Error> {
    let mut text = format!("# Page {number}\n\n");
    let mut words = Words::new(number as u64 + 1);
    for section in 0..8 {
        writeln!(text, "## Section {section} of page {number}\n")?;
        for place in 1..=180 {
            let end = if place % 12 == 0 { ". " } else { " " };
            write!(text, "{}{end}", words.next())?;
        }
        text.push_str("\n\n");
    }
    Ok(text)
}

/// A question of six words, most of them in few pages.
pub(super) fn question(number: usize) -> String {
    let mut words = Words::new(1_000_000 + number as u64);
    let [a, b, c, d, e, f] = std::array::from_fn(|_| words.next());
    format!("Which {a} {b} has {c} {d} and {e} {f}?")
}

/// How many different words there are.
const VOCABULARY: f64 = 60_000.0;

/// Draws words.
struct Words(u64);

impl Words {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The word of rank r comes with a frequency of about 1 / r.
    fn next(&mut self) -> String {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let share = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = VOCABULARY.powf(share) as usize;
        COMMONEST.get(rank - 1).map_or_else(|| spell(rank), |word| (*word).to_owned())
    }
}

/// The words of the lowest ranks are English, which tells the language of the text.
const COMMONEST: [&str; 24] = [
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "was", "on", "are", "as", "with",
    "they", "be", "at", "this", "have", "from", "or", "had", "by", "not",
];
