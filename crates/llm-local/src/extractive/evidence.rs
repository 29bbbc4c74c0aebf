//! The blocks of evidence in a prompt.

/// A numbered block of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The number that it is cited by.
    pub id: u32,
    /// Where it comes from; may be empty.
    pub title: String,
    /// Its text, with escapes undone.
    pub text: String,
}

const OPEN: &str = "<evidence ";
const CLOSE: &str = "</evidence>";

/// Finds all blocks of the form `<evidence id="0" title="Guide, Setup">text</evidence>`, in order.
///
/// Attributes may come in any order; a block without a number, or one that is not closed, is text
/// like any other. Inside a block `<\/evidence` and `<\evidence` stand for what they escape. Line
/// breaks next to the tags do not belong to the text. Time is linear in the length of the prompt.
///
/// ```
/// use llm_local::extractive::parse_evidence;
///
/// let blocks = parse_evidence("Use this:\n<evidence id=\"3\" title=\"tea.md\">\nSteep it.\n</evidence>");
/// assert_eq!((blocks[0].id, blocks[0].title.as_str()), (3, "tea.md"));
/// assert_eq!(blocks[0].text, "Steep it.");
/// ```
pub fn parse_evidence(prompt: &str) -> Vec<Evidence> {
    let mut blocks = Vec::new();
    let mut rest = prompt;
    while let Some((_, after)) = rest.split_once(OPEN) {
        rest = after;
        let Some((id, title, body)) = parse_tag(after) else { continue };
        // Where this block is not closed, no later one is.
        let Some((text, after)) = body.split_once(CLOSE) else { break };
        blocks.push(Evidence { id, title: title.to_owned(), text: unescaped(text) });
        rest = after;
    }
    blocks
}

/// Reads the attributes of an opening tag; gives number, title, and what follows the tag.
fn parse_tag(text: &str) -> Option<(u32, &str, &str)> {
    let end = text.find(['<', '>']).filter(|&end| text[end..].starts_with('>'))?;
    let (attributes, after) = (&text[..end], &text[end + 1..]);
    let id = attribute(attributes, "id")?.parse().ok()?;
    Some((id, attribute(attributes, "title").unwrap_or_default(), after))
}

/// The value of `name="value"`.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = attributes;
    loop {
        let (key, after) = rest.split_once("=\"")?;
        let (value, after) = after.split_once('"')?;
        if key.trim() == name {
            return Some(value);
        }
        rest = after;
    }
}

fn unescaped(body: &str) -> String {
    let body = body.strip_prefix('\n').unwrap_or(body);
    let body = body.strip_suffix('\n').unwrap_or(body);
    body.replace("<\\/evidence", "</evidence").replace("<\\evidence", "<evidence")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn check(prompt: &str, expected: Expect) {
        let found: Vec<String> = parse_evidence(prompt)
            .into_iter()
            .map(|block| format!("{}|{}|{}", block.id, block.title, block.text))
            .collect();
        expected.assert_eq(&format!("{found:?}"));
    }

    #[test]
    fn blocks_are_found_among_other_text() {
        check(
            "Rules.\n<evidence id=\"0\" title=\"a.md\">\none\n</evidence>\n<evidence id=\"1\" title=\"\">two</evidence>\nEnd",
            expect![[r#"["0|a.md|one", "1||two"]"#]],
        );
        check("<evidence title=\"x, id\" id=\"7\">y</evidence>", expect![[r#"["7|x, id|y"]"#]]);
    }

    #[test]
    fn escapes_are_undone() {
        check(
            "<evidence id=\"0\" title=\"t\">a<\\/evidence> and <\\evidence id b</evidence>",
            expect![[r#"["0|t|a</evidence> and <evidence id b"]"#]],
        );
    }

    #[test]
    fn what_is_no_block_is_text() {
        check("<evidence id=\"x\">y</evidence>", expect!["[]"]);
        check("<evidence id=\"1\" title=\"never closed\">y", expect!["[]"]);
        check("<evidence >y</evidence> <evidence id=\"2\">z</evidence>", expect![[r#"["2||z"]"#]]);
        check("", expect!["[]"]);
    }

    proptest! {
        #[test]
        fn never_panics(text in "(<evidence |id=\"|1|\"|>|</evidence>|[a-z<>\"=/ ]){0,30}") {
            parse_evidence(&text);
        }
    }
}
