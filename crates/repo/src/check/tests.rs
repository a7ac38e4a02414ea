mod parity;

use std::collections::BTreeMap;

use lifeboat_format::envelope::PREAMBLE_LEN;
use lifeboat_format::id::{ChunkId, RunId, SnapshotId};
use lifeboat_format::index::PackKind;
use lifeboat_format::key::ObjectName;
use lifeboat_format::snapshot::Root;
use lifeboat_format::tree::{Entry, EntryKind, Extent, PathKey};
use lifeboat_store::{ErrorKind, Store, Verb};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};

use super::*;
use crate::log::commit;
use crate::log::testing::{object, snapshot};
use crate::open::testing::{bytes_of, keys, lose, new, reopen, replace};
use crate::packer::{Packer, PackerOptions};
use crate::reader::{ChunkKind, Reader};
use crate::snapshots::seal;
use crate::tree::TreeKeys;
use crate::tree::build::TreeBuilder;

const RUN: RunId = RunId([5; 16]);
/// Paths of one snapshot, each with the seed and length of its content.
type Files<'f> = &'f [(&'f str, u8, usize)];

fn bytes(seed: u8, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    lifeboat_testkit::entropy::entropy(u64::from(seed)).fill(&mut out).unwrap();
    out
}

fn options(repository: &Repository) -> PackerOptions {
    PackerOptions {
        compression: lifeboat_codec::compress::Compression::default(),
        verify_encode: true,
        dry_run: false,
        workers: 1,
        bytes_max: repository.memory_bytes() / 4,
        records_max: 1 << 20,
    }
}

/// Stores the files' chunks of at most 100,000 bytes and a tree of them; commits a snapshot.
fn back_up(repository: &Repository, id: u8, files: Files<'_>) -> SnapshotId {
    let mut fold = Fold::load(repository).unwrap();
    let index = Arc::new(Index::load(repository, &fold).unwrap());
    let packer = Packer::new(repository, index, options(repository));
    let mut entries =
        BTreeMap::from([(PathKey::root(), Entry { kind: EntryKind::Dir, ..Entry::default() })]);
    let mut framer = packer.framer(PackKind::Data).unwrap();
    for (path, seed, len) in files {
        let mut content = Vec::new();
        for chunk in bytes(*seed, *len).chunks(100_000) {
            let id = repository.keyring().ids().data(chunk);
            framer.offer(id, chunk).unwrap();
            let length = u32::try_from(chunk.len()).unwrap();
            content.push(Extent::Chunk { id, offset: 0, length });
        }
        let entry = Entry { size: *len as u64, content, ..Entry::default() };
        entries.insert(PathKey::root().child(path.as_bytes()).unwrap(), entry);
    }
    drop(framer);
    commit_tree(repository, id, &packer, &mut fold, entries)
}

/// Stores the tree of these entries; commits a snapshot of it with all that was stored.
fn commit_tree(
    repository: &Repository,
    id: u8,
    packer: &Packer,
    fold: &mut Fold,
    entries: BTreeMap<PathKey, Entry>,
) -> SnapshotId {
    let tree_keys = TreeKeys::from(&**repository.keyring());
    let mut builder = TreeBuilder::new(tree_keys, packer.framer(PackKind::Tree).unwrap());
    for (key, entry) in entries {
        builder.push(key, &entry).unwrap();
    }
    let root = builder.finish().unwrap();
    let objects = packer.flush().unwrap();
    let path = format!("/srv/{id}").into_bytes();
    let (level, entries, bytes) = (root.level, root.entries, root.bytes);
    let root = Root { path, tree: Some(root.id), level, entries, bytes };
    let snapshot = Snapshot { roots: vec![root], ..snapshot(id, "a", i64::from(id)) };
    let sealed = seal(repository, &snapshot).unwrap();
    commit(repository, fold, RUN, objects, vec![sealed]).unwrap();
    snapshot.id
}

/// Two snapshots that share a file, and a third with other content.
fn three_snapshots() -> (Arc<dyn Store>, Repository) {
    let (store, repository) = new(1);
    back_up(&repository, 1, &[("shared", 1, 300_000), ("one", 2, 1000)]);
    back_up(&repository, 2, &[("shared", 1, 300_000), ("two", 3, 2000)]);
    back_up(&repository, 3, &[("three", 4, 500_000)]);
    (store, repository)
}

fn run(repository: &Repository, read_data: bool) -> CheckReport {
    let options = CheckOptions { read_data, ..CheckOptions::default() };
    check(repository, &options, &|_| {}).unwrap()
}

fn one_problem(report: &CheckReport) -> &CheckProblem {
    assert_eq!(report.problem_count, 1, "{:#?}", report.problems);
    &report.problems[0]
}

/// Which snapshots, by the first byte of their ids, and which paths a problem hits.
fn hit(problem: &CheckProblem) -> Vec<(u8, String)> {
    let of =
        |affected: &Affected| (affected.snapshot.0[0], affected.path.clone().unwrap_or_default());
    let mut hit: Vec<_> = problem.affected.iter().map(of).collect();
    hit.sort();
    hit
}

/// The packs of the first commit, those that all later ones are not.
fn of_commit(repository: &Repository, entry: u64, prefix: &str) -> String {
    let fold = Fold::load_all(repository).unwrap();
    let found: Vec<_> = fold
        .objects()
        .iter()
        .filter(|(key, object)| object.entry == entry && key.to_string().starts_with(prefix))
        .map(|(key, _)| key.to_string())
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn a_whole_repository_has_no_problem() {
    let (_, repository) = three_snapshots();
    for read_data in [false, true] {
        let report = run(&repository, read_data);
        assert!(report.is_clean(), "{:#?}", report.problems);
        assert!(report.notes.is_empty(), "{:?}", report.notes);
        let counts = report.counts;
        assert_eq!((counts.log_entries, counts.key_slots, counts.snapshots), (3, 1, 3));
        assert_eq!((counts.packs, counts.tree_packs, counts.segments), (3, 3, 3));
        // 3 + 1 + 1 + 5 chunks of content, and a node for each snapshot.
        assert_eq!((counts.referenced_chunks, counts.tree_nodes, counts.chunks), (10, 3, 13));
        assert_eq!(counts.entries, 8);
        assert_eq!(counts.packs_read, if read_data { 6 } else { 0 });
        assert_eq!(counts.chunks_verified, if read_data { 13 } else { 0 });
        assert_eq!(counts.bytes_read, if read_data { counts.stored_bytes } else { 0 });
    }
    let empty = new(2).1;
    assert!(run(&empty, true).is_clean());
}

/// What the scan of references counts that looks up so many of them at once.
fn scanned(repository: &Repository, at_once: usize) -> Option<(u64, u64, u64)> {
    let fold = Fold::load(repository).unwrap();
    let index = Arc::new(Index::load(repository, &fold).unwrap());
    let snapshots = Snapshots::load(repository, &fold).unwrap();
    let live: Vec<_> = snapshots.live().map(|known| &known.snapshot).collect();
    let options = CheckOptions::default();
    let mut references = References::new(repository, &index, &options, &|_| {}, &|| true);
    references.gathered = Vec::with_capacity(at_once);
    let counts = references.scan(&live).unwrap()?;
    Some((counts.nodes, counts.entries, counts.chunks))
}

#[test]
fn references_are_looked_up_many_at_once() {
    let (_, repository) = three_snapshots();
    for at_once in [1, 2, 3, 7, 1000] {
        assert_eq!(scanned(&repository, at_once), Some((3, 8, 10)), "{at_once}");
    }
}

/// Neither a chunk that is not there nor one of which more is used than there is escapes, wherever it stands.
#[test]
fn references_that_do_not_hold_are_doubted_and_named() {
    for (missing, place) in [(true, 0), (true, 5), (false, 0), (false, 5)] {
        let (_, repository) = three_snapshots();
        let known = bytes(4, 500_000);
        let known: Vec<_> = known.chunks(100_000).collect();
        let mut fold = Fold::load(&repository).unwrap();
        let index = Arc::new(Index::load(&repository, &fold).unwrap());
        let packer = Packer::new(&repository, index, options(&repository));
        let mut entries =
            BTreeMap::from([(PathKey::root(), Entry { kind: EntryKind::Dir, ..Entry::default() })]);
        for number in 0..6_u8 {
            let id = repository.keyring().ids().data(known[usize::from(number) % known.len()]);
            let extent = match (missing, number == place) {
                (_, false) => Extent::Chunk { id, offset: 0, length: 100_000 },
                (true, true) => Extent::Chunk { id: ChunkId([9; 32]), offset: 0, length: 1 },
                (false, true) => Extent::Chunk { id, offset: 1, length: 100_000 },
            };
            let size = if missing && number == place { 1 } else { 100_000 };
            let entry = Entry { size, content: vec![extent], ..Entry::default() };
            entries.insert(PathKey::root().child(&[b'a' + number]).unwrap(), entry);
        }
        commit_tree(&repository, 4, &packer, &mut fold, entries);
        for at_once in [1, 2, 1000] {
            assert_eq!(scanned(&repository, at_once), None);
        }
        let report = run(&repository, place == 0);
        let name = char::from(b'a' + place);
        assert_eq!(hit(one_problem(&report)), [(4, format!("/srv/4/{name}"))]);
        assert_eq!((report.counts.snapshots, report.counts.tree_nodes), (4, 4));
    }
}

#[test]
fn a_missing_pack_is_named_with_all_whom_it_hits() {
    let (store, repository) = three_snapshots();
    let pack = of_commit(&repository, 0, "packs/");
    lose(&store, &pack);
    for read_data in [false, true] {
        let report = run(&repository, read_data);
        let problem = one_problem(&report);
        assert_eq!(problem.object, pack);
        let wanted = [(1, "/srv/1/one"), (1, "/srv/1/shared"), (2, "/srv/2/shared")];
        assert_eq!(hit(problem), wanted.map(|(id, path)| (id, path.to_owned())));
    }
}

#[test]
fn a_missing_tree_pack_hits_its_snapshot() {
    let (store, repository) = three_snapshots();
    let pack = of_commit(&repository, 1, "trees/");
    lose(&store, &pack);
    let report = run(&repository, false);
    let problem = one_problem(&report);
    assert_eq!((&problem.object, hit(problem)), (&pack, vec![(2, "/srv/2".to_owned())]));
}

#[test]
fn a_lost_node_is_told_for_every_snapshot_that_has_it() {
    let (store, repository) = new(1);
    let files: Vec<(String, u8, usize)> =
        (0..2000).map(|number| (format!("file-{number:04}"), 1, 1000)).collect();
    let files: Vec<_> =
        files.iter().map(|(path, seed, len)| (path.as_str(), *seed, *len)).collect();
    back_up(&repository, 1, &files);
    let shared = of_commit(&repository, 0, "trees/");
    back_up(&repository, 2, &files);
    back_up(&repository, 3, &files[1..]);
    assert!(run(&repository, false).is_clean());
    lose(&store, &shared);
    let report = run(&repository, false);
    let problem = one_problem(&report);
    let hits: Vec<u8> = hit(problem).into_iter().map(|(id, _)| id).collect();
    assert_eq!((&problem.object, hits), (&shared, vec![1, 2, 3]));
}

#[test]
fn a_missing_or_damaged_segment_is_named() {
    let (store, repository) = three_snapshots();
    let segment = of_commit(&repository, 2, "index/");
    let whole = bytes_of(&store, &segment);
    for place in [0, 60, PREAMBLE_LEN + 5, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        replace(&store, &segment, damaged);
        let report = run(&repository, true);
        assert!(
            report.problems.iter().any(|problem| problem.to_string().contains(&segment)),
            "byte {place}: {:#?}",
            report.problems
        );
    }
    lose(&store, &segment);
    let report = run(&repository, false);
    assert!(report.problems.iter().any(|problem| problem.object == segment));
    // The third snapshot's tree is not to be found; the others are whole.
    let hits: Vec<_> = report.problems.iter().flat_map(hit).map(|(id, _)| id).collect();
    assert_eq!(hits, [3]);
}

#[test]
fn every_kind_of_damage_to_a_pack_is_found_by_reading() {
    let (store, repository) = three_snapshots();
    let pack = of_commit(&repository, 2, "packs/");
    let whole = bytes_of(&store, &pack);
    let body = whole.len() - 128 - 8;
    for place in [
        0,
        40,
        70,
        PREAMBLE_LEN,
        PREAMBLE_LEN + 250_000,
        body - 1,
        body,
        whole.len() - 128,
        whole.len() - 64,
        whole.len() - 1,
    ] {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        replace(&store, &pack, damaged);
        assert!(run(&repository, false).is_clean(), "byte {place}");
        let report = run(&repository, true);
        let problem = one_problem(&report);
        assert_eq!(problem.object, pack, "byte {place}");
        assert!(problem.what.contains("hash that its name says"), "byte {place}: {problem}");
        if place < body {
            assert!(problem.what.contains("stripe 0"), "byte {place}: {problem}");
        }
    }
    let mut damaged = whole.clone();
    damaged[PREAMBLE_LEN + 100] ^= 1;
    replace(&store, &pack, damaged);
    let report = run(&repository, true);
    let problem = one_problem(&report);
    assert!(problem.what.contains("does not open"), "{problem}");
    assert_eq!(hit(problem), [(3, "/srv/3/three".to_owned())]);
    // Both footers: nothing in it can be found.
    let mut damaged = whole.clone();
    let end = damaged.len();
    damaged[end - 1] ^= 1;
    damaged[end - 65] ^= 1;
    replace(&store, &pack, damaged);
    let report = run(&repository, true);
    assert!(one_problem(&report).what.contains("both of its footers"));
}

#[test]
fn a_truncated_pack_is_found_without_reading() {
    let (store, repository) = three_snapshots();
    let pack = of_commit(&repository, 0, "packs/");
    let whole = bytes_of(&store, &pack);
    for left in [0, 100, whole.len() - 1] {
        replace(&store, &pack, whole[..left].to_vec());
        for read_data in [false, true] {
            let report = run(&repository, read_data);
            let problem = one_problem(&report);
            assert_eq!(problem.object, pack);
            assert!(problem.what.contains(&format!("has {left} bytes")), "{problem}");
            assert_eq!(hit(problem).len(), 3);
        }
    }
}

#[test]
fn damaged_entries_slots_and_config_are_named() {
    let (store, repository) = three_snapshots();
    for key in
        ["config".to_owned(), keys(&store, "keys/")[0].clone(), keys(&store, "log/")[1].clone()]
    {
        let whole = bytes_of(&store, &key);
        let mut damaged = whole.clone();
        damaged[20] ^= 1;
        replace(&store, &key, damaged);
        let report = run(&repository, false);
        assert!(
            report.problems.iter().any(|problem| problem.object == key),
            "{key}: {:#?}",
            report.problems
        );
        lose(&store, &key);
        let report = run(&repository, false);
        assert!(!report.is_clean(), "{key}");
        repository.io().put_new(&key.parse().unwrap(), whole.into()).unwrap();
        assert!(run(&repository, false).is_clean(), "{key}");
    }
}

#[test]
fn what_a_damaged_entry_named_can_still_be_read() {
    let (store, repository) = three_snapshots();
    let key = keys(&store, "log/")[0].clone();
    let mut damaged = bytes_of(&store, &key);
    damaged[30] ^= 1;
    replace(&store, &key, damaged);
    let fold = Fold::load(&repository).unwrap();
    let index = Index::load(&repository, &fold).unwrap();
    // The second snapshot shares a file with the first, which is gone with its entry.
    let chunk = &bytes(1, 300_000)[..100_000];
    let id = repository.keyring().ids().data(chunk);
    assert!(!index.contains(&id).unwrap());
    assert_eq!(index.add_unnamed(&repository, &fold).unwrap(), 1);
    let keyring = Arc::clone(repository.keyring());
    let reader = Reader::new(repository.io().clone(), keyring, Arc::new(index), 1 << 20);
    assert_eq!(reader.read_chunk(ChunkKind::Data, id).unwrap(), chunk);
}

#[test]
fn a_snapshot_that_does_not_open_is_a_problem_of_its_own() {
    let (_, repository) = three_snapshots();
    let mut fold = Fold::load(&repository).unwrap();
    let mut sealed = seal(&repository, &snapshot(9, "a", 9)).unwrap();
    sealed.sealed.pop();
    commit(&repository, &mut fold, RUN, Vec::new(), vec![sealed]).unwrap();
    let report = run(&repository, false);
    let problem = one_problem(&report);
    assert_eq!(hit(problem), [(9, String::new())]);
}

#[test]
fn chunks_that_nobody_stored_are_missed() {
    let (_, repository) = three_snapshots();
    let mut fold = Fold::load(&repository).unwrap();
    let root = Root {
        path: b"/gone".to_vec(),
        tree: Some(ChunkId([9; 32])),
        level: 0,
        entries: 1,
        bytes: 0,
    };
    let lost = Snapshot { roots: vec![root], ..snapshot(7, "b", 7) };
    let sealed = seal(&repository, &lost).unwrap();
    commit(&repository, &mut fold, RUN, Vec::new(), vec![sealed]).unwrap();
    let report = run(&repository, false);
    let problem = one_problem(&report);
    assert!(problem.object.contains(&"09".repeat(32)), "{problem}");
    assert_eq!(hit(problem), [(7, "/gone".to_owned())]);
}

#[test]
fn a_second_copy_makes_up_for_a_lost_one() {
    let (store, repository) = new(1);
    let other = reopen(&store, 2);
    // Two writers at once: neither sees what the other stores.
    let fold = Fold::load(&other).unwrap();
    back_up(&repository, 1, &[("same", 1, 50_000)]);
    let index = Arc::new(Index::load(&other, &fold).unwrap());
    let packer = Packer::new(&other, index, options(&other));
    let chunk = bytes(1, 50_000);
    let mut framer = packer.framer(PackKind::Data).unwrap();
    framer.offer(other.keyring().ids().data(&chunk), &chunk).unwrap();
    drop(framer);
    let objects = packer.flush().unwrap();
    let mut fold = Fold::load(&other).unwrap();
    commit(&other, &mut fold, RUN, objects, Vec::new()).unwrap();
    let pack = of_commit(&repository, 0, "packs/");
    lose(&store, &pack);
    let report = run(&repository, true);
    let problem = one_problem(&report);
    assert_eq!((&problem.object, hit(problem)), (&pack, Vec::new()));
}

#[test]
fn what_is_left_over_is_a_note() {
    let (_, repository) = three_snapshots();
    let name = ObjectName { upload: [9; 8], ..object(1).name };
    repository.io().put_new(&ObjectKey::Pack(name), vec![1, 2, 3].into()).unwrap();
    let report = run(&repository, true);
    assert!(report.is_clean());
    assert_eq!((report.counts.unreferenced_objects, report.counts.unreferenced_bytes), (1, 3));
    assert!(report.notes[0].contains("named by no entry"), "{:?}", report.notes);
}

#[test]
fn a_damaged_checkpoint_is_a_problem_and_hides_nothing() {
    let (store, repository) = three_snapshots();
    let fold = Fold::load(&repository).unwrap();
    checkpoint::write(&repository, &fold).unwrap();
    assert!(run(&repository, false).is_clean());
    let key = keys(&store, "checkpoints/")[0].clone();
    let mut damaged = bytes_of(&store, &key);
    damaged[100] ^= 1;
    replace(&store, &key, damaged);
    let report = run(&repository, false);
    assert_eq!(one_problem(&report).object, key);
    assert_eq!(report.counts.snapshots, 3);
}

#[test]
fn it_can_be_stopped_and_a_store_that_fails_ends_it() {
    let (store, repository) = three_snapshots();
    let options = CheckOptions { read_data: true, ..CheckOptions::default() };
    options.cancel.cancel();
    let error = check(&repository, &options, &|_| {}).unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);

    let fault = FaultStore::new(Arc::clone(&store));
    let faulty: Arc<dyn Store> = Arc::new(fault.clone());
    let repository = reopen(&faulty, 2);
    for verb in [Verb::List, Verb::GetRange, Verb::Get] {
        fault.add(Rule::on(verb).fails(ErrorKind::Unavailable, Moment::Before).forever());
        let options = CheckOptions { read_data: true, ..CheckOptions::default() };
        let error = check(&repository, &options, &|_| {}).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{verb:?}");
        fault.heal();
    }
}

#[test]
fn packs_are_read_whole_or_in_parts() {
    let (store, repository) = new(1);
    back_up(&repository, 1, &[("large", 1, 3_000_000)]);
    for (whole_max, window) in [(32 << 20, 1 << 20), (0, 256 << 10), (0, 1000), (0, 1)] {
        let mut checker = pack::PackChecker::new(&repository, whole_max, window);
        let mut verified = 0;
        for pack in keys(&store, "packs/") {
            let bytes = bytes_of(&store, &pack);
            let key = pack.parse().unwrap();
            let findings = checker.read(key, bytes.len() as u64, |_| Ok(Vec::new())).unwrap();
            assert!(findings.problems.is_empty(), "{findings:?}");
            verified += findings.verified;
        }
        assert_eq!(verified, 30);
    }
}

/// However it is read, the same is found.
#[test]
fn damage_is_found_whole_or_in_parts() {
    let (store, repository) = new(1);
    back_up(&repository, 1, &[("large", 1, 3_000_000)]);
    let pack = keys(&store, "packs/").remove(0);
    let bytes = bytes_of(&store, &pack);
    for place in [5, PREAMBLE_LEN + 700, bytes.len() / 2, bytes.len() - 90_000, bytes.len() - 1000]
    {
        let mut damaged = bytes.to_vec();
        damaged[place] ^= 4;
        replace(&store, &pack, damaged);
        let found = |whole_max, window| {
            let mut checker = pack::PackChecker::new(&repository, whole_max, window);
            let key = pack.parse().unwrap();
            let mut found = checker.read(key, bytes.len() as u64, |_| Ok(Vec::new())).unwrap();
            found.lost.sort_unstable();
            (found.problems, found.lost, found.verified)
        };
        let whole = found(32 << 20, 1 << 20);
        assert!(!whole.0.is_empty(), "byte {place}");
        assert_eq!(found(0, 256 << 10), whole, "byte {place}");
        assert_eq!(found(0, 1000), whole, "byte {place}");
    }
}

#[test]
fn inspect_shows_packs_and_segments() {
    let (_, repository) = three_snapshots();
    let show = |prefix: &str| {
        let key = of_commit(&repository, 0, prefix).parse().unwrap();
        crate::inspect::inspect(&repository, key).unwrap()["content"].clone()
    };
    let pack = show("packs/");
    assert_eq!((&pack["chunk_count"], pack["chunks"].as_array().unwrap().len()), (&4.into(), 4));
    assert_eq!(show("trees/")["chunk_count"], 1);
    let segment = show("index/");
    assert_eq!(segment["record_count"], 5);
    assert_eq!(segment["packs"].as_array().unwrap().len(), 2);
}

/// Where a pack's own table can't be read, the index says which chunks to look for: just what does not open is lost.
#[test]
fn a_pack_without_its_table_names_what_is_lost() {
    let (store, repository) = three_snapshots();
    let pack = of_commit(&repository, 2, "packs/");
    let whole = bytes_of(&store, &pack);
    let footer = lifeboat_format::pack::Footer::parse(
        &whole[whole.len() - lifeboat_format::pack::TAIL_LEN..],
        whole.len() as u64,
    )
    .unwrap();
    let table = usize::try_from(footer.trailer_range().start).unwrap() + 3;
    let footers = [whole.len() - 10, whole.len() - 70];
    for places in [&[table][..], &footers] {
        let mut bytes = whole.clone();
        places.iter().for_each(|place| bytes[*place] ^= 1);
        replace(&store, &pack, bytes.clone());
        let report = run(&repository, true);
        assert_eq!(hit(one_problem(&report)), [], "its frames are whole");
        bytes[PREAMBLE_LEN + 10] ^= 1;
        replace(&store, &pack, bytes);
        let report = run(&repository, true);
        assert_eq!(hit(one_problem(&report)), [(3, "/srv/3/three".to_owned())]);
    }
}
