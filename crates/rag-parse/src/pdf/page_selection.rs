//! Which pages of a file are wanted.

use std::ops::RangeInclusive;

/// Ranges of pages, from 1, as a request names them; no range means all.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageSelection<'a> {
    ranges: &'a [(u32, u32)],
}

impl<'a> PageSelection<'a> {
    /// These ranges, each from its first to its last page.
    pub(super) fn new(ranges: &'a [(u32, u32)]) -> Self {
        Self { ranges }
    }

    /// Whether every page is wanted.
    pub(super) fn is_all(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether this page is wanted.
    pub(super) fn contains(&self, page: u32) -> bool {
        self.is_all() || self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&page))
    }

    /// The wanted ones among the pages up to `last`, in order.
    pub(super) fn up_to(self, last: u32) -> impl Iterator<Item = u32> {
        let pages: RangeInclusive<u32> = 1..=last;
        pages.filter(move |page| self.contains(*page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_select() {
        let check = |ranges: &[(u32, u32)], pages: &[u32]| {
            let found: Vec<u32> = PageSelection::new(ranges).up_to(4).collect();
            assert_eq!(found, pages, "{ranges:?}");
        };
        check(&[], &[1, 2, 3, 4]);
        check(&[(2, 3)], &[2, 3]);
        check(&[(4, u32::MAX), (1, 1)], &[1, 4]);
        check(&[(3, 2)], &[]);
        check(&[(0, 0), (9, 12)], &[]);
    }
}
