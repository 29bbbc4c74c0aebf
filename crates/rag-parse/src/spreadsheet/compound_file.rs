//! Compound files, in which XLS is wrapped: whether the chains of their sectors end. A library that follows a chain in
//! circles fills the memory with it.
//!
//! The layout is that of [MS-CFB]: a header, then sectors; a table (FAT) says of each sector which one follows it.

use rag_core::{ParseError, ParseErrorKind};

/// Ids from here on are no sectors.
const MOST_SECTORS: u32 = 0xFFFF_FFFA;
const END_OF_CHAIN: u32 = 0xFFFF_FFFE;

/// Bytes of an entry of the directory.
const ENTRY: usize = 128;
/// Smaller streams lie together in one of their own.
const SMALLEST_STREAM: u64 = 4_096;

/// Checks what is read of an XLS: the directory, the stream of small streams, and the workbook.
///
/// # Errors
/// `Damaged` when a chain leads out of the file or in circles.
pub(super) fn check(bytes: &[u8]) -> Result<(), ParseError> {
    is_sound(bytes).ok_or_else(|| {
        let reason = "the spreadsheet is broken: its sectors lead out of the file or in circles";
        ParseError::new(ParseErrorKind::Damaged, reason)
    })
}

/// `None` when it is not.
fn is_sound(bytes: &[u8]) -> Option<()> {
    let file = CompoundFile::of(bytes)?;
    let directory = file.chain(number(bytes, 0x30)?, u64::MAX)?;
    if number(bytes, 0x40)? > 0 {
        file.chain(number(bytes, 0x3C)?, u64::MAX)?;
    }
    for sector in directory {
        for entry in file.sector(sector)?.chunks_exact(ENTRY) {
            let (start, size) = (number(entry, 116)?, file.size(entry)?);
            match kind(entry) {
                Kind::Root => drop(file.chain(start, size)?),
                Kind::Workbook if size >= SMALLEST_STREAM => drop(file.chain(start, size)?),
                _ => {}
            }
        }
    }
    Some(())
}

/// The sectors of a file, and which one follows each.
struct CompoundFile<'a> {
    bytes: &'a [u8],
    sector_size: usize,
    next: Vec<u32>,
}

impl<'a> CompoundFile<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let sector_size = match bytes.get(0x1E..0x20)? {
            [0x09, 0] => 512,
            [0x0C, 0] => 4_096,
            _ => return None,
        };
        let mut file = Self { bytes, sector_size, next: Vec::new() };
        let mut tables: Vec<u32> = numbers(bytes.get(0x4C..512)?).collect();
        let mut list = number(bytes, 0x44)?;
        let mut lists = 0;
        while list < MOST_SECTORS {
            lists += 1;
            let mut more: Vec<u32> = numbers(file.sector(list)?).collect();
            list = more.pop()?;
            tables.extend(more);
            (lists <= file.count()).then_some(())?;
        }
        for table in tables.into_iter().filter(|table| *table < MOST_SECTORS) {
            file.next.extend(numbers(file.sector(table)?));
            // More than one entry for each sector is of no use.
            (file.next.len() <= file.count() + sector_size).then_some(())?;
        }
        Some(file)
    }

    /// How many sectors there are; the last may be short.
    fn count(&self) -> usize {
        self.bytes.len().saturating_sub(self.sector_size).div_ceil(self.sector_size)
    }

    fn sector(&self, id: u32) -> Option<&'a [u8]> {
        let start = (id as usize).checked_add(1)?.checked_mul(self.sector_size)?;
        let end = start.checked_add(self.sector_size)?.min(self.bytes.len());
        self.bytes.get(start..end).filter(|sector| !sector.is_empty())
    }

    /// The sectors of a stream of so many bytes; `None` when they lead out of the file or in circles.
    fn chain(&self, start: u32, size: u64) -> Option<Vec<u32>> {
        let wanted = size.div_ceil(self.sector_size as u64);
        let mut sectors = Vec::new();
        let mut sector = start;
        while sector != END_OF_CHAIN && (sectors.len() as u64) < wanted {
            self.sector(sector)?;
            sectors.push(sector);
            (sectors.len() <= self.count()).then_some(())?;
            if (sectors.len() as u64) < wanted {
                sector = *self.next.get(sector as usize)?;
            }
        }
        Some(sectors)
    }

    /// The size that an entry of the directory tells.
    fn size(&self, entry: &[u8]) -> Option<u64> {
        let low = u64::from(number(entry, 120)?);
        match self.sector_size {
            512 => Some(low),
            _ => Some(low | u64::from(number(entry, 124)?) << 32),
        }
    }
}

