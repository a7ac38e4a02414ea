use std::sync::Arc;

use bytes::Bytes;
use lifeboat_codec::sign::SigningKey;
use lifeboat_format::checkpoint::KeepingFact;
use lifeboat_format::entry::{
    LOG_ENTRY_MAX, ListedSnapshot, LogEntry, LogHeader, LogKind, SIGNATURE_CONTEXT,
};
use lifeboat_format::id::{LogId, RunId, SnapshotId};
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keys::{Secret32, SigningRole};
use lifeboat_store::{ErrorKind, Store, Verb, mem};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule, Toxics};

use super::*;
use crate::error::Kind;
use crate::log::testing::object;
use crate::open::testing::{
    PASSPHRASE, bytes_of, keys, lose, new, new_in, open_options, passphrase, reopen, replace,
};
use crate::open::{OpenOptions, Repository, open};

mod model;
mod notes;

const RUN: RunId = RunId([5; 16]);

fn put(repository: &Repository, fold: &mut Fold, number: u64) -> Head {
    commit(repository, fold, RUN, vec![object(number)], Vec::new()).unwrap().unwrap()
}

fn key_of(number: u64) -> ObjectKey {
    let object = object(number);
    object.kind.key(object.name)
}

/// A fold without what depends on the way it was reached.
type State = (Option<Head>, Vec<(ObjectKey, LiveObject)>, Vec<SnapshotRecord>, Vec<KeepingFact>);

fn state(fold: &Fold) -> State {
    let mut objects: Vec<_> = fold.objects().iter().map(|(key, live)| (*key, *live)).collect();
    objects.sort_unstable_by_key(|(key, _)| *key);
    (fold.head(), objects, fold.snapshots().to_vec(), fold.keeping.facts())
}

/// What an entry by the repository's own key would say after `fold`.
fn header(fold: &Fold) -> LogHeader {
    LogHeader {
        log: fold.log_id(),
        number: fold.next_number(),
        previous: fold.previous_hash(),
        kind: LogKind::Commit,
        may_skip: false,
        run: RUN,
        nonce: [7; 16],
        objects: vec![object(77)],
        relied: Vec::new(),
        snapshots: Vec::new(),
        merged: Vec::new(),
        prefixes: Vec::new(),
        ids: Vec::new(),
        until: None,
        time: None,
        mark: None,
        closes: None,
        gone: Vec::new(),
        scrub: None,
        locks: None,
    }
}

fn signed(header: &LogHeader, signer: &SigningKey) -> Vec<u8> {
    let unsigned = LogEntry::unsigned(header, &[], &signer.public());
    let signature = signer.sign(SIGNATURE_CONTEXT, &unsigned);
    LogEntry::assemble(unsigned, &signature).unwrap()
}

fn put_raw(repository: &Repository, number: u64, bytes: impl Into<Bytes>) {
    repository.io().put_new(&ObjectKey::Log(number), bytes.into().into()).unwrap();
}

#[test]
fn commits_count_for_everybody() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    assert_eq!((fold.head(), fold.next_number()), (None, 0));
    let sealed = ListedSnapshot { id: SnapshotId([1; 16]), sealed: vec![1, 2, 3] };
    commit(&repository, &mut fold, RUN, vec![object(1), object(2)], vec![sealed]).unwrap();
    let head = put(&repository, &mut fold, 3);
    assert_eq!((head.number, fold.head()), (1, Some(head)));
    assert_eq!(fold.object(&key_of(2)), Some(LiveObject { size: 2, entry: 0 }));
    assert_eq!(fold.object(&key_of(3)), Some(LiveObject { size: 3, entry: 1 }));
    assert_eq!(fold.snapshots().len(), 1);

    let other = reopen(&store, 2);
    let mut found = Fold::load(&other).unwrap();
    assert_eq!(state(&found), state(&fold));
    assert!(!found.refresh(other.io()).unwrap());
    put(&repository, &mut fold, 4);
    assert!(found.refresh(other.io()).unwrap());
    assert_eq!(state(&found), state(&fold));
    assert_eq!(commit(&repository, &mut fold, RUN, Vec::new(), Vec::new()).unwrap(), None);
}

