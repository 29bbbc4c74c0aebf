//! `backup` and `restore`

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use rag_store::EmbeddedStore;

use crate::cli::{BackupArgs, RestoreArgs};
use crate::config::Config;

/// Copies everything about documents into one file. A server may go on serving and ingesting meanwhile.
pub(crate) fn backup(args: BackupArgs, config: &Config) -> Result<ExitCode> {
    let bar = ProgressBar::new(0).with_message("pages");
    let copied = EmbeddedStore::backup_of(&config.server.data_dir, &args.file, |progress| {
        bar.set_length(progress.pages);
        bar.set_position(progress.copied);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    copied.with_context(|| format!("backing up into {}", args.file.display()))?;
    eprintln!("the documents are in {}", args.file.display());
    Ok(ExitCode::SUCCESS)
}

/// Makes the data directory's documents from a backup.
pub(crate) fn restore(args: RestoreArgs, config: &Config) -> Result<ExitCode> {
    let directory = &config.server.data_dir;
    EmbeddedStore::restore(&args.file, directory, args.replace)
        .with_context(|| format!("restoring {}", args.file.display()))?;
    eprintln!("{} holds the documents of {}", directory.display(), args.file.display());
    Ok(ExitCode::SUCCESS)
}
