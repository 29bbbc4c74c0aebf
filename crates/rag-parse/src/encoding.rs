//! Bytes of an unknown encoding to text.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, MACINTOSH, UTF_8, UTF_16BE, UTF_16LE, X_MAC_CYRILLIC};

/// Text and how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    /// The encoding's usual name.
    pub(crate) encoding: &'static str,
    /// Some bytes meant nothing and became U+FFFD.
    pub(crate) lossy: bool,
}

/// How much of a file the detectors look at.
const SAMPLE: usize = 256 << 10;

/// Decodes bytes. Byte order marks decide, then NUL bytes (UTF-16) and validity as UTF-8, then what the file `declared` if that fits, then
/// statistics.
pub(crate) fn decode(bytes: &[u8], declared: Option<&'static Encoding>) -> Decoded {
    if let Some(text) = decode_utf32(bytes) {
        return Decoded { text, encoding: "UTF-32", lossy: false };
    }
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return decode_as(encoding, bytes.get(mark..).unwrap_or_default());
    }
    if let Some(encoding) = utf16_without_mark(bytes) {
        return decode_as(encoding, bytes);
    }
    if !is_iso_2022_jp(bytes)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return Decoded { text: text.to_owned(), encoding: UTF_8.name(), lossy: false };
    }
    if is_ebcdic(bytes) {
        let text = bytes.iter().map(|&byte| char::from(EBCDIC_500[usize::from(byte)])).collect();
        return Decoded { text, encoding: "IBM500", lossy: false };
    }
    match declared.filter(|encoding| *encoding != UTF_8).map(|encoding| decode_as(encoding, bytes))
    {
        Some(decoded) if !decoded.lossy => decoded,
        _ => decode_by_statistics(bytes),
    }
}

fn decode_as(encoding: &'static Encoding, bytes: &[u8]) -> Decoded {
    let (text, lossy) = encoding.decode_without_bom_handling(bytes);
    Decoded { text: text.into_owned(), encoding: encoding.name(), lossy }
}

fn decode_by_statistics(bytes: &[u8]) -> Decoded {
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample, sample.len() == bytes.len());
    let guess = detector.guess(None, Utf8Detection::Deny);
    // Text that is UTF-8 but for a few damaged bytes is still UTF-8.
    if mostly_utf8(sample) {
        return decode_as(UTF_8, bytes);
    }
    decode_as(second_look(guess, sample), bytes)
}

/// Whether multi-byte sequences are far more often well formed than not.
fn mostly_utf8(sample: &[u8]) -> bool {
    let (mut good, mut bad) = (0_usize, 0_usize);
    for chunk in sample.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good > 20 * bad
}

/// The detector was made for the web and does not know the encodings of old Macintoshes. They share most letters'
/// places with the Windows encodings, but not all: what is left shows as capitals and symbols inside words.
fn second_look(guess: &'static Encoding, sample: &[u8]) -> &'static Encoding {
    if !guess.is_single_byte() {
        return guess;
    }
    let flaws = |encoding: &'static Encoding| {
        let (text, _) = encoding.decode_without_bom_handling(sample);
        flawed_letters(&text)
    };
    let guessed = flaws(guess);
    let alternatives = [MACINTOSH, X_MAC_CYRILLIC].map(|encoding| (flaws(encoding), encoding));
    match alternatives.into_iter().min_by_key(|(flaws, _)| *flaws) {
        Some((flaws, encoding)) if flaws * 4 < guessed => encoding,
        _ => guess,
    }
}

/// Places where a non-ASCII character does not fit its neighbours: a capital after a small letter, a symbol between
/// letters, two scripts in one word, a control character.
fn flawed_letters(text: &str) -> usize {
    let mut flaws = 0;
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let after = chars.peek().copied().unwrap_or(' ');
        if !c.is_ascii() || !before.is_ascii() {
            let capital_inside = before.is_lowercase() && c.is_uppercase();
            let symbol_inside = !c.is_ascii()
                && !c.is_alphanumeric()
                && !matches!(c, '’' | '‘' | '“' | '”' | '–' | '—' | '…' | '\u{a0}')
                && before.is_alphabetic()
                && after.is_alphabetic();
            let mixed = before.is_alphabetic()
                && c.is_alphabetic()
                && is_cyrillic(before) != is_cyrillic(c);
            let control = ('\u{80}'..'\u{a0}').contains(&c);
            flaws += usize::from(capital_inside || symbol_inside || mixed || control);
        }
        before = c;
    }
    flaws
}

fn is_cyrillic(c: char) -> bool {
    ('\u{400}'..='\u{52f}').contains(&c)
}

