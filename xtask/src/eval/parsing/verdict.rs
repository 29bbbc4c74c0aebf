//! Whether a file went as its manifest expects.

use rag_core::{MetadataValue, ParseError, ParseErrorKind, ParsedDocument};

use super::manifest::Entry;
use super::score::Score;

type Outcome = Result<ParsedDocument, ParseError>;

/// A text that shares fewer words with its ground truth is not that text.
const LEAST_WORDS: f64 = 0.5;

/// Why a file is not as expected; `None` when it is. Expectations are
///
/// - `markdown`, `main-content-html`: text, close to the ground truth; `text`: some text; `exact-text`: this text;
/// - `must-contain`: text, title or metadata with all strings of one list and none of the other, white space and
///   Markdown's marks aside;
/// - `accept`, `reject`: well-formed or not;
/// - `needs-ocr`, `password`, `password-unknown`, `error`: refused, for that reason where it is one (a file whose
///   password opens nothing but its restrictions may be read);
/// - `text-or-error`, `empty-or-error`: what they say.
pub(super) fn unexpected(
    entry: &Entry,
    outcome: &Outcome,
    exact: Option<&str>,
    truth: Option<Score>,
) -> Option<String> {
    use ParseErrorKind::{Crashed, Damaged, Empty, Encrypted, NoText, Timeout};
    if let Err(ParseError { kind: Crashed | Timeout, reason }) = outcome {
        return Some(reason.clone());
    }
    match (&*entry.expectation, outcome) {
        ("markdown" | "main-content-html", Ok(_)) => truth
            .filter(|truth| truth.words < LEAST_WORDS)
            .map(|truth| format!("its words are not those of the truth ({:.2})", truth.words)),
        ("exact-text", Ok(parsed)) => {
            (Some(&*parsed.text) != exact).then(|| "the text is not exactly the expected".into())
        }
        ("must-contain", Ok(parsed)) => missing_or_unwanted(entry, parsed),
        ("text" | "accept" | "text-or-error" | "password" | "password-unknown", Ok(_)) => None,
        ("empty-or-error", Ok(parsed)) => {
            (!parsed.text.trim().is_empty()).then(|| "it is not empty".to_owned())
        }
        ("reject", Err(ParseError { kind: Damaged | Empty, .. }))
        | ("needs-ocr", Err(ParseError { kind: NoText, .. }))
        | ("password" | "password-unknown", Err(ParseError { kind: Encrypted, .. }))
        | ("error" | "text-or-error" | "empty-or-error", Err(_)) => None,
        ("reject" | "error", Ok(_)) => Some("it was accepted".to_owned()),
        ("needs-ocr", Ok(_)) => Some("text was found".to_owned()),
        (_, Err(error)) => Some(format!("{:?}: {error}", error.kind)),
        (unknown, _) => Some(format!("nobody knows the expectation {unknown:?}")),
    }
}

/// Whether the text is to be held against references: where text is expected, and where there is some although none
/// need be.
pub(super) fn is_scored(entry: &Entry, outcome: &Outcome) -> bool {
    match &*entry.expectation {
        "markdown" | "main-content-html" | "text" | "exact-text" | "must-contain" => true,
        _ => outcome.is_ok(),
    }
}

fn missing_or_unwanted(entry: &Entry, parsed: &ParsedDocument) -> Option<String> {
    let everything = [parsed.text.clone(), parsed.title.clone().unwrap_or_default()]
        .into_iter()
        .chain(parsed.metadata.iter().map(|(name, value)| format!("{name}: {}", shown(value))))
        .collect::<Vec<_>>()
        .join("\n");
    let everything = bare(&everything);
    let is_there = |wanted: &&String| everything.contains(&bare(wanted));
    let missing = entry.must_contain.iter().find(|wanted| !is_there(wanted));
    let unwanted = entry.must_not_contain.iter().find(is_there);
    missing
        .map(|text| format!("it lacks {text:?}"))
        .or_else(|| unwanted.map(|text| format!("it holds {text:?}")))
}

fn shown(value: &MetadataValue) -> String {
    match value {
        MetadataValue::Bool(value) => value.to_string(),
        MetadataValue::Number(value) => value.to_string(),
        MetadataValue::Text(text) => text.clone(),
        MetadataValue::List(texts) => texts.join(", "),
    }
}

/// Text without Markdown's marks, with single spaces.
fn bare(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !"*_`#[]\\".contains(*c)).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Outcome {
        Ok(ParsedDocument { text: text.into(), ..ParsedDocument::default() })
    }

    fn refused(kind: ParseErrorKind) -> Outcome {
        Err(ParseError::new(kind, "a reason"))
    }

    #[test]
    fn expectations_are_held_against_outcomes() {
        use ParseErrorKind::{Crashed, Damaged, Encrypted, NoText, Unsupported};
        let cases = [
            ("text", text("x"), true),
            ("text", refused(NoText), false),
            ("exact-text", text("exactly"), true),
            ("exact-text", text("exactly."), false),
            ("must-contain", text("some **bold**\nwords"), true),
            ("must-contain", text("some words"), false),
            ("must-contain", text("some bold words and an advertisement"), false),
            ("accept", text("1"), true),
            ("accept", refused(Damaged), false),
            ("reject", refused(Damaged), true),
            ("reject", refused(Unsupported), false),
            ("reject", text("1"), false),
            ("needs-ocr", refused(NoText), true),
            ("password", refused(Encrypted), true),
            ("password", refused(Damaged), false),
            ("error", refused(Unsupported), true),
            ("error", refused(Crashed), false),
            ("text-or-error", refused(Crashed), false),
            ("empty-or-error", text(" "), true),
            ("no such thing", text("x"), false),
        ];
        for (expectation, outcome, expected) in cases {
            let entry = Entry {
                expectation: expectation.into(),
                must_contain: vec!["bold words".into()],
                must_not_contain: vec!["advertisement".into()],
                ..Entry::default()
            };
            let found = unexpected(&entry, &outcome, Some("exactly"), None);
            assert_eq!(found.is_none(), expected, "{expectation} {outcome:?}: {found:?}");
        }
    }
}
