//! `search`

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use rag_core::PhraseUse;
use rag_retrieve::{Explanation, Retrieval};

use crate::app::App;
use crate::cli::SearchArgs;
use crate::config::{Config, Environment};
use crate::search::{SearchSpec, search as retrieve};

/// Retrieval alone: what a dialog would see, with scores.
pub(crate) async fn search(
    args: SearchArgs,
    config: Config,
    environment: Environment,
) -> Result<ExitCode> {
    let app = App::open(config, &environment).await?;
    let found = retrieve(&app, &app.bundle, spec(&args)).await;
    app.close().await;
    let found = found?;
    for warning in &found.warnings {
        eprintln!("warning: {warning}");
    }
    match args.json {
        true => writeln!(io::stdout(), "{}", serde_json::to_string(&found)?)?,
        false => print(&found, &args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn spec(args: &SearchArgs) -> SearchSpec {
    SearchSpec {
        query: args.query.clone(),
        datasets: args.dataset.clone(),
        filter: args.filter.clone(),
        top: args.top,
        skip: args.skip,
        vector_weight: args.vector_weight,
        threshold: args.threshold,
        rerank: args.rerank.clone(),
        diversity: args.diversity,
        neighbours: args.neighbours,
        phrases: if args.exact { PhraseUse::Require } else { PhraseUse::Prefer },
        ..SearchSpec::default()
    }
}

fn print(found: &Retrieval, args: &SearchArgs) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for (number, passage) in found.chunks.iter().enumerate() {
        writeln!(
            stdout,
            "{}. {} (score {:.2})",
            args.skip + number + 1,
            passage.chunk.location(&passage.document_name),
            passage.score
        )?;
        if args.explain {
            writeln!(stdout, "   {}", explained(&passage.why))?;
        }
        for chunk in passage.before.iter().chain([&passage.chunk]).chain(&passage.after) {
            writeln!(stdout, "   {}", shortened(&chunk.text))?;
        }
    }
    writeln!(stdout, "{} of {} chunks", found.chunks.len(), found.total)
}

/// What a score is made of, as a sum.
fn explained(why: &Explanation) -> String {
    let weight = why.vector_weight;
    let raw = |score: Option<f32>| score.map_or("not found".into(), |score| format!("{score:.2}"));
    let mut parts = vec![format!(
        "{:.2} = {:.2} × coverage {:.2} (BM25 {}) + {weight:.2} × nearness {:.2} (cosine {})",
        why.fused,
        1.0 - weight,
        why.coverage,
        raw(why.text),
        why.nearness,
        raw(why.vector),
    )];
    parts.extend(why.rerank.map(|score| format!("reranked {score:.2}")));
    let added = [("page rank", why.page_rank), ("tags", why.tags)];
    let added = added.iter().filter(|(_, added)| *added > 0.0);
    parts.extend(added.map(|(name, added)| format!("{name} +{added:.2}")));
    if why.redundancy > 0.0 {
        parts.push(format!("{:.0} % said before", why.redundancy * 100.0));
    }
    if why.parts > 1 {
        parts.push(format!("{} parts found", why.parts));
    }
    parts.join("; ")
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 240;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
