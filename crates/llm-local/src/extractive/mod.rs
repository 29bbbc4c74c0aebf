//! `local/extractive`: answers by quoting the sentences of the evidence that bear on the question.

mod evidence;
mod select;

use std::ops::ControlFlow;

use llm_core::{
    ChatEvent, ChatRequest, ErrorKind, Execution, FinishReason, ModelError, ModelInfo, ModelKind,
    ModelName, Operation, ResponseFormat, Role, Started, SyncChatModel, Unsupported, Usage,
    Warning,
};

pub use evidence::{Evidence, parse_evidence};
pub use select::Quote;

use crate::{
    static_embedding::embedded_table,
    static_table::{StaticTable, TableError},
};

/// Said when there is evidence but none of it bears on the question.
pub const NOTHING_FITS: &str = "I found nothing in the documents that answers this.";

/// Said when the prompt holds no evidence at all.
pub const NO_EVIDENCE: &str = "I found no documents to answer from. I am not a language model: I only quote the \
     sentences of documents that bear on a question. Add documents that answer it, or configure a chat model.";

/// A [`SyncChatModel`] that is no language model: it quotes.
///
/// The question is the last user message; the evidence are the blocks in the instructions (see
/// [`parse_evidence`]). The one to three sentences that bear on the question best are given word
/// for word, each followed by the marker ` [ID:n]` of its block. When none does, the answer is
/// [`NOTHING_FITS`]; without evidence it is [`NO_EVIDENCE`]. It takes any language, follows no
/// instructions, and its answer depends on the request alone.
///
/// ```
/// use std::ops::ControlFlow;
/// use llm_core::{ChatEvent, ChatRequest, Message, SyncChatModel};
/// use llm_local::Extractive;
///
/// let request = ChatRequest::new(vec![
///     Message::system("<evidence id=\"0\" title=\"tea.md\">\nGreen tea is steeped at 80 degrees. It came to Europe in 1610.\n</evidence>"),
///     Message::user("How is green tea steeped?"),
/// ]);
/// let mut answer = String::new();
/// Extractive::new().chat(&request, &mut |event| {
///     if let ChatEvent::Text { text, .. } = event { answer += &text }
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(answer, "Green tea is steeped at 80 degrees. [ID:0]");
/// # Ok::<(), llm_core::ModelError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Extractive {
    info: ModelInfo,
}

impl Extractive {
    /// The model `local/extractive`.
    pub fn new() -> Self {
        let mut info = ModelInfo::new(ModelName::new("local", "extractive"), ModelKind::Chat);
        info.execution = Execution::Sync;
        info.capabilities.streaming = Some(true);
        for lacking in [
            &mut info.capabilities.tools,
            &mut info.capabilities.image_input,
            &mut info.capabilities.audio_input,
            &mut info.capabilities.audio_output,
            &mut info.capabilities.json_schema,
            &mut info.capabilities.reasoning,
            &mut info.capabilities.instructions,
        ] {
            *lacking = Some(false);
        }
        info.description =
            Some("quotes the best sentences of the evidence; no language model".into());
        Self { info }
    }
}

impl Default for Extractive {
    fn default() -> Self {
        Self::new()
    }
}

impl SyncChatModel for Extractive {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// # Errors
    /// `InvalidRequest` without a user message; `Unsupported` when the request refuses to go
    /// without tools or a form of answer; `Internal` when the program was built with a damaged table.
    fn chat(
        &self,
        request: &ChatRequest,
        sink: &mut dyn FnMut(ChatEvent) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let warnings = warnings(request)?;
        let question = question(request)?;
        let table = embedded_table().map_err(damaged)?;
        let prompt = instructions(request);
        let answer = Answer::compose(&question, &prompt, table).limited(request, table);
        // A sink that says stop has nobody behind it any more: that is not an error.
        let _ = send(answer, warnings, table, &prompt, &question, sink);
        Ok(())
    }
}

/// Chooses the quotes for a question from evidence, best first; none when nothing fits.
///
/// # Errors
/// [`TableError`] when the program was built with a damaged table.
pub fn quotes(question: &str, evidence: &[Evidence]) -> Result<Vec<Quote>, &'static TableError> {
    Ok(select::select(question, evidence, embedded_table()?))
}

