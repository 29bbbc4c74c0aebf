//! A filter over metadata that a question asks for.

use rag_core::{KnownField, MetadataFilter};

use crate::prompt::Prompts;
use crate::{DialogError, EvidenceSource, Filtering, Turn, aside};

/// Fields that the model chooses from at most: those that most documents have.
const MOST_FIELDS: usize = 40;

/// The filter that the model makes of `question`, where the dialog wants one; and a warning when that failed. A question
/// that restricts nothing has none.
pub(crate) async fn guessed(
    turn: &Turn,
    prompts: &Prompts,
    evidence: &dyn EvidenceSource,
    question: &str,
) -> (Option<MetadataFilter>, Option<String>) {
    if turn.dialog.filtering == Filtering::Off {
        return (None, None);
    }
    match made(turn, prompts, evidence, question).await {
        Ok(filter) => (filter, None),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "no filter");
            (
                None,
                Some("no filter could be made of the question: all documents were searched".into()),
            )
        }
    }
}

async fn made(
    turn: &Turn,
    prompts: &Prompts,
    evidence: &dyn EvidenceSource,
    question: &str,
) -> Result<Option<MetadataFilter>, DialogError> {
    let fields = evidence.fields(turn.dialog.datasets.clone()).await?;
    let fields = offered(fields, &turn.dialog.filtering);
    if fields.is_empty() {
        return Ok(None);
    }
    let reply =
        aside::ask(turn, "filter", prompts.filter(question, &fields, &turn.today())?).await?;
    read(&reply, &fields).map_err(|reason| {
        let shown: String = reply.chars().take(200).collect();
        aside::malformed(format!("`{shown}` is no filter: {reason}"))
    })
}

/// The fields that the model may choose from.
fn offered(mut fields: Vec<KnownField>, filtering: &Filtering) -> Vec<KnownField> {
    if let Filtering::Fields(names) = filtering {
        fields.retain(|field| names.contains(&field.name));
    }
    fields.sort_by_key(|field| std::cmp::Reverse(field.documents));
    fields.truncate(MOST_FIELDS);
    fields
}

/// The filter of a reply, in whatever frame models put it; `None` where they say that there is none.
fn read(reply: &str, fields: &[KnownField]) -> Result<Option<MetadataFilter>, String> {
    let framed = |line: &&str| !line.is_empty() && !line.starts_with("```");
    let line = reply.lines().map(str::trim).find(framed).unwrap_or_default();
    let line = line.trim_matches('`').trim_end_matches(['.', ';']).trim();
    if line.is_empty() || line.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let filter: MetadataFilter = line.parse().map_err(|error| format!("{error}"))?;
    filter.check().map_err(|error| error.to_string())?;
    let is_unknown = |name: &&str| !fields.iter().any(|field| field.name == **name);
    if let Some(unknown) = filter.fields().find(is_unknown) {
        return Err(format!("no field `{unknown}` was offered"));
    }
    Ok(Some(filter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, documents: u64) -> KnownField {
        KnownField { name: name.into(), documents, ..KnownField::default() }
    }

    #[test]
    fn filters_are_read_in_the_forms_that_models_write_them() {
        let fields = [field("year", 1), field("author", 1)];
        let shown =
            |reply| read(reply, &fields).map(|filter| filter.map(|filter| filter.to_string()));
        for (reply, expected) in [
            ("year >= 2020", Some("year >= 2020")),
            ("```\nyear >= 2020\n```", Some("year >= 2020")),
            ("`year >= 2020`.", Some("year >= 2020")),
            ("None.", None),
            ("", None),
        ] {
            assert_eq!(shown(reply), Ok(expected.map(Into::into)), "{reply}");
        }
        for (reply, reason) in [
            ("title = \"x\"", "no field `title`"),
            ("not (year = 1 or title = \"x\")", "no field `title`"),
            ("The filter is year >= 2020", "expected"),
        ] {
            assert!(shown(reply).unwrap_err().contains(reason), "{reply}: {:?}", shown(reply));
        }
    }

    #[test]
    fn only_fields_that_are_allowed_are_offered() {
        let names = |filtering| -> Vec<String> {
            let fields = vec![field("rare", 1), field("common", 9)];
            offered(fields, &filtering).into_iter().map(|field| field.name).collect()
        };
        assert_eq!(names(Filtering::Any), ["common", "rare"]);
        assert_eq!(names(Filtering::Fields(vec!["rare".into(), "other".into()])), ["rare"]);
    }
}
