//! Filters as people write them.

use std::fmt;
use std::str::FromStr;

use crate::filter_tokens::{Token, Tokens};
use crate::{
    FilterOperator, InvalidFilter, MetadataCondition, MetadataFilter, MetadataValue, Scalar,
};

/// Words that are no names of fields, and no values, unless they stand in quotes.
const RESERVED: [&str; 18] = [
    "and", "or", "not", "all", "any", "in", "is", "contains", "starts", "start", "ends", "end",
    "with", "empty", "true", "false", "null", "none",
];

/// How deep the functions that read may call each other: parentheses take two calls, and may be there without need.
const MOST_CALLS: usize = 4 * MetadataFilter::MOST_DEPTH;

/// Writes the filter such that reading it gives the same one.
impl fmt::Display for MetadataFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetadataFilter::All(filters) => write_group(f, "all", " and ", filters),
            MetadataFilter::Any(filters) => write_group(f, "any", " or ", filters),
            MetadataFilter::Not(filter) => {
                f.write_str("not ")?;
                write_part(f, filter)
            }
            MetadataFilter::Field(condition) => condition.fmt(f),
        }
    }
}

fn write_group(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    between: &str,
    filters: &[MetadataFilter],
) -> fmt::Result {
    match filters {
        [] => write!(f, "{name}()"),
        [only] => write!(f, "{name}({only})"),
        [first, rest @ ..] => {
            write_part(f, first)?;
            rest.iter().try_for_each(|filter| {
                f.write_str(between)?;
                write_part(f, filter)
            })
        }
    }
}

/// A part of a larger filter, in parentheses where it would come apart without.
fn write_part(f: &mut fmt::Formatter<'_>, filter: &MetadataFilter) -> fmt::Result {
    match filter {
        MetadataFilter::All(filters) | MetadataFilter::Any(filters) if filters.len() > 1 => {
            write!(f, "({filter})")
        }
        _ => write!(f, "{filter}"),
    }
}

impl fmt::Display for MetadataCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_name(&self.field) {
            f.write_str(&self.field)?;
        } else {
            write_quoted(f, &self.field)?;
        }
        write!(f, " {}", self.operator)?;
        match &self.value {
            None => Ok(()),
            Some(MetadataValue::Bool(value)) => write!(f, " {value}"),
            Some(MetadataValue::Number(number)) => write!(f, " {number}"),
            Some(MetadataValue::Text(text)) => {
                f.write_str(" ")?;
                write_quoted(f, text)
            }
            Some(MetadataValue::List(texts)) => {
                f.write_str(" (")?;
                for (number, text) in texts.iter().enumerate() {
                    f.write_str(if number > 0 { ", " } else { "" })?;
                    write_quoted(f, text)?;
                }
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for FilterOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FilterOperator::Equal => "=",
            FilterOperator::NotEqual => "!=",
            FilterOperator::Greater => ">",
            FilterOperator::GreaterOrEqual => ">=",
            FilterOperator::Less => "<",
            FilterOperator::LessOrEqual => "<=",
            FilterOperator::Contains => "contains",
            FilterOperator::NotContains => "not contains",
            FilterOperator::In => "in",
            FilterOperator::NotIn => "not in",
            FilterOperator::StartsWith => "starts with",
            FilterOperator::EndsWith => "ends with",
            FilterOperator::Empty => "is empty",
            FilterOperator::NotEmpty => "is not empty",
        })
    }
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    let starts = characters.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    starts && characters.all(goes_on) && !is_reserved(text)
}

fn is_reserved(text: &str) -> bool {
    RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write;
    f.write_char('"')?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    f.write_char('"')
}

