//! Prompts: what a conversation becomes for models that know no roles but those their template writes down. Which template is
//! from where stands in the [module above](super).

use llm_core::{Message, ModelError, Role};

use super::family::InvokeFamily;
use crate::cohere::v1::plain_text;
use crate::notes::Notes;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    System,
    User,
    Model,
}

/// Writes the prompt of a conversation, which ends where the model is to go on. Media, tools and sealed reasoning have no place
/// in it.
pub(super) fn write(
    messages: Vec<Message>,
    family: InvokeFamily,
    model: &str,
    notes: &mut Notes,
) -> Result<String, ModelError> {
    let mut turns: Vec<(Speaker, String)> = Vec::new();
    for message in messages {
        let speaker = match message.role {
            Role::System | Role::Developer => Speaker::System,
            Role::Assistant => Speaker::Model,
            Role::User | Role::Tool => Speaker::User,
        };
        let text = plain_text(message, notes)?;
        // Templates know turns that alternate.
        match turns.last_mut() {
            Some((last, known)) if *last == speaker => {
                known.push_str("\n\n");
                known.push_str(&text);
            }
            _ => turns.push((speaker, text)),
        }
    }
    Ok(match family {
        InvokeFamily::Llama if model.contains("llama2") => {
            instructions(&turns, "<<SYS>>\n", "\n<</SYS>>\n\n")
        }
        InvokeFamily::Llama if model.contains("llama4") => {
            headers(&turns, "<|header_start|>", "<|header_end|>", "<|eot|>")
        }
        InvokeFamily::Llama => {
            headers(&turns, "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
        }
        InvokeFamily::Mistral => instructions(&turns, "", "\n\n"),
        InvokeFamily::ClaudePrompt => claude(&turns),
        _ => plain(&turns),
    })
}

/// Each turn under the name of its speaker.
fn headers(turns: &[(Speaker, String)], open: &str, close: &str, end: &str) -> String {
    let mut prompt = "<|begin_of_text|>".to_owned();
    for (speaker, text) in turns {
        let name = match speaker {
            Speaker::System => "system",
            Speaker::User => "user",
            Speaker::Model => "assistant",
        };
        prompt.push_str(&format!("{open}{name}{close}\n\n{text}{end}"));
    }
    prompt.push_str(&format!("{open}assistant{close}\n\n"));
    prompt
}

/// Questions between `[INST]` and `[/INST]`, instructions in front of the question that they come before.
fn instructions(turns: &[(Speaker, String)], before: &str, after: &str) -> String {
    let mut prompt = "<s>".to_owned();
    let mut system = String::new();
    for (speaker, text) in turns {
        match speaker {
            Speaker::System => system = format!("{before}{text}{after}"),
            Speaker::User => {
                prompt.push_str(&format!("[INST] {}{text} [/INST]", std::mem::take(&mut system)));
            }
            Speaker::Model => prompt.push_str(&format!(" {text}</s>")),
        }
    }
    if !system.is_empty() {
        prompt.push_str(&format!("[INST] {} [/INST]", system.trim_end()));
    }
    prompt
}

fn claude(turns: &[(Speaker, String)]) -> String {
    let mut prompt = String::new();
    for (speaker, text) in turns {
        match speaker {
            Speaker::System => prompt.push_str(text),
            Speaker::User => prompt.push_str(&format!("\n\nHuman: {text}")),
            Speaker::Model => prompt.push_str(&format!("\n\nAssistant: {text}")),
        }
    }
    prompt.push_str("\n\nAssistant:");
    prompt
}

fn plain(turns: &[(Speaker, String)]) -> String {
    if let [(Speaker::User, text)] = turns {
        return text.clone();
    }
    let mut prompt = String::new();
    for (speaker, text) in turns {
        prompt.push_str(match speaker {
            Speaker::System => "",
            Speaker::User => "User: ",
            Speaker::Model => "Bot: ",
        });
        prompt.push_str(text);
        prompt.push('\n');
    }
    prompt.push_str("Bot:");
    prompt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(family: InvokeFamily, model: &str, expected: &str) {
        let messages = vec![
            Message::system("s"),
            Message::user("a"),
            Message::assistant("b"),
            Message::user("c"),
        ];
        let mut notes = Notes::new(Default::default());
        assert_eq!(write(messages, family, model, &mut notes).unwrap(), expected);
    }

    #[test]
    fn templates_are_those_of_the_families() {
        use InvokeFamily as F;
        check(
            F::Llama,
            "meta.llama3-8b-instruct-v1:0",
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\ns<|eot_id|>\
             <|start_header_id|>user<|end_header_id|>\n\na<|eot_id|>\
             <|start_header_id|>assistant<|end_header_id|>\n\nb<|eot_id|>\
             <|start_header_id|>user<|end_header_id|>\n\nc<|eot_id|>\
             <|start_header_id|>assistant<|end_header_id|>\n\n",
        );
        check(
            F::Llama,
            "meta.llama2-13b-chat-v1",
            "<s>[INST] <<SYS>>\ns\n<</SYS>>\n\na [/INST] b</s>[INST] c [/INST]",
        );
        check(F::Mistral, "m", "<s>[INST] s\n\na [/INST] b</s>[INST] c [/INST]");
        check(F::ClaudePrompt, "m", "s\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:");
        check(F::Titan, "m", "s\nUser: a\nBot: b\nUser: c\nBot:");
    }

    #[test]
    fn one_question_stands_as_it_is() {
        let mut notes = Notes::new(Default::default());
        let prompt = write(vec![Message::user("a")], InvokeFamily::Titan, "m", &mut notes);
        assert_eq!(prompt.unwrap(), "a");
    }
}
