use std::sync::Arc;
use std::time::Duration;

use lifeboat_format::entry::Until;
use lifeboat_format::snapshot::{Outcome, Snapshot};
use lifeboat_store::Store;
use lifeboat_testkit::clock::{NOON, TestClock};

use super::*;
use crate::io::Io;
use crate::log::testing::{checkpoint, snapshot};
use crate::log::{commit, commit_snapshot, remark};
use crate::open::testing::{PASSPHRASE, new, open_options, passphrase, reopen};
use crate::open::{OpenOptions, open};
use crate::snapshots::{Filter, TagEdit, seal, tag};

const RUN: RunId = RunId([5; 16]);

fn at_noon() -> u64 {
    u64::try_from(NOON.secs).unwrap()
}

fn put(repository: &Repository, fold: &mut Fold, snapshot: &Snapshot) -> SnapshotId {
    let sealed = seal(repository, snapshot).unwrap();
    commit(repository, fold, RUN, Vec::new(), vec![sealed]).unwrap();
    snapshot.id
}

fn with(snapshots: &[Snapshot]) -> (Arc<dyn Store>, Repository, Fold, Vec<SnapshotId>) {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let ids =
        snapshots.iter().map(|snapshot| put(&repository, &mut fold, snapshot)).collect::<Vec<_>>();
    (store, repository, fold, ids)
}

fn why() -> Why {
    Why { reason: None, tool: "lifeboat test".to_owned() }
}

fn forget_these(
    repository: &Repository,
    fold: &mut Fold,
    guards: &Guards,
    ids: &[SnapshotId],
) -> Result<Vec<SnapshotId>> {
    forget(repository, fold, guards, &why(), |_, _| Ok(ids.to_vec()))
}

fn live(repository: &Repository, fold: &Fold) -> Vec<SnapshotId> {
    let snapshots = Snapshots::load(repository, fold).unwrap();
    snapshots.live().map(|known| known.snapshot.id).collect()
}

fn add(tag: &str) -> TagEdit {
    TagEdit { add: vec![tag.to_owned()], ..TagEdit::default() }
}

#[test]
fn what_is_forgotten_goes_with_all_its_forms_and_comes_back_with_them() {
    let (_, repository, mut fold, ids) = with(&[snapshot(1, "a", 1), snapshot(2, "a", 2)]);
    let newest = tag(&repository, &mut fold, ids[0], &add("x")).unwrap().new;
    let gone = forget_these(&repository, &mut fold, &Guards::DEFAULT, &[ids[0]]).unwrap();
    assert_eq!(gone, [newest]);
    assert_eq!(live(&repository, &fold), [ids[1]]);
    assert_eq!((fold.hidden(&ids[0]), fold.hidden(&newest)), (Some(3), Some(3)));
    // Once more, by either id: nothing is left to do, and nothing is appended.
    let again = forget_these(&repository, &mut fold, &Guards::DEFAULT, &[newest, ids[0]]).unwrap();
    assert_eq!((again.len(), fold.next_number()), (0, 4));
    let back = undo(&repository, &mut fold, &[ids[0], ids[1]], Some(0), &why()).unwrap();
    assert_eq!(back, [newest]);
    assert_eq!(live(&repository, &fold), [ids[1], newest]);
    assert_eq!(fold.all_hidden().count(), 0);
    assert!(undo(&repository, &mut fold, &ids, Some(0), &why()).unwrap().is_empty());
    let unknown = SnapshotId([9; 16]);
    for error in [
        forget_these(&repository, &mut fold, &Guards::OFF, &[unknown]).unwrap_err(),
        undo(&repository, &mut fold, &[unknown], None, &why()).unwrap_err(),
        hold(&repository, &mut fold, &[unknown], Until::Forever, &why()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::NotFound, "{error}");
    }
}

