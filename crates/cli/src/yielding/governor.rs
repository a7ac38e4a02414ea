//! The governor: which part of its time each worker works, so that others do not wait too long.
//!
//! Once a second it looks how long *somebody* waited. Our own threads wait, too, also when there is nobody
//! else, so that alone says nothing; therefore:
//!
//! - **CPU**: it counts only while others use [`OTHERS_CPUS`] or more. Whoever uses less gets the CPU from the
//!   kernel's scheduler as soon as they want it.
//! - **Disks**: a thread that reads waits nearly always, and nobody counts for whom. So all workers pause for
//!   a [`LOOK`]: who waits then waits for others. Where nobody does, the waiting was ours, and is
//!   believed to be for a time that doubles.
//!
//! Where others wait too long each worker's share of its time is halved, and else grows by [`STEP`]: as with
//! connections that share a link, whoever wants more must find out. With several workers a share of the
//! time is a share of the cores.
//!
//! Knows counts and time, both given; no files. Nobody sleeps in here, and the lock is held for no longer
//! than it takes to read the counts. Invariant: a thread that asks is let on at the latest [`PAUSE_MAX`] and
//! one look after its last unit, whatever others do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use lifeboat::Pacer;
use lifeboat::repository::Clock;

use super::load::{Load, Source};

/// Between two decisions: ticks are hundredths of a second, and less would be noise.
const INTERVAL: Duration = Duration::from_secs(1);
/// What a worker gets of its time at least, whoever waits.
const SHARE_MIN: f64 = 1.0 / 64.0;
/// What it gets back at once: from least to all takes 16 seconds.
const STEP: f64 = 1.0 / 16.0;
/// Others that use fewer CPUs than this together are no load.
const OTHERS_CPUS: f64 = 0.25;
/// The longest pause of one worker.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The longest time that is taken for work: a worker may have waited for something to do.
const WORKED_MAX: Duration = Duration::from_millis(500);
/// Before a look: until what is under way is done.
const SETTLE: Duration = Duration::from_millis(500);
/// How long it is looked who waits without us.
const LOOK: Duration = Duration::from_millis(500);
/// How long waiting for disks is ours after a first look that found nobody else; it doubles up to a limit
/// that keeps looks below a hundredth of the time.
const TRUST: Duration = Duration::from_secs(10);
/// The limit of that.
const TRUST_MAX: Duration = Duration::from_secs(160);

/// Sets the pace of all workers of a run.
#[derive(Debug)]
pub(super) struct Governor {
    /// The part of the time that others may be kept waiting.
    limit: f64,
    clock: Arc<dyn Clock>,
    source: Box<dyn Source>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    share: f64,
    phase: Phase,
    /// When the phase began, and the counts then, once they are known.
    since: Duration,
    counts: Option<Load>,
    trust: Duration,
    /// Until when waiting for disks is taken to be ours.
    trusted_until: Duration,
    workers: HashMap<ThreadId, Worker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Work,
    /// Nobody begins a unit; those under way come to their end.
    Settle,
    /// Nobody works.
    Look,
    /// The counts can't be had any more.
    Blind,
}

#[derive(Clone, Copy, Debug)]
enum Worker {
    Works { since: Duration },
    Pauses { since: Duration, worked: Duration },
}

impl Governor {
    pub(super) fn new(percent: u8, clock: Arc<dyn Clock>, source: Box<dyn Source>) -> Self {
        let state = State {
            share: 1.0,
            phase: Phase::Work,
            since: Duration::ZERO,
            counts: None,
            trust: TRUST,
            trusted_until: Duration::ZERO,
            workers: HashMap::new(),
        };
        let limit = f64::from(percent) / 100.0;
        Self { limit, clock, source, state: Mutex::new(state) }
    }

