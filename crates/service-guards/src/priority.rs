//! [`Priority`]: who goes first where places are short.

/// How urgent a call is. The order is that of urgency: the most urgent is the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody waits for the answer.
    #[default]
    Interactive,
    /// Work in the background, such as taking documents in. It goes when nobody waits, and never takes all places.
    Batch,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 2] = [Self::Interactive, Self::Batch];
}

/// How much of a limit calls of [`Priority::Batch`] see: four fifths, but never less than what one of them needs, since
/// it would wait for ever; a big one goes when all else has left.
pub fn batch_share(limit: u64, amount: u64) -> u64 {
    (limit / 5 * 4 + limit % 5 * 4 / 5).max(amount).min(limit)
}
