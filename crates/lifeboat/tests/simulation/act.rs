//! Carrying out: a step of a history, by a program of its own, with what is done inside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lifeboat::backup::{BackupOptions, Detect, Outcome, backup};
use lifeboat::monitor::Monitor;
use lifeboat::repository::Repository;
use lifeboat::{Cancel, Context, Error, Kind};
use lifeboat_format::entry::Until;
use lifeboat_format::id::SnapshotId;
use lifeboat_repo::forget::{Guards, Why, forget, hold, undo};
use lifeboat_repo::gc::{GcOptions, Unused, collect};
use lifeboat_repo::log::Fold;
use lifeboat_repo::snapshots::{Snapshots, Standing, TagEdit, tag};
use lifeboat_store::ErrorKind;
use lifeboat_testkit::dice::Dice;
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};
use lifeboat_testkit::hook::HookStore;

use crate::history::{Op, Step};
use crate::verify;
use crate::world::{LONG, World};

type Said = Result<String, Error>;

/// Takes a step, with all that is done inside it.
pub(crate) fn take(world: &Arc<World>, step: &Step) {
    world.note(format!("{}: begins {:?}", step.number, step.op));
    let hooks = HookStore::new(Arc::clone(&world.store));
    let fault = FaultStore::new(Arc::new(hooks.clone()));
    let repository = match world.open(Arc::new(fault.clone()), step.number) {
        Ok(repository) => repository,
        Err(error) => return world.find(format!("{}: does not open: {error}", step.number)),
    };
    for (call, inner) in &step.inside {
        let (outer, world, inner) = (step.number, Arc::clone(world), inner.clone());
        let place = format!("{outer}: inside it, {call:?}");
        hooks.hook(call.clone(), move || {
            world.note(place);
            take(&world, &inner);
            verify::contents(&world);
        });
    }
    if let Some((call, moment)) = step.cut {
        fault.add(Rule::any().call(call).fails(ErrorKind::Denied, moment));
        fault.add(Rule::any().call(call).forever().fails(ErrorKind::Denied, Moment::Before));
    }
    let said = act(world, &repository, step);
    let was_cut = fault.injected() > 0;
    match said {
        Ok(said) => world.note(format!("{}: {said}", step.number)),
        Err(error) if was_cut => world.note(format!("{}: cut off: {error}", step.number)),
        Err(error) if is_excused(&step.op, error.kind()) => {
            world.note(format!("{}: refused: {error}", step.number));
        }
        Err(error) => world.find(format!("{}: {:?} failed: {error}", step.number, step.op)),
    }
}

/// Whether others may have been in the way.
fn is_excused(op: &Op, kind: Kind) -> bool {
    match op {
        Op::Backup { .. } => false,
        Op::Collect { .. } => kind == Kind::Unavailable,
        _ => matches!(kind, Kind::NotFound | Kind::Denied),
    }
}

fn act(world: &World, repository: &Repository, step: &Step) -> Said {
    match step.op {
        Op::Backup { .. } => back_up(world, repository, &step.op),
        Op::Forget { choice, count } => let_go(world, repository, choice, count),
        Op::Undo { choice, count } => bring_back(world, repository, choice, count),
        Op::Hold { choice, release } => keep(repository, choice, release),
        Op::Tag { choice } => mark(world, repository, choice),
        Op::Collect { delay, trash, unused, dry_run } => {
            let long = |is_long| if is_long { LONG } else { Duration::ZERO };
            let max_unused = match unused {
                None => Unused::Unlimited,
                Some(0) => Unused::Bytes(0),
                Some(percent) => Unused::Percent(f64::from(percent)),
            };
            let (delay, trash_period) = (long(delay), long(trash));
            let marks = world.marks(step.number);
            let options = GcOptions {
                delay,
                trash_period,
                max_unused,
                dry_run,
                marks,
                ..GcOptions::default()
            };
            Ok(format!("{:?}", collect(repository, &options)?))
        }
    }
}

/// A monitor that asks the run to stop after so many files.
struct Stop {
    after: u64,
    done: AtomicU64,
    cancel: Cancel,
}

impl Monitor for Stop {
    fn advance(&self, files: u64, _bytes: u64) {
        if self.done.fetch_add(files, Ordering::Relaxed) + files >= self.after {
            self.cancel.cancel();
        }
    }
}