    /// How long the worker that is `who` is to wait; `None` when its next unit may begin.
    fn answer(&self, who: ThreadId) -> Option<Duration> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.decide(&mut state, now);
        let pause = state.own_pause(who, now).max(state.common_pause(now));
        if pause.is_zero() {
            state.workers.insert(who, Worker::Works { since: now });
            return None;
        }
        Some(pause)
    }

    /// Takes the next step, if it is due.
    fn decide(&self, state: &mut State, now: Duration) {
        let due = match state.phase {
            Phase::Work => INTERVAL,
            Phase::Settle => SETTLE,
            Phase::Look => LOOK,
            Phase::Blind => return,
        };
        let elapsed = now.saturating_sub(state.since);
        if state.counts.is_some() && elapsed < due {
            return;
        }
        let load = match self.source.read() {
            Ok(load) => load,
            Err(error) => {
                tracing::warn!("it is not yielded to load any more: {error}");
                (state.phase, state.share) = (Phase::Blind, 1.0);
                return;
            }
        };
        state.since = now;
        let Some(before) = state.counts.replace(load) else { return };
        let wait = |before: Duration, now: Duration| {
            now.saturating_sub(before).as_secs_f64() / elapsed.as_secs_f64() > self.limit
        };
        let for_cpu = wait(before.cpu_stalled, load.cpu_stalled);
        let for_disk = wait(before.io_stalled, load.io_stalled);
        let share_before = state.share;
        state.phase = match state.phase {
            Phase::Work => {
                let is_doubtful = for_disk && now >= state.trusted_until;
                if for_cpu && cpus_of_others(&before, &load) >= OTHERS_CPUS {
                    state.halve();
                } else if !is_doubtful {
                    state.share = (state.share + STEP).min(1.0);
                }
                if is_doubtful { Phase::Settle } else { Phase::Work }
            }
            Phase::Settle => Phase::Look,
            Phase::Look if for_disk => {
                state.halve();
                state.trust = TRUST;
                Phase::Work
            }
            Phase::Look => {
                state.trusted_until = now + state.trust;
                state.trust = (2 * state.trust).min(TRUST_MAX);
                Phase::Work
            }
            Phase::Blind => Phase::Blind,
        };
        if state.share < share_before {
            tracing::debug!(share = state.share, for_cpu, for_disk, "others wait");
        }
    }
}

impl Pacer for Governor {
    fn ask(&self) -> Option<Duration> {
        self.answer(thread::current().id())
    }
}

impl State {
    fn halve(&mut self) {
        self.share = (self.share / 2.0).max(SHARE_MIN);
    }

    /// How much longer this worker pauses, after what it has worked.
    fn own_pause(&mut self, who: ThreadId, now: Duration) -> Duration {
        let Some(worker) = self.workers.get_mut(&who) else { return Duration::ZERO };
        if let Worker::Works { since } = *worker {
            let worked = now.saturating_sub(since).min(WORKED_MAX);
            *worker = Worker::Pauses { since: now, worked };
        }
        match *worker {
            Worker::Works { .. } => Duration::ZERO,
            // By the share of now: who began to pause under load need not end so.
            Worker::Pauses { since, worked } => {
                let pause = worked.mul_f64((1.0 - self.share) / self.share).min(PAUSE_MAX);
                pause.saturating_sub(now.saturating_sub(since))
            }
        }
    }

    /// How much longer all pause.
    fn common_pause(&self, now: Duration) -> Duration {
        let all = match self.phase {
            Phase::Work | Phase::Blind => Duration::ZERO,
            Phase::Settle => SETTLE,
            Phase::Look => LOOK,
        };
        (self.since + all).saturating_sub(now)
    }
}

/// How many CPUs others have kept busy.
fn cpus_of_others(before: &Load, now: &Load) -> f64 {
    let passed = now.ticks.saturating_sub(before.ticks).max(1);
    let others = now.ticks_of_others.saturating_sub(before.ticks_of_others);
    others as f64 / passed as f64 * f64::from(now.cpus)
}

#[cfg(test)]
mod tests;
