//! The web console, as files that are part of the program.
//!
//! The sources are in `web`; `cargo xtask console` builds them into `dist`, which is checked in
//! (`docs/decisions/0017-console-built-files.md`), so that whoever has no Node has the console all the same.
//!
//! ```
//! let page = web_console::asset("").unwrap();
//! assert_eq!(page.media_type(), "text/html; charset=utf-8");
//! assert!(web_console::asset("../Cargo.toml").is_none());
//! ```

/// What browsers may do on the console's pages: nothing that is not from this server, and no script or style within a page.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the console.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its path below the console's address, without a slash before it.
    pub path: &'static str,
    /// Changes with its content, in quotation marks as the header `ETag` has it.
    pub etag: &'static str,
    /// Its bytes.
    pub body: &'static [u8],
    /// The same, packed with gzip, where that saves something.
    pub gzip: Option<&'static [u8]>,
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file at this path below the console's address; the empty path is the page itself.
pub fn asset(path: &str) -> Option<&'static Asset> {
    let path = if path.is_empty() { "index.html" } else { path };
    ASSETS.iter().find(|asset| asset.path == path)
}

/// All files.
pub fn assets() -> &'static [Asset] {
    ASSETS
}

impl Asset {
    /// What the header `Content-Type` says of it.
    pub fn media_type(&self) -> &'static str {
        match self.path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("html") => "text/html; charset=utf-8",
            Some("js" | "mjs") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("txt") => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        }
    }

    /// What the header `Cache-Control` says of it: names with a hash never get another content.
    pub fn cache_control(&self) -> &'static str {
        match self.path.starts_with("assets/") {
            true => "public, max-age=31536000, immutable",
            false => "no-cache",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn packed_bodies_are_the_bodies() {
        for asset in assets() {
            let Some(gzip) = asset.gzip else { continue };
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(gzip).read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, asset.body, "{}", asset.path);
        }
    }

    #[test]
    fn the_page_names_files_that_are_there_and_nothing_from_elsewhere() {
        let page = std::str::from_utf8(asset("").unwrap().body).unwrap();
        let named: Vec<&str> = page
            .split('"')
            .filter_map(|part| part.strip_prefix("/"))
            .filter(|path| path.contains('.'))
            .collect();
        assert!(named.len() >= 2, "{page}");
        for path in named {
            assert!(asset(path).is_some(), "{path} is missing: run `cargo xtask console`");
        }
        assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
        assert!(!page.contains("<style") && !page.contains("style="), "{page}");
    }
}
