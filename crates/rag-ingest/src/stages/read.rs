//! Reading the file, as it was submitted.

use std::fs::File;
use std::io::Read;

use rag_core::{DocumentSource, IngestJob};

use crate::hash;
use crate::held_job::HeldJob;
use crate::scan::plain;
use crate::trouble::Trouble;

/// The bytes of the job's file.
pub(crate) async fn read(held: &HeldJob) -> Result<Vec<u8>, Trouble> {
    let shared = held.shared();
    let (job, most) = (held.job().job.clone(), shared.options.file_bytes);
    shared.on_pool(move || read_file(job, most)).await?
}

fn read_file(job: IngestJob, most: u64) -> Result<Vec<u8>, Trouble> {
    let DocumentSource::File { path } = &job.source else {
        return Err(Trouble::failed("its source is of a kind that this version cannot read"));
    };
    let unreadable = |error| Trouble::failed(format!("the file cannot be read: {}", plain(&error)));
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        let (size, most) = (mebibytes(job.bytes.max(bytes.len() as u64)), mebibytes(most));
        return Err(Trouble::failed(format!("the file has {size}, {most} are allowed")));
    }
    let content = hash::of_bytes(&bytes);
    if content != job.content {
        let bytes = bytes.len() as u64;
        return Err(Trouble::Changed(Box::new(IngestJob { content, bytes, ..job })));
    }
    Ok(bytes)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