#[test]
fn whoever_is_late_decides_again() {
    let (store, first) = new(1);
    let second = reopen(&store, 2);
    let mut ahead = Fold::load(&first).unwrap();
    let mut behind = Fold::load(&second).unwrap();
    put(&first, &mut ahead, 1);
    put(&first, &mut ahead, 2);
    let mut heads = Vec::new();
    let place = append(&second, &mut behind, |fold| {
        heads.push(fold.head().map(|head| head.number));
        let mut draft = EntryDraft::commit(RUN, SigningRole::Write);
        draft.objects.push(object(3));
        Ok(Decision::Append(draft))
    })
    .unwrap()
    .unwrap();
    assert_eq!(heads, [None, Some(1)]);
    assert_eq!(place.number, 2);
    // And may want nothing any more.
    put(&first, &mut ahead, 4);
    let place = append(&second, &mut behind, |fold| {
        if fold.object(&key_of(4)).is_some() {
            return Ok(Decision::Nothing);
        }
        Ok(Decision::Append(EntryDraft::commit(RUN, SigningRole::Write)))
    });
    assert_eq!(place.unwrap(), None);
    assert_eq!(keys(&store, "log/").len(), 4);
}

#[test]
fn a_lost_answer_is_read_back() {
    for moment in [Moment::Before, Moment::After] {
        for failing_reads in [0, 1, 3] {
            let store = mem();
            let repository = new_in(&store, 1);
            let fault = FaultStore::new(Arc::clone(&store));
            let faulty: Arc<dyn Store> = Arc::new(fault.clone());
            let other = reopen(&faulty, 2);
            let mut fold = Fold::load(&other).unwrap();
            fault.add(Rule::on(Verb::Put).below("log/").fails(ErrorKind::Unavailable, moment));
            for number in 0..failing_reads {
                fault.add(Rule::on(Verb::Head).below("log/").call(number + 1));
            }
            put(&other, &mut fold, 1);
            let all = Fold::load_all(&repository).unwrap();
            assert_eq!(state(&all), state(&fold));
            assert_eq!(keys(&store, "log/").len(), 1, "{moment:?} {failing_reads}");
        }
    }
}

#[test]
fn a_store_that_never_answers_is_reported() {
    let (store, _) = new(1);
    let fault = FaultStore::new(Arc::clone(&store));
    let faulty: Arc<dyn Store> = Arc::new(fault.clone());
    let repository = reopen(&faulty, 2);
    let mut fold = Fold::load(&repository).unwrap();
    fault.add(Rule::on(Verb::Put).below("log/").forever());
    let error = commit(&repository, &mut fold, RUN, vec![object(1)], Vec::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    fault.heal();
    for kind in [ErrorKind::NoSpace, ErrorKind::Denied] {
        fault.add(Rule::on(Verb::Put).below("log/").fails(kind, Moment::Before));
        let before = fault.calls(Verb::Put);
        let error = commit(&repository, &mut fold, RUN, vec![object(1)], Vec::new()).unwrap_err();
        assert!(matches!(error.kind(), Kind::NoSpace | Kind::Denied), "{error}");
        assert_eq!(fault.calls(Verb::Put), before + 1);
        fault.heal();
    }
    put(&repository, &mut fold, 1);
}

#[test]
fn many_writers_over_a_faulty_store() {
    const WRITERS: u64 = 4;
    const COMMITS: u64 = 6;
    for seed in 0..3 {
        let store = mem();
        let repository = new_in(&store, seed);
        let fault = FaultStore::new(Arc::clone(&store));
        let faulty: Arc<dyn Store> = Arc::new(fault.clone());
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| reopen(&faulty, 100 * seed + writer)).collect();
        fault.poison(Toxics { seed, fail_per_mille: 150, flip_per_mille: 0 });
        std::thread::scope(|scope| {
            for (number, writer) in (0..).zip(&writers) {
                scope.spawn(move || {
                    let mut fold = loop {
                        if let Ok(fold) = Fold::load(writer) {
                            break fold;
                        }
                    };
                    for commit_number in 0..COMMITS {
                        let objects = vec![object(1 + number * COMMITS + commit_number)];
                        // Told that the answers stay away, a writer would try again, too.
                        while commit(writer, &mut fold, RUN, objects.clone(), Vec::new()).is_err() {
                        }
                    }
                });
            }
        });
        assert!(fault.injected() > 0);
        let fold = Fold::load_all(&repository).unwrap();
        assert_eq!(fold.objects().len() as u64, WRITERS * COMMITS);
        assert_eq!((fold.void_count(), fold.gap()), (0, None));
        assert!(fold.next_number() >= WRITERS * COMMITS);
    }
}

