//! The structures that are texts, and those of the log that carry them.

use crate::checkpoint::{
    self, Checkpoint, CheckpointBlock, KeepingFact, ObjectFact, SECTION_KEEPING, SECTION_PACKS,
    SECTION_SEGMENTS, SECTION_SNAPSHOTS, SnapshotFact,
};
use crate::config::{Chunker, Config, GrantedKey, SignedConfig};
use crate::entry::{
    ListedObject, ListedSnapshot, LogEntry, LogHeader, LogKind, ObjectKind, REMARK_VERSION,
    ReliedObject, Remark, Until,
};
use crate::id::{ChunkId, LogId, ObjectHash, PublicKey, RepositoryId, RunId, SlotId, SnapshotId};
use crate::keys::{ContentKeys, EpochKeys, KeyBundle, Secret32, SigningRole, SigningSecret};
use crate::keyslot::{KdfParams, KeyFile, KeySlot, SheetSlot, SlotKind};
use crate::snapshot::{
    CheckpointPlace, Outcome, Problem, Problems, Root, SNAPSHOT_VERSION, Snapshot, SnapshotKind,
    Source, Stats,
};
use crate::tree::PathKey;
use crate::{Result, Time};

use super::samples::{Sample, name, run, sample, time};

fn bundle() -> KeyBundle {
    let signing = SigningSecret {
        public: PublicKey([4; 32]),
        secret: Secret32::new([5; 32]),
        roles: vec![SigningRole::Root, SigningRole::Maintain, SigningRole::Write],
    };
    KeyBundle::new(
        RepositoryId(run(0)),
        PublicKey([4; 32]),
        ContentKeys::derive(&Secret32::new(run(0))),
        vec![EpochKeys::derive(0, &Secret32::new(run(0)))],
        vec![signing],
    )
}

fn slot() -> KeySlot {
    KeySlot {
        repository: RepositoryId(run(0)),
        slot: SlotId([2; 16]),
        kind: SlotKind::Passphrase,
        label: "ann".to_owned(),
        created: time(),
        kdf: Some(KdfParams::with_salt([3; 16])),
        sealed: vec![0xee; 8],
    }
}

fn sheet() -> KeyFile {
    KeyFile {
        repository: RepositoryId(run(0)),
        key: Secret32::new(run(0x20)),
        config: Some(vec![0xcc; 40]),
        slot: Some(SheetSlot { id: SlotId([2; 16]), object: vec![0xdd; 8] }),
    }
}

fn config() -> Config {
    let key = |byte, roles| GrantedKey { public: PublicKey([byte; 32]), roles };
    let keys = vec![
        key(4, vec![SigningRole::Root, SigningRole::Maintain, SigningRole::Write]),
        key(5, vec![SigningRole::Replicate]),
    ];
    let tool = "lifeboat 0.1.0".to_owned();
    let config = Config::new(RepositoryId(run(0)), LogId([9; 16]), time(), tool, keys);
    // What was usual when these texts were made.
    let sizes = Chunker { min: 32 << 10, avg: 128 << 10, max: 512 << 10, ..Chunker::default() };
    Config { chunker: sizes, ..config }
}

fn snapshot() -> Snapshot {
    let problem = Problem { path: "/gone".to_owned(), error: "no such directory".to_owned() };
    let ended_at = PathKey::root().child(b"etc").unwrap();
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
        checkpoint: Some(CheckpointPlace { root: 0, ended_at }),
        parent: Some(SnapshotId([3; 16])),
        roots: vec![
            Root {
                path: b"/srv/a,b".to_vec(),
                tree: Some(ChunkId([0xa1; 32])),
                level: 1,
                entries: 235,
                bytes: 75_000,
            },
            Root { path: b"/gone".to_vec(), tree: None, level: 0, entries: 0, bytes: 0 },
        ],
        time: None,
        started: time(),
        ended: Time { secs: 1_795_187_099, nanos: 0 },
        outcome: Outcome::Partial,
        problems: Problems { count: 1, first: vec![problem] },
        stats: Stats { files: 200, dirs: 35, bytes: 75_000, ..Stats::default() },
        tags: vec!["nightly".to_owned()],
        hold_until: None,
        sequence: 7,
        previous: Some(ObjectHash([0xb2; 32])),
        policy: None,
        replaces: None,
        original: None,
        tool: "lifeboat 0.1.0".to_owned(),
        other: std::collections::BTreeMap::new(),
    }
}

