//! `local/static`: the embedding model that is part of the program.

use std::sync::OnceLock;

use llm_core::{
    EmbeddingRequest, EmbeddingResponse, ErrorKind, Execution, Limits, ModelError, ModelInfo,
    ModelKind, ModelName, Operation, Scripts, SyncEmbeddingModel, Usage,
};

use crate::static_table::{StaticTable, TableError};

static BYTES: &[u8] = include_bytes!("../data/static-v1.bin");
static TABLE: OnceLock<Result<StaticTable<'static>, TableError>> = OnceLock::new();

/// The table that is compiled into this crate. The first call reads its vocabulary (some
/// milliseconds); the vectors stay where the program was loaded.
///
/// # Errors
/// [`TableError`] when the program was built with a damaged table.
pub fn embedded_table() -> Result<&'static StaticTable<'static>, &'static TableError> {
    TABLE.get_or_init(|| StaticTable::parse(BYTES)).as_ref()
}

/// A [`SyncEmbeddingModel`] over the embedded [`StaticTable`]: no download, no state, microseconds
/// a text.
///
/// English is what it is good at; text in other scripts is matched by its characters. Queries and
/// documents are embedded alike. Vectors have length 1, for blank texts too (see
/// [`StaticTable::embed`]). Components come in the order of their weight, so that
/// [`EmbeddingRequest::dimensions`] can ask for fewer.
#[derive(Debug, Clone)]
pub struct StaticEmbedding {
    info: ModelInfo,
}

impl StaticEmbedding {
    /// The length of its vectors.
    pub const DIMENSIONS: u32 = 256;

    /// The model `local/static`. Costs nothing: the table is read at the first call.
    pub fn new() -> Self {
        let mut info = ModelInfo::new(ModelName::new("local", "static"), ModelKind::Embedding);
        info.execution = Execution::Sync;
        info.limits =
            Limits { dimensions: Some(Self::DIMENSIONS), batch: Some(1024), ..Limits::default() };
        info.scripts = Some(Scripts::from_iter(["Latn"]));
        info.description = Some(
            "static word-piece embedding distilled from all-MiniLM-L6-v2, part of the program"
                .into(),
        );
        Self { info }
    }
}

impl Default for StaticEmbedding {
    fn default() -> Self {
        Self::new()
    }
}

impl SyncEmbeddingModel for StaticEmbedding {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// # Errors
    /// `InvalidRequest` when other dimensions than 1 to 256 are asked for; `Internal` when the
    /// program was built with a damaged table.
    fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        let table = embedded_table().map_err(|error| {
            failed(ErrorKind::Internal, "the embedded table cannot be read")
                .with_source(error.clone())
        })?;
        let dimensions = wanted_dimensions(request, table.dims())?;

        let mut vectors = Vec::with_capacity(request.inputs.len());
        let mut tokens = 0;
        for input in &request.inputs {
            let (vector, pieces) = table.embed_shortened(input, dimensions);
            vectors.push(vector);
            tokens += pieces as u64;
        }
        Ok(EmbeddingResponse {
            vectors,
            model: Some(self.info.name.model.clone()),
            usage: Usage { input_tokens: Some(tokens), ..Usage::default() },
            warnings: Vec::new(),
        })
    }
}

fn wanted_dimensions(request: &EmbeddingRequest, dims: usize) -> Result<usize, ModelError> {
    let Some(wanted) = request.dimensions else { return Ok(dims) };
    match usize::try_from(wanted) {
        Ok(wanted) if (1..=dims).contains(&wanted) => Ok(wanted),
        _ => Err(failed(
            ErrorKind::InvalidRequest,
            format!("{wanted} dimensions were asked for, this model gives 1 to {dims}"),
        )
        .with_param("dimensions")),
    }
}

fn failed(kind: ErrorKind, message: impl Into<String>) -> ModelError {
    ModelError::new(kind, Operation::Embed, message).at("local", "static")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embed(texts: &[&str]) -> Vec<Vec<f32>> {
        let request = EmbeddingRequest::documents(texts.iter().copied());
        StaticEmbedding::new().embed(&request).unwrap().vectors
    }

    fn cosine(left: &[f32], right: &[f32]) -> f32 {
        left.iter().zip(right).map(|(left, right)| left * right).sum()
    }

    #[test]
    fn the_embedded_table_has_the_declared_dimensions() {
        assert_eq!(embedded_table().unwrap().dims(), StaticEmbedding::DIMENSIONS as usize);
    }

    #[test]
    fn texts_on_one_subject_are_near() {
        let [question, right, wrong] = embed(&[
            "How do plants make sugar from sunlight?",
            "Photosynthesis is the process by which leaves turn light into chemical energy.",
            "The parliament passed the budget after a long debate.",
        ])
        .try_into()
        .unwrap();
        assert!(cosine(&question, &right) > cosine(&question, &wrong) + 0.1);
    }

    #[test]
    fn every_text_has_a_vector_of_length_one() {
        for vector in embed(&["", "   ", "tea", "\u{0}", "東京タワー", "🦀", &"long ".repeat(5000)])
        {
            assert_eq!(vector.len(), 256);
            assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn fewer_dimensions_are_a_shorter_vector_of_length_one() {
        let model = StaticEmbedding::new();
        let with = |dimensions| EmbeddingRequest {
            dimensions: Some(dimensions),
            ..EmbeddingRequest::query("green tea")
        };
        let short = &model.embed(&with(64)).unwrap().vectors[0];
        assert_eq!(short.len(), 64);
        assert!((cosine(short, short) - 1.0).abs() < 1e-4);
        for refused in [0, 257, u32::MAX] {
            let error = model.embed(&with(refused)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert_eq!(error.param(), Some("dimensions"));
        }
    }

    #[test]
    fn usage_counts_word_pieces() {
        let request = EmbeddingRequest::documents(["green tea", "", "tea!"]);
        let response = StaticEmbedding::new().embed(&request).unwrap();
        assert_eq!(response.vectors.len(), 3);
        assert_eq!(response.usage.input_tokens, Some(4));
    }
}