#[test]
fn of_two_entries_that_name_an_object_the_first_counts() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let first = ListedSnapshot { id: SnapshotId([1; 16]), sealed: vec![1] };
    let second = ListedSnapshot { id: SnapshotId([1; 16]), sealed: vec![2] };
    commit(&repository, &mut fold, RUN, vec![object(1)], vec![first]).unwrap();
    let mut larger = object(1);
    larger.size = 1000;
    commit(&repository, &mut fold, RUN, vec![larger], vec![second]).unwrap();
    assert_eq!(fold.object(&key_of(1)), Some(LiveObject { size: 1, entry: 0 }));
    assert_eq!(fold.snapshots().len(), 1);
    assert_eq!(fold.snapshots()[0].sealed[..], [1]);
}

/// Makes the bytes of a bad entry of a good header.
type Forge<'f> = &'f dyn Fn(LogHeader) -> Vec<u8>;

#[test]
fn entries_that_mean_nothing_are_chained_over() {
    let (store, repository) = new(1);
    let stranger = SigningKey::from_secret(&Secret32::new([9; 32]));
    let owner = repository.keyring().signer(&SigningRole::Write).unwrap();
    let root = repository.keyring().signer(&SigningRole::Root).unwrap();
    let mut fold = Fold::load(&repository).unwrap();
    put(&repository, &mut fold, 1);
    let bad: [(&str, Forge<'_>); 8] = [
        ("signature", &|_| b"no entry at all".to_vec()),
        ("signature", &|_| Vec::new()),
        ("without a role", &|header| signed(&header, &stranger)),
        ("no role for a commit", &|header| signed(&header, root)),
        ("another log", &|header| signed(&LogHeader { log: LogId([1; 16]), ..header }, owner)),
        ("is entry 99", &|header| signed(&LogHeader { number: 99, ..header }, owner)),
        ("does not follow", &|header| {
            signed(&LogHeader { previous: ObjectHash([1; 32]), ..header }, owner)
        }),
        ("no role for a change", &|header| {
            signed(&LogHeader { kind: LogKind::Config, ..header }, owner)
        }),
    ];
    for (place, (reason, bad)) in bad.iter().enumerate() {
        let number = fold.next_number();
        put_raw(&repository, number, bad(header(&fold)));
        let after = put(&repository, &mut fold, 100 + place as u64);
        assert_eq!(after.number, number + 1);
        let void = fold.voids().last().unwrap();
        assert_eq!((void.number, void.reason.contains(reason)), (number, true), "{void:?}");
    }
    assert_eq!(fold.void_count(), 8);
    assert_eq!(fold.object(&key_of(77)), None);
    let all = Fold::load_all(&reopen(&store, 2)).unwrap();
    assert_eq!(state(&all), state(&fold));
    assert_eq!(all.voids(), fold.voids());
}

#[test]
fn an_entry_that_is_too_large_is_chained_over() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    put_raw(&repository, 0, vec![7; LOG_ENTRY_MAX + 1]);
    let head = put(&repository, &mut fold, 1);
    assert_eq!(head.number, 1);
    assert!(fold.voids()[0].reason.contains("larger"));
    assert_eq!(state(&Fold::load_all(&repository).unwrap()), state(&fold));
}

#[test]
fn unknown_kinds_stop_the_reader_or_are_skipped() {
    let kinds = [9, 200].map(LogKind::from_number);
    for kind in kinds {
        let (_, repository) = new(1);
        let owner = repository.keyring().signer(&SigningRole::Maintain).unwrap();
        let mut fold = Fold::load(&repository).unwrap();
        put(&repository, &mut fold, 1);
        let skipped = LogHeader { kind, may_skip: true, ..header(&fold) };
        put_raw(&repository, 1, signed(&skipped, owner));
        put(&repository, &mut fold, 2);
        assert_eq!((fold.next_number(), fold.void_count()), (3, 0));
        assert_eq!(fold.object(&key_of(77)), None);
        put_raw(&repository, 3, signed(&LogHeader { kind, ..header(&fold) }, owner));
        let error = Fold::load(&repository).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.to_string().contains("log/0000000000000003"), "{error}");
        let error = commit(&repository, &mut fold, RUN, vec![object(3)], vec![]).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
    }
}

