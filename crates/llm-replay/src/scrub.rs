//! [`Scrubber`]: takes secrets out of what is recorded.

mod allowed;
mod escaped;
mod event_stream;
mod patterns;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use self::escaped::Needle;

/// Secrets shorter than this are too likely to be ordinary words (`none`, `test`) to be looked for in texts. Nobody gives
/// out such keys.
const SHORTEST_SECRET: usize = 8;

/// What stands for a secret in a header or a query.
const REDACTED: &str = "REDACTED";

/// Takes secrets out of what one exchange leaves behind: those that its request was authorized with, wherever they occur,
/// and what has the form of a well-known kind of key.
///
/// What is taken out is blanked in place: letters become `X` and digits `1`, so that lengths, JSON and chunk boundaries
/// stay what they were. A secret is found in plain text, escaped as in JSON (also JSON within JSON) and percent-encoded.
/// It is **not** found where a stream delivers it in pieces, one event each, nor inside base64 or compressed data.
///
/// ```
/// use http::HeaderMap;
/// use llm_replay::Scrubber;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("authorization", "Bearer my/secret-42".parse().unwrap());
/// let scrubber = Scrubber::new(&headers, "");
/// let mut body = br#"{"echo":"my\/secret-42"}"#.to_vec();
/// scrubber.blank(&mut body);
/// assert_eq!(body, br#"{"echo":"XX\/XXXXXX-11"}"#);
/// ```
#[derive(Clone, Default)]
pub struct Scrubber {
    needles: Vec<Needle>,
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrubber({} secrets)", self.needles.len())
    }
}

impl Scrubber {
    /// Learns the secrets of a request: all headers whose name tells of one (`authorization`, `x-api-key`, `cookie` …), and
    /// the keys in its query, which is given as it was sent, without the question mark.
    pub fn new(headers: &HeaderMap, query: &str) -> Self {
        let mut secrets = BTreeSet::new();
        for (name, value) in headers {
            if let (true, Ok(value)) = (allowed::is_secret(name.as_str()), value.to_str()) {
                secrets.extend(credentials(value));
            }
        }
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if allowed::is_query_key(&name) {
                secrets.insert(value.into_owned());
            }
        }
        secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
        Self { needles: secrets.iter().map(|secret| Needle::new(secret)).collect() }
    }

    /// Blanks every secret in a text, in place.
    pub fn blank(&self, text: &mut [u8]) {
        let mut found = Vec::new();
        for needle in &self.needles {
            needle.find_all(text, &mut found);
        }
        patterns::find_all(text, &mut found);
        for Range { start, end } in found {
            if let Some(part) = text.get_mut(start..end) {
                escaped::blank(part);
            }
        }
    }

    /// As [`blank`](Self::blank), for the frames of an AWS event stream, whose checksums are made to fit again.
    pub fn blank_event_stream(&self, frames: &mut [u8]) {
        let before = frames.to_vec();
        self.blank(frames);
        if *frames != before[..] {
            event_stream::seal(frames);
        }
    }

    /// The query without its keys: `key=…` becomes `key=REDACTED`.
    pub fn query(&self, query: &str) -> String {
        let parts = query.split('&').map(|part| match part.split_once('=') {
            Some((name, _)) if allowed::is_query_key(name) => format!("{name}={REDACTED}"),
            _ => self.text(part),
        });
        parts.collect::<Vec<_>>().join("&")
    }

    /// A text with every secret blanked.
    pub fn text(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.blank(&mut bytes);
        // Characters are blanked whole, so this is UTF-8 still.
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The headers of a request that say something about the call; those that authorize it hold `REDACTED`.
    pub fn request_headers(&self, headers: &HeaderMap) -> BTreeMap<String, String> {
        let kept = headers.iter().filter_map(|(name, value)| {
            let name = name.as_str();
            if allowed::is_authorization(name) {
                return Some((name.to_owned(), REDACTED.to_owned()));
            }
            let value = value.to_str().ok().filter(|_| allowed::in_requests(name))?;
            Some((name.to_owned(), self.text(value)))
        });
        kept.collect()
    }

    /// The headers of a response that a client may make use of.
    pub fn response_headers(&self, headers: &HeaderMap) -> BTreeMap<String, String> {
        let kept = headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok().filter(|_| allowed::in_responses(name.as_str()))?;
            Some((name.as_str().to_owned(), self.text(value)))
        });
        kept.collect()
    }
}

/// What is secret in the value of a header: all of it, what follows a scheme, both halves of a `Basic` pair, each part of
/// a cookie or a signature.
fn credentials(value: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([value.to_owned()]);
    let rest = value.split_once(' ').map_or(value, |(_, rest)| rest.trim());
    found.insert(rest.to_owned());
    let parts = rest.split([';', ',', ' ']).filter_map(|part| part.trim().split_once('='));
    found.extend(parts.map(|(_, part)| part.to_owned()));
    if let Some(pair) = STANDARD.decode(rest).ok().and_then(|pair| String::from_utf8(pair).ok())
        && let Some((user, password)) = pair.split_once(':')
    {
        found.extend([user.to_owned(), password.to_owned()]);
    }
    found
}

#[cfg(test)]
mod tests;
