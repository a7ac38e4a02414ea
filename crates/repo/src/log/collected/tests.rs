use lifeboat_format::entry::{ListedSnapshot, LogKind, ObjectKind};
use lifeboat_format::id::RunId;
use lifeboat_format::key::ObjectName;
use lifeboat_format::keys::SigningRole;

use super::*;
use crate::log::testing::object;
use crate::log::{Decision, EntryDraft, append, checkpoint};
use crate::open::Repository;
use crate::open::testing::{new, reopen};

const RUN: RunId = RunId([5; 16]);

fn append_draft(repository: &Repository, fold: &mut Fold, draft: &EntryDraft) -> u64 {
    append(repository, fold, |_| Ok(Decision::Append(draft.clone()))).unwrap().unwrap().number
}

/// An entry that means nothing, which its author is told.
fn append_void(repository: &Repository, fold: &mut Fold, draft: &EntryDraft) {
    append(repository, fold, |_| Ok(Decision::Append(draft.clone()))).unwrap_err();
}

fn id(first: u8) -> SnapshotId {
    SnapshotId([first; 16])
}

fn segment(number: u64) -> ListedObject {
    ListedObject { kind: ObjectKind::Index, ..object(number) }
}

fn commit(objects: &[ListedObject], snapshot: Option<u8>) -> EntryDraft {
    let sealed = |first| ListedSnapshot { id: id(first), sealed: vec![first] };
    let (objects, snapshots) = (objects.to_vec(), snapshot.map(sealed).into_iter().collect());
    EntryDraft { objects, snapshots, ..EntryDraft::commit(RUN, SigningRole::Write) }
}

fn condemn(mark: u64, objects: &[ListedObject], gone: &[u8]) -> EntryDraft {
    let (objects, gone) = (objects.to_vec(), gone.iter().copied().map(id).collect());
    let draft = EntryDraft::maintenance(LogKind::Condemn, RUN);
    EntryDraft { mark: Some(mark), objects, gone, ..draft }
}

fn delete(closes: u64, objects: &[ListedObject], gone: &[u8]) -> EntryDraft {
    let (objects, gone) = (objects.to_vec(), gone.iter().copied().map(id).collect());
    let draft = EntryDraft::maintenance(LogKind::Delete, RUN);
    EntryDraft { closes: Some(closes), objects, gone, ..draft }
}

fn counts(fold: &Fold, number: u64) -> bool {
    fold.object(&key_of(&object(number))).is_some()
}

fn is_condemned(fold: &Fold, number: u64) -> bool {
    fold.is_condemned(&key_of(&object(number)))
}

#[test]
fn what_is_condemned_counts_until_a_delete_takes_it() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let objects = [1, 2, 3].map(object);
    let first = append_draft(&repository, &mut fold, &commit(&objects, Some(1)));
    let number = append_draft(
        &repository,
        &mut fold,
        &condemn(first, &[object(1), object(2), object(9)], &[1]),
    );
    assert_eq!(fold.last_collection(), Some(number));
    for (of, is) in [(1, true), (2, true), (3, false), (9, true)] {
        assert_eq!(is_condemned(&fold, of), is, "{of}");
    }
    assert!(counts(&fold, 1) && counts(&fold, 2) && !fold.has_deleted());
    // It takes what it names of the condemn's list: not 2, which it spares, and not 3, which was never condemned.
    let draft = delete(number, &[object(1), object(3), object(9)], &[1, 7]);
    let by = append_draft(&repository, &mut fold, &draft);
    assert_eq!([1, 2, 3].map(|of| counts(&fold, of)), [false, true, true]);
    assert!(!is_condemned(&fold, 2) && fold.has_deleted());
    assert_eq!(fold.last_collection(), Some(by));
    assert!(fold.is_lately_gone(&key_of(&object(9))) && !fold.is_lately_gone(&key_of(&object(3))));
    // Of snapshots, too, only what the condemn took for dead; and it does not come again.
    assert!(fold.is_gone(&id(1)) && !fold.is_gone(&id(7)));
    assert_eq!(fold.snapshots().len(), 0);
    append_draft(&repository, &mut fold, &commit(&[], Some(1)));
    assert_eq!(fold.snapshots().len(), 0);
    assert_eq!(fold.void_count(), 0);
}