/// An answer as the pieces that it is streamed in, and why it ends.
struct Answer {
    deltas: Vec<String>,
    reason: FinishReason,
}

impl Answer {
    fn compose(question: &str, prompt: &str, table: &StaticTable<'_>) -> Self {
        let evidence = parse_evidence(prompt);
        let deltas = if evidence.is_empty() {
            vec![NO_EVIDENCE.to_owned()]
        } else {
            match select::select(question, &evidence, table) {
                quotes if quotes.is_empty() => vec![NOTHING_FITS.to_owned()],
                quotes => quoted(quotes),
            }
        };
        Self { deltas, reason: FinishReason::Stop }
    }

    /// Cuts the answer at a stop sequence, and at the limit of tokens.
    fn limited(mut self, request: &ChatRequest, table: &StaticTable<'_>) -> Self {
        self.cut_at_stop(&request.stop);
        if let Some(limit) = request.max_output_tokens {
            self.cut_after(limit as usize, table);
        }
        self
    }

    fn cut_at_stop(&mut self, stops: &[String]) {
        let text = self.deltas.concat();
        let stops = stops.iter().filter(|stop| !stop.is_empty());
        if let Some(at) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
            self.deltas = vec![text[..at].to_owned()];
        }
    }

    fn cut_after(&mut self, limit: usize, table: &StaticTable<'_>) {
        let mut left = limit;
        for index in 0..self.deltas.len() {
            let tokens = table.vocabulary().count(&self.deltas[index]);
            if tokens > left {
                let cut = words_within(&self.deltas[index], left, table);
                self.deltas[index].truncate(cut);
                self.deltas.truncate(index + 1);
                self.reason = FinishReason::Length;
                return;
            }
            left -= tokens;
        }
    }
}

/// Each quote and its marker, on a paragraph of its own.
fn quoted(quotes: Vec<Quote>) -> Vec<String> {
    let mut deltas = Vec::new();
    for quote in quotes {
        if !deltas.is_empty() {
            deltas.push("\n\n".to_owned());
        }
        deltas.push(on_one_line(&quote.text));
        deltas.push(format!(" [ID:{}]", quote.id));
    }
    deltas
}

/// Undoes the wrapping of prose; blocks of code and lists stay as they are.
fn on_one_line(quote: &str) -> String {
    let is_block = quote.contains("```") || quote.contains("~~~") || quote.contains(":\n");
    if is_block { quote.to_owned() } else { quote.split_whitespace().collect::<Vec<_>>().join(" ") }
}

/// The length in bytes of the longest part that ends with a word and has at most `limit` tokens.
fn words_within(text: &str, limit: usize, table: &StaticTable<'_>) -> usize {
    let mut end = 0;
    let mut left = limit;
    for word in text.split_inclusive(char::is_whitespace) {
        let tokens = table.vocabulary().count(word);
        if tokens > left {
            break;
        }
        left -= tokens;
        end += word.len();
    }
    text[..end].trim_end().len()
}

fn send(
    answer: Answer,
    warnings: Vec<Warning>,
    table: &StaticTable<'_>,
    prompt: &str,
    question: &str,
    sink: &mut dyn FnMut(ChatEvent) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let tokens = |text: &str| table.vocabulary().count(text) as u64;
    let usage = Usage {
        input_tokens: Some(tokens(prompt) + tokens(question)),
        output_tokens: Some(answer.deltas.iter().map(|delta| tokens(delta)).sum()),
        ..Usage::default()
    };
    sink(ChatEvent::Started(Started { model: Some("extractive".into()), ..Started::default() }))?;
    for warning in warnings {
        sink(ChatEvent::Warning(warning))?;
    }
    for delta in answer.deltas {
        sink(ChatEvent::text(delta))?;
    }
    sink(ChatEvent::Usage(usage))?;
    sink(ChatEvent::finished(answer.reason))
}

