use proptest::prelude::*;

use super::*;
use crate::Kind;

pub(super) fn snapshot() -> Snapshot {
    Snapshot {
        version: SNAPSHOT_VERSION,
        id: SnapshotId([1; 16]),
        run: RunId([2; 16]),
        source: Source {
            name: None,
            host: "db1".to_owned(),
            roots: vec!["/srv/a,b".to_owned(), "/gone".to_owned()],
        },
        source_key: "db1:/srv/a\\,b,/gone".to_owned(),
        kind: SnapshotKind::Incremental,
        checkpoint: None,
        parent: Some(SnapshotId([3; 16])),
        roots: vec![
            Root {
                path: b"/srv/a,b".to_vec(),
                tree: Some(ChunkId([4; 32])),
                level: 1,
                entries: 9,
                bytes: 1234,
            },
            Root { path: b"/gone\xff".to_vec(), tree: None, level: 0, entries: 0, bytes: 0 },
        ],
        time: Some(Time { secs: 1_795_187_000, nanos: 0 }),
        started: Time { secs: 1_795_187_045, nanos: 5 },
        ended: Time { secs: 1_795_187_046, nanos: 0 },
        outcome: Outcome::Partial,
        problems: Problems {
            count: 1,
            first: vec![Problem { path: "/gone".to_owned(), error: "not there".to_owned() }],
        },
        stats: Stats { files: 8, ..Stats::default() },
        tags: vec!["nightly".to_owned()],
        hold_until: None,
        sequence: 7,
        previous: None,
        policy: None,
        replaces: None,
        original: None,
        tool: "lifeboat 0.1.0".to_owned(),
        other: BTreeMap::new(),
    }
}

#[test]
fn the_source_names_itself() {
    let mut snapshot = snapshot();
    assert_eq!(snapshot.source.key(), snapshot.source_key);
    snapshot.source.name = Some("orders: db".to_owned());
    assert_eq!(snapshot.source.key(), "orders: db");
}

#[test]
fn snapshots_come_back_with_members_unknown() {
    let mut snapshot = snapshot();
    snapshot.other.insert("colour".to_owned(), serde_json::json!({"of": ["the", "hull", 7]}));
    snapshot.kind = SnapshotKind::Other("reverse".to_owned());
    snapshot.outcome = Outcome::Other("odd".to_owned());
    let key = PathKey::root().child(b"\xfe").unwrap();
    snapshot.checkpoint = Some(CheckpointPlace { root: 1, ended_at: key });
    assert_eq!(Snapshot::decode(&snapshot.encode()), Ok(snapshot));
}

#[test]
fn paths_that_are_not_text_are_kept() {
    let text = String::from_utf8(snapshot().encode()).unwrap();
    assert!(text.contains("\"path\":\"/gone\u{fffd}\",\"path_hex\":\"2f676f6e65ff\""), "{text}");
    assert!(text.contains("\"missing\":true"));
}

#[test]
fn refusals() {
    let text = String::from_utf8(snapshot().encode()).unwrap();
    let newer = text.replace("\"version\":1", "\"version\":2");
    let error = Snapshot::decode(newer.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    let reason = "snapshot: version 2 is newer than 1, the newest known here";
    assert_eq!(error.to_string(), reason);
    for case in [
        text.replace("\"missing\":true", "\"missing\":false"),
        text.replace("\"level\":1", "\"level\":33"),
        text.replace("\"path_hex\":\"2f", "\"path_hex\":\"2"),
        text.replace("2026-11-20T", "2026-11-20 "),
        text.replace("\"run\"", "\"ran\""),
        text.replace("\"tool\"", "\"checkpoint\":{\"root\":2,\"ended_at\":\"\"},\"tool\""),
        text.replace("\"tool\"", "\"checkpoint\":{\"root\":0,\"ended_at\":\"2e\"},\"tool\""),
        text[..text.len() - 1].to_owned(),
    ] {
        let error = Snapshot::decode(case.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{case}");
    }
    let mut empty = snapshot();
    empty.roots.clear();
    assert!(Snapshot::decode(&empty.encode()).is_err());
}

proptest! {
    #[test]
    fn roots_come_back(path: Vec<u8>, tree: Option<[u8; 32]>, level in 0..=32_u8, entries: u64, bytes: u64) {
        let mut snapshot = snapshot();
        let tree = tree.map(ChunkId);
        snapshot.roots = vec![Root { path, tree, level, entries, bytes }];
        prop_assert_eq!(Snapshot::decode(&snapshot.encode()), Ok(snapshot));
    }

    #[test]
    fn damaged_snapshots_are_answered(place: prop::sample::Index, byte: u8) {
        let mut bytes = snapshot().encode();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        drop(Snapshot::decode(&bytes));
        drop(Snapshot::decode(&bytes[..place]));
    }
}
