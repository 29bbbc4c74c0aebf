//! How well stretches of text that were found cover those that were wanted.

use std::ops::Range;

/// A stretch of a document, by the document's name and bytes of its text.
type Stretch = (String, Range<usize>);

/// Shares of text, measured in bytes: of one question, or means.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub(crate) struct Overlap {
    /// What was found of what was wanted.
    pub(crate) recall: f64,
    /// What was wanted of what was found; what was found twice counts twice.
    pub(crate) precision: f64,
    /// Found and wanted, of found or wanted.
    pub(crate) iou: f64,
}

impl Overlap {
    pub(crate) fn mean(all: Vec<Self>) -> Self {
        let count = all.len().max(1) as f64;
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / count;
        Self {
            recall: mean(|overlap| overlap.recall),
            precision: mean(|overlap| overlap.precision),
            iou: mean(|overlap| overlap.iou),
        }
    }
}

/// What these stretches found of those that were wanted.
pub(crate) fn of(found: &[Stretch], wanted: &[Stretch]) -> Overlap {
    let retrieved: usize = found.iter().map(|(_, span)| span.len()).sum();
    let wanted = united(wanted);
    let in_demand: usize = wanted.iter().map(|(_, span)| span.len()).sum();
    let hit: usize = united(found)
        .iter()
        .flat_map(|found| wanted.iter().map(move |wanted| common(found, wanted)))
        .sum();
    let share = |of: usize| if of == 0 { 0.0 } else { hit as f64 / of as f64 };
    Overlap {
        recall: share(in_demand),
        precision: share(retrieved),
        iou: share(retrieved + in_demand - hit),
    }
}

/// The same stretches without what they have in common, in order.
fn united(stretches: &[Stretch]) -> Vec<Stretch> {
    let mut ordered = stretches.to_vec();
    ordered.sort_by(|(a, b), (c, d)| (a, b.start).cmp(&(c, d.start)));
    let mut united: Vec<Stretch> = Vec::new();
    for (document, span) in ordered {
        match united.last_mut() {
            Some((last, open)) if *last == document && span.start <= open.end => {
                open.end = open.end.max(span.end);
            }
            _ => united.push((document, span)),
        }
    }
    united
}

fn common((left, a): &Stretch, (right, b): &Stretch) -> usize {
    if left != right {
        return 0;
    }
    a.end.min(b.end).saturating_sub(a.start.max(b.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_counted_once_as_found_and_each_time_as_read() {
        let check = |found: &[(usize, usize)], wanted: &[(usize, usize)], expected: [f64; 3]| {
            let of_one = |spans: &[(usize, usize)]| -> Vec<Stretch> {
                spans.iter().map(|(start, end)| ("a".to_owned(), *start..*end)).collect()
            };
            let overlap = of(&of_one(found), &of_one(wanted));
            assert_eq!([overlap.recall, overlap.precision, overlap.iou], expected, "{found:?}");
        };
        check(&[(0, 10)], &[(0, 10)], [1.0, 1.0, 1.0]);
        check(&[(0, 10)], &[(0, 20)], [0.5, 1.0, 0.5]);
        check(&[(0, 10), (5, 15)], &[(5, 15)], [1.0, 0.5, 0.5]);
        check(&[(0, 10)], &[(20, 30)], [0.0, 0.0, 0.0]);
        check(&[], &[(0, 1)], [0.0, 0.0, 0.0]);
        let elsewhere = of(&[("b".into(), 0..10)], &[("a".into(), 0..10)]);
        assert_eq!(elsewhere, Overlap::default());
    }
}
