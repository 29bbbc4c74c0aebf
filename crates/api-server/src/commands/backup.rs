//! `backup` and `restore`

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Error, Result, ensure};
use indicatif::ProgressBar;
use serde_json::json;

use crate::backup::{self, Progress};
use crate::cli::{BackupArgs, RestoreArgs};
use crate::config::Config;

/// Copies the whole data directory into one file. A server may go on serving and ingesting meanwhile.
pub(crate) fn backup(args: BackupArgs, config: &Config) -> Result<ExitCode> {
    refuse_database(config, "pg_dump")?;
    let bar = ProgressBar::new(0).with_message("pages");
    let mut files = 0;
    let copied = backup::back_up(&config.server.data_dir, &args.file, |progress| match progress {
        Progress::Pages(copied, pages) => {
            bar.set_length(pages);
            bar.set_position(copied);
        }
        Progress::File => files += 1,
    });
    bar.finish_and_clear();
    copied.with_context(|| format!("backing up into {}", args.file.display()))?;
    if args.json {
        let bytes = std::fs::metadata(&args.file)?.len();
        let line = json!({ "file": args.file, "bytes": bytes, "files": files });
        writeln!(std::io::stdout(), "{line}")?;
    } else {
        eprintln!("the data directory is in {}, with {files} files", args.file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the data directory from a backup.
pub(crate) fn restore(args: RestoreArgs, config: &Config) -> Result<ExitCode> {
    refuse_database(config, "pg_restore")?;
    let directory = &config.server.data_dir;
    backup::restore(&args.file, directory, args.replace)
        .with_context(|| format!("restoring {}", args.file.display()))?;
    eprintln!("{} holds what is in {}", directory.display(), args.file.display());
    Ok(ExitCode::SUCCESS)
}

/// What is in a database is backed up by the database's own means.
fn refuse_database(config: &Config, program: &str) -> Result<()> {
    ensure!(
        config.storage.postgres().map_err(Error::msg)?.is_none(),
        "the data are in PostgreSQL: use `{program}`, and copy the data directory `{}` for accounts and files",
        config.server.data_dir.display()
    );
    Ok(())
}
