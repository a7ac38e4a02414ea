//! Numbers that follow from a seed: xoshiro256++, the same on every machine and in every version.
//!
//! Not for secrets. It is written out here because a corpus must stay the same for years, which
//! no crate of random numbers promises.

/// A stream of numbers of its own.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream that belongs to a seed and a purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut mixed = seed;
        for byte in purpose.bytes() {
            mixed = mix(mixed ^ u64::from(byte));
        }
        let state = std::array::from_fn(|_index| {
            mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(mixed)
        });
        Self { state }
    }

    /// Another stream, which follows from where this one stands and a number.
    #[must_use]
    pub fn branch(&self, number: u64) -> Self {
        let mut state = self.state;
        state[0] ^= mix(number);
        state[3] ^= mix(!number);
        let mut branch = Self { state };
        // The first numbers still resemble those of branches near by.
        for _round in 0..8 {
            branch.draw();
        }
        branch
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.draw()) * u128::from(end);
        u64::try_from(wide >> 64).expect("the upper half of a product of two u64")
    }

    /// A number from `start` to just below `end`.
    pub fn between(&mut self, start: u64, end: u64) -> u64 {
        start + self.below(end - start)
    }

    /// A place in something of `length` members, the first ones far more often than the last.
    pub fn favoured(&mut self, length: usize) -> usize {
        let end = u64::try_from(length).expect("a length in memory");
        let (first, second) = (self.below(end), self.below(end));
        let chosen = u128::from(first) * u128::from(second) / u128::from(end);
        usize::try_from(chosen).expect("less than the length")
    }

    /// A place in something of `length` members.
    pub fn place(&mut self, length: usize) -> usize {
        let end = u64::try_from(length).expect("a length in memory");
        usize::try_from(self.below(end)).expect("less than the length")
    }

    /// True in one of `times` cases.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Adds `count` bytes that nothing compresses.
    pub fn fill(&mut self, out: &mut Vec<u8>, count: usize) {
        let end = out.len() + count;
        while out.len() < end {
            let word = self.draw().to_le_bytes();
            out.extend_from_slice(&word[..word.len().min(end - out.len())]);
        }
    }
}

/// The finishing steps of splitmix64.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
