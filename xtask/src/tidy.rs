//! `cargo xtask tidy`: the crate edges of `docs/architecture.md`, read off `cargo metadata`; and that what the server answers
//! is described.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::undescribed;

/// A crate, the workspace crates that it may depend on, and the outside crates that it must not know.
struct Rule {
    name: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
}

const HTTP: &[&str] = &["hyper", "hyper-util", "reqwest", "axum", "tower-http"];
const ENGINES: &[&str] = &["rusqlite", "tantivy", "tokio-postgres"];

/// The layers, bottom up. Development dependencies are free, so that tests can use `testkit`.
const RULES: &[Rule] = &[
    Rule { name: "service-guards", may: &[], never: HTTP },
    Rule {
        name: "llm-core",
        may: &["service-guards"],
        never: &["tokio", "hyper", "reqwest", "axum", "tower"],
    },
    Rule {
        name: "llm-tokens",
        may: &["llm-core"],
        never: &["tokio", "futures", "hyper", "reqwest", "axum", "tower"],
    },
    Rule {
        name: "rag-core",
        may: &[],
        never: &["tokio", "futures", "hyper", "reqwest", "rusqlite", "tantivy"],
    },
    Rule {
        name: "llm-providers",
        may: &["llm-core"],
        never: &["tower", "axum", "rusqlite", "tantivy"],
    },
    Rule { name: "llm-replay", may: &[], never: ENGINES },
    Rule {
        name: "llm-local",
        may: &["llm-core"],
        never: &["tokio", "futures", "hyper", "reqwest", "axum"],
    },
    Rule {
        name: "rag-parse",
        may: &["rag-core", "llm-tokens"],
        never: &["tokio", "reqwest", "hyper", "rusqlite", "tantivy"],
    },
    Rule { name: "accounts", may: &["rag-core"], never: HTTP },
    Rule {
        name: "rag-terms",
        may: &["rag-core"],
        never: &["tokio", "futures", "hyper", "reqwest", "rusqlite", "tantivy"],
    },
    Rule { name: "rag-store", may: &["rag-core", "rag-terms"], never: HTTP },
    Rule { name: "rag-postgres", may: &["rag-core", "rag-terms"], never: HTTP },
    Rule { name: "response-store", may: &["rag-core"], never: HTTP },
    Rule { name: "llm-mcp", may: &["llm-core"], never: &["tower", "axum", "rusqlite", "tantivy"] },
    Rule {
        name: "llm-redis",
        may: &["llm-core", "llm-bundle"],
        never: &["hyper", "reqwest", "axum", "rusqlite", "tantivy"],
    },
    Rule { name: "llm-usage", may: &["llm-core", "llm-bundle"], never: HTTP },
    Rule { name: "llm-bundle", may: &["llm-core", "llm-tokens", "service-guards"], never: HTTP },
    Rule {
        name: "rag-retrieve",
        may: &["rag-core", "llm-core"],
        never: &["tokio", "reqwest", "hyper", "axum", "rusqlite", "tantivy"],
    },
    Rule {
        name: "rag-ingest",
        may: &["rag-core", "llm-core", "llm-bundle"],
        never: &["axum", "hyper", "reqwest", "rusqlite", "tantivy"],
    },
    Rule {
        name: "dialog-service",
        may: &["llm-core", "rag-core", "llm-bundle", "rag-retrieve"],
        never: &["reqwest", "hyper", "axum", "rusqlite", "tantivy"],
    },
    Rule { name: "rag-tables", may: &["rag-core", "rag-parse"], never: HTTP },
    Rule {
        name: "rag-web",
        may: &["rag-core", "rag-retrieve", "dialog-service"],
        never: &["axum", "rusqlite", "tantivy"],
    },
    Rule { name: "web-console", may: &[], never: HTTP },
    Rule {
        name: "api-server",
        may: &[
            "web-console",
            "service-guards",
            "llm-core",
            "llm-tokens",
            "rag-core",
            "llm-providers",
            "llm-replay",
            "llm-local",
            "rag-parse",
            "rag-store",
            "rag-postgres",
            "accounts",
            "response-store",
            "llm-mcp",
            "llm-bundle",
            "llm-redis",
            "llm-usage",
            "rag-retrieve",
            "rag-ingest",
            "dialog-service",
            "rag-web",
            "rag-tables",
        ],
        never: &["rusqlite", "tantivy"],
    },
    Rule {
        name: "testkit",
        may: &["service-guards", "llm-core", "llm-bundle", "llm-replay", "rag-core"],
        never: ENGINES,
    },
];

/// Crates that are no part of the layering: nothing depends on them, and they may depend on anything.
const FREE: &[&str] = &["xtask", "integration"];

/// The only crates that may use `anyhow`: the binary and what runs it.
const ANYHOW: &[&str] = &["api-server", "xtask", "integration"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Fails on any edge between crates that the layering does not have.
pub(crate) fn run() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .output()
        .context("running cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;

    let wrong = wrong_edges(&metadata.packages);
    for line in &wrong {
        eprintln!("tidy: {line}");
    }
    if !wrong.is_empty() {
        bail!("{} edges that docs/architecture.md does not have", wrong.len());
    }
    undescribed::check()?;
    println!("tidy: {} crates, every edge is one of the design", metadata.packages.len());
    Ok(())
}

fn wrong_edges(packages: &[Package]) -> Vec<String> {
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let rules: BTreeMap<&str, &Rule> = RULES.iter().map(|rule| (rule.name, rule)).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let normal = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind.as_deref() != Some("dev"))
            .map(|dependency| dependency.name.as_str());
        for dependency in normal {
            if dependency == "anyhow" && !ANYHOW.contains(&name) {
                wrong.push(format!("{name} uses anyhow; libraries have typed errors"));
            }
            let Some(rule) = rules.get(name) else { continue };
            if ours.contains(dependency) && !rule.may.contains(&dependency) {
                wrong.push(format!("{name} depends on {dependency}"));
            }
            if rule.never.contains(&dependency) {
                wrong.push(format!("{name} must not know {dependency}"));
            }
        }
        if !rules.contains_key(name) && !FREE.contains(&name) {
            wrong.push(format!("{name} has no place in the layering"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependency = |(name, kind): &(&str, Option<&str>)| Dependency {
            name: (*name).into(),
            kind: kind.map(Into::into),
        };
        Package { name: name.into(), dependencies: dependencies.iter().map(dependency).collect() }
    }

    #[test]
    fn finds_edges_that_point_up_or_aside() {
        let packages = [
            package("llm-core", &[("rag-store", None), ("testkit", Some("dev")), ("serde", None)]),
            package("rag-store", &[("anyhow", None), ("reqwest", None)]),
            package("testkit", &[]),
            package("surprise", &[]),
        ];
        assert_eq!(
            wrong_edges(&packages),
            [
                "llm-core depends on rag-store",
                "rag-store uses anyhow; libraries have typed errors",
                "rag-store must not know reqwest",
                "surprise has no place in the layering",
            ]
        );
    }
}
