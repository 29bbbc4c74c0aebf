//! [`EmbeddingQuirks`]: how one provider's embeddings differ from OpenAI's, as data.

use llm_core::EmbeddingPurpose;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Differences of one provider's embeddings. `Default` is OpenAI's own form, which takes no purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingQuirks {
    /// The form of request and answer.
    pub shape: EmbeddingShape,
    /// How the provider is told what the vectors are for; `None` where it does not ask.
    pub purpose: Option<PurposeField>,
    /// What the provider calls `dimensions`.
    pub dimensions: Option<String>,
    /// What is sent as `encoding_format` where it is not `float`.
    pub encoding: Option<String>,
    /// How the provider writes numbers unless the request says otherwise.
    pub numbers: Numbers,
    /// The field of a request (in its `extra_body`) that says otherwise, in the words of [`Numbers`].
    pub numbers_field: Option<String>,
    /// The most inputs of one call.
    pub batch: Option<u32>,
    /// Parameters that the provider refuses (`dimensions`, `user`), besides [`Quirks::drop`](crate::Quirks::drop).
    pub drop: Vec<String>,
    /// Differences of families of models. The first rule that fits a model's name holds.
    pub models: Vec<EmbeddingRule>,
}

/// The form of request and answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmbeddingShape {
    /// `embeddings`: `{model, input}` → `{data: [{index, embedding}]}`.
    #[default]
    #[serde(rename = "openai")]
    OpenAi,
    /// `embed` of Text Embeddings Inference: `{inputs}` → `[[…]]`; the server has one model.
    Tei,
}

/// A field that tells what vectors are for, and the provider's words for it. A purpose without a word is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct PurposeField {
    /// Its name (`input_type`, `task` …).
    pub field: String,
    pub document: Option<String>,
    pub query: Option<String>,
    pub classification: Option<String>,
    pub clustering: Option<String>,
    pub similarity: Option<String>,
}

impl PurposeField {
    fn word(&self, purpose: EmbeddingPurpose) -> Option<&str> {
        let word = match purpose {
            EmbeddingPurpose::Document => &self.document,
            EmbeddingPurpose::Query => &self.query,
            EmbeddingPurpose::Classification => &self.classification,
            EmbeddingPurpose::Clustering => &self.clustering,
            EmbeddingPurpose::Similarity => &self.similarity,
            _ => &None,
        };
        word.as_deref()
    }
}

/// Differences of the models whose names begin so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingRule {
    /// Beginnings of names.
    pub prefixes: Vec<String>,
    /// They are not told what the vectors are for.
    pub no_purpose: bool,
    /// Replaces [`EmbeddingQuirks::batch`].
    pub batch: Option<u32>,
    /// Adds to [`EmbeddingQuirks::drop`].
    pub drop: Vec<String>,
}

/// How the numbers of a vector are written, as JSON numbers or as bytes in base64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// As they are; in base64 as little-endian 32-bit floats.
    #[default]
    Float,
    /// Signed bytes. Only their direction means something, as in every quantized form.
    #[serde(alias = "base64_int8")]
    Int8,
    /// Unsigned bytes.
    Uint8,
    /// Eight numbers in a signed byte, a bit each, the highest first; 128 is taken off the byte. A set bit becomes 1, the
    /// others -1.
    Binary,
    /// The same in an unsigned byte.
    #[serde(alias = "base64_binary")]
    Ubinary,
}

impl EmbeddingQuirks {
    /// The most inputs of one call for a model.
    pub fn batch_of(&self, model: &str) -> Option<u32> {
        self.rule_for(model).and_then(|rule| rule.batch).or(self.batch)
    }

    /// The field and the word that tell a model what vectors are for.
    pub(crate) fn purpose_of(
        &self,
        model: &str,
        purpose: EmbeddingPurpose,
    ) -> Option<(&str, &str)> {
        if self.rule_for(model).is_some_and(|rule| rule.no_purpose) {
            return None;
        }
        let field = self.purpose.as_ref()?;
        Some((&field.field, field.word(purpose)?))
    }

    /// Whether a model refuses a parameter.
    pub(crate) fn drops(&self, model: &str, parameter: &str) -> bool {
        let of_model = self.rule_for(model).map_or(&[][..], |rule| &rule.drop);
        self.drop.iter().chain(of_model).any(|name| name == parameter)
    }

