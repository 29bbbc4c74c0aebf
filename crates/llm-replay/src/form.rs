//! Forms (`multipart/form-data`) as they arrived or were recorded.

use bytes::Bytes;

/// One part of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormPart {
    /// The field.
    pub name: String,
    /// The file's name, for files.
    pub file_name: Option<String>,
    /// What it holds.
    pub data: Bytes,
}

/// Takes a body apart at the boundary that its content type names; `None` when it is no form. For tests: parts whose head
/// is not in order are left out.
pub fn read_form(content_type: &str, body: &[u8]) -> Option<Vec<FormPart>> {
    let (_, boundary) = content_type.split_once("boundary=")?;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = after(body, delimiter.as_bytes())?;
    let end = format!("\r\n{delimiter}");
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let length = position(part, end.as_bytes())?;
        parts.extend(read_part(part.get(..length)?));
        rest = part.get(length + end.len()..)?;
    }
    Some(parts)
}

fn read_part(part: &[u8]) -> Option<FormPart> {
    let head_length = position(part, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(part.get(..head_length)?);
    let disposition =
        head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition"))?;
    let quoted = |name: &str| {
        let (_, value) = disposition.split_once(&format!("; {name}=\""))?;
        value.split('"').next().map(str::to_owned)
    };
    Some(FormPart {
        name: quoted("name")?,
        file_name: quoted("filename"),
        data: Bytes::copy_from_slice(part.get(head_length + 4..)?),
    })
}

fn after<'a>(bytes: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    bytes.get(position(bytes, needle)? + needle.len()..)
}

fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_taken_apart() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n\
            --b\r\nContent-Type: audio/wav\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n\r\n--x\r\n\r\n\
            --b--\r\n";
        let parts = read_form("multipart/form-data; boundary=\"b\"", body).unwrap();
        let [model, file] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!((model.name.as_str(), &model.data[..]), ("model", &b"m"[..]));
        assert_eq!(
            (file.file_name.as_deref(), &file.data[..]),
            (Some("a.wav"), &b"\r\n--x\r\n"[..])
        );
        assert_eq!(read_form("application/json", body), None);
        assert_eq!(read_form("multipart/form-data; boundary=b", b"--b--").unwrap(), []);
    }
}
