use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_format::id::{RunId, SnapshotId};
use lifeboat_format::index::PackKind;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::snapshot::{Outcome, Root, Snapshot};
use lifeboat_format::tree::{Entry, EntryKind, Extent, PathKey};
use lifeboat_store::Store;

use super::*;
use crate::cancel::Cancel;
use crate::check::{CheckOptions, check};
use crate::error::Kind;
use crate::forget::{Guards, Why, forget_unreadable};
use crate::gc::{GcOptions, collect};
use crate::index::Index;
use crate::log::testing::snapshot;
use crate::log::{Fold, checkpoint, commit};
use crate::open::Repository;
use crate::open::testing::{bytes_of, keys, lose, new, replace};
use crate::packer::{Packer, PackerOptions};
use crate::reader::Reader;
use crate::repair::snapshots::{REPAIRED, RepairOptions, RepairReport, repair};
use crate::scrub::{ScrubOptions, scrub};
use crate::snapshots::{Snapshots, seal};
use crate::tree::build::TreeBuilder;
use crate::tree::map::MapReader;
use crate::tree::scan::Scan;
use crate::tree::{ChunkSource as _, TreeKeys, TreeRoot};

const RUN: RunId = RunId([5; 16]);

/// A repository, and what was backed up into it: by snapshot and path.
struct World {
    store: Arc<dyn Store>,
    repository: Repository,
    files: BTreeMap<(SnapshotId, String), Vec<u8>>,
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    lifeboat_testkit::entropy::entropy(seed).fill(&mut out).unwrap();
    out
}

fn world() -> World {
    let (store, repository) = new(1);
    World { store, repository, files: BTreeMap::new() }
}

impl World {
    fn fold(&self) -> Fold {
        Fold::load(&self.repository).unwrap()
    }

    /// Commits a snapshot of these files, each with the seed and length of its content, all in one directory each.
    fn back_up(&mut self, number: u8, files: &[(&str, u64, usize)]) -> SnapshotId {
        let mut fold = self.fold();
        let index = Arc::new(Index::load(&self.repository, &fold).unwrap());
        let options = PackerOptions {
            compression: lifeboat_codec::compress::Compression::default(),
            verify_encode: true,
            dry_run: false,
            workers: 1,
            bytes_max: 16 << 20,
            records_max: 1 << 20,
        };
        let packer = Packer::new(&self.repository, index, options);
        let dir = Entry { kind: EntryKind::Dir, ..Entry::default() };
        let mut entries = BTreeMap::from([(PathKey::root(), dir.clone())]);
        let mut framer = packer.framer(PackKind::Data).unwrap();
        for (path, seed, len) in files {
            let bytes = noise(*seed, *len);
            let mut content = Vec::new();
            for chunk in bytes.chunks(20_000) {
                let id = self.repository.keyring().ids().data(chunk);
                framer.offer(id, chunk).unwrap();
                // A frame each, so that damage is of one chunk.
                framer.flush().unwrap();
                let length = u32::try_from(chunk.len()).unwrap();
                content.push(Extent::Chunk { id, offset: 0, length });
            }
            let (above, name) = path.split_once('/').unwrap_or(("", path));
            let mut key = PathKey::root();
            if !above.is_empty() {
                key = key.child(above.as_bytes()).unwrap();
                entries.insert(key.clone(), dir.clone());
            }
            let entry = Entry { size: *len as u64, content, ..Entry::default() };
            entries.insert(key.child(name.as_bytes()).unwrap(), entry);
            self.files.insert((snapshot(number, "a", 0).id, (*path).to_owned()), bytes);
        }
        drop(framer);
        let tree_keys = TreeKeys::from(&**self.repository.keyring());
        let mut builder = TreeBuilder::new(tree_keys, packer.framer(PackKind::Tree).unwrap());
        for (key, entry) in entries {
            builder.push(key, &entry).unwrap();
        }
        let TreeRoot { id, level, entries, bytes } = builder.finish().unwrap();
        let root = Root { path: b"/srv".to_vec(), tree: Some(id), level, entries, bytes };
        let of = |number: u8| snapshot(number, "a", i64::from(number));
        let snapshot = Snapshot { roots: vec![root], tags: vec!["own".to_owned()], ..of(number) };
        let sealed = seal(&self.repository, &snapshot).unwrap();
        commit(&self.repository, &mut fold, RUN, packer.flush().unwrap(), vec![sealed]).unwrap();
        snapshot.id
    }