#[test]
fn a_newer_entry_stops_the_reader_only_if_it_is_signed() {
    let (_, repository) = new(1);
    let owner = repository.keyring().signer(&SigningRole::Write).unwrap();
    let mut fold = Fold::load(&repository).unwrap();
    let newer = |signer: &SigningKey| {
        let mut bytes =
            LogEntry::unsigned(&header(&Fold::empty(&repository)), &[], &signer.public());
        bytes[8] = 2;
        let signature = signer.sign(SIGNATURE_CONTEXT, &bytes);
        LogEntry::assemble(bytes, &signature).unwrap()
    };
    put_raw(&repository, 0, newer(&SigningKey::from_secret(&Secret32::new([9; 32]))));
    put(&repository, &mut fold, 1);
    put_raw(&repository, 2, newer(owner));
    assert_eq!(Fold::load(&repository).unwrap_err().kind(), Kind::Unsupported);
}

#[test]
fn damage_to_one_entry_costs_that_entry_only() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    for number in 0..4 {
        put(&repository, &mut fold, number);
    }
    let key = ObjectKey::Log(1).to_string();
    let whole = bytes_of(&store, &key);
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        replace(&store, &key, damaged);
        let fold = Fold::load(&repository).unwrap();
        assert_eq!((fold.void_count(), fold.voids()[0].number), (1, 1), "byte {place}");
        assert!(fold.warnings()[0].contains(&key), "byte {place}");
        assert_eq!(fold.objects().len(), 3, "byte {place}");
    }
    for other in [0, 2, 3] {
        replace(&store, &key, bytes_of(&store, &ObjectKey::Log(other).to_string()));
        let fold = Fold::load(&repository).unwrap();
        assert_eq!((fold.void_count(), fold.objects().len()), (1, 3), "a copy of entry {other}");
    }
    replace(&store, &key, whole[..50].to_vec());
    let mut fold = Fold::load(&repository).unwrap();
    assert_eq!(fold.objects().len(), 3);
    put(&repository, &mut fold, 9);
    assert_eq!(state(&Fold::load(&repository).unwrap()), state(&fold));
}

#[test]
fn a_missing_entry_is_told_and_nothing_is_appended() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    for number in 0..5 {
        put(&repository, &mut fold, number);
    }
    lose(&store, &ObjectKey::Log(1).to_string());
    lose(&store, &ObjectKey::Log(2).to_string());
    let mut fold = Fold::load(&repository).unwrap();
    assert_eq!((fold.gap(), fold.void_count()), (Some(1), 2));
    assert_eq!((fold.objects().len(), fold.next_number()), (3, 5));
    let error = commit(&repository, &mut fold, RUN, vec![object(9)], vec![]).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("log/0000000000000001"), "{error}");
    assert!(!checkpoint::write(&repository, &fold).unwrap());
    assert_eq!(keys(&store, "log/").len(), 3);
}

#[test]
fn large_commits_are_split_and_snapshots_come_last() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let objects: Vec<_> = (0..100).map(object).collect();
    let sealed = |id| ListedSnapshot { id: SnapshotId([id; 16]), sealed: vec![id; 500] };
    let parts = (objects, vec![sealed(1), sealed(2)]);
    commit::commit_within(&repository, &mut fold, RUN, parts, 1000).unwrap();
    assert_eq!((fold.objects().len(), fold.snapshots().len()), (100, 2));
    let first_snapshot = fold.snapshots()[0].entry;
    assert!(first_snapshot >= 5);
    assert!(fold.objects().values().all(|object| object.entry <= first_snapshot));
    let parts =
        (Vec::new(), vec![ListedSnapshot { id: SnapshotId([3; 16]), sealed: vec![0; 2000] }]);
    let error = commit::commit_within(&repository, &mut fold, RUN, parts, 1000).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
}

/// To make a snapshot ready may take a look at its whole tree: it is done once for each head, and anew where another was
/// faster.
#[test]
fn a_snapshot_is_made_ready_once_for_each_head() {
    for overtaken in [false, true] {
        let (store, repository) = new(1);
        let mut fold = Fold::load(&repository).unwrap();
        put(&repository, &mut fold, 1);
        let (mut heads, other) = (Vec::new(), reopen(&store, 2));
        let seal = |head: &Fold| {
            heads.push(head.head());
            if overtaken && heads.len() == 1 {
                put(&other, &mut Fold::load(&other).unwrap(), 2);
            }
            Ok((ListedSnapshot { id: SnapshotId([1; 16]), sealed: vec![1; 500] }, Vec::new()))
        };
        commit_snapshot(&repository, &mut fold, RUN, vec![object(3)], None, seal).unwrap();
        assert_eq!(heads.len(), 1 + usize::from(overtaken), "{heads:?}");
        assert_eq!((fold.snapshots().len(), fold.objects().len()), (1, 2 + usize::from(overtaken)));
    }
}

