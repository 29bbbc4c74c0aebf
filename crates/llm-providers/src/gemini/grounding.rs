//! Sources that Gemini names for its answer: `groundingMetadata` (search, files, maps) and `citationMetadata`.

use llm_core::{Annotation, Extra};
use serde_json::Value;

/// The most bytes of an answer that are kept to find places in it. Sources of longer answers are told without places.
const MOST_TEXT: usize = 1 << 20;

/// The text of a candidate and the sources that were named for it. Of metadata that is repeated, the last counts.
#[derive(Debug, Default)]
pub(super) struct Sources {
    text: String,
    is_cut: bool,
    grounding: Option<Value>,
    citations: Option<Value>,
}

impl Sources {
    pub(super) fn text(&mut self, delta: &str) {
        if self.text.len() + delta.len() > MOST_TEXT {
            self.is_cut = true;
        }
        if !self.is_cut {
            self.text.push_str(delta);
        }
    }

    pub(super) fn note(&mut self, fields: &Extra) {
        let object = |name: &str| fields.get(name).filter(|value| value.is_object()).cloned();
        self.grounding = object("groundingMetadata").or(self.grounding.take());
        self.citations = object("citationMetadata").or(self.citations.take());
    }

    /// One annotation per passage and source; sources that support no passage come without a place.
    pub(super) fn annotations(self) -> Vec<Annotation> {
        let mut annotations = Vec::new();
        if let Some(grounding) = &self.grounding {
            self.grounded(grounding, &mut annotations);
        }
        if let Some(citations) = &self.citations {
            self.cited(citations, &mut annotations);
        }
        annotations
    }

    fn grounded(&self, grounding: &Value, annotations: &mut Vec<Annotation>) {
        let chunks = array(grounding, "groundingChunks");
        let mut used = vec![false; chunks.len()];
        for support in array(grounding, "groundingSupports") {
            let place = support.get("segment").and_then(|segment| self.place(segment));
            for index in array(support, "groundingChunkIndices") {
                let index = index.as_u64().and_then(|index| usize::try_from(index).ok());
                let chunk =
                    index.and_then(|index| Some((chunks.get(index)?, used.get_mut(index)?)));
                if let Some((chunk, used)) = chunk {
                    *used = true;
                    annotations.push(annotation(chunk, place));
                }
            }
        }
        let unused = chunks.iter().zip(used).filter(|(_, used)| !used);
        annotations.extend(unused.map(|(chunk, _)| annotation(chunk, None)));
    }

    fn cited(&self, citations: &Value, annotations: &mut Vec<Annotation>) {
        // The Gemini API and Vertex AI call the list differently.
        let lists = ["citationSources", "citations"].into_iter();
        for source in lists.flat_map(|name| array(citations, name)) {
            annotations.push(match source.get("uri").and_then(Value::as_str) {
                Some(uri) => url_citation(uri, source, self.place(source)),
                None => Annotation::Other { value: source.clone() },
            });
        }
    }

    /// Gemini counts bytes of the part's text; callers count characters of the whole. The text of the segment decides
    /// where the two disagree.
    fn place(&self, segment: &Value) -> Option<(u64, u64)> {
        let index = |name: &str| {
            let index = segment.get(name).map_or(Some(0), Value::as_u64)?;
            usize::try_from(index).ok()
        };
        let (start, end) = (index("startIndex")?, index("endIndex")?);
        let named = segment.get("text").and_then(Value::as_str);
        let found =
            self.text.get(start..end).filter(|found| named.is_none_or(|text| text == *found));
        let (start, end) = match (found, named) {
            (Some(_), _) => (start, end),
            (None, Some(text)) if !text.is_empty() => {
                let start = self.text.find(text)?;
                (start, start + text.len())
            }
            _ => return None,
        };
        let characters = |end: usize| Some(self.text.get(..end)?.chars().count() as u64);
        Some((characters(start)?, characters(end)?))
    }
}

/// A chunk holds one object, named after its kind: `web`, `retrievedContext`, `maps`, `image` …
fn annotation(chunk: &Value, place: Option<(u64, u64)>) -> Annotation {
    let source = chunk.as_object().and_then(|kinds| kinds.values().find(|kind| kind.is_object()));
    let uri = source.and_then(|source| source.get("uri")?.as_str());
    match (source, uri) {
        (Some(source), Some(uri)) => url_citation(uri, source, place),
        _ => Annotation::Other { value: chunk.clone() },
    }
}

fn url_citation(uri: &str, source: &Value, place: Option<(u64, u64)>) -> Annotation {
    Annotation::UrlCitation {
        url: uri.to_owned(),
        title: source.get("title").and_then(Value::as_str).map(Into::into),
        start: place.map(|(start, _)| start),
        end: place.map(|(_, end)| end),
    }
}

fn array<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, grounding: Value, expected: &[(&str, Option<u64>, Option<u64>)]) {
        let mut sources = Sources::default();
        sources.text(text);
        sources.note(&Extra::from_iter([("groundingMetadata".to_owned(), grounding)]));
        let found: Vec<_> = sources
            .annotations()
            .into_iter()
            .map(|annotation| match annotation {
                Annotation::UrlCitation { url, start, end, .. } => (url, start, end),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(url, start, end)| ((*url).to_owned(), *start, *end)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_source_is_told() {
        let grounding = json!({
            "groundingChunks": [{ "web": { "uri": "a", "title": "A" } }, { "maps": { "uri": "b" } }],
            "groundingSupports": [
                { "segment": { "endIndex": 4 }, "groundingChunkIndices": [0, 9] },
                { "groundingChunkIndices": [0] },
            ],
        });
        let expected = [("a", Some(0), Some(3)), ("a", None, None), ("b", None, None)];
        check("für neu", grounding, &expected);
    }

    #[test]
    fn the_text_decides_where_indices_are_off() {
        let grounding = |start: u64, end: u64, text: &str| {
            json!({
                "groundingChunks": [{ "web": { "uri": "a" } }],
                "groundingSupports": [
                    { "segment": { "startIndex": start, "endIndex": end, "text": text },
                      "groundingChunkIndices": [0] },
                ],
            })
        };
        check("für neu", grounding(5, 8, "neu"), &[("a", Some(4), Some(7))]);
        check("für neu", grounding(0, 3, "neu"), &[("a", Some(4), Some(7))]);
        check("für neu", grounding(2, 3, "alt"), &[("a", None, None)]);
        check("für neu", grounding(90, 3, "alt"), &[("a", None, None)]);
    }
}
