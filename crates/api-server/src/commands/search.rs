//! `search`

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use dialog_service::{Evidence, EvidenceRequest, EvidenceSource};
use rag_core::MetadataStore;
use serde_json::json;

use crate::app::App;
use crate::cli::SearchArgs;
use crate::config::{Config, Environment};

/// Retrieval alone: what a dialog would see, with scores.
pub(crate) async fn search(
    args: SearchArgs,
    config: Config,
    environment: Environment,
) -> Result<ExitCode> {
    let app = App::open(config, &environment).await?;
    let found = find(&app, &args).await;
    app.close().await;
    let found = found?;
    for warning in &found.warnings {
        eprintln!("warning: {warning}");
    }
    if args.json {
        println!("{}", json!({ "total": found.total, "passages": found.passages }));
        return Ok(ExitCode::SUCCESS);
    }
    for (number, passage) in found.passages.iter().enumerate() {
        let score = |score: Option<f32>| score.map_or("–".into(), |score| format!("{score:.2}"));
        println!(
            "{}. {} (score {:.2}: text {}, vector {})",
            number + 1,
            passage.location(),
            passage.score,
            score(passage.text_score),
            score(passage.vector_score),
        );
        let text = passage.chunk.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = text.chars().take(240).collect();
        println!("   {shown}{}", if shown.len() < text.len() { "…" } else { "" });
    }
    println!("{} of {} chunks", found.passages.len(), found.total);
    Ok(ExitCode::SUCCESS)
}

async fn find(app: &Arc<App>, args: &SearchArgs) -> Result<Evidence> {
    let (store, tenant, name) = (app.store.clone(), app.tenant(), args.dataset.clone());
    let dataset = app.callers.run(move || store.dataset(&tenant, &name)).await??;
    let dataset = dataset.with_context(|| {
        format!("there is no dataset `{}`; `api-server ingest` makes it", args.dataset)
    })?;
    let settings = &app.config.dialog;
    let request = EvidenceRequest {
        question: args.query.clone(),
        datasets: vec![dataset],
        documents: None,
        top: args.top,
        vector_weight: settings.vector_weight,
        threshold: settings.threshold,
    };
    Ok(app.library.find(request).await?)
}
