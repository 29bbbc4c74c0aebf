//! The forward pass of all-MiniLM-L6-v2: texts in, sentence embeddings out.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;
use safetensors::SafeTensors;
use serde::Deserialize;

/// The model reads no more pieces of a text, the two special ones included.
const MAX_PIECES: usize = 256;
/// Texts that are run together; their pieces share one product with each weight matrix.
const BATCH_TEXTS: usize = 32;

/// A BERT sentence encoder with mean pooling, read from a sentence-transformers directory.
pub struct MiniLm {
    vocabulary: Vec<String>,
    words: Vec<f32>,
    positions: Vec<f32>,
    kind: Vec<f32>,
    norm: LayerNorm,
    layers: Vec<Layer>,
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    layer_norm_eps: f32,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    output_norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
    narrow_norm: LayerNorm,
}

struct Linear {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl MiniLm {
    /// Reads `config.json`, `vocab.txt` and `model.safetensors` of a model directory.
    pub fn load(directory: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = directory.join(name);
            fs::read(&path).with_context(|| format!("reading {}", path.display()))
        };
        let config: Config = serde_json::from_slice(&read("config.json")?)?;
        let vocabulary = String::from_utf8(read("vocab.txt")?)?.lines().map(String::from).collect();
        let bytes = read("model.safetensors")?;
        let weights = Weights { tensors: SafeTensors::deserialize(&bytes)?, config: &config };
        let layers = (0..config.num_hidden_layers)
            .map(|index| weights.layer(index))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            vocabulary,
            words: weights.tensor("embeddings.word_embeddings.weight")?,
            positions: weights.tensor("embeddings.position_embeddings.weight")?,
            kind: weights.tensor("embeddings.token_type_embeddings.weight")?,
            norm: weights.norm("embeddings.LayerNorm")?,
            layers,
            config,
        })
    }

    /// The word pieces, in the order of their indexes.
    pub fn vocabulary(&self) -> Vec<&str> {
        self.vocabulary.iter().map(String::as_str).collect()
    }

    /// The length of an embedding.
    pub fn dims(&self) -> usize {
        self.config.hidden_size
    }

    /// The L2-normalised embeddings of texts given as word pieces, in order, on every core. Of a
    /// long text only the beginning is read.
    pub fn embed(&self, texts: &[Vec<u32>]) -> Vec<Vec<f32>> {
        let mut by_length: Vec<usize> = (0..texts.len()).collect();
        by_length.sort_by_key(|&index| texts[index].len());
        let batches: Vec<&[usize]> = by_length.chunks(BATCH_TEXTS).collect();
        let embedded: Vec<(usize, Vec<f32>)> = batches
            .into_par_iter()
            .flat_map_iter(|batch| {
                let texts: Vec<&[u32]> = batch.iter().map(|&index| &texts[index][..]).collect();
                batch.iter().copied().zip(self.embed_batch(&texts))
            })
            .collect();
        let mut ordered = vec![Vec::new(); texts.len()];
        for (index, embedding) in embedded {
            ordered[index] = embedding;
        }
        ordered
    }

    fn embed_batch(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let index_of = |piece: &str| {
            self.vocabulary.iter().position(|other| other == piece).unwrap_or(0) as u32
        };
        let (begin, end) = (index_of("[CLS]"), index_of("[SEP]"));
        let texts: Vec<Vec<u32>> = texts
            .iter()
            .map(|text| {
                let inner = text.iter().copied().take(MAX_PIECES - 2);
                std::iter::once(begin).chain(inner).chain([end]).collect()
            })
            .collect();
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();

        let mut states: Vec<f32> = texts.iter().flat_map(|text| self.input(text)).collect();
        self.norm.apply(&mut states);
        for layer in &self.layers {
            layer.apply(&mut states, &lengths, self.config.num_attention_heads);
        }
        pooled(&states, &lengths, self.dims())
    }

    /// The sums of word, position and kind embeddings.
    fn input(&self, text: &[u32]) -> Vec<f32> {
        let dims = self.dims();
        let row = |table: &[f32], index: usize| table[index * dims..(index + 1) * dims].to_vec();
        text.iter()
            .enumerate()
            .flat_map(|(position, &piece)| {
                let mut state = row(&self.words, piece as usize);
                add(&mut state, &row(&self.positions, position));
                add(&mut state, &row(&self.kind, 0));
                state
            })
            .collect()
    }
}

