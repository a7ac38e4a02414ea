//! One bit for each record of the index, shared by threads: which chunks were looked at.
//!
//! Knows ordinals, not ids. A bit takes an eighth of a byte, so that a hundred million chunks need
//! 12 MiB; bits are only ever set.

use std::sync::atomic::{AtomicU64, Ordering};

/// A set of ordinals below a fixed count.
#[derive(Debug)]
pub(crate) struct Seen {
    words: Box<[AtomicU64]>,
}

impl Seen {
    /// An empty set with room for the ordinals below `count`.
    pub(crate) fn new(count: u64) -> Self {
        let words = usize::try_from(count.div_ceil(64)).unwrap_or(usize::MAX);
        Self { words: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Adds `ordinal`; whether it is new. An ordinal beyond the count is always new.
    pub(crate) fn insert(&self, ordinal: u64) -> bool {
        let Some((word, bit)) = self.place(ordinal) else { return true };
        word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Whether `ordinal` is in the set.
    pub(crate) fn contains(&self, ordinal: u64) -> bool {
        self.place(ordinal).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// How many ordinals are in the set.
    pub(crate) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum()
    }

    fn place(&self, ordinal: u64) -> Option<(&AtomicU64, u64)> {
        let word = self.words.get(usize::try_from(ordinal / 64).ok()?)?;
        Some((word, 1 << (ordinal % 64)))
    }
}
