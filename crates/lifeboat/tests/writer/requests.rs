//! How many requests things take, and how many of these wait for others: what makes a far store slow.
//!
//! The numbers are those of docs/protocol.md, "Requests". Rounds are those of [`LinkStore`]; where a
//! bound on them is given it is generous, since a busy machine may make two that go together look as
//! if they did not.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use lifeboat::repository::{Repository, View};
use lifeboat::restore::{Origin, RestoreOptions, cat, restore};
use lifeboat::{Context, Error};
use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::PathKey;
use lifeboat_repo::tree::TreeRoot;
use lifeboat_repo::tree::scan::{Scan, lookup};
use lifeboat_store::layer::record::RecordStore;
use lifeboat_store::{ErrorKind, Verb};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};
use lifeboat_testkit::link::LinkStore;
use lifeboat_testkit::tree::Scratch;

use crate::world::{
    assert_clean, assert_complete, assert_restores, in_time, init_in, noise, open_in, options_of,
    restored, run, settle, snapshot,
};

/// Long enough that what goes together is together, on a busy machine, too.
const DELAY: Duration = Duration::from_millis(20);

/// What opening takes besides the entries behind the log's last checkpoint and one request for each
/// small index segment, two for each large one: `config` and its size, the list of slots, the slot, how
/// far the log goes, the lists of checkpoints and entries, and where the log ends.
const OPEN_REQUESTS: u64 = 8;

/// A repository at the end of a link, and what is carried there.
fn far() -> (LinkStore, Repository) {
    let store = LinkStore::new(lifeboat_store::mem(), DELAY);
    let repository = init_in(Arc::new(store.clone()));
    store.take();
    (store, repository)
}

fn reopen(store: &LinkStore) -> View {
    View::load(&open_in(Arc::new(store.clone())).unwrap()).unwrap()
}

/// So many small files in directories of fifty, each file other than all the rest.
fn files(scratch: &Scratch, count: u64) {
    for number in 0..count {
        let dir = scratch.join(format!("dir-{:04}", number / 50));
        if number % 50 == 0 {
            fs::create_dir_all(&dir).unwrap();
        }
        fs::write(dir.join(format!("file-{number:06}")), noise(number, 1500)).unwrap();
    }
}

fn newest(view: &View) -> &Snapshot {
    &view.snapshots.live().next_back().unwrap().snapshot
}

fn tree_of(snapshot: &Snapshot) -> TreeRoot {
    let root = &snapshot.roots[0];
    let (level, entries, bytes) = (root.level, root.entries, root.bytes);
    TreeRoot { id: root.tree.unwrap(), level, entries, bytes }
}

fn key(path: &str) -> PathKey {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    PathKey::from_bytes(names.join("\0").into_bytes()).unwrap()
}

#[test]
fn opening_takes_few_requests_and_fewer_rounds() {
    let (store, repository) = far();
    let scratch = Scratch::new().unwrap();
    let runs = 12;
    for number in 0..runs {
        fs::write(scratch.join("file"), noise(number, 3000)).unwrap();
        settle();
        run(&repository, &options_of(scratch.path()));
    }
    store.take();
    let view = reopen(&store);
    let traffic = store.take();
    assert_eq!(view.snapshots.live().count() as u64, runs);
    // An entry and a segment for each run.
    assert_eq!(traffic.requests, OPEN_REQUESTS + 2 * runs);
    assert!(traffic.rounds <= OPEN_REQUESTS + 4, "{traffic:?}");
    assert!(traffic.together >= 8, "{traffic:?}");
}

/// What opening takes at most where those who back up may merge segments and fold the log, however many
/// backups there were: the entries since the log's last checkpoint (65 and some merges) and 3 requests
/// for that, and less than 16 small segments.
const OPEN_REQUESTS_MAX: u64 = OPEN_REQUESTS + 68 + 8 + 2 * 15;

