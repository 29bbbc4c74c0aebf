//! [`Readiness`]: what is still missing before the server can be relied on.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Parts that are not there yet, each with a line for people.
#[derive(Debug, Default)]
pub struct Readiness {
    missing: Mutex<BTreeMap<&'static str, String>>,
}

impl Readiness {
    /// `part` is missing, because of `reason`.
    pub fn lacks(&self, part: &'static str, reason: impl Into<String>) {
        self.lock().insert(part, reason.into());
    }

    /// `part` is there.
    pub fn has(&self, part: &'static str) {
        self.lock().remove(part);
    }

    /// What is missing, one line each.
    pub fn missing(&self) -> Vec<String> {
        self.lock().iter().map(|(part, reason)| format!("{part}: {reason}")).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.missing.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