#[test]
fn the_largest_commit_fits_into_an_entry() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let mut objects: Vec<_> = (0..400_000).map(object).collect();
    objects.iter_mut().for_each(|object| object.size = u64::MAX);
    commit(&repository, &mut fold, RUN, objects, Vec::new()).unwrap();
    assert_eq!(fold.objects().len(), 400_000);
    assert_eq!(fold.next_number(), 2);
    let sealed = vec![0; LOG_ENTRY_MAX - 5000];
    let snapshot = ListedSnapshot { id: SnapshotId([3; 16]), sealed };
    commit(&repository, &mut fold, RUN, Vec::new(), vec![snapshot]).unwrap();
    assert_eq!(fold.void_count(), 0);
}

fn remembering(store: &Arc<dyn Store>, head: Head) -> Repository {
    let options = OpenOptions { remembered: Some(head), ..open_options(8) };
    let io = crate::io::Io::new(Arc::clone(store)).unwrap();
    open(io, &passphrase(PASSPHRASE), &options).unwrap()
}

#[test]
fn a_log_that_was_put_back_is_noticed() {
    for with_checkpoint in [false, true] {
        let (store, repository) = new(1);
        let mut fold = Fold::load(&repository).unwrap();
        let heads: Vec<Head> = (0..5).map(|number| put(&repository, &mut fold, number)).collect();
        if with_checkpoint {
            assert!(checkpoint::write(&repository, &fold).unwrap());
        }
        for head in &heads {
            Fold::load(&remembering(&store, *head)).unwrap();
            let other = Head { hash: ObjectHash([1; 32]), ..*head };
            let error = Fold::load(&remembering(&store, other)).unwrap_err();
            assert_eq!(error.kind(), Kind::Rollback, "{error}");
        }
        lose(&store, &ObjectKey::Log(4).to_string());
        match with_checkpoint {
            // It was there, and what it said is known: its number must not be given again.
            true => {
                let fold = Fold::load(&remembering(&store, heads[4])).unwrap();
                assert_eq!((fold.gap(), fold.objects().len()), (Some(4), 5));
                let other = Head { hash: ObjectHash([1; 32]), ..heads[4] };
                let error = Fold::load(&remembering(&store, other)).unwrap_err();
                assert_eq!(error.kind(), Kind::Rollback);
            }
            false => {
                let error = Fold::load(&remembering(&store, heads[4])).unwrap_err();
                assert_eq!(error.kind(), Kind::Rollback);
                assert!(error.to_string().contains("entry 4 has been seen"), "{error}");
            }
        }
        Fold::load(&remembering(&store, heads[3])).unwrap();
        // Another entry at the same place.
        let mut fold = Fold::load_all(&repository).unwrap();
        put(&repository, &mut fold, 44);
        let error = Fold::load(&remembering(&store, heads[4])).unwrap_err();
        assert_eq!(error.kind(), Kind::Rollback);
    }
    let (store, _) = new(2);
    let head = Head { number: 0, hash: ObjectHash([0; 32]) };
    let error = Fold::load(&remembering(&store, head)).unwrap_err();
    assert!(error.to_string().contains("is empty"), "{error}");
}

#[test]
fn checkpoints_stand_for_the_entries_before_them() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    for number in 0..64 {
        put(&repository, &mut fold, number);
        assert!(!checkpoint::maybe_write(&repository, &fold).unwrap());
    }
    let sealed = ListedSnapshot { id: SnapshotId([1; 16]), sealed: vec![1, 2, 3] };
    commit(&repository, &mut fold, RUN, vec![object(64)], vec![sealed]).unwrap();
    assert!(checkpoint::maybe_write(&repository, &fold).unwrap());
    assert!(!checkpoint::maybe_write(&repository, &fold).unwrap());
    put(&repository, &mut fold, 65);
    let found = Fold::load(&reopen(&store, 2)).unwrap();
    assert_eq!(state(&found), state(&fold));
    assert_eq!((found.entries_read(), found.warnings().len()), (1, 0));
    assert!(!checkpoint::maybe_write(&repository, &found).unwrap());
    let all = Fold::load_all(&repository).unwrap();
    assert_eq!((state(&all), all.entries_read()), (state(&fold), 66));
}

