//! Entries for tests: objects that are nowhere, snapshots of nothing.

use std::collections::BTreeMap;

use lifeboat_format::entry::{ListedObject, ObjectKind};
use lifeboat_format::id::{ObjectHash, RunId, SnapshotId};
use lifeboat_format::key::ObjectName;
use lifeboat_format::snapshot::{
    CheckpointPlace, Outcome, Problems, Root, SNAPSHOT_VERSION, Snapshot, SnapshotKind, Source,
    Stats,
};
use lifeboat_format::time::Time;
use lifeboat_format::tree::PathKey;

/// The pack number `number`, of as many bytes.
pub(crate) fn object(number: u64) -> ListedObject {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    ListedObject {
        kind: ObjectKind::Pack,
        name: ObjectName { hash: ObjectHash(hash), upload: [1; 8] },
        size: number,
    }
}

/// A snapshot of the source `source` at the second `secs`, whose id begins with `id`.
pub(crate) fn snapshot(id: u8, source: &str, secs: i64) -> Snapshot {
    let time = Time { secs, nanos: 0 };
    let mut bytes = [0; 16];
    bytes[0] = id;
    let root = Root { path: b"/srv/data".to_vec(), tree: None, level: 0, entries: 0, bytes: 0 };
    Snapshot {
        version: SNAPSHOT_VERSION,
        id: SnapshotId(bytes),
        run: RunId([id; 16]),
        source: Source {
            name: Some(source.to_owned()),
            host: "host".to_owned(),
            roots: vec!["/srv/data".to_owned()],
        },
        source_key: source.to_owned(),
        kind: SnapshotKind::Full,
        checkpoint: None,
        parent: None,
        roots: vec![root],
        time: None,
        started: time,
        ended: time,
        outcome: Outcome::Complete,
        problems: Problems::default(),
        stats: Stats::default(),
        tags: Vec::new(),
        hold_until: None,
        sequence: 1,
        previous: None,
        policy: None,
        replaces: None,
        original: None,
        tool: "lifeboat test".to_owned(),
        other: BTreeMap::new(),
    }
}

/// The same as a checkpoint.
pub(crate) fn checkpoint(id: u8, source: &str, secs: i64) -> Snapshot {
    let place = CheckpointPlace { root: 0, ended_at: PathKey::root() };
    Snapshot { checkpoint: Some(place), ..snapshot(id, source, secs) }
}
