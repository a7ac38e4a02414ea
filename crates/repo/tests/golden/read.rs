//! Reading a fixture as it lies on the disk: opened, folded, checked, and every byte of it compared.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use lifeboat_format::Codec;
use lifeboat_format::key::{PACKS, TREES};
use lifeboat_format::keyslot::{KeyFile, SlotKind};
use lifeboat_format::snapshot::Root;
use lifeboat_format::tree::{Entry, Extent};
use lifeboat_repo::check::CheckOptions;
use lifeboat_repo::error::Result;
use lifeboat_repo::index::Index;
use lifeboat_repo::io::Io;
use lifeboat_repo::log::Fold;
use lifeboat_repo::open::{OpenOptions, Repository, Unlock, open};
use lifeboat_repo::reader::{ChunkKind, Reader};
use lifeboat_repo::snapshots::{Snapshots, Standing};
use lifeboat_repo::tree::map::MapReader;
use lifeboat_repo::tree::scan::Scan;
use lifeboat_repo::tree::{TreeRoot, xattr};
use lifeboat_store::local::LocalStore;
use lifeboat_store::{Store, mem};
use lifeboat_testkit::clock::TestClock;
use lifeboat_testkit::entropy::entropy;
use zeroize::Zeroizing;

use crate::expected::{Expected, ExpectedEntry, ExpectedSnapshot, Gather};
use crate::folder::{Fixture, REPOSITORY, files_below, fixtures};

const MEMORY_BYTES: u64 = 64 << 20;
/// No warnings, no notes.
const NONE: [&str; 0] = [];

/// Which of a fixture's secrets opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secret {
    KeyFile,
    Passphrase,
    RecoverySheet,
}

impl Secret {
    pub(crate) const ALL: [Self; 3] = [Self::KeyFile, Self::Passphrase, Self::RecoverySheet];

    /// Where it lies.
    pub(crate) fn path(self, fixture: Fixture) -> PathBuf {
        fixtures().join(fixture.name).join(match self {
            Self::KeyFile => "key-file",
            Self::Passphrase => "passphrase",
            Self::RecoverySheet => "recovery-sheet",
        })
    }

    fn unlock(self, fixture: Fixture) -> Unlock {
        let text = fs::read_to_string(self.path(fixture)).expect("the fixture has its secrets");
        match self {
            Self::KeyFile | Self::RecoverySheet => {
                Unlock::KeyFile(Box::new(KeyFile::parse(&text).expect("it is a key file")))
            }
            Self::Passphrase => Unlock::Passphrase(Zeroizing::new(text.trim_end().to_owned())),
        }
    }

    fn kind(self) -> SlotKind {
        match self {
            Self::KeyFile | Self::RecoverySheet => SlotKind::KeyFile,
            Self::Passphrase => SlotKind::Passphrase,
        }
    }
}

fn opened(fixture: Fixture, secret: Secret) -> Repository {
    let folder = fixtures().join(fixture.name).join(REPOSITORY);
    opened_in(Arc::new(LocalStore::open(&folder).expect("the fixture is there")), fixture, secret)
}

fn opened_in(store: Arc<dyn Store>, fixture: Fixture, secret: Secret) -> Repository {
    let options = OpenOptions {
        entropy: entropy(2),
        clock: Arc::new(TestClock::new()),
        memory_bytes: MEMORY_BYTES,
        remembered: None,
        exclusive: false,
    };
    let io = Io::new(store).expect("the runtime starts");
    let repository = open(io, &secret.unlock(fixture), &options).expect("the secret opens it");
    assert_eq!(repository.opened_by().kind, secret.kind());
    assert_eq!(repository.warnings(), NONE);
    repository
}

/// What a check that reads everything says of a copy of the fixture in which each pack's bytes `at` are others: how many
/// packs there are, how many chunks were verified, and all problems.
pub(crate) fn check_damaged(fixture: Fixture, at: Range<usize>) -> (u64, u64, Vec<String>) {
    let store = mem();
    let io = Io::new(Arc::clone(&store)).expect("the runtime starts");
    let folder = fixtures().join(fixture.name).join(REPOSITORY);
    for (key, mut bytes) in files_below(&folder).expect("its files can be read") {
        if key.starts_with(PACKS) || key.starts_with(TREES) {
            bytes[at.clone()].iter_mut().for_each(|byte| *byte ^= 0x55);
        }
        let key = key.parse().expect("only objects of a repository are there");
        io.put_new(&key, bytes.into()).expect("memory takes it");
    }
    let repository = opened_in(store, fixture, Secret::KeyFile);
    let options = CheckOptions { read_data: true, ..CheckOptions::default() };
    let report = load(lifeboat_repo::check::check(&repository, &options, &|_| {}));
    let problems = report.problems.iter().map(ToString::to_string).collect();
    (report.counts.packs_read, report.counts.chunks_verified, problems)
}

