//! `cargo xtask features`: every crate that others may depend on builds with none of its features, and with each alone.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::run;

/// Not for others to depend on.
const OWN: &[&str] = &["xtask", "integration"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    features: BTreeMap<String, Vec<String>>,
}

/// Lints each crate that has features, once for each.
pub(crate) fn run() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .output()
        .context("running cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    for package in &metadata.packages {
        let names: Vec<_> = package.features.keys().filter(|name| *name != "default").collect();
        if names.is_empty() || OWN.contains(&package.name.as_str()) {
            continue;
        }
        let none = String::new();
        for feature in std::iter::once(&none).chain(names) {
            println!(
                "features: {} with {}",
                package.name,
                if feature.is_empty() { "none" } else { feature }
            );
            run::cargo(&[
                "clippy",
                "--quiet",
                "--locked",
                "--package",
                &package.name,
                "--no-default-features",
                "--features",
                feature,
                "--",
                "-D",
                "warnings",
            ])?;
        }
    }
    Ok(())
}
