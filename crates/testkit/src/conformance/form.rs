//! Forms against a recording.

use crate::{Exchange, FormPart, SeenRequest};

/// How the form that was sent differs from the recorded one: method, path, and the parts in whatever order. Names of files
/// are not compared, since recordings may lack them.
pub fn compare_form(exchange: &Exchange, sent: &SeenRequest) -> Vec<String> {
    let mut differences = super::compare_requests(exchange, sent, &[], |body| body);
    let (Some(expected), Some(found)) = (exchange.request.form(), sent.form()) else {
        differences.push("no form was sent".to_owned());
        return differences;
    };
    let (expected, found) = (sorted(expected), sorted(found));
    if expected != found {
        differences.push(format!("form: {}, not {}", brief(&found), brief(&expected)));
    }
    differences
}

fn sorted(parts: Vec<FormPart>) -> Vec<(String, bytes::Bytes)> {
    let mut parts: Vec<_> = parts.into_iter().map(|part| (part.name, part.data)).collect();
    parts.sort();
    parts
}

fn brief(parts: &[(String, bytes::Bytes)]) -> String {
    let part = |(name, data): &(String, bytes::Bytes)| match std::str::from_utf8(data) {
        Ok(text) if text.len() < 80 => format!("{name}={text}"),
        _ => format!("{name}=<{} bytes>", data.len()),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(" ")
}
