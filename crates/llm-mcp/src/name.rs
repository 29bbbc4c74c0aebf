//! What a server's tools are called among the tools of a conversation.

/// The longest name that OpenAI and Anthropic take.
const LONGEST: usize = 64;

/// The longest name of a server, so that enough is left for its tools.
const LONGEST_SERVER: usize = 32;

/// Between the server's name and the tool's.
const BETWEEN: &str = "__";

/// Whether a server may be called so.
pub(crate) fn is_server_name(name: &str) -> bool {
    (1..=LONGEST_SERVER).contains(&name.len()) && name.bytes().all(is_plain)
}

/// The name on offer of a server's tool: `server__tool`, with `_` for what providers do not take. Where that is too long,
/// or `is_taken`, it ends with a mark of the whole name.
pub(crate) fn offered(server: &str, tool: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let plain: String =
        tool.chars().map(|c| if c.is_ascii() && is_plain(c as u8) { c } else { '_' }).collect();
    let name = format!("{server}{BETWEEN}{plain}");
    if name.len() <= LONGEST && !is_taken(&name) {
        return name;
    }
    let mark = format!("_{:08x}", hash(tool));
    // All of it is ASCII, so that it can be cut anywhere.
    let kept: String = name.chars().take(LONGEST - mark.len()).collect();
    kept + &mark
}

fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

/// FNV-1a: the same in every version of everything, so that a stored conversation still names its tools.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_providers_take() {
        for (tool, expected) in [
            ("search", "docs__search"),
            ("files/read.text", "docs__files_read_text"),
            ("suche_größe", "docs__suche_gr__e"),
            ("", "docs__"),
        ] {
            let name = offered("docs", tool, |_| false);
            assert_eq!(name, expected);
            assert!(name.bytes().all(is_plain), "{name}");
        }
        let [long, longer] =
            [100, 101].map(|length| offered("docs", &"x".repeat(length), |_| false));
        assert_eq!((long.len(), longer.len()), (LONGEST, LONGEST));
        assert_ne!(long, longer);
        let first = offered("docs", "a.b", |_| false);
        let second = offered("docs", "a_b", |name| name == first);
        assert_ne!(first, second);
        assert!(second.starts_with("docs__a_b_"), "{second}");
    }

    #[test]
    fn servers_have_short_plain_names() {
        for (name, expected) in
            [("docs", true), ("a-b_1", true), ("", false), ("a b", false), ("ä", false)]
        {
            assert_eq!(is_server_name(name), expected, "{name}");
        }
        assert!(!is_server_name(&"x".repeat(33)));
    }
}
