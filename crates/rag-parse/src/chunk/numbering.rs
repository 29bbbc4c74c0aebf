//! Sections that are told by their numbers: parts, chapters and articles of laws and books.

/// A section that a piece of text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section<'a> {
    /// Below headings of the levels 1 to 6.
    pub(super) level: u8,
    /// `Article 5`, or the whole line where it is short: `Chapter II: Of the water`.
    pub(super) label: &'a str,
    /// Whether nothing but the label is there, as with a heading.
    pub(super) is_title: bool,
}

/// Words before a number, in several languages, and the level of what they name.
const WORDS: [(&str, u8); 36] = [
    ("book", 11),
    ("buch", 11),
    ("livre", 11),
    ("libro", 11),
    ("part", 12),
    ("teil", 12),
    ("partie", 12),
    ("parte", 12),
    ("title", 13),
    ("titel", 13),
    ("titre", 13),
    ("título", 13),
    ("titolo", 13),
    ("chapter", 14),
    ("kapitel", 14),
    ("chapitre", 14),
    ("capítulo", 14),
    ("capitolo", 14),
    ("section", 15),
    ("abschnitt", 15),
    ("sección", 15),
    ("sezione", 15),
    ("article", 16),
    ("artikel", 16),
    ("artículo", 16),
    ("articolo", 16),
    ("art.", 16),
    ("clause", 16),
    ("rule", 16),
    ("часть", 12),
    ("раздел", 13),
    ("глава", 14),
    ("статья", 16),
    ("§", 16),
    ("§§", 16),
    ("annex", 12),
];

/// Han characters after `第` and a number.
const HAN_UNITS: [(char, u8); 10] = [
    ('编', 11),
    ('編', 11),
    ('部', 12),
    ('章', 14),
    ('节', 15),
    ('節', 15),
    ('条', 16),
    ('條', 16),
    ('款', 17),
    ('项', 18),
];

/// Longer lines are text, not titles.
const LONGEST_LABEL: usize = 120;

/// The section that this text begins, if it begins with the number of one.
pub(super) fn section(text: &str) -> Option<Section<'_>> {
    let line = text.lines().next()?.trim();
    let (level, end) = by_word(line).or_else(|| by_han(line))?;
    let label = match line.len() <= LONGEST_LABEL {
        true => line,
        false => line.get(..end)?,
    };
    let is_title =
        line == text.trim() && line.len() <= LONGEST_LABEL && !line.ends_with(['.', '。']);
    let label = label.trim_end_matches(['.', ':', '：', '、', ' ']);
    Some(Section { level, label, is_title })
}

/// The level, and where the number ends.
fn by_word(line: &str) -> Option<(u8, usize)> {
    let line_lower = line.to_lowercase();
    let spaced = match line_lower.strip_prefix('§') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => Some((16, "§".len())),
        _ => None,
    };
    let (level, start) = spaced.or_else(|| {
        let (word, _) = line_lower.split_once(char::is_whitespace)?;
        let (word, level) = WORDS.iter().find(|(known, _)| *known == word)?;
        Some((*level, word.len()))
    })?;
    let rest = line.get(start..)?;
    let number = rest.trim_start();
    let length = number.find(char::is_whitespace).unwrap_or(number.len());
    let token = number.get(..length)?.trim_end_matches([':', '.', ',', ')', ';', '—', '–']);
    is_number(token).then(|| (level, start + (rest.len() - number.len()) + token.len()))
}

/// `5`, `5a`, `5.2`, `IV`, `A`, `first`.
fn is_number(token: &str) -> bool {
    const ORDINALS: [&str; 8] =
        ["one", "two", "three", "first", "second", "third", "fourth", "fifth"];
    let digits = token.starts_with(|c: char| c.is_ascii_digit())
        && token.len() <= 8
        && token.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let roman = !token.is_empty()
        && token.len() <= 8
        && token.chars().all(|c| matches!(c, 'I' | 'V' | 'X' | 'L' | 'C' | 'D' | 'M'));
    let letter = token.len() == 1 && token.starts_with(|c: char| c.is_ascii_uppercase());
    digits || roman || letter || ORDINALS.contains(&token.to_lowercase().as_str())
}

fn by_han(line: &str) -> Option<(u8, usize)> {
    let rest = line.strip_prefix('第')?;
    let is_digit = |c: char| {
        c.is_ascii_digit() || "零〇一二三四五六七八九十百千两０１２３４５６７８９".contains(c)
    };
    let number: &str = rest.split(|c| !is_digit(c)).next()?;
    let unit = rest.get(number.len()..)?.chars().next()?;
    let (_, level) = HAN_UNITS.iter().find(|(known, _)| *known == unit)?;
    let end = "第".len() + number.len() + unit.len_utf8();
    (!number.is_empty()).then_some((*level, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_sections() {
        let check = |text: &str, expected: Option<(u8, &str)>| {
            let found = section(text).map(|section| (section.level, section.label));
            assert_eq!(found, expected, "{text}");
        };
        check("Article 5. The tenant pays.", Some((16, "Article 5. The tenant pays")));
        check("CHAPTER II: Of water\nmore", Some((14, "CHAPTER II: Of water")));
        check("§ 12a Begriffe", Some((16, "§ 12a Begriffe")));
        check("§12 Begriffe", Some((16, "§12 Begriffe")));
        check("Art. 3 Abs. 2", Some((16, "Art. 3 Abs. 2")));
        check("Kapitel 4", Some((14, "Kapitel 4")));
        check("第五条 当事人应当", Some((16, "第五条 当事人应当")));
        check("第二章　通則", Some((14, "第二章　通則")));
        check("Статья 7. Права", Some((16, "Статья 7. Права")));
        let long = format!("Article 5. {}", "word ".repeat(60));
        check(&long, Some((16, "Article 5")));
        for text in [
            "Articles are sold here.",
            "Part of it is lost.",
            "第一",
            "第一次",
            "§",
            "",
            "Rule by law",
        ] {
            check(text, None);
        }
    }
}
