//! The forward pass of encoders of BERT's family: tokens in, a state for each of them out.

use std::ops::Range;

use ndarray::{Array1, Array2};
use serde::Deserialize;

use super::LoadError;
use super::layer::{Activation, Layer, LayerNames, LayerNorm, LayerSizes};
use super::weights::Weights;

/// `config.json` of the encoder. DistilBERT calls the same things otherwise.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct EncoderConfig {
    model_type: String,
    #[serde(alias = "dim")]
    hidden_size: usize,
    #[serde(alias = "hidden_dim")]
    intermediate_size: usize,
    #[serde(alias = "n_heads")]
    num_attention_heads: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    max_position_embeddings: usize,
    #[serde(default = "usual_epsilon")]
    layer_norm_eps: f32,
    #[serde(alias = "activation")]
    hidden_act: Activation,
    pad_token_id: Option<usize>,
    position_embedding_type: Option<String>,
}

fn usual_epsilon() -> f32 {
    1e-12
}

/// What tells the encoders of the family apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// BERT.
    Bert,
    /// RoBERTa and XLM-RoBERTa: BERT whose positions begin after that of the padding.
    Roberta,
    /// DistilBERT: BERT without kinds of tokens, with names of its own.
    DistilBert,
}

/// A state for each token of each text.
pub(super) struct States {
    /// One row a token.
    pub(super) rows: Array2<f32>,
    /// The rows of each text.
    pub(super) texts: Vec<Range<usize>>,
}

/// An encoder with its weights.
#[derive(Debug)]
pub(super) struct Encoder {
    words: Array2<f32>,
    /// One row for each place in a text.
    places: Array2<f32>,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

impl EncoderConfig {
    /// Whether encoders like this one are computed here.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        self.family()?;
        if self.position_embedding_type.as_deref().is_some_and(|kind| kind != "absolute") {
            return Err(LoadError::Unsupported("an encoder with relative positions".into()));
        }
        let heads = self.num_attention_heads;
        if heads == 0 || self.hidden_size == 0 || !self.hidden_size.is_multiple_of(heads) {
            let sizes = format!("an encoder of {} numbers in {heads} heads", self.hidden_size);
            return Err(LoadError::Unsupported(sizes));
        }
        Ok(())
    }

    fn family(&self) -> Result<Family, LoadError> {
        match self.model_type.as_str() {
            "bert" => Ok(Family::Bert),
            "roberta" | "xlm-roberta" | "camembert" => Ok(Family::Roberta),
            "distilbert" => Ok(Family::DistilBert),
            other => Err(LoadError::Unsupported(format!(
                "an encoder of the type `{other}` (only bert, distilbert, roberta, xlm-roberta and camembert)"
            ))),
        }
    }

    /// The length of a state.
    pub(super) fn dimensions(&self) -> usize {
        self.hidden_size
    }

    /// The most tokens of a text.
    pub(super) fn longest_text(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.first_position())
    }

    fn first_position(&self) -> usize {
        match self.family() {
            Ok(Family::Roberta) => self.pad_token_id.unwrap_or(1).saturating_add(1),
            _ => 0,
        }
    }

    fn layer_sizes(&self) -> LayerSizes {
        LayerSizes {
            hidden: self.hidden_size,
            wide: self.intermediate_size,
            heads: self.num_attention_heads,
            epsilon: self.layer_norm_eps,
            activation: self.hidden_act,
        }
    }
}

impl Family {
    /// Where layers are.
    fn layers(self) -> &'static str {
        match self {
            Family::Bert | Family::Roberta => "encoder.layer",
            Family::DistilBert => "transformer.layer",
        }
    }

    fn layer_names(self) -> LayerNames {
        match self {
            Family::Bert | Family::Roberta => LayerNames {
                query: "attention.self.query",
                key: "attention.self.key",
                value: "attention.self.value",
                output: "attention.output.dense",
                output_norm: "attention.output.LayerNorm",
                widen: "intermediate.dense",
                narrow: "output.dense",
                narrow_norm: "output.LayerNorm",
            },
            Family::DistilBert => LayerNames {
                query: "attention.q_lin",
                key: "attention.k_lin",
                value: "attention.v_lin",
                output: "attention.out_lin",
                output_norm: "sa_layer_norm",
                widen: "ffn.lin1",
                narrow: "ffn.lin2",
                narrow_norm: "output_layer_norm",
            },
        }
    }
}