/// UTF-32 needs its mark: nobody writes it without.
fn decode_utf32(bytes: &[u8]) -> Option<String> {
    let to_unit: fn([u8; 4]) -> u32 = match bytes.first_chunk::<4>()? {
        [0xff, 0xfe, 0, 0] => u32::from_le_bytes,
        [0, 0, 0xfe, 0xff] => u32::from_be_bytes,
        _ => return None,
    };
    let (units, rest) = bytes.get(4..)?.as_chunks::<4>();
    rest.is_empty().then(|| units.iter().map(|unit| char::from_u32(to_unit(*unit))).collect())?
}

/// ISO-2022-JP looks like ASCII but for its escape sequences.
fn is_iso_2022_jp(bytes: &[u8]) -> bool {
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    let escapes = |to: &[u8]| sample.windows(3).any(|window| window == to);
    bytes.is_ascii()
        && (escapes(b"\x1b$B") || escapes(b"\x1b$@"))
        && !ISO_2022_JP.decode_without_bom_handling(sample).1
}

/// UTF-16 without a mark: no other encoding of text has NUL bytes, and read the right way round nearly all of it is
/// letters, digits and punctuation.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    if sample.len() < 4 || !sample.contains(&0) {
        return None;
    }
    let score = |encoding: &'static Encoding| {
        let (text, lossy) = encoding.decode_without_bom_handling(sample);
        let plausible = text.chars().filter(|c| is_plausible(*c)).count();
        let ascii = text.chars().filter(|c| matches!(c, ' '..='~' | '\n' | '\r' | '\t')).count();
        let total = text.chars().count().max(1);
        let fits = plausible * 100 >= total * 97 && (!lossy || bytes.len() > SAMPLE);
        fits.then_some(plausible + 2 * ascii)
    };
    let (little, big) = (score(UTF_16LE), score(UTF_16BE));
    match (little, big) {
        (None, None) => None,
        (little, big) if little >= big => Some(UTF_16LE),
        _ => Some(UTF_16BE),
    }
}

fn is_plausible(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~')
        || (c.is_alphanumeric() && c as u32 != 0xfffd)
        || matches!(c, '\u{a0}'..='\u{bf}' | '\u{300}'..='\u{36f}' | '\u{2010}'..='\u{203e}'
            | '\u{20a0}'..='\u{20bf}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}')
}

/// EBCDIC text: its space (0x40) is frequent, and nearly every byte is one of its letters, digits or marks.
fn is_ebcdic(bytes: &[u8]) -> bool {
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    let count = |test: fn(u8) -> bool| sample.iter().filter(|byte| test(**byte)).count();
    let spaces = count(|byte| byte == 0x40);
    let usual = count(|byte| {
        matches!(byte, 0x40 | 0x4b..=0x50 | 0x5a..=0x61 | 0x6b..=0x6f | 0x7a..=0x7f | 0x0d | 0x15 | 0x25
            | 0x81..=0x89 | 0x91..=0x99 | 0xa2..=0xa9 | 0xc1..=0xc9 | 0xd1..=0xd9 | 0xe2..=0xe9 | 0xf0..=0xf9)
    });
    let small_letters = count(|byte| matches!(byte, 0x81..=0x89 | 0x91..=0x99 | 0xa2..=0xa9));
    let others = sample.len() - spaces;
    spaces * 20 > sample.len() && usual * 100 > sample.len() * 95 && small_letters * 2 > others
}

