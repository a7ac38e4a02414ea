//! The generator: a golden repository, written through the interfaces that a backup uses.
//!
//! Everything comes from one seed, one clock and one thread, so that at the level *stored* the same
//! bytes come out each time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_codec::Clock as _;
use lifeboat_codec::compress::{Compression, Level};
use lifeboat_codec::cut::{Cutter, Params};
use lifeboat_format::Time;
use lifeboat_format::config::{Chunker, Parity};
use lifeboat_format::id::{RunId, SnapshotId};
use lifeboat_format::index::PackKind;
use lifeboat_format::keys::Secret32;
use lifeboat_format::keyslot::KeyFile;
use lifeboat_format::snapshot::{
    CheckpointPlace, Outcome, Problem, Problems, Root, SNAPSHOT_VERSION, Snapshot, SnapshotKind,
    Source, Stats,
};
use lifeboat_format::tree::{Entry, EntryKind, Extent, PathKey};
use lifeboat_repo::error::Result;
use lifeboat_repo::index::Index;
use lifeboat_repo::io::Io;
use lifeboat_repo::log::{self, Fold, checkpoint};
use lifeboat_repo::open::{InitOptions, Repository, init};
use lifeboat_repo::packer::{Framer, Packer, PackerOptions};
use lifeboat_repo::slots::{self, KdfCost, NewSlot, SlotSecret};
use lifeboat_repo::snapshots::{self, TagEdit};
use lifeboat_repo::tree::build::TreeBuilder;
use lifeboat_repo::tree::map::MapBuilder;
use lifeboat_repo::tree::{TreeRoot, xattr};
use lifeboat_store::Store;
use lifeboat_testkit::clock::TestClock;
use lifeboat_testkit::entropy::entropy;
use zeroize::Zeroizing;

use crate::expected::{Expected, ExpectedEntry, ExpectedSnapshot, Gather};
use crate::folder::{Files, REPOSITORY};
use crate::model::{Item, Items, Piece, data, edited_data, odd, single_file};

/// The passphrase of every golden repository.
pub(crate) const PASSPHRASE: &str = "golden passphrase, not secret";

const SEED: u64 = 1;
/// What a program of no particular version wrote.
const TOOL: &str = "lifeboat golden";
const MEMORY_BYTES: u64 = 64 << 20;
/// The least that is legal: these passphrases protect nothing, and tests should not wait.
const CHEAPEST: KdfCost = KdfCost { memory_kib: 8, passes: 1, lanes: 1 };

/// Writes a golden repository into an empty store; all files of its fixture.
pub(crate) fn golden(level: Level, parity: Parity, store: Arc<dyn Store>) -> Result<Files> {
    let entropy = entropy(SEED);
    let clock = TestClock::new();
    let secret = Secret32::new(entropy.bytes().expect("a seeded stream does not end"));
    let mut options = InitOptions::new(entropy, Arc::new(clock.clone()), MEMORY_BYTES, TOOL)?;
    // Small, so that there are several of everything.
    options.chunker = Chunker { min: 256, avg: 1024, max: 4096, ..options.chunker };
    options.frame_bytes = 2 << 10;
    options.tree_frame_bytes = 4 << 10;
    options.pack_bytes = 16 << 10;
    options.parity = parity;
    // Who wins a race is not in the seed.
    options.racers = 1;
    let passphrase = Zeroizing::new(PASSPHRASE.to_owned());
    options.slots = vec![
        NewSlot { label: "golden".into(), secret: SlotSecret::KeyFile(secret.clone()) },
        NewSlot {
            label: "a label with \"quotes\" and \u{e9}".into(),
            secret: SlotSecret::Passphrase(passphrase, CHEAPEST),
        },
    ];
    let repository = init(Io::new(store)?, &options)?;
    let mut writer = Writer {
        fold: Fold::load(&repository)?,
        repository: &repository,
        clock: &clock,
        level,
        expected: Expected::default(),
    };
    writer.history()?;
    let sheet = slots::export(&repository, "a recovery sheet")?.file;
    let file = KeyFile { repository: repository.id(), key: secret, config: None, slot: None };
    let text = |file: &KeyFile, what| {
        let heading = format!("The {what} of a golden repository; it protects nothing.");
        file.to_text(&heading).as_bytes().to_vec()
    };
    let mut files = Files::from([
        ("expected.json".to_owned(), writer.expected.to_text().into_bytes()),
        ("key-file".to_owned(), text(&file, "key file")),
        ("passphrase".to_owned(), format!("{PASSPHRASE}\n").into_bytes()),
        ("recovery-sheet".to_owned(), text(&sheet, "recovery sheet")),
    ]);
    let io = repository.io();
    let mut keys = Vec::new();
    io.list("", |listed| {
        keys.push(listed.key);
        Ok(())
    })?;
    for key in keys {
        let parsed = key.parse().expect("only objects of a repository are there");
        files.insert(format!("{REPOSITORY}/{key}"), io.get(&parsed)?.to_vec());
    }
    Ok(files)
}

