//! Marks: one bit for every record of an index, to say of a chunk that it was met.
//!
//! Knows ordinals only. Exact, and an eighth of a byte a chunk: a hundred million take 12 MB.

use super::{Index, Ordinal};

/// A set of records of one index, as it was when the set was made.
#[derive(Clone, Debug)]
pub struct Marks {
    segments: Vec<Vec<u64>>,
}

impl Marks {
    /// No marks, with room for every record of `index`.
    pub fn new(index: &Index) -> Self {
        let words = |count: u64| vec![0; usize::try_from(count.div_ceil(64)).unwrap_or(usize::MAX)];
        Self { segments: index.record_counts().into_iter().map(words).collect() }
    }

    /// Sets the mark; false if it was set before. A record that came later has no mark.
    pub fn set(&mut self, ordinal: Ordinal) -> bool {
        let Some((word, bit)) = self.place(ordinal) else { return true };
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    /// Whether the mark is set.
    pub fn is_set(&self, ordinal: Ordinal) -> bool {
        let word = usize::try_from(ordinal.record / 64).ok();
        let words = self.segments.get(ordinal.segment);
        words
            .zip(word)
            .and_then(|(words, word)| words.get(word))
            .is_some_and(|word| word & (1 << (ordinal.record % 64)) != 0)
    }

    fn place(&mut self, ordinal: Ordinal) -> Option<(&mut u64, u64)> {
        let word = usize::try_from(ordinal.record / 64).ok()?;
        let word = self.segments.get_mut(ordinal.segment)?.get_mut(word)?;
        Some((word, 1 << (ordinal.record % 64)))
    }
}
