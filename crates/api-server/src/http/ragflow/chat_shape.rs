//! A dialog as a chat of this dialect: as it is shown, and as it is read in both forms that clients use.

use rag_core::{Dataset, SavedDialog};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::dataset_shape::LABEL;
use super::fields::Fields;
use super::paging::{Timed, date};
use super::{model_names, prompt_template};
use crate::dialogs::{DialogSettings, Parameter};

/// What a dialog has when a chat says nothing of it.
const TOP: usize = 6;
const THRESHOLD: f32 = 0.1;
const WEIGHT: f32 = 0.3;
const MOST_TEXT: usize = 64 << 10;

/// What is kept with a dialog only for this dialect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ChatNote {
    /// The id by which clients know it, whatever it is called.
    pub(super) id: String,
    pub(super) icon: String,
    /// The prompt as it was given.
    pub(super) prompt: Option<String>,
    pub(super) quote: bool,
    pub(super) top_k: i64,
    pub(super) variables: Vec<Variable>,
    /// Whether it was made in the older of the two forms.
    pub(super) is_older: bool,
    /// Settings that are shown again and change nothing here.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) kept: Map<String, Value>,
}

/// A name in a prompt that a question gives a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Variable {
    pub(super) key: String,
    #[serde(default)]
    pub(super) optional: bool,
}

impl Default for ChatNote {
    fn default() -> Self {
        let knowledge = Variable { key: "knowledge".to_owned(), optional: true };
        Self {
            id: String::new(),
            icon: String::new(),
            prompt: None,
            quote: true,
            top_k: 1024,
            variables: vec![knowledge],
            is_older: false,
            kept: Map::new(),
        }
    }
}

/// A dialog with what clients of this dialect know of it.
#[derive(Clone, Debug)]
pub(super) struct Chat {
    pub(super) name: String,
    pub(super) settings: DialogSettings,
    pub(super) note: ChatNote,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

impl Timed for Chat {
    fn created_at(&self) -> i64 {
        self.created_at
    }

