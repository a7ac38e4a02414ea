//! Until when a snapshot must stay, as entries and checkpoints say it.
//!
//! Has no clock: whether a time has come is for others to say. Invariant: later ends are greater.

/// When a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Until {
    /// At once: the snapshot is not held any more.
    Released,
    /// With this second since 1970.
    Time(u64),
    /// Never, unless it is released: a legal hold.
    Forever,
}

impl Until {
    /// The number that stands for it: 0 for what is released, the greatest for what has no end.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::Released => 0,
            Self::Time(secs) => secs,
            Self::Forever => u64::MAX,
        }
    }

    /// What `number` stands for.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Released,
            u64::MAX => Self::Forever,
            secs => Self::Time(secs),
        }
    }

    /// Whether what is held so must still stay at the second `secs` since 1970.
    #[must_use]
    pub fn holds_at(self, secs: u64) -> bool {
        self == Self::Forever || self.number() > secs
    }
}

#[cfg(test)]
mod tests;