fn question(request: &ChatRequest) -> Result<String, ModelError> {
    let asked = request.messages.iter().rev().find(|message| message.role == Role::User);
    let missing = || {
        failed(ErrorKind::InvalidRequest, "there is no user message to answer")
            .with_param("messages")
    };
    asked.map(|message| message.text()).ok_or_else(missing)
}

fn instructions(request: &ChatRequest) -> String {
    let is_instruction = |role| matches!(role, Role::System | Role::Developer);
    let messages = request.messages.iter().filter(|message| is_instruction(message.role));
    messages.map(|message| message.text()).collect::<Vec<_>>().join("\n")
}

/// What of the request is left out: a warning each, or an error where the request says so.
fn warnings(request: &ChatRequest) -> Result<Vec<Warning>, ModelError> {
    let plain = matches!(request.response_format, None | Some(ResponseFormat::Text));
    let left_out = [
        ("tools", !request.tools.is_empty()),
        ("response_format", !plain),
        ("n", request.n.is_some_and(|count| count > 1)),
        ("logprobs", request.logprobs == Some(true)),
    ];
    let mut warnings = Vec::new();
    for (param, _) in left_out.into_iter().filter(|(_, asked)| *asked) {
        let message = format!("local/extractive only quotes documents and takes no `{param}`");
        if request.unsupported == Unsupported::Refuse {
            return Err(failed(ErrorKind::Unsupported, message).with_param(param));
        }
        let param = Some(param.to_owned());
        warnings.push(Warning { code: "dropped_parameter".into(), param, message });
    }
    Ok(warnings)
}

fn damaged(error: &TableError) -> ModelError {
    failed(ErrorKind::Internal, "the embedded table cannot be read").with_source(error.clone())
}