    fn repair(&self, options: &RepairOptions) -> RepairReport {
        repair(&self.repository, &mut self.fold(), options).unwrap()
    }

    fn snapshots(&self) -> Snapshots {
        Snapshots::load(&self.repository, &self.fold()).unwrap()
    }

    /// The files that a snapshot has, and whether each has what was backed up as `of`.
    fn read(&self, snapshot: &Snapshot, of: SnapshotId) -> BTreeMap<String, bool> {
        let index = Index::load_what_is_there(&self.repository, &self.fold(), |_| ());
        let (io, keyring) = (self.repository.io().clone(), Arc::clone(self.repository.keyring()));
        let reader = Reader::new(io, keyring, Arc::new(index) as _, 8 << 20);
        let mut files = BTreeMap::new();
        for root in &snapshot.roots {
            let Some(id) = root.tree else { continue };
            let (level, entries, bytes) = (root.level, root.entries, root.bytes);
            for entry in Scan::new(&reader, &TreeRoot { id, level, entries, bytes }) {
                let Ok((key, entry)) = entry else { continue };
                if entry.kind != EntryKind::File {
                    continue;
                }
                let mut content = Vec::new();
                let is_read = MapReader::new(&reader, &entry).all(|extent| {
                    let Ok(Extent::Chunk { id, .. }) = extent else { return false };
                    let chunk = reader.chunk(crate::reader::ChunkKind::Data, id);
                    chunk.map(|chunk| content.extend_from_slice(&chunk)).is_ok()
                });
                let path = key.to_string();
                let same = self.files.get(&(of, path.clone())) == Some(&content);
                assert!(!is_read || same, "{path} has something else");
                files.insert(path, is_read);
            }
        }
        files
    }

    /// The packs that an entry of the log named.
    fn packs_of(&self, entry: u64, prefix: &str) -> Vec<String> {
        let fold = self.fold();
        let mut found: Vec<_> = fold
            .objects()
            .iter()
            .filter(|(key, live)| live.entry == entry && key.to_string().starts_with(prefix))
            .map(|(key, _)| key.to_string())
            .collect();
        found.sort();
        found
    }

    fn spoil(&self, key: &str, place: usize) {
        let mut bytes = bytes_of(&self.store, key);
        bytes[place] ^= 1;
        replace(&self.store, key, bytes);
    }

    fn collect(&self, trash_period: Duration) -> crate::error::Result<crate::gc::GcReport> {
        let options = GcOptions { delay: Duration::ZERO, trash_period, ..GcOptions::default() };
        collect(&self.repository, &options)
    }
}

#[test]
fn a_snapshot_is_written_anew_without_what_is_lost() {
    let mut world = world();
    let whole = world.back_up(1, &[("kept", 1, 30_000)]);
    let hurt = world.back_up(2, &[("a/one", 2, 50_000), ("a/two", 3, 30_000), ("kept", 1, 30_000)]);
    let pack = world.packs_of(1, "packs/").remove(0);
    world.spoil(&pack, 10_000);
    // Nobody knows of it yet.
    assert_eq!(world.repair(&RepairOptions::default()).repaired, []);
    let dry = RepairOptions { dry_run: true, read_data: true, ..RepairOptions::default() };
    let before = keys(&world.store, "");
    let said = world.repair(&dry);
    assert_eq!((said.snapshots, said.repaired.len(), said.repaired[0].new), (2, 1, None));
    assert_eq!(keys(&world.store, ""), before);
    // A scrub that notes it is as good as reading everything.
    scrub(&world.repository, &ScrubOptions::default(), &|_| {}).unwrap();
    let options = RepairOptions { tool: "lifeboat test".to_owned(), ..RepairOptions::default() };
    let report = world.repair(&options);
    let [repaired] = &report.repaired[..] else { panic!("{report:?}") };
    assert_eq!((repaired.snapshot, &repaired.left_out), (hurt, &said.repaired[0].left_out));
    let left_out: Vec<&str> = repaired.left_out.iter().map(|left| left.path.as_str()).collect();
    let old = world.read(&world.snapshots().newest_form(hurt).unwrap().snapshot.clone(), hurt);
    let lost: Vec<String> = old
        .iter()
        .filter(|(_, is_read)| !**is_read)
        .map(|(path, _)| format!("/srv/{path}"))
        .collect();
    assert_eq!(left_out, lost, "just what can't be read");
    assert_eq!(lost.len(), 1);
    let snapshots = world.snapshots();
    let live: Vec<&Snapshot> = snapshots.live().map(|known| &known.snapshot).collect();
    let new = repaired.new.unwrap();
    assert_eq!(live.iter().map(|of| of.id).collect::<Vec<_>>(), [whole, new]);
    assert_eq!(live[1].tags, ["own", REPAIRED]);
    assert_eq!((&live[1].outcome, live[1].problems.count), (&Outcome::Partial, 1));
    assert_eq!(
        (live[1].original, live[1].time, live[1].started),
        (Some(hurt), None, live[1].started)
    );
    let files = world.read(live[1], hurt);
    assert_eq!(files.len(), 2);
    assert!(files.values().all(|is_read| *is_read), "{files:?}");
    // Nothing is left to do; when the old one is collected, nothing is damaged either.
    assert_eq!(world.repair(&options).repaired, []);
    world.collect(Duration::ZERO).unwrap();
    let options = CheckOptions { read_data: true, ..CheckOptions::default() };
    let report = check(&world.repository, &options, &|_| {}).unwrap();
    let about = report.problems.iter().filter(|problem| !problem.affected.is_empty());
    assert_eq!(about.count(), 0, "{:?}", report.problems);
}

