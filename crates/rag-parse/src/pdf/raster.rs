//! Pixels, and how they become a PNG.

use png::{BitDepth, ColorType, Compression, Encoder};

/// The most pixels of a picture: a page of A3 at 600 dots per inch.
pub(super) const MOST_PIXELS: u64 = 70_000_000;

/// How the samples of a picture are to be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Colors {
    /// Shades of gray, 0 is black.
    Gray,
    /// Red, green and blue.
    Rgb,
    /// Cyan, magenta, yellow and black.
    Cmyk,
    /// Numbers of colors of a palette, each of red, green and blue.
    Palette(Vec<u8>),
}

impl Colors {
    fn samples_per_pixel(&self) -> usize {
        match self {
            Colors::Gray | Colors::Palette(_) => 1,
            Colors::Rgb => 3,
            Colors::Cmyk => 4,
        }
    }
}

/// A picture in memory: rows from above, each filled up to whole bytes.
#[derive(Clone, Debug)]
pub(super) struct Raster {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) colors: Colors,
    /// 1, 2, 4, 8 or 16.
    pub(super) bits_per_sample: u8,
    pub(super) samples: Vec<u8>,
}

impl Raster {
    /// How many bytes the samples of such a picture have; `None` beyond [`MOST_PIXELS`] or without pixels.
    pub(super) fn length(width: u32, height: u32, colors: &Colors, bits: u8) -> Option<usize> {
        let pixels = u64::from(width) * u64::from(height);
        if !(1..=MOST_PIXELS).contains(&pixels) {
            return None;
        }
        let row = (width as usize * colors.samples_per_pixel() * usize::from(bits)).div_ceil(8);
        row.checked_mul(height as usize)
    }

    /// Turns light into dark.
    pub(super) fn invert(&mut self) {
        self.samples.iter_mut().for_each(|byte| *byte = !*byte);
    }

    /// As a PNG; `None` for samples of a kind that PNG lacks. Missing samples are white, or the palette's last color.
    pub(super) fn png(mut self) -> Option<Vec<u8>> {
        let length = Self::length(self.width, self.height, &self.colors, self.bits_per_sample)?;
        self.samples.resize(length, 0xff);
        if self.bits_per_sample == 16 {
            self.samples =
                self.samples.chunks_exact(2).filter_map(|it| it.first().copied()).collect();
            self.bits_per_sample = 8;
        }
        let depth = match (self.bits_per_sample, self.colors.samples_per_pixel()) {
            (8, _) => BitDepth::Eight,
            (4, 1) => BitDepth::Four,
            (2, 1) => BitDepth::Two,
            (1, 1) => BitDepth::One,
            _ => return None,
        };
        let (color, palette) = match self.colors {
            Colors::Gray => (ColorType::Grayscale, None),
            Colors::Rgb => (ColorType::Rgb, None),
            Colors::Cmyk => {
                self.samples = self.samples.chunks_exact(4).flat_map(rgb_of_cmyk).collect();
                (ColorType::Rgb, None)
            }
            Colors::Palette(palette) => (ColorType::Indexed, Some(palette)),
        };
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        // A picture is sent to a model once: time counts more than size (a scan of 105 KB becomes 272 KB).
        encoder.set_compression(Compression::Fast);
        if let Some(palette) = palette {
            encoder.set_palette(full_palette(palette, self.bits_per_sample));
        }
        let mut writer = encoder.write_header().ok()?;
        writer.write_image_data(&self.samples).ok()?;
        writer.finish().ok()?;
        Some(file)
    }
}

/// A palette with a color for every number that samples can have.
fn full_palette(mut palette: Vec<u8>, bits: u8) -> Vec<u8> {
    palette.resize(3 << bits.min(8), 0);
    palette
}

/// The simple conversion of ISO 32000-1, 10.3.5, for four samples of eight bits.
pub(super) fn rgb_of_cmyk(inks: &[u8]) -> [u8; 3] {
    let ink = |index: usize| inks.get(index).copied().unwrap_or_default();
    [0, 1, 2].map(|color| 255 - ink(color).saturating_add(ink(3)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a decoder of PNG makes of the picture: colors and rows.
    fn decoded(raster: Raster) -> Option<(ColorType, Vec<u8>)> {
        let file = raster.png()?;
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut rows = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rows).unwrap();
        Some((info.color_type, rows))
    }

    #[test]
    fn pixels_survive() {
        let check = |colors: Colors, bits_per_sample: u8, samples: &[u8], expected| {
            let samples = samples.to_vec();
            assert_eq!(
                decoded(Raster { width: 2, height: 2, colors, bits_per_sample, samples }),
                expected
            );
        };
        check(Colors::Gray, 8, &[1, 2, 3], Some((ColorType::Grayscale, vec![1, 2, 3, 255])));
        check(
            Colors::Gray,
            16,
            &[1, 0, 2, 0, 3, 0, 4, 0],
            Some((ColorType::Grayscale, vec![1, 2, 3, 4])),
        );
        check(Colors::Gray, 1, &[0x40, 0x80], Some((ColorType::Grayscale, vec![0x40, 0x80])));
        check(Colors::Rgb, 8, &[7; 12], Some((ColorType::Rgb, vec![7; 12])));
        check(
            Colors::Cmyk,
            8,
            &[0, 0, 0, 55, 0, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0],
            Some((ColorType::Rgb, vec![200, 200, 200, 0, 0, 0, 0, 255, 255, 255, 255, 255])),
        );
        check(Colors::Rgb, 4, &[0; 6], None);
        let palette = Colors::Palette(vec![1, 2, 3, 4, 5, 6]);
        check(palette, 8, &[0, 1, 1, 0], Some((ColorType::Indexed, vec![0, 1, 1, 0])));
    }

    #[test]
    fn too_many_pixels_are_refused() {
        assert_eq!(Raster::length(u32::MAX, u32::MAX, &Colors::Cmyk, 16), None);
        assert_eq!(Raster::length(0, 7, &Colors::Gray, 8), None);
        assert_eq!(Raster::length(9, 2, &Colors::Gray, 1), Some(4));
    }
}
