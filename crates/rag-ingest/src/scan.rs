//! Finding files.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use ignore::{DirEntry, WalkBuilder};

use crate::names::numbered;

/// A file to ingest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Its name in the dataset: the path below the given folder with `/` between its parts, or the given file's name.
    pub name: String,
    /// Where it is, absolute.
    pub path: PathBuf,
}

/// Something that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedFile {
    /// What, as far as is known.
    pub path: PathBuf,
    /// Why, in one line that names it.
    pub reason: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Files by name, without duplicates.
    pub files: Vec<FoundFile>,
    /// What could not be read, each with its reason.
    pub skipped: Vec<SkippedFile>,
    /// Files of formats that are not taken.
    pub ignored: u64,
    /// The folders that were looked through, as far as they could be: a document that came from one of these, and is not
    /// among the files, is gone.
    pub folders: Vec<PathBuf>,
}

/// Bounds of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanOptions {
    /// The most files; the rest is left out, with a reason.
    pub most_files: usize,
    /// The most folders inside one another; deeper ones are left out.
    pub most_depth: usize,
    /// Whether names of files begin with the name of the given folder that they are below.
    pub folder_names: bool,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { most_files: 1_000_000, most_depth: 64, folder_names: false }
    }
}

/// Finds the files at and below `paths`: those whose name `takes` accepts, in sorted order. Blocks.
///
/// - A path that is a file is always taken.
/// - Hidden files and folders are left out; links are followed, and one that leads back to where it came from is told
///   once.
/// - Several folders share one space of names: where a name is taken, the file gets its folder's name in front, and a
///   number where that is taken too.
pub fn scan(paths: &[PathBuf], takes: &dyn Fn(&str) -> bool, options: &ScanOptions) -> Scan {
    let mut found = Found { scan: Scan::default(), names: HashSet::new(), seen: HashSet::new() };
    for path in paths {
        // One spelling for each file, since documents are known by where they came from.
        let path = match path
            .canonicalize()
            .and_then(|path| path.metadata().map(|meta| (path, meta)))
        {
            Ok((path, metadata)) if metadata.is_file() => {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                found.add(name.unwrap_or_default(), &path, path.parent());
                continue;
            }
            Ok((path, _)) => path,
            Err(error) => {
                found.skip(path, format!("{} cannot be read: {}", path.display(), plain(&error)));
                continue;
            }
        };
        if walk(&path, takes, options, &mut found) {
            found.scan.folders.push(path);
        }
    }
    found.scan.files.sort_by(|a, b| a.name.cmp(&b.name));
    found.scan
}

struct Found {
    scan: Scan,
    names: HashSet<String>,
    seen: HashSet<PathBuf>,
}

/// Whether the folder was looked through to its end.
fn walk(
    folder: &Path,
    takes: &dyn Fn(&str) -> bool,
    options: &ScanOptions,
    found: &mut Found,
) -> bool {
    let entries = WalkBuilder::new(folder)
        .standard_filters(false)
        .hidden(true)
        .follow_links(true)
        .max_depth(Some(options.most_depth))
        .sort_by_file_name(Ord::cmp)
        .build();
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.skip_error(folder, &error);
                continue;
            }
        };
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let Some(name) = name_below(folder, &entry) else { continue };
        if !takes(&name) {
            found.scan.ignored += 1;
            continue;
        }
        if found.scan.files.len() >= options.most_files {
            let reason = format!(
                "{} holds more than {} files; the rest is left out",
                folder.display(),
                options.most_files
            );
            found.skip(folder, reason);
            return false;
        }
        let name = match options.folder_names {
            true => with_folder(&name, folder),
            false => name,
        };
        found.add(name, entry.path(), Some(folder));
    }
    true
}

fn with_folder(name: &str, folder: &Path) -> String {
    match folder.file_name() {
        Some(folder) => format!("{}/{name}", folder.to_string_lossy()),
        None => name.to_owned(),
    }
}

fn name_below(folder: &Path, entry: &DirEntry) -> Option<String> {
    let below = entry.path().strip_prefix(folder).ok()?;
    let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    Some(parts.join("/"))
}

