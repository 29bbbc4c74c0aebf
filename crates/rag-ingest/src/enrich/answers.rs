//! Reading the JSON that models answer with, leniently: they write around it.

use serde::de::DeserializeOwned;

/// Longer answers are not looked at.
const MOST_BYTES: usize = 256 << 10;

/// The first JSON value of the wanted shape in an answer: models put it in a fence, or say something before and after.
pub(crate) fn json<T: DeserializeOwned>(answer: &str) -> Option<T> {
    let answer = answer.get(..answer.floor_char_boundary(MOST_BYTES))?;
    let starts = answer.match_indices(['{', '[']).take(MOST_STARTS);
    starts
        .filter_map(|(start, _)| answer.get(start..))
        .find_map(|rest| serde_json::Deserializer::from_str(rest).into_iter::<T>().next()?.ok())
}

/// Brackets that are tried.
const MOST_STARTS: usize = 16;

/// Texts without white space around, each once, none empty or very long, at most so many.
pub(crate) fn texts(found: Vec<String>, most: u8) -> Vec<String> {
    const LONGEST: usize = 400;
    let mut kept: Vec<String> = Vec::new();
    for text in found {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_new = kept.iter().all(|other| !other.eq_ignore_ascii_case(&text));
        if !text.is_empty() && text.len() <= LONGEST && is_new && kept.len() < usize::from(most) {
            kept.push(text);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn json_is_found_in_what_models_say() {
        let check = |answer: &str, expected: Option<&[&str]>| {
            let found: Option<BTreeMap<String, Vec<String>>> = json(answer);
            let found = found.and_then(|mut object| object.remove("keywords"));
            let expected: Option<Vec<String>> =
                expected.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect());
            assert_eq!(found, expected, "{answer}");
        };
        check(r#"{"keywords": ["tea"]}"#, Some(&["tea"]));
        check("Sure!\n```json\n{\"keywords\": [\"tea\"]}\n```\nAnything else?", Some(&["tea"]));
        check("[1] says {\"keywords\": []} and {\"keywords\": [\"no\"]}", Some(&[]));
        check("none", None);
        check("{\"keywords\": [", None);
    }

    #[test]
    fn texts_come_once_and_bounded() {
        let found = [" a\nb ", "A B", "", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(texts(found, 2), ["a b", "c"]);
    }
}
