//! Pictures, sound, films and documents: which block holds them, and what the service calls their format.

use llm_core::{Media, MediaSource};

/// A kind of block that holds media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Audio,
    Video,
    Document,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::Image, Kind::Audio, Kind::Video, Kind::Document];

    /// The name of the block.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Image => "image",
            Kind::Audio => "audio",
            Kind::Video => "video",
            Kind::Document => "document",
        }
    }

    /// What is said when nothing tells the format.
    fn usual_format(self) -> &'static str {
        match self {
            Kind::Image => "png",
            Kind::Audio => "mp3",
            Kind::Video => "mp4",
            Kind::Document => "txt",
        }
    }
}

/// The service's name of a format, and its MIME type. The first row for a format is the way back.
const FORMATS: &[(Kind, &str, &str)] = &[
    (Kind::Image, "png", "image/png"),
    (Kind::Image, "jpeg", "image/jpeg"),
    (Kind::Image, "jpeg", "image/jpg"),
    (Kind::Image, "gif", "image/gif"),
    (Kind::Image, "webp", "image/webp"),
    (Kind::Document, "pdf", "application/pdf"),
    (Kind::Document, "csv", "text/csv"),
    (Kind::Document, "doc", "application/msword"),
    (
        Kind::Document,
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    (Kind::Document, "xls", "application/vnd.ms-excel"),
    (Kind::Document, "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (Kind::Document, "html", "text/html"),
    (Kind::Document, "txt", "text/plain"),
    (Kind::Document, "md", "text/markdown"),
    (Kind::Document, "txt", "application/json"),
    (Kind::Document, "txt", "application/xml"),
    (Kind::Audio, "mp3", "audio/mpeg"),
    (Kind::Audio, "wav", "audio/wav"),
    (Kind::Audio, "wav", "audio/x-wav"),
    (Kind::Video, "mp4", "video/mp4"),
    (Kind::Video, "webm", "video/webm"),
    (Kind::Video, "mpeg", "video/mpeg"),
    (Kind::Video, "flv", "video/x-flv"),
    (Kind::Video, "mkv", "video/x-matroska"),
    (Kind::Video, "mov", "video/quicktime"),
    (Kind::Video, "three_gp", "video/3gpp"),
    (Kind::Video, "wmv", "video/x-ms-wmv"),
];

/// Beginnings of files in base64.
const BEGINNINGS: [(&str, &str); 6] = [
    ("iVBORw0KGgo", "png"),
    ("/9j/", "jpeg"),
    ("R0lGOD", "gif"),
    ("UklGR", "webp"),
    ("JVBERi", "pdf"),
    ("SUQz", "mp3"),
];

/// Which block holds a file: by MIME type, else by its name's ending.
pub(super) fn kind_of(media: &Media) -> Kind {
    match media.media_type.as_deref().and_then(|name| name.split_once('/')) {
        Some(("image", _)) => Kind::Image,
        Some(("audio", _)) => Kind::Audio,
        Some(("video", _)) => Kind::Video,
        Some(_) => Kind::Document,
        None => {
            let fits = |kind: &Kind| by_ending(*kind, media).is_some();
            Kind::ALL.into_iter().find(fits).unwrap_or(Kind::Document)
        }
    }
}

/// The service's name of a format: by MIME type, then by the name's ending, then by the first bytes.
pub(super) fn format_of(kind: Kind, media: &Media) -> String {
    let named = media.media_type.as_deref().and_then(|media_type| {
        let media_type = media_type.split(';').next().unwrap_or(media_type).trim();
        let known = FORMATS.iter().find(|(of, _, name)| *of == kind && *name == media_type);
        known.map(|(_, format, _)| (*format).to_owned()).or_else(|| {
            let (first, rest) = media_type.split_once('/')?;
            (first == kind.as_str() && kind != Kind::Document).then(|| rest.to_owned())
        })
    });
    named
        .or_else(|| by_ending(kind, media))
        .or_else(|| by_beginning(&media.source))
        .unwrap_or_else(|| kind.usual_format().to_owned())
}

fn by_ending(kind: Kind, media: &Media) -> Option<String> {
    let name = match (&media.name, &media.source) {
        (Some(name), _) => name,
        (None, MediaSource::Url(url)) => url,
        _ => return None,
    };
    let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
    let ending = match ending.as_str() {
        "jpg" => "jpeg",
        "htm" => "html",
        "markdown" => "md",
        other => other,
    };
    let is_known = FORMATS.iter().any(|(of, format, _)| *of == kind && *format == ending);
    is_known.then(|| ending.to_owned())
}

fn by_beginning(source: &MediaSource) -> Option<String> {
    let MediaSource::Base64(data) = source else {
        return None;
    };
    let known = BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning));
    known.map(|(_, format)| (*format).to_owned())
}

