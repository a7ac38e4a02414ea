//! Marks: one bit for every record of an index, to say of a chunk that it was met.
//!
//! Knows ordinals only. Exact, and an eighth of a byte a chunk: a hundred million take 12 MB.

use super::Ordinal;

/// A set of records of one index. It takes memory for those segments of which records are in it.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    segments: Vec<Vec<u64>>,
}

impl Marks {
    /// No marks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the mark; false if it was set before.
    pub fn set(&mut self, ordinal: Ordinal) -> bool {
        let (word, bit) = place(ordinal);
        if self.segments.len() <= ordinal.segment {
            self.segments.resize_with(ordinal.segment + 1, Vec::new);
        }
        let words = &mut self.segments[ordinal.segment];
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        let fresh = words[word] & bit == 0;
        words[word] |= bit;
        fresh
    }

    /// The marks of one segment, the first 64 records in the first word; any that are missing are not set.
    pub(crate) fn words(&self, segment: usize) -> &[u64] {
        self.segments.get(segment).map_or(&[], Vec::as_slice)
    }

    /// Takes the marks of one segment over, in place of what it had.
    pub(crate) fn put(&mut self, segment: usize, words: Vec<u64>) {
        if self.segments.len() <= segment {
            self.segments.resize_with(segment + 1, Vec::new);
        }
        self.segments[segment] = words;
    }

    /// Whether the mark is set.
    pub fn is_set(&self, ordinal: Ordinal) -> bool {
        let (word, bit) = place(ordinal);
        let words = self.segments.get(ordinal.segment);
        words.and_then(|words| words.get(word)).is_some_and(|word| word & bit != 0)
    }
}

fn place(ordinal: Ordinal) -> (usize, u64) {
    let word =
        usize::try_from(ordinal.record / 64).expect("a segment has fewer records than bytes");
    (word, 1 << (ordinal.record % 64))
}
