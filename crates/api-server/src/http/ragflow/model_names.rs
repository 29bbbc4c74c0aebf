//! Names of models as this dialect writes them, `model@provider`, and as ours are, `provider/model`.

/// Ours, of one of theirs. Between model and provider may stand an instance, which we do not have; a name that is ours
/// already stays.
pub(super) fn ours(name: &str) -> String {
    let mut parts = name.rsplitn(3, '@');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(provider), Some(_), Some(model)) | (Some(provider), Some(model), None) => {
            format!("{}/{model}", provider.to_ascii_lowercase())
        }
        _ => name.to_owned(),
    }
}

/// Theirs, of one of ours.
pub(super) fn theirs(name: &str) -> String {
    match name.split_once('/') {
        Some((provider, model)) => format!("{model}@{provider}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (given, expected) in [
            ("gpt-5@OpenAI", "openai/gpt-5"),
            ("gpt-5@default@OpenAI", "openai/gpt-5"),
            ("BAAI/bge-m3@ollama", "ollama/BAAI/bge-m3"),
            ("openai/gpt-5", "openai/gpt-5"),
            ("smart", "smart"),
        ] {
            assert_eq!(ours(given), expected);
        }
        assert_eq!(theirs("ollama/BAAI/bge-m3"), "BAAI/bge-m3@ollama");
        assert_eq!(theirs("smart"), "smart");
    }
}
