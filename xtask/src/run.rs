//! Running other programs from the workspace's root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Runs cargo in the root; its output is ours.
pub(crate) fn cargo(args: &[&str]) -> Result<()> {
    command(Command::new(env!("CARGO")).args(args))
}

/// Runs a program in the root; fails when it does.
pub(crate) fn command(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    let status =
        command.current_dir(root()).status().with_context(|| format!("cannot run {shown}"))?;
    ensure!(status.success(), "{shown} failed: {status}");
    Ok(())
}