#[test]
fn where_nodes_are_lost_the_rest_stays() {
    let mut world = world();
    let names: Vec<String> =
        (0..400).map(|number| format!("{:02}/{number:03}", number / 10)).collect();
    let files: Vec<(&str, u64, usize)> = names.iter().map(|name| (name.as_str(), 7, 10)).collect();
    let id = world.back_up(1, &files);
    let known = world.snapshots().newest_form(id).unwrap().snapshot.clone();
    assert!(known.roots[0].level > 0, "more than one leaf");
    // All nodes are in one frame mostly: make the index forget one of them instead.
    let index = Index::load(&world.repository, &world.fold()).unwrap();
    let (io, keyring) = (world.repository.io().clone(), Arc::clone(world.repository.keyring()));
    let index = Arc::new(index);
    let reader = Reader::new(io, keyring, Arc::<Index>::clone(&index) as _, 8 << 20);
    let Root { tree, level, entries, bytes, .. } = known.roots[0];
    let root = TreeRoot { id: tree.unwrap(), level, entries, bytes };
    let nodes: Vec<_> = crate::tree::nodes::Nodes::new(&reader, &root, |_| true)
        .map(|(id, node)| (id, node.unwrap()))
        .collect();
    let leaf = nodes.iter().filter(|(_, node)| node.level() == 0).nth(1).unwrap();
    let lost_entries = match &leaf.1 {
        lifeboat_format::tree::Node::Leaf(entries) => entries.len(),
        lifeboat_format::tree::Node::Inner { .. } => unreachable!(),
    };
    forget_chunk(&world, &index, leaf.0);
    let report = world.repair(&RepairOptions::default());
    let new = report.repaired[0].new.unwrap();
    let snapshots = world.snapshots();
    let left = &snapshots.newest_form(new).unwrap().snapshot;
    let files = world.read(left, id);
    assert!(files.values().all(|is_read| *is_read));
    let index = Arc::new(Index::load(&world.repository, &world.fold()).unwrap());
    let (io, keyring) = (world.repository.io().clone(), Arc::clone(world.repository.keyring()));
    let reader = Reader::new(io, keyring, index as _, 8 << 20);
    let Root { tree, level, entries, bytes, .. } = left.roots[0];
    let root = TreeRoot { id: tree.unwrap(), level, entries, bytes };
    let mut dirs = std::collections::HashSet::new();
    let mut count = 0;
    for entry in Scan::new(&reader, &root) {
        let (key, entry) = entry.unwrap();
        count += 1;
        assert!(key.parent().is_none_or(|dir| dirs.contains(&dir)), "{key} has no directory");
        if entry.kind == EntryKind::Dir {
            dirs.insert(key);
        }
    }
    // All that was not in that leaf, and a directory that was made up, perhaps.
    let all = names.len() + 40 + 1;
    assert!((all - lost_entries..=all - lost_entries + 1).contains(&count), "{count} of {all}");
    let told = &report.repaired[0].left_out;
    assert!(told[0].why.contains(&format!("{lost_entries} entries")), "{told:?}");
    let options = CheckOptions::default();
    assert!(check(&world.repository, &options, &|_| {}).unwrap().is_clean());
}

