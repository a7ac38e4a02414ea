//! Backups beside whoever forgets and holds: what is forgotten is no parent, and a backup under way loses nothing.

use std::sync::Arc;

use lifeboat::backup::backup;
use lifeboat::monitor::{Monitor, Phase};
use lifeboat::{Context, Error};
use lifeboat_format::entry::Until;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::snapshot::SnapshotKind;
use lifeboat_format::time::Time;
use lifeboat_repo::forget::{Guards, Why, forget, undo};
use lifeboat_repo::log::Fold;
use lifeboat_store::{Store, mem};
use lifeboat_testkit::tree::{Scratch, Shape, edit, random};

use crate::world::{
    assert_clean, assert_complete, assert_restores, init_in, mem_repository, open_in, options_of,
    run, settle,
};

const SHAPE: Shape = Shape { dirs: 4, files: 20, file_bytes_max: 50_000 };

fn tree(scratch: &Scratch) -> std::path::PathBuf {
    let source = scratch.join("source");
    std::fs::create_dir(&source).unwrap();
    random(&source, 7, &SHAPE).unwrap();
    settle();
    source
}

fn forget_in(store: Arc<dyn Store>, ids: &[SnapshotId]) -> Result<(), Error> {
    let repository = open_in(store)?;
    let mut fold = Fold::load(&repository)?;
    forget(&repository, &mut fold, &Guards::OFF, &Why::default(), |_, _| Ok(ids.to_vec()))?;
    Ok(())
}

#[test]
fn what_is_forgotten_is_no_parent() {
    let (scratch, store) = (Scratch::new().unwrap(), mem());
    let repository = init_in(Arc::clone(&store));
    let source = tree(&scratch);
    let options = options_of(&source);
    let first = run(&repository, &options).snapshot.unwrap();
    let second = run(&repository, &options).snapshot.unwrap();
    forget_in(Arc::clone(&store), &[second]).unwrap();
    assert_eq!(run(&repository, &options).parent, Some(first));
    let third = run(&repository, &options).snapshot.unwrap();
    let mut fold = Fold::load(&repository).unwrap();
    let all: Vec<SnapshotId> = fold.snapshots().iter().map(|record| record.id).collect();
    forget_in(Arc::clone(&store), &all).unwrap();
    let report = run(&repository, &options);
    assert_eq!((report.parent, report.kind), (None, SnapshotKind::Full));
    // Brought back, it is one again.
    fold.refresh(repository.io()).unwrap();
    forget_in(store, &[report.snapshot.unwrap()]).unwrap();
    undo(&repository, &mut fold, &[third], None, &Why::default()).unwrap();
    assert_eq!(run(&repository, &options).parent, Some(third));
    assert_clean(&repository);
}

/// Forgets snapshots while a run is about to commit.
struct ForgetAtCommit {
    store: Arc<dyn Store>,
    ids: Vec<SnapshotId>,
}

impl Monitor for ForgetAtCommit {
    fn phase(&self, phase: Phase) {
        if phase == Phase::Commit {
            forget_in(Arc::clone(&self.store), &self.ids).unwrap();
        }
    }
}

#[test]
fn a_backup_goes_on_whose_parent_is_forgotten_meanwhile() {
    let (scratch, store) = (Scratch::new().unwrap(), mem());
    let repository = init_in(Arc::clone(&store));
    let source = tree(&scratch);
    let options = options_of(&source);
    let first = run(&repository, &options).snapshot.unwrap();
    edit(&source, 3, 4).unwrap();
    let monitor = ForgetAtCommit { store, ids: vec![first] };
    let context = Context { monitor: &monitor, threads: 1, ..Context::default() };
    let report = backup(&repository, &options, &context).unwrap();
    assert_complete(&report);
    assert_eq!(report.parent, Some(first));
    let fold = Fold::load(&repository).unwrap();
    assert!(fold.hidden(&first).is_some());
    assert_restores(&repository, report.snapshot.unwrap(), &[source]);
    assert_clean(&repository);
}

#[test]
fn a_backup_holds_what_it_ends_with() {
    let (scratch, repository) = (Scratch::new().unwrap(), mem_repository());
    let source = tree(&scratch);
    let mut options = options_of(&source);
    options.hold_until = Some(Time { secs: 1 << 40, nanos: 1 });
    options.checkpoint_interval = std::time::Duration::ZERO;
    let id = run(&repository, &options).snapshot.unwrap();
    let fold = Fold::load(&repository).unwrap();
    let holds: Vec<_> = fold.all_holds().map(|(id, hold)| (id, hold.until)).collect();
    // In whole seconds, rather later; and no checkpoint of the run.
    assert_eq!(holds, [(id, Until::Time((1 << 40) + 1))]);
}
