//! [`InvokeFamily`]: which dialect a model is asked in.

use super::super::family::plain_id;

/// The dialect of a model behind InvokeModel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvokeFamily {
    /// Claude: Anthropic's Messages.
    Claude,
    /// Amazon Nova: nearly Converse.
    Nova,
    /// Cohere Command R: Cohere's chat, version 1.
    CommandR,
    /// Cohere Command and Command Light: Cohere's `generate`.
    Command,
    /// Models that take chat completions.
    ChatCompletions,
    /// Meta Llama: a prompt.
    Llama,
    /// Amazon Titan text: a prompt.
    Titan,
    /// Mistral's first models: a prompt.
    Mistral,
    /// AI21 Jurassic-2: a prompt.
    Jurassic,
    /// Claude's older form ("Text Completions"): a prompt. No id tells it; the models that take it take Messages, too.
    ClaudePrompt,
}

impl InvokeFamily {
    /// The family that a model's id, the id of an inference profile, or an ARN that ends in one of these tells.
    ///
    /// ```
    /// use llm_providers::bedrock::InvokeFamily;
    ///
    /// let family = InvokeFamily::of("us.anthropic.claude-sonnet-4-5-20250929-v1:0");
    /// assert_eq!(family, Some(InvokeFamily::Claude));
    /// assert_eq!(InvokeFamily::of("amazon.titan-embed-text-v2:0"), None);
    /// ```
    pub fn of(model: &str) -> Option<Self> {
        use InvokeFamily as F;
        /// The first row that fits holds.
        const BEGINNINGS: [(&str, InvokeFamily); 22] = [
            ("anthropic.", F::Claude),
            ("amazon.nova", F::Nova),
            ("amazon.titan-text", F::Titan),
            ("amazon.titan-tg1", F::Titan),
            ("cohere.command-r", F::CommandR),
            ("cohere.command", F::Command),
            ("meta.llama", F::Llama),
            ("mistral.mistral-7b", F::Mistral),
            ("mistral.mixtral", F::Mistral),
            ("mistral.mistral-large-2402", F::Mistral),
            ("mistral.mistral-small-2402", F::Mistral),
            ("mistral.", F::ChatCompletions),
            ("ai21.j2", F::Jurassic),
            ("ai21.jamba", F::ChatCompletions),
            ("openai.", F::ChatCompletions),
            ("qwen.", F::ChatCompletions),
            ("deepseek.v", F::ChatCompletions),
            ("google.", F::ChatCompletions),
            ("minimax.", F::ChatCompletions),
            ("moonshot", F::ChatCompletions),
            ("nvidia.", F::ChatCompletions),
            ("zai.", F::ChatCompletions),
        ];
        let id = plain_id(model);
        BEGINNINGS.iter().find(|(name, _)| id.starts_with(name)).map(|(_, family)| *family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_the_dialect() {
        use InvokeFamily as F;
        for (model, family) in [
            ("eu.amazon.nova-lite-v1:0", Some(F::Nova)),
            ("cohere.command-r-plus-v1:0", Some(F::CommandR)),
            ("cohere.command-light-text-v14", Some(F::Command)),
            ("us.meta.llama3-3-70b-instruct-v1:0", Some(F::Llama)),
            ("mistral.mistral-7b-instruct-v0:2", Some(F::Mistral)),
            ("mistral.pixtral-large-2502-v1:0", Some(F::ChatCompletions)),
            ("ai21.j2-mid-v1", Some(F::Jurassic)),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", None),
        ] {
            assert_eq!(InvokeFamily::of(model), family, "{model}");
        }
    }
}
