//! Scans in black and white: the codecs of fax machines (CCITT) and JBIG2.

use hayro_ccitt::{DecodeSettings, DecoderContext, EncodingMode};
use lopdf::{Dictionary, Document, Object};

use super::raster::{Colors, Raster};

/// Reads fax data (ISO 32000-1, 7.4.6) as the picture of this size.
pub(super) fn ccitt(data: &[u8], parameters: &Dictionary, height: u32) -> Option<Raster> {
    let number =
        |key: &[u8], default: i64| parameters.get(key).and_then(Object::as_i64).unwrap_or(default);
    let flag = |key: &[u8], default: bool| {
        parameters.get(key).and_then(Object::as_bool).unwrap_or(default)
    };
    let columns = u32::try_from(number(b"Columns", 1728)).ok()?;
    Raster::length(columns, height, &Colors::Gray, 1)?;
    let settings = DecodeSettings {
        columns,
        rows: height,
        end_of_block: flag(b"EndOfBlock", true),
        end_of_line: flag(b"EndOfLine", false),
        rows_are_byte_aligned: flag(b"EncodedByteAlign", false),
        encoding: match number(b"K", 0) {
            0 => EncodingMode::Group3_1D,
            1.. => EncodingMode::Group3_2D,
            _ => EncodingMode::Group4,
        },
        strict: false,
    };
    let mut rows = Rows::new(columns, height);
    // A cut file leaves the rows that came before.
    if hayro_ccitt::decode(data, &mut rows, &mut DecoderContext::new(settings)).is_err()
        && rows.bits.is_empty()
    {
        return None;
    }
    let mut raster = rows.raster();
    if flag(b"BlackIs1", false) {
        raster.invert();
    }
    Some(raster)
}

/// Reads JBIG2 data as PDF embeds it, with the dictionaries that several pictures share.
pub(super) fn jbig2(document: &Document, data: &[u8], parameters: &Dictionary) -> Option<Raster> {
    let settings = hayro_jbig2::DecodeSettings::default();
    let shared = parameters.get_deref(b"JBIG2Globals", document).and_then(Object::as_stream);
    let shared = shared.and_then(|it| it.get_plain_content_with_limit(MOST_SHARED)).ok();
    let shared = match shared {
        Some(shared) => Some(hayro_jbig2::Globals::new(&shared, &settings).ok()?),
        None => None,
    };
    let page = hayro_jbig2::Page::new_embedded(data, shared.as_ref(), &settings).ok()?;
    Raster::length(page.width(), page.height(), &Colors::Gray, 1)?;
    let mut rows = Rows::new(page.width(), page.height());
    page.decode(&mut rows).ok()?;
    Some(rows.raster())
}

/// The most bytes of dictionaries that pictures share.
const MOST_SHARED: usize = 16 << 20;

/// Rows of bits, 1 is white, as the decoders push them.
struct Rows {
    width: u32,
    height: u32,
    stride: usize,
    bits: Vec<u8>,
    /// The pixels of the row that is not complete.
    pixels: u32,
}

impl Rows {
    fn new(width: u32, height: u32) -> Self {
        Self { width, height, stride: (width as usize).div_ceil(8), bits: Vec::new(), pixels: 0 }
    }

    fn is_full(&self) -> bool {
        self.bits.len() >= self.stride.saturating_mul(self.height as usize)
    }

    fn raster(self) -> Raster {
        let Self { width, height, bits: samples, .. } = self;
        Raster { width, height, colors: Colors::Gray, bits_per_sample: 1, samples }
    }
}

impl hayro_ccitt::Decoder for Rows {
    fn push_row(&mut self, changes: &[u32]) {
        if self.is_full() {
            return;
        }
        let start = self.bits.len();
        self.bits.resize(start + self.stride, 0xff);
        for span in changes.chunks(2) {
            let from = span.first().copied().unwrap_or(self.width);
            let to = span.get(1).copied().unwrap_or(self.width).min(self.width);
            for pixel in from..to {
                if let Some(byte) = self.bits.get_mut(start + pixel as usize / 8) {
                    *byte &= !(0x80 >> (pixel % 8));
                }
            }
        }
    }
}

impl hayro_jbig2::Decoder for Rows {
    fn push_pixel(&mut self, black: bool) {
        if self.pixels.is_multiple_of(8) {
            if self.is_full() {
                return;
            }
            self.bits.push(0xff);
        }
        if black && let Some(byte) = self.bits.last_mut() {
            *byte &= !(0x80 >> (self.pixels % 8));
        }
        self.pixels += 1;
    }

    fn push_pixel_chunk(&mut self, black: bool, chunk_count: u32) {
        for _ in 0..chunk_count {
            if self.is_full() {
                return;
            }
            self.bits.push(if black { 0 } else { 0xff });
            self.pixels += 8;
        }
    }

    fn next_line(&mut self) {
        self.pixels = 0;
    }
}

#[cfg(test)]
mod tests {
    use hayro_jbig2::Decoder;
    use lopdf::dictionary;

    use super::*;

    #[test]
    fn a_fax_is_read() {
        // Group 4: a row of 8 white pixels is `1` (the same as the white row above); a horizontal row `001`, 2 white
        // `0111`, 3 black `10`, then `1` twice for nothing more to the row's end.
        let bits = "1 001 0111 10 1 000000000001 000000000001".replace(' ', "");
        let data: Vec<u8> = bits
            .as_bytes()
            .chunks(8)
            .map(|byte| {
                (0..8).fold(0, |sum, bit| sum << 1 | u8::from(byte.get(bit) == Some(&b'1')))
            })
            .collect();
        let parameters = dictionary! { "K" => -1, "Columns" => 8 };
        let raster = ccitt(&data, &parameters, 2).unwrap();
        assert_eq!((raster.width, raster.height, raster.samples), (8, 2, vec![0xff, 0b1100_0111]));
        let parameters = dictionary! { "K" => -1, "Columns" => 8, "BlackIs1" => true };
        assert_eq!(ccitt(&data, &parameters, 2).unwrap().samples, [0, 0b0011_1000]);
        assert!(ccitt(&data, &dictionary! { "Columns" => i64::MAX }, 2).is_none());
    }

    #[test]
    fn rows_end_in_whole_bytes() {
        let mut rows = Rows::new(10, 2);
        for _ in 0..3 {
            rows.push_pixel_chunk(true, 1);
            rows.push_pixel(false);
            rows.push_pixel(true);
            rows.next_line();
        }
        assert_eq!(rows.raster().samples, [0, 0b1011_1111, 0, 0b1011_1111]);
    }

    #[test]
    fn noise_is_no_picture() {
        assert!(jbig2(&Document::new(), b"\x97JB2 nonsense", &Dictionary::new()).is_none());
    }
}