#[test]
fn however_many_backups_there_are_opening_takes_a_bounded_number_of_requests() {
    let record = RecordStore::new(lifeboat_store::mem());
    let repository = init_in(Arc::new(record.clone()));
    let scratch = Scratch::new().unwrap();
    let mut most = 0;
    for number in 0..200 {
        fs::write(scratch.join(format!("file-{number}")), noise(number, 3000)).unwrap();
        run(&repository, &options_of(scratch.path()));
        if number % 20 < 17 && number > 20 {
            continue;
        }
        record.clear();
        let view = View::load(&open_in(Arc::new(record.clone())).unwrap()).unwrap();
        assert_eq!(view.snapshots.live().count() as u64, number + 1);
        let tree = tree_of(newest(&view));
        let at = key(&format!("file-{number}"));
        assert!(lookup(&view.reader, &tree, &at).unwrap().is_some());
        let requests = record.calls().len() as u64;
        most = most.max(requests);
        // And what the way to the path takes, as below.
        let bound = OPEN_REQUESTS_MAX + 3 * (u64::from(tree.level) + 1);
        assert!(requests <= bound, "{requests} after {number}");
    }
    assert!(most > OPEN_REQUESTS + 60, "or the bound says little: {most}");
    assert_clean(&repository);
    let first = View::load(&repository).unwrap();
    let first = first.snapshots.live().next().unwrap().snapshot.id;
    let only = Scratch::new().unwrap();
    fs::write(only.join("file-0"), noise(0, 3000)).unwrap();
    let view = View::load(&repository).unwrap();
    let target = Scratch::new().unwrap();
    let roots = restored(&view, &snapshot(&view, first), &target);
    assert_eq!(fs::read(roots[0].join("file-0")).unwrap(), noise(0, 3000));
}

/// Ten gigabytes are 299 packs of 32 MiB, and this says that little more is asked of the store.
#[test]
fn a_first_backup_takes_a_request_for_each_pack_and_few_besides() {
    let record = RecordStore::new(lifeboat_store::mem());
    let repository = init_in(Arc::new(record.clone()));
    let scratch = Scratch::new().unwrap();
    // As many packs as ten gigabytes have, of a pack's size here.
    let packs = 299;
    for number in 0..packs {
        fs::write(scratch.join(format!("file-{number}")), noise(number, 64 << 10)).unwrap();
    }
    drop(repository);
    record.clear();
    let repository = open_in(Arc::new(record.clone())).unwrap();
    assert_complete(&run(&repository, &options_of(scratch.path())));
    let calls = record.calls();
    let of = |prefix: &str| calls.iter().filter(|call| call.key.starts_with(prefix)).count();
    let (data, all) = (of("packs/"), calls.len());
    println!("{data} packs, {all} requests");
    // A pack is complete with the frame that fills it, and frames are large for packs of this size.
    assert!((250..=310).contains(&data), "{data} packs");
    assert!(all - data <= 40, "{} requests besides packs: {calls:#?}", all - data);
}

/// The way to one path, among two hundred files or ten times as many: the blocks of the index and the
/// frames of the tree on the way to it.
#[test]
fn looking_for_a_path_takes_as_many_requests_as_the_tree_is_high() {
    for count in [200, 2000] {
        let (store, repository) = far();
        let scratch = Scratch::new().unwrap();
        files(&scratch, count);
        run(&repository, &options_of(scratch.path()));
        let view = reopen(&store);
        store.take();
        let tree = tree_of(newest(&view));
        let path = key("dir-0003/file-000170");
        assert!(lookup(&view.reader, &tree, &path).unwrap().is_some());
        let traffic = store.take();
        // For each level a block of the index, a frame, and the beginning of its pack.
        let most = 3 * (u64::from(tree.level) + 1);
        assert!(traffic.requests <= most, "{traffic:?} of {count} files, {tree:?}");
        // A directory: what is in it lies in one node or two.
        let view = reopen(&store);
        store.take();
        let dir = key("dir-0002");
        assert_eq!(Scan::new(&view.reader, &tree).range(&dir).count(), 51);
        let listed = store.take();
        assert!(listed.requests <= most + 12, "{listed:?} of {count} files, {tree:?}");
    }
}

#[test]
fn a_scan_has_its_nodes_on_their_way_before_it_comes_to_them() {
    let (store, repository) = far();
    let scratch = Scratch::new().unwrap();
    files(&scratch, 2500);
    run(&repository, &options_of(scratch.path()));
    let view = reopen(&store);
    store.take();
    let tree = tree_of(newest(&view));
    assert_eq!(Scan::new(&view.reader, &tree).map(Result::unwrap).count() as u64, tree.entries);
    let traffic = store.take();
    assert!(traffic.requests > 8, "or this shows nothing: {traffic:?}");
    assert!(traffic.together >= 3, "{traffic:?}");
    assert!(traffic.rounds <= traffic.requests * 2 / 3, "{traffic:?}");
}

