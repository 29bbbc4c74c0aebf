//! Having a vision model read what only a model can: scanned pages and figures.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt, stream};
use llm_core::{Media, MediaSource, VisionModel, VisionRequest};
use rag_core::{
    ArtifactKey, ArtifactKind, IngestStage, ParseRequest, ParsedDocument, Picture, PictureKind,
};

use crate::artifacts;
use crate::held_job::HeldJob;
use crate::patience;
use crate::pictures::with_pictures_read;
use crate::pipeline::TextsOf;
use crate::trouble::{Trouble, one_line};

/// Pictures of one document that are read at once.
const AT_ONCE: usize = 4;

/// The document with what its pictures say, in their places, and without the pictures. A page of text that cannot be
/// read fails the document, since what is missing would never be noticed; a figure costs a warning.
pub(crate) async fn describe(
    held: &HeldJob,
    mut parsed: ParsedDocument,
) -> Result<ParsedDocument, Trouble> {
    let Some(vision) = &held.shared().parts.vision else {
        parsed.pictures.clear();
        return Ok(parsed);
    };
    if parsed.pictures.is_empty() {
        return Ok(parsed);
    }
    let model = vision(TextsOf::job(held.job()))?;
    held.enter(IngestStage::Describe);
    let pictures = std::mem::take(&mut parsed.pictures);
    let count = pictures.len() as u64;
    let readings: Vec<(Picture, Reading)> = stream::iter(pictures)
        .map(|picture| read_one(held, &model, picture, count))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    splice(held, parsed, readings).await
}

/// What came of a picture.
enum Reading {
    /// Markdown.
    Text(String),
    /// Why a figure has no description.
    Missing(String),
}

async fn read_one(
    held: &HeldJob,
    model: &Arc<dyn VisionModel>,
    picture: Picture,
    count: u64,
) -> Result<(Picture, Reading), Trouble> {
    let picture = Arc::new(picture);
    let reading = read(held, model, &picture).await?;
    held.advanced(1, count);
    Ok((Arc::unwrap_or_clone(picture), reading))
}

async fn read(
    held: &HeldJob,
    model: &Arc<dyn VisionModel>,
    picture: &Arc<Picture>,
) -> Result<Reading, Trouble> {
    // Pictures are large: what is done for each of their bytes is the pool's.
    let (of, name) = (picture.clone(), model.info().name.to_string());
    let key = held.shared().on_pool(move || key(&name, &of)).await?;
    let kept = held.artifacts().find(vec![key]).await.pop().flatten();
    if let Some(text) = kept.and_then(|bytes| String::from_utf8(bytes).ok()) {
        return Ok(Reading::Text(text));
    }
    let of = picture.clone();
    let encode = move || STANDARD.encode(&of.bytes);
    let encoded = held.shared().on_pool(encode).await?;
    let request = VisionRequest {
        model: model.info().name.model.clone(),
        image: Media {
            media_type: Some(picture.media_type.clone()),
            ..Media::new(MediaSource::Base64(encoded))
        },
        prompt: Some(prompt(picture.kind).to_owned()),
        extra_body: Default::default(),
        extra_headers: Default::default(),
    };
    match patience::ask(held.shared(), || model.describe(request.clone())).await {
        Ok(description) => {
            held.artifacts().keep(vec![(key, description.text.clone().into_bytes())]).await;
            Ok(Reading::Text(description.text))
        }
        Err(error) => {
            let reason = format!("{} could not be read: {}", place_of(picture), one_line(&error));
            match picture.kind {
                PictureKind::Figure => Ok(Reading::Missing(reason)),
                _ => Err(Trouble::Failed(reason)),
            }
        }
    }
}

fn key(model: &str, picture: &Picture) -> ArtifactKey {
    let parts = [
        model.as_bytes(),
        prompt(picture.kind).as_bytes(),
        picture.media_type.as_bytes(),
        &picture.bytes,
    ];
    artifacts::key(ArtifactKind::Description, &parts)
}

fn prompt(kind: PictureKind) -> &'static str {
    match kind {
        PictureKind::Page => include_str!("../../prompts/page.txt"),
        _ => include_str!("../../prompts/figure.txt"),
    }
}

fn place_of(picture: &Picture) -> String {
    match (picture.kind, picture.place.page) {
        (PictureKind::Page, Some(page)) => format!("page {page}"),
        (PictureKind::Page, None) => "a page".to_owned(),
        (_, Some(page)) => format!("a figure on page {page}"),
        (_, None) => "a figure".to_owned(),
    }
}

/// Puts the readings into the document. They are Markdown, which the pipeline's own parser gives its structure.
async fn splice(
    held: &HeldJob,
    parsed: ParsedDocument,
    readings: Vec<(Picture, Reading)>,
) -> Result<ParsedDocument, Trouble> {
    let shared = held.shared();
    let parser = shared.parts.parser.clone();
    let work = move || {
        let mut parsed = parsed;
        let mut texts = Vec::new();
        for (picture, reading) in readings {
            match reading {
                // A blank answer has no structure: nothing was on the picture.
                Reading::Text(text) => {
                    let request = ParseRequest::new("picture.md", text.as_bytes());
                    let read = parser.parse(&request).ok();
                    texts.extend(read.map(|read| (picture, read)));
                }
                Reading::Missing(reason) => parsed.warnings.push(reason),
            }
        }
        with_pictures_read(parsed, texts)
    };
    Ok(shared.on_pool(work).await?)
}