/// Reads a filter as people write it:
///
/// ```
/// use rag_core::{FilterOperator, MetadataFilter, MetadataValue};
///
/// let filter: MetadataFilter =
///     r#"year >= 2020 and (author contains "Smith" or not tags in ("a", "b")) and lang is empty"#.parse()?;
/// let MetadataFilter::All(parts) = &filter else { panic!("three parts") };
/// assert_eq!(parts[0], MetadataFilter::field("year", FilterOperator::GreaterOrEqual, MetadataValue::Number(2020.0)));
///
/// let wrong = "year >= and lang is empty".parse::<MetadataFilter>();
/// assert_eq!(wrong.unwrap_err().to_string(), "at character 9: expected a value, found `and`");
/// # Ok::<(), rag_core::InvalidFilter>(())
/// ```
///
/// - Conditions are joined by `and`, which binds more, and `or`; turned by `not`; grouped by parentheses. `all(…, …)`
///   and `any(…, …)` are the same as `and` and `or`, for none, one or many.
/// - A condition is a field, an operator and a value. Operators: `=` (`==`), `!=` (`<>`, `≠`), `>`, `>=` (`≥`), `<`,
///   `<=` (`≤`), `contains`, `in`, `starts with`, `ends with`, `not` before any of the last four, `is empty`,
///   `is not empty`. Case does not matter.
/// - A value is a number, `true`, `false`, a word or date without spaces, a text in double or single quotes (`\` before
///   a quote or `\` takes it literally), or several of these in parentheses, with commas.
/// - Fields whose names are not made of letters, digits, `_`, `-` and `.` stand in quotes.
///
/// Nested and long at most as [`MetadataFilter::check`] says; the text may have twice as many bytes.
impl FromStr for MetadataFilter {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        if text.len() > 2 * Self::MOST_BYTES {
            return Err(InvalidFilter::TooLong);
        }
        let mut tokens = Tokens::new(text)?;
        let filter = either(&mut tokens, MOST_CALLS)?;
        if tokens.peek() != &Token::End {
            return Err(tokens.expected("`and`, `or` or the end"));
        }
        filter.check()?;
        Ok(filter)
    }
}

/// Conditions joined by `or`.
fn either(tokens: &mut Tokens<'_>, depth: usize) -> Result<MetadataFilter, InvalidFilter> {
    let depth = depth.checked_sub(1).ok_or(InvalidFilter::TooDeep)?;
    joined(tokens, "or", MetadataFilter::Any, |tokens| {
        joined(tokens, "and", MetadataFilter::All, |tokens| term(tokens, depth))
    })
}

