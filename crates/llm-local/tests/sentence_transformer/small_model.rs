//! Writes model directories that are small enough for tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};
use serde_json::json;

pub(crate) const HIDDEN: usize = 8;
const WIDE: usize = 16;
const LAYERS: usize = 2;
const POSITIONS: usize = 32;
const VOCABULARY: &[&str] =
    &["[PAD]", "[UNK]", "[CLS]", "[SEP]", "green", "black", "tea", "##pot", ":", "query", "a", "b"];

/// The families whose encoders can have the same weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Bert,
    Roberta,
    DistilBert,
}

/// What a small model is like.
#[derive(Clone, Debug)]
pub(crate) struct SmallModel {
    pub(crate) family: Family,
    pub(crate) precision: Dtype,
    /// What stands before all tensors' names.
    pub(crate) prefix: &'static str,
    /// The field of the pooling configuration that is true.
    pub(crate) pooling: &'static str,
    pub(crate) normalise: bool,
    /// `vocab.txt` in place of `tokenizer.json`.
    pub(crate) vocabulary_only: bool,
    pub(crate) max_seq_length: usize,
    pub(crate) prompts: BTreeMap<&'static str, &'static str>,
}

impl Default for SmallModel {
    fn default() -> Self {
        Self {
            family: Family::Bert,
            precision: Dtype::F32,
            prefix: "",
            pooling: "pooling_mode_mean_tokens",
            normalise: true,
            vocabulary_only: false,
            max_seq_length: 16,
            prompts: BTreeMap::new(),
        }
    }
}

