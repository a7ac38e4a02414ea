//! Small sets of small numbers: chunks, objects, snapshots.
//!
//! One machine word each, so that a state of the model is small and quickly compared.

use std::{
    fmt,
    ops::{BitAnd, BitOr, BitOrAssign, Sub, SubAssign},
};

/// A set of numbers below 32.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Set(u32);

impl Set {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// The set of one number.
    #[must_use]
    pub const fn of(number: u8) -> Self {
        Self(1 << number)
    }

    /// The set of these numbers.
    #[must_use]
    pub const fn all(numbers: &[u8]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < numbers.len() {
            bits |= 1 << numbers[index];
            index += 1;
        }
        Self(bits)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the number is in it.
    #[must_use]
    pub const fn has(self, number: u8) -> bool {
        self.0 >> number & 1 == 1
    }

    /// Whether the two have a number in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The numbers in it, the smallest first.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..32).filter(move |number| self.has(*number))
    }
}

impl FromIterator<u8> for Set {
    fn from_iter<I: IntoIterator<Item = u8>>(numbers: I) -> Self {
        numbers.into_iter().fold(Self::NONE, |set, number| set | Self::of(number))
    }
}

impl BitOr for Set {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Set {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Set {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Sub for Set {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl SubAssign for Set {
    fn sub_assign(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
