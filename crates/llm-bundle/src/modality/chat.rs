//! Chat as a [`Modality`].

use llm_core::{
    ChatEvent, ChatModel, ChatRequest, FinishReason, Message, ModelInfo, ModelKind, Operation,
    Part, Role, Usage, Warning,
};

use super::{Asking, Modality, Spoken};
use crate::content::Page;
use crate::requirements;
use crate::tally::Tally;

impl Modality for dyn ChatModel {
    type Request = ChatRequest;
    type Event = ChatEvent;
    const KIND: ModelKind = ModelKind::Chat;
    const OPERATION: Operation = Operation::Chat;

    fn model_info(&self) -> &ModelInfo {
        self.info()
    }

    fn ask(&self, request: ChatRequest) -> Asking<ChatEvent> {
        self.chat(request)
    }

    fn address(request: &mut ChatRequest, model: &str) {
        model.clone_into(&mut request.model);
    }

    fn answers_at_once(request: &ChatRequest) -> bool {
        !request.stream
    }

    fn input_bytes(request: &ChatRequest) -> u64 {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        parts.map(text_bytes).sum::<usize>() as u64
    }

    fn count(event: &ChatEvent, tally: &mut Tally) {
        tally.chat(event);
    }

    fn read(request: &ChatRequest, page: &mut Page) {
        read_messages(request, page);
    }

    fn answer_text(event: &ChatEvent) -> Option<&str> {
        match event {
            ChatEvent::Text { text, .. } | ChatEvent::Refusal { text, .. } => Some(text),
            _ => None,
        }
    }

    fn commits(event: &ChatEvent) -> bool {
        !matches!(event, ChatEvent::Started(_) | ChatEvent::Warning(_) | ChatEvent::Usage(_))
    }

    fn is_filtered(event: &ChatEvent) -> bool {
        matches!(event, ChatEvent::Finished { reason: FinishReason::ContentFilter, .. })
    }

    fn fits(request: &ChatRequest, info: &ModelInfo) -> bool {
        requirements::are_met(request, info)
    }

    fn output_limit(request: &ChatRequest) -> Option<u64> {
        let answers = u64::from(request.n.unwrap_or(1).max(1));
        request.max_output_tokens.map(|most| u64::from(most) * answers)
    }

    fn spoken(event: &mut ChatEvent) -> Spoken<'_> {
        match event {
            ChatEvent::Text { choice: 0, text, signature: None } => Spoken::Text(text),
            ChatEvent::Started(_)
            | ChatEvent::Warning(_)
            | ChatEvent::Usage(_)
            | ChatEvent::Finished { .. } => Spoken::Nothing,
            // Reasoning that led to the text so far is not needed to go on with it.
            ChatEvent::Reasoning(delta) if delta.choice == 0 => Spoken::Nothing,
            _ => Spoken::Other,
        }
    }

    fn is_opening(event: &ChatEvent) -> bool {
        matches!(event, ChatEvent::Started(_))
    }

    fn usage_mut(event: &mut ChatEvent) -> Option<&mut Usage> {
        match event {
            ChatEvent::Usage(usage) => Some(usage),
            _ => None,
        }
    }

    fn go_on(request: &ChatRequest, said: &str) -> Option<ChatRequest> {
        let mut request = request.clone();
        let said = said.trim_end();
        if !said.is_empty() {
            request.messages.push(Message::assistant(said));
        }
        Some(request)
    }

    fn notice(warning: Warning) -> Option<ChatEvent> {
        Some(ChatEvent::Warning(warning))
    }
}

/// Roughly how many bytes of text a part has.
pub(crate) fn text_bytes(part: &Part) -> usize {
    match part {
        Part::Text(part) | Part::Refusal(part) => part.text.len(),
        Part::Reasoning(block) => block.text.len(),
        Part::ToolCall(call) => call.arguments.len(),
        Part::ToolResult(result) => result.parts.iter().map(text_bytes).sum(),
        _ => 0,
    }
}

fn read_messages(request: &ChatRequest, page: &mut Page) {
    for message in &request.messages {
        let role = match message.role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            _ => "tool",
        };
        for part in &message.parts {
            read_part(part, role, page);
        }
    }
}

fn read_part(part: &Part, role: &'static str, page: &mut Page) {
    match part {
        Part::Text(part) | Part::Refusal(part) => page.add(role, &part.text, false),
        Part::ToolCall(call) => page.add(role, &call.arguments, false),
        Part::ToolResult(result) => {
            result.parts.iter().for_each(|part| read_part(part, role, page));
        }
        _ => {}
    }
}
