//! The integration suite is a test; run it with `cargo xtask integration`.