/// The table of words, which every model has; what stands before this name stands before all.
pub(super) const WORDS: &str = "embeddings.word_embeddings.weight";

impl Encoder {
    pub(super) fn read(config: &EncoderConfig, weights: &Weights<'_>) -> Result<Self, LoadError> {
        let (family, hidden) = (config.family()?, config.hidden_size);
        let names = family.layer_names();
        let layers = (0..config.num_hidden_layers)
            .map(|index| {
                let place = format!("{}.{index}", family.layers());
                Layer::read(weights, &place, &names, config.layer_sizes())
            })
            .collect::<Result<_, _>>()?;
        let norm = "embeddings.LayerNorm";
        Ok(Self {
            words: weights.matrix(WORDS, None, hidden)?,
            places: places(config, family, weights)?,
            norm: LayerNorm::read(weights, norm, hidden, config.layer_norm_eps)?,
            layers,
        })
    }

    /// How many different tokens it knows.
    pub(super) fn vocabulary(&self) -> usize {
        self.words.nrows()
    }

    /// Multiplications that one token takes, attention aside.
    pub(super) fn operations(&self) -> usize {
        self.layers.iter().map(Layer::operations).sum()
    }

    /// The states of texts, given as tokens. Texts are computed side by side without padding, so that each costs what its
    /// own length does. A token that is not known counts as none; of a text that is too long, the end is not read.
    pub(super) fn run(&self, texts: &[&[u32]]) -> States {
        let (mut rows, ranges) = self.inputs(texts);
        self.norm.apply(&mut rows);
        for layer in &self.layers {
            layer.apply(&mut rows, &ranges);
        }
        States { rows, texts: ranges }
    }

    /// For each token the sum of what its word and its place stand for.
    fn inputs(&self, texts: &[&[u32]]) -> (Array2<f32>, Vec<Range<usize>>) {
        let known = |token: &&u32| (**token as usize) < self.vocabulary();
        let mut tokens: Vec<usize> = Vec::new();
        let mut ranges = Vec::with_capacity(texts.len());
        for text in texts {
            let first = tokens.len();
            let read = text.iter().filter(known).take(self.places.nrows());
            tokens.extend(read.map(|token| *token as usize));
            ranges.push(first..tokens.len());
        }
        let mut rows = Array2::zeros((tokens.len(), self.words.ncols()));
        let positions = ranges.iter().flat_map(|range| 0..range.len());
        for ((mut row, token), position) in rows.rows_mut().into_iter().zip(&tokens).zip(positions)
        {
            row += &self.words.row(*token);
            row += &self.places.row(position);
        }
        (rows, ranges)
    }
}

/// What each place in a text stands for. All tokens are of the first kind, where there are kinds, so that this is part of
/// it.
fn places(
    config: &EncoderConfig,
    family: Family,
    weights: &Weights<'_>,
) -> Result<Array2<f32>, LoadError> {
    let hidden = config.hidden_size;
    let positions = Some(config.max_position_embeddings);
    let table = weights.matrix("embeddings.position_embeddings.weight", positions, hidden)?;
    let kind = match family {
        Family::DistilBert => Array1::zeros(hidden),
        Family::Bert | Family::Roberta => {
            let kinds = weights.matrix("embeddings.token_type_embeddings.weight", None, hidden)?;
            let first = kinds.rows().into_iter().next().map(|row| row.to_owned());
            first.unwrap_or_else(|| Array1::zeros(hidden))
        }
    };
    let rows = table.rows().into_iter().skip(config.first_position());
    let mut places = Array2::zeros((0, hidden));
    for row in rows {
        let place = &row + &kind;
        // The widths are the same, so that this cannot fail.
        let _ = places.push_row(place.view());
    }
    Ok(places)
}
