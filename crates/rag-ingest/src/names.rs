//! Names of documents: each file has one, the same each time, and never that of another file.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rag_core::{Document, DocumentSource};

use crate::scan::FoundFile;

/// Gives each file the name that it goes by in a dataset with these documents. Where a document of its name came from
/// another file that is still there, it gets a number: `docs (2)/guide.md`. A document whose own file is gone is taken
/// over, so that a folder may move. Blocks.
pub(crate) fn settle(files: Vec<FoundFile>, known: &HashMap<String, Document>) -> Vec<FoundFile> {
    // A file that has a document keeps its name, whatever the scan that found it calls it.
    let names: HashMap<&Path, &str> = known
        .iter()
        .filter_map(|(name, document)| match &document.source {
            Some(DocumentSource::File { path }) => Some((path.as_path(), name.as_str())),
            _ => None,
        })
        .collect();
    let mut taken = HashSet::new();
    files
        .into_iter()
        .map(|file| {
            let own = names.get(file.path.as_path()).map(|name| (*name).to_owned());
            let own = own.filter(|name| !taken.contains(name));
            let name = own.unwrap_or_else(|| name_of(&file, known, &taken));
            taken.insert(name.clone());
            FoundFile { name, ..file }
        })
        .collect()
}

fn name_of(file: &FoundFile, known: &HashMap<String, Document>, taken: &HashSet<String>) -> String {
    let mut free = None;
    for number in 1.. {
        let name = numbered(&file.name, number);
        let document = known.get(&name);
        match document.map(|document| origin(document, &file.path)) {
            Some(Origin::ThisFile) if !taken.contains(&name) => return name,
            Some(Origin::OtherFile) => {}
            Some(_) if free.is_none() && !taken.contains(&name) => free = Some(name),
            // Nothing is numbered above the first name that nobody has.
            None if !taken.contains(&name) => return free.unwrap_or(name),
            _ => {}
        }
    }
    file.name.clone()
}

enum Origin {
    ThisFile,
    OtherFile,
    /// A file that is gone, or something that is not known.
    Nothing,
}

fn origin(document: &Document, path: &Path) -> Origin {
    let Some(DocumentSource::File { path: known }) = &document.source else {
        return Origin::Nothing;
    };
    if known == path {
        return Origin::ThisFile;
    }
    match (known.canonicalize(), path.canonicalize()) {
        (Ok(known), Ok(path)) if known == path => Origin::ThisFile,
        (Ok(_), _) => Origin::OtherFile,
        (Err(_), _) => Origin::Nothing,
    }
}

/// The name with a number above 1, in its first folder or, without one, before its ending.
pub(crate) fn numbered(name: &str, number: u32) -> String {
    if number < 2 {
        return name.to_owned();
    }
    if let Some((folder, rest)) = name.split_once('/') {
        return format!("{folder} ({number})/{rest}");
    }
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!("{stem} ({number}).{ending}"),
        _ => format!("{name} ({number})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(numbered(name, 1), name);
        assert_eq!(numbered(name, 2), expected);
    }

    #[test]
    fn numbers_keep_the_ending() {
        check("docs/a.tar.gz", "docs (2)/a.tar.gz");
        check("a.md", "a (2).md");
        check("README", "README (2)");
        check(".env", ".env (2)");
    }
}