#[test]
fn an_unchanged_backup_writes_little_and_reads_ahead() {
    let (store, repository) = far();
    let scratch = Scratch::new().unwrap();
    files(&scratch, 2500);
    settle();
    run(&repository, &options_of(scratch.path()));
    store.take();
    let repository = open_in(Arc::new(store.clone())).unwrap();
    let record = RecordStore::new(Arc::new(store.clone()));
    store.take();
    let again = open_in(Arc::new(record.clone())).unwrap();
    record.clear();
    let report = run(&again, &options_of(scratch.path()));
    assert_eq!(report.stats.files_unchanged, 2500);
    // The log entry alone; all else is there.
    assert_eq!(record.count(Verb::Put) + record.count(Verb::PutSoon), 1);
    let traffic = store.take();
    assert!(traffic.together >= 3, "{traffic:?}");
    assert!(traffic.rounds <= traffic.requests * 4 / 5, "{traffic:?}");
    assert_clean(&repository);
}

#[test]
fn a_restore_asks_for_much_at_once_and_for_nothing_twice() {
    let (store, repository) = far();
    let scratch = Scratch::new().unwrap();
    fs::write(scratch.join("large"), noise(1, 6 << 20)).unwrap();
    files(&scratch, 100);
    let report = run(&repository, &options_of(scratch.path()));
    let record = RecordStore::new(Arc::new(store.clone()));
    let view = View::load(&open_in(Arc::new(record.clone())).unwrap()).unwrap();
    record.clear();
    store.take();
    let target = Scratch::new().unwrap();
    let mut options = RestoreOptions::new(target.join("out"));
    options.sync = false;
    let origin = Origin { reader: &view.reader, locate: &*view.index };
    let context = Context { threads: 2, ..Context::default() };
    let restored = restore(origin, newest(&view), &options, &context).unwrap();
    assert!(restored.is_complete(), "{:?}", restored.problems);
    let traffic = store.take();
    assert!(traffic.requests > 60 && traffic.together >= 16, "{traffic:?}");
    assert!(traffic.rounds <= traffic.requests / 4, "{traffic:?}");
    let mut ranges: Vec<_> = record
        .calls()
        .into_iter()
        .map(|call| (call.key, call.range.map(|range| range.start)))
        .collect();
    let all = ranges.len();
    ranges.sort();
    ranges.dedup();
    assert_eq!(ranges.len(), all, "nothing is fetched twice");
    assert_restores(&repository, report.snapshot.unwrap(), &[scratch.path().to_owned()]);
}

#[test]
fn a_file_is_given_out_while_its_next_parts_are_on_their_way() {
    let (store, repository) = far();
    let scratch = Scratch::new().unwrap();
    let content = noise(1, 2 << 20);
    fs::write(scratch.join("large"), &content).unwrap();
    run(&repository, &options_of(scratch.path()));
    let view = reopen(&store);
    store.take();
    let mut out = Vec::new();
    let path = scratch.join("large");
    let path = key(path.to_str().unwrap());
    cat(&view.reader, newest(&view), &path, &mut out, &Context::default()).unwrap();
    assert_eq!(out, content);
    let traffic = store.take();
    assert!(traffic.requests > 60 && traffic.together >= 3, "{traffic:?}");
    assert!(traffic.rounds <= traffic.requests * 2 / 3, "{traffic:?}");
}

#[test]
fn packs_go_up_together() {
    let (store, repository) = far();
    let scratch = Scratch::new().unwrap();
    fs::write(scratch.join("large"), noise(1, 6 << 20)).unwrap();
    assert_complete(&run(&repository, &options_of(scratch.path())));
    let traffic = store.take();
    assert!(traffic.requests > 90 && traffic.together >= 8, "{traffic:?}");
    assert!(traffic.rounds <= traffic.requests / 2, "{traffic:?}");
}

/// Hours of work after a pack that can't be stored would be for nothing.
#[test]
fn a_pack_that_failed_for_good_ends_the_run_at_once() {
    let scratch = Scratch::new().unwrap();
    fs::write(scratch.join("large"), noise(1, 24 << 20)).unwrap();
    let fault = FaultStore::new(lifeboat_store::mem());
    let repository = init_in(Arc::new(fault.clone()));
    for verb in [Verb::Put, Verb::PutSoon] {
        let third = Rule::on(verb).below("packs/").call(3);
        fault.add(third.fails(ErrorKind::Denied, Moment::Before));
    }
    let options = options_of(scratch.path());
    let before = fault.all_calls();
    let error: Error = in_time(move || {
        let context = Context { threads: 1, ..Context::default() };
        lifeboat::backup::backup(&repository, &options, &context).unwrap_err()
    });
    assert_eq!(error.kind(), lifeboat::Kind::Denied);
    assert!(error.to_string().contains("packs/"), "{error}");
    // Of four hundred packs only those were made that were under way.
    let calls = fault.all_calls() - before;
    assert!(calls < 200, "{calls} calls");
}