    /// How the answer to a request with these fields writes numbers.
    pub(crate) fn numbers_of(&self, fields: &Map<String, Value>) -> Numbers {
        let field = self.numbers_field.as_deref().unwrap_or("encoding_format");
        let asked = fields.get(field).cloned().and_then(|word| serde_json::from_value(word).ok());
        asked.unwrap_or(self.numbers)
    }

    fn rule_for(&self, model: &str) -> Option<&EmbeddingRule> {
        let begins = |names: &[String]| names.iter().any(|name| model.starts_with(name.as_str()));
        self.models.iter().find(|rule| begins(&rule.prefixes))
    }
}

impl Numbers {
    /// Numbers out of bytes; `None` when the bytes end in the middle of one.
    pub(crate) fn of_bytes(self, bytes: &[u8]) -> Option<Vec<f32>> {
        Some(match self {
            Numbers::Float => {
                let (chunks, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return None;
                }
                chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
            }
            Numbers::Int8 => bytes.iter().map(|byte| f32::from(byte.cast_signed())).collect(),
            Numbers::Uint8 => bytes.iter().map(|byte| f32::from(*byte)).collect(),
            Numbers::Binary => bytes.iter().flat_map(|byte| bits(byte ^ 0x80)).collect(),
            Numbers::Ubinary => bytes.iter().flat_map(|byte| bits(*byte)).collect(),
        })
    }

    /// Numbers out of JSON numbers; `None` when one of them is none of these.
    pub(crate) fn of_numbers(self, numbers: Vec<f32>) -> Option<Vec<f32>> {
        let packed = |lowest: f32| -> Option<Vec<f32>> {
            let whole = |number: &f32| {
                let byte = number - lowest;
                (byte.fract() == 0.0 && (0.0..=255.0).contains(&byte)).then_some(byte as u8)
            };
            let bytes = numbers.iter().map(whole).collect::<Option<Vec<_>>>()?;
            Some(bytes.into_iter().flat_map(bits).collect())
        };
        match self {
            Numbers::Float | Numbers::Int8 | Numbers::Uint8 => Some(numbers),
            Numbers::Binary => packed(-128.0),
            Numbers::Ubinary => packed(0.0),
        }
    }
}

fn bits(byte: u8) -> impl Iterator<Item = f32> {
    (0..8).map(move |at| if byte & (0x80 >> at) == 0 { -1.0 } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_out_of_bytes() {
        let bits = vec![1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, 1.0];
        for (numbers, bytes, expected) in [
            (Numbers::Float, &[0, 0, 128, 63][..], Some(vec![1.0])),
            (Numbers::Float, &[0, 0, 128], None),
            (Numbers::Int8, &[255, 1], Some(vec![-1.0, 1.0])),
            (Numbers::Uint8, &[255, 1], Some(vec![255.0, 1.0])),
            (Numbers::Ubinary, &[0x81], Some(bits.clone())),
            (Numbers::Binary, &[0x01], Some(bits.clone())),
        ] {
            assert_eq!(numbers.of_bytes(bytes), expected, "{numbers:?}");
        }
        for (numbers, written, expected) in [
            (Numbers::Int8, vec![-7.0], Some(vec![-7.0])),
            (Numbers::Ubinary, vec![129.0], Some(bits.clone())),
            (Numbers::Binary, vec![1.0], Some(bits)),
            (Numbers::Ubinary, vec![-1.0], None),
            (Numbers::Binary, vec![0.5], None),
        ] {
            assert_eq!(numbers.of_numbers(written), expected, "{numbers:?}");
        }
    }

    #[test]
    fn a_request_says_how_numbers_are_written() {
        let quirks = EmbeddingQuirks {
            numbers_field: Some("output_dtype".into()),
            ..EmbeddingQuirks::default()
        };
        let numbers =
            |word: Value| quirks.numbers_of(&Map::from_iter([("output_dtype".to_owned(), word)]));
        assert_eq!(numbers("int8".into()), Numbers::Int8);
        assert_eq!(numbers(Value::Null), Numbers::Float);
        assert_eq!(numbers("base64_int8".into()), Numbers::Int8);
    }
}