/// Makes all segments say nothing of a chunk.
fn forget_chunk(world: &World, index: &Index, id: lifeboat_format::id::ChunkId) {
    let mut fold = world.fold();
    let (mut packs, mut records) = (Vec::new(), Vec::new());
    index
        .for_each(|_, record, pack| {
            if record.id != id {
                packs.push(*pack);
                let place = u32::try_from(packs.len() - 1).unwrap();
                records.push(lifeboat_format::index::IndexRecord { pack: place, ..*record });
            }
            Ok(())
        })
        .unwrap();
    let mut drafts = crate::index::merge::drafts::Drafts::default();
    let both: Vec<_> =
        records.iter().map(|record| (*record, packs[record.pack as usize])).collect();
    drafts.add(&both).unwrap();
    let level = lifeboat_codec::compress::Compression::default().level();
    let segment = drafts.finish().remove(0).seal(&world.repository, level).unwrap();
    world.repository.io().put_new(&segment.key, segment.bytes.into()).unwrap();
    let parts: Vec<ObjectKey> = fold.segments().iter().map(|of| of.key).collect();
    let made = [(segment.object, lifeboat_format::index::IdPrefix::WHOLE)];
    let run = RunId([9; 16]);
    assert!(
        crate::log::commit_merge(&world.repository, &mut fold, run, &parts, &made, |_| true)
            .unwrap()
    );
}

#[test]
fn of_what_nothing_is_left_nothing_is_written() {
    let mut world = world();
    let kept = world.back_up(1, &[("kept", 1, 30_000)]);
    let lost = world.back_up(2, &[("lost", 2, 30_000)]);
    world.packs_of(1, "trees/").iter().for_each(|key| lose(&world.store, key));
    let report = world.repair(&RepairOptions::default());
    assert_eq!((report.repaired[0].snapshot, report.repaired[0].new), (lost, None));
    let snapshots = world.snapshots();
    assert_eq!(snapshots.live().map(|known| known.snapshot.id).collect::<Vec<_>>(), [kept]);
}

#[test]
fn what_is_held_stays_beside_what_was_repaired() {
    let mut world = world();
    let id = world.back_up(1, &[("a", 1, 30_000), ("b", 2, 30_000)]);
    let (why, mut fold) = (Why::default(), world.fold());
    let until = lifeboat_format::entry::Until::Forever;
    crate::forget::hold(&world.repository, &mut fold, &[id], until, &why).unwrap();
    world.spoil(&world.packs_of(0, "packs/")[0], 5000);
    let options = RepairOptions { read_data: true, ..RepairOptions::default() };
    let report = world.repair(&options);
    let repaired = &report.repaired[0];
    assert!(repaired.kept.as_ref().unwrap().contains("held"), "{report:?}");
    let fold = world.fold();
    assert!(fold.hold(&repaired.new.unwrap()).is_some() && fold.hidden(&id).is_none());
}

/// Packs whose commit is lost are taken in under other names, once, and what refers to them is whole again.
#[test]
fn packs_of_a_lost_commit_are_taken_in_again() {
    let mut world = world();
    world.back_up(1, &[("shared", 1, 50_000)]);
    let second = world.back_up(2, &[("shared", 1, 50_000), ("other", 2, 30_000)]);
    let before = (world.packs_of(0, "packs/"), world.packs_of(0, "trees/"));
    world.spoil("log/0000000000000000", 40);
    let run = |dry_run| {
        packs::repair(&world.repository, &mut world.fold(), dry_run, &Cancel::new()).unwrap()
    };
    let said = run(true);
    let count = before.0.len() + before.1.len();
    assert_eq!((said.taken.len(), said.left.len()), (count, 0), "{said:?}");
    let report = run(false);
    let found = count as u64;
    assert_eq!((report.found, report.chunks, report.bytes), (found, said.chunks, said.bytes));
    let fold = world.fold();
    for (taken, old) in report.taken.iter().zip(before.0.iter().chain(&before.1)) {
        assert_eq!(&taken.found, old);
        let new: ObjectKey = taken.key.as_ref().unwrap().parse().unwrap();
        // A listed object is never adopted as it is.
        assert!(fold.object(&old.parse().unwrap()).is_none() && fold.object(&new).is_some());
    }
    let known = world.snapshots().newest_form(second).unwrap().snapshot.clone();
    assert!(world.read(&known, second).values().all(|is_read| *is_read));
    let index = Index::load(&world.repository, &fold).unwrap();
    let id = world.repository.keyring().ids().data(&noise(1, 50_000)[..20_000]);
    assert!(index.knows(&id).unwrap());
    let again = run(false);
    assert_eq!((again.taken.len(), again.left.len()), (0, count));
}

