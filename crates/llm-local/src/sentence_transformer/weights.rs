//! Tensors of a safetensors file, as numbers.

use std::path::Path;

use ndarray::{Array1, Array2};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::LoadError;

/// The tensors of a model, under the names that its encoder has without what stands before it in a larger model.
pub(super) struct Weights<'a> {
    tensors: SafeTensors<'a>,
    prefix: String,
}

impl<'a> Weights<'a> {
    /// Finds the tensors in the bytes of a safetensors file. `known` is the name of one that every model has; what
    /// stands before it in the file stands before all names.
    pub(super) fn find(bytes: &'a [u8], path: &Path, known: &str) -> Result<Self, LoadError> {
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|source| LoadError::Weights { path: path.to_owned(), source })?;
        let names = tensors.names();
        let prefix = names.iter().find_map(|name| name.strip_suffix(known)).map(str::to_owned);
        let prefix = prefix.ok_or_else(|| failed(known, "is missing"))?;
        Ok(Self { tensors, prefix })
    }

    /// A matrix of this many rows and columns; `None` takes any number of rows.
    pub(super) fn matrix(
        &self,
        name: &str,
        rows: Option<usize>,
        columns: usize,
    ) -> Result<Array2<f32>, LoadError> {
        let tensor = self.tensor(name)?;
        let shape = match *tensor.shape() {
            [found, width] if width == columns && rows.is_none_or(|rows| rows == found) => {
                (found, width)
            }
            _ => return Err(other_shape(name, &tensor)),
        };
        Array2::from_shape_vec(shape, numbers(name, &tensor)?)
            .map_err(|_| other_shape(name, &tensor))
    }

    /// A vector of this length.
    pub(super) fn vector(&self, name: &str, length: usize) -> Result<Array1<f32>, LoadError> {
        let tensor = self.tensor(name)?;
        match *tensor.shape() {
            [found] if found == length => Ok(numbers(name, &tensor)?.into()),
            _ => Err(other_shape(name, &tensor)),
        }
    }

    fn tensor(&self, name: &str) -> Result<TensorView<'a>, LoadError> {
        self.tensors
            .tensor(&format!("{}{name}", self.prefix))
            .map_err(|_| failed(name, "is missing"))
    }
}

fn numbers(name: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>, LoadError> {
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => {
            Ok(data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
        }
        Dtype::F16 => Ok(shorts(data).map(f32_of_f16).collect()),
        Dtype::BF16 => Ok(shorts(data).map(|bits| f32::from_bits(u32::from(bits) << 16)).collect()),
        other => Err(failed(name, &format!("has numbers of the type {other:?}"))),
    }
}

fn shorts(data: &[u8]) -> impl Iterator<Item = u16> {
    data.as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes))
}

/// IEEE 754 half precision: 1 bit sign, 5 bits exponent, 10 bits fraction.
fn f32_of_f16(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f32::from(bits & 0x3ff);
    let size = match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    };
    sign * size
}

fn other_shape(name: &str, tensor: &TensorView<'_>) -> LoadError {
    failed(name, &format!("has the shape {:?}", tensor.shape()))
}

fn failed(name: &str, problem: &str) -> LoadError {
    LoadError::Tensor { name: name.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_exact() {
        for (bits, expected) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x7bff, 65504.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(f32_of_f16(bits), expected, "{bits:#x}");
        }
        assert!(f32_of_f16(0x7e00).is_nan());
    }
}
