//! Asking a question in other languages, so that documents in those are found by their words.

use futures::future::join_all;

use crate::prompt::Prompts;
use crate::{DialogError, Turn, aside};

/// More languages than that are not translated into.
const MOST_LANGUAGES: usize = 8;

/// The question in each of the dialog's languages, all asked for at once; what repeats the question is left out. Says
/// which languages failed.
pub(crate) async fn translations(
    turn: &Turn,
    prompts: &Prompts,
    question: &str,
) -> (Vec<String>, Vec<String>) {
    if turn.dialog.languages.is_empty() || !aside::is_possible(turn) {
        return Default::default();
    }
    let languages: Vec<&String> = turn.dialog.languages.iter().take(MOST_LANGUAGES).collect();
    let asked = languages.iter().map(|language| translation(turn, prompts, question, language));
    let mut translations: Vec<String> = Vec::new();
    let mut warnings = Vec::new();
    for (language, translated) in languages.iter().zip(join_all(asked).await) {
        match translated {
            Ok(text) if text == question || translations.contains(&text) => {}
            Ok(text) => translations.push(text),
            Err(error) => {
                tracing::warn!(
                    language,
                    error = &error as &dyn std::error::Error,
                    "not translated"
                );
                warnings.push(format!("the question was not searched for in {language}"));
            }
        }
    }
    (translations, warnings)
}

async fn translation(
    turn: &Turn,
    prompts: &Prompts,
    question: &str,
    language: &str,
) -> Result<String, DialogError> {
    aside::ask(turn, prompts.translate(question, language)?).await
}