/// Keys, configuration and snapshot.
pub(crate) fn texts() -> Vec<Sample> {
    vec![
        sample!(
            "key bundle",
            "content and epoch roots 00 01 .. 1f, one signing key: public 04.., seed 05..",
            true,
            bundle().encode().to_vec(),
            |bytes| KeyBundle::decode(bytes).map(|read| assert_eq!(read, bundle()))
        ),
        sample!(
            "key slot",
            "a passphrase's, in which eight bytes ee stand for the envelope",
            true,
            slot().encode(),
            |bytes| KeySlot::decode(bytes).map(|read| assert_eq!(read, slot()))
        ),
        sample!("key slot binding", "of that slot", false, slot().binding(), |_| Ok(())),
        sample!(
            "recovery sheet",
            "key 20 21 .. 3f, in which 40 bytes cc stand for the configuration and eight bytes dd for the slot",
            true,
            sheet().to_text("Keep this.").as_bytes(),
            |bytes| {
                let text = std::str::from_utf8(bytes).unwrap();
                KeyFile::parse(text).map(|read| assert_eq!(read, sheet()))
            }
        ),
        sample!(
            "config",
            "with a signature of 64 bytes 0a, which is not a good one",
            true,
            config().encode(&[0x0a; 64]),
            |bytes| {
                let read = SignedConfig::decode(bytes)?;
                assert_eq!((read.config, read.message), (config(), config().message()));
                Ok(())
            }
        ),
        sample!(
            "snapshot",
            "the plaintext: a checkpoint of a partial run",
            true,
            snapshot().encode(),
            |bytes| Snapshot::decode(bytes).map(|read| assert_eq!(read, snapshot()))
        ),
        sample!(
            "remark",
            "the plaintext of an entry's body: a legal hold's",
            true,
            remark().encode(),
            |bytes| Remark::decode(bytes).map(|read| assert_eq!(read, remark()))
        ),
    ]
}

fn log_header() -> LogHeader {
    let object = |kind, byte, size| ListedObject { kind, name: name(byte), size };
    LogHeader {
        log: LogId([9; 16]),
        number: 5,
        previous: ObjectHash([0xb2; 32]),
        kind: LogKind::Commit,
        may_skip: false,
        run: RunId([2; 16]),
        nonce: run(0x60),
        objects: vec![
            object(ObjectKind::Pack, 0x11, 33_554_432),
            object(ObjectKind::Index, 0x33, 689),
        ],
        relied: vec![ReliedObject { kind: ObjectKind::Tree, name: name(0x22) }],
        snapshots: vec![ListedSnapshot { id: SnapshotId([1; 16]), sealed: vec![0xee; 8] }],
        merged: Vec::new(),
        prefixes: Vec::new(),
        mark: None,
        closes: None,
        gone: Vec::new(),
        ids: Vec::new(),
        until: None,
        time: None,
        scrub: None,
        locks: None,
    }
}

fn remark() -> Remark {
    let tool = "lifeboat 0.1.0".to_owned();
    Remark { version: REMARK_VERSION, reason: Some("case 7, by ann".to_owned()), tool }
}

/// A hold without end of the snapshot of the commit above.
fn hold_header() -> LogHeader {
    LogHeader {
        number: 6,
        kind: LogKind::Hold,
        objects: Vec::new(),
        relied: Vec::new(),
        snapshots: Vec::new(),
        ids: vec![SnapshotId([1; 16])],
        until: Some(Until::Forever),
        time: Some(1_764_000_000),
        ..log_header()
    }
}