/// Writes runs into one repository, and keeps what a reader must find.
struct Writer<'a> {
    repository: &'a Repository,
    clock: &'a TestClock,
    level: Level,
    fold: Fold,
    expected: Expected,
}

/// One run of a backup.
struct Run<'a> {
    id: RunId,
    repository: &'a Repository,
    started: Time,
    packer: Packer,
    data: Framer,
    cutter: Cutter,
    stats: Stats,
}

/// A tree that is being built, and what a reader must find of it.
struct Tree<'a> {
    builder: TreeBuilder<'a, Framer>,
    entries: Vec<ExpectedEntry>,
}

impl<'a> Writer<'a> {
    /// All that ever happens to the repository, entry by entry.
    fn history(&mut self) -> Result<()> {
        let full = self.full()?;
        let checkpoint = self.incremental(full)?;
        self.find(checkpoint).standing = "superseded".into();
        self.edit_tags(full)?;
        assert!(checkpoint::write(self.repository, &self.fold)?, "nothing is in its way");
        self.differential(full)
    }

    /// Entry 0: everything is new.
    fn full(&mut self) -> Result<SnapshotId> {
        let mut run = self.run()?;
        let ids = self.repository.keyring().ids();
        let roots = vec![
            self.root(&mut run, b"/srv/data", &data(ids))?,
            self.root(&mut run, b"/srv/odd\xff", &odd())?,
            self.root(&mut run, b"/etc/golden.conf", &single_file())?,
        ];
        let snapshot = Snapshot { tags: vec!["first".into()], ..self.snapshot(&run, roots)? };
        self.commit(run, snapshot)
    }

    /// Entries 1 and 2: a checkpoint in the middle of the first root, and the rest of the same run, in
    /// which the other roots are missing. The checkpoint's id.
    fn incremental(&mut self, parent: SnapshotId) -> Result<SnapshotId> {
        let kind = SnapshotKind::Incremental;
        let mut run = self.run()?;
        let items = edited_data(self.repository.keyring().ids());
        let middle = items.len() / 2;
        let mut tree = run.tree()?;
        for (key, item) in items.iter().take(middle) {
            run.add(&mut tree, key, item)?;
        }
        let ended_at = items.keys().nth(middle - 1).expect("half of them").clone();
        let root = tree.builder.snapshot()?;
        let roots = vec![self.expect(b"/srv/data", root, tree.entries.clone())];
        let checkpoint = Snapshot {
            kind: kind.clone(),
            parent: Some(parent),
            checkpoint: Some(CheckpointPlace { root: 0, ended_at }),
            ..self.snapshot(&run, roots)?
        };
        tree.builder.sink_mut().flush()?;
        let (mut run, checkpoint) = self.commit_and_go_on(run, checkpoint)?;
        for (key, item) in items.iter().skip(middle) {
            run.add(&mut tree, key, item)?;
        }
        let roots = vec![
            self.expect(b"/srv/data", tree.builder.finish()?, tree.entries),
            missing(b"/srv/odd\xff"),
            missing(b"/etc/golden.conf"),
        ];
        let error = "open: no such file or directory".to_owned();
        let first = ["/srv/odd\u{fffd}", "/etc/golden.conf"]
            .map(|path| Problem { path: path.to_owned(), error: error.clone() });
        let snapshot = Snapshot {
            kind,
            parent: Some(parent),
            outcome: Outcome::Partial,
            problems: Problems { count: 2, first: first.into() },
            ..self.snapshot(&run, roots)?
        };
        self.commit(run, snapshot)?;
        Ok(checkpoint)
    }

    /// Entry 3: other tags for the full snapshot.
    fn edit_tags(&mut self, full: SnapshotId) -> Result<()> {
        self.clock.advance(Duration::from_hours(1));
        let edit = TagEdit {
            set: None,
            add: vec!["kept for years".into(), "gr\u{fc}n".into()],
            remove: vec!["first".into()],
        };
        let tagged = snapshots::tag(self.repository, &mut self.fold, full, &edit)?;
        let old = self.find(full);
        old.standing = "replaced".into();
        let snapshot = Snapshot {
            id: tagged.new,
            tags: edit.add,
            replaces: Some(full),
            original: Some(full),
            ..old.snapshot.clone()
        };
        self.keep(snapshot);
        Ok(())
    }

