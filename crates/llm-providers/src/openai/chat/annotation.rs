//! Sources that a provider names for its answer.

use llm_core::Annotation;
use serde_json::Value;

/// Reads an annotation of this dialect. A URL citation gets its type; whatever has fields beyond those of
/// [`Annotation::UrlCitation`] stays as it came, so that nothing is lost.
pub(super) fn parse_annotation(value: Value) -> Annotation {
    url_citation(&value).unwrap_or(Annotation::Other { value })
}

fn url_citation(value: &Value) -> Option<Annotation> {
    const KNOWN: [&str; 4] = ["url", "title", "start_index", "end_index"];
    let outer = value.as_object()?;
    if outer.len() != 2 || outer.get("type")? != "url_citation" {
        return None;
    }
    let citation = outer.get("url_citation")?.as_object()?;
    if !citation.keys().all(|name| KNOWN.contains(&name.as_str())) {
        return None;
    }
    Some(Annotation::UrlCitation {
        url: citation.get("url")?.as_str()?.to_owned(),
        title: citation.get("title").and_then(Value::as_str).map(Into::into),
        start: citation.get("start_index").and_then(Value::as_u64),
        end: citation.get("end_index").and_then(Value::as_u64),
    })
}
