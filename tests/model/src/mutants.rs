//! Rules of the protocol that can be switched off, one at a time, to see that the model notices.
//!
//! The first group is of rules that docs/protocol.md has had from the beginning. The second is of rules that this
//! model has found to be missing or to be stated too weakly; the page has them now.

/// A rule that is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// A writer does not look at deletes when it is overtaken.
    BlindRetry,
    /// It looks only at what they say of packs, not of segments.
    PacksOnly,
    /// It overlooks that they took its own objects, which were orphans until it commits.
    IgnoresOwn,
    /// A writer does not name the condemned objects that it relies on.
    RelyNothing,
    /// A deleter looks at commits since the condemn, not since its mark.
    SinceCondemn,
    /// A deleter does not look at restores.
    NoRestores,
    /// A collector asks of each pack alone whether its chunks have a copy elsewhere.
    EachAlone,
    /// A collector condemns a segment with records of a dead pack, as if it had been compacted.
    SegmentAlone,
    /// A compaction names the new segment in the delete of the old, and in no commit.
    DeleteAdds,
    /// A collector removes objects before its delete is in the log.
    RemovesFirst,
    /// A keeper appends at a new head what it has decided at an old one.
    OldHead,
    /// The same, where a fold lets a restore bring back what is gone.
    OldHeadReturns,
    /// A fold lets a restore bring back what is gone, but every keeper decides again. Harmless: nobody
    /// appends such a restore. The rule is for the keeper that has an error (`OldHeadReturns`).
    Returns,
    /// Names are hashes alone: what is stored again gets the name that was deleted.
    NameTwice,
    /// Old numbers of the log are freed, and can be created again.
    NumberTwice,
    /// A compaction drops the records of condemned packs, too.
    DropsCondemned,

    /// A deleter does not spare what commits since its mark name, which were orphans to it.
    OrphansUnseen,
    /// A condemn is not decided again when other condemns and deletes have come after its mark.
    CondemnAtOldMark,
    /// A copy counts as a reason to delete although another open condemn has it.
    CopyInOtherPlan,
    /// A mark does not keep what locates chunks together with condemned objects.
    HalfPlaces,
    /// A deleter spares for visible snapshots only, not for those that were hidden after its mark.
    OnlyLive,
    /// A writer looks only at deletes for whether its parent is protected, not at open condemns.
    ParentAtDeletes,
    /// A writer relies on the segment that it has looked into, though it was merged since.
    OldPlace,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::BlindRetry,
        Self::PacksOnly,
        Self::IgnoresOwn,
        Self::RelyNothing,
        Self::SinceCondemn,
        Self::NoRestores,
        Self::EachAlone,
        Self::SegmentAlone,
        Self::DeleteAdds,
        Self::RemovesFirst,
        Self::OldHead,
        Self::OldHeadReturns,
        Self::Returns,
        Self::NameTwice,
        Self::NumberTwice,
        Self::DropsCondemned,
        Self::OrphansUnseen,
        Self::CondemnAtOldMark,
        Self::CopyInOtherPlan,
        Self::HalfPlaces,
        Self::OnlyLive,
        Self::ParentAtDeletes,
        Self::OldPlace,
    ];
}
