//! `usage`

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use llm_usage::{Dimension, Filter, Group, Sums, Totals, UsageStore};

use crate::cli::UsageArgs;
use crate::config::Config;
use crate::usage::FILE;

/// Shows what model calls consumed. Reads beside a server that runs.
pub(crate) fn usage(args: UsageArgs, config: Config) -> Result<ExitCode> {
    let sums = sums(&args, &config)?;
    let mut stdout = std::io::stdout().lock();
    if args.json {
        for group in &sums.groups {
            writeln!(stdout, "{}", serde_json::to_string(group)?)?;
        }
    } else {
        write_table(&mut stdout, &args.by, &sums)?;
    }
    if !sums.complete {
        eprintln!("these are the first {} groups; ask for a shorter time", sums.groups.len());
    }
    Ok(ExitCode::SUCCESS)
}

fn sums(args: &UsageArgs, config: &Config) -> Result<Sums> {
    let path = config.server.data_dir.join(FILE);
    if !path.exists() {
        return Ok(Sums { complete: true, ..Sums::default() });
    }
    let store = UsageStore::open(&path, config.usage.retention())?;
    let from = Timestamp::now().checked_sub(args.since).context("`--since` is too far back")?;
    Ok(store.sums(&Filter { from: Some(from), ..Filter::default() }, &args.by)?)
}

fn write_table(out: &mut impl Write, by: &[Dimension], sums: &Sums) -> Result<()> {
    let mut total = Totals::default();
    let named: Vec<(String, &Totals)> = sums
        .groups
        .iter()
        .map(|group| {
            total += &group.totals;
            (name(group, by), &group.totals)
        })
        .collect();
    let heading = by.iter().map(|dimension| dimension.as_str()).collect::<Vec<_>>().join("  ");
    let width = named.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let width = width.max(heading.chars().count()).max("total".len());
    let (calls, input, output, cost) = ("calls", "input", "output", "cost");
    writeln!(out, "{heading:<width$}  {calls:>9}  {input:>13}  {output:>13}  {cost:>12}")?;
    for (name, totals) in named {
        write_row(out, width, &name, totals)?;
    }
    write_row(out, width, "total", &total)
}

fn name(group: &Group, by: &[Dimension]) -> String {
    let value = |dimension: &Dimension| {
        let value = group.by.get(dimension).and_then(Option::as_deref);
        value.unwrap_or("-").to_owned()
    };
    by.iter().map(value).collect::<Vec<_>>().join("  ")
}

/// `~` marks counts that are estimated in part, `+` a cost that is not known of all calls.
fn write_row(out: &mut impl Write, width: usize, name: &str, totals: &Totals) -> Result<()> {
    let Totals { calls, input_tokens, output_tokens, cost, .. } = totals;
    let about = if totals.estimated > 0 { "~" } else { "" };
    let at_least = if totals.unpriced > 0 { "+" } else { "" };
    let (input, output) = (format!("{about}{input_tokens}"), format!("{about}{output_tokens}"));
    let cost = format!("${cost:.4}{at_least}");
    writeln!(out, "{name:<width$}  {calls:>9}  {input:>13}  {output:>13}  {cost:>12}")?;
    Ok(())
}

/// Reads a time such as `90m`, `24h`, `7d` or `4w`.
///
/// # Errors
/// One line that says what is taken.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    const UNITS: [(char, u64); 5] =
        [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800)];
    let wrong = || "write a number and s, m, h, d or w, for example `7d`".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    number.checked_mul(*seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [("90m", Some(5_400)), ("7d", Some(604_800)), ("1w", Some(604_800))]
        {
            assert_eq!(span(text).ok().map(|span| span.as_secs()), seconds, "{text}");
        }
        for text in
            ["", "7", "d", "-1d", "7y", "7ö", "99999999999999999999w", "18446744073709551615w"]
        {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_table_adds_up() {
        let group = |model: &str, calls, cost| Group {
            by: [(Dimension::Model, Some(model.to_owned()))].into(),
            totals: Totals { calls, cost, input_tokens: 10, estimated: 1, ..Totals::default() },
        };
        let sums =
            Sums { groups: vec![group("a/b", 2, 0.5), group("c/d", 3, 1.0)], complete: true };
        let mut out = Vec::new();
        write_table(&mut out, &[Dimension::Model], &sums).unwrap();
        let text = String::from_utf8(out).unwrap();
        let last: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(last, ["total", "5", "~20", "~0", "$1.5000"]);
    }
}