struct Weights<'a> {
    tensors: SafeTensors<'a>,
    config: &'a Config,
}

impl Weights<'_> {
    fn tensor(&self, name: &str) -> Result<Vec<f32>> {
        let tensor = self.tensors.tensor(name).with_context(|| format!("reading tensor {name}"))?;
        ensure!(tensor.dtype() == safetensors::Dtype::F32, "tensor {name} is not f32");
        let (values, _) = tensor.data().as_chunks::<4>();
        Ok(values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
    }

    fn linear(&self, name: &str, rows: usize, columns: usize) -> Result<Linear> {
        let weight = self.tensor(&format!("{name}.weight"))?;
        let bias = self.tensor(&format!("{name}.bias"))?;
        ensure!(weight.len() == rows * columns && bias.len() == rows, "{name} has another shape");
        Ok(Linear { weight, bias })
    }

    fn norm(&self, name: &str) -> Result<LayerNorm> {
        Ok(LayerNorm {
            weight: self.tensor(&format!("{name}.weight"))?,
            bias: self.tensor(&format!("{name}.bias"))?,
            epsilon: self.config.layer_norm_eps,
        })
    }

    fn layer(&self, index: usize) -> Result<Layer> {
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let (hidden, wide) = (self.config.hidden_size, self.config.intermediate_size);
        Ok(Layer {
            query: self.linear(&name("attention.self.query"), hidden, hidden)?,
            key: self.linear(&name("attention.self.key"), hidden, hidden)?,
            value: self.linear(&name("attention.self.value"), hidden, hidden)?,
            output: self.linear(&name("attention.output.dense"), hidden, hidden)?,
            output_norm: self.norm(&name("attention.output.LayerNorm"))?,
            widen: self.linear(&name("intermediate.dense"), wide, hidden)?,
            narrow: self.linear(&name("output.dense"), hidden, wide)?,
            narrow_norm: self.norm(&name("output.LayerNorm"))?,
        })
    }
}

impl Layer {
    fn apply(&self, states: &mut [f32], lengths: &[usize], heads: usize) {
        let (query, key, value) =
            (self.query.apply(states), self.key.apply(states), self.value.apply(states));
        let dims = self.output.bias.len();
        let mixed = attention(&query, &key, &value, lengths, dims, heads);
        add(states, &self.output.apply(&mixed));
        self.output_norm.apply(states);

        let mut wide = self.widen.apply(states);
        wide.iter_mut().for_each(|value| *value = gelu(*value));
        add(states, &self.narrow.apply(&wide));
        self.narrow_norm.apply(states);
    }
}

impl Linear {
    /// `weight · states + bias` for every piece.
    fn apply(&self, states: &[f32]) -> Vec<f32> {
        let rows = self.bias.len();
        let columns = self.weight.len() / rows;
        let pieces = states.len() / columns;
        let mut output = self.bias.repeat(pieces);
        matmul(
            MatMut::from_column_major_slice_mut(&mut output, rows, pieces),
            Accum::Add,
            MatRef::from_row_major_slice(&self.weight, rows, columns),
            MatRef::from_column_major_slice(states, columns, pieces),
            1.0,
            Par::Seq,
        );
        output
    }
}

