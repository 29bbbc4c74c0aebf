//! Addresses of the server that are registered without a description: `routes!` describes, `route` does not.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::run;

/// What is registered without: pages, a protocol that describes itself, and what refuses whatever else is asked.
const UNDESCRIBED: [&str; 8] = [
    "\"/mcp\", any",
    "\"/\", get",
    "\"/{file}\", get",
    "\"/assets/{*file}\", get",
    "\"/docs\", get",
    "\"/docs/{file}\", get",
    "\"/api/v1/{*rest}\", any(unknown)",
    "&path, any(not_spoken)",
];

/// Fails when the server has an address that `GET /openapi.json` does not tell of.
pub(crate) fn check() -> Result<()> {
    let mut wrong = Vec::new();
    look(&run::root().join("crates/api-server/src/http"), &mut wrong)?;
    for line in &wrong {
        eprintln!("tidy: {line}");
    }
    match wrong.len() {
        0 => Ok(()),
        count => bail!("{count} addresses without a description; register them with `routes!`"),
    }
}

fn look(folder: &Path, wrong: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            look(&path, wrong)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let found = undescribed(&fs::read_to_string(&path)?);
            wrong.extend(found.into_iter().map(|call| format!("{}: {call}", path.display())));
        }
    }
    Ok(())
}

/// The calls of `route` that are not among those that may be.
fn undescribed(code: &str) -> Vec<String> {
    let calls = code.split(".route(").skip(1).map(|rest| {
        let words = rest.chars().take(120).collect::<String>();
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    let is_known = |call: &String| UNDESCRIBED.iter().any(|known| call.starts_with(known));
    calls.filter(|call| !is_known(call)).map(|call| call.chars().take(60).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::undescribed;

    #[test]
    fn finds_what_is_registered_without_a_description() {
        let code = r#"
            Router::new()
                .routes(routes!(chat::completions))
                .route("/", get(page::index))
                .route(
                    "/v1/audio",
                    post(audio))
        "#;
        assert_eq!(undescribed(code), ["\"/v1/audio\", post(audio))"]);
    }
}
