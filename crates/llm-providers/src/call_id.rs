//! Ids of tool calls that a provider did not give: made here, recognised here, never sent to one that gives none.

/// How every id that is made here begins.
const PREFIX: &str = "gcall_";

/// The most characters of a provider's id of an answer that go into an id: some providers, which the conversation may
/// move to, take no ids longer than 40 characters.
const MOST: usize = 24;

/// The id of call number `number` of the answer called `answer`.
pub(crate) fn make(answer: &str, number: usize) -> String {
    let answer: String = answer.chars().filter(|c| is_plain(*c)).take(MOST).collect();
    format!("{PREFIX}{answer}_{number}")
}

/// The id if the provider gave it.
#[cfg(any(feature = "gemini", feature = "ollama"))]
pub(crate) fn given(id: &str) -> Option<&str> {
    (!id.is_empty() && !id.starts_with(PREFIX)).then_some(id)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_are_short_plain_and_known() {
        let id = make("a/b+c=0123456789012345678901234567890", 3);
        assert_eq!(id, "gcall_abc012345678901234567890_3");
        assert_eq!((given(&id), given(""), given("call_1")), (None, None, Some("call_1")));
    }
}