#[test]
fn what_is_not_whole_is_not_taken_in() {
    let mut world = world();
    world.back_up(1, &[("shared", 1, 50_000)]);
    let pack = world.packs_of(0, "packs/").remove(0);
    let others = world.packs_of(0, "packs/").len() + world.packs_of(0, "trees/").len() - 1;
    world.spoil("log/0000000000000000", 40);
    world.spoil(&pack, 5000);
    let report =
        packs::repair(&world.repository, &mut world.fold(), false, &Cancel::new()).unwrap();
    assert_eq!((report.taken.len(), report.left.len()), (others, 1));
    assert_eq!(report.left[0].found, pack);
}

/// What nobody can read any more is given up on the user's word, so that a collector goes on.
#[test]
fn a_repaired_index_gives_up_what_can_not_be_read() {
    let mut world = world();
    world.back_up(1, &[("a", 1, 30_000)]);
    let id = world.back_up(2, &[("b", 2, 30_000)]);
    lose(&world.store, &world.packs_of(1, "packs/")[0]);
    lose(&world.store, &world.packs_of(1, "index/")[0]);
    assert!(world.collect(Duration::ZERO).is_err());
    let doubtful = |of| index::doubtful(&world.repository, &world.fold(), of).unwrap();
    let lost = doubtful(index::Segments::Damaged);
    assert_eq!(lost.len(), 1);
    let cancel = Cancel::new();
    let report = index::repair(&world.repository, &mut world.fold(), lost, &cancel).unwrap();
    assert!(matches!(report[0].1, crate::heal::Outcome::Healed(..)), "{report:?}");
    // The tree is found again, the content is not.
    let report = world.repair(&RepairOptions::default());
    assert_eq!(report.repaired[0].snapshot, id);
    world.collect(Duration::ZERO).unwrap();
    // All of it, whether it is damaged or not.
    let all = doubtful(index::Segments::All);
    let report = index::repair(&world.repository, &mut world.fold(), all, &cancel).unwrap();
    assert!(report.iter().all(|(_, outcome)| matches!(outcome, crate::heal::Outcome::Healed(..))));
    assert!(doubtful(index::Segments::Damaged).is_empty());
    let report = check(&world.repository, &CheckOptions::default(), &|_| {}).unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
}

#[test]
fn a_snapshot_that_nobody_can_read_is_forgotten_by_its_id() {
    let mut world = world();
    let id = world.back_up(1, &[("a", 1, 30_000)]);
    world.back_up(2, &[("b", 2, 30_000)]);
    let mut fold = world.fold();
    let mut sealed = seal(&world.repository, &snapshot(3, "a", 3)).unwrap();
    sealed.sealed[150] ^= 1;
    let unreadable = sealed.id;
    commit(&world.repository, &mut fold, RUN, Vec::new(), vec![sealed]).unwrap();
    let error = world.collect(Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains(&unreadable.to_string()), "{error}");
    let why = Why::default();
    let forget = |id| forget_unreadable(&world.repository, &mut world.fold(), &[id], &why);
    assert_eq!(forget(id).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(forget(SnapshotId([9; 16])).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(forget(unreadable).unwrap(), [unreadable]);
    assert_eq!(forget(unreadable).unwrap(), []);
    // Until the trash period is over, somebody might find the key.
    assert!(world.collect(Duration::from_hours(1)).is_err());
    world.collect(Duration::ZERO).unwrap();
    let mut fold = world.fold();
    crate::forget::forget(&world.repository, &mut fold, &Guards::OFF, &why, |_, _| Ok(vec![id]))
        .unwrap();
    world.collect(Duration::ZERO).unwrap();
    assert!(world.fold().is_gone(&unreadable) && world.snapshots().unreadable().is_empty());
    checkpoint::write(&world.repository, &world.fold()).unwrap();
}
