//! [`Family`]: what the models of one generation take, as data.

/// How a family thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// Not at all.
    Never,
    /// Up to a number of tokens (`{"type": "enabled", "budget_tokens": …}`).
    Budget,
    /// As the model sees fit (`{"type": "adaptive"}`), or up to a number of tokens.
    Either,
    /// As the model sees fit; a number of tokens is refused.
    Adaptive,
}

/// What the models of one generation take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// How they think.
    pub thinking: Thinking,
    /// `output_config.effort` is taken.
    pub effort: bool,
    /// `temperature`, `top_p` and `top_k` are taken.
    pub sampling: bool,
    /// `output_config.format` with a JSON schema is taken.
    pub json_schema: bool,
    /// Messages of the role `system` are taken between the others.
    pub system_messages: bool,
    /// Thinking of earlier answers must come back with the signature that it came with.
    pub sealed_thinking: bool,
    /// The answer's limit when the caller names none. The dialect insists on one.
    pub default_max_tokens: u32,
}

/// The first generation; the later ones are told by their difference from an earlier one.
const FIRST: Family = Family {
    thinking: Thinking::Never,
    effort: false,
    sampling: true,
    json_schema: false,
    system_messages: false,
    sealed_thinking: true,
    default_max_tokens: 4096,
};
const CLAUDE_3_5: Family = Family { default_max_tokens: 8192, ..FIRST };
const CLAUDE_3_7: Family =
    Family { thinking: Thinking::Budget, default_max_tokens: 16_384, ..FIRST };
const CLAUDE_4_1: Family = Family { json_schema: true, ..CLAUDE_3_7 };
const OPUS_4_5: Family = Family { effort: true, ..CLAUDE_4_1 };
const CLAUDE_4_6: Family = Family { thinking: Thinking::Either, ..OPUS_4_5 };
const OPUS_4_7: Family = Family { thinking: Thinking::Adaptive, sampling: false, ..CLAUDE_4_6 };
const NEWEST: Family = Family { system_messages: true, ..OPUS_4_7 };

/// Models of other houses behind an API of this dialect.
const OTHER: Family =
    Family { json_schema: true, sealed_thinking: false, default_max_tokens: 4096, ..CLAUDE_3_7 };

/// Beginnings of names. The first row that fits decides.
const ROWS: &[(&str, Family)] = &[
    ("claude-3-7", CLAUDE_3_7),
    ("claude-3-5", CLAUDE_3_5),
    ("claude-3", FIRST),
    ("claude-2", FIRST),
    ("claude-instant", FIRST),
    ("claude-opus-4-0", CLAUDE_3_7),
    ("claude-opus-4-2", CLAUDE_3_7),
    ("claude-opus-4@", CLAUDE_3_7),
    ("claude-sonnet-4-0", CLAUDE_3_7),
    ("claude-sonnet-4-2", CLAUDE_3_7),
    ("claude-sonnet-4@", CLAUDE_3_7),
    ("claude-opus-4-1", CLAUDE_4_1),
    ("claude-sonnet-4-5", CLAUDE_4_1),
    ("claude-haiku-4-5", CLAUDE_4_1),
    ("claude-opus-4-5", OPUS_4_5),
    ("claude-opus-4-6", CLAUDE_4_6),
    ("claude-sonnet-4-6", CLAUDE_4_6),
    ("claude-opus-4-7", OPUS_4_7),
    ("claude", NEWEST),
];

impl Family {
    /// The family of a model, by its name at Anthropic, on Vertex (`claude-haiku-4-5@20251001`) or on Bedrock
    /// (`us.anthropic.claude-haiku-4-5-20251001-v1:0`). A Claude that is not known yet is taken for one of the newest.
    ///
    /// ```
    /// use llm_providers::anthropic::{Family, Thinking};
    ///
    /// assert_eq!(Family::of("claude-haiku-4-5@20251001").thinking, Thinking::Budget);
    /// assert!(!Family::of("claude-opus-4-8").sampling);
    /// ```
    pub fn of(model: &str) -> Self {
        let name = model.find("claude").and_then(|at| model.get(at..)).unwrap_or_default();
        let row = ROWS.iter().find(|(beginning, _)| name.starts_with(beginning));
        row.map_or(OTHER, |(_, family)| *family)
    }
}
