//! The parts that encoders of BERT's family are made of.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, s};
use serde::Deserialize;

use super::LoadError;
use super::weights::Weights;

/// An affine map.
#[derive(Debug)]
pub(super) struct Linear {
    /// One row for each number of the output.
    weight: Array2<f32>,
    bias: Array1<f32>,
}

impl Linear {
    pub(super) fn read(
        weights: &Weights<'_>,
        name: &str,
        output: usize,
        input: usize,
    ) -> Result<Self, LoadError> {
        Ok(Self {
            weight: weights.matrix(&format!("{name}.weight"), Some(output), input)?,
            bias: weights.vector(&format!("{name}.bias"), output)?,
        })
    }

    /// The map of every row.
    fn apply(&self, states: &Array2<f32>) -> Array2<f32> {
        let mut mapped = Array2::zeros((states.nrows(), self.bias.len()));
        mapped += &self.bias;
        general_mat_mul(1.0, states, &self.weight.t(), 1.0, &mut mapped);
        mapped
    }

    /// Multiplications that one row takes.
    fn operations(&self) -> usize {
        self.weight.len()
    }
}

/// Brings every row to mean 0 and variance 1, then scales and shifts it.
#[derive(Debug)]
pub(super) struct LayerNorm {
    weight: Array1<f32>,
    bias: Array1<f32>,
    epsilon: f32,
}

impl LayerNorm {
    /// Older files call weight and bias gamma and beta.
    pub(super) fn read(
        weights: &Weights<'_>,
        name: &str,
        length: usize,
        epsilon: f32,
    ) -> Result<Self, LoadError> {
        let vector = |new: &str, old: &str| {
            let older = |_| weights.vector(&format!("{name}.{old}"), length);
            weights.vector(&format!("{name}.{new}"), length).or_else(older)
        };
        Ok(Self { weight: vector("weight", "gamma")?, bias: vector("bias", "beta")?, epsilon })
    }

    pub(super) fn apply(&self, states: &mut Array2<f32>) {
        let length = self.weight.len() as f32;
        for mut state in states.rows_mut() {
            let mean = state.sum() / length;
            let variance = state.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / length;
            let factor = (variance + self.epsilon).sqrt().recip();
            for ((value, weight), bias) in state.iter_mut().zip(&self.weight).zip(&self.bias) {
                *value = (*value - mean) * factor * weight + bias;
            }
        }
    }
}

/// What bends the states between the two maps of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Activation {
    #[serde(rename = "gelu")]
    Gelu,
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    GeluTanh,
    #[serde(rename = "relu")]
    Relu,
}

impl Activation {
    fn apply(self, states: &mut Array2<f32>) {
        match self {
            Activation::Gelu => states.mapv_inplace(gelu),
            Activation::GeluTanh => states.mapv_inplace(gelu_tanh),
            Activation::Relu => states.mapv_inplace(|value| value.max(0.0)),
        }
    }
}

/// Where the tensors of a layer are, below the layer's name.
pub(super) struct LayerNames {
    pub(super) query: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'static str,
    pub(super) output: &'static str,
    pub(super) output_norm: &'static str,
    pub(super) widen: &'static str,
    pub(super) narrow: &'static str,
    pub(super) narrow_norm: &'static str,
}

/// The sizes of a layer, and what it bends with.
#[derive(Clone, Copy)]
pub(super) struct LayerSizes {
    pub(super) hidden: usize,
    pub(super) wide: usize,
    pub(super) heads: usize,
    pub(super) epsilon: f32,
    pub(super) activation: Activation,
}

/// A layer: attention among the tokens of a text, then two maps of each token.
#[derive(Debug)]
pub(super) struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    output_norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
    narrow_norm: LayerNorm,
    heads: usize,
    activation: Activation,
}

impl Layer {
    pub(super) fn read(
        weights: &Weights<'_>,
        place: &str,
        names: &LayerNames,
        sizes: LayerSizes,
    ) -> Result<Self, LoadError> {
        let LayerSizes { hidden, wide, heads, epsilon, activation } = sizes;
        let linear = |name: &str, output, input| {
            Linear::read(weights, &format!("{place}.{name}"), output, input)
        };
        let norm =
            |name: &str| LayerNorm::read(weights, &format!("{place}.{name}"), hidden, epsilon);
        Ok(Self {
            query: linear(names.query, hidden, hidden)?,
            key: linear(names.key, hidden, hidden)?,
            value: linear(names.value, hidden, hidden)?,
            output: linear(names.output, hidden, hidden)?,
            output_norm: norm(names.output_norm)?,
            widen: linear(names.widen, wide, hidden)?,
            narrow: linear(names.narrow, hidden, wide)?,
            narrow_norm: norm(names.narrow_norm)?,
            heads,
            activation,
        })
    }

