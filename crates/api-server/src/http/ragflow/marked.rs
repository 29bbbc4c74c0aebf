//! [`Marked`]: an answer with the markers that clients of this dialect show, `[ID:n]`.

use dialog_service::Citation;

/// Puts markers back into an answer as it comes. Ours come as spans: those that a model set right when the text ends
/// there, those that were found by wording when it is complete.
#[derive(Debug, Default)]
pub(super) struct Marked {
    characters: usize,
    /// Whether markers are shown.
    pub(super) quote: bool,
    /// Where the last marker stands, and which were set there.
    last: Option<(usize, Vec<usize>)>,
}

impl Marked {
    pub(super) fn new(quote: bool) -> Self {
        Self { quote, ..Self::default() }
    }

    /// A piece of text.
    pub(super) fn text(&mut self, text: &str) {
        self.characters += text.chars().count();
    }

    /// The marker of a citation, as text to append. One of an earlier sentence comes at the end, too: what was sent is
    /// sent.
    pub(super) fn citation(&mut self, citation: &Citation) -> Option<String> {
        let here = self.characters;
        let number = citation.passage;
        let (place, set) = self.last.get_or_insert_with(|| (here, Vec::new()));
        if *place != here {
            (*place, *set) = (here, Vec::new());
        }
        if !self.quote || set.contains(&number) {
            return None;
        }
        set.push(number);
        Some(format!(" [ID:{number}]"))
    }
}

/// A whole answer with its markers, each right after the words that it bears out.
pub(super) fn marked(answer: &str, citations: &[Citation]) -> String {
    let mut places: Vec<(usize, usize)> =
        citations.iter().map(|citation| (citation.answer.end, citation.passage)).collect();
    places.sort_by_key(|(end, _)| *end);
    places.dedup();
    let mut places = places.into_iter().peekable();
    let mut marked = String::with_capacity(answer.len() + 8 * citations.len());
    for (count, character) in answer.chars().map(Some).chain([None]).enumerate() {
        while let Some((_, number)) = places.next_if(|(end, _)| *end <= count) {
            marked.push_str(&format!(" [ID:{number}]"));
        }
        marked.extend(character);
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn citation(passage: usize, answer: std::ops::Range<usize>) -> Citation {
        Citation { passage, answer, quote: String::new(), source: 0..0, page: None, support: 1.0 }
    }

    #[test]
    fn markers_stand_after_the_words_that_they_bear_out() {
        let citations = [citation(1, 0..2), citation(0, 0..2), citation(0, 4..6)];
        assert_eq!(marked("Öl. Ja", &citations), "Öl [ID:1] [ID:0]. Ja [ID:0]");
    }

    #[test]
    fn a_streamed_marker_is_set_once_at_a_place() {
        let mut answer = Marked::new(true);
        answer.text("It is hot");
        assert_eq!(answer.citation(&citation(0, 0..9)).as_deref(), Some(" [ID:0]"));
        assert_eq!(answer.citation(&citation(0, 3..9)), None);
        answer.text(".");
        assert_eq!(answer.citation(&citation(0, 0..9)).as_deref(), Some(" [ID:0]"));
        assert_eq!(Marked::new(false).citation(&citation(0, 0..0)), None);
    }
}
