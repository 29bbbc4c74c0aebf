//! Base URLs with variables: `https://api.example.com/{region}/v1`.

use std::collections::BTreeMap;

use crate::catalogue::Variable;
use crate::transport::BuildError;

/// The names that stand in braces, in order.
pub(crate) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// Puts values in place of names in braces.
///
/// # Errors
/// As [`value`].
pub(crate) fn fill(
    template: &str,
    variables: &BTreeMap<String, Variable>,
    values: &BTreeMap<String, String>,
) -> Result<String, BuildError> {
    let mut filled = template.to_owned();
    for name in placeholders(template) {
        filled = filled.replace(&format!("{{{name}}}"), value(name, variables, values)?);
    }
    Ok(filled)
}

/// What a variable stands for here.
///
/// # Errors
/// When nobody says so, or when it could lead to another host or path.
pub(super) fn value<'a>(
    name: &str,
    variables: &'a BTreeMap<String, Variable>,
    values: &'a BTreeMap<String, String>,
) -> Result<&'a str, BuildError> {
    let default = || variables.get(name).and_then(|variable| variable.default.as_ref());
    let value = values.get(name).filter(|value| !value.is_empty()).or_else(default);
    let value = value.ok_or_else(|| {
        let usual = variables.get(name).map_or(&[][..], |variable| &variable.environment);
        let reason = match usual.first() {
            Some(variable) => format!("has no value; it usually stands in {variable}"),
            None => "has no value; say it, or give a whole base URL".to_owned(),
        };
        BuildError::Variable { name: name.to_owned(), reason }
    })?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !value.bytes().all(is_plain) || value.contains("..") {
        let reason = "may hold letters, digits, `-`, `.` and `_`".to_owned();
        return Err(BuildError::Variable { name: name.to_owned(), reason });
    }
    Ok(value)
}

/// The same for a variable that may be left out.
///
/// # Errors
/// When it could lead to another host or path.
pub(super) fn optional<'a>(
    name: &str,
    variables: &'a BTreeMap<String, Variable>,
    values: &'a BTreeMap<String, String>,
) -> Result<Option<&'a str>, BuildError> {
    let default = variables.get(name).and_then(|variable| variable.default.as_ref());
    match values.get(name).filter(|value| !value.is_empty()).or(default) {
        Some(_) => value(name, variables, values).map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, value: Option<&str>) -> Result<String, String> {
        let region = Variable { environment: vec!["REGION".into()], ..Variable::default() };
        let fixed = Variable { default: Some("v1".into()), ..Variable::default() };
        let variables = [("region".to_owned(), region), ("version".to_owned(), fixed)].into();
        let values =
            value.map(|value| ("region".to_owned(), value.to_owned())).into_iter().collect();
        fill(template, &variables, &values).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_filled_in() {
        let template = "https://{region}.example.com/{version}/{region}";
        let filled = check(template, Some("eu-1"));
        assert_eq!(filled.unwrap(), "https://eu-1.example.com/v1/eu-1");
        assert_eq!(check("https://example.com", None).unwrap(), "https://example.com");
        let error = check(template, None).unwrap_err();
        assert!(error.contains("`region`") && error.contains("REGION"), "{error}");
        for value in ["", "evil.example/", "a@b", "a:1", "..", "a b", "ä", "{version}", "a?b#c"] {
            assert!(check(template, Some(value)).is_err(), "{value}");
        }
    }
}
