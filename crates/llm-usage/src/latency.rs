//! [`Latencies`]: how long calls took, as percentiles.

use std::collections::BTreeMap;

use rusqlite::params_from_iter;
use rusqlite::types::Value;
use serde::Serialize;

use crate::dimension::Dimension;
use crate::error::UsageError;
use crate::filter::Filter;
use crate::quantiles::Quantiles;
use crate::store::UsageStore;
use crate::sums::{MOST_GROUPS, without_doubles};

/// The most records that are measured; of more, the newest.
pub const MOST_MEASURED: usize = 1_000_000;

/// Percentiles of groups, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Latencies {
    /// One for each combination of values that there is.
    pub groups: Vec<LatencyGroup>,
    /// Of all records together.
    pub total: Latency,
    /// Whether all records that are meant were measured, and all groups are there.
    pub complete: bool,
}

/// Records that agree in some dimensions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LatencyGroup {
    /// What they agree in; `None` for calls without.
    pub by: BTreeMap<Dimension, Option<String>>,
    /// How long they took.
    #[serde(flatten)]
    pub latency: Latency,
}

/// How long some calls took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// How many calls.
    pub calls: u64,
    /// Seconds from calls to their ends.
    pub total_seconds: Option<Percentiles>,
    /// Seconds from calls to their first events; of those that had one.
    pub first_event_seconds: Option<Percentiles>,
}

/// Values that so many of a hundred do not exceed, each at most one percent too high or too low.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Percentiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
}

/// How long the calls of a group took, while they are counted.
#[derive(Default)]
struct Measured {
    calls: u64,
    total: Quantiles,
    first_event: Quantiles,
}

impl Measured {
    fn take(&mut self, total: i64, first_event: Option<i64>) {
        self.calls += 1;
        self.total.take(total);
        if let Some(first_event) = first_event {
            self.first_event.take(first_event);
        }
    }

    fn latency(&self) -> Latency {
        Latency {
            calls: self.calls,
            total_seconds: percentiles(&self.total),
            first_event_seconds: percentiles(&self.first_event),
        }
    }
}

fn percentiles(of: &Quantiles) -> Option<Percentiles> {
    Some(Percentiles { p50: of.at(0.5)?, p90: of.at(0.9)?, p99: of.at(0.99)? })
}

impl UsageStore {
    /// How long the records that `filter` means took, for each combination of values in the dimensions `by` (each counts
    /// once), and together. Groups come in the order of `by`; there are [`MOST_GROUPS`] at most, and of the records the newest
    /// [`MOST_MEASURED`] are read.
    ///
    /// # Errors
    /// [`UsageError::Engine`].
    pub fn latencies(&self, filter: &Filter, by: &[Dimension]) -> Result<Latencies, UsageError> {
        self.read("measure", |connection| {
            let by = without_doubles(by);
            let (condition, mut values) = filter.sql();
            values.push(Value::Integer(MOST_MEASURED as i64 + 1));
            let columns: String =
                by.iter().map(|dimension| format!(", {}", dimension.sql())).collect();
            let mut statement = connection.prepare(&format!(
                "SELECT total, first_event{columns} FROM calls WHERE {condition} \
                 ORDER BY started DESC LIMIT ?"
            ))?;
            let mut rows = statement.query(params_from_iter(values))?;
            let (mut all, mut groups) = (Measured::default(), BTreeMap::new());
            let mut complete = true;
            while let Some(row) = rows.next()? {
                if all.calls == MOST_MEASURED as u64 {
                    complete = false;
                    break;
                }
                let (total, first_event) = (row.get(0)?, row.get(1)?);
                all.take(total, first_event);
                let shown = |(column, dimension): (usize, &Dimension)| {
                    row.get_ref(column + 2).map(|value| dimension.show(value))
                };
                let key = by.iter().enumerate().map(shown).collect::<Result<Vec<_>, _>>()?;
                let is_full = groups.len() >= MOST_GROUPS;
                if is_full && !groups.contains_key(&key) {
                    complete = false;
                    continue;
                }
                groups.entry(key).or_insert_with(Measured::default).take(total, first_event);
            }
            let groups = groups.into_iter().map(|(key, measured)| LatencyGroup {
                by: by.iter().copied().zip(key).collect(),
                latency: measured.latency(),
            });
            Ok(Latencies { groups: groups.collect(), total: all.latency(), complete })
        })
    }
}
