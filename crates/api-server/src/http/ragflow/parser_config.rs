//! How a dataset cuts and enriches, as `chunk_method` and `parser_config` say it.

use rag_core::{
    ChildOptions, ChunkMethod, ChunkingOptions, DatasetSettings, Delimiter, EnrichmentOptions,
    GraphOptions, SummaryOptions,
};
use serde_json::{Map, Value, json};

use super::fields::Fields;

/// The methods that there are.
const METHODS: [&str; 13] = [
    "naive",
    "book",
    "email",
    "laws",
    "manual",
    "one",
    "paper",
    "picture",
    "presentation",
    "qa",
    "table",
    "tag",
    "general",
];

/// What is taken and kept, and changes nothing here.
const KEPT: [&str; 12] = [
    "html4excel",
    "layout_recognize",
    "image_context_size",
    "filename_embd_weight",
    "task_page_size",
    "enable_metadata",
    "metadata",
    "built_in_metadata",
    "table_column_mode",
    "table_column_roles",
    "ext",
    "llm_id",
];

/// The largest number of pages that can be named.
const MOST_PAGE: i64 = 1_000_000_000;

/// Reads `chunk_method`, if it is there.
pub(super) fn method(fields: &mut Fields, chunking: &mut ChunkingOptions) {
    let Some(word) = fields.word("chunk_method", &METHODS) else { return };
    if let Ok(method) = serde_json::from_value(Value::String(word)) {
        chunking.method = method;
    }
}

/// Reads `parser_config`, if it is there; gives what is to be kept of it besides.
pub(super) fn read(
    fields: &mut Fields,
    chunking: &mut ChunkingOptions,
    enrichment: &mut EnrichmentOptions,
) -> Map<String, Value> {
    let Some(object) = fields.object("parser_config") else { return Map::new() };
    let mut config = Fields::of(object, "parser_config");
    cutting(&mut config, chunking);
    adding(&mut config, enrichment);
    let kept = KEPT.iter().filter_map(|name| Some(((*name).to_owned(), config.any(name)?)));
    let kept = kept.collect();
    config.refuse_rest();
    fields.take_issues(&mut config);
    kept
}

fn cutting(config: &mut Fields, chunking: &mut ChunkingOptions) {
    if let Some(tokens) = config.whole("chunk_token_num", 1..=2048) {
        chunking.max_tokens = tokens as u32;
    }
    if let Some(text) = config.verbatim("delimiter") {
        chunking.delimiters = delimiters(&text);
    }
    if let Some(percent) = config.number("overlapped_percent", 0.0..=90.0) {
        chunking.overlap_tokens = (f64::from(chunking.max_tokens) * percent / 100.0) as u32;
    }
    if let Some(tokens) = config.whole("table_context_size", 0..=2048) {
        chunking.table_context_tokens = tokens as u32;
    }
    if let Some(parts) = config.object("parent_child") {
        let mut parts = Fields::of(parts, "parser_config.parent_child");
        let is_wanted = parts.flag("use_parent_child").unwrap_or(false);
        let text = parts.verbatim("children_delimiter").unwrap_or_default();
        let delimiters = delimiters(&text).into_iter().map(|delimiter| delimiter.text).collect();
        chunking.children =
            is_wanted.then(|| ChildOptions { delimiters, ..ChildOptions::default() });
        config.take_issues(&mut parts);
    }
    if let Some(pages) = config.any("pages") {
        match serde_json::from_value::<Vec<(i64, i64)>>(pages.clone()) {
            Ok(ranges) if ranges.iter().all(|(a, b)| (1..=MOST_PAGE).contains(a) && a <= b) => {
                let number = |page: i64| u32::try_from(page).unwrap_or(u32::MAX);
                chunking.pages =
                    ranges.iter().map(|(first, last)| (number(*first), number(*last))).collect();
            }
            _ => config.wrong("pages", "Input should be ranges of pages, from 1", &pages),
        }
    }
}

