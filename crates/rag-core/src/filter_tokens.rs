//! The tokens of a written filter.

use crate::{FilterOperator, InvalidFilter, MetadataFilter};

/// A piece of a written filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// A name, a keyword, a number, a date.
    Word(&'a str),
    /// A text in quotes, without them.
    Quoted(String),
    Operator(FilterOperator),
    Open,
    Close,
    Comma,
    End,
}

impl Token<'_> {
    pub(crate) fn is_word(&self, wanted: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(wanted))
    }

    fn described(&self) -> String {
        match self {
            Token::Word(word) => format!("`{}`", shortened(word)),
            Token::Quoted(text) => format!("\"{}\"", shortened(text)),
            Token::Operator(operator) => format!("`{operator}`"),
            Token::Open => "`(`".into(),
            Token::Close => "`)`".into(),
            Token::Comma => "`,`".into(),
            Token::End => "the end".into(),
        }
    }
}

/// The tokens of a text, one after another.
pub(crate) struct Tokens<'a> {
    text: &'a str,
    /// Where the token at hand begins and ends, in bytes.
    start: usize,
    end: usize,
    token: Token<'a>,
    /// What stopped the reading of tokens, told when it is come to.
    failure: Option<InvalidFilter>,
    /// Tokens that may still come.
    left: usize,
}

const OPERATORS: [(&str, FilterOperator); 11] = [
    (">=", FilterOperator::GreaterOrEqual),
    ("<=", FilterOperator::LessOrEqual),
    ("!=", FilterOperator::NotEqual),
    ("<>", FilterOperator::NotEqual),
    ("==", FilterOperator::Equal),
    ("=", FilterOperator::Equal),
    (">", FilterOperator::Greater),
    ("<", FilterOperator::Less),
    ("≥", FilterOperator::GreaterOrEqual),
    ("≤", FilterOperator::LessOrEqual),
    ("≠", FilterOperator::NotEqual),
];

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self, InvalidFilter> {
        let left = 8 * (MetadataFilter::MOST_CONDITIONS + MetadataFilter::MOST_VALUES);
        let mut tokens = Self { text, start: 0, end: 0, token: Token::End, failure: None, left };
        tokens.advance();
        match tokens.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(tokens),
        }
    }

    /// The token at hand.
    pub(crate) fn peek(&self) -> &Token<'a> {
        &self.token
    }

    /// Goes on to the next token.
    pub(crate) fn advance(&mut self) {
        self.left = self.left.saturating_sub(1);
        let read = if self.left == 0 { Err(InvalidFilter::TooLarge) } else { self.read() };
        self.token = read.unwrap_or_else(|failure| {
            self.failure = Some(failure);
            Token::End
        });
    }

    /// Takes the token if it is at hand. Whether it was.
    pub(crate) fn take(&mut self, token: &Token<'_>) -> bool {
        let found = self.token == *token;
        if found {
            self.advance();
        }
        found
    }

    /// Takes the word if it is at hand. Whether it was.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let found = self.token.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    pub(crate) fn require(
        &mut self,
        token: &Token<'_>,
        expected: &str,
    ) -> Result<(), InvalidFilter> {
        if self.take(token) { Ok(()) } else { Err(self.expected(expected)) }
    }

    pub(crate) fn require_word(&mut self, word: &str) -> Result<(), InvalidFilter> {
        if self.take_word(word) { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    /// The error that something else stands here.
    pub(crate) fn expected(&self, expected: &str) -> InvalidFilter {
        let found = || self.token.described();
        self.failure.clone().unwrap_or_else(|| self.error_at(self.start, expected, found()))
    }

    fn error_at(&self, byte: usize, expected: &str, found: String) -> InvalidFilter {
        let before = self.text.get(..byte).unwrap_or(self.text);
        InvalidFilter::Syntax {
            position: before.chars().count() + 1,
            expected: expected.to_owned(),
            found,
        }
    }

    fn read(&mut self) -> Result<Token<'a>, InvalidFilter> {
        let rest = self.text.get(self.end..).unwrap_or_default();
        let trimmed = rest.trim_start();
        self.start = self.text.len() - trimmed.len();
        self.end = self.start;
        let Some(first) = trimmed.chars().next() else { return Ok(Token::End) };
        let single = match first {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            ',' => Some(Token::Comma),
            '"' | '\'' => return self.quoted(trimmed, first),
            _ => None,
        };
        if let Some(token) = single {
            self.end += first.len_utf8();
            return Ok(token);
        }
        let operator = OPERATORS.iter().find(|(text, _)| trimmed.starts_with(text));
        if let Some((text, operator)) = operator {
            self.end += text.len();
            return Ok(Token::Operator(*operator));
        }
        let length = trimmed.find(|c: char| !is_of_word(c)).unwrap_or(trimmed.len());
        match trimmed.get(..length) {
            Some(word) if !word.is_empty() => {
                self.end += length;
                Ok(Token::Word(word))
            }
            _ => Err(self.error_at(self.start, "a field or a value", format!("`{first}`"))),
        }
    }

    fn quoted(&mut self, text: &str, quote: char) -> Result<Token<'a>, InvalidFilter> {
        let mut content = String::new();
        let mut escaped = false;
        for (at, character) in text.char_indices().skip(1) {
            if escaped {
                if !matches!(character, '"' | '\'' | '\\') {
                    content.push('\\');
                }
                content.push(character);
                escaped = false;
            } else if character == '\\' {
                escaped = true;
            } else if character == quote {
                self.end = self.start + at + character.len_utf8();
                return Ok(Token::Quoted(content));
            } else {
                content.push(character);
            }
        }
        Err(self.error_at(self.text.len(), &format!("`{quote}` after the text"), "the end".into()))
    }
}

/// Letters and digits of any script, and what stands within names, numbers, dates and versions.
fn is_of_word(character: char) -> bool {
    character.is_alphanumeric()
        || matches!(character, '_' | '-' | '.' | ':' | '+' | '/' | '@' | '%')
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
