//! Words that documents which answer a question would contain.

use crate::prompt::Prompts;
use crate::{DialogError, Turn, aside};

/// So many are asked for, and no more are taken.
const MOST: usize = 5;

/// Keywords of `question` that do not stand in it, where the dialog wants any; and a warning when the model failed.
pub(crate) async fn keywords(
    turn: &Turn,
    prompts: &Prompts,
    question: &str,
) -> (Vec<String>, Option<String>) {
    if !turn.dialog.keywords {
        return (Vec::new(), None);
    }
    match named(turn, prompts, question).await {
        Ok(reply) => (listed(&reply, question), None),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "no keywords");
            (Vec::new(), Some("the question was searched for without keywords".into()))
        }
    }
}

async fn named(turn: &Turn, prompts: &Prompts, question: &str) -> Result<String, DialogError> {
    aside::ask(turn, "keywords", prompts.keywords(question, MOST)?).await
}

/// The keywords of a reply, in whatever form models list them.
fn listed(reply: &str, question: &str) -> Vec<String> {
    let known = question.to_lowercase();
    let mut keywords: Vec<String> = Vec::new();
    for keyword in reply.split([',', ';', '\n', '，', '、', '；', '،']) {
        let keyword =
            keyword.trim().trim_start_matches(['-', '*', '•', ' ']).trim_matches(['"', '.', '`']);
        let is_new =
            !known.contains(&keyword.to_lowercase()) && !keywords.iter().any(|k| k == keyword);
        if !keyword.is_empty() && is_new {
            keywords.push(keyword.to_owned());
        }
    }
    keywords.truncate(MOST);
    keywords
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_read_in_the_forms_that_models_list_them() {
        for (reply, expected) in [
            ("tea, water temperature, brewing", &["water temperature", "brewing"][..]),
            ("- \"brewing\"\n- brewing\n* degrees.", &["brewing", "degrees"]),
            ("茶、温度，水", &["茶", "温度", "水"]),
            ("a1, b2, c3, d4, e5, f6", &["a1", "b2", "c3", "d4", "e5"]),
            (" , ;", &[]),
        ] {
            assert_eq!(listed(reply, "How hot is Tea?"), expected, "{reply}");
        }
    }
}
