//! Mails: their header, their text, and what is attached.

use mail_parser::{Address, MessageParser, MimeHeaders, PartType};
use rag_core::{
    BlockKind, MetadataValue, ParseError, ParseErrorKind, ParseRequest, ParsedDocument,
};

use crate::builder::DocumentBuilder;
use crate::{FileParser, html};

/// Mails attached to mails, at most.
const MOST_DEPTH: usize = 4;
/// Attachments that are read.
const MOST_ATTACHMENTS: usize = 100;

/// Whether a file of this beginning is a mail: header lines, among them one that every mail has.
pub(crate) fn is_mail(start: &str) -> bool {
    let mut known = false;
    for line in start.lines().take(60) {
        if line.is_empty() {
            return known;
        }
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { return false };
        let is_name = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !is_name {
            return false;
        }
        known |= ["from", "received", "message-id", "mime-version", "return-path", "delivered-to"]
            .contains(&name.to_ascii_lowercase().as_str());
    }
    known
}

/// Reads a mail. Attachments are read as the files that they are; those that cannot be are warnings.
///
/// # Errors
/// `Damaged`, `NoText`, `TooLarge`.
pub(crate) fn parse(
    parser: &FileParser,
    request: &ParseRequest<'_>,
    depth: usize,
) -> Result<ParsedDocument, ParseError> {
    let mail = MessageParser::default().parse(request.bytes).ok_or_else(|| {
        ParseError::new(ParseErrorKind::Damaged, "the file is named as a mail but is none")
    })?;
    let mut out = DocumentBuilder::new(parser.limits().output_bytes);
    header(&mail, &mut out);
    body(parser, &mail, &mut out);
    for attachment in mail.attachments().take(MOST_ATTACHMENTS) {
        if out.is_full() {
            break;
        }
        let name = attachment.attachment_name().unwrap_or("attachment");
        let read = match &attachment.body {
            _ if depth >= MOST_DEPTH => Err("mails are attached to mails too deeply".to_owned()),
            PartType::Message(inner) => {
                let file = ParseRequest { bytes: inner.raw_message(), ..request.clone() };
                parse(parser, &file, depth + 1).map_err(|error| error.reason)
            }
            _ => {
                let file = ParseRequest { name, bytes: attachment.contents(), ..request.clone() };
                parser.parse_within(&file, depth + 1).map_err(|error| error.reason)
            }
        };
        match read {
            Ok(document) => {
                out.heading(2, name);
                out.append(document);
            }
            Err(reason) => out.warn(format!("the attachment `{name}` is not read: {reason}")),
        }
    }
    out.finish()
}

fn header(mail: &mail_parser::Message<'_>, out: &mut DocumentBuilder) {
    let mut lines = Vec::new();
    let people = [("From", "from", mail.from()), ("To", "to", mail.to()), ("Cc", "cc", mail.cc())];
    for (label, field, address) in people {
        let names = address.map(names).unwrap_or_default();
        if !names.is_empty() {
            lines.push(format!("{label}: {}", names.join(", ")));
            out.metadata().insert(field.to_owned(), MetadataValue::List(names));
        }
    }
    if let Some(date) = mail.date() {
        let date = date.to_rfc3339();
        lines.push(format!("Date: {date}"));
        out.metadata().insert("date".to_owned(), MetadataValue::Text(date));
    }
    if let Some(subject) = mail.subject() {
        out.title(subject);
        out.heading(1, subject);
    }
    out.push(BlockKind::Paragraph, &lines.join("\n"));
}

fn names(address: &Address<'_>) -> Vec<String> {
    let one = |person: &mail_parser::Addr<'_>| match (person.name(), person.address()) {
        (Some(name), Some(address)) => Some(format!("{name} <{address}>")),
        (name, address) => address.or(name).map(str::to_owned),
    };
    address.iter().filter_map(one).collect()
}

/// The text as it was written; the marked-up form where there is no other.
fn body(parser: &FileParser, mail: &mail_parser::Message<'_>, out: &mut DocumentBuilder) {
    let is_html = |part: &&mail_parser::MessagePart<'_>| matches!(part.body, PartType::Html(_));
    for part in mail.text_bodies() {
        match &part.body {
            PartType::Text(text) => {
                let paragraphs = text.split("\n\n").flat_map(|part| part.split("\r\n\r\n"));
                paragraphs.for_each(|paragraph| out.push(BlockKind::Paragraph, paragraph));
            }
            _ if is_html(&part) => {
                let markup = part.text_contents().unwrap_or_default();
                if let Some(document) = html::fragment(markup, parser.limits()) {
                    out.append(document);
                }
            }
            _ => {}
        }
    }
}
