//! Random entries and extents that agree with themselves.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::{Device, Entry, EntryKind, MODE_MAX, MovedXattr};
use crate::id::ChunkId;
use crate::time::{NANOS_PER_SEC, Time};
use crate::tree::extent::{Extent, total};

pub(in crate::tree) fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        (1..u64::MAX / 64).prop_map(Extent::Hole),
        (1..u64::MAX / 64).prop_map(Extent::Zeros),
        vec(any::<u8>(), 1..64).prop_map(Extent::Inline),
        (any::<[u8; 32]>(), 0..u32::MAX / 2, 1..u32::MAX / 2)
            .prop_map(|(id, offset, length)| Extent::Chunk { id: ChunkId(id), offset, length }),
    ]
}

pub(in crate::tree) fn extents() -> impl Strategy<Value = Vec<Extent>> {
    vec(extent(), 0..20)
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![
        Just(Time::default()),
        (any::<i64>(), 0..NANOS_PER_SEC).prop_map(|(secs, nanos)| Time { secs, nanos }),
    ]
}

fn kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        4 => Just(EntryKind::File),
        1 => Just(EntryKind::Dir),
        1 => Just(EntryKind::Symlink),
        1 => Just(EntryKind::Fifo),
        1 => Just(EntryKind::Socket),
        1 => Just(EntryKind::Char),
        1 => Just(EntryKind::Block),
    ]
}

type Xattrs = (BTreeMap<Vec<u8>, Vec<u8>>, BTreeMap<Vec<u8>, MovedXattr>);

fn xattrs() -> impl Strategy<Value = Xattrs> {
    let moved =
        (any::<[u8; 32]>(), any::<u32>()).prop_map(|(id, len)| MovedXattr { id: ChunkId(id), len });
    (
        btree_map(vec(any::<u8>(), 1..9), vec(any::<u8>(), 0..40), 0..3),
        btree_map(vec(any::<u8>(), 10..12), moved, 0..2),
    )
}

pub(in crate::tree) fn entry() -> impl Strategy<Value = Entry> {
    let owner = (any::<u32>(), any::<u32>(), vec(any::<u8>(), 0..9), vec(any::<u8>(), 0..9));
    let place = (any::<u32>(), any::<u64>(), 1..u64::MAX);
    let content = (extents(), 0..3_u8, any::<Option<[u8; 32]>>());
    let special = (any::<(u32, u32)>(), vec(any::<u8>(), 1..30), any::<u32>(), any::<u8>());
    (kind(), 0..=MODE_MAX, owner, time(), time(), place, xattrs(), content, special).prop_map(
        |(kind, mode, owner, mtime, ctime, place, xattrs, content, special)| {
            let (uid, gid, user, group) = owner;
            let (device, inode, links) = place;
            let ((major, minor), target, flags, notes) = special;
            let is_device = matches!(kind, EntryKind::Char | EntryKind::Block);
            let mut entry = Entry { kind, mode, uid, gid, user, group, ..Entry::default() };
            entry = Entry { mtime, ctime, device, inode, links, flags, notes, ..entry };
            entry.rdev = is_device.then_some(Device { major, minor });
            entry.xattrs = xattrs.0;
            entry.moved_xattrs = xattrs.1;
            if kind == EntryKind::Symlink {
                entry.target = target;
            }
            if kind == EntryKind::File {
                let (extents, depth, hash) = content;
                entry.size = total(&extents).expect("each is at most a 64th of the range");
                entry.content_depth = if extents.is_empty() { 0 } else { depth };
                entry.content = extents;
                entry.content_hash = hash;
            }
            entry
        },
    )
}
