//! An image of a PDF as a file that models take: JPEG stays as it is, all else becomes PNG.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lopdf::{Dictionary, Document, Object, Stream};

use super::bilevel;
use super::raster::{Colors, Raster, rgb_of_cmyk};

/// An image file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ImageFile {
    /// `image/jpeg` or `image/png`.
    pub(super) media_type: &'static str,
    /// Its content.
    pub(super) bytes: Vec<u8>,
}

/// The most bytes of an image before its own codec.
const MOST_BYTES: usize = 300 << 20;

/// Width and height in pixels, as the image tells them.
pub(super) fn pixels(image: &Stream) -> Option<(u32, u32)> {
    let side = |key: &[u8]| u32::try_from(image.dict.get(key).ok()?.as_i64().ok()?).ok();
    Some((side(b"Width")?, side(b"Height")?))
}

/// Reads an image; `None` for codecs, color spaces and sizes that are not read here, and for broken ones, also for those
/// that bring a codec down: the text is worth more than a picture.
pub(super) fn read(document: &Document, image: &Stream) -> Option<ImageFile> {
    // Nothing outlives the closure that a panic could leave half changed.
    catch_unwind(AssertUnwindSafe(|| decode(document, image))).ok().flatten()
}

fn decode(document: &Document, image: &Stream) -> Option<ImageFile> {
    let filters = image.filters().unwrap_or_default();
    let codec = filters.last().copied().filter(|filter| CODECS.contains(filter));
    let data = before_codec(image, &filters, codec)?;
    let parameters = codec_parameters(document, image, filters.len());
    let (width, height) = pixels(image)?;
    let raster = match codec {
        Some(b"DCTDecode") => {
            let is_jpeg = data.starts_with(&[0xff, 0xd8]);
            return is_jpeg.then_some(ImageFile { media_type: "image/jpeg", bytes: data });
        }
        Some(b"CCITTFaxDecode") => bilevel::ccitt(&data, &parameters, height)?,
        Some(b"JBIG2Decode") => bilevel::jbig2(document, &data, &parameters)?,
        Some(_) => jpeg_2000(&data)?,
        None => plain(document, &image.dict, width, height, data)?,
    };
    let raster = as_decoded(document, &image.dict, raster);
    Some(ImageFile { media_type: "image/png", bytes: raster.png()? })
}

/// Filters that are codecs of images; they come last.
const CODECS: [&[u8]; 4] = [b"DCTDecode", b"CCITTFaxDecode", b"JBIG2Decode", b"JPXDecode"];

/// The image's data as its codec takes it: the general filters before it are undone.
fn before_codec(image: &Stream, filters: &[&[u8]], codec: Option<&[u8]>) -> Option<Vec<u8>> {
    let Some(codec) = codec else { return image.get_plain_content_with_limit(MOST_BYTES).ok() };
    if filters == [codec] {
        return Some(image.content.clone());
    }
    let before = filters.split_last().map(|(_, before)| before).unwrap_or_default();
    let mut dictionary = Dictionary::new();
    let names = before.iter().map(|name| Object::Name(name.to_vec())).collect();
    dictionary.set("Filter", Object::Array(names));
    Stream::new(dictionary, image.content.clone()).get_plain_content_with_limit(MOST_BYTES).ok()
}

fn codec_parameters(document: &Document, image: &Stream, filters: usize) -> Dictionary {
    let told = image.dict.get_deref(b"DecodeParms", document).ok();
    let own = match told {
        Some(Object::Array(each)) => filters
            .checked_sub(1)
            .and_then(|last| each.get(last))
            .and_then(|own| document.dereference(own).ok())
            .map(|(_, own)| own),
        other => other,
    };
    own.and_then(|own| own.as_dict().ok()).cloned().unwrap_or_default()
}

