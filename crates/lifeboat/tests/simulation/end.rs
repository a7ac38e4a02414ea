//! The end of a history: with nothing under way any more, what is not needed goes, all of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use lifeboat::backup::{BackupOptions, backup};
use lifeboat::repository::{Repository, View};
use lifeboat::{Context, Error};
use lifeboat_format::entry::Until;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::key::ObjectKey;
use lifeboat_repo::forget::{Why, hold};
use lifeboat_repo::gc::{GcOptions, Tally, Unused, collect};
use lifeboat_repo::log::Fold;
use lifeboat_repo::snapshots::{Known, Snapshots, Standing};
use lifeboat_testkit::dice::Dice;

use crate::act::forget_noted;
use crate::source::Source;
use crate::verify;
use crate::world::{World, init_in};

/// The number of the step.
const STEP: u64 = 1 << 20;
/// So many snapshots are left at most.
const LEFT_MAX: u64 = 3;
/// The part of an object that its padding may be: how much that is depends on how chunks came to lie together. With packs of
/// the usual size the writer's tests ask for a twentieth at most.
const PADDED_PART: u64 = 8;
/// What an object has beside what it is for, in bytes: headers, footers, padding. Here that counts, since all are tiny.
const OBJECT_BYTES: u64 = 640;

/// Forgets most, collects everything, and compares what is left with a fresh repository.
pub(crate) fn end(world: &World, choice: u64) {
    if let Err(error) = try_end(world, choice) {
        world.find(format!("in the end: {error}"));
    }
}

fn try_end(world: &World, choice: u64) -> Result<(), Error> {
    let repository = world.open(Arc::clone(&world.store), STEP)?;
    forget_most(world, &repository, choice)?;
    let options = GcOptions {
        delay: Duration::ZERO,
        trash_period: Duration::ZERO,
        max_unused: Unused::Bytes(0),
        marks: world.marks(STEP),
        ..GcOptions::default()
    };
    for _ in 0..2 {
        let report = collect(&repository, &options)?;
        world.note(format!("in the end: {report:?}"));
    }
    verify::contents(world);
    verify::is_clean(world, true);
    no_orphans(world)?;
    not_much_more_than_fresh(world)
}

fn forget_most(world: &World, repository: &Repository, choice: u64) -> Result<(), Error> {
    let mut fold = Fold::load(repository)?;
    let snapshots = Snapshots::load(repository, &fold)?;
    // Also a checkpoint that gave way: its hold keeps what it needs.
    let is_hidden = |known: &Known| matches!(known.standing, Standing::Forgotten { .. });
    let all = snapshots.all().iter();
    let held = all.filter(|known| known.hold.is_some() && !is_hidden(known));
    let held: Vec<SnapshotId> = held.map(|known| known.snapshot.id).collect();
    hold(repository, &mut fold, &held, Until::Released, &Why::default())?;
    let mut dice = Dice::new(choice);
    let mut left = HashSet::new();
    let whole = snapshots.live().filter(|known| !known.snapshot.is_checkpoint());
    for known in whole {
        if (left.len() as u64) < LEFT_MAX && dice.percent(60) {
            left.insert(known.snapshot.id);
        }
    }
    let choose = |_: &Fold, snapshots: &Snapshots| {
        let ids = snapshots.live().map(|known| known.snapshot.id);
        Ok(ids.filter(|id| !left.contains(id)).collect())
    };
    forget_noted(world, repository, &mut fold, choose)?;
    Ok(())
}

/// What is in the store counts.
fn no_orphans(world: &World) -> Result<(), Error> {
    let fold = Fold::load(&world.admin)?;
    for prefix in ["packs/", "trees/", "index/"] {
        world.admin.io().list(prefix, |listed| {
            let key = listed.key.parse::<ObjectKey>().unwrap();
            if fold.object(&key).is_none() {
                world.find(format!("{key} is left behind, and nothing names it"));
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn not_much_more_than_fresh(world: &World) -> Result<(), Error> {
    // Of the same keys, which decide where content is cut.
    let fresh = init_in(lifeboat_store::mem(), world.seed);
    let view = View::load(&world.admin)?;
    for known in view.snapshots.live() {
        let attempt = verify::attempt_of(&known.snapshot);
        let files = attempt.and_then(|attempt| world.book().attempts.get(attempt).cloned());
        let source = Source::of(files.unwrap_or_default());
        let mut options = BackupOptions::new(source.roots(), "host");
        options.source = known.snapshot.source.name.clone();
        backup(&fresh, &options, &Context { threads: 1, ..Context::default() })?;
    }
    let (left, needed) = (stored(&world.admin)?, stored(&fresh)?);
    world.note(format!("in the end: {left:?} are left, {needed:?} are needed"));
    let more = left.objects.saturating_sub(needed.objects);
    if left.bytes > needed.bytes + needed.bytes / PADDED_PART + (more + 1) * OBJECT_BYTES {
        world.find(format!("{left:?} are left, and a fresh repository has {needed:?}"));
    }
    Ok(())
}

fn stored(repository: &Repository) -> Result<Tally, Error> {
    let mut stored = Tally::default();
    for prefix in ["packs/", "trees/", "index/"] {
        let add = |listed: lifeboat_store::Listed| {
            stored.objects += 1;
            stored.bytes += listed.size;
            Ok(())
        };
        repository.io().list(prefix, add)?;
    }
    Ok(stored)
}
