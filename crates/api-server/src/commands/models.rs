//! `models`

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use llm_core::Prices;
use serde_json::json;

use crate::app::App;
use crate::catalogue::entries;
use crate::cli::ModelsArgs;
use crate::config::{Config, Environment};

/// Lists what can be asked, with kind, context, prices for a million tokens and where the key comes from.
pub(crate) async fn models(
    args: ModelsArgs,
    config: Config,
    environment: Environment,
) -> Result<ExitCode> {
    let app = App::open(config, &environment).await?;
    let key_of = |owner: &str| {
        let provider = app.setup.providers.iter().find(|provider| provider.name == owner);
        provider.map_or("", |provider| provider.key_source.as_str())
    };
    for entry in entries(&app).await? {
        let prices = entry.info.as_ref().and_then(|info| info.prices.clone());
        let limits = entry.info.as_ref().map(|info| info.limits.clone()).unwrap_or_default();
        if args.json {
            writeln!(
                io::stdout(),
                "{}",
                json!({
                    "id": entry.id, "kind": entry.kind, "owner": entry.owner, "limits": limits,
                    "prices": prices, "key": key_of(&entry.owner),
                })
            )?;
            continue;
        }
        let context = limits.context_tokens.map_or("?".into(), |tokens| tokens.to_string());
        let key = match key_of(&entry.owner) {
            "" => "no key needed",
            source => source,
        };
        let price = price(prices.as_ref());
        let (id, kind) = (entry.id, entry.kind);
        writeln!(io::stdout(), "{id:<40} {kind:<13} context {context:<8} {price:<16} {key}")?;
    }
    for provider in app.setup.providers.iter().filter(|provider| provider.default_model.is_none()) {
        let name = &provider.name;
        if !args.json {
            writeln!(
                io::stdout(),
                "{:<40} {:<13} context {:<8} {:<16} {}",
                format!("{name}/…"),
                "any",
                "?",
                "",
                provider.key_source
            )?;
        }
    }
    app.close().await;
    Ok(ExitCode::SUCCESS)
}

/// What a million tokens of prompt and answer cost, where that is known.
fn price(prices: Option<&Prices>) -> String {
    let Some(prices) = prices else {
        return String::new();
    };
    let dollars = |price: Option<f64>| {
        price.map_or("?".to_owned(), |price| format!("${}", (price * 1e10).round() / 1e4))
    };
    match (prices.input, prices.output) {
        (None, None) => String::new(),
        (input, None) => dollars(input),
        (input, output) => format!("{}/{}", dollars(input), dollars(output)),
    }
}
