//! The `api-server` binary.
fn main() {}