fn jpeg_2000(data: &[u8]) -> Option<Raster> {
    use hayro_jpeg2000::{ColorSpace, DecodeSettings, DecoderContext, Image};
    let image = Image::new(data, &DecodeSettings::default()).ok()?;
    let (width, height) = (image.width(), image.height());
    let channels = image.color_space().num_channels();
    let colors = match (image.color_space(), channels) {
        (ColorSpace::CMYK, _) | (_, 4) => Colors::Cmyk,
        (_, 1) => Colors::Gray,
        (_, 3) => Colors::Rgb,
        _ => return None,
    };
    Raster::length(width, height, &colors, 8)?;
    let stride = usize::from(channels) + usize::from(image.has_alpha());
    let mut context = DecoderContext::default();
    let all = image.decode(&mut context).ok()?.data_u8();
    let opaque =
        |pixel: &[u8]| pixel.iter().copied().take(usize::from(channels)).collect::<Vec<u8>>();
    let samples = match image.has_alpha() {
        true => all.chunks_exact(stride).flat_map(opaque).collect(),
        false => all,
    };
    Some(Raster { width, height, colors, bits_per_sample: 8, samples })
}

/// Samples without a codec of their own.
fn plain(
    document: &Document,
    image: &Dictionary,
    width: u32,
    height: u32,
    samples: Vec<u8>,
) -> Option<Raster> {
    let is_mask = image.get(b"ImageMask").and_then(Object::as_bool).unwrap_or(false);
    let bits = image.get(b"BitsPerComponent").and_then(Object::as_i64).unwrap_or(8);
    let bits_per_sample = if is_mask { 1 } else { u8::try_from(bits).ok()? };
    let colors = match is_mask {
        true => Colors::Gray,
        false => colors(document, image.get_deref(b"ColorSpace", document).ok()?)?,
    };
    let length = Raster::length(width, height, &colors, bits_per_sample)?;
    // What is cut off is white, but a picture of which half is missing is none.
    let is_whole = samples.len() >= length / 2;
    is_whole.then_some(Raster { width, height, colors, bits_per_sample, samples })
}

/// The colors of a color space (ISO 32000-1, 8.6); profiles count by their number of components.
fn colors(document: &Document, space: &Object) -> Option<Colors> {
    let (name, rest) = match space {
        Object::Name(name) => (name.as_slice(), [].as_slice()),
        Object::Array(parts) => {
            let (name, rest) = parts.split_first()?;
            (name.as_name().ok()?, rest)
        }
        _ => return None,
    };
    let part = |index: usize| Some(document.dereference(rest.get(index)?).ok()?.1);
    match name {
        b"DeviceGray" | b"CalGray" | b"G" => Some(Colors::Gray),
        b"DeviceRGB" | b"CalRGB" | b"RGB" => Some(Colors::Rgb),
        b"DeviceCMYK" | b"CMYK" => Some(Colors::Cmyk),
        b"ICCBased" => match part(0)?.as_stream().ok()?.dict.get(b"N").ok()?.as_i64().ok()? {
            1 => Some(Colors::Gray),
            3 => Some(Colors::Rgb),
            4 => Some(Colors::Cmyk),
            _ => None,
        },
        b"Indexed" | b"I" => palette(document, part(0)?, part(2)?),
        _ => None,
    }
}

/// The palette of an indexed color space, whose base is never indexed itself.
fn palette(document: &Document, base: &Object, table: &Object) -> Option<Colors> {
    let is_indexed = |space: &Object| {
        let first = space.as_array().ok().and_then(|parts| parts.first());
        first
            .and_then(|name| name.as_name().ok())
            .is_some_and(|name| matches!(name, b"Indexed" | b"I"))
    };
    if is_indexed(base) {
        return None;
    }
    let table = match table {
        Object::String(table, _) => table.clone(),
        Object::Stream(table) => table.get_plain_content_with_limit(1 << 20).ok()?,
        _ => return None,
    };
    let table: Vec<u8> = match colors(document, base)? {
        Colors::Gray => table.iter().flat_map(|gray| [*gray; 3]).collect(),
        Colors::Rgb => table,
        Colors::Cmyk => table.chunks_exact(4).flat_map(rgb_of_cmyk).collect(),
        Colors::Palette(_) => return None,
    };
    Some(Colors::Palette(table))
}

