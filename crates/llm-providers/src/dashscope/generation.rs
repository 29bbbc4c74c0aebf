//! [`Generation`]: at which address a model is asked.

/// At which address a model is asked, and how content is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generation {
    /// `text-generation`: content is text.
    Text,
    /// `multimodal-generation`: content is a list of texts, pictures, sounds and films.
    Multimodal,
}

impl Generation {
    /// What the name of a model tells: those that see or hear (`-vl`, `-omni`, `-audio`, `-ocr`, QVQ), and Qwen from 3.5
    /// on. A request with pictures or sounds is asked for at the other address whatever the name tells.
    pub fn of(model: &str) -> Self {
        const PARTS: [&str; 6] = ["-vl", "-omni", "-audio", "-ocr", "qvq", "-livetranslate"];
        let model = model.to_ascii_lowercase();
        let is_later = model.strip_prefix("qwen3.").is_some_and(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().is_ok_and(|minor: u32| minor >= 5)
        });
        if is_later || PARTS.iter().any(|part| model.contains(part)) {
            Generation::Multimodal
        } else {
            Generation::Text
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Generation::Text => "services/aigc/text-generation/generation",
            Generation::Multimodal => "services/aigc/multimodal-generation/generation",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_address() {
        for (model, generation) in [
            ("qwen-plus", Generation::Text),
            ("qwen3-235b-a22b", Generation::Text),
            ("qwen-vl-max", Generation::Multimodal),
            ("qwen3-vl-plus", Generation::Multimodal),
            ("qvq-max", Generation::Multimodal),
            ("qwen3.5-plus", Generation::Multimodal),
            ("qwen3.10-max", Generation::Multimodal),
            ("qwen2.5-72b-instruct", Generation::Text),
        ] {
            assert_eq!(Generation::of(model), generation, "{model}");
        }
    }
}