    /// One pass over the states of several texts, each the rows of one of `texts`.
    pub(super) fn apply(&self, states: &mut Array2<f32>, texts: &[Range<usize>]) {
        let mixed = attention(
            &self.query.apply(states),
            &self.key.apply(states),
            &self.value.apply(states),
            texts,
            self.heads,
        );
        *states += &self.output.apply(&mixed);
        self.output_norm.apply(states);

        let mut wide = self.widen.apply(states);
        self.activation.apply(&mut wide);
        *states += &self.narrow.apply(&wide);
        self.narrow_norm.apply(states);
    }

    /// Multiplications that one token takes, attention aside.
    pub(super) fn operations(&self) -> usize {
        [&self.query, &self.key, &self.value, &self.output, &self.widen, &self.narrow]
            .iter()
            .map(|linear| linear.operations())
            .sum()
    }
}

/// Each token's mean of the values of its own text, weighted by how well query and key agree.
fn attention(
    query: &Array2<f32>,
    key: &Array2<f32>,
    value: &Array2<f32>,
    texts: &[Range<usize>],
    heads: usize,
) -> Array2<f32> {
    let width = query.ncols() / heads;
    let scale = (width as f32).sqrt().recip();
    let mut mixed = Array2::zeros(query.dim());
    for text in texts {
        let mut weights = Array2::zeros((text.len(), text.len()));
        for head in 0..heads {
            let part = s![text.clone(), head * width..(head + 1) * width];
            general_mat_mul(scale, &query.slice(part), &key.slice(part).t(), 0.0, &mut weights);
            softmax(&mut weights);
            let mean: ArrayView2<'_, f32> = value.slice(part);
            general_mat_mul(1.0, &weights, &mean, 0.0, &mut mixed.slice_mut(part));
        }
    }
    mixed
}

/// Makes every row positive with the sum 1.
fn softmax(scores: &mut Array2<f32>) {
    for mut row in scores.rows_mut() {
        let largest = row.iter().copied().fold(f32::MIN, f32::max);
        row.mapv_inplace(|score| (score - largest).exp());
        let total = row.sum();
        row /= total;
    }
}

/// `x Φ(x)`, with the error function of Abramowitz and Stegun 7.1.28 (error below 3e-7).
fn gelu(value: f32) -> f32 {
    const COEFFICIENTS: [f32; 6] = [
        0.000_043_063_8,
        0.000_276_567_2,
        0.000_152_014_3,
        0.009_270_527,
        0.042_282_01,
        0.070_523_08,
    ];
    let x = (value * std::f32::consts::FRAC_1_SQRT_2).abs();
    let sum = COEFFICIENTS.iter().fold(0.0, |sum, coefficient| (sum + coefficient) * x) + 1.0;
    let error = (1.0 - sum.powi(16).recip()).copysign(value);
    0.5 * value * (1.0 + error)
}

/// The approximation of [`gelu`] that some models were trained with.
fn gelu_tanh(value: f32) -> f32 {
    let inner = (2.0 / std::f32::consts::PI).sqrt() * (value + 0.044_715 * value.powi(3));
    0.5 * value * (1.0 + inner.tanh())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn gelu_is_the_exact_one() {
        for (value, expected) in
            [(0.0, 0.0), (1.0, 0.841_344_7), (-1.0, -0.158_655_3), (3.0, 2.995_950_2), (-30.0, 0.0)]
        {
            assert!((gelu(value) - expected).abs() < 1e-5, "{value}: {}", gelu(value));
            assert!((gelu_tanh(value) - expected).abs() < 1e-3, "{value}: {}", gelu_tanh(value));
        }
    }

    #[test]
    fn softmax_of_large_scores_is_finite() {
        let mut scores = array![[1000.0, 1000.0], [-1000.0, 1000.0]];
        softmax(&mut scores);
        assert_eq!(scores, array![[0.5, 0.5], [0.0, 1.0]]);
    }

    #[test]
    fn texts_do_not_see_each_other() {
        let states = array![[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]];
        let alone = attention(&states, &states, &states, &[0..2, 2..3], 1);
        assert_eq!(alone.row(2), states.row(2));
        let first = states.slice(s![0..2, ..]).to_owned();
        let both = std::slice::from_ref(&(0..2));
        assert_eq!(alone.slice(s![0..2, ..]), attention(&first, &first, &first, both, 1));
    }
}
