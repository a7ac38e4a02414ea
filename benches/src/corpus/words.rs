//! A vocabulary, and sentences of it: some words are frequent, most are rare.

use super::random::Random;

const SYLLABLES: [&str; 40] = [
    "ar", "ba", "ce", "di", "en", "fo", "ga", "hi", "in", "ja", "ke", "lo", "ma", "ne", "or", "pa",
    "qui", "re", "sa", "ti", "un", "ve", "wa", "xe", "yo", "zu", "an", "be", "co", "der", "est",
    "fi", "gra", "hor", "ist", "kon", "lu", "mi", "nor", "ster",
];

/// How many words there are.
const COUNT: usize = 4000;

/// The words of one corpus.
#[derive(Debug)]
pub(super) struct Words {
    words: Vec<String>,
}

impl Words {
    /// The vocabulary that follows from `random`; frequent words are short.
    pub(super) fn new(random: &Random) -> Self {
        let mut random = random.branch(u64::MAX);
        let words = (0..COUNT).map(|rank| {
            let syllables =
                1 + random.place(2) + usize::from(rank > 100) + usize::from(rank > 1500);
            (0..syllables).map(|_| SYLLABLES[random.place(SYLLABLES.len())]).collect()
        });
        Self { words: words.collect() }
    }

    /// A word, frequent ones more often.
    pub(super) fn word(&self, random: &mut Random) -> &str {
        let near = random.favoured(COUNT) + 1;
        &self.words[random.favoured(near)]
    }

    /// Adds a word.
    pub(super) fn put(&self, out: &mut Vec<u8>, random: &mut Random) {
        out.extend_from_slice(self.word(random).as_bytes());
    }

    /// Adds two words as a name in code.
    pub(super) fn put_name(&self, out: &mut Vec<u8>, random: &mut Random) {
        self.put(out, random);
        out.push(b'_');
        self.put(out, random);
    }

    /// Adds `count` words with spaces between them.
    pub(super) fn put_sentence(&self, out: &mut Vec<u8>, random: &mut Random, count: u64) {
        for index in 0..count {
            if index > 0 {
                out.push(b' ');
            }
            self.put(out, random);
        }
    }
}
