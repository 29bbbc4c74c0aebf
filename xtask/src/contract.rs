//! `cargo xtask contract`: the release binary, held against its own description (docs/openapi.json) by Schemathesis: no request
//! makes it fail, and every answer is one of those that are described.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use testkit::FakeUpstream;

use crate::end_to_end::Server;
use crate::run;

/// What it makes up differs from version to version; newer ones are tried when this is raised.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Builds the binary, starts it before a provider that answers at once, and asks it thousands of things.
pub(crate) fn run() -> Result<()> {
    run::cargo(&["build", "--release", "--locked", "--package", "api-server"])?;
    let schemathesis = schemathesis()?;
    let data = run::target_dir().join("contract-data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    fs::create_dir_all(&data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let upstream = runtime.block_on(FakeUpstream::start()).context("starting a provider")?;
    let config = data.join("colloquy.toml");
    fs::write(&config, configuration(&upstream.base_url()))?;
    let key = key(&data, &config)?;
    let server = Server::start_with(&data, &["--config".as_ref(), config.as_os_str()])?;
    run::command(
        Command::new(schemathesis.with_file_name("python"))
            .args(["tests/contract/run.py", &server.url, &key])
            .arg(&schemathesis),
    )?;
    server.stop()?;
    fs::remove_dir_all(&data)?;
    println!("contract: ok");
    Ok(())
}

/// Everything is asked for a key, and every call goes to the provider.
fn configuration(upstream: &str) -> String {
    format!(
        "[auth]\nmode = \"keys\"\n[usage]\nenabled = true\n[[provider]]\nname = \"fake\"\nbase_url = \"{upstream}\"\n\
         [defaults]\nchat = \"fake/any\"\n"
    )
}

fn key(data: &Path, config: &Path) -> Result<String> {
    let made = Command::new(run::target_dir().join("release/api-server"))
        .args(["keys".as_ref(), "--data-dir".as_ref(), data.as_os_str()])
        .args(["--config".as_ref(), config.as_os_str()])
        .args(["create", "contract"])
        .output()
        .context("making a key")?;
    ensure!(made.status.success(), "making a key: {}", String::from_utf8_lossy(&made.stderr));
    Ok(String::from_utf8(made.stdout)?.trim().to_owned())
}

/// The program, in an environment of its own below the target directory.
fn schemathesis() -> Result<PathBuf> {
    let environment = run::target_dir().join("contract-python");
    let python = environment.join("bin/python");
    if !python.exists() {
        run::command(Command::new("python3").args(["-m", "venv"]).arg(&environment))
            .context("the contract check needs Python 3.10 or newer with venv")?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run::command(Command::new(&python).args(pip).arg(SCHEMATHESIS))?;
    Ok(environment.join("bin/st"))
}