/// What an entry of the directory is.
enum Kind {
    Root,
    Workbook,
    Other,
}

fn kind(entry: &[u8]) -> Kind {
    let named = |name: &str| {
        let letters = name.bytes().chain([0]);
        letters
            .zip(entry.chunks_exact(2))
            .all(|(letter, unit)| unit[0].eq_ignore_ascii_case(&letter) && unit[1] == 0)
    };
    match entry.get(66) {
        Some(5) => Kind::Root,
        _ if named("Workbook") || named("Book") => Kind::Workbook,
        _ => Kind::Other,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    numbers(bytes.get(at..at + 4)?).next()
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let four = |four: &[u8]| u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    bytes.chunks_exact(4).map(four)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of a table (sector 0), a directory (sector 1) with a root and a workbook, and a workbook (from sector 2
    /// on), whose sectors follow each other as `next` says.
    fn file(next: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..8].copy_from_slice(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1");
        bytes[0x1E] = 9;
        bytes[0x30..0x34].copy_from_slice(&1_u32.to_le_bytes());
        bytes[0x3C..0x40].copy_from_slice(&END_OF_CHAIN.to_le_bytes());
        bytes[0x44..0x48].copy_from_slice(&END_OF_CHAIN.to_le_bytes());
        bytes[0x4C..512].fill(0xFF);
        bytes[0x4C..0x50].copy_from_slice(&0_u32.to_le_bytes());
        let mut table = vec![0xFF; 512];
        for (place, id) in next.iter().enumerate() {
            table[place * 4..place * 4 + 4].copy_from_slice(&id.to_le_bytes());
        }
        let mut directory = vec![0; 512];
        directory[66] = 5;
        directory[116..120].copy_from_slice(&END_OF_CHAIN.to_le_bytes());
        for (place, letter) in b"Workbook".iter().enumerate() {
            directory[ENTRY + place * 2] = *letter;
        }
        directory[ENTRY + 66] = 2;
        directory[ENTRY + 116..ENTRY + 120].copy_from_slice(&2_u32.to_le_bytes());
        directory[ENTRY + 120..ENTRY + 124].copy_from_slice(&5_000_u32.to_le_bytes());
        [bytes, table, directory, vec![0; 512 * 10]].concat()
    }

    #[test]
    fn chains_that_end_are_sound() {
        let table = [END_OF_CHAIN, END_OF_CHAIN, 3, 4, 5, 6, 7, 8, 9, 10, 11, END_OF_CHAIN];
        assert!(check(&file(&table)).is_ok());
    }

    #[test]
    fn circles_and_ways_out_are_not() {
        for table in [
            // The directory follows itself.
            vec![END_OF_CHAIN, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, END_OF_CHAIN],
            // A sector of the workbook that is not there.
            vec![END_OF_CHAIN, END_OF_CHAIN, 3, 4, 99],
            // One that nothing follows and that does not say so.
            vec![END_OF_CHAIN, END_OF_CHAIN, 3],
        ] {
            let error = check(&file(&table)).unwrap_err();
            assert_eq!(error.kind, ParseErrorKind::Damaged, "{table:?}");
        }
    }

    #[test]
    fn a_circle_is_no_harm_within_the_size_of_a_stream() {
        let table = [END_OF_CHAIN, END_OF_CHAIN, 3, 2];
        assert!(check(&file(&table)).is_ok());
    }

    #[test]
    fn less_than_a_header_is_not_sound() {
        for length in [0, 8, 100, 511] {
            assert!(check(&file(&[])[..length]).is_err());
        }
    }
}