/// The MIME type of a format; `None` for a format that [`format_of`] would not give back.
pub(super) fn media_type_of(kind: Kind, format: &str) -> Option<String> {
    if let Some((_, _, name)) =
        FORMATS.iter().find(|(of, known, _)| *of == kind && *known == format)
    {
        return Some((*name).to_owned());
    }
    let is_word = !format.is_empty() && format.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_word && kind != Kind::Document).then(|| format!("{}/{format}", kind.as_str()))
}

/// A name as the service takes it: letters, digits, single spaces, hyphens, underscores, parentheses and brackets; no
/// two alike. (The documentation leaves out underscores; recorded ones were taken.)
pub(super) fn document_name(name: Option<String>, taken: &mut Vec<String>) -> String {
    let name = name.unwrap_or_else(|| "document".into());
    let mut clean = String::with_capacity(name.len());
    for letter in name.chars().take(200) {
        let fits = letter.is_ascii_alphanumeric() || "-_()[]".contains(letter);
        match letter {
            letter if fits => clean.push(letter),
            ' ' if clean.ends_with(' ') => {}
            ' ' => clean.push(' '),
            _ => clean.push('-'),
        }
    }
    let clean = clean.trim();
    let base = if clean.is_empty() { "document" } else { clean };
    let mut candidate = base.to_owned();
    let mut number = 2;
    while taken.contains(&candidate) {
        candidate = format!("{base} ({number})");
        number += 1;
    }
    taken.push(candidate.clone());
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_documents_are_cleaned_and_differ() {
        let mut taken = Vec::new();
        let mut name = |name: &str| document_name(Some(name.into()), &mut taken);
        assert_eq!(name("my  report_1 (v2).pdf"), "my report_1 (v2)-pdf");
        assert_eq!(name("ü"), "-");
        assert_eq!(name(" "), "document");
        assert_eq!(name(""), "document (2)");
        assert_eq!(name("document"), "document (3)");
    }

    #[test]
    fn formats_are_found() {
        let base64 = |data: &str| Media::new(MediaSource::Base64(data.into()));
        assert_eq!(format_of(Kind::Image, &base64("/9j/AA")), "jpeg");
        assert_eq!(format_of(Kind::Document, &base64("JVBERi0")), "pdf");
        assert_eq!(format_of(Kind::Document, &base64("AAAA")), "txt");
        let named = Media { name: Some("a.MD".into()), ..base64("AAAA") };
        assert_eq!(format_of(Kind::Document, &named), "md");
        let typed = Media { media_type: Some("text/html; charset=utf-8".into()), ..named };
        assert_eq!(format_of(Kind::Document, &typed), "html");
        for kind in Kind::ALL {
            for (_, format, _) in FORMATS.iter().filter(|(of, _, _)| *of == kind) {
                let media_type = media_type_of(kind, format);
                assert_eq!(format_of(kind, &Media { media_type, ..base64("") }), *format);
            }
        }
    }
}
