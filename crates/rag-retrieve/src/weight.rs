//! How much vectors count against full text.

/// What `local/static` counts for questions in Latin letters, and in others.
const STATIC_LATIN: f32 = 0.25;
const STATIC_OTHER: f32 = 0.02;
/// What a trained encoder counts.
const TRAINED: f32 = 0.4;

/// The weight of vectors (0 to 1) in fusion for this embedding model, named `provider/model`, and this question.
///
/// Chosen by measurement, see docs/evidence/retrieval.md: a trained encoder earns the most. `local/static` was made from
/// English text; in other scripts it only compares characters, so there it merely breaks ties.
pub fn default_vector_weight(model: &str, question: &str) -> f32 {
    match model {
        "local/static" if is_mostly_latin(question) => STATIC_LATIN,
        "local/static" => STATIC_OTHER,
        _ => TRAINED,
    }
}

fn is_mostly_latin(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let (mut latin, mut others) = (0, 0);
    for letter in letters {
        match letter {
            'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => latin += 1,
            _ => others += 1,
        }
    }
    latin >= others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depends_on_model_and_script() {
        let check = |model: &str, question: &str, weight: f32| {
            assert_eq!(default_vector_weight(model, question), weight, "{model} {question}");
        };
        check("local/static", "Who is José?", STATIC_LATIN);
        check("local/static", "2 + 2", STATIC_LATIN);
        check("local/static", "首都はどこですか", STATIC_OTHER);
        check("local/static", "Кто такой Tesla?", STATIC_OTHER);
        check("openai/text-embedding-3-small", "首都はどこですか", TRAINED);
    }
}
