//! `cargo xtask interleavings`: the tests that try many orders of threads, at length.

use std::process::Command;

use anyhow::Result;

use crate::run;

/// How many orders each test tries, in each of two ways. `cargo test` tries 300.
const SCHEDULES: &str = "5000";

pub(crate) fn run() -> Result<()> {
    let packages = ["--package", "service-guards", "--package", "llm-bundle"];
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("test").args(packages).args(["--test", "interleavings", "--locked"]);
    run::command(cargo.env("SCHEDULES", SCHEDULES))
}
