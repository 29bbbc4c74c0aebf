//! Models that were downloaded before.

use std::fs;
use std::path::{Path, PathBuf};

/// The directory of a model in the cache of the Hugging Face hub, as `hf download ORGANISATION/NAME` leaves it; `None` when
/// it is not there. `cache` is the folder that holds `models--ORGANISATION--NAME`. Nothing is downloaded.
///
/// The snapshot of the branch `main` is taken, or any other where there is none.
pub fn find_in_hub_cache(cache: &Path, name: &str) -> Option<PathBuf> {
    let (organisation, model) = name.split_once('/')?;
    if ![organisation, model].into_iter().all(is_plain) {
        return None;
    }
    let repository = cache.join(format!("models--{organisation}--{model}"));
    let snapshots = repository.join("snapshots");
    let main = fs::read_to_string(repository.join("refs").join("main")).ok();
    let main = main.map(|revision| revision.trim().to_owned()).filter(|name| is_plain(name));
    let main = main.map(|revision| snapshots.join(revision)).filter(|path| is_model(path));
    main.or_else(|| {
        let mut others: Vec<PathBuf> =
            fs::read_dir(snapshots).ok()?.flatten().map(|entry| entry.path()).collect();
        others.retain(|path| is_model(path));
        others.sort();
        others.into_iter().next()
    })
}

/// Whether it names a file or folder beside its neighbours, not somewhere else.
fn is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed)
}

fn is_model(path: &Path) -> bool {
    path.join("config.json").is_file() || path.join("modules.json").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snapshot_of_main_is_found_and_nothing_outside() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--org--small.model");
        for revision in ["aaa", "bbb"] {
            let snapshot = repository.join("snapshots").join(revision);
            fs::create_dir_all(&snapshot).unwrap();
            fs::write(snapshot.join("config.json"), "{}").unwrap();
        }
        let found = |name: &str| {
            let path = find_in_hub_cache(cache.path(), name)?;
            Some(path.file_name()?.to_string_lossy().into_owned())
        };
        assert_eq!(found("org/small.model").as_deref(), Some("aaa"));
        fs::create_dir_all(repository.join("refs")).unwrap();
        fs::write(repository.join("refs").join("main"), "bbb\n").unwrap();
        assert_eq!(found("org/small.model").as_deref(), Some("bbb"));
        for absent in ["org/other", "small.model", "org/../x", "../org/x", "org/a/b", "/"] {
            assert_eq!(found(absent), None, "{absent}");
        }
    }
}
