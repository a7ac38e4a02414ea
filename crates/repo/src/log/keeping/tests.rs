use lifeboat_codec::sign::SigningKey;
use lifeboat_format::entry::{ListedSnapshot, LogEntry, SIGNATURE_CONTEXT};
use lifeboat_format::id::RunId;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keys::SigningRole;

use super::*;
use crate::log::{Decision, EntryDraft, Fold, append, checkpoint, remark};
use crate::open::Repository;
use crate::open::testing::{new, reopen};

const RUN: RunId = RunId([5; 16]);

fn id(first: u8) -> SnapshotId {
    SnapshotId([first; 16])
}

fn append_draft(repository: &Repository, fold: &mut Fold, draft: &EntryDraft) -> u64 {
    append(repository, fold, |_| Ok(Decision::Append(draft.clone()))).unwrap().unwrap().number
}

/// A commit of this snapshot, held until then.
fn put(repository: &Repository, fold: &mut Fold, first: u8, until: Option<Until>) -> u64 {
    let snapshots = vec![ListedSnapshot { id: id(first), sealed: vec![first] }];
    let draft = EntryDraft { snapshots, until, ..EntryDraft::commit(RUN, SigningRole::Write) };
    append_draft(repository, fold, &draft)
}

fn forget(ids: &[u8], time: Option<u64>) -> EntryDraft {
    let ids = ids.iter().copied().map(id).collect();
    EntryDraft { ids, time, ..EntryDraft::maintenance(LogKind::Forget, RUN) }
}

fn restore(first: u8) -> EntryDraft {
    EntryDraft { ids: vec![id(first)], ..EntryDraft::maintenance(LogKind::Restore, RUN) }
}

fn hold(first: u8, until: Until) -> EntryDraft {
    let draft = EntryDraft::maintenance(LogKind::Hold, RUN);
    EntryDraft { ids: vec![id(first)], until: Some(until), ..draft }
}

/// What is hidden, and by which entry.
fn hidden(fold: &Fold) -> Vec<(u8, u64)> {
    let mut hidden: Vec<_> = fold.all_hidden().map(|(id, entry)| (id.0[0], entry)).collect();
    hidden.sort_unstable();
    hidden
}

#[test]
fn a_forget_hides_and_a_restore_shows_again() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    for first in 1..=3 {
        put(&repository, &mut fold, first, None);
    }
    // One that nobody knows, one twice.
    let by = append_draft(&repository, &mut fold, &forget(&[1, 2, 9, 2], Some(100)));
    assert_eq!(hidden(&fold), [(1, by), (2, by)]);
    assert_eq!((fold.hidden(&id(1)), fold.hidden(&id(3))), (Some(by), None));
    // Once more: the first counts, so that nobody puts off when it may be collected.
    let later = append_draft(&repository, &mut fold, &forget(&[2, 3], Some(200)));
    assert_eq!(hidden(&fold), [(1, by), (2, by), (3, later)]);
    append_draft(&repository, &mut fold, &restore(2));
    append_draft(&repository, &mut fold, &restore(7));
    assert_eq!(hidden(&fold), [(1, by), (3, later)]);
    let again = append_draft(&repository, &mut fold, &forget(&[2], Some(300)));
    assert_eq!(fold.hidden(&id(2)), Some(again));
    // A snapshot that comes later is not concerned by what was said of its id before.
    put(&repository, &mut fold, 9, None);
    assert_eq!(fold.hidden(&id(9)), None);
}

#[test]
fn what_is_held_is_not_forgotten_before_its_time() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let first = put(&repository, &mut fold, 1, Some(Until::Time(1000)));
    assert_eq!(fold.hold(&id(1)), Some(Hold { entry: first, until: Until::Time(1000) }));
    put(&repository, &mut fold, 2, None);
    let by = append_draft(&repository, &mut fold, &forget(&[1, 2], Some(999)));
    assert_eq!(hidden(&fold), [(2, by)]);
    append_draft(&repository, &mut fold, &forget(&[1], None));
    assert_eq!(hidden(&fold), [(2, by)]);
    // A hold of what is hidden means nothing.
    append_draft(&repository, &mut fold, &hold(2, Until::Forever));
    assert_eq!(fold.hold(&id(2)), None);
    let without_end = append_draft(&repository, &mut fold, &hold(1, Until::Forever));
    assert_eq!(fold.hold(&id(1)), Some(Hold { entry: without_end, until: Until::Forever }));
    append_draft(&repository, &mut fold, &forget(&[1], Some(u64::MAX)));
    assert_eq!(hidden(&fold), [(2, by)]);
    append_draft(&repository, &mut fold, &hold(1, Until::Released));
    assert_eq!(fold.all_holds().count(), 0);
    append_draft(&repository, &mut fold, &hold(1, Until::Time(1000)));
    let ended = append_draft(&repository, &mut fold, &forget(&[1], Some(1000)));
    assert_eq!(hidden(&fold), [(1, ended), (2, by)]);
    // What it was held by stays, for who looks with a better clock.
    assert!(fold.hold(&id(1)).is_some());
}