#[test]
fn the_last_of_a_source_stays_and_not_too_many_go_at_once() {
    let partial = Snapshot { outcome: Outcome::Partial, ..snapshot(4, "b", 4) };
    let (_, repository, mut fold, ids) = with(&[
        snapshot(1, "a", 1),
        snapshot(2, "a", 2),
        snapshot(3, "b", 3),
        partial,
        checkpoint(5, "b", 5),
    ]);
    let mut refused = |ids: &[SnapshotId], reason: &str| {
        let guards = Guards { share_percent_max: 50, ..Guards::DEFAULT };
        let error = forget_these(&repository, &mut fold, &guards, ids).unwrap_err();
        assert_eq!(error.kind(), Kind::Denied, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.hint_text().unwrap().contains("--yes-really"));
    };
    refused(&ids[..2], "none would be left");
    refused(&ids[2..3], "no complete one");
    refused(&[ids[0], ids[2], ids[3]], "none would be left");
    let third = put(&repository, &mut fold, &snapshot(6, "a", 6));
    let many = [ids[0], ids[1], ids[3]];
    let error = forget_these(&repository, &mut fold, &Guards::DEFAULT, &many).unwrap_err();
    assert!(error.to_string().contains("3 of 5 snapshots are more than 50 percent"), "{error}");
    let guards = Guards { share_percent_max: 60, ..Guards::DEFAULT };
    assert_eq!(forget_these(&repository, &mut fold, &guards, &many).unwrap(), many);
    let all = [third, ids[2], ids[4]];
    assert_eq!(forget_these(&repository, &mut fold, &Guards::OFF, &all).unwrap().len(), 3);
    assert!(live(&repository, &fold).is_empty());
}

#[test]
fn what_is_held_is_refused_and_a_hold_is_never_shortened() {
    let (store, repository, mut fold, ids) = with(&[snapshot(1, "a", 1), snapshot(2, "a", 2)]);
    let clock = TestClock::new();
    let options = OpenOptions { clock: Arc::new(clock.clone()), ..open_options(7) };
    let later = open(Io::new(store).unwrap(), &passphrase(PASSPHRASE), &options).unwrap();
    let newest = tag(&repository, &mut fold, ids[0], &add("x")).unwrap().new;
    let until = Until::Time(at_noon() + 100);
    let case = Why { reason: Some("case 7".to_owned()), ..why() };
    assert_eq!(hold(&repository, &mut fold, &ids[..1], until, &case).unwrap(), [newest]);
    let entry = repository.io().get_at_most(&ObjectKey::Log(3), LOG_ENTRY_MAX as u64).unwrap();
    let body = LogEntry::decode(&entry).unwrap().body;
    assert_eq!(remark::open(&repository, 3, &body).unwrap().reason.as_deref(), Some("case 7"));
    assert!(hold(&repository, &mut fold, &[newest], until, &why()).unwrap().is_empty());
    let refused = |error: Error| {
        assert_eq!(error.kind(), Kind::Denied, "{error}");
        assert!(error.to_string().contains("log/0000000000000003"), "{error}");
    };
    // By any form.
    for id in [ids[0], newest] {
        refused(forget_these(&repository, &mut fold, &Guards::OFF, &[id]).unwrap_err());
    }
    let shorter = Until::Time(at_noon() + 50);
    refused(hold(&repository, &mut fold, &ids[..1], shorter, &why()).unwrap_err());
    let over = hold(&repository, &mut fold, &ids[..1], Until::Time(at_noon()), &why());
    assert_eq!(over.unwrap_err().kind(), Kind::Invalid);
    // Other marks do not get it out of the hold.
    let third = tag(&repository, &mut fold, ids[0], &add("y")).unwrap().new;
    assert!(forget_these(&repository, &mut fold, &Guards::OFF, &[third]).is_err());
    clock.advance(Duration::from_secs(100));
    assert_eq!(forget_these(&later, &mut fold, &Guards::OFF, &[third]).unwrap(), [third]);
    let error = hold(&repository, &mut fold, &[third], Until::Forever, &why()).unwrap_err();
    assert!(error.to_string().contains("it was forgotten"), "{error}");
    undo(&repository, &mut fold, &[third], None, &why()).unwrap();
    hold(&repository, &mut fold, &[third], Until::Forever, &why()).unwrap();
    assert!(forget_these(&later, &mut fold, &Guards::OFF, &[third]).is_err());
    assert_eq!(hold(&later, &mut fold, &[third], Until::Released, &why()).unwrap(), [third]);
    assert_eq!(fold.all_holds().count(), 0);
    forget_these(&later, &mut fold, &Guards::OFF, &[third]).unwrap();
}

