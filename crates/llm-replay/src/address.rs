//! [`Address`]: which provider a request to a local server is meant for, and where there.

use http::Uri;

/// `/<name>/<path>?<query>`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// The provider, escapes undone.
    pub(crate) name: String,
    /// The path at the provider, as it was sent, with its slash.
    pub(crate) path: String,
    /// The query as it was sent, without the question mark.
    pub(crate) query: String,
}

impl Address {
    /// Of the address that a local server was asked for; `None` when it names no provider.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let rest = uri.path().strip_prefix('/')?;
        let (name, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let name = unescaped(name);
        let query = uri.query().unwrap_or_default().to_owned();
        (!name.is_empty()).then(|| Self { name, path: path.to_owned(), query })
    }
}

/// A provider's name as the first part of a path.
pub(crate) fn escaped_name(name: &str) -> String {
    let escaped = name.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    escaped.collect()
}

/// A text with its percent escapes undone; what is none stays.
pub(crate) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        match escape(rest) {
            Some((escaped, after)) => {
                bytes.push(escaped);
                rest = after;
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that `%XX` at the beginning stands for, and what follows.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = text.strip_prefix(b"%")?.split_first_chunk::<2>()?;
    let high = char::from(digits[0]).to_digit(16)?;
    let low = char::from(digits[1]).to_digit(16)?;
    Some((u8::try_from(high * 16 + low).ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_path() {
        for name in ["openai", "my provider", "a/b", "日本", "50%"] {
            let uri: Uri = format!("/{}/v1/x%3A?a=b", escaped_name(name)).parse().unwrap();
            let address = Address::of(&uri).unwrap();
            let found = (address.name.as_str(), address.path.as_str(), address.query.as_str());
            assert_eq!(found, (name, "/v1/x%3A", "a=b"));
        }
        assert_eq!(Address::of(&"/".parse().unwrap()), None);
        assert_eq!(Address::of(&"/openai".parse().unwrap()).unwrap().path, "/");
    }
}