#[test]
fn a_commit_holds_none_but_its_own_new_snapshots() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    put(&repository, &mut fold, 1, None);
    put(&repository, &mut fold, 2, None);
    put(&repository, &mut fold, 1, Some(Until::Forever));
    let other = EntryDraft {
        ids: vec![id(2)],
        until: Some(Until::Forever),
        ..EntryDraft::commit(RUN, SigningRole::Write)
    };
    append_draft(&repository, &mut fold, &other);
    assert_eq!(fold.all_holds().count(), 0);
    // And what a hold or a forget names besides does not count.
    let snapshots = vec![ListedSnapshot { id: id(3), sealed: vec![3] }];
    append_draft(&repository, &mut fold, &EntryDraft { snapshots, ..forget(&[1], Some(1)) });
    assert_eq!(fold.snapshots().len(), 2);
}

#[test]
fn only_a_maintainer_may() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    put(&repository, &mut fold, 1, None);
    let root = repository.keyring().signer(&SigningRole::Root).unwrap();
    for kind in [LogKind::Forget, LogKind::Restore, LogKind::Hold] {
        let number = fold.next_number();
        let header = LogHeader {
            log: fold.log_id(),
            number,
            previous: fold.previous_hash(),
            kind,
            may_skip: false,
            run: RUN,
            nonce: [7; 16],
            objects: Vec::new(),
            relied: Vec::new(),
            snapshots: Vec::new(),
            merged: Vec::new(),
            prefixes: Vec::new(),
            ids: vec![id(1)],
            until: Some(Until::Forever),
            time: Some(1),
            mark: None,
            closes: None,
            gone: Vec::new(),
            scrub: None,
            locks: None,
        };
        let bytes = signed(&header, root);
        repository.io().put_new(&ObjectKey::Log(number), bytes.into()).unwrap();
        fold.refresh(repository.io()).unwrap();
        assert!(fold.voids().last().unwrap().reason.contains("has no role for a '"));
        assert_eq!((fold.hidden(&id(1)), fold.hold(&id(1))), (None, None));
    }
}

fn signed(header: &LogHeader, signer: &SigningKey) -> Vec<u8> {
    let unsigned = LogEntry::unsigned(header, &[], &signer.public());
    let signature = signer.sign(SIGNATURE_CONTEXT, &unsigned);
    LogEntry::assemble(unsigned, &signature).unwrap()
}

#[test]
fn checkpoints_keep_what_is_hidden_and_held() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    for first in 1..=4 {
        put(&repository, &mut fold, first, Some(Until::Time(10)).filter(|_| first > 2));
    }
    append_draft(&repository, &mut fold, &forget(&[1, 3], Some(100)));
    append_draft(&repository, &mut fold, &hold(2, Until::Forever));
    assert_eq!(fold.keeping.facts().len(), 4);
    assert!(checkpoint::write(&repository, &fold).unwrap());
    let found = Fold::load(&reopen(&store, 2)).unwrap();
    assert_eq!((found.entries_read(), &found.keeping), (0, &fold.keeping));
    assert_eq!(Fold::load_all(&repository).unwrap().keeping, fold.keeping);
}

#[test]
fn a_reason_is_sealed_and_found_again() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    put(&repository, &mut fold, 1, None);
    let body = remark::seal_remark(&repository, Some("case 7, by ann"), "lifeboat test").unwrap();
    let draft = EntryDraft { body, ..hold(1, Until::Forever) };
    let number = append_draft(&repository, &mut fold, &draft);
    let bytes = repository.io().get_at_most(&ObjectKey::Log(number), 1 << 20).unwrap();
    assert!(!bytes.windows(6).any(|text| text == b"case 7"));
    let entry = LogEntry::decode(&bytes).unwrap();
    let found = remark::open(&repository, number, &entry.body).unwrap();
    assert_eq!(found.reason.as_deref(), Some("case 7, by ann"));
    // Not in another log, nor changed.
    let (_, other) = new(2);
    assert!(remark::open(&other, number, &draft.body).is_err());
    let mut damaged = draft.body.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let error = remark::open(&repository, number, &damaged).unwrap_err();
    assert!(error.to_string().contains(&ObjectKey::Log(number).to_string()), "{error}");
    let long = "x".repeat(5000);
    assert!(remark::seal_remark(&repository, Some(&long), "lifeboat test").is_err());
}
