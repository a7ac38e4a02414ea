//! The searches: each a few actors on a small repository, since all at once are more than can be looked at.
//!
//! The small ones are exhausted by the tests, the large ones by `cargo xtask model`.

use crate::{
    collector::Prefers,
    keeper::Wish,
    log::Number,
    set::Set,
    setup::{Base, Job, Part, Setup},
};

/// Two chunks.
const A: Set = Set::of(0);
const B: Set = Set::of(1);
const AB: Set = Set::all(&[0, 1]);

/// The snapshots of all setups: the first is there from the beginning.
const OLD: u8 = 0;
const NEW: u8 = 1;
const OTHER: u8 = 2;

fn base(chunks: Set, snapshots: &[u8]) -> Base {
    Base { chunks, snapshots: Set::all(snapshots) }
}

fn backup(snapshot: u8) -> Part {
    Part::Run(Job::Backup { snapshot, parent: None })
}

fn child(snapshot: u8, parent: u8) -> Part {
    Part::Run(Job::Backup { snapshot, parent: Some(parent) })
}

fn replicate(snapshot: u8) -> Part {
    Part::Run(Job::Replicate { snapshot })
}

const REPACK: Part = Part::Run(Job::Repack);
const COMPACT: Part = Part::Run(Job::Compact);

fn collector(marks: u8) -> Part {
    Part::Collector(marks, Prefers::First)
}

/// One that keeps other copies than the first.
fn other_collector(marks: u8) -> Part {
    Part::Collector(marks, Prefers::Last)
}

fn keeper(wishes: &[Wish]) -> Part {
    Part::Keeper(wishes.to_vec())
}

/// A repository with one forgotten snapshot, and everybody's log so much longer.
fn forgotten(name: &'static str, more: Number, parts: Vec<Part>) -> Setup {
    Setup {
        name,
        snapshots: vec![A, A, AB],
        base: vec![base(A, &[OLD])],
        hidden: Set::of(OLD),
        parts,
        longest: 2 + more,
        losable: 0,
        crashes: 0,
        trash: 0,
    }
}

/// The same with the snapshot shown.
fn shown(name: &'static str, more: Number, parts: Vec<Part>) -> Setup {
    Setup { hidden: Set::NONE, longest: 1 + more, ..forgotten(name, more, parts) }
}

/// One chunk in two packs, which two writers have stored at once.
fn copies(name: &'static str, more: Number, parts: Vec<Part>) -> Setup {
    Setup {
        base: vec![base(A, &[OLD]), base(A, &[])],
        longest: 2 + more,
        ..shown(name, more, parts)
    }
}

/// A shown snapshot of two chunks in two packs.
fn spread(name: &'static str, more: Number, parts: Vec<Part>) -> Setup {
    Setup {
        snapshots: vec![AB, A, AB],
        base: vec![base(A, &[]), base(B, &[OLD])],
        longest: 2 + more,
        ..shown(name, more, parts)
    }
}

/// Two forgotten snapshots of a chunk each.
fn all_forgotten(name: &'static str, more: Number, parts: Vec<Part>) -> Setup {
    Setup {
        snapshots: vec![A, A, B],
        base: vec![base(A, &[OLD]), base(B, &[OTHER])],
        hidden: Set::all(&[OLD, OTHER]),
        longest: 4 + more,
        ..shown(name, more, parts)
    }
}

/// A shown snapshot of one chunk, in a pack with one that nobody needs.
fn half_dead(name: &'static str, more: Number, parts: Vec<Part>) -> Setup {
    Setup { base: vec![base(AB, &[OLD])], ..shown(name, more, parts) }
}

/// The first snapshot is forgotten, restored, held.
const FORGET: Wish = Wish::Forget(OLD);
const RESTORE: Wish = Wish::Restore(OLD);
const HOLD: Wish = Wish::Hold(OLD);
/// The writer's own is.
const FORGET_NEW: Wish = Wish::Forget(NEW);
const RESTORE_NEW: Wish = Wish::Restore(NEW);

/// What the tests exhaust.
#[must_use]
pub fn small() -> Vec<Setup> {
    [small_writing(), small_copying(), small_merging(), small_failing()].concat()
}

/// One of these, if there is one of this name.
#[must_use]
pub fn named(name: &str) -> Option<Setup> {
    small().into_iter().find(|setup| setup.name == name)
}

fn small_writing() -> Vec<Setup> {
    vec![
        forgotten("writer, two collectors", 7, vec![backup(NEW), collector(2), collector(1)]),
        forgotten("two writers, collector", 8, vec![backup(NEW), backup(OTHER), collector(2)]),
        forgotten(
            "keeper, two collectors",
            9,
            vec![keeper(&[RESTORE, FORGET, HOLD]), collector(2), other_collector(2)],
        ),
        forgotten(
            "writer, keeper, two collectors",
            7,
            vec![backup(NEW), keeper(&[RESTORE]), collector(1), other_collector(1)],
        ),
        shown(
            "writer, keeper, collector",
            9,
            vec![backup(NEW), keeper(&[FORGET, FORGET_NEW, RESTORE_NEW]), collector(2)],
        ),
        shown(
            "child, keeper, collector",
            9,
            vec![child(NEW, OLD), keeper(&[FORGET, RESTORE]), collector(2)],
        ),
        forgotten(
            "replicator, keeper, collector",
            9,
            vec![replicate(NEW), keeper(&[FORGET_NEW, RESTORE_NEW]), collector(2)],
        ),
    ]
}

