//! `cargo xtask models FILE`: the list of models of `llm-providers`, out of a public price list.
//!
//! The price list is an object whose keys are models (`provider/model`, or the model alone) and whose values tell
//! `litellm_provider`, `mode`, `max_input_tokens`, prices per token and more, as LiteLLM publishes it. Taken are the models of the
//! catalogue's providers that answer, embed, rank, speak or listen and have not been switched off; not taken are those of
//! servers that people run themselves, whose limits are theirs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use llm_core::{LongPrices, ModelInfo, ModelKind, ModelName, Prices};
use llm_providers::catalogue::{self, ProviderEntry};
use llm_providers::models::{COLUMNS, format_line};
use serde_json::{Map, Value};

/// Where the list lies in this checkout.
const LIST: &str = "crates/llm-providers/src/models/models.tsv";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The price list, in JSON
    file: PathBuf,
    /// Leave out models that are switched off before this day
    #[arg(long, value_name = "YYYY-MM-DD")]
    day: String,
}

pub(crate) fn run(args: Args) -> Result<()> {
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("reading {}", args.file.display()))?;
    let prices: BTreeMap<String, Map<String, Value>> =
        serde_json::from_str(&text).context("the price list is no object of objects")?;
    let mut models = BTreeMap::new();
    for (key, facts) in &prices {
        if let Some(info) = model(key, facts, &args.day) {
            models.insert(info.name.clone(), info);
        }
    }
    leave_out_copies(&mut models);
    if models.is_empty() {
        bail!("{} names no model of a provider of the catalogue", args.file.display());
    }
    let mut list = format!("# {}\n", COLUMNS.join("\t"));
    for info in models.values() {
        list.push_str(&format_line(info));
        list.push('\n');
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(LIST);
    std::fs::write(&path, &list).with_context(|| format!("writing {}", path.display()))?;
    println!("{} models, {} bytes", models.len(), list.len());
    Ok(())
}

fn model(key: &str, facts: &Map<String, Value>, day: &str) -> Option<ModelInfo> {
    let text = |name: &str| facts.get(name).and_then(Value::as_str);
    let theirs = text("litellm_provider")?;
    let row = row(theirs)?;
    let name = key.strip_prefix(theirs).and_then(|rest| rest.strip_prefix('/'));
    let name = name.or_else(|| key.strip_prefix("vertex_ai/")).unwrap_or(key);
    let is_regional = row.name.starts_with("bedrock") && name.contains('/');
    let is_over = text("deprecation_date").is_some_and(|date| date <= day);
    if is_regional || is_over || name.contains(['\t', '\n']) {
        return None;
    }
    let kind = match text("mode")? {
        "chat" | "responses" => ModelKind::Chat,
        "embedding" => ModelKind::Embedding,
        "rerank" => ModelKind::Rerank,
        "audio_speech" => ModelKind::Speech,
        "audio_transcription" => ModelKind::Transcription,
        _ => return None,
    };
    let count =
        |name: &str| facts.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let can = |name: &str| facts.get(name).and_then(Value::as_bool);
    let mut info = ModelInfo::new(ModelName::new(row.name.clone(), name), kind);
    info.limits.context_tokens = count("max_input_tokens").filter(|tokens| *tokens > 0);
    info.limits.dimensions = count("output_vector_size").filter(|length| *length > 0);
    if kind == ModelKind::Chat {
        info.limits.output_tokens = count("max_output_tokens").filter(|tokens| *tokens > 0);
        info.capabilities.tools = can("supports_function_calling");
        info.capabilities.parallel_tools = can("supports_parallel_function_calling");
        info.capabilities.image_input = can("supports_vision");
        info.capabilities.file_input = can("supports_pdf_input");
        info.capabilities.audio_input = can("supports_audio_input");
        info.capabilities.audio_output = can("supports_audio_output");
        info.capabilities.json_schema = can("supports_response_schema");
        info.capabilities.reasoning = can("supports_reasoning");
        info.capabilities.prompt_caching = can("supports_prompt_caching");
        info.capabilities.prefix = can("supports_assistant_prefill");
    }
    info.prices = Some(prices(facts)).filter(|prices| *prices != Prices::default());
    Some(info)
}

/// The provider, by its whole name there or by what stands before a dash (`vertex_ai-language-models`).
fn row(theirs: &str) -> Option<&'static ProviderEntry> {
    let family = theirs.split_once('-').map_or(theirs, |(family, _)| family);
    let row = catalogue::find(theirs).or_else(|| catalogue::find(family))?;
    let is_own_machine = row.key_optional && row.secrets.is_empty();
    (!is_own_machine).then_some(row)
}

fn prices(facts: &Map<String, Value>) -> Prices {
    let price = |name: &str| facts.get(name).and_then(Value::as_f64).filter(|price| *price >= 0.0);
    Prices {
        input: price("input_cost_per_token"),
        output: price("output_cost_per_token"),
        cache_read: price("cache_read_input_token_cost"),
        cache_write: price("cache_creation_input_token_cost"),
        reasoning: price("output_cost_per_reasoning_token"),
        audio_input: price("input_cost_per_audio_token"),
        audio_output: price("output_cost_per_audio_token"),
        search_unit: price("input_cost_per_query"),
        long: long_tier(facts).map(|thousands| {
            let price = |name: &str| price(&format!("{name}_above_{thousands}k_tokens"));
            LongPrices {
                above_tokens: thousands * 1_000,
                input: price("input_cost_per_token"),
                output: price("output_cost_per_token"),
                cache_read: price("cache_read_input_token_cost"),
                cache_write: price("cache_creation_input_token_cost"),
            }
        }),
    }
}

/// Where the second tier of prices begins, in thousands of tokens; further tiers are left out.
fn long_tier(facts: &Map<String, Value>) -> Option<u64> {
    let tiers = facts.keys().filter_map(|name| {
        name.strip_prefix("input_cost_per_token_above_")?.strip_suffix("k_tokens")?.parse().ok()
    });
    tiers.min()
}

/// A model of which another version says the same is found without it; see `ModelCatalogue::find`.
fn leave_out_copies(models: &mut BTreeMap<ModelName, ModelInfo>) {
    // Longer names first, so that the one without a version stays.
    let names: Vec<ModelName> = models.keys().rev().cloned().collect();
    for name in names {
        let Some(info) = models.remove(&name) else { continue };
        let mut others = llm_providers::ModelCatalogue::default();
        let of_provider = ModelName::new(name.provider.clone(), "");
        for (_, other) in
            models.range(of_provider..).take_while(|(n, _)| n.provider == name.provider)
        {
            others.insert(other.clone());
        }
        if others.find(&name.provider, &name.model).as_ref() != Some(&info) {
            models.insert(name, info);
        }
    }
}
