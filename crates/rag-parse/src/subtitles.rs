//! Subtitles: WebVTT and SubRip, as what is said and when.

use rag_core::{BlockKind, ParseError, ParsedDocument};

use crate::ParseLimits;
use crate::builder::DocumentBuilder;
use crate::encoding::{self, Decoded};

/// Words of one speaker are one paragraph for this long, or until this much text.
const LONGEST_SECONDS: f64 = 60.0;
const LONGEST_TEXT: usize = 1000;

/// A pause of so many seconds ends a paragraph.
const PAUSE: f64 = 5.0;

/// Reads subtitles. Cues that follow each other are paragraphs that begin with the time of their first word, as
/// `[00:01:30]`, and with the name of the speaker where it is given and changes.
///
/// # Errors
/// `TooLarge`.
pub(crate) fn parse(decoded: Decoded, limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
    let mut out = DocumentBuilder::new(limits.output_bytes);
    encoding::warning(&decoded).into_iter().for_each(|warning| out.warn(warning));
    let mut open: Option<Paragraph> = None;
    let mut speaker = None;
    for cue in cues(&decoded.text) {
        if !open.as_ref().is_some_and(|open| open.takes(&cue)) {
            open.take().into_iter().for_each(|done| out.push(BlockKind::Paragraph, &done.text));
        }
        let paragraph = open.get_or_insert_with(|| Paragraph::at(cue.start));
        if cue.speaker.is_some() && cue.speaker != speaker {
            paragraph.add(&format!("{}:", cue.speaker.as_deref().unwrap_or_default()));
            speaker = cue.speaker.clone();
        }
        paragraph.add(&cue.text);
        paragraph.end = cue.end;
        paragraph.speaker = cue.speaker;
    }
    open.into_iter().for_each(|done| out.push(BlockKind::Paragraph, &done.text));
    out.finish()
}

/// What is said at a time, in seconds.
#[derive(Debug, PartialEq)]
struct Cue {
    start: f64,
    end: f64,
    speaker: Option<String>,
    text: String,
}

struct Paragraph {
    start: f64,
    end: f64,
    speaker: Option<String>,
    text: String,
}

impl Paragraph {
    fn at(start: f64) -> Self {
        let seconds = start as u64;
        let text = format!("[{:02}:{:02}:{:02}]", seconds / 3600, seconds / 60 % 60, seconds % 60);
        Self { start, end: start, speaker: None, text }
    }

    fn takes(&self, cue: &Cue) -> bool {
        cue.speaker == self.speaker
            && cue.start - self.start < LONGEST_SECONDS
            && cue.start - self.end < PAUSE
            && self.text.len() < LONGEST_TEXT
    }

    fn add(&mut self, text: &str) {
        self.text.push(' ');
        self.text.push_str(text);
    }
}

/// The cues of a file: a line of two times, and the lines below it until an empty one. All else (headers, notes,
/// styles, numbers) has no times.
fn cues(text: &str) -> impl Iterator<Item = Cue> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let (start, end) = lines.by_ref().find_map(times)?;
        let said = lines.by_ref().take_while(|line| !line.trim().is_empty());
        let (mut speaker, mut words) = (None, Vec::new());
        for line in said {
            let (name, line) = plain(line);
            speaker = speaker.or(name);
            words.extend(line.split_whitespace().map(str::to_owned));
        }
        Some(Cue { start, end, speaker, text: words.join(" ") })
    })
    .filter(|cue| !cue.text.is_empty())
}

/// `00:01:02.500 --> 00:01:04.000 align:left`, the hours left out at will, a comma for the point at will.
fn times(line: &str) -> Option<(f64, f64)> {
    let (start, end) = line.split_once("-->")?;
    Some((seconds(start.trim())?, seconds(end.split_whitespace().next()?)?))
}

fn seconds(time: &str) -> Option<f64> {
    let time = time.replace(',', ".");
    let mut total = 0.0;
    for part in time.split(':') {
        total = total * 60.0 + part.parse::<f64>().ok().filter(|part| (0.0..1e6).contains(part))?;
    }
    Some(total)
}

/// A line without tags, and who speaks it: `<v Ada>So be it</v>`.
fn plain(line: &str) -> (Option<String>, String) {
    let (mut speaker, mut plain) = (None, String::new());
    let mut rest = line;
    while let Some((before, tagged)) = rest.split_once('<') {
        plain.push_str(before);
        let Some((tag, after)) = tagged.split_once('>') else {
            plain.push('<');
            rest = tagged;
            continue;
        };
        if let Some(name) = tag.strip_prefix('v').filter(|rest| rest.starts_with([' ', '.'])) {
            let name = name.split_once(' ').map_or("", |(_, name)| name).trim();
            speaker = speaker.or((!name.is_empty()).then(|| name.to_owned()));
        }
        rest = after;
    }
    plain.push_str(rest);
    let marks = [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    (speaker, marks.iter().fold(plain, |text, (name, mark)| text.replace(name, mark)))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::outline::{is_well_formed, outline};

    fn check(source: &str, expected: Expect) {
        let decoded = encoding::decode(source.as_bytes(), None);
        expected.assert_eq(&outline(&parse(decoded, &ParseLimits::default()).unwrap()));
    }

    #[test]
    fn cues_are_paragraphs_with_their_time() {
        check(
            "WEBVTT - talk\n\nNOTE a remark\n\nSTYLE\n::cue { color: red }\n\nid\n00:11.000 --> 00:13.000 align:left\n<v Ada>We are\nin <i>London</i>\n\n00:13.000 --> 00:14.000\n<v Ada>now.\n\n00:15.000 --> 00:16.000\n<v.loud Carl>5 &lt; 6</v>\n\n01:00:30.000 --> 01:00:31.000\n<v Carl>Later.\n",
            expect![[r#"
                paragraph "[00:00:11] Ada: We are in London now."
                paragraph "[00:00:15] Carl: 5 < 6"
                paragraph "[01:00:30] Later."
            "#]],
        );
        check(
            "1\r\n00:00:01,600 --> 00:00:04,200\r\nTea is <b>ready</b>.\r\n\r\n2\r\n00:00:05,000 --> 00:00:06,000\r\nCome.\r\n",
            expect![[r#"
                paragraph "[00:00:01] Tea is ready. Come."
            "#]],
        );
    }

    proptest! {
        #[test]
        fn any_text_ends(source in "(00:01|:|0| --> |<v |>|\n|a|,|9){0,60}") {
            let decoded = encoding::decode(source.as_bytes(), None);
            prop_assert!(is_well_formed(&parse(decoded, &ParseLimits::default()).unwrap()));
        }
    }
}