    fn updated_at(&self) -> i64 {
        self.updated_at
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Chat {
    /// A dialog as it is kept; `None` when this version cannot read it. One that was not made in this dialect has an id
    /// that its name gives.
    pub(super) fn of(saved: SavedDialog) -> Option<Self> {
        let settings: DialogSettings = serde_json::from_str(&saved.settings).ok()?;
        let note = settings.labels.get(LABEL).and_then(|note| serde_json::from_str(note).ok());
        let native = || ChatNote { id: id_of(&saved.name), ..ChatNote::default() };
        let note = note.unwrap_or_else(native);
        let SavedDialog { name, created_at, updated_at, .. } = saved;
        Some(Self { name, settings, note, created_at, updated_at })
    }

    /// Reads what both making and changing take, in either form.
    pub(super) fn change(&mut self, fields: &mut Fields) {
        if let Some(icon) = fields.verbatim("avatar").or_else(|| fields.verbatim("icon")) {
            self.note.icon = icon.chars().take(MOST_TEXT / 4).collect();
        }
        if let Some(description) = fields.text("description", 0..=MOST_TEXT) {
            self.settings.description = description;
        }
        self.models(fields);
        self.searching(fields);
        for (name, is_older) in [("prompt", true), ("prompt_config", false)] {
            if let Some(object) = fields.object(name) {
                self.note.is_older = is_older;
                let mut prompt = Fields::of(object, name);
                self.prompt(&mut prompt);
                self.searching(&mut prompt);
                fields.take_issues(&mut prompt);
            }
        }
    }

    fn models(&mut self, fields: &mut Fields) {
        if let Some(name) = fields.text("llm_id", 0..=255) {
            self.set_model(&name);
        }
        for name in ["llm", "llm_setting"] {
            let Some(object) = fields.object(name) else { continue };
            let mut llm = Fields::of(object, name);
            if let Some(model) = llm.text("model_name", 0..=255) {
                self.set_model(&model);
            }
            let settings = &mut self.settings;
            set(&mut settings.temperature, llm.number("temperature", 0.0..=2.0));
            set(&mut settings.top_p, llm.number("top_p", 0.0..=1.0));
            set(&mut settings.presence_penalty, llm.number("presence_penalty", -2.0..=2.0));
            set(&mut settings.frequency_penalty, llm.number("frequency_penalty", -2.0..=2.0));
            let most = llm.whole("max_tokens", 0..=i64::from(u32::MAX));
            let most = most.filter(|most| *most > 0).map(|most| most as u32);
            set(&mut settings.max_output_tokens, most);
            fields.take_issues(&mut llm);
        }
    }

    fn set_model(&mut self, name: &str) {
        self.settings.model = (!name.is_empty()).then(|| model_names::ours(name));
    }

    fn searching(&mut self, fields: &mut Fields) {
        let settings = &mut self.settings;
        let share = |number: f64| number as f32;
        set(&mut settings.threshold, fields.number("similarity_threshold", 0.0..=1.0).map(share));
        let weight = fields.number("vector_similarity_weight", 0.0..=1.0);
        let of_words = fields.number("keywords_similarity_weight", 0.0..=1.0);
        let weight = weight.or_else(|| of_words.map(|weight| 1.0 - weight));
        set(&mut settings.vector_weight, weight.map(share));
        set(&mut settings.top, fields.whole("top_n", 1..=256).map(|top| top as usize));
        if let Some(candidates) = fields.whole("top_k", 1..=i64::MAX) {
            self.note.top_k = candidates;
        }
        let rerank = fields.text("rerank_id", 0..=255);
        if let Some(name) = rerank.or_else(|| fields.text("rerank_model", 0..=255)) {
            settings.rerank = Some(model_names::ours(&name));
        }
    }

    fn prompt(&mut self, prompt: &mut Fields) {
        let text = prompt.verbatim("prompt").or_else(|| prompt.verbatim("system"));
        if let Some(text) = text {
            self.note.prompt = Some(text).filter(|text| !text.trim().is_empty());
        }
        let variables = prompt.any("variables").or_else(|| prompt.any("parameters"));
        if let Some(variables) = variables {
            match serde_json::from_value(variables.clone()) {
                Ok(variables) => self.note.variables = variables,
                Err(_) => {
                    prompt.wrong(
                        "variables",
                        "Input should be a list of {key, optional}",
                        &variables,
                    );
                }
            }
        }
        let opener = prompt.verbatim("opener").or_else(|| prompt.verbatim("prologue"));
        if let Some(opener) = opener {
            self.settings.prologue = opener;
        }
        if prompt.has("empty_response") {
            self.settings.empty_response =
                Some(prompt.verbatim("empty_response").unwrap_or_default());
        }
        if let Some(quote) = prompt.flag("show_quote").or_else(|| prompt.flag("quote")) {
            self.note.quote = quote;
        }
        set(&mut self.settings.keywords, prompt.flag("keyword"));
        set(&mut self.settings.rewrite, prompt.flag("refine_multiturn"));
        set(&mut self.settings.languages, prompt.texts("cross_languages"));
        for name in ["tts", "use_kg", "toc_enhance", "reasoning"] {
            if let Some(value) = prompt.any(name) {
                self.note.kept.insert(name.to_owned(), value);
            }
        }
    }

    /// The settings as a dialog has them, with all that is to be kept.
    pub(super) fn settled(mut self) -> DialogSettings {
        let names = || self.note.variables.iter().filter(|it| it.key != "knowledge");
        let keys: Vec<String> = names().map(|variable| variable.key.clone()).collect();
        let parameter = |variable: &Variable| Parameter {
            name: variable.key.clone(),
            default: variable.optional.then(|| " ".to_owned()),
        };
        if let Some(prompt) = &self.note.prompt {
            self.settings.parameters = names().map(parameter).collect();
            let template = prompt_template::template(prompt, &keys, self.note.quote);
            self.settings.prompt = Some(template);
        } else {
            // Ours, which takes no parameters.
            self.settings.parameters = Vec::new();
            self.settings.prompt = None;
        }
        let settings = &mut self.settings;
        settings.top.get_or_insert(TOP);
        settings.threshold.get_or_insert(THRESHOLD);
        settings.vector_weight.get_or_insert(WEIGHT);
        // Texts as keys, which JSON has.
        let note = serde_json::to_string(&self.note).unwrap_or_default();
        settings.labels.insert(LABEL.to_owned(), note);
        self.settings
    }

    /// The chat in both forms at once.
    pub(super) fn shown(&self, datasets: &[Dataset]) -> Value {
        let Self { name, settings, note, created_at, updated_at } = self;
        let own = |name: &String| datasets.iter().find(|dataset| dataset.name == *name);
        let searched: Vec<&Dataset> = settings.datasets.iter().filter_map(own).collect();
        let ids: Vec<_> = searched.iter().map(|dataset| &dataset.id).collect();
        let shown: Vec<Value> =
            searched.iter().map(|it| json!({ "id": it.id, "name": it.name })).collect();
        let model = settings.model.as_deref().map(model_names::theirs);
        let threshold = settings.threshold.unwrap_or(THRESHOLD);
        let weight = settings.vector_weight.unwrap_or(WEIGHT);
        let top = settings.top.unwrap_or(TOP);
        let rerank = settings.rerank.as_deref().map(model_names::theirs).unwrap_or_default();
        let prompt = note.prompt.as_deref().or(settings.prompt.as_deref()).unwrap_or_default();
        let sampling = json!({
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "presence_penalty": settings.presence_penalty,
            "frequency_penalty": settings.frequency_penalty,
            "max_tokens": settings.max_output_tokens,
        });
        let mut llm = sampling.clone();
        llm["model_name"] = json!(model);
        let mut config = json!({
            "system": prompt,
            "prologue": settings.prologue,
            "parameters": note.variables,
            "empty_response": settings.empty_response.clone().unwrap_or_default(),
            "quote": note.quote,
            "keyword": settings.keywords.unwrap_or(false),
            "refine_multiturn": settings.rewrite.unwrap_or(false),
            "cross_languages": settings.languages.clone().unwrap_or_default(),
        });
        if let Value::Object(config) = &mut config {
            config.extend(note.kept.clone());
        }
        json!({
            "id": note.id,
            "name": name,
            "description": settings.description,
            "icon": note.icon,
            "avatar": note.icon,
            "language": "English",
            "dataset_ids": ids,
            "datasets": shown,
            "llm_id": model,
            "llm_setting": sampling,
            "llm": llm,
            "prompt_type": "simple",
            "prompt_config": config,
            "prompt": {
                "prompt": prompt,
                "opener": settings.prologue,
                "empty_response": settings.empty_response.clone().unwrap_or_default(),
                "variables": note.variables,
                "show_quote": note.quote,
                "similarity_threshold": rounded(threshold),
                "keywords_similarity_weight": rounded(1.0 - weight),
                "top_n": top,
                "top_k": note.top_k,
                "rerank_model": rerank,
            },
            "similarity_threshold": rounded(threshold),
            "vector_similarity_weight": rounded(weight),
            "top_n": top,
            "top_k": note.top_k,
            "rerank_id": rerank,
            "do_refer": "1",
            "status": "1",
            "create_time": created_at,
            "create_date": date(*created_at),
            "update_time": updated_at,
            "update_date": date(*updated_at),
        })
    }
}

/// A share as it was written: 0.2, not what is next to it in half of the digits.
fn rounded(share: f32) -> f64 {
    (f64::from(share) * 1e6).round() / 1e6
}

fn set<T>(field: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field = value;
    }
}

/// The id of a dialog that was not made in this dialect: its name, hashed by FNV-1a.
fn id_of(name: &str) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = name.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}
