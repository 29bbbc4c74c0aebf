//! Keywords and questions of chunks.

use futures::TryStreamExt;
use llm_core::ModelError;
use minijinja::context;
use rag_core::{Chunk, EnrichmentOptions};
use serde::Deserialize;

use super::answers::{json, texts};
use super::asking::Asking;
use super::prompts::{Template, attribute, quoted};

/// What a model finds in a passage.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations {
    keywords: Vec<String>,
    questions: Vec<String>,
}

/// Gives each searched chunk the keywords and questions that are wanted; questions that it came with stay.
pub(crate) async fn annotate(
    asking: &Asking<'_>,
    chunks: Vec<Chunk>,
    options: &EnrichmentOptions,
) -> Result<Vec<Chunk>, ModelError> {
    if options.keywords == 0 && options.questions == 0 {
        return Ok(chunks);
    }
    let prompts = chunks.into_iter().map(|chunk| {
        let prompt = chunk.kind.is_searched().then(|| prompt(&chunk, options));
        (chunk, prompt)
    });
    let answered = asking.ask_each(prompts).map_ok(|(mut chunk, answer)| {
        if let Some(answer) = answer {
            match json::<Annotations>(&answer) {
                Some(found) => add(&mut chunk, found, options),
                None => asking.unreadable(),
            }
        }
        chunk
    });
    answered.try_collect().await
}

fn prompt(chunk: &Chunk, options: &EnrichmentOptions) -> String {
    Template::Annotate.render(context! {
        keywords => options.keywords,
        questions => options.questions,
        headings => attribute(&chunk.headings.join(" › ")),
        text => quoted(&chunk.text),
    })
}

fn add(chunk: &mut Chunk, found: Annotations, options: &EnrichmentOptions) {
    chunk.keywords.extend(texts(found.keywords, options.keywords));
    chunk.questions.extend(texts(found.questions, options.questions));
}