/// Pictures can say that their light is dark (`/Decode [1 0]`).
fn as_decoded(document: &Document, image: &Dictionary, mut raster: Raster) -> Raster {
    let decode = image.get_deref(b"Decode", document).and_then(Object::as_array);
    let ends =
        decode.map(|it| it.iter().filter_map(|end| end.as_float().ok()).collect::<Vec<f32>>());
    let is_reversed = match ends.as_deref() {
        Ok(ends) => {
            ends.chunks_exact(2).all(|pair| matches!(pair, [from, to] if from > to))
                && ends.len() > 1
        }
        Err(_) => false,
    };
    if is_reversed && !matches!(raster.colors, Colors::Palette(_)) {
        raster.invert();
    }
    raster
}

#[cfg(test)]
mod tests {
    use lopdf::dictionary;

    use super::*;

    fn image(entries: Dictionary, content: &[u8]) -> Stream {
        let mut dict = dictionary! { "Subtype" => "Image", "Width" => 2, "Height" => 2 };
        dict.extend(&entries);
        Stream::new(dict, content.to_vec())
    }

    /// The media type and the rows of the picture, where it is a PNG.
    fn check(entries: Dictionary, content: &[u8], expected: Option<(&str, &[u8])>) {
        let file = read(&Document::new(), &image(entries, content));
        let found = file.map(|file| {
            if file.media_type == "image/jpeg" {
                return (file.media_type, file.bytes);
            }
            let mut decoder = png::Decoder::new(std::io::Cursor::new(file.bytes));
            decoder.set_transformations(png::Transformations::EXPAND);
            let mut reader = decoder.read_info().unwrap();
            let mut rows = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut rows).unwrap();
            (file.media_type, rows)
        });
        let found = found.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice()));
        assert_eq!(found, expected);
    }

    #[test]
    fn images_become_files() {
        let gray = dictionary! { "ColorSpace" => "DeviceGray", "BitsPerComponent" => 8 };
        check(gray.clone(), &[1, 2, 3, 4], Some(("image/png", &[1, 2, 3, 4])));
        check(gray.clone(), &[1], None);
        let mut reversed = gray;
        reversed.set("Decode", Object::Array(vec![1.into(), 0.into()]));
        check(reversed, &[0, 1, 2, 255], Some(("image/png", &[255, 254, 253, 0])));
        let table = Object::string_literal(vec![9, 8, 7, 6, 5, 4]);
        let indexed = Object::Array(vec!["Indexed".into(), "DeviceRGB".into(), 1.into(), table]);
        let indexed = dictionary! { "ColorSpace" => indexed, "BitsPerComponent" => 1 };
        check(indexed, &[0x40, 0x80], Some(("image/png", &[9, 8, 7, 6, 5, 4, 6, 5, 4, 9, 8, 7])));
        let mask = dictionary! { "ImageMask" => true };
        check(mask, &[0x40, 0x80], Some(("image/png", &[0, 255, 255, 0])));
        check(
            dictionary! { "Filter" => "DCTDecode" },
            b"\xff\xd8x",
            Some(("image/jpeg", b"\xff\xd8x")),
        );
        let packed: Object = vec!["ASCIIHexDecode".into(), "DCTDecode".into()].into();
        check(dictionary! { "Filter" => packed }, b"ffd879>", Some(("image/jpeg", b"\xff\xd8y")));
    }

    #[test]
    fn what_is_not_read_is_none() {
        check(dictionary! { "Filter" => "DCTDecode" }, b"no jpeg", None);
        check(dictionary! { "Filter" => "JPXDecode" }, b"no jpeg", None);
        check(dictionary! { "Filter" => "MadeUp" }, b"x", None);
        check(dictionary! { "ColorSpace" => "Pattern" }, &[0; 16], None);
        let huge = dictionary! { "Width" => i64::from(u32::MAX), "Height" => i64::from(u32::MAX), "ImageMask" => true };
        check(huge, &[0; 16], None);
        let mut around =
            vec![Object::from("Indexed"), Object::Null, 1.into(), Object::string_literal("x")];
        if let Some(base) = around.get_mut(1) {
            *base = Object::Array(vec!["Indexed".into()]);
        }
        check(dictionary! { "ColorSpace" => around, "BitsPerComponent" => 8 }, &[0; 16], None);
    }
}