    /// Entry 4, behind the log's checkpoint: a source with a name, and every optional member.
    fn differential(&mut self, full: SnapshotId) -> Result<()> {
        let mut run = self.run()?;
        let mut items = odd();
        let text = b"only here\n".repeat(30);
        let file = Item { content: vec![Piece::Cut(text)], ..items[&PathKey::root()].clone() };
        let file = Item { entry: Entry { kind: EntryKind::File, inode: 9, ..file.entry }, ..file };
        items.insert(PathKey::root().child(b"new").expect("a name"), file);
        let roots = vec![self.root(&mut run, b"/", &items)?];
        let source = Source {
            name: Some("golden: vault, 1".into()),
            host: "other".into(),
            roots: vec!["/".into()],
        };
        let newer = serde_json::Value::from("a member of a newer version");
        let snapshot = Snapshot {
            source_key: source.key(),
            source,
            kind: SnapshotKind::Differential,
            parent: Some(full),
            time: Some(Time { secs: 1_750_000_000, nanos: 0 }),
            hold_until: Some(Time { secs: 2_000_000_000, nanos: 0 }),
            policy: Some("nightly".into()),
            other: BTreeMap::from([("newer".to_owned(), newer)]),
            ..self.snapshot(&run, roots)?
        };
        self.commit(run, snapshot).map(drop)
    }

    /// A run that begins an hour after the last.
    fn run(&mut self) -> Result<Run<'a>> {
        self.clock.advance(Duration::new(3600, 5));
        let repository = self.repository;
        let index = Arc::new(Index::load(repository, &self.fold)?);
        let options = PackerOptions {
            compression: Compression::Fixed(self.level),
            verify_encode: true,
            dry_run: false,
            workers: 1,
            bytes_max: MEMORY_BYTES / 4,
            records_max: 1 << 20,
        };
        let packer = Packer::new(repository, index, options);
        let Chunker { min, avg, max, .. } = repository.config().chunker;
        let params = Params::new(min, avg, max).expect("the configuration was checked");
        Ok(Run {
            id: RunId(repository.random()?),
            repository,
            started: self.clock.now(),
            data: packer.framer(PackKind::Data)?,
            packer,
            cutter: Cutter::new(&params, repository.keyring().cut_key()),
            stats: Stats::default(),
        })
    }

    /// Writes the tree of one root.
    fn root(&mut self, run: &mut Run<'a>, path: &[u8], items: &Items) -> Result<Root> {
        let mut tree = run.tree()?;
        for (key, item) in items {
            run.add(&mut tree, key, item)?;
        }
        Ok(self.expect(path, tree.builder.finish()?, tree.entries))
    }

    /// Keeps what a reader must find in the tree of `root`.
    fn expect(&mut self, path: &[u8], root: TreeRoot, tree: Vec<ExpectedEntry>) -> Root {
        let TreeRoot { id, level, entries, bytes } = root;
        self.expected.trees.insert(id.to_string(), tree);
        Root { path: path.to_vec(), tree: Some(id), level, entries, bytes }
    }

    /// A complete full snapshot of the usual source.
    fn snapshot(&self, run: &Run<'a>, roots: Vec<Root>) -> Result<Snapshot> {
        let source = Source {
            name: None,
            host: "golden".into(),
            roots: ["/srv/data", "/srv/odd\u{fffd}", "/etc/golden.conf"].map(Into::into).into(),
        };
        let writer = self.fold.last_snapshot_of(self.repository);
        Ok(Snapshot {
            version: SNAPSHOT_VERSION,
            id: SnapshotId(self.repository.random()?),
            run: run.id,
            source_key: source.key(),
            source,
            kind: SnapshotKind::Full,
            checkpoint: None,
            parent: None,
            roots,
            time: None,
            started: run.started,
            ended: self.clock.now(),
            outcome: Outcome::Complete,
            problems: Problems::default(),
            stats: run.stats,
            tags: Vec::new(),
            hold_until: None,
            sequence: writer.as_ref().map_or(0, |last| last.sequence) + 1,
            previous: writer.map(|last| last.hash),
            policy: None,
            replaces: None,
            original: None,
            tool: TOOL.to_owned(),
            other: BTreeMap::new(),
        })
    }

    fn commit(&mut self, run: Run<'a>, snapshot: Snapshot) -> Result<SnapshotId> {
        self.commit_and_go_on(run, snapshot).map(|(_run, id)| id)
    }

    /// Makes the run's objects durable and appends the entry that makes them count.
    fn commit_and_go_on(
        &mut self,
        mut run: Run<'a>,
        mut snapshot: Snapshot,
    ) -> Result<(Run<'a>, SnapshotId)> {
        run.data.flush()?;
        let objects = run.packer.flush()?;
        self.clock.advance(Duration::from_mins(10));
        snapshot.ended = self.clock.now();
        let packed = run.packer.stats();
        snapshot.stats.new_chunks = packed.new_chunks;
        snapshot.stats.new_bytes = packed.new_bytes;
        let sealed = snapshots::seal(self.repository, &snapshot)?;
        log::commit(self.repository, &mut self.fold, run.id, objects, vec![sealed])?;
        let id = snapshot.id;
        self.keep(snapshot);
        Ok((run, id))
    }

    /// Keeps a snapshot that was just appended.
    fn keep(&mut self, snapshot: Snapshot) {
        let entry = self.fold.head().expect("an entry was appended").number;
        let standing = "live".to_owned();
        self.expected.snapshots.push(ExpectedSnapshot { entry, standing, snapshot });
    }

    fn find(&mut self, id: SnapshotId) -> &mut ExpectedSnapshot {
        let mut snapshots = self.expected.snapshots.iter_mut();
        snapshots.find(|of| of.snapshot.id == id).expect("it was committed")
    }
}

