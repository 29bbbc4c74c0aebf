//! RTF: text with headings by style, lists by their marks, tables, notes.

use encoding_rs::Encoding;
use rag_core::{BlockKind, MetadataValue, ParseError, ParseErrorKind, ParsedDocument};

use crate::builder::DocumentBuilder;
use crate::{ParseLimits, table};

/// Groups within groups, at most.
const MOST_DEPTH: usize = 512;

/// Reads an RTF file.
///
/// # Errors
/// `Damaged`, `TooLarge`.
pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
    let mut reader = Reader::new(limits);
    let mut rest = bytes;
    while let Some((token, after)) = token(rest) {
        reader.take(token)?;
        if reader.out.is_full() {
            break;
        }
        rest = after;
    }
    reader.end_paragraph();
    reader.end_table();
    reader.out.finish()
}

/// A piece of RTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    /// A control word and its number.
    Word(&'a [u8], Option<i32>),
    /// A control symbol.
    Symbol(u8),
    /// A byte of text, written as its number.
    Byte(u8),
    Text(&'a [u8]),
}

/// The first token, and what follows it.
fn token(bytes: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first {
        b'{' => Some((Token::Open, rest)),
        b'}' => Some((Token::Close, rest)),
        b'\\' => control(rest),
        _ => {
            let end = bytes.iter().position(|b| b"{}\\".contains(b)).unwrap_or(bytes.len());
            let (text, rest) = bytes.split_at(end);
            Some((Token::Text(text), rest))
        }
    }
}

fn control(bytes: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let letters = bytes.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(bytes.len());
    let (word, rest) = bytes.split_at(letters);
    if word.is_empty() {
        let (symbol, rest) = bytes.split_first()?;
        if *symbol != b'\'' {
            return Some((Token::Symbol(*symbol), rest));
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let after = rest.get(2..).unwrap_or_default();
        return Some((byte.map_or(Token::Symbol(b'\''), Token::Byte), after));
    }
    let is_number = |(at, b): (usize, &u8)| b.is_ascii_digit() || at == 0 && *b == b'-';
    let digits = rest.iter().enumerate().take_while(|(at, b)| is_number((*at, *b))).count().min(11);
    let (number, rest) = rest.split_at(digits);
    let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
    Some((Token::Word(word, number), rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// What a group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    Text,
    /// Nothing that is read.
    Ignored,
    Fonts,
    Styles,
    /// A field of the file's properties.
    Info(&'static str),
    Note,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    destination: Destination,
    /// Characters that stand in for one that is written as its number.
    fallback: usize,
    font: i32,
    hidden: bool,
}

struct Reader {
    out: DocumentBuilder,
    groups: Vec<Group>,
    group: Group,
    /// The encoding of the file, and of its fonts.
    encoding: &'static Encoding,
    fonts: Vec<(i32, &'static Encoding)>,
    /// Heading levels by style.
    headings: Vec<(i32, u8)>,
    style_being_defined: Option<i32>,
    pending: Vec<u8>,
    surrogate: Option<u16>,
    skip: usize,
    text: String,
    /// Text of an ignored, style or property group.
    aside: String,
    notes: String,
    style: Option<i32>,
    outline: Option<u8>,
    in_table: bool,
    row: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Reader {
    fn new(limits: &ParseLimits) -> Self {
        let group = Group { destination: Destination::Text, fallback: 1, font: 0, hidden: false };
        Self {
            out: DocumentBuilder::new(limits.output_bytes),
            groups: Vec::new(),
            group,
            encoding: encoding_rs::WINDOWS_1252,
            fonts: Vec::new(),
            headings: Vec::new(),
            style_being_defined: None,
            pending: Vec::new(),
            surrogate: None,
            skip: 0,
            text: String::new(),
            aside: String::new(),
            notes: String::new(),
            style: None,
            outline: None,
            in_table: false,
            row: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn take(&mut self, token: Token<'_>) -> Result<(), ParseError> {
        if !matches!(token, Token::Byte(_)) {
            self.decode();
        }
        match token {
            Token::Open => {
                if self.groups.len() >= MOST_DEPTH {
                    let reason = "the file's groups are nested too deeply";
                    return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
                }
                self.skip = 0;
                self.groups.push(self.group);
            }
            Token::Close => self.close(),
            Token::Byte(_) if self.skip > 0 => self.skip -= 1,
            Token::Byte(byte) => self.pending.push(byte),
            Token::Text(bytes) => {
                for byte in bytes.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')) {
                    match self.skip {
                        0 => self.pending.push(*byte),
                        _ => self.skip -= 1,
                    }
                }
            }
            Token::Symbol(symbol) => self.symbol(symbol),
            Token::Word(word, number) => self.word(word, number),
        }
        Ok(())
    }

    fn close(&mut self) {
        match self.group.destination {
            Destination::Styles => self.define_style(),
            Destination::Info(field) => self.property(field),
            _ => {}
        }
        let was_note = self.group.destination == Destination::Note;
        if let Some(group) = self.groups.pop() {
            self.group = group;
        }
        if was_note && self.group.destination != Destination::Note {
            self.notes.push('\n');
        }
        self.skip = 0;
    }

    /// `{\s1 heading 1;}`
    fn define_style(&mut self) {
        let name = std::mem::take(&mut self.aside).to_lowercase();
        let level = name
            .trim()
            .strip_prefix("heading ")
            .and_then(|rest| rest.trim_end_matches(';').trim().parse::<u8>().ok());
        let level = level.or((name.trim() == "title;").then_some(1));
        if let (Some(style), Some(level)) = (self.style_being_defined.take(), level) {
            self.headings.push((style, level));
        }
    }

    fn property(&mut self, field: &'static str) {
        let value = std::mem::take(&mut self.aside).trim().to_owned();
        match field {
            _ if value.is_empty() => {}
            "title" => self.out.title(&value),
            field => {
                let value = MetadataValue::Text(value);
                self.out.metadata().entry(field.to_owned()).or_insert(value);
            }
        }
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'*' => self.group.destination = Destination::Ignored,
            b'~' => self.push('\u{a0}'),
            b'_' => self.push('\u{2011}'),
            b'\\' | b'{' | b'}' => self.push(char::from(symbol)),
            b'\r' | b'\n' => self.end_paragraph(),
            _ => {}
        }
    }

    fn word(&mut self, word: &[u8], number: Option<i32>) {
        if self.group.destination == Destination::Ignored {
            return;
        }
        match word {
            b"par" | b"sect" | b"page" => self.end_paragraph(),
            b"line" => self.push('\n'),
            b"tab" => self.push('\t'),
            b"emdash" => self.push('—'),
            b"endash" => self.push('–'),
            b"bullet" => self.push('•'),
            b"lquote" => self.push('‘'),
            b"rquote" => self.push('’'),
            b"ldblquote" => self.push('“'),
            b"rdblquote" => self.push('”'),
            b"u" => self.unicode(number.unwrap_or_default()),
            b"uc" => {
                self.group.fallback = usize::try_from(number.unwrap_or(1)).unwrap_or(1).min(16)
            }
            b"f" if self.group.destination == Destination::Fonts => {
                self.fonts.push((number.unwrap_or_default(), self.encoding));
            }
            b"f" => self.group.font = number.unwrap_or_default(),
            b"fcharset" => {
                let encoding = number.and_then(of_charset);
                if let (Some(font), Some(encoding)) = (self.fonts.last_mut(), encoding) {
                    font.1 = encoding;
                }
            }
            b"ansicpg" => self.encoding = number.and_then(of_code_page).unwrap_or(self.encoding),
            b"mac" => self.encoding = encoding_rs::MACINTOSH,
            b"v" => self.group.hidden = number != Some(0),
            b"plain" => self.group.hidden = false,
            b"pard" => (self.style, self.outline, self.in_table) = (None, None, false),
            b"s" if self.group.destination == Destination::Styles => {
                self.style_being_defined = number;
                self.aside.clear();
            }
            b"s" => self.style = number,
            b"outlinelevel" => self.outline = number.and_then(|level| u8::try_from(level + 1).ok()),
            b"intbl" => self.in_table = true,
            b"cell" => {
                let text = std::mem::take(&mut self.text);
                self.row.push(text.trim().to_owned());
            }
            b"row" => {
                let row = std::mem::take(&mut self.row);
                self.rows.push(row.into_iter().take(table::MOST_COLUMNS).collect());
            }
            word => self.destination(word),
        }
    }

    /// Words that begin a group of another kind.
    fn destination(&mut self, word: &[u8]) {
        let destination = match word {
            b"fonttbl" => Destination::Fonts,
            b"stylesheet" => Destination::Styles,
            b"title" => Destination::Info("title"),
            b"author" => Destination::Info("author"),
            b"subject" => Destination::Info("subject"),
            b"keywords" => Destination::Info("keywords"),
            b"footnote" => Destination::Note,
            b"colortbl" | b"pict" | b"object" | b"header" | b"headerl" | b"headerr"
            | b"headerf" | b"footer" | b"footerl" | b"footerr" | b"footerf" | b"fldinst"
            | b"filetbl" | b"listtable" | b"revtbl" | b"operator" | b"comment" | b"doccomm"
            | b"company" | b"creatim" | b"revtim" | b"printim" | b"generator" | b"xe" | b"tc"
            | b"annotation" | b"atnid" | b"atnauthor" | b"datafield" | b"pntxtb" | b"pntxta"
            | b"nonesttables" | b"themedata" | b"category" | b"manager" | b"hlinkbase"
            | b"xmlnstbl" => Destination::Ignored,
            _ => return,
        };
        // Within what is ignored, everything is.
        if self.group.destination != Destination::Ignored {
            self.group.destination = destination;
            self.aside.clear();
        }
    }

    /// A character by its number, which is negative above 32,767.
    fn unicode(&mut self, number: i32) {
        let unit = number as u16;
        let units = self.surrogate.take().into_iter().chain([unit]);
        match char::decode_utf16(units).next() {
            Some(Ok(c)) => self.push(c),
            _ if (0xd800..0xdc00).contains(&unit) => self.surrogate = Some(unit),
            _ => self.push(char::REPLACEMENT_CHARACTER),
        }
        self.skip = self.group.fallback;
    }

    /// Bytes that have gathered, as the font's encoding has them.
    fn decode(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.pending);
        let font = self.fonts.iter().rev().find(|(font, _)| *font == self.group.font);
        let encoding = font.map_or(self.encoding, |(_, encoding)| encoding);
        let (text, _) = encoding.decode_without_bom_handling(&bytes);
        text.chars().for_each(|c| self.push(c));
    }

    fn push(&mut self, c: char) {
        /// Properties and styles have no longer names.
        const LONGEST_ASIDE: usize = 4_096;
        match self.group.destination {
            _ if self.group.hidden => {}
            Destination::Text => self.text.push(c),
            Destination::Note => self.notes.push(c),
            Destination::Ignored | Destination::Fonts => {}
            Destination::Styles | Destination::Info(_) if self.aside.len() > LONGEST_ASIDE => {}
            Destination::Styles | Destination::Info(_) => self.aside.push(c),
        }
    }

    fn end_paragraph(&mut self) {
        self.decode();
        if self.group.destination != Destination::Text {
            if self.group.destination == Destination::Note {
                self.notes.push('\n');
            }
            return;
        }
        if self.in_table {
            return self.text.push('\n');
        }
        self.end_table();
        let text = std::mem::take(&mut self.text);
        let of_style = |style: i32| self.headings.iter().find(|(known, _)| *known == style);
        let heading = self.outline.or_else(|| Some(of_style(self.style?)?.1));
        let item = text.trim().strip_prefix(['•', '·', '\u{f0b7}']);
        match (heading, item) {
            (Some(level), _) => self.out.heading(level.into(), &text),
            (None, Some(item)) => self.out.item(0, "- ", item),
            (None, None) => self.out.push(BlockKind::Paragraph, &text),
        }
        let notes = std::mem::take(&mut self.notes);
        self.out.push(BlockKind::Paragraph, &notes);
    }

    fn end_table(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        if !rows.is_empty() {
            self.out.push(BlockKind::Table, &table::markdown(&rows));
        }
    }
}

fn of_code_page(page: i32) -> Option<&'static Encoding> {
    let label = match page {
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        65001 => "utf-8".to_owned(),
        10000 => "macintosh".to_owned(),
        page => format!("windows-{page}"),
    };
    Encoding::for_label(label.as_bytes())
}

/// Character sets of fonts.
fn of_charset(charset: i32) -> Option<&'static Encoding> {
    let page = match charset {
        0 => 1252,
        77 => 10000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    };
    of_code_page(page)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::outline::{is_well_formed, outline};

    fn check(rtf: &str, expected: Expect) {
        let parsed = parse(rtf.as_bytes(), &ParseLimits::default()).unwrap();
        assert!(is_well_formed(&parsed));
        expected.assert_eq(&outline(&parsed));
    }

    #[test]
    fn text_headings_lists_and_tables() {
        check(
            r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}{\f1\fcharset204 Cyr;}}{\stylesheet{\s1 heading 1;}}
{\info{\title The Guide}{\author Ada}}
\pard\s1 Tea\par
\pard Caf\'e9 \u8364? and \f1\'cf\'f0\f0  {\v hidden}text{\*\bkmkstart x}.\par
{\pntext\bullet\tab}one\par
\trowd\pard\intbl a\cell b\cell\row\pard\intbl 1\cell 2\cell\row
\pard after{\footnote a note}\par}",
            expect![[r#"
                title "The Guide"
                h1 "Tea"
                paragraph "Café € and Пр text."
                listitem "- one"
                table "| a | b |\n| --- | --- |\n| 1 | 2 |"
                paragraph "after"
                paragraph "a note"
            "#]],
        );
    }

    proptest! {
        #[test]
        fn any_controls_end(text in r"([{}]|\\[a-z]{1,5}-?[0-9]{0,3} ?|\\'[0-9a-f]{2}|\\u-?[0-9]{1,6}|[a-zé ]){0,80}") {
            if let Ok(parsed) = parse(text.as_bytes(), &ParseLimits::default()) {
                prop_assert!(is_well_formed(&parsed));
            }
        }
    }
}
