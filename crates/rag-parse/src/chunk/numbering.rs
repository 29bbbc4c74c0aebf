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
const WORDS: [(&str, u8); 48] = [
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
    ("anhang", 12),
    ("anlage", 12),
    ("annexe", 12),
    ("anexo", 12),
    ("appendix", 12),
    ("schedule", 12),
    ("hauptstück", 13),
    ("sec.", 15),
    ("capitulo", 14),
    ("titulo", 13),
    ("seccion", 15),
    ("articulo", 16),
];

/// Han characters after `第` and a number.
const HAN_UNITS: [(char, u8); 13] = [
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
    ('項', 18),
    ('卷', 11),
    ('巻', 11),
];

/// Longer lines are text, not titles.
const LONGEST_LABEL: usize = 120;

/// The section that this text begins, if it begins with the number of one.
pub(super) fn section(text: &str) -> Option<Section<'_>> {
    let line = text.lines().next()?.trim();
    let start = line.get(..line.floor_char_boundary(LONGEST_LABEL))?;
    let (level, end) = by_word(start).or_else(|| by_ordinal(start)).or_else(|| by_han(start))?;
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

/// `Erster Abschnitt`, `Second Part`.
fn by_ordinal(line: &str) -> Option<(u8, usize)> {
    let mut words = line.split_whitespace();
    let (ordinal, word) = (words.next()?, words.next()?.trim_end_matches([':', '.', ',']));
    let is_name = |word: &str| word.starts_with(char::is_uppercase);
    let lower = word.to_lowercase();
    let (_, level) = WORDS.iter().find(|(known, _)| *known == lower)?;
    let start = ordinal.len() + line.get(ordinal.len()..)?.find(word)?;
    let is_section = is_ordinal(ordinal) && is_name(ordinal) && is_name(word);
    is_section.then_some((*level, start + word.len()))
}

/// Numbers in words, before or after what they number.
const ORDINALS: &str = "one two three four five first second third fourth fifth \
    erster erste erstes zweiter zweite zweites dritter dritte drittes vierter vierte viertes fünfter fünfte fünftes \
    premier première primero primera único segundo segunda tercero tercera";

fn is_ordinal(word: &str) -> bool {
    let word = word.to_lowercase();
    ORDINALS.split(' ').any(|known| known == word)
}

/// `5`, `5a`, `5.2`, `5.º`, `L.121-1`, `IV`, `A`, `first`.
fn is_number(token: &str) -> bool {
    let token = token.trim_end_matches(['º', '°', '.']);
    let digits = token.starts_with(|c: char| c.is_ascii_digit())
        && token.len() <= 8
        && token.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    // Codes of French laws: `L121-1`, `R.* 12`.
    let code = token.len() <= 12
        && token.starts_with(['L', 'R', 'D', 'A'])
        && token.ends_with(|c: char| c.is_ascii_digit())
        && token.chars().skip(1).all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '*'));
    let roman = !token.is_empty()
        && token.len() <= 8
        && token.chars().all(|c| matches!(c, 'I' | 'V' | 'X' | 'L' | 'C' | 'D' | 'M'));
    let letter = token.len() == 1 && token.starts_with(|c: char| c.is_ascii_uppercase());
    digits || code || roman || letter || is_ordinal(token)
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
        check("SEC. 2. Findings", Some((15, "SEC. 2. Findings")));
        check("Erster Abschnitt", Some((15, "Erster Abschnitt")));
        check("Artículo 5.º Objeto", Some((16, "Artículo 5.º Objeto")));
        check("Article L121-1", Some((16, "Article L121-1")));
        check("Article premier", Some((16, "Article premier")));
        check("第三項 前項", Some((18, "第三項 前項")));
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
            "First part of it is lost.",
            "Art is long.",
        ] {
            check(text, None);
        }
    }
}