/// A checkpoint keeps what counts, not what is wrong: over damage it would make the damage unseen.
#[test]
fn a_damaged_log_gets_no_checkpoint() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    for number in 0..3 {
        put(&repository, &mut fold, number);
    }
    let key = ObjectKey::Log(1).to_string();
    let mut damaged = bytes_of(&store, &key);
    damaged[40] ^= 1;
    replace(&store, &key, damaged);
    let found = Fold::load(&repository).unwrap();
    assert_eq!(found.last_damage().map(|void| void.number), Some(1));
    assert!(!checkpoint::write(&repository, &found).unwrap());
    assert!(checkpoint::write(&repository, &fold).unwrap());
}

#[test]
fn a_bad_checkpoint_is_passed_over() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    for number in 0..3 {
        put(&repository, &mut fold, number);
    }
    checkpoint::write(&repository, &fold).unwrap();
    let key = ObjectKey::Checkpoint(2).to_string();
    let whole = bytes_of(&store, &key);
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        replace(&store, &key, damaged);
        let found = Fold::load(&repository).unwrap();
        assert_eq!(state(&found), state(&fold), "byte {place}");
        assert_eq!(found.warnings().len(), 1, "byte {place}");
        assert!(found.warnings()[0].contains(&key));
    }
    replace(&store, &key, whole[..whole.len() - 1].to_vec());
    assert_eq!(Fold::load(&repository).unwrap().warnings().len(), 1);
    // A whole one, below another number.
    lose(&store, &key);
    repository.io().put_new(&ObjectKey::Checkpoint(1), whole.into()).unwrap();
    let found = Fold::load(&repository).unwrap();
    assert_eq!((state(&found), found.warnings().len()), (state(&fold), 1));
}

#[test]
fn reading_a_long_log_asks_for_many_entries_at_once() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    for number in 0..50 {
        put(&repository, &mut fold, number);
    }
    let fault = FaultStore::new(Arc::clone(&store));
    let faulty: Arc<dyn Store> = Arc::new(fault.clone());
    let other = reopen(&faulty, 2);
    let before = fault.all_calls();
    assert_eq!(state(&Fold::load(&other).unwrap()), state(&fold));
    // A look at how far it goes, two lists, fifty reads, and the one that finds nothing.
    assert_eq!(fault.all_calls() - before, 54);
}

#[test]
fn how_far_a_long_log_goes_is_found_with_few_looks() {
    for (steps, remembered, most) in [(0, None, 1), (1, None, 3), (37, None, 12), (37, Some(30), 8)]
    {
        let (store, _) = new(1);
        let fault = FaultStore::new(Arc::clone(&store));
        let io = crate::io::Io::new(Arc::new(fault.clone())).unwrap();
        for step in 0..=steps {
            let entry = ObjectKey::Log(step * fetch::STEP);
            io.put_new(&entry, b"an entry".into()).unwrap();
        }
        let before = fault.all_calls();
        let remembered = remembered.map(|step| step * fetch::STEP + 7);
        assert_eq!(fetch::last_step(&io, remembered).unwrap(), steps * fetch::STEP);
        let looks = fault.all_calls() - before;
        assert!(looks <= most, "{looks} looks for {steps} steps");
    }
}

/// Of the checkpoints only those about the head are listed: there may be ten thousand.
#[test]
fn a_checkpoint_of_another_stretch_is_found_all_the_same() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    for number in 0..3 {
        put(&repository, &mut fold, number);
    }
    assert!(checkpoint::write(&repository, &fold).unwrap());
    let record = lifeboat_store::layer::record::RecordStore::new(Arc::clone(&store));
    let recorded: Arc<dyn Store> = Arc::new(record.clone());
    let other = reopen(&recorded, 2);
    record.clear();
    // As if it had been seen to go on far.
    let far = fetch::step_prefix(ObjectKey::Checkpoint(2 * fetch::STEP));
    let remembered = OpenOptions {
        remembered: Some(Head { number: 2 * fetch::STEP, hash: ObjectHash([1; 32]) }),
        ..open_options(3)
    };
    let io = crate::io::Io::new(recorded).unwrap();
    let told = open(io, &passphrase(PASSPHRASE), &remembered).unwrap();
    record.clear();
    let (state, warnings) = checkpoint::newest(&told).unwrap();
    assert_eq!(state.unwrap().next_number(), 3);
    assert!(warnings.is_empty());
    let lists = record.keys(Verb::List);
    let near = fetch::step_prefix(ObjectKey::Checkpoint(fetch::STEP));
    assert_eq!(lists, [far.as_str(), &near, "checkpoints/"]);
    record.clear();
    checkpoint::newest(&other).unwrap();
    assert_eq!(record.keys(Verb::List), ["checkpoints/"]);
}
