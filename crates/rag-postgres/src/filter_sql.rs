//! Filters over metadata as conditions of SQL: what they let through is told by the database, with indexes, and exactly
//! as [`MetadataFilter`](rag_core::MetadataFilter) says.

use rag_core::{PreparedCondition, PreparedFilter, Scalar, ScalarTest};
use tokio_postgres::types::ToSql;

use crate::connection::storable;
use crate::fields::{field_hash, kind};

/// The beginning of a value by which the database's index finds it.
const BEGINNING: usize = 64;
/// How the index of the values says it.
const INDEXED: &str = "left(coalesce(f.key, f.value), 64)";

/// The values that stand for `$1`, `$2` … in a statement that is put together.
pub(crate) struct Parameters(Vec<Box<dyn ToSql + Sync>>);

impl Parameters {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a value; how the statement refers to it.
    pub(crate) fn add(&mut self, value: impl ToSql + Sync + 'static) -> String {
        self.0.push(Box::new(value));
        format!("${}", self.0.len())
    }

    pub(crate) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|value| &**value).collect()
    }
}

/// The condition on `document` that holds where the filter lets it through; `datasets` refers to the datasets' numbers.
pub(crate) fn condition(
    filter: &PreparedFilter,
    datasets: &str,
    parameters: &mut Parameters,
) -> String {
    let mut joined = |filters: &[PreparedFilter], by: &str, none: &str| {
        let each: Vec<String> =
            filters.iter().map(|filter| condition(filter, datasets, parameters)).collect();
        if each.is_empty() { none.to_owned() } else { format!("({})", each.join(by)) }
    };
    match filter {
        PreparedFilter::All(filters) => joined(filters, " AND ", "true"),
        PreparedFilter::Any(filters) => joined(filters, " OR ", "false"),
        PreparedFilter::Not(filter) => {
            format!("NOT {}", condition(filter, datasets, parameters))
        }
        PreparedFilter::Field(of_field) => field(of_field, datasets, parameters),
    }
}

fn field(condition: &PreparedCondition, datasets: &str, parameters: &mut Parameters) -> String {
    let hash = parameters.add(field_hash(&condition.field));
    let name = parameters.add(storable(&condition.field));
    let passes = test(condition.test, &condition.wanted, parameters);
    let not = if condition.negated { "NOT " } else { "" };
    format!(
        "document.no {not}IN (SELECT f.document FROM document_field AS f
            WHERE f.dataset = ANY({datasets}) AND f.field_hash = {hash} AND f.field = {name}
                AND {passes})"
    )
}

/// Whether a value `f` passes against one of these.
fn test(test: ScalarTest, wanted: &[Scalar], parameters: &mut Parameters) -> String {
    let in_parts = |passes: &str, parameters: &mut Parameters| {
        let parts: Vec<String> = wanted.iter().map(|part| storable(part.as_str())).collect();
        let parts = parameters.add(parts);
        format!("EXISTS (SELECT 1 FROM unnest({parts}::text[]) AS part WHERE {passes})")
    };
    match test {
        ScalarTest::Present => "true".into(),
        ScalarTest::Contains => in_parts("strpos(f.value, part) > 0", parameters),
        ScalarTest::StartsWith => in_parts("starts_with(f.value, part)", parameters),
        ScalarTest::EndsWith => in_parts("right(f.value, length(part)) = part", parameters),
        ScalarTest::Equal => equal(wanted, parameters),
        _ => {
            let each = wanted.iter().map(|wanted| compared(test, wanted, parameters));
            any(each.collect())
        }
    }
}

fn any(conditions: Vec<String>) -> String {
    if conditions.is_empty() { "false".into() } else { format!("({})", conditions.join(" OR ")) }
}

/// Single values all at once; days one by one, since each is a range.
fn equal(wanted: &[Scalar], parameters: &mut Parameters) -> String {
    let mut conditions = Vec::new();
    for of_kind in wanted.chunk_by(|left, right| kind(left) == kind(right)) {
        let single = of_kind.iter().filter(|scalar| scalar.end_key().is_none());
        let keys: Vec<String> = single.map(compared_text).collect();
        if let (false, Some(first)) = (keys.is_empty(), of_kind.first()) {
            let beginnings: Vec<String> = keys.iter().map(|key| beginning(key)).collect();
            let (beginnings, keys) = (parameters.add(beginnings), parameters.add(keys));
            conditions.push(format!(
                "(f.kind = {} AND {INDEXED} = ANY({beginnings}::text[])
                    AND coalesce(f.key, f.value) = ANY({keys}::text[]))",
                kind(first)
            ));
        }
        for day in of_kind.iter().filter(|scalar| scalar.end_key().is_some()) {
            conditions.push(range(day, parameters, ">=", "<"));
        }
    }
    any(conditions)
}

/// A day's moments: from its first one (compared by `from`) to its end (compared by `to`).
fn range(day: &Scalar, parameters: &mut Parameters, from: &str, to: &str) -> String {
    let first = parameters.add(day.sort_key().unwrap_or_default());
    let end = parameters.add(day.end_key().unwrap_or_default());
    format!(
        "(f.kind = {} AND {INDEXED} {from} {first}::text AND {INDEXED} {to} {end}::text)",
        kind(day)
    )
}

/// Above or below a value.
fn compared(test: ScalarTest, wanted: &Scalar, parameters: &mut Parameters) -> String {
    let start = compared_text(wanted);
    let end = wanted.end_key();
    // Where a day was asked for, what is above it begins at its end.
    let (operator, key) = match (test, end) {
        (ScalarTest::Greater, Some(end)) => (">=", end),
        (ScalarTest::Greater, None) => (">", start),
        (ScalarTest::GreaterOrEqual, _) => (">=", start),
        (ScalarTest::Less, _) => ("<", start),
        (_, Some(end)) => ("<", end),
        (_, None) => ("<=", start),
    };
    let beginning = parameters.add(beginning(&key));
    let key = parameters.add(key);
    // The beginnings of values are ordered as the values are, but not apart from each other.
    let loose = if operator.starts_with('>') { ">=" } else { "<=" };
    format!(
        "(f.kind = {} AND {INDEXED} {loose} {beginning}::text
            AND coalesce(f.key, f.value) {operator} {key}::text)",
        kind(wanted)
    )
}

fn compared_text(scalar: &Scalar) -> String {
    scalar.sort_key().unwrap_or_else(|| storable(scalar.as_str()))
}

fn beginning(key: &str) -> String {
    key.chars().take(BEGINNING).collect()
}