impl SmallModel {
    pub(crate) fn write(&self, directory: &Path) {
        let file = |name: &str, value: serde_json::Value| {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value.to_string()).unwrap();
        };
        file("config.json", self.config());
        file("modules.json", self.modules());
        file("1_Pooling/config.json", json!({ self.pooling: true }));
        file("sentence_bert_config.json", json!({ "max_seq_length": self.max_seq_length }));
        file("config_sentence_transformers.json", json!({ "prompts": self.prompts }));
        file("tokenizer_config.json", json!({ "do_lower_case": true, "model_max_length": 1e30 }));
        match self.vocabulary_only {
            true => fs::write(directory.join("vocab.txt"), VOCABULARY.join("\n")).unwrap(),
            false => file("tokenizer.json", tokenizer()),
        }
        self.write_weights(&directory.join("model.safetensors"));
    }

    fn config(&self) -> serde_json::Value {
        match self.family {
            Family::DistilBert => json!({
                "model_type": "distilbert", "dim": HIDDEN, "hidden_dim": WIDE, "n_heads": 2,
                "n_layers": LAYERS, "max_position_embeddings": POSITIONS, "activation": "gelu",
            }),
            Family::Bert | Family::Roberta => json!({
                "model_type": if self.family == Family::Bert { "bert" } else { "xlm-roberta" },
                "hidden_size": HIDDEN, "intermediate_size": WIDE, "num_attention_heads": 2,
                "num_hidden_layers": LAYERS, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
                "max_position_embeddings": POSITIONS + self.first_position(), "pad_token_id": 1,
                "position_embedding_type": "absolute",
            }),
        }
    }

    fn modules(&self) -> serde_json::Value {
        let module = |path: &str, kind: &str| json!({ "path": path, "type": format!("sentence_transformers.models.{kind}") });
        let mut modules = vec![module("", "Transformer"), module("1_Pooling", "Pooling")];
        modules.extend(self.normalise.then(|| module("2_Normalize", "Normalize")));
        modules.into()
    }

    /// Where the places of a text begin.
    fn first_position(&self) -> usize {
        if self.family == Family::Roberta { 2 } else { 0 }
    }

    /// The same numbers for every family, under its names.
    fn write_weights(&self, path: &Path) {
        let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
        let mut add = |name: String, shape: Vec<usize>, centre: f32| {
            let count = shape.iter().product();
            let seed = tensors.len();
            let numbers = (0..count).map(|index| centre + number(seed, index)).collect();
            tensors.push((name, shape, numbers));
        };
        add("embeddings.word_embeddings.weight".into(), vec![VOCABULARY.len(), HIDDEN], 0.0);
        add("embeddings.position_embeddings.weight".into(), vec![POSITIONS, HIDDEN], 0.0);
        add("embeddings.LayerNorm.weight".into(), vec![HIDDEN], 1.0);
        add("embeddings.LayerNorm.bias".into(), vec![HIDDEN], 0.0);
        for layer in 0..LAYERS {
            for (part, output, input) in [
                ("attention.self.query", HIDDEN, HIDDEN),
                ("attention.self.key", HIDDEN, HIDDEN),
                ("attention.self.value", HIDDEN, HIDDEN),
                ("attention.output.dense", HIDDEN, HIDDEN),
                ("intermediate.dense", WIDE, HIDDEN),
                ("output.dense", HIDDEN, WIDE),
            ] {
                add(format!("encoder.layer.{layer}.{part}.weight"), vec![output, input], 0.0);
                add(format!("encoder.layer.{layer}.{part}.bias"), vec![output], 0.0);
            }
            for part in ["attention.output.LayerNorm", "output.LayerNorm"] {
                add(format!("encoder.layer.{layer}.{part}.weight"), vec![HIDDEN], 1.0);
                add(format!("encoder.layer.{layer}.{part}.bias"), vec![HIDDEN], 0.0);
            }
        }
        if self.family == Family::Roberta {
            let positions = &mut tensors[1];
            positions.1[0] += 2;
            positions.2.splice(0..0, vec![9.0; 2 * HIDDEN]);
        }
        if self.family != Family::DistilBert {
            let kinds = vec![0.0; 2 * HIDDEN];
            tensors.push((
                "embeddings.token_type_embeddings.weight".into(),
                vec![2, HIDDEN],
                kinds,
            ));
        }
        let stored: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
            .into_iter()
            .map(|(name, shape, numbers)| (self.name(&name), shape, self.bytes(&numbers)))
            .collect();
        let views = stored.iter().map(|(name, shape, bytes)| {
            (name, TensorView::new(self.precision, shape.clone(), bytes).unwrap())
        });
        serialize_to_file(views, None, path).unwrap();
    }

    fn name(&self, name: &str) -> String {
        let mut name = name.to_owned();
        if self.family == Family::DistilBert {
            for (bert, distilled) in [
                ("encoder.layer", "transformer.layer"),
                ("attention.self.query", "attention.q_lin"),
                ("attention.self.key", "attention.k_lin"),
                ("attention.self.value", "attention.v_lin"),
                ("attention.output.dense", "attention.out_lin"),
                ("attention.output.LayerNorm", "sa_layer_norm"),
                ("intermediate.dense", "ffn.lin1"),
                ("output.dense", "ffn.lin2"),
                ("output.LayerNorm", "output_layer_norm"),
            ] {
                name = name.replace(bert, distilled);
            }
        }
        format!("{}{name}", self.prefix)
    }

    fn bytes(&self, numbers: &[f32]) -> Vec<u8> {
        match self.precision {
            Dtype::BF16 => numbers
                .iter()
                .flat_map(|number| ((number.to_bits() >> 16) as u16).to_le_bytes())
                .collect(),
            _ => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        }
    }
}

/// A fixed number between -½ and ½ for each place of each tensor.
fn number(seed: usize, index: usize) -> f32 {
    let mixed = ((seed * 7919 + index + 1) as u32).wrapping_mul(2_654_435_761);
    (mixed >> 8) as f32 / (1 << 24) as f32 - 0.5
}

fn tokenizer() -> serde_json::Value {
    let vocabulary: BTreeMap<&str, usize> =
        VOCABULARY.iter().enumerate().map(|(id, piece)| (*piece, id)).collect();
    json!({
        "version": "1.0",
        // As published files have them; both are replaced.
        "truncation": { "max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right" },
        "padding": { "strategy": { "Fixed": 128 }, "direction": "Right", "pad_to_multiple_of": null,
                     "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]" },
        "added_tokens": [],
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                        "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2] },
        "decoder": null,
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                   "max_input_chars_per_word": 100, "vocab": vocabulary },
    })
}
