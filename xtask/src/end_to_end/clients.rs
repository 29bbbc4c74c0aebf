//! The programs that ask: Python and Node with clients that others wrote, in environments below the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::run;

/// The official clients. Newer ones are tried when these are raised.
const OFFICIAL: &[&str] =
    &["openai>=2,<4", "anthropic>=1,<3", "mcp>=1.10,<3", "ragflow-sdk>=0.22,<0.23"];

/// Frameworks, apart from the clients above, since they ask for versions of their own of these.
const FRAMEWORKS: &[&str] =
    &["langchain-openai==1.7.3", "litellm==1.106.2", "llama-index-llms-openai-like==0.8.1"];

/// A Python with the official clients.
pub(super) fn official() -> Result<PathBuf> {
    python("end-to-end-python", OFFICIAL)
}

/// A Python with the frameworks.
pub(super) fn frameworks() -> Result<PathBuf> {
    python("end-to-end-frameworks", FRAMEWORKS)
}

fn python(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let environment = run::target_dir().join(name);
    let python = environment.join("bin/python");
    if !python.exists() {
        run::command(Command::new("python3").args(["-m", "venv"]).arg(&environment))
            .context("the end-to-end check needs Python 3.9 or newer with venv")?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run::command(Command::new(&python).args(pip).args(packages))?;
    Ok(python)
}

/// Where the check of OpenAI's client for Node stands, with the client beside it; `None` where there is no npm.
pub(super) fn node() -> Result<Option<PathBuf>> {
    let npm = Command::new("npm").arg("--version").stdout(Stdio::null()).status();
    if !npm.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let from = run::root().join("tests/end_to_end/node");
    let to = run::target_dir().join("end-to-end-node");
    fs::create_dir_all(&to)?;
    let lock = "package-lock.json";
    let is_installed = to.join("node_modules").exists() && same(&from.join(lock), &to.join(lock));
    for file in ["package.json", lock, "openai_client.mjs"] {
        fs::copy(from.join(file), to.join(file)).with_context(|| format!("copying {file}"))?;
    }
    if !is_installed {
        let install = ["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"];
        run::command(Command::new("npm").args(install).current_dir(&to))?;
    }
    Ok(Some(to.join("openai_client.mjs")))
}

fn same(one: &Path, other: &Path) -> bool {
    fs::read(one).ok().is_some_and(|text| fs::read(other).is_ok_and(|it| it == text))
}