fn checkpoint_blocks() -> Vec<(u8, u32, Vec<u8>)> {
    let fact = |number, kind, byte, size| ObjectFact {
        number,
        object: ListedObject { kind, name: name(byte), size },
    };
    let snapshot = SnapshotFact {
        number: 5,
        author: PublicKey([4; 32]),
        id: SnapshotId([1; 16]),
        sealed: vec![0xee; 8],
    };
    let packs =
        [fact(5, ObjectKind::Pack, 0x11, 33_554_432), fact(4, ObjectKind::Tree, 0x22, 65_536)];
    let segments = [fact(5, ObjectKind::Index, 0x33, 689)];
    vec![
        (SECTION_SEGMENTS, 1, checkpoint::encode_objects(&segments)),
        (SECTION_SNAPSHOTS, 1, checkpoint::encode_snapshots(&[snapshot])),
        (SECTION_PACKS, 2, checkpoint::encode_objects(&packs)),
    ]
}

fn keeping() -> Vec<KeepingFact> {
    let fact = |id, hidden, hold| KeepingFact { id: SnapshotId([id; 16]), hidden, hold };
    vec![
        fact(1, Some(9), None),
        fact(2, Some(8), Some((6, Until::Time(1_764_000_000)))),
        fact(3, None, Some((7, Until::Forever))),
    ]
}

/// The log's own structures.
pub(crate) fn log() -> Vec<Sample> {
    let public = PublicKey([4; 32]);
    let unsigned = LogEntry::unsigned(&log_header(), &[], &public);
    let entry = ObjectHash([0xc3; 32]);
    let mut checkpoint =
        Checkpoint::unsigned(&LogId([9; 16]), 5, &entry, &checkpoint_blocks(), &public);
    checkpoint.extend([0x0a; 64]);
    checkpoint.extend(checkpoint_blocks().into_iter().flat_map(|(_, _, bytes)| bytes));
    vec![
        sample!(
            "log entry",
            "number 5, a commit of run 02.. with nonce 60 61 .. 6f: data pack 11.. and segment 33.. count, tree pack 22.. is \
             relied on, snapshot 01.. is there with eight bytes ee for its envelope; no body, signature of bytes 0a",
            false,
            LogEntry::assemble(unsigned, &[0x0a; 64]).unwrap(),
            |bytes| LogEntry::decode(bytes).map(|read| assert_eq!(read.header, log_header()))
        ),
        sample!(
            "hold entry",
            "number 6, by the same: snapshot 01.. is held without end, as of second 1764000000 after 1970; eight bytes dd for \
             the envelope of its body",
            false,
            LogEntry::assemble(
                LogEntry::unsigned(&hold_header(), &[0xdd; 8], &public),
                &[0x0a; 64]
            )
            .unwrap(),
            |bytes| LogEntry::decode(bytes).map(|read| assert_eq!(read.header, hold_header()))
        ),
        sample!(
            "checkpoint keeping",
            "a block of section 6: snapshot 01.. is hidden by entry 9, 02.. was held by entry 6 until second 1764000000 and is \
             hidden by entry 8, 03.. is held by entry 7 without end",
            false,
            checkpoint::encode_keeping(&keeping()),
            |bytes| {
                let hash = ObjectHash([0; 32]);
                let block = CheckpointBlock {
                    section: SECTION_KEEPING,
                    count: 3,
                    offset: 0,
                    length: 0,
                    hash,
                };
                checkpoint::decode_keeping(bytes, &block).map(|read| assert_eq!(read, keeping()))
            }
        ),
        sample!(
            "checkpoint",
            "through entry 5 of hash c3..: the segment, the snapshot and both packs of that entry, the tree pack by entry 4",
            false,
            checkpoint,
            |bytes| {
                let read = Checkpoint::decode(bytes)?;
                let start = usize::try_from(Checkpoint::head_len(bytes)?).unwrap();
                let mut blocks = &bytes[start..];
                for block in &read.blocks {
                    let (now, later) = blocks.split_at(usize::try_from(block.length).unwrap());
                    block.verify(now)?;
                    match block.section {
                        SECTION_SNAPSHOTS => {
                            checkpoint::decode_snapshots(now, block).map(drop)?;
                        }
                        _ => checkpoint::decode_objects(now, block).map(drop)?,
                    }
                    blocks = later;
                }
                assert!(blocks.is_empty());
                Ok(())
            }
        ),
    ]
}
