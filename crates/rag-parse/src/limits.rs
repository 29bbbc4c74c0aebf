//! How much a file may ask of a parser.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bounds of one parse. The defaults suit a server with 2 GB of memory that reads files from strangers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParseLimits {
    /// The most bytes of a PDF file.
    pub pdf_bytes: u64,
    /// The most pages of a PDF.
    pub pdf_pages: u32,
    /// The most bytes of an HTML file.
    pub html_bytes: u64,
    /// The most elements inside one another in an HTML file; what is deeper is refused.
    pub html_depth: usize,
    /// The most bytes of a file of any other format.
    pub text_bytes: u64,
    /// The most bytes of text that a file may expand to. The parts of an archive may have four times as much in all.
    pub output_bytes: u64,
    /// The most wall-clock time of one file, where the parse can be stopped
    /// (see [`IsolatedParser`](crate::isolated::IsolatedParser)).
    pub time: Duration,
    /// The most bytes of address space of a process that parses; 0 for no limit.
    pub process_bytes: u64,
}

const MIB: u64 = 1 << 20;

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            pdf_bytes: 64 * MIB,
            pdf_pages: 10_000,
            html_bytes: 16 * MIB,
            html_depth: 512,
            text_bytes: 64 * MIB,
            output_bytes: 256 * MIB,
            time: Duration::from_secs(60),
            process_bytes: 3 * 1024 * MIB,
        }
    }
}

impl ParseLimits {
    /// The most bytes of a file of any format: whoever reads files need not read larger ones.
    pub fn file_bytes(&self) -> u64 {
        self.pdf_bytes.max(self.html_bytes).max(self.text_bytes)
    }
}

/// A size as people write it: `64 MiB`, `1.5 KiB`, `12 bytes`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", MIB), ("KiB", 1 << 10)];
    for (unit, factor) in UNITS {
        if bytes >= factor {
            let tenths = (bytes as f64 / factor as f64 * 10.0).round() / 10.0;
            return format!("{tenths} {unit}");
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let cases = [(12, "12 bytes"), (1536, "1.5 KiB"), (64 * MIB, "64 MiB"), (3 << 30, "3 GiB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
