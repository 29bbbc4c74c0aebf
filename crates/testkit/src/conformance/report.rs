//! [`Report`]: the outcome of many comparisons, as a table.

use std::collections::BTreeMap;
use std::fmt;

use super::known::KnownDifferences;
use crate::Exchange;

/// The outcome of one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No difference.
    Passed,
    /// Differences that are known, with a reason.
    Known,
    /// Differences.
    Failed,
}

/// Collects outcomes. `Display` is a table dialect × kind, the failures, and last `N passed, M failed, K known`.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rows: BTreeMap<(String, String), Row>,
    failures: Vec<(String, Vec<String>)>,
    known: Vec<(String, String)>,
    /// Known differences that are none any more.
    healed: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    passed: usize,
    known: usize,
    total: usize,
}

impl Report {
    /// Notes how one exchange fared.
    pub fn add(
        &mut self,
        exchange: &Exchange,
        differences: Vec<String>,
        known: &KnownDifferences,
    ) -> Verdict {
        let row = self.rows.entry((exchange.dialect.clone(), exchange.kind.clone())).or_default();
        row.total += 1;
        match (differences.is_empty(), known.reason(exchange)) {
            (true, reason) => {
                row.passed += 1;
                self.healed.extend(reason.map(|_| exchange.id.clone()));
                Verdict::Passed
            }
            (false, Some(reason)) => {
                row.known += 1;
                self.known.push((exchange.id.clone(), reason.to_owned()));
                Verdict::Known
            }
            (false, None) => {
                self.failures.push((exchange.id.clone(), differences));
                Verdict::Failed
            }
        }
    }

    /// How many passed.
    pub fn passed(&self) -> usize {
        self.rows.values().map(|row| row.passed).sum()
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.failures.len()
    }

    /// How many differ in a known way.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// How many were compared.
    pub fn total(&self) -> usize {
        self.rows.values().map(|row| row.total).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20} {:<22} {:>7} {:>6} {:>6}",
            "dialect", "kind", "passed", "known", "total"
        )?;
        for ((dialect, kind), row) in &self.rows {
            let Row { passed, known, total } = row;
            writeln!(f, "{dialect:<20} {kind:<22} {passed:>7} {known:>6} {total:>6}")?;
        }
        for (id, reason) in &self.known {
            writeln!(f, "known: {id}: {reason}")?;
        }
        for id in &self.healed {
            writeln!(f, "no longer differs, take it off the list: {id}")?;
        }
        for (id, differences) in &self.failures {
            writeln!(f, "FAILED: {id}")?;
            for difference in differences {
                writeln!(f, "    {difference}")?;
            }
        }
        write!(f, "{} passed, {} failed, {} known", self.passed(), self.failed(), self.known())
    }
}