#[test]
fn what_was_forgotten_long_ago_is_not_brought_back_by_the_way() {
    let (store, repository, mut fold, ids) = with(&[snapshot(1, "a", 1), snapshot(2, "a", 2)]);
    forget_these(&repository, &mut fold, &Guards::DEFAULT, &ids[..1]).unwrap();
    let clock = TestClock::new();
    clock.advance(Duration::from_secs(TRASH_SECS + 1));
    let options = OpenOptions { clock: Arc::new(clock), ..open_options(7) };
    let later = open(Io::new(store).unwrap(), &passphrase(PASSPHRASE), &options).unwrap();
    let error = undo(&later, &mut fold, &ids[..1], Some(TRASH_SECS), &why()).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.to_string().contains("more than 7 days ago"), "{error}");
    assert_eq!(undo(&later, &mut fold, &ids[..1], Some(TRASH_SECS + 1), &why()).unwrap().len(), 1);
}

#[test]
fn a_backup_holds_its_own_snapshot() {
    let (_, repository, mut fold, _) = with(&[snapshot(1, "a", 1)]);
    let held = snapshot(2, "a", 2);
    let until = Some(Until::Time(at_noon() + 9));
    commit_snapshot(&repository, &mut fold, RUN, Vec::new(), until, |_| {
        Ok((seal(&repository, &held)?, Vec::new()))
    })
    .unwrap();
    assert_eq!(fold.hold(&held.id).map(|hold| hold.until), until);
    assert!(forget_these(&repository, &mut fold, &Guards::OFF, &[held.id]).is_err());
}

/// Each of two decides at its own, older head; the log's order decides, and the second hears of the first.
#[test]
fn a_forget_and_a_hold_cross() {
    for hold_first in [true, false] {
        let (store, repository, mut fold, ids) = with(&[snapshot(1, "a", 1), snapshot(2, "a", 2)]);
        let other = reopen(&store, 2);
        let mut behind = Fold::load(&other).unwrap();
        let error = if hold_first {
            hold(&repository, &mut fold, &ids[..1], Until::Forever, &why()).unwrap();
            forget_these(&other, &mut behind, &Guards::DEFAULT, &ids[..1]).unwrap_err()
        } else {
            forget_these(&repository, &mut fold, &Guards::DEFAULT, &ids[..1]).unwrap();
            hold(&other, &mut behind, &ids[..1], Until::Forever, &why()).unwrap_err()
        };
        let at = "log/0000000000000002";
        assert!(error.to_string().contains(at), "{error}");
        assert_eq!(fold.hidden(&ids[0]).is_some(), !hold_first);
        assert_eq!(fold.next_number(), behind.next_number());
    }
}

#[test]
fn two_who_forget_at_once_leave_the_last() {
    let (store, repository, mut fold, ids) =
        with(&[snapshot(1, "a", 1), snapshot(2, "a", 2), snapshot(3, "b", 3)]);
    let other = reopen(&store, 2);
    let mut behind = Fold::load(&other).unwrap();
    forget_these(&repository, &mut fold, &Guards::DEFAULT, &ids[..1]).unwrap();
    let error = forget_these(&other, &mut behind, &Guards::DEFAULT, &ids[1..2]).unwrap_err();
    assert!(error.to_string().contains("none would be left"), "{error}");
    // And a choice is made anew from what is there by then.
    let mut heads = Vec::new();
    put(&repository, &mut fold, &snapshot(4, "a", 4));
    let newest = |fold: &Fold, snapshots: &Snapshots| {
        heads.push(fold.next_number());
        let newest = snapshots.latest(&Filter::default());
        Ok(newest.map(|known| known.snapshot.id).into_iter().collect())
    };
    let gone = forget(&other, &mut behind, &Guards::OFF, &why(), newest).unwrap();
    assert_eq!((gone[0].0[0], heads), (4, vec![4, 5]));
}

/// A forget and new marks for the same snapshot: whichever is second knows of the first.
#[test]
fn a_forget_and_a_tag_cross() {
    let (store, repository, mut fold, ids) = with(&[snapshot(1, "a", 1), snapshot(2, "a", 2)]);
    let other = reopen(&store, 2);
    let mut behind = Fold::load(&other).unwrap();
    let newest = tag(&repository, &mut fold, ids[0], &add("x")).unwrap().new;
    let gone = forget_these(&other, &mut behind, &Guards::DEFAULT, &ids[..1]).unwrap();
    assert_eq!(gone, [newest]);
    assert_eq!(live(&other, &behind), ids[1..]);
    let error = tag(&repository, &mut fold, ids[0], &add("y")).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
}
