//! Running: history after history, on all cores, until one shows what must not be.

use std::ops::Range;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use lifeboat::repository::{Clock as _, SystemClock};
use lifeboat_testkit::dice::Dice;

use crate::act::take;
use crate::end::end;
use crate::history::History;
use crate::verify;
use crate::world::World;

/// How many histories an ordinary run draws.
const SEEDS: u64 = 400;
/// How often one history is replayed.
const REPLAYS: u64 = 50;
/// How many of a hundred steps are followed by a check, and how many of these by one that reads all data.
const CHECKED: u64 = 30;
const CHECKED_ALL: u64 = 30;

/// Held while histories run, so that no bug is planted into those that are not about it.
pub(crate) static RULES: RwLock<()> = RwLock::new(());

/// What came of a history.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) findings: Vec<String>,
    pub(crate) trace: Vec<String>,
}

/// Runs the history of a seed, up to the first finding.
pub(crate) fn run(seed: u64) -> Outcome {
    let history = History::draw(seed);
    let world = Arc::new(World::new(seed));
    let mut dice = Dice::new(seed ^ 0xc4ec);
    let has_found = || !world.book().findings.is_empty();
    for (edit, step) in &history.steps {
        if let Some((source, how)) = edit {
            let mut how = Dice::new(*how);
            let source = &mut world.sources()[usize::try_from(*source).unwrap()];
            (0..=how.below(3)).for_each(|_| source.edit(&mut how));
        }
        take(&world, step);
        verify::contents(&world);
        if dice.percent(CHECKED) {
            verify::is_clean(&world, dice.percent(CHECKED_ALL));
        }
        if has_found() {
            break;
        }
    }
    if !has_found() {
        end(&world, history.left);
    }
    let mut book = world.book();
    let book = std::mem::take(&mut *book);
    Outcome { findings: book.findings, trace: book.trace }
}

/// The first of these seeds with a finding, as far as several threads can tell, and how many were run.
pub(crate) fn first_finding(seeds: Range<u64>) -> (Option<(u64, Outcome)>, u64) {
    let (next, runs) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let found: Mutex<Option<(u64, Outcome)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    let outcome = run(seed);
                    runs.fetch_add(1, Ordering::Relaxed);
                    let mut found = found.lock().unwrap();
                    let is_first = found.as_ref().is_none_or(|(first, _)| seed < *first);
                    if !outcome.findings.is_empty() && is_first {
                        next.store(seeds.end, Ordering::Relaxed);
                        *found = Some((seed, outcome));
                    }
                }
            });
        }
    });
    (found.into_inner().unwrap(), runs.into_inner())
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever looks for a bug says which histories to run"
)]
fn asked<T: FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// The seeds that are asked for, or those of the day, so that every day others are tried.
fn seeds() -> Range<u64> {
    if let Some(seed) = asked("LIFEBOAT_SEED") {
        return seed..seed + 1;
    }
    let day = SystemClock::new().now().secs / (24 * 3600);
    let base = asked("LIFEBOAT_SEED_BASE").unwrap_or(u64::try_from(day).unwrap() * 1_000_000);
    base..base + asked("LIFEBOAT_SEEDS").unwrap_or(SEEDS)
}

#[test]
fn no_history_loses_anything_or_leaves_anything_behind() {
    let _kept = RULES.read().unwrap();
    let seeds = seeds();
    let started = SystemClock::new();
    if seeds.end - seeds.start == 1 {
        for time in 1..=REPLAYS {
            let outcome = run(seeds.start);
            let is_found = !outcome.findings.is_empty();
            if is_found || time == REPLAYS {
                outcome.trace.iter().for_each(|line| println!("{line}"));
            }
            assert!(!is_found, "the {time}th time: {:#?}", outcome.findings);
        }
        return;
    }
    let (found, runs) = first_finding(seeds.clone());
    println!("{runs} histories of {seeds:?} in {:?}", started.monotonic());
    if let Some((seed, Outcome { findings, trace })) = found {
        panic!(
            "seed {seed}: {findings:#?}\n{}\nto replay it: LIFEBOAT_SEED={seed} cargo nextest run -p lifeboat --test \
             simulation no_history --no-capture",
            trace.join("\n")
        );
    }
}