impl Found {
    /// Adds a file once, under a name that no other has.
    fn add(&mut self, name: String, path: &Path, folder: Option<&Path>) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        let mut name = name;
        if self.names.contains(&name)
            && let Some(folder) = folder
            && !name.contains('/')
        {
            name = with_folder(&name, folder);
        }
        let mut unique = name.clone();
        let mut number = 2;
        while !self.names.insert(unique.clone()) {
            unique = numbered(&name, number);
            number += 1;
        }
        self.scan.files.push(FoundFile { name: unique, path: path.to_owned() });
    }

    fn skip(&mut self, path: &Path, reason: String) {
        self.scan.skipped.push(SkippedFile { path: path.to_owned(), reason });
    }

    fn skip_error(&mut self, folder: &Path, error: &ignore::Error) {
        let (path, reason) = explain(error);
        let path = path.unwrap_or_else(|| folder.to_owned());
        let reason =
            reason.unwrap_or_else(|| format!("{} cannot be read: {error}", path.display()));
        self.skip(&path, reason.replace('\n', " "));
    }
}

/// The innermost cause with the path it concerns.
fn explain(error: &ignore::Error) -> (Option<PathBuf>, Option<String>) {
    match error {
        ignore::Error::WithPath { path, err } => {
            let (inner, reason) = explain(err);
            let path = inner.unwrap_or_else(|| path.clone());
            let reason = reason.or_else(|| match &**err {
                ignore::Error::Io(cause) => {
                    Some(format!("{} cannot be read: {}", path.display(), plain(cause)))
                }
                _ => None,
            });
            (Some(path), reason)
        }
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            explain(err)
        }
        ignore::Error::Loop { ancestor, child } => {
            let reason = format!(
                "{} leads back to {}; the loop is left out",
                child.display(),
                ancestor.display()
            );
            (Some(child.clone()), Some(reason))
        }
        _ => (None, None),
    }
}

/// What the system says, without its error number.
pub(crate) fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(scan: &Scan) -> Vec<&str> {
        scan.files.iter().map(|file| file.name.as_str()).collect()
    }

    fn is_markdown(name: &str) -> bool {
        name.ends_with(".md")
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    #[test]
    fn folders_are_walked_in_order_without_hidden_files() {
        let folder =
            folder(&["root/b.md", "root/a/c.md", "root/.git/d.md", "root/.e.md", "root/f.png"]);
        let scan = scan(&[folder.path().join("root")], &is_markdown, &ScanOptions::default());
        assert_eq!(names(&scan), ["a/c.md", "b.md"]);
        assert_eq!((scan.ignored, scan.skipped.len()), (1, 0));
    }

    #[test]
    fn given_files_are_taken_whatever_their_name_and_only_once() {
        let folder = folder(&["x.unknown"]);
        let file = folder.path().join("x.unknown");
        let scan = scan(&[file.clone(), file.clone()], &is_markdown, &ScanOptions::default());
        assert_eq!(scan.files, [FoundFile { name: "x.unknown".into(), path: file }]);
    }

    #[test]
    fn equal_names_of_two_folders_are_told_apart() {
        let folder = folder(&["one/README.md", "two/README.md", "two/own.md"]);
        let roots = [folder.path().join("one"), folder.path().join("two")];
        let scan = scan(&roots, &is_markdown, &ScanOptions::default());
        assert_eq!(names(&scan), ["README.md", "own.md", "two/README.md"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_of_links_is_one_clear_line() {
        let folder = folder(&["root/a/b.md"]);
        let root = folder.path().join("root");
        std::os::unix::fs::symlink(&root, root.join("a/again")).unwrap();
        let scan = scan(std::slice::from_ref(&root), &is_markdown, &ScanOptions::default());
        assert_eq!(names(&scan), ["a/b.md"]);
        let reasons: Vec<&str> =
            scan.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
        let root = root.display();
        assert_eq!(reasons, [format!("{root}/a/again leads back to {root}; the loop is left out")]);
    }

    #[test]
    fn what_is_missing_or_too_much_is_told() {
        let missing = scan(&["/nonexistent/x".into()], &is_markdown, &ScanOptions::default());
        assert_eq!(missing.skipped[0].reason, "/nonexistent/x cannot be read: it does not exist");

        let folder = folder(&["a.md", "b.md", "c.md"]);
        let options = ScanOptions { most_files: 2, ..ScanOptions::default() };
        let scan = scan(&[folder.path().to_owned()], &is_markdown, &options);
        assert_eq!(names(&scan), ["a.md", "b.md"]);
        assert!(scan.skipped[0].reason.ends_with("holds more than 2 files; the rest is left out"));
    }
}
