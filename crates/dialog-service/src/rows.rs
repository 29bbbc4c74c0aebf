//! Questions that tables answer: the model writes SQL, and what that gives is evidence.

use rag_core::ChunkMethod;

use crate::prompt::Prompts;
use crate::{DialogError, EvidenceSource, Passage, Turn, aside};

/// How often the model may write the SQL: what was wrong with the first is told.
const ATTEMPTS: usize = 2;

/// What tables say to `question`, where the dialog has any and the model makes SQL of it; and a warning when that failed.
pub(crate) async fn found(
    turn: &Turn,
    prompts: &Prompts,
    evidence: &dyn EvidenceSource,
    question: &str,
) -> (Option<Passage>, Option<String>) {
    let datasets = &turn.dialog.datasets;
    let has_tables =
        datasets.iter().any(|dataset| dataset.settings.chunking.method == ChunkMethod::Table);
    if !has_tables || !aside::is_possible(turn) {
        return (None, None);
    }
    match asked(turn, prompts, evidence, question).await {
        Ok(found) => (found, None),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "tables were not asked");
            (None, Some("the tables could not be asked: their rows were searched as text".into()))
        }
    }
}

async fn asked(
    turn: &Turn,
    prompts: &Prompts,
    evidence: &dyn EvidenceSource,
    question: &str,
) -> Result<Option<Passage>, DialogError> {
    let Some(tables) = evidence.tables(turn.dialog.datasets.clone()).await? else {
        return Ok(None);
    };
    let mut failed: Option<(String, String)> = None;
    for _ in 0..ATTEMPTS {
        let prompt = prompts.sql(question, tables.schema(), failed.as_ref(), &turn.today())?;
        let Some(sql) = read(&aside::ask(turn, "sql", prompt).await?) else { return Ok(None) };
        let ran = async { Ok(tables.query(sql.clone()).await) };
        let ran = turn.trace.step("query", &sql, ran, |ran| match ran {
            Ok(Some(rows)) => rows.chunk.text.clone(),
            Ok(None) => "no row".to_owned(),
            Err(reason) => reason.clone(),
        });
        match ran.await? {
            Ok(found) => return Ok(found),
            Err(reason) => failed = Some((sql, reason)),
        }
    }
    let (sql, reason) = failed.unwrap_or_default();
    Err(aside::malformed(format!("`{sql}` could not be run: {reason}")))
}

/// The SQL of a reply, in whatever frame models put it; `None` when they say that there is none.
fn read(reply: &str) -> Option<String> {
    let inner = match reply.split_once("```") {
        Some((_, rest)) => {
            let rest = rest.split_once("```").map_or(rest, |(inner, _)| inner);
            rest.strip_prefix("sqlite").or(rest.strip_prefix("sql")).unwrap_or(rest)
        }
        None => reply,
    };
    let sql = inner.trim().trim_end_matches(';').trim();
    let says_none = sql.trim_end_matches('.').eq_ignore_ascii_case("none");
    (!sql.is_empty() && !says_none).then(|| sql.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_is_read_in_the_frames_that_models_put_it_in() {
        for (reply, expected) in [
            ("SELECT 1;", Some("SELECT 1")),
            ("```sql\nSELECT 1;\n```", Some("SELECT 1")),
            ("Here it is:\n```\nSELECT 1\n``` Done.", Some("SELECT 1")),
            ("none", None),
            ("None.", None),
        ] {
            assert_eq!(read(reply).as_deref(), expected, "{reply}");
        }
    }
}