/// All that the fixture holds.
pub(crate) fn read(fixture: Fixture, secret: Secret) -> Expected {
    let repository = opened(fixture, secret);
    let (fold, whole) = (load(Fold::load(&repository)), load(Fold::load_all(&repository)));
    assert!(fold.entries_read() < whole.entries_read(), "the log's checkpoint is of use");
    assert_eq!(fold.head(), whole.head());
    assert_eq!(fold.snapshots(), whole.snapshots());
    assert_eq!(fold.objects(), whole.objects());
    assert_eq!(fold.warnings(), NONE);
    let index = Arc::new(load(Index::load(&repository, &fold)));
    let keyring = Arc::clone(repository.keyring());
    let reader = Reader::new(repository.io().clone(), keyring, index, MEMORY_BYTES / 4);
    let snapshots = load(Snapshots::load(&repository, &fold));
    assert!(snapshots.unreadable().is_empty());
    let mut found = Expected::default();
    for known in snapshots.all() {
        for root in &known.snapshot.roots {
            let Some(id) = root.tree else { continue };
            found.trees.insert(id.to_string(), load(tree(&reader, root)));
        }
        found.snapshots.push(ExpectedSnapshot {
            entry: known.entry,
            standing: match known.standing {
                Standing::Live => "live",
                Standing::Superseded(_) => "superseded",
                Standing::Replaced(_) => "replaced",
                Standing::Forgotten { .. } => "forgotten",
            }
            .to_owned(),
            snapshot: known.snapshot.clone(),
        });
    }
    found
}

/// Checks everything, every byte included.
pub(crate) fn check(fixture: Fixture) {
    let repository = opened(fixture, Secret::KeyFile);
    let options = CheckOptions { read_data: true, ..CheckOptions::default() };
    let report = load(lifeboat_repo::check::check(&repository, &options, &|_progress| {}));
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, NONE, "{}", fixture.name);
    assert!(report.is_clean(), "{}", fixture.name);
    assert_eq!(report.notes, NONE, "{}", fixture.name);
    let counts = report.counts;
    assert_eq!(counts.unreferenced_objects, 0, "{}", fixture.name);
    assert_eq!(counts.key_slots, 3);
    assert_eq!(counts.log_entries, 5);
    assert!(counts.packs > 2 && counts.tree_packs > 2 && counts.segments > 2, "{counts:?}");
    assert_eq!(counts.packs_read, counts.packs + counts.tree_packs);
    assert!(counts.chunks_verified >= counts.chunks, "{counts:?}");
}

/// Whether any frame is compressed.
pub(crate) fn is_compressed(fixture: Fixture) -> bool {
    let repository = opened(fixture, Secret::KeyFile);
    let index = load(Index::load(&repository, &load(Fold::load(&repository))));
    let mut codecs = Vec::new();
    load(index.for_each(|_, record, _| {
        codecs.push(record.frame_codec);
        Ok(())
    }));
    codecs.contains(&Codec::Zstd)
}

/// All entries of one root, with their content read back.
fn tree(reader: &Reader, root: &Root) -> Result<Vec<ExpectedEntry>> {
    let id = root.tree.expect("a missing root was passed over");
    let Root { level, entries, bytes, .. } = *root;
    Scan::new(reader, &TreeRoot { id, level, entries, bytes })
        .map(|item| {
            let (key, entry) = item?;
            let xattrs = xattr::values(reader, &entry)
                .map(|of| of.map(|(name, value)| (name.to_vec(), value)))
                .collect::<Result<BTreeMap<_, _>>>()?;
            let content = content(reader, &entry)?;
            Ok(ExpectedEntry::new(&key, &entry, &xattrs, content))
        })
        .collect()
}

fn content(reader: &Reader, entry: &Entry) -> Result<Gather> {
    let mut gather = Gather::default();
    for extent in MapReader::new(reader, entry) {
        match extent? {
            Extent::Hole(len) => gather.hole(len),
            Extent::Zeros(len) => gather.zeros(len),
            Extent::Inline(bytes) => gather.bytes(&bytes),
            Extent::Chunk { id, offset, length } => {
                let chunk = reader.read_chunk(ChunkKind::Data, id)?;
                let (start, length) = (offset as usize, length as usize);
                gather.bytes(&chunk[start..start + length]);
            }
        }
    }
    Ok(gather)
}

fn load<T>(result: Result<T>) -> T {
    result.expect("a golden repository is whole")
}
