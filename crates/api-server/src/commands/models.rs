//! `models`

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::app::App;
use crate::catalogue::entries;
use crate::cli::ModelsArgs;
use crate::config::{Config, Environment};

/// Lists what can be asked, with kind, context and where the key comes from.
pub(crate) async fn models(
    args: ModelsArgs,
    config: Config,
    environment: Environment,
) -> Result<ExitCode> {
    let app = App::open(config, &environment).await?;
    let key_of = |owner: &str| {
        let provider = app.providers.iter().find(|provider| provider.name == owner);
        provider.map_or("", |provider| provider.key_source.as_str())
    };
    for entry in entries(&app).await? {
        let limits = entry.info.as_ref().map(|info| info.limits.clone()).unwrap_or_default();
        if args.json {
            println!(
                "{}",
                json!({
                    "id": entry.id, "kind": entry.kind, "owner": entry.owner, "limits": limits,
                    "key": key_of(&entry.owner),
                })
            );
            continue;
        }
        let context = limits.context_tokens.map_or("?".into(), |tokens| tokens.to_string());
        let key = match key_of(&entry.owner) {
            "" => "no key needed",
            source => source,
        };
        println!("{:<40} {:<10} context {:<8} {key}", entry.id, entry.kind, context);
    }
    for provider in app.providers.iter().filter(|provider| provider.default_model.is_none()) {
        let name = &provider.name;
        if !args.json {
            println!(
                "{:<40} {:<10} context {:<8} {}",
                format!("{name}/…"),
                "any",
                "?",
                provider.key_source
            );
        }
    }
    app.close().await;
    Ok(ExitCode::SUCCESS)
}