fn back_up(world: &World, repository: &Repository, op: &Op) -> Said {
    let Op::Backup { source, full, stop_after, checkpoints } = *op else {
        return Ok(String::new());
    };
    let (roots, attempt) = world.attempt(source);
    let mut options = BackupOptions::new(roots, "host");
    options.source = Some(format!("source {source}"));
    options.tags = vec![attempt.to_string()];
    options.detect = if full { Detect::Full } else { Detect::Incremental };
    if checkpoints {
        options.checkpoint_interval = Duration::ZERO;
    }
    let (after, cancel) = (stop_after.unwrap_or(u64::MAX), Cancel::new());
    let stop = Stop { after, done: AtomicU64::new(0), cancel: cancel.clone() };
    let context = Context { monitor: &stop, cancel, threads: 1, ..Context::default() };
    let report = backup(repository, &options, &context)?;
    match (report.outcome, report.snapshot) {
        (Outcome::Complete, Some(id)) => {
            let mut book = world.book();
            if !book.forgotten.contains_key(&id) {
                book.sure.insert(id);
            }
        }
        (Outcome::Interrupted, _) => {}
        _ => world.find(format!("attempt {attempt} is not whole: {:?}", report.problems)),
    }
    let (outcome, snapshot, parent) = (report.outcome, report.snapshot, report.parent);
    Ok(format!("attempt {attempt}: {outcome:?} {snapshot:?}, compared with {parent:?}"))
}

/// Some of these, by lot.
fn some(mut from: Vec<SnapshotId>, choice: u64, count: u64) -> Vec<SnapshotId> {
    let mut dice = Dice::new(choice);
    let mut chosen = Vec::new();
    while !from.is_empty() && (chosen.len() as u64) < count {
        let at = usize::try_from(dice.below(from.len() as u64)).unwrap();
        chosen.push(from.swap_remove(at));
    }
    chosen
}

fn shown(snapshots: &Snapshots) -> Vec<SnapshotId> {
    snapshots.live().map(|known| known.snapshot.id).collect()
}

fn let_go(world: &World, repository: &Repository, choice: u64, count: u64) -> Said {
    let mut fold = Fold::load(repository)?;
    let choose = |_: &Fold, snapshots: &Snapshots| {
        let free = snapshots.live().filter(|known| known.hold.is_none());
        Ok(some(free.map(|known| known.snapshot.id).collect(), choice, count))
    };
    Ok(format!("forgot {:?}", forget_noted(world, repository, &mut fold, choose)?))
}

/// Forgets, and writes into the book first that nobody can be sure of it any more.
pub(crate) fn forget_noted(
    world: &World,
    repository: &Repository,
    fold: &mut Fold,
    choose: impl Fn(&Fold, &Snapshots) -> Result<Vec<SnapshotId>, lifeboat_repo::Error>,
) -> Result<Vec<SnapshotId>, Error> {
    let choose = |fold: &Fold, snapshots: &Snapshots| {
        let chosen = choose(fold, snapshots)?;
        let forms = snapshots.forms();
        let mut book = world.book();
        for form in chosen.iter().flat_map(|id| forms.of(id)) {
            book.sure.remove(form);
            *book.forgotten.entry(*form).or_default() += 1;
        }
        Ok(chosen)
    };
    Ok(forget(repository, fold, &Guards::OFF, &Why::default(), choose)?)
}

fn bring_back(world: &World, repository: &Repository, choice: u64, count: u64) -> Said {
    let mut fold = Fold::load(repository)?;
    let snapshots = Snapshots::load(repository, &fold)?;
    let hidden = snapshots
        .all()
        .iter()
        .filter(|known| matches!(known.standing, Standing::Forgotten { .. }))
        .map(|known| known.snapshot.id);
    let ids = some(hidden.collect(), choice, count);
    let before = world.book().forgotten.clone();
    let back = undo(repository, &mut fold, &ids, None, &Why::default())?;
    let mut book = world.book();
    for id in &back {
        let whole = snapshots.all().iter().find(|known| known.snapshot.id == *id);
        // What was a checkpoint may have given way to a later snapshot.
        let is_whole = whole.is_some_and(|known| !known.snapshot.is_checkpoint());
        if is_whole && book.forgotten.get(id) == before.get(id) {
            book.sure.insert(*id);
        }
    }
    Ok(format!("brought back {back:?}"))
}

fn keep(repository: &Repository, choice: u64, release: bool) -> Said {
    let mut fold = Fold::load(repository)?;
    let snapshots = Snapshots::load(repository, &fold)?;
    let until = if release { Until::Released } else { Until::Forever };
    let ids = some(shown(&snapshots), choice, 1);
    let held = hold(repository, &mut fold, &ids, until, &Why::default())?;
    Ok(format!("held or released {held:?}"))
}

fn mark(world: &World, repository: &Repository, choice: u64) -> Said {
    let mut fold = Fold::load(repository)?;
    let ids = some(shown(&Snapshots::load(repository, &fold)?), choice, 1);
    let Some(id) = ids.first() else { return Ok("nothing to mark".to_owned()) };
    let edit = TagEdit { add: vec![format!("mark {choice}")], ..TagEdit::default() };
    let tagged = tag(repository, &mut fold, *id, &edit)?;
    let mut book = world.book();
    if book.sure.contains(&tagged.old) && !book.forgotten.contains_key(&tagged.new) {
        book.sure.insert(tagged.new);
    }
    Ok(format!("marked {tagged:?}"))
}
