//! `cargo xtask console`: builds the web console out of `crates/console/web` into `crates/console/dist`, which is checked
//! in; compares the two; tests it in a browser.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::run;

const SOURCES: &str = "crates/console/web";
const BUILT: &str = "crates/console/dist";
const BROWSERS: [&str; 3] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// The goal for what a browser loads before the first page is there, packed.
const FIRST_LOAD: usize = 300_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build, and fail where that differs from what is checked in
    #[arg(long)]
    check: bool,
    /// Unit tests, then journeys in Chromium over the release binary
    #[arg(long)]
    test: bool,
    /// Arguments for Playwright, after `--`
    #[arg(last = true)]
    playwright: Vec<String>,
}

pub(crate) fn run(args: Args) -> Result<()> {
    if !has("node") || !has("npm") {
        // What is checked in is served all the same.
        ensure!(
            args.check || args.test,
            "Node 20 or newer with npm is needed to build the console"
        );
        println!("skipped: the console is neither built nor tested without Node and npm");
        return Ok(());
    }
    let before = args.check.then(|| files(&run::root().join(BUILT))).transpose()?;
    if let Err(error) = npm(&["ci", "--no-audit", "--no-fund"]) {
        // Without a registry the built files cannot be compared; with one, the failure is ours.
        ensure!((args.check || args.test) && npm(&["ping"]).is_err(), error);
        println!("skipped: the console's packages cannot be fetched here");
        return Ok(());
    }
    npm(&["run", "build"])?;
    let built = files(&run::root().join(BUILT))?;
    report(&built)?;
    if let Some(before) = before {
        compare(&before, &built)?;
    }
    if args.test {
        npm(&["run", "test"])?;
        journeys(&args.playwright)?;
    }
    Ok(())
}

fn journeys(args: &[String]) -> Result<()> {
    if !BROWSERS.iter().any(|path| Path::new(path).exists()) {
        println!("skipped: journeys need Chromium (on Debian: apt-get install chromium)");
        return Ok(());
    }
    run::cargo(&["build", "--release", "--locked", "--package", "api-server"])?;
    let binary = run::target_dir().join("release/api-server");
    let mut playwright = Command::new("npm");
    playwright.args(["run", "journeys", "--"]).args(args).env("COLLOQUY_BINARY", binary);
    in_sources(&mut playwright)
}

fn npm(args: &[&str]) -> Result<()> {
    in_sources(Command::new("npm").args(args))
}

fn in_sources(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    let status = command
        .current_dir(run::root().join(SOURCES))
        .status()
        .with_context(|| format!("cannot run {shown}"))?;
    ensure!(status.success(), "{shown} failed: {status}");
    Ok(())
}

fn has(program: &str) -> bool {
    let tried =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// The files below a folder, by their path there.
fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = fs::read_dir(&next).with_context(|| format!("reading {}", next.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder)?.display().to_string();
            found.insert(name, fs::read(&path)?);
        }
    }
    Ok(found)
}

fn compare(before: &BTreeMap<String, Vec<u8>>, built: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let names = before.keys().chain(built.keys());
    let differ: Vec<&String> = names.filter(|name| before.get(*name) != built.get(*name)).collect();
    if differ.is_empty() {
        println!("{BUILT} is what {SOURCES} makes");
        return Ok(());
    }
    bail!(
        "{BUILT} is not what {SOURCES} makes ({differ:?}): run `cargo xtask console` and commit it"
    )
}

/// What the page loads first, and whether that is within the goal. Not packed, so an upper bound of what is sent.
fn report(built: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let page = built.get("index.html").context("the build has no index.html")?;
    let page = String::from_utf8_lossy(page);
    let first: usize = built
        .iter()
        .filter(|(name, _)| *name == "index.html" || page.contains(name.as_str()))
        .map(|(_, body)| body.len())
        .sum();
    println!("first load: {first} bytes before packing (goal: {FIRST_LOAD} after)");
    ensure!(first <= FIRST_LOAD * 3, "the console has become too large");
    Ok(())
}
