//! Principal components: the directions in which vectors differ most.

use anyhow::{Result, anyhow};
use faer::{Accum, Mat, MatRef, Par, Side, linalg::matmul::matmul};

/// An orthogonal projection onto the first principal components of some vectors.
pub struct Projection {
    mean: Vec<f32>,
    /// One component after the other, the strongest first.
    components: Vec<Vec<f32>>,
    /// The share of the variance that the components hold.
    pub kept: f32,
}

impl Projection {
    /// The first `count` components of equally long vectors.
    pub fn fit(vectors: &[&[f32]], count: usize) -> Result<Self> {
        let dims = vectors.first().map_or(0, |vector| vector.len());
        let mean = mean(vectors, dims);
        let centred: Vec<f32> = vectors
            .iter()
            .flat_map(|vector| vector.iter().zip(&mean).map(|(v, m)| v - m))
            .collect();
        let centred = MatRef::from_column_major_slice(&centred, dims, vectors.len());
        let mut covariance = Mat::<f32>::zeros(dims, dims);
        matmul(&mut covariance, Accum::Replace, centred, centred.transpose(), 1.0, Par::rayon(0));

        let eigen = covariance
            .self_adjoint_eigen(Side::Lower)
            .map_err(|error| anyhow!("no principal components: {error:?}"))?;
        let strongest_first = || (0..dims).rev();
        let variance = |index: usize| eigen.S().column_vector()[index];
        let total: f32 = strongest_first().map(variance).sum();
        Ok(Self {
            mean,
            components: strongest_first()
                .take(count)
                .map(|index| eigen.U().col(index).iter().copied().collect())
                .collect(),
            kept: strongest_first().take(count).map(variance).sum::<f32>() / total,
        })
    }

    /// The coordinates of a vector, relative to the mean of those that the projection was made of.
    pub fn apply(&self, vector: &[f32]) -> Vec<f32> {
        self.components
            .iter()
            .map(|component| {
                vector.iter().zip(&self.mean).zip(component).map(|((v, m), c)| (v - m) * c).sum()
            })
            .collect()
    }

    /// The vector along the components, without moving the origin: with as many components as
    /// dimensions, products of vectors stay as they are.
    pub fn turn(&self, vector: &[f32]) -> Vec<f32> {
        let along = |component: &Vec<f32>| vector.iter().zip(component).map(|(v, c)| v * c).sum();
        self.components.iter().map(along).collect()
    }
}

fn mean(vectors: &[&[f32]], dims: usize) -> Vec<f32> {
    let mut sum = vec![0.0f64; dims];
    for vector in vectors {
        sum.iter_mut().zip(*vector).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sum.iter().map(|sum| (sum / vectors.len().max(1) as f64) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_component_is_where_vectors_differ_most() {
        let vectors = [[5.0, 1.0], [6.0, 2.1], [7.0, 2.9], [8.0, 4.0]];
        let vectors: Vec<&[f32]> = vectors.iter().map(|vector| &vector[..]).collect();
        let projection = Projection::fit(&vectors, 1).unwrap();
        let places: Vec<f32> = vectors.iter().flat_map(|vector| projection.apply(vector)).collect();
        assert!(places.is_sorted() || places.is_sorted_by(|a, b| a >= b), "{places:?}");
        assert!((places[0] - places[3]).abs() > 4.0);
        assert!(projection.kept > 0.99);
    }
}