impl<'a> Run<'a> {
    fn tree(&self) -> Result<Tree<'a>> {
        let keys = (&**self.repository.keyring()).into();
        let builder = TreeBuilder::new(keys, self.packer.framer(PackKind::Tree)?);
        Ok(Tree { builder, entries: Vec::new() })
    }

    /// Stores the content of an item and adds its entry.
    fn add(&mut self, tree: &mut Tree<'a>, key: &PathKey, item: &Item) -> Result<()> {
        let ids = self.repository.keyring().ids();
        let mut entry = item.entry.clone();
        let sink = tree.builder.sink_mut();
        let mut map = MapBuilder::new(ids, &mut *sink);
        let (mut gather, mut chunks) = (Gather::default(), 0);
        for piece in &item.content {
            for extent in self.extents(piece, &mut gather)? {
                chunks += usize::from(matches!(extent, Extent::Chunk { .. }));
                map.push(extent)?;
            }
        }
        let map = map.finish()?;
        (entry.size, entry.content, entry.content_depth) = (map.size, map.content, map.depth);
        entry.content_hash = (chunks > 1).then(|| gather.hash());
        xattr::attach(&mut entry, item.xattrs.clone(), ids, sink)?;
        tree.builder.push(key.clone(), &entry)?;
        match entry.kind {
            EntryKind::File => self.stats.files += 1,
            EntryKind::Dir => self.stats.dirs += 1,
            _ => self.stats.other += 1,
        }
        self.stats.bytes += entry.size;
        tree.entries.push(ExpectedEntry::new(key, &entry, &item.xattrs, gather));
        Ok(())
    }

    /// Stores a piece of content; the extents that describe it.
    fn extents(&mut self, piece: &Piece, gather: &mut Gather) -> Result<Vec<Extent>> {
        match piece {
            Piece::Hole(len) => gather.hole(*len),
            Piece::Zeros(len) => gather.zeros(*len),
            Piece::Part(chunk, range) => gather.bytes(&chunk[range.clone()]),
            Piece::Cut(bytes) | Piece::Chunk(bytes) | Piece::Inline(bytes) => gather.bytes(bytes),
        }
        Ok(vec![match piece {
            Piece::Hole(len) => Extent::Hole(*len),
            Piece::Zeros(len) => Extent::Zeros(*len),
            Piece::Inline(bytes) => Extent::Inline(bytes.clone()),
            Piece::Chunk(chunk) => self.part(chunk, 0..chunk.len())?,
            Piece::Part(chunk, range) => self.part(chunk, range.clone())?,
            Piece::Cut(bytes) => return self.cut(bytes),
        }])
    }

    fn cut(&mut self, mut bytes: &[u8]) -> Result<Vec<Extent>> {
        let mut extents = Vec::new();
        while let Some(length) = self.cutter.next(bytes, true) {
            let (chunk, rest) = bytes.split_at(length);
            extents.push(self.part(chunk, 0..length)?);
            bytes = rest;
        }
        Ok(extents)
    }

    /// Stores a chunk unless it is there; the extent that is `range` of it.
    fn part(&mut self, chunk: &[u8], range: std::ops::Range<usize>) -> Result<Extent> {
        let id = self.repository.keyring().ids().data(chunk);
        self.data.offer(id, chunk)?;
        let short = |length| u32::try_from(length).expect("chunks are short");
        Ok(Extent::Chunk { id, offset: short(range.start), length: short(range.len()) })
    }
}

/// A root that was not there.
fn missing(path: &[u8]) -> Root {
    Root { path: path.to_vec(), tree: None, level: 0, entries: 0, bytes: 0 }
}