#[test]
fn a_delete_closes_a_condemn_once_and_only_one() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let first = append_draft(&repository, &mut fold, &commit(&[1, 2].map(object), None));
    let one = append_draft(&repository, &mut fold, &condemn(first, &[object(1), object(2)], &[]));
    let other = append_draft(&repository, &mut fold, &condemn(first, &[object(2)], &[]));
    append_draft(&repository, &mut fold, &delete(one, &[object(1)], &[]));
    assert!(is_condemned(&fold, 2), "the other one is open");
    // Again, for what it spared; and of a condemn that is none.
    for number in [one, first, 99] {
        append_void(&repository, &mut fold, &delete(number, &[object(2)], &[]));
    }
    assert!(counts(&fold, 2));
    assert_eq!(fold.void_count(), 3);
    append_draft(&repository, &mut fold, &delete(other, &[object(2)], &[]));
    assert!(!counts(&fold, 2) && fold.condemns().is_empty());
    // A condemn of the future, or of no head at all, can't have spared anything.
    append_void(&repository, &mut fold, &condemn(99, &[object(1)], &[]));
    let headless = EntryDraft { mark: None, ..condemn(0, &[object(1)], &[]) };
    append_void(&repository, &mut fold, &headless);
    assert_eq!((fold.void_count(), fold.condemns().len()), (5, 0));
}

/// What a checkpoint says is what the log says: open condemns with what is relied on since, what is gone, and the order of
/// merged segments of which some are gone.
#[test]
fn a_checkpoint_remembers_all_of_it() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let name = |number| -> ObjectName { segment(number).name };
    append_draft(&repository, &mut fold, &commit(&[1, 2, 3].map(object), Some(1)));
    append_draft(&repository, &mut fold, &commit(&[segment(11), segment(12)], Some(2)));
    let last = append_draft(&repository, &mut fold, &commit(&[segment(13)], None));
    let merge = EntryDraft {
        objects: vec![segment(20)],
        merged: vec![name(11), name(12)],
        ..EntryDraft::commit(RUN, SigningRole::Maintain)
    };
    append_draft(&repository, &mut fold, &merge);
    let one = append_draft(
        &repository,
        &mut fold,
        &condemn(last, &[segment(11), segment(12), object(1)], &[1]),
    );
    append_draft(&repository, &mut fold, &delete(one, &[segment(11), object(1)], &[1]));
    append_draft(&repository, &mut fold, &condemn(last, &[object(2), object(3)], &[2]));
    let relied = relied([key_of(&object(3))]);
    append_draft(
        &repository,
        &mut fold,
        &EntryDraft { relied: relied.clone(), ..commit(&[], Some(3)) },
    );
    assert!(checkpoint::write(&repository, &fold).unwrap());

    let other = reopen(&store, 2);
    let loaded = Fold::load(&other).unwrap();
    let all = Fold::load_all(&other).unwrap();
    assert_eq!((loaded.entries_read(), loaded.warnings()), (0, &[][..]));
    for fold in [&loaded, &all] {
        assert_eq!(fold.collected, all.collected);
        assert!(fold.has_deleted() && fold.is_gone(&id(1)));
        let condemn = fold.condemns().values().next().unwrap();
        assert_eq!(condemn.relied.iter().copied().collect::<Vec<_>>(), relied);
        let order: Vec<_> = fold.segments().into_iter().map(|segment| segment.key).collect();
        assert_eq!(order, [20, 13].map(|number| key_of(&segment(number))));
        let parts: Vec<_> =
            fold.parts(&key_of(&segment(20))).into_iter().map(|part| part.key).collect();
        assert_eq!(parts, [key_of(&segment(12))]);
        assert_eq!(fold.snapshots().len(), 2);
    }
    assert_eq!(loaded.objects(), all.objects());
    assert_eq!(loaded.merges(), all.merges());
}