fn adding(config: &mut Fields, enrichment: &mut EnrichmentOptions) {
    if let Some(count) = config.whole("auto_keywords", 0..=32) {
        enrichment.keywords = count as u8;
    }
    if let Some(count) = config.whole("auto_questions", 0..=10) {
        enrichment.questions = count as u8;
    }
    if let Some(ids) = config.texts("tag_kb_ids") {
        enrichment.tag_datasets = ids.iter().filter_map(|id| id.parse().ok()).collect();
    }
    if let Some(count) = config.whole("topn_tags", 1..=10) {
        enrichment.most_tags = count as u8;
    }
    if let Some(contents) = config.flag("toc_extraction") {
        enrichment.contents = contents;
    }
    if let Some(raptor) = config.object("raptor") {
        let mut raptor = Fields::of(raptor, "parser_config.raptor");
        let usual = SummaryOptions::default();
        let is_wanted = raptor.flag("use_raptor").unwrap_or(false);
        let options = SummaryOptions {
            max_tokens: raptor.whole("max_token", 1..=2048).map_or(usual.max_tokens, |n| n as u32),
            most_chunks: raptor
                .whole("max_cluster", 1..=1024)
                .map_or(usual.most_chunks, |n| n as u32),
            threshold: raptor
                .number("clustering_threshold", 0.0..=1.0)
                .map_or(usual.threshold, |n| n as f32),
        };
        enrichment.summaries = is_wanted.then_some(options);
        config.take_issues(&mut raptor);
    }
    if let Some(graph) = config.object("graphrag") {
        let mut graph = Fields::of(graph, "parser_config.graphrag");
        let is_wanted = graph.flag("use_graphrag").unwrap_or(false);
        let options = graph.texts("entity_types").map(|types| GraphOptions { types });
        enrichment.graph = is_wanted.then(|| options.unwrap_or_default());
        config.take_issues(&mut graph);
    }
}

/// The grammar of delimiters: what stands in backticks is one that always ends a chunk; each other character is one by
/// itself. A line break alone is what our chunker knows anyway, by the document's structure.
fn delimiters(text: &str) -> Vec<Delimiter> {
    let mut delimiters: Vec<Delimiter> = Vec::new();
    for (number, part) in text.split('`').enumerate() {
        let is_quoted = number % 2 == 1;
        if is_quoted && !part.is_empty() {
            delimiters.push(Delimiter { text: part.to_owned(), always: true });
        } else if !is_quoted {
            let single = part.chars().filter(|character| *character != '\n');
            delimiters.extend(single.map(|one| Delimiter { text: one.to_string(), always: false }));
        }
    }
    delimiters
}

/// The method's name.
pub(super) fn method_name(method: ChunkMethod) -> Value {
    serde_json::to_value(method).unwrap_or_default()
}

/// All that is known of a dataset's settings, in the dialect's words; and what was kept of it.
pub(super) fn shown(settings: &DatasetSettings, kept: &Map<String, Value>) -> Value {
    let EnrichmentOptions { summaries, graph, .. } = &settings.enrichment;
    let enrichment = &settings.enrichment;
    let usual = SummaryOptions::default();
    let raptor = summaries.as_ref().unwrap_or(&usual);
    let types = graph.clone().unwrap_or_default().types;
    let mut shown = cut(&settings.chunking);
    let own = json!({
        "auto_keywords": enrichment.keywords,
        "auto_questions": enrichment.questions,
        "tag_kb_ids": enrichment.tag_datasets,
        "topn_tags": enrichment.most_tags.max(1),
        "toc_extraction": enrichment.contents,
        "raptor": {
            "use_raptor": summaries.is_some(),
            "max_token": raptor.max_tokens,
            "max_cluster": raptor.most_chunks,
            "threshold": raptor.threshold,
            "clustering_threshold": raptor.threshold,
            "random_seed": 0,
        },
        "graphrag": { "use_graphrag": graph.is_some(), "entity_types": types, "method": "light" },
        "html4excel": false,
        "layout_recognize": "DeepDOC",
    });
    if let (Value::Object(shown), Value::Object(own)) = (&mut shown, own) {
        shown.extend(own);
        shown.extend(kept.clone());
    }
    shown
}

/// How documents are cut, in the dialect's words.
pub(super) fn cut(chunking: &ChunkingOptions) -> Value {
    let written = |delimiter: &Delimiter| match delimiter.always {
        true => format!("`{}`", delimiter.text),
        false => delimiter.text.clone(),
    };
    let delimiter: String = chunking.delimiters.iter().map(written).collect();
    let percent = u64::from(chunking.overlap_tokens) * 100 / u64::from(chunking.max_tokens.max(1));
    let mut shown = json!({
        "chunk_token_num": chunking.max_tokens,
        "delimiter": if delimiter.is_empty() { "\n".to_owned() } else { delimiter },
        "overlapped_percent": percent,
        "table_context_size": chunking.table_context_tokens,
        "parent_child": {
            "use_parent_child": chunking.children.is_some(),
            "children_delimiter": chunking.children.as_ref().map_or_else(
                || "\n".to_owned(),
                |children| children.delimiters.concat(),
            ),
        },
    });
    if !chunking.pages.is_empty() {
        shown["pages"] = json!(chunking.pages);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_read_as_they_are_written() {
        let read = |text| {
            let all = delimiters(text).into_iter().map(|it| (it.text, it.always));
            all.collect::<Vec<_>>()
        };
        assert_eq!(read("\n"), []);
        assert_eq!(read("\n!;"), [("!".into(), false), (";".into(), false)]);
        assert_eq!(read("`##`。"), [("##".into(), true), ("。".into(), false)]);
    }
}
