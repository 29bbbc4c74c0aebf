//! Packs the files of `dist` and writes them down as a table. No network, and nothing but Rust: `cargo xtask console`
//! makes the files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::GzEncoder;

/// A packed body is kept when it saves at least a tenth.
const WORTH: f64 = 0.9;

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let dist = root.join("dist");
    println!("cargo::rerun-if-changed={}", dist.display());

    let mut files = Vec::new();
    collect(&dist, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for (number, file) in files.iter().enumerate() {
        let body = fs::read(file)?;
        let gzip = packed(&body)?;
        let packed = out.join(format!("{number}.gz"));
        let is_worth_it = (gzip.len() as f64) < body.len() as f64 * WORTH;
        let gzip = match is_worth_it {
            true => {
                fs::write(&packed, &gzip)?;
                format!("Some(include_bytes!({packed:?}))")
            }
            false => "None".to_owned(),
        };
        let path = path_of(file.strip_prefix(&dist).expect("it was found there"));
        let etag = format!("\"{:08x}-{:x}\"", crc32fast::hash(&body), body.len());
        table += &format!(
            "Asset {{ path: {path:?}, etag: {etag:?}, body: include_bytes!({file:?}), gzip: {gzip} }},\n"
        );
    }
    table += "]\n";
    fs::write(out.join("assets.rs"), table)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

fn path_of(file: &Path) -> String {
    let parts = file.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    parts.collect::<Vec<_>>().join("/")
}

fn packed(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body)?;
    encoder.finish()
}
