//! [`FAULTS`]: what may go wrong at a provider, and where.

use std::time::Duration;

use serde_json::json;
use testkit::Behaviour;

/// Longer than any limit of the matrix.
const NEVER: Duration = Duration::from_secs(3_600);

/// One way to fail.
pub(crate) struct Fault {
    /// As the table says it.
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    /// Whether it comes in the middle of an answer.
    pub(crate) is_half_way: bool,
    /// Whether nothing more comes then, so that only a limit ends the call.
    pub(crate) is_silence: bool,
}

/// Where it happens.
pub(crate) enum Place {
    /// In an upstream that behaves so.
    Upstream(fn() -> Behaviour),
    /// At a port that nobody listens on.
    RefusedConnection,
    /// At a host that has no address.
    UnknownHost,
    /// At a server that is asked for TLS and knows only plain HTTP.
    NoTls,
    /// At a server with a certificate that nobody vouches for.
    UntrustedCertificate,
}

/// All of them, in the order of the table.
pub(crate) const FAULTS: &[Fault] = &[
    upstream("429", || Behaviour::status(429)),
    upstream("429, retry after 50 ms", || Behaviour::status(429).header("retry-after-ms", "50")),
    upstream("429, retry after an hour", || Behaviour::status(429).header("retry-after", "3600")),
    upstream("500", || Behaviour::status(500)),
    upstream("503", || Behaviour::status(503)),
    upstream("529", || Behaviour::status(529)),
    address("connection refused", Place::RefusedConnection),
    address("unknown host", Place::UnknownHost),
    address("TLS asked of a plain server", Place::NoTls),
    address("certificate nobody vouches for", Place::UntrustedCertificate),
    upstream("first byte never comes", || answer().after(NEVER)).silence(),
    upstream("silence after 2 words", || answer().silent_after(2)).half_way().silence(),
    upstream("cut before the first event", || answer().cut_after(0)),
    upstream("cut after 2 words", || answer().cut_after(2)).half_way(),
    upstream("malformed first event", || answer().malformed_after(0)),
    upstream("malformed event after 2 words", || answer().malformed_after(2)).half_way(),
    upstream("error event after 2 words", || {
        answer().error_after(2, json!({ "message": "overloaded", "code": 503 }))
    })
    .half_way(),
    upstream("a web page with status 200", || Behaviour::page("<html>sign in</html>")),
    upstream("content type `text/plain`", || answer().header("content-type", "text/plain")),
];

const fn upstream(name: &'static str, behaviour: fn() -> Behaviour) -> Fault {
    address(name, Place::Upstream(behaviour))
}

const fn address(name: &'static str, place: Place) -> Fault {
    Fault { name, place, is_half_way: false, is_silence: false }
}

impl Fault {
    const fn half_way(mut self) -> Self {
        self.is_half_way = true;
        self
    }

    const fn silence(mut self) -> Self {
        self.is_silence = true;
        self
    }
}

/// What an upstream says when nothing is wrong.
pub(crate) fn answer() -> Behaviour {
    Behaviour::text("It is as you say.")
}
