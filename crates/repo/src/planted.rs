//! Bugs that tests plant into the protocol, to see that they are found.
//!
//! Each takes away one rule that some trace needs (docs/protocol.md). Without the feature `planted`, which only tests enable,
//! asking is a constant *no*, and nothing of this is in the program.
//!
//! Invariant: one bug at a time, in the whole process; none unless a test has planted one.

/// A rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Planted {
    /// A writer does not look at what collectors have said since it began.
    WriterLooksAtNothing = 1,
    /// A writer does not ask whether a collector took what it has put itself for orphans.
    WriterTrustsItsOwn,
    /// A writer relies on condemned objects as on any other, without a word.
    WriterReliesOnCondemned,
    /// A writer takes everything over from a parent, whatever collectors under way say of it.
    WriterTrustsItsParent,
    /// A deleter looks at what was committed since the `condemn`, not since its mark.
    DeleterLooksSinceCondemn,
    /// A deleter does not look at snapshots that were dead at the mark and have come back.
    DeleterMissesRestores,
    /// A deleter does not spare what later commits say that they rely on.
    DeleterMissesRelied,
    /// A deleter says that snapshots are gone which have come back.
    DeleterTakesRestored,
    /// Objects are removed before the log says that they are gone.
    RemovesFirst,
    /// A collector does not mind that another one has condemned since its mark, perhaps the copy that this one spares.
    CollectorsOverlap,
    /// What is copied out of packs that go is not stored where another pack that goes has it.
    RepackTrustsWhatGoes,
    /// A collector takes kept marks over unasked, whatever was condemned or deleted since.
    KeptMarksNotAsked,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::WriterLooksAtNothing,
        Self::WriterTrustsItsOwn,
        Self::WriterReliesOnCondemned,
        Self::WriterTrustsItsParent,
        Self::DeleterLooksSinceCondemn,
        Self::DeleterMissesRestores,
        Self::DeleterMissesRelied,
        Self::DeleterTakesRestored,
        Self::RemovesFirst,
        Self::CollectorsOverlap,
        Self::RepackTrustsWhatGoes,
        Self::KeptMarksNotAsked,
    ];
}

#[cfg(feature = "planted")]
mod switch {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Planted;

    static IS_PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Plants a bug in place of any other; without one all rules are kept.
    pub fn plant(bug: Option<Planted>) {
        IS_PLANTED.store(bug.map_or(0, |bug| bug as u8), Ordering::SeqCst);
    }

    pub(crate) fn is_planted(bug: Planted) -> bool {
        IS_PLANTED.load(Ordering::SeqCst) == bug as u8
    }
}

#[cfg(not(feature = "planted"))]
mod switch {
    pub(crate) const fn is_planted(_bug: super::Planted) -> bool {
        false
    }
}

pub(crate) use self::switch::is_planted;
#[cfg(feature = "planted")]
pub use self::switch::plant;