fn failed(kind: ErrorKind, message: impl Into<String>) -> ModelError {
    ModelError::new(kind, Operation::Chat, message).at("local", "extractive")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::Message;
    use proptest::prelude::*;

    use super::*;

    fn request(evidence: &[&str], question: &str) -> ChatRequest {
        let blocks: Vec<String> = evidence
            .iter()
            .enumerate()
            .map(|(id, text)| {
                format!("<evidence id=\"{id}\" title=\"doc.md\">\n{text}\n</evidence>")
            })
            .collect();
        ChatRequest::new(vec![
            Message::system(format!("Answer from the evidence.\n{}", blocks.join("\n"))),
            Message::user(question),
        ])
    }

    fn events(request: &ChatRequest) -> Vec<ChatEvent> {
        let mut events = Vec::new();
        let mut sink = |event| {
            events.push(event);
            ControlFlow::Continue(())
        };
        Extractive::new().chat(request, &mut sink).unwrap();
        events
    }

    fn answer(request: &ChatRequest) -> String {
        let text = |event| match event {
            ChatEvent::Text { text, .. } => Some(text),
            _ => None,
        };
        events(request).into_iter().filter_map(text).collect()
    }

    fn check(evidence: &[&str], question: &str, expected: Expect) {
        expected.assert_eq(&answer(&request(evidence, question)));
    }

    const TEA: &str = "Green tea is steeped at 80 degrees. Black tea takes boiling water. Tea came to Europe in 1610.";
    const BRIDGE: &str = "The bridge was built in 1932 by a team of\nfour hundred workers. It crosses the harbour. Tolls ended in 2001.";

    #[test]
    fn quotes_the_sentence_that_answers() {
        check(
            &[TEA, BRIDGE],
            "When was the bridge built?",
            expect!["The bridge was built in 1932 by a team of four hundred workers. [ID:1]"],
        );
        check(
            &[TEA, BRIDGE],
            "When did tea come to Europe?",
            expect!["Tea came to Europe in 1610. [ID:0]"],
        );
    }

    #[test]
    fn quotes_scripts_without_spaces() {
        check(
            &["北京是中国的首都。上海是最大的城市。", "茶叶来自云南。"],
            "中国的首都是哪里？",
            expect!["北京是中国的首都。 [ID:0]"],
        );
        check(
            &["दिल्ली भारत की राजधानी है। मुंबई सबसे बड़ा शहर है।"],
            "भारत की राजधानी क्या है?",
            expect!["दिल्ली भारत की राजधानी है। [ID:0]"],
        );
    }

    #[test]
    fn a_list_comes_with_the_sentence_that_announces_it() {
        check(
            &["To install the server, run:\n```\ncargo install server\n```\nThen open the page."],
            "How do I install the server?",
            expect!["To install the server, run:\n```\ncargo install server\n``` [ID:0]"],
        );
    }

    #[test]
    fn half_a_block_of_code_is_not_quoted() {
        check(
            &["Tea is served on port 80.\n\n```toml\nport = 80 # the port that tea is served on"],
            "On which port is tea served?",
            expect!["Tea is served on port 80. [ID:0]"],
        );
    }

    #[test]
    fn overlapping_chunks_are_quoted_once() {
        check(
            &[TEA, TEA],
            "When did tea come to Europe?",
            expect!["Tea came to Europe in 1610. [ID:0]"],
        );
    }

    #[test]
    fn says_plainly_when_nothing_fits() {
        check(
            &[TEA, BRIDGE],
            "Who wrote the symphony in D minor?",
            expect!["I found nothing in the documents that answers this."],
        );
        check(
            &["", " "],
            "What is tea?",
            expect!["I found nothing in the documents that answers this."],
        );
        check(&[TEA], " ", expect!["I found nothing in the documents that answers this."]);
    }

    #[test]
    fn without_evidence_it_says_what_it_is() {
        let request = ChatRequest::new(vec![Message::user("Hello!")]);
        assert_eq!(answer(&request), NO_EVIDENCE);
    }

    #[test]
    fn an_answer_ends_with_usage_and_a_reason() {
        let events = events(&request(&[TEA], "When did tea come to Europe?"));
        let [.., ChatEvent::Usage(usage), end] = events.as_slice() else { panic!("{events:?}") };
        assert!(usage.input_tokens > Some(30) && usage.output_tokens > Some(8), "{usage:?}");
        assert_eq!(*end, ChatEvent::finished(FinishReason::Stop));
    }

    #[test]
    fn limits_and_stop_sequences_cut_the_answer() {
        let asked = request(&[TEA], "When did tea come to Europe?");
        let short = ChatRequest { max_output_tokens: Some(3), ..asked.clone() };
        assert_eq!(answer(&short), "Tea came to");
        assert_eq!(events(&short).last(), Some(&ChatEvent::finished(FinishReason::Length)));
        let stopped = ChatRequest { stop: vec![" in".into()], ..asked };
        assert_eq!(answer(&stopped), "Tea came to Europe");
    }

    #[test]
    fn a_sink_that_leaves_is_not_called_again() {
        let mut calls = 0;
        let mut sink = |_| {
            calls += 1;
            ControlFlow::Break(())
        };
        Extractive::new().chat(&request(&[TEA], "tea?"), &mut sink).unwrap();
        assert_eq!(calls, 1);
    }

    #[test]
    fn what_it_cannot_do_is_a_warning_or_an_error() {
        let json = ChatRequest {
            response_format: Some(ResponseFormat::JsonObject),
            ..request(&[TEA], "tea?")
        };
        let warned = |event: &ChatEvent| matches!(event, ChatEvent::Warning(warning) if warning.param.as_deref() == Some("response_format"));
        assert!(events(&json).iter().any(warned));
        let strict = ChatRequest { unsupported: Unsupported::Refuse, ..json };
        let error =
            Extractive::new().chat(&strict, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let empty = ChatRequest::new(vec![Message::system("x")]);
        let error = Extractive::new().chat(&empty, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_quote_stands_in_its_evidence(texts in prop::collection::vec("(?s).{0,120}", 1..4), question in ".{0,60}") {
            let evidence: Vec<Evidence> = (0..).zip(texts)
                .map(|(id, text)| Evidence { id, title: String::new(), text })
                .collect();
            for quote in quotes(&question, &evidence).unwrap() {
                prop_assert!(evidence[quote.id as usize].text.contains(&quote.text));
                prop_assert!((0.0..=1.0001).contains(&quote.score));
            }
        }
    }
}
