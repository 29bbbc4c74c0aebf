//! [`Sums`]: what was consumed, by whatever one wants to know it by.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use rusqlite::{Row, params_from_iter};
use serde::Serialize;

use crate::dimension::Dimension;
use crate::error::UsageError;
use crate::filter::Filter;
use crate::row::{in_dollars, in_seconds};
use crate::store::UsageStore;

/// The most groups in an answer.
pub const MOST_GROUPS: usize = 10_000;

/// Sums of groups, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sums {
    /// One for each combination of values that there is.
    pub groups: Vec<Group>,
    /// Whether these are all of them; there are never more than [`MOST_GROUPS`].
    pub complete: bool,
}

/// Records that agree in some dimensions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    /// What they agree in; `None` for calls without, such as those of no key.
    pub by: BTreeMap<Dimension, Option<String>>,
    /// What they make together.
    #[serde(flatten)]
    pub totals: Totals,
}

/// What records make together. Counts that are unknown of a call count as none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Totals {
    /// How many calls.
    pub calls: u64,
    /// How many of them have estimated counts.
    pub estimated: u64,
    /// How many of them have no known cost.
    pub unpriced: u64,
    /// How often models were asked.
    pub attempts: u64,
    /// Tokens of prompts.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Tokens of prompts that came from providers' caches.
    pub cache_read_tokens: u64,
    /// Tokens of prompts that went to providers' caches.
    pub cache_write_tokens: u64,
    /// Tokens of answers that were reasoning.
    pub reasoning_tokens: u64,
    /// Tokens of prompts that were sound.
    pub audio_input_tokens: u64,
    /// Tokens of answers that were sound.
    pub audio_output_tokens: u64,
    /// Search units.
    pub search_units: u64,
    /// US dollars; exact to a billionth for each call.
    pub cost: f64,
    /// Seconds of waiting for a turn.
    pub queued_seconds: f64,
    /// Seconds from calls to their ends.
    pub total_seconds: f64,
}

impl AddAssign<&Totals> for Totals {
    fn add_assign(&mut self, other: &Totals) {
        self.calls += other.calls;
        self.estimated += other.estimated;
        self.unpriced += other.unpriced;
        self.attempts += other.attempts;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cache_read_tokens += other.cache_read_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.audio_input_tokens += other.audio_input_tokens;
        self.audio_output_tokens += other.audio_output_tokens;
        self.search_units += other.search_units;
        self.cost += other.cost;
        self.queued_seconds += other.queued_seconds;
        self.total_seconds += other.total_seconds;
    }
}

const TOTALS: &str = "
    count(*) AS calls, ifnull(sum(estimated), 0) AS estimated, count(*) - count(cost) AS unpriced,
    ifnull(sum(attempts), 0) AS attempts,
    ifnull(sum(input_tokens), 0) AS input_tokens, ifnull(sum(output_tokens), 0) AS output_tokens,
    ifnull(sum(cache_read_tokens), 0) AS cache_read_tokens,
    ifnull(sum(cache_write_tokens), 0) AS cache_write_tokens,
    ifnull(sum(reasoning_tokens), 0) AS reasoning_tokens,
    ifnull(sum(audio_input_tokens), 0) AS audio_input_tokens,
    ifnull(sum(audio_output_tokens), 0) AS audio_output_tokens,
    ifnull(sum(search_units), 0) AS search_units, ifnull(sum(cost), 0) AS cost,
    ifnull(sum(queued), 0) AS queued, ifnull(sum(total), 0) AS total";

impl UsageStore {
    /// Sums the records that `filter` means, for each combination of values in the dimensions `by` (each counts once;
    /// none of them: one group for all). Groups come in the order of `by`. Every
    /// record that is meant is read: what it costs grows with their number.
    ///
    /// # Errors
    /// [`UsageError::Engine`].
    pub fn sums(&self, filter: &Filter, by: &[Dimension]) -> Result<Sums, UsageError> {
        self.read("sum", |connection| {
            let (condition, values) = filter.sql();
            let by = without_doubles(by);
            let groups: Vec<&str> = by.iter().map(|dimension| dimension.sql()).collect();
            let sql = match groups.as_slice() {
                [] => format!("SELECT {TOTALS} FROM calls WHERE {condition} HAVING count(*) > 0"),
                groups => {
                    let numbers: Vec<String> = (1..=groups.len()).map(|n| n.to_string()).collect();
                    let (groups, numbers) = (groups.join(", "), numbers.join(", "));
                    format!(
                        "SELECT {groups}, {TOTALS} FROM calls WHERE {condition} \
                         GROUP BY {numbers} ORDER BY {numbers} LIMIT {}",
                        MOST_GROUPS + 1
                    )
                }
            };
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(params_from_iter(values), |row| group(row, &by))?;
            let mut groups = rows.collect::<Result<Vec<_>, _>>()?;
            let complete = groups.len() <= MOST_GROUPS;
            groups.truncate(MOST_GROUPS);
            Ok(Sums { groups, complete })
        })
    }
}

pub(crate) fn without_doubles(by: &[Dimension]) -> Vec<Dimension> {
    let mut seen = Vec::new();
    for dimension in by {
        if !seen.contains(dimension) {
            seen.push(*dimension);
        }
    }
    seen
}

fn group(row: &Row<'_>, by: &[Dimension]) -> rusqlite::Result<Group> {
    let mut values = BTreeMap::new();
    for (index, dimension) in by.iter().enumerate() {
        values.insert(*dimension, dimension.show(row.get_ref(index)?));
    }
    Ok(Group { by: values, totals: totals(row)? })
}

fn totals(row: &Row<'_>) -> rusqlite::Result<Totals> {
    let number = |name: &str| row.get::<_, i64>(name).map(i64::unsigned_abs);
    Ok(Totals {
        calls: number("calls")?,
        estimated: number("estimated")?,
        unpriced: number("unpriced")?,
        attempts: number("attempts")?,
        input_tokens: number("input_tokens")?,
        output_tokens: number("output_tokens")?,
        cache_read_tokens: number("cache_read_tokens")?,
        cache_write_tokens: number("cache_write_tokens")?,
        reasoning_tokens: number("reasoning_tokens")?,
        audio_input_tokens: number("audio_input_tokens")?,
        audio_output_tokens: number("audio_output_tokens")?,
        search_units: number("search_units")?,
        cost: in_dollars(row.get("cost")?),
        queued_seconds: in_seconds(row.get("queued")?),
        total_seconds: in_seconds(row.get("total")?),
    })
}