fn joined(
    tokens: &mut Tokens<'_>,
    word: &str,
    join: fn(Vec<MetadataFilter>) -> MetadataFilter,
    mut part: impl FnMut(&mut Tokens<'_>) -> Result<MetadataFilter, InvalidFilter>,
) -> Result<MetadataFilter, InvalidFilter> {
    let first = part(tokens)?;
    if !tokens.peek().is_word(word) {
        return Ok(first);
    }
    let mut parts = vec![first];
    while tokens.take_word(word) {
        parts.push(part(tokens)?);
    }
    Ok(join(parts))
}

/// What `and` and `or` join.
fn term(tokens: &mut Tokens<'_>, depth: usize) -> Result<MetadataFilter, InvalidFilter> {
    let depth = depth.checked_sub(1).ok_or(InvalidFilter::TooDeep)?;
    if tokens.take_word("not") {
        return Ok(MetadataFilter::Not(Box::new(term(tokens, depth)?)));
    }
    if tokens.take(&Token::Open) {
        let inner = either(tokens, depth)?;
        tokens.require(&Token::Close, "`and`, `or` or `)`")?;
        return Ok(inner);
    }
    for (name, join) in
        [("all", MetadataFilter::All as fn(Vec<_>) -> _), ("any", MetadataFilter::Any)]
    {
        if tokens.take_word(name) {
            tokens.require(&Token::Open, &format!("`(` after `{name}`"))?;
            return separated(tokens, |tokens| either(tokens, depth)).map(join);
        }
    }
    condition(tokens).map(MetadataFilter::Field)
}

/// What stands between parentheses, the first of which is taken already, with commas between.
fn separated<T>(
    tokens: &mut Tokens<'_>,
    mut part: impl FnMut(&mut Tokens<'_>) -> Result<T, InvalidFilter>,
) -> Result<Vec<T>, InvalidFilter> {
    let mut parts = Vec::new();
    if tokens.take(&Token::Close) {
        return Ok(parts);
    }
    loop {
        parts.push(part(tokens)?);
        if tokens.take(&Token::Close) {
            return Ok(parts);
        }
        tokens.require(&Token::Comma, "`,` or `)`")?;
    }
}

fn condition(tokens: &mut Tokens<'_>) -> Result<MetadataCondition, InvalidFilter> {
    let field = match tokens.peek() {
        Token::Quoted(text) => text.clone(),
        Token::Word(word) if is_name(word) => (*word).to_owned(),
        _ => return Err(tokens.expected("a field, `not` or `(`")),
    };
    tokens.advance();
    let operator = operator(tokens)?;
    let value = match operator {
        FilterOperator::Empty | FilterOperator::NotEmpty => None,
        _ => Some(value(tokens)?),
    };
    Ok(MetadataCondition { field, operator, value })
}

fn operator(tokens: &mut Tokens<'_>) -> Result<FilterOperator, InvalidFilter> {
    if let Token::Operator(operator) = *tokens.peek() {
        tokens.advance();
        return Ok(operator);
    }
    if tokens.take_word("is") {
        let operator = match tokens.take_word("not") {
            true => FilterOperator::NotEmpty,
            false => FilterOperator::Empty,
        };
        tokens.require_word("empty")?;
        return Ok(operator);
    }
    if tokens.take_word("not") {
        return match () {
            () if tokens.take_word("in") => Ok(FilterOperator::NotIn),
            () if tokens.take_word("contains") => Ok(FilterOperator::NotContains),
            () => Err(tokens.expected("`in` or `contains`")),
        };
    }
    if tokens.take_word("in") {
        return Ok(FilterOperator::In);
    }
    if tokens.take_word("contains") {
        return Ok(FilterOperator::Contains);
    }
    if tokens.take_word("starts") || tokens.take_word("start") {
        return tokens.require_word("with").map(|()| FilterOperator::StartsWith);
    }
    if tokens.take_word("ends") || tokens.take_word("end") {
        return tokens.require_word("with").map(|()| FilterOperator::EndsWith);
    }
    Err(tokens.expected("an operator such as `=`, `contains` or `is empty`"))
}

fn value(tokens: &mut Tokens<'_>) -> Result<MetadataValue, InvalidFilter> {
    if tokens.take(&Token::Open) {
        return separated(tokens, listed).map(MetadataValue::List);
    }
    let value = match tokens.peek() {
        Token::Quoted(text) => MetadataValue::Text(text.clone()),
        Token::Word(word) if word.eq_ignore_ascii_case("true") => MetadataValue::Bool(true),
        Token::Word(word) if word.eq_ignore_ascii_case("false") => MetadataValue::Bool(false),
        Token::Word(word) if !is_reserved(word) => match word.parse::<f64>() {
            Ok(number) if number.is_finite() && is_written_as_number(word, number) => {
                MetadataValue::Number(number)
            }
            _ => MetadataValue::Text((*word).to_owned()),
        },
        _ => return Err(tokens.expected("a value")),
    };
    tokens.advance();
    Ok(value)
}

/// Words that lose nothing as a number: not `007`, not an identifier with more digits than a number keeps.
fn is_written_as_number(word: &str, number: f64) -> bool {
    word == number.to_string() || Scalar::written(word).compare(&Scalar::number(number)).is_some()
}

fn listed(tokens: &mut Tokens<'_>) -> Result<String, InvalidFilter> {
    let text = match tokens.peek() {
        Token::Quoted(text) => text.clone(),
        Token::Word(word) if !is_reserved(word) || is_bool(word) => (*word).to_owned(),
        _ => return Err(tokens.expected("a value")),
    };
    tokens.advance();
    Ok(text)
}

fn is_bool(word: &str) -> bool {
    ["true", "false"].iter().any(|value| word.eq_ignore_ascii_case(value))
}
