//! What a cell shows.

use calamine::{Data, ExcelDateTime};

/// The text of a cell, given its number format's code where that is known.
pub(super) fn shown(value: Data, code: Option<&str>) -> String {
    match value {
        Data::Empty => String::new(),
        Data::String(text) => text,
        Data::Int(number) => match code.and_then(NumberFormat::of) {
            Some(format) => format.shown(number as f64),
            None => number.to_string(),
        },
        Data::Float(number) => match code.and_then(NumberFormat::of) {
            Some(format) => format.shown(number),
            None => general(number),
        },
        Data::Bool(value) => if value { "TRUE" } else { "FALSE" }.to_owned(),
        Data::DateTime(moment) => date_time(moment),
        Data::DateTimeIso(text) => text.trim_end_matches("T00:00:00").to_owned(),
        Data::DurationIso(text) => text,
        Data::Error(error) => error.to_string(),
    }
}

/// A number without a format: to 15 digits, which is what spreadsheets keep.
fn general(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        // Zero has no sign to people.
        return format!("{:.0}", number + 0.0);
    }
    let rounded = format!("{number:.14e}").parse::<f64>().unwrap_or(number);
    match rounded.abs() {
        size if (1e-9..1e15).contains(&size) => rounded.to_string(),
        _ => format!("{rounded:e}"),
    }
}

/// Dates from year to day, times of the day alone without a date, durations in hours.
fn date_time(moment: ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    if moment.is_duration() {
        let seconds = (moment.as_f64() * 86_400.0).round();
        let (hours, rest) = ((seconds / 3600.0).trunc(), (seconds % 3600.0).abs());
        return format!("{hours:.0}:{:02.0}:{:02.0}", (rest / 60.0).trunc(), rest % 60.0);
    }
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    match moment.as_f64() {
        value if (0.0..1.0).contains(&value) => time,
        value if value.fract() == 0.0 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02} {time}"),
    }
}

/// The part of a number format that changes which digits are seen.
#[derive(Debug, PartialEq)]
struct NumberFormat {
    percent: bool,
    /// Decimals that are always shown, and the most.
    decimals: (usize, usize),
}

impl NumberFormat {
    /// `None` where digits are shown as they are: no placeholder, or something rarer (fractions, powers of ten).
    fn of(code: &str) -> Option<Self> {
        let plain = without_literals(code.split(';').next().unwrap_or_default());
        let known = |c: char| {
            matches!(
                c,
                '0' | '#'
                    | '?'
                    | '.'
                    | ','
                    | '%'
                    | ' '
                    | '-'
                    | '+'
                    | '('
                    | ')'
                    | '$'
                    | '€'
                    | '£'
                    | '¥'
            )
        };
        if !plain.contains(['0', '#']) || !plain.chars().all(known) {
            return None;
        }
        let (whole, decimals) = plain.split_once('.').unwrap_or((&plain, ""));
        // A comma at the end divides by a thousand.
        if whole.trim_end_matches(['%', ' ', ')']).ends_with(',') || decimals.contains(',') {
            return None;
        }
        let always = decimals.matches('0').count();
        let most = always + decimals.matches(['#', '?']).count();
        (most <= 15).then(|| Self { percent: plain.contains('%'), decimals: (always, most) })
    }

    fn shown(&self, number: f64) -> String {
        let number = if self.percent { number * 100.0 } else { number };
        let (always, most) = self.decimals;
        let mut text = format!("{number:.most$}");
        let shortest = text.len() - (most - always);
        while text.len() > shortest && text.ends_with('0') {
            text.pop();
        }
        let text = text.trim_end_matches('.');
        format!("{text}{}", if self.percent { "%" } else { "" })
    }
}

/// A format's code without quoted text, escaped characters and conditions.
fn without_literals(code: &str) -> String {
    let mut plain = String::new();
    let mut chars = code.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => chars.by_ref().find(|c| *c == '"').map_or((), drop),
            '[' => chars.by_ref().find(|c| *c == ']').map_or((), drop),
            '\\' | '_' | '*' => chars.next().map_or((), drop),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use calamine::{CellErrorType, ExcelDateTimeType};

    use super::*;

    #[test]
    fn numbers_are_as_people_see_them() {
        let cases = [
            (1234.5, None, "1234.5"),
            (0.1 + 0.2, None, "0.3"),
            (1e21, None, "1e21"),
            (-0.0, Some("General"), "0"),
            (0.256, Some("0%"), "26%"),
            (0.256, Some("0.00%"), "25.60%"),
            (1234.5, Some("#,##0.00"), "1234.50"),
            (1234.5, Some("\"$\"#,##0"), "1234"),
            (2.5, Some("0.0##"), "2.5"),
            (2.0, Some("0.###"), "2"),
            (2.0, Some("[$€-407]#,##0.00_);[Red](0)"), "2.00"),
            (1234567.0, Some("0.0,"), "1234567"),
            (1234.5, Some("0.00E+00"), "1234.5"),
            (0.5, Some("# ?/?"), "0.5"),
            (7.0, Some("@"), "7"),
        ];
        for (number, code, expected) in cases {
            assert_eq!(shown(Data::Float(number), code), expected, "{number} {code:?}");
        }
    }

    #[test]
    fn dates_go_from_year_to_day() {
        use ExcelDateTimeType::{DateTime, TimeDelta};
        let cases = [
            (45943.0, DateTime, false, "2025-10-13"),
            (45943.5, DateTime, false, "2025-10-13 12:00:00"),
            (44481.0, DateTime, true, "2025-10-13"),
            (0.75, DateTime, false, "18:00:00"),
            (1.25, TimeDelta, false, "30:00:00"),
        ];
        for (value, kind, is_1904, expected) in cases {
            let moment = ExcelDateTime::new(value, kind, is_1904);
            assert_eq!(shown(Data::DateTime(moment), None), expected);
        }
    }

    #[test]
    fn other_values_are_words() {
        assert_eq!(shown(Data::Bool(true), None), "TRUE");
        assert_eq!(shown(Data::Error(CellErrorType::Div0), None), "#DIV/0!");
        assert_eq!(shown(Data::DateTimeIso("2026-11-23T00:00:00".into()), None), "2026-11-23");
        assert_eq!(shown(Data::Int(25), Some("0.0")), "25.0");
    }
}
