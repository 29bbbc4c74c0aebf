//! Keys that are known by their form.

use std::ops::Range;
use std::sync::LazyLock;

use super::escaped::{Needle, is_within_word, readings};

/// A well-known kind of key: what it begins with, what it consists of, and how long the rest is at least.
struct Kind {
    prefix: &'static str,
    belongs: fn(char) -> bool,
    least: usize,
}

/// Letters, digits, `-` and `_`: what keys are made of.
fn of_keys(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

/// Capitals and digits.
fn of_aws(character: char) -> bool {
    character.is_ascii_uppercase() || character.is_ascii_digit()
}

/// What may stand behind `Bearer `: RFC 6750, section 2.1.
fn of_bearers(character: char) -> bool {
    of_keys(character) || matches!(character, '.' | '~' | '+' | '/' | '=')
}

/// Three parts of base64url with dots between them.
fn of_jwts(character: char) -> bool {
    of_keys(character) || character == '.'
}

const fn kind(prefix: &'static str, least: usize) -> Kind {
    Kind { prefix, belongs: of_keys, least }
}

const KINDS: &[Kind] = &[
    kind("sk-", 20),
    kind("sk_", 20),
    kind("AIza", 30),
    Kind { prefix: "AQ.", belongs: of_jwts, least: 30 },
    Kind { prefix: "ya29.", belongs: of_jwts, least: 20 },
    Kind { prefix: "AKIA", belongs: of_aws, least: 16 },
    Kind { prefix: "ASIA", belongs: of_aws, least: 16 },
    Kind { prefix: "ABSK", belongs: of_bearers, least: 40 },
    kind("gsk_", 20),
    kind("xai-", 20),
    kind("hf_", 20),
    kind("pplx-", 20),
    kind("nvapi-", 20),
    kind("csk-", 20),
    kind("r8_", 20),
    kind("tgp_v1_", 20),
    kind("fw_", 20),
    kind("jina_", 20),
    kind("ghp_", 20),
    kind("github_pat_", 20),
    Kind { prefix: "Bearer ", belongs: of_bearers, least: 20 },
    Kind { prefix: "bearer ", belongs: of_bearers, least: 20 },
    Kind { prefix: "eyJ", belongs: of_jwts, least: 30 },
];

/// The prefixes of [`KINDS`], in their order, and the bytes that any of them may begin with.
struct Prefixes {
    needles: Vec<Needle>,
    beginnings: [bool; 256],
}

static PREFIXES: LazyLock<Prefixes> = LazyLock::new(|| {
    let needles: Vec<Needle> = KINDS.iter().map(|kind| Needle::new(kind.prefix)).collect();
    let beginnings = std::array::from_fn(|byte| {
        u8::try_from(byte).is_ok_and(|byte| needles.iter().any(|needle| needle.may_begin(byte)))
    });
    Prefixes { needles, beginnings }
});

/// Adds every place where something has the form of a key.
pub(super) fn find_all(text: &[u8], found: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let key = PREFIXES.beginnings[usize::from(*byte)].then(|| key_at(text, at)).flatten();
        at = match key {
            Some(end) => {
                found.push(at..end);
                end.max(at + 1)
            }
            None => at + 1,
        };
    }
    find_private_keys(text, found);
}

/// Where the key ends that begins here.
fn key_at(text: &[u8], at: usize) -> Option<usize> {
    if is_within_word(text, at) {
        return None;
    }
    let kinds = KINDS.iter().zip(&PREFIXES.needles);
    kinds.filter_map(|(kind, prefix)| end_of_key(kind, text, prefix.end_at(text, at)?)).max()
}

/// Where a key ends whose prefix ends at `at`; `None` when that is no key.
fn end_of_key(kind: &Kind, text: &[u8], at: usize) -> Option<usize> {
    let (mut end, mut count, mut dots, mut is_word) = (at, 0, 0, true);
    while let Some((character, length)) = next_of(text, end, kind.belongs) {
        (end, count) = (end + length, count + 1);
        dots += usize::from(character == '.');
        // Keys are random: without a single digit or capital it is a word with hyphens.
        is_word &= !(character.is_ascii_digit() || character.is_ascii_uppercase());
    }
    let has_parts = kind.prefix != "eyJ" || dots >= 2;
    (count >= kind.least && !is_word && has_parts).then_some(end)
}

fn next_of(text: &[u8], at: usize, belongs: fn(char) -> bool) -> Option<(char, usize)> {
    readings(text, at).into_iter().flatten().find(|(character, _)| belongs(*character))
}

/// The insides of `-----BEGIN … PRIVATE KEY-----`, up to its end or to what cannot be part of it.
fn find_private_keys(text: &[u8], found: &mut Vec<Range<usize>>) {
    let of_keys = |character: char| {
        character.is_ascii_alphanumeric()
            || character.is_whitespace()
            || matches!(character, '+' | '/' | '=')
    };
    let mut heads = Vec::new();
    Needle::new("PRIVATE KEY-----").find_all(text, &mut heads);
    for head in heads {
        let mut end = head.end;
        while let Some((_, length)) = next_of(text, end, of_keys) {
            end += length;
        }
        found.push(head.end..end);
    }
}
