//! From the states of a text's tokens to one vector.

use std::path::Path;

use ndarray::{Array1, ArrayView2, Axis};
use serde::Deserialize;

use super::LoadError;
use super::directory::required;

/// How the states of a text's tokens become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean.
    Mean,
    /// The state of the first token.
    First,
    /// The largest of each component.
    Largest,
}

/// `config.json` of a pooling module.
#[derive(Deserialize)]
#[serde(default)]
struct PoolingConfig {
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
    include_prompt: bool,
}

impl Default for PoolingConfig {
    fn default() -> Self {
        Self {
            pooling_mode_cls_token: false,
            pooling_mode_mean_tokens: false,
            pooling_mode_max_tokens: false,
            pooling_mode_mean_sqrt_len_tokens: false,
            pooling_mode_weightedmean_tokens: false,
            pooling_mode_lasttoken: false,
            include_prompt: true,
        }
    }
}

impl Pooling {
    pub(super) fn read(path: &Path) -> Result<Self, LoadError> {
        let config: PoolingConfig = required(path)?;
        if !config.include_prompt {
            return Err(LoadError::Unsupported("pooling without the prompt's tokens".into()));
        }
        let others = config.pooling_mode_mean_sqrt_len_tokens
            || config.pooling_mode_weightedmean_tokens
            || config.pooling_mode_lasttoken;
        let PoolingConfig {
            pooling_mode_cls_token: first,
            pooling_mode_mean_tokens: mean,
            pooling_mode_max_tokens: largest,
            ..
        } = config;
        match (first, mean, largest, others) {
            (false, true, false, false) => Ok(Pooling::Mean),
            (true, false, false, false) => Ok(Pooling::First),
            (false, false, true, false) => Ok(Pooling::Largest),
            _ => Err(LoadError::Unsupported(format!("the pooling of {}", path.display()))),
        }
    }

    /// The vector of a text, one row a token. Zeros for a text without tokens.
    pub(super) fn pool(self, states: ArrayView2<'_, f32>) -> Array1<f32> {
        let zeros = || Array1::zeros(states.ncols());
        match self {
            Pooling::Mean => states.mean_axis(Axis(0)).unwrap_or_else(zeros),
            Pooling::First => {
                states.rows().into_iter().next().map_or_else(zeros, |row| row.to_owned())
            }
            Pooling::Largest if states.is_empty() => zeros(),
            Pooling::Largest => states.fold_axis(Axis(0), f32::MIN, |most, value| most.max(*value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn each_way_of_pooling() {
        let states = array![[1.0, 4.0], [3.0, 0.0]];
        for (pooling, expected) in [
            (Pooling::Mean, [2.0, 2.0]),
            (Pooling::First, [1.0, 4.0]),
            (Pooling::Largest, [3.0, 4.0]),
        ] {
            assert_eq!(pooling.pool(states.view()).to_vec(), expected, "{pooling:?}");
            assert_eq!(pooling.pool(Array2::zeros((0, 2)).view()).to_vec(), [0.0; 2]);
        }
    }
}
