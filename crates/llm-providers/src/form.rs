//! [`Form`]: a body of parts (`multipart/form-data`, RFC 7578), for what is uploaded.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use http::HeaderValue;

/// Fields and files in the order they were added. What is added is not copied.
///
/// ```
/// use llm_providers::form::{File, Form};
///
/// let audio = File { name: "hello.wav".into(), media_type: Some("audio/wav".into()), data: "RIFF…".into() };
/// let form = Form::new().text("model", "whisper-1").file("file", audio);
/// assert_eq!(form.fields(), [("model", "whisper-1")]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    parts: Vec<Part>,
}

/// A file of a [`Form`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Its name; providers tell formats from its ending.
    pub name: String,
    /// Its MIME type; `application/octet-stream` where it is `None` or holds what a header cannot.
    pub media_type: Option<String>,
    /// Its bytes.
    pub data: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text { name: String, value: String },
    File { name: String, file: File },
}

/// A form as it is sent.
pub(crate) struct Encoded {
    pub(crate) content_type: HeaderValue,
    /// Bytes of all pieces.
    pub(crate) length: u64,
    pub(crate) pieces: Vec<Bytes>,
}

impl Form {
    /// A form without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field. A name may come several times.
    pub fn text(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts.push(Part::Text { name: name.into(), value: value.into() });
        self
    }

    /// Adds a file.
    pub fn file(mut self, name: impl Into<String>, file: File) -> Self {
        self.parts.push(Part::File { name: name.into(), file });
        self
    }

    /// Names and values of the fields, files left out.
    pub fn fields(&self) -> Vec<(&str, &str)> {
        let fields = self.parts.iter().filter_map(|part| match part {
            Part::Text { name, value } => Some((name.as_str(), value.as_str())),
            Part::File { .. } => None,
        });
        fields.collect()
    }

    /// Puts boundaries around the parts.
    pub(crate) fn encode(self) -> Encoded {
        self.encode_between(&random_boundary())
    }

    fn encode_between(self, boundary: &str) -> Encoded {
        let mut pieces = Vec::with_capacity(self.parts.len() * 3 + 1);
        for part in self.parts {
            let (head, data) = match part {
                Part::Text { name, value } => (text_head(&name), Bytes::from(value)),
                Part::File { name, file } => (file_head(&name, &file), file.data),
            };
            pieces.push(Bytes::from(format!("--{boundary}\r\n{head}\r\n\r\n")));
            pieces.push(data);
            pieces.push(Bytes::from_static(b"\r\n"));
        }
        pieces.push(Bytes::from(format!("--{boundary}--\r\n")));
        pieces.retain(|piece| !piece.is_empty());
        let content_type =
            HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"))
                .unwrap_or(HeaderValue::from_static("multipart/form-data"));
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        Encoded { content_type, length, pieces }
    }
}

fn text_head(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{}\"", quoted(name))
}

fn file_head(name: &str, file: &File) -> String {
    let media_type = file.media_type.as_deref().filter(|name| HeaderValue::from_str(name).is_ok());
    format!(
        "{}; filename=\"{}\"\r\nContent-Type: {}",
        text_head(name),
        quoted(&file.name),
        media_type.unwrap_or("application/octet-stream"),
    )
}

/// What would end a quoted name is percent-encoded, as HTML's "multipart form data" says; so no name can add a header.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// 128 random bits: no file holds them by chance, and none by intent, since they are made after it was given.
fn random_boundary() -> String {
    let random = || RandomState::new().hash_one(());
    format!("colloquy-{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn text(form: Form) -> String {
        let encoded = form.encode_between("b");
        let text = encoded.pieces.concat();
        assert_eq!(text.len() as u64, encoded.length);
        String::from_utf8(text).unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn parts_stand_between_boundaries() {
        let file = File { name: "a\"b\r\n.wav".into(), media_type: None, data: "sound".into() };
        let typed = File { media_type: Some("audio/wav".into()), ..file.clone() };
        let broken = File { media_type: Some("a\r\nX-Evil: 1".into()), ..File::default() };
        let form = Form::new()
            .text("model", "m")
            .text("empty", "")
            .file("file", file)
            .file("file", typed)
            .file("x", broken);
        expect![[r#"
            --b
            Content-Disposition: form-data; name="model"

            m
            --b
            Content-Disposition: form-data; name="empty"


            --b
            Content-Disposition: form-data; name="file"; filename="a%22b%0D%0A.wav"
            Content-Type: application/octet-stream

            sound
            --b
            Content-Disposition: form-data; name="file"; filename="a%22b%0D%0A.wav"
            Content-Type: audio/wav

            sound
            --b
            Content-Disposition: form-data; name="x"; filename=""
            Content-Type: application/octet-stream


            --b--
        "#]]
        .assert_eq(&text(form));
    }

    #[test]
    fn boundaries_differ() {
        assert_ne!(random_boundary(), random_boundary());
        let encoded = Form::new().encode();
        assert!(encoded.content_type.to_str().unwrap().contains("boundary=colloquy-"));
    }
}
