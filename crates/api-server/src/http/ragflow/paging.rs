//! Pages of lists: which one, how large, in which order.

use std::collections::HashMap;

use serde_json::Value;

use super::envelope::Refusal;

/// Entries of a page, unless asked for otherwise, and at most.
const USUAL: usize = 30;
const MOST: usize = 1_024;

/// What stands behind the question mark of an address.
#[derive(Debug)]
pub(super) struct Params(HashMap<String, String>);

impl Params {
    pub(super) fn new(params: HashMap<String, String>) -> Self {
        Self(params)
    }

    /// A parameter that is there and not blank.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// All values of a parameter that is written as a list with commas.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).map_or_else(Vec::new, |all| all.split(',').map(str::trim).collect())
    }

    /// A number, if it is one.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(|value| value.parse().ok())
    }

    /// Yes or no, as clients of several languages write it.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)?.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        }
    }

    /// Whether a parameter is there at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// A page of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    number: usize,
    size: usize,
}

impl Page {
    /// The page that is asked for; what is no number is as if it were not there.
    pub(super) fn read(params: &Params) -> Result<Self, Refusal> {
        let number = |name, usual| params.number(name).filter(|n| *n > 0).unwrap_or(usual);
        let size = number("page_size", USUAL as i64);
        if size > MOST as i64 {
            return Err(Refusal::data(format!("page_size must be less than or equal to {MOST}")));
        }
        Ok(Self { number: number("page", 1) as usize, size: size as usize })
    }

    /// The entries of the page.
    pub(super) fn of<T>(self, all: Vec<T>) -> Vec<T> {
        let first = (self.number - 1).saturating_mul(self.size);
        all.into_iter().skip(first).take(self.size).collect()
    }
}

/// Things that have times.
pub(super) trait Timed {
    fn created_at(&self) -> i64;
    fn updated_at(&self) -> i64;
    fn name(&self) -> &str;
}

/// Orders by `orderby` and `desc`: by time of making, the latest first, unless asked for otherwise.
pub(super) fn order<T: Timed>(all: &mut [T], params: &Params) -> Result<(), Refusal> {
    match params.get("orderby").unwrap_or("create_time") {
        "create_time" | "create_date" => all.sort_by_key(T::created_at),
        "update_time" | "update_date" => all.sort_by_key(T::updated_at),
        "name" => all.sort_by(|a, b| a.name().cmp(b.name())),
        other => {
            let shown: String = other.chars().take(128).collect();
            return Err(Refusal::argument(format!(
                "Field: <orderby> - Message: <Input should be 'create_time' or 'update_time'> - Value: <{shown}>"
            )));
        }
    }
    if params.flag("desc").unwrap_or(true) {
        all.reverse();
    }
    Ok(())
}

/// A time in milliseconds as a date of RFC 1123, as clients show it.
pub(super) fn date(milliseconds: i64) -> Value {
    let time = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default();
    Value::String(time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// When a thing was made whose id says it: identifiers ascend in time, and begin with it.
pub(super) fn made_at(id: &str) -> Option<i64> {
    let milliseconds = i64::from_str_radix(id.get(..12)?, 16).ok()?;
    (id.len() == 32 && id.as_bytes().get(12) == Some(&b'7')).then_some(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_when_they_were_made() {
        assert_eq!(made_at("01a2047e61b87760babfe35b6921cc66"), Some(0x01a2_047e_61b8));
        for id in ["", "default", "01a2047e61b84760babfe35b6921cc66"] {
            assert_eq!(made_at(id), None, "{id}");
        }
    }
}
