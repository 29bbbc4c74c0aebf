//! [`Family`]: what families of models take besides what Converse names, as data.

/// How a family is asked to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// It is not, or nothing is known.
    Never,
    /// Claude with `thinking: {type: "enabled", budget_tokens}`.
    Budget,
    /// Claude with `thinking: {type: "adaptive"}` and `output_config: {effort}`; a budget is taken, too.
    Adaptive,
    /// Nova with `reasoningConfig: {type: "enabled", maxReasoningEffort}`.
    Nova,
    /// An effort as a word in this field.
    Word(&'static str),
}

/// How a family is held to a JSON schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonSchema {
    /// By `outputConfig.textFormat`.
    Native,
    /// By a tool that it must call, whose arguments become the answer.
    Tool,
    /// Not at all.
    Never,
}

/// What a family of models takes in `additionalModelRequestFields`, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Beginnings of ids, without region and version.
    ids: &'static [&'static str],
    /// How it is asked to think.
    pub thinking: Thinking,
    /// How it is held to a schema.
    pub json_schema: JsonSchema,
    /// Sampling parameters: ours, and the path of theirs.
    pub sampling: &'static [(&'static str, &'static [&'static str])],
}

const CLAUDE: &[(&str, &[&str])] = &[("top_k", &["top_k"])];
const NOVA: &[(&str, &[&str])] = &[("top_k", &["inferenceConfig", "topK"])];
const COMMAND: &[(&str, &[&str])] = &[
    ("top_k", &["k"]),
    ("frequency_penalty", &["frequency_penalty"]),
    ("presence_penalty", &["presence_penalty"]),
    ("seed", &["seed"]),
];
const JAMBA: &[(&str, &[&str])] =
    &[("frequency_penalty", &["frequency_penalty"]), ("presence_penalty", &["presence_penalty"])];

/// The first row that fits an id holds.
const FAMILIES: &[Family] = &[
    Family {
        ids: &["anthropic.claude-v", "anthropic.claude-instant"],
        thinking: Thinking::Never,
        json_schema: JsonSchema::Never,
        sampling: CLAUDE,
    },
    Family {
        ids: &[
            "anthropic.claude-3-7",
            "anthropic.claude-sonnet-4-2",
            "anthropic.claude-opus-4-2",
            "anthropic.claude-opus-4-1",
            "anthropic.claude-sonnet-4-5",
            "anthropic.claude-haiku-4-5",
            "anthropic.claude-opus-4-5",
        ],
        thinking: Thinking::Budget,
        json_schema: JsonSchema::Native,
        sampling: CLAUDE,
    },
    Family {
        ids: &["anthropic.claude-3"],
        thinking: Thinking::Never,
        json_schema: JsonSchema::Native,
        sampling: CLAUDE,
    },
    Family {
        ids: &["anthropic."],
        thinking: Thinking::Adaptive,
        json_schema: JsonSchema::Native,
        sampling: CLAUDE,
    },
    Family {
        ids: &["amazon.nova-2"],
        thinking: Thinking::Nova,
        json_schema: JsonSchema::Tool,
        sampling: NOVA,
    },
    Family {
        ids: &["amazon.nova"],
        thinking: Thinking::Never,
        json_schema: JsonSchema::Tool,
        sampling: NOVA,
    },
    Family {
        ids: &["amazon.titan", "meta.", "deepseek.r1", "writer."],
        thinking: Thinking::Never,
        json_schema: JsonSchema::Never,
        sampling: &[],
    },
    Family {
        ids: &["cohere.command-r"],
        thinking: Thinking::Never,
        json_schema: JsonSchema::Never,
        sampling: COMMAND,
    },
    Family {
        ids: &["ai21.jamba"],
        thinking: Thinking::Never,
        json_schema: JsonSchema::Never,
        sampling: JAMBA,
    },
    Family {
        ids: &["mistral.mistral-7b", "mistral.mixtral", "mistral.mistral-small-24"],
        thinking: Thinking::Never,
        json_schema: JsonSchema::Never,
        sampling: CLAUDE,
    },
    Family {
        ids: &["mistral.mistral-large-24", "mistral.pixtral"],
        thinking: Thinking::Never,
        json_schema: JsonSchema::Tool,
        sampling: CLAUDE,
    },
    Family {
        ids: &["openai."],
        thinking: Thinking::Word("reasoning_effort"),
        json_schema: JsonSchema::Native,
        sampling: &[],
    },
    Family {
        ids: &["qwen."],
        thinking: Thinking::Word("reasoning_config"),
        json_schema: JsonSchema::Native,
        sampling: &[],
    },
];

/// A family of which nothing is known: the provider judges.
const UNKNOWN: Family =
    Family { ids: &[], thinking: Thinking::Never, json_schema: JsonSchema::Native, sampling: &[] };

impl Family {
    /// The family of a model, by its id, the id of an inference profile, or an ARN that ends in one of these.
    ///
    /// ```
    /// use llm_providers::bedrock::family::{Family, Thinking};
    ///
    /// for id in [
    ///     "anthropic.claude-3-7-sonnet-20250219-v1:0",
    ///     "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ///     "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
    /// ] {
    ///     assert_eq!(Family::of(id).thinking, Thinking::Budget);
    /// }
    /// ```
    pub fn of(model: &str) -> Self {
        let id = plain_id(model);
        let is_of = |family: &&Family| family.ids.iter().any(|beginning| id.starts_with(beginning));
        FAMILIES.iter().find(is_of).copied().unwrap_or(UNKNOWN)
    }
}

/// An id without the ARN around it and the region (`us.`, `eu.`, `apac.`, `global.`, `us-gov.` …) before it.
pub(super) fn plain_id(model: &str) -> &str {
    let id = model.rsplit('/').next().unwrap_or(model);
    match id.split_once('.') {
        // A provider's name is followed by one dot, a region by two.
        Some((region, rest)) if region.len() <= 6 && is_vendor(rest) => rest,
        _ => id,
    }
}

fn is_vendor(rest: &str) -> bool {
    const VENDORS: [&str; 18] = [
        "anthropic",
        "amazon",
        "meta",
        "mistral",
        "cohere",
        "ai21",
        "deepseek",
        "writer",
        "openai",
        "qwen",
        "stability",
        "twelvelabs",
        "luma",
        "minimax",
        "moonshotai",
        "nvidia",
        "google",
        "zai",
    ];
    rest.split_once('.').is_some_and(|(vendor, _)| VENDORS.contains(&vendor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_profiles_and_arns() {
        for (model, id) in [
            ("us.amazon.nova-2-lite-v1:0", "amazon.nova-2-lite-v1:0"),
            ("global.anthropic.claude-sonnet-5", "anthropic.claude-sonnet-5"),
            ("arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-x", "amazon.titan-x"),
            ("meta.llama3-1.x", "meta.llama3-1.x"),
            ("otnfa2ysixqd", "otnfa2ysixqd"),
        ] {
            assert_eq!(plain_id(model), id);
        }
    }

    #[test]
    fn families_of_claude_differ() {
        for (model, thinking) in [
            ("anthropic.claude-3-5-sonnet-20240620-v1:0", Thinking::Never),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0", Thinking::Budget),
            ("us.anthropic.claude-sonnet-4-6", Thinking::Adaptive),
            ("us.anthropic.claude-sonnet-5", Thinking::Adaptive),
            ("minimax.minimax-m2", Thinking::Never),
        ] {
            assert_eq!(Family::of(model).thinking, thinking, "{model}");
        }
    }
}