fn small_copying() -> Vec<Setup> {
    let and_two = |mut parts: Vec<Part>| {
        parts.extend([collector(1), other_collector(1)]);
        parts
    };
    vec![
        copies("copies, keeper, two collectors", 8, and_two(vec![keeper(&[FORGET, RESTORE])])),
        copies("copies, writer, two collectors", 7, and_two(vec![backup(NEW)])),
        copies(
            "copies, child, keeper, collectors",
            7,
            and_two(vec![child(NEW, OLD), keeper(&[FORGET])]),
        ),
        half_dead(
            "repacker, writer, collector",
            9,
            vec![REPACK, backup(OTHER), other_collector(3)],
        ),
        half_dead("repacker, two collectors", 8, vec![REPACK, collector(1), other_collector(2)]),
    ]
}

fn small_merging() -> Vec<Setup> {
    let keeping = || keeper(&[FORGET, RESTORE]);
    vec![
        spread("compaction, writer, collector", 9, vec![COMPACT, backup(NEW), collector(3)]),
        spread("compaction, keeper, collector", 9, vec![COMPACT, keeping(), collector(3)]),
        spread("two compactions, collector", 7, vec![COMPACT, COMPACT, collector(2)]),
        all_forgotten(
            "compaction, writer, all forgotten",
            7,
            vec![COMPACT, backup(NEW), collector(2)],
        ),
        all_forgotten(
            "compaction, keeper, all forgotten",
            7,
            vec![COMPACT, keeper(&[RESTORE]), collector(2)],
        ),
    ]
}

fn small_failing() -> Vec<Setup> {
    vec![
        Setup {
            losable: 2,
            crashes: 1,
            ..forgotten("lost answers, crashes", 6, vec![backup(NEW), collector(2)])
        },
        Setup {
            losable: 1,
            crashes: 1,
            ..forgotten(
                "lost answers, two collectors",
                5,
                vec![keeper(&[RESTORE]), collector(1), collector(1)],
            )
        },
        Setup {
            trash: 1,
            ..shown("trash", 9, vec![backup(OTHER), keeper(&[FORGET, RESTORE]), collector(3)])
        },
    ]
}

/// What takes minutes to hours.
#[must_use]
pub fn large() -> Vec<Setup> {
    [large_writing(), large_maintaining(), large_failing()].concat()
}

fn large_writing() -> Vec<Setup> {
    vec![
        forgotten(
            "two writers, two collectors",
            8,
            vec![backup(NEW), backup(OTHER), collector(1), other_collector(1)],
        ),
        forgotten(
            "writer, busy keeper, two collectors",
            9,
            vec![
                backup(NEW),
                keeper(&[RESTORE, FORGET, HOLD, FORGET_NEW]),
                collector(2),
                other_collector(1),
            ],
        ),
        copies(
            "copies, child, keeper, busy collectors",
            9,
            vec![child(NEW, OLD), keeper(&[FORGET, RESTORE]), collector(2), other_collector(1)],
        ),
        forgotten(
            "replicator, writer, keeper, two collectors",
            8,
            vec![
                replicate(NEW),
                backup(OTHER),
                keeper(&[RESTORE, FORGET_NEW]),
                collector(1),
                other_collector(1),
            ],
        ),
    ]
}

fn large_maintaining() -> Vec<Setup> {
    vec![
        half_dead(
            "repacker, writer, keeper, two collectors",
            8,
            vec![
                REPACK,
                backup(OTHER),
                keeper(&[FORGET, RESTORE]),
                collector(1),
                other_collector(1),
            ],
        ),
        Setup {
            base: vec![base(AB, &[OLD]), base(A, &[])],
            longest: 11,
            ..half_dead(
                "compaction, repacker, writer, collector",
                9,
                vec![COMPACT, REPACK, backup(OTHER), other_collector(2)],
            )
        },
        all_forgotten(
            "compaction, writer, keeper, two collectors",
            8,
            vec![COMPACT, backup(NEW), keeper(&[RESTORE]), collector(1), other_collector(1)],
        ),
    ]
}

fn large_failing() -> Vec<Setup> {
    vec![
        Setup {
            losable: 2,
            crashes: 2,
            ..forgotten(
                "lost answers, writer, two collectors",
                7,
                vec![backup(NEW), collector(1), collector(1)],
            )
        },
        Setup {
            trash: 2,
            ..shown(
                "longer trash",
                10,
                vec![backup(OTHER), keeper(&[FORGET, RESTORE]), collector(2), other_collector(2)],
            )
        },
        Setup {
            losable: 1,
            crashes: 1,
            ..half_dead(
                "everybody",
                10,
                vec![
                    backup(OTHER),
                    child(NEW, OLD),
                    REPACK,
                    COMPACT,
                    keeper(&[FORGET, RESTORE, HOLD]),
                    collector(2),
                    other_collector(2),
                ],
            )
        },
    ]
}