impl LayerNorm {
    fn apply(&self, states: &mut [f32]) {
        let dims = self.weight.len() as f32;
        for state in states.chunks_exact_mut(self.weight.len()) {
            let mean = state.iter().sum::<f32>() / dims;
            let variance = state.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / dims;
            let factor = (variance + self.epsilon).sqrt().recip();
            for ((value, weight), bias) in state.iter_mut().zip(&self.weight).zip(&self.bias) {
                *value = (*value - mean) * factor * weight + bias;
            }
        }
    }
}

/// Each piece's mean of the values of its own text, weighted by how well query and key agree.
fn attention(
    query: &[f32],
    key: &[f32],
    value: &[f32],
    lengths: &[usize],
    dims: usize,
    heads: usize,
) -> Vec<f32> {
    let head_dims = dims / heads;
    let scale = (head_dims as f32).sqrt().recip();
    let mut mixed = vec![0.0; query.len()];
    let mut start = 0;
    for &length in lengths {
        let of_text = start * dims..(start + length) * dims;
        start += length;
        let view = |states| MatRef::from_column_major_slice(states, dims, length);
        let (query, key, value) = (
            view(&query[of_text.clone()]),
            view(&key[of_text.clone()]),
            view(&value[of_text.clone()]),
        );
        let mut mixed = MatMut::from_column_major_slice_mut(&mut mixed[of_text], dims, length);
        let mut weights = vec![0.0; length * length];
        for head in 0..heads {
            let first = head * head_dims;
            matmul(
                MatMut::from_column_major_slice_mut(&mut weights, length, length),
                Accum::Replace,
                key.subrows(first, head_dims).transpose(),
                query.subrows(first, head_dims),
                scale,
                Par::Seq,
            );
            weights.chunks_exact_mut(length).for_each(softmax);
            matmul(
                mixed.as_mut().subrows_mut(first, head_dims),
                Accum::Replace,
                value.subrows(first, head_dims),
                MatRef::from_column_major_slice(&weights, length, length),
                1.0,
                Par::Seq,
            );
        }
    }
    mixed
}

/// The normalised means of each text's states.
fn pooled(states: &[f32], lengths: &[usize], dims: usize) -> Vec<Vec<f32>> {
    let mut rest = states;
    lengths
        .iter()
        .map(|length| {
            let (text, after) = rest.split_at(length * dims);
            rest = after;
            let mut mean = vec![0.0; dims];
            text.chunks_exact(dims).for_each(|state| add(&mut mean, state));
            let length = dot(&mean, &mean).sqrt();
            mean.iter_mut().for_each(|value| *value /= length);
            mean
        })
        .collect()
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
    let total: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= total);
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn add(total: &mut [f32], values: &[f32]) {
    add_scaled(total, values, 1.0);
}

fn add_scaled(total: &mut [f32], values: &[f32], factor: f32) {
    for (total, value) in total.iter_mut().zip(values) {
        *total += factor * value;
    }
}

/// `x Φ(x)`, with the error function of Abramowitz and Stegun 7.1.28 (error below 3e-7).
fn gelu(value: f32) -> f32 {
    const COEFFICIENTS: [f32; 6] = [
        0.000_043_063_8,
        0.000_276_567_2,
        0.000_152_014_3,
        0.009_270_527_2,
        0.042_282_012,
        0.070_523_08,
    ];
    let x = (value * std::f32::consts::FRAC_1_SQRT_2).abs();
    let sum = COEFFICIENTS.iter().fold(0.0, |sum, coefficient| (sum + coefficient) * x) + 1.0;
    let error = (1.0 - sum.powi(16).recip()).copysign(value);
    0.5 * value * (1.0 + error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_is_the_exact_one() {
        for (value, expected) in
            [(0.0, 0.0), (1.0, 0.841_344_7), (-1.0, -0.158_655_3), (3.0, 2.995_950_2), (-30.0, 0.0)]
        {
            assert!((gelu(value) - expected).abs() < 1e-5, "{value}: {}", gelu(value));
        }
    }
}
