//! What a PDF says of itself.

use pdf_inspector::PdfProcessResult;
use rag_core::{BlockKind, Metadata, MetadataValue, ParsedDocument};

use super::one_line;

/// Author, subject, keywords, dates and the programs that made the file, as far as it tells them. The title is the
/// document's own field.
pub(super) fn metadata(result: &PdfProcessResult) -> Metadata {
    let mut metadata = Metadata::new();
    let texts = [
        ("author", &result.author),
        ("subject", &result.subject),
        ("application", &result.creator),
        ("producer", &result.producer),
    ];
    for (key, value) in texts {
        if let Some(value) = value.as_deref().map(one_line).filter(|value| !value.is_empty()) {
            metadata.insert(key.to_owned(), MetadataValue::Text(value));
        }
    }
    for (key, value) in [("created", &result.creation_date), ("modified", &result.mod_date)] {
        if let Some(date) = value.as_deref().and_then(date) {
            metadata.insert(key.to_owned(), MetadataValue::Text(date));
        }
    }
    let keywords = keywords(result.keywords.as_deref().unwrap_or_default());
    if !keywords.is_empty() {
        metadata.insert("keywords".to_owned(), MetadataValue::List(keywords));
    }
    metadata
}

/// At most this many keywords are believed.
const MOST_KEYWORDS: usize = 100;

fn keywords(told: &str) -> Vec<String> {
    let parts = told.split([',', ';', '\n', '、']).map(one_line);
    parts.filter(|part| !part.is_empty()).take(MOST_KEYWORDS).collect()
}

/// A date of PDF (`D:20240115103000+01'00'`, ISO 32000-1, 7.9.4) as `2024-01-15T10:30:00+01:00`; one without time or
/// zone as `2024-01-15`.
fn date(told: &str) -> Option<String> {
    let told = told.trim();
    let mut rest = told.strip_prefix("D:").unwrap_or(told);
    let year = digits(&mut rest, 4, 1..=9999)?;
    let month = digits(&mut rest, 2, 1..=12).unwrap_or(1);
    let day = digits(&mut rest, 2, 1..=days_of(year, month)).unwrap_or(1);
    let date = format!("{year:04}-{month:02}-{day:02}");
    let Some(hour) = digits(&mut rest, 2, 0..=23) else { return Some(date) };
    let minute = digits(&mut rest, 2, 0..=59).unwrap_or(0);
    let second = digits(&mut rest, 2, 0..=59).unwrap_or(0);
    let Some(zone) = zone(rest) else { return Some(date) };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{zone}"))
}

fn zone(mut rest: &str) -> Option<String> {
    let sign = rest.chars().next()?;
    rest = rest.get(sign.len_utf8()..)?;
    match sign {
        'Z' => Some("Z".to_owned()),
        '+' | '-' => {
            let hours = digits(&mut rest, 2, 0..=23)?;
            rest = rest.trim_start_matches(['\'', ':']);
            let minutes = digits(&mut rest, 2, 0..=59).unwrap_or(0);
            Some(format!("{sign}{hours:02}:{minutes:02}"))
        }
        _ => None,
    }
}

/// Takes a number of so many digits from the front, when it is there and can be true.
fn digits(rest: &mut &str, count: usize, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let front = rest.get(..count).filter(|front| front.bytes().all(|it| it.is_ascii_digit()))?;
    let number = front.parse().ok().filter(|number| range.contains(number))?;
    *rest = rest.get(count..)?;
    Some(number)
}

fn days_of(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// What the file says of itself, unless a program wrote that; else the first heading.
pub(super) fn title(result: &PdfProcessResult, parsed: &ParsedDocument) -> Option<String> {
    let written_by_programs = |title: &str| {
        let lower = title.to_lowercase();
        lower.starts_with("microsoft word - ")
            || lower.starts_with("untitled")
            || [".doc", ".docx", ".dvi", ".tex", ".indd"].iter().any(|end| lower.ends_with(end))
    };
    let told = result
        .title
        .as_deref()
        .map(one_line)
        .filter(|title| !title.is_empty() && !written_by_programs(title));
    told.or_else(|| {
        let heading =
            parsed.blocks.iter().find(|block| matches!(block.kind, BlockKind::Heading { .. }))?;
        Some(one_line(parsed.block_text(heading)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_read() {
        let cases = [
            ("D:20240115103000+01'00'", Some("2024-01-15T10:30:00+01:00")),
            ("D:20240115103000-0530", Some("2024-01-15T10:30:00-05:30")),
            ("D:20240115103000Z", Some("2024-01-15T10:30:00Z")),
            ("D:20240115103000Z00'00'", Some("2024-01-15T10:30:00Z")),
            ("20240115", Some("2024-01-15")),
            ("D:20240115103000", Some("2024-01-15")),
            ("D:2024", Some("2024-01-01")),
            ("D:20230229", Some("2023-02-01")),
            ("Monday", None),
            ("", None),
        ];
        for (told, expected) in cases {
            assert_eq!(date(told).as_deref(), expected, "{told}");
        }
    }

    #[test]
    fn keywords_are_a_list() {
        assert_eq!(keywords("tea,  green tea; water,"), ["tea", "green tea", "water"]);
    }

    proptest! {
        #[test]
        fn any_date_ends(told in "(D:)?[0-9+Z' é-]{0,24}") {
            let _ = date(&told);
        }
    }
}
