//! Asking a question in other languages, so that documents in those are found by their words.

use futures::future::join_all;

use crate::prompt::Prompts;
use crate::{Dialog, DialogError, Turn, aside};

/// The question in each of the dialog's languages, all asked for at once; what repeats the question is left out. Says
/// which languages failed.
pub(crate) async fn translations(
    turn: &Turn,
    prompts: &Prompts,
    question: &str,
) -> (Vec<String>, Vec<String>) {
    let languages = &turn.dialog.languages;
    let languages = &languages[..languages.len().min(Dialog::MOST_LANGUAGES)];
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
    aside::ask(turn, "translate", prompts.translate(question, language)?).await
}