/// IBM code page 500 (EBCDIC, international) to Latin-1.
const EBCDIC_500: [u8; 256] = [
    0x00, 0x01, 0x02, 0x03, 0x9c, 0x09, 0x86, 0x7f, 0x97, 0x8d, 0x8e, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
    0x10, 0x11, 0x12, 0x13, 0x9d, 0x85, 0x08, 0x87, 0x18, 0x19, 0x92, 0x8f, 0x1c, 0x1d, 0x1e, 0x1f,
    0x80, 0x81, 0x82, 0x83, 0x84, 0x0a, 0x17, 0x1b, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x05, 0x06, 0x07,
    0x90, 0x91, 0x16, 0x93, 0x94, 0x95, 0x96, 0x04, 0x98, 0x99, 0x9a, 0x9b, 0x14, 0x15, 0x9e, 0x1a,
    0x20, 0xa0, 0xe2, 0xe4, 0xe0, 0xe1, 0xe3, 0xe5, 0xe7, 0xf1, 0x5b, 0x2e, 0x3c, 0x28, 0x2b, 0x21,
    0x26, 0xe9, 0xea, 0xeb, 0xe8, 0xed, 0xee, 0xef, 0xec, 0xdf, 0x5d, 0x24, 0x2a, 0x29, 0x3b, 0x5e,
    0x2d, 0x2f, 0xc2, 0xc4, 0xc0, 0xc1, 0xc3, 0xc5, 0xc7, 0xd1, 0xa6, 0x2c, 0x25, 0x5f, 0x3e, 0x3f,
    0xf8, 0xc9, 0xca, 0xcb, 0xc8, 0xcd, 0xce, 0xcf, 0xcc, 0x60, 0x3a, 0x23, 0x40, 0x27, 0x3d, 0x22,
    0xd8, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0xab, 0xbb, 0xf0, 0xfd, 0xfe, 0xb1,
    0xb0, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0xaa, 0xba, 0xe6, 0xb8, 0xc6, 0xa4,
    0xb5, 0x7e, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0xa1, 0xbf, 0xd0, 0xdd, 0xde, 0xae,
    0xa2, 0xa3, 0xa5, 0xb7, 0xa9, 0xa7, 0xb6, 0xbc, 0xbd, 0xbe, 0xac, 0x7c, 0xaf, 0xa8, 0xb4, 0xd7,
    0x7b, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0xad, 0xf4, 0xf6, 0xf2, 0xf3, 0xf5,
    0x7d, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0xb9, 0xfb, 0xfc, 0xf9, 0xfa, 0xff,
    0x5c, 0xf7, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0xb2, 0xd4, 0xd6, 0xd2, 0xd3, 0xd5,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0xb3, 0xdb, 0xdc, 0xd9, 0xda, 0x9f,
];

/// The encoding that a label in a file names.
pub(crate) fn for_label(label: &[u8]) -> Option<&'static Encoding> {
    // In files, as on the web, the declaration of UTF-16 inside ASCII-readable markup is wrong by construction.
    Encoding::for_label(label)
        .map(|encoding| if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
}

/// What a reader should know about how the text was read, if anything.
pub(crate) fn warning(decoded: &Decoded) -> Option<String> {
    decoded.lossy.then(|| {
        format!("some bytes are not valid {} and were replaced by U+FFFD", decoded.encoding)
    })
}

#[cfg(test)]
mod tests {
    use encoding_rs::WINDOWS_1252;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_encodings_are_recognised() {
        let german =
            "Über größere Städte schreibt man ähnlich schöne Sätze, wie man weiß. ".repeat(3);
        let russian =
            "Съешь же ещё этих мягких французских булок, да выпей чаю. Яркая Явь моя. ".repeat(3);
        let encode = |encoding: &'static Encoding, text: &str| encoding.encode(text).0.into_owned();
        let cases = [
            ("windows-1252", encode(WINDOWS_1252, &german), german.clone()),
            ("macintosh", encode(MACINTOSH, &german), german.clone()),
            ("x-mac-cyrillic", encode(X_MAC_CYRILLIC, &russian), russian.clone()),
            ("windows-1251", encode(encoding_rs::WINDOWS_1251, &russian), russian.clone()),
            ("UTF-8", german.clone().into_bytes(), german.clone()),
            (
                "UTF-16LE",
                german.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                german.clone(),
            ),
            (
                "UTF-16BE",
                russian.encode_utf16().flat_map(u16::to_be_bytes).collect(),
                russian.clone(),
            ),
        ];
        for (name, bytes, text) in cases {
            let decoded = decode(&bytes, None);
            assert_eq!((decoded.encoding, decoded.text.as_str()), (name, text.as_str()));
        }
    }

    #[test]
    fn marks_decide() {
        let cases: [(&[u8], &str); 4] = [
            (b"\xef\xbb\xbfhi", "hi"),
            (b"\xff\xfeh\0i\0", "hi"),
            (b"\xfe\xff\0h\0i", "hi"),
            (b"\xff\xfe\0\0h\0\0\0i\0\0\0", "hi"),
        ];
        for (bytes, text) in cases {
            assert_eq!(decode(bytes, None).text, text);
        }
    }

    #[test]
    fn a_declaration_counts_only_where_it_fits() {
        let greek = encoding_rs::ISO_8859_7;
        let (bytes, _, _) = greek.encode("Καλημέρα κόσμε");
        assert_eq!(decode(&bytes, Some(greek)).text, "Καλημέρα κόσμε");
        assert_eq!(decode("Καλημέρα".as_bytes(), Some(WINDOWS_1252)).text, "Καλημέρα");
    }

    proptest! {
        #[test]
        fn any_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            decode(&bytes, None);
        }

        #[test]
        fn utf8_stays(text in "[^\\x00\\x1b\\u{feff}]{0,200}") {
            prop_assert_eq!(decode(text.as_bytes(), None).text, text);
        }
    }
}
