use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat::repository::SystemClock;

use super::*;

const STEP_OF_TIME: Duration = Duration::from_millis(5);
/// What a worker needs for a unit, alone on a CPU, at least; and up to four times that, since no two are
/// alike and workers don't march in step.
const UNIT: Duration = Duration::from_millis(10);

/// A computer on which programs share CPUs fairly, and its clock, which goes on only in [`Machine::run`].
#[derive(Debug)]
struct Machine {
    now: Mutex<Duration>,
    load: Mutex<Load>,
    is_mute: AtomicBool,
}

/// What is to happen on it.
#[derive(Clone, Copy, Debug, Default)]
struct Scene {
    /// Other programs that always want a CPU.
    hogs: u32,
    /// Threads of our own that do the same, beside the workers.
    helpers: u32,
    /// What others use of a CPU now and then.
    murmur: f64,
    /// Whether workers wait for a disk in each unit.
    reads: bool,
    /// The part of the time for which others wait for it, whatever we do.
    disk_of_others: f64,
}

/// What has happened.
#[derive(Debug)]
struct Seen {
    /// CPUs that the workers had, on average.
    ours: f64,
    /// The part that each hog had of a CPU.
    hog: f64,
    /// The longest time for which some worker did not begin a unit.
    longest_pause: Duration,
}

/// The governor's view of the machine.
#[derive(Debug)]
struct View(Arc<Machine>);

impl Source for View {
    fn read(&self) -> io::Result<Load> {
        if self.0.is_mute.load(Ordering::Relaxed) {
            return Err(io::Error::other("gone"));
        }
        Ok(*self.0.load.lock().unwrap())
    }
}

impl Clock for View {
    fn now(&self) -> lifeboat_format::Time {
        SystemClock::new().now()
    }

    fn monotonic(&self) -> Duration {
        *self.0.now.lock().unwrap()
    }
}

/// A machine, a run on it, and its workers.
struct Run {
    machine: Arc<Machine>,
    governor: Governor,
    /// Each with the work left in its unit, and when it began that.
    workers: Vec<(ThreadId, Duration, Duration)>,
    /// How many units were begun.
    units: u32,
}

impl Run {
    fn new(cpus: u32, workers: usize) -> Self {
        let load = Load { cpus, ..Load::default() };
        let machine = Arc::new(Machine {
            now: Mutex::new(Duration::from_secs(1000)),
            load: Mutex::new(load),
            is_mute: AtomicBool::new(false),
        });
        let view = || View(Arc::clone(&machine));
        let governor = Governor::new(10, Arc::new(view()), Box::new(view()));
        // Ids of threads can't be made up.
        let id = || thread::spawn(|| thread::current().id()).join().unwrap();
        let begun = *machine.now.lock().unwrap();
        let workers = (0..workers).map(|_| (id(), Duration::ZERO, begun)).collect();
        Self { machine, governor, workers, units: 0 }
    }

    /// Lets time pass.
    fn run(&mut self, seconds: u64, scene: Scene) -> Seen {
        let steps = u32::try_from(Duration::from_secs(seconds).as_millis() / 5).unwrap();
        let (mut ours, mut hog, mut longest_pause) = (0.0, 0.0, Duration::ZERO);
        for _ in 0..steps {
            let now = *self.machine.now.lock().unwrap();
            for (who, left, begun) in &mut self.workers {
                if left.is_zero() && self.governor.answer(*who).is_none() {
                    self.units += 1;
                    // Spread evenly by the golden ratio.
                    let part = f64::from(self.units) * 0.618_034 % 1.0;
                    (*left, *begun) = (UNIT.mul_f64(1.0 + 3.0 * part), now);
                }
                longest_pause = longest_pause.max(now - *begun);
            }
            let busy = self.workers.iter().filter(|(_, left, _)| !left.is_zero()).count();
            let mut load = self.machine.load.lock().unwrap();
            let runnable = f64::from(scene.hogs + scene.helpers) + busy as f64;
            let cpus = f64::from(load.cpus);
            let speed = (cpus / runnable.max(1.0)).min(1.0);
            let part = |share: f64| STEP_OF_TIME.mul_f64(share.min(1.0));
            load.cpu_stalled += part(if runnable > cpus { 1.0 } else { 0.0 });
            let reads = scene.reads && busy > 0;
            load.io_stalled += part(if reads { 1.0 } else { scene.disk_of_others });
            // As if a tick were a microsecond.
            let ticks = |cpus: f64| u64::from(STEP_OF_TIME.mul_f64(cpus).subsec_micros());
            load.ticks += ticks(cpus);
            load.ticks_of_others += ticks(f64::from(scene.hogs) * speed + scene.murmur);
            for (_, left, _) in &mut self.workers {
                *left = left.saturating_sub(STEP_OF_TIME.mul_f64(speed));
            }
            ours += busy as f64 * speed;
            hog += speed;
            drop(load);
            *self.machine.now.lock().unwrap() += STEP_OF_TIME;
        }
        let steps = f64::from(steps);
        Seen { ours: ours / steps, hog: hog / steps, longest_pause }
    }
}

#[test]
fn alone_it_never_yields() {
    // More threads than CPUs: somebody always waits, and somebody always reads, and all of them are ours.
    let scene = Scene { helpers: 1, murmur: 0.2, ..Scene::default() };
    let seen = Run::new(2, 2).run(60, scene);
    assert!(seen.ours > 1.33, "{seen:?}");
    let seen = Run::new(2, 2).run(600, Scene { reads: true, ..scene });
    assert!(seen.ours > 1.31, "{seen:?}");
}

#[test]
fn others_keep_their_cpus() {
    let mut run = Run::new(2, 2);
    run.run(30, Scene::default());
    let scene = Scene { hogs: 2, ..Scene::default() };
    let first = run.run(10, scene);
    let then = run.run(60, scene);
    assert!(then.hog > 0.9, "{first:?} {then:?}");
    assert!(then.ours > 0.03 && then.longest_pause < PAUSE_MAX + INTERVAL, "{then:?}");
    // And gives us ours back when they are gone.
    run.run(20, Scene::default());
    let alone = run.run(10, Scene::default());
    assert!(alone.ours > 1.99, "{alone:?}");
}

#[test]
fn what_others_leave_is_used() {
    let mut run = Run::new(16, 16);
    let scene = Scene { hogs: 1, ..Scene::default() };
    run.run(30, scene);
    let seen = run.run(120, scene);
    assert!(seen.hog > 0.97 && seen.ours > 9.0, "{seen:?}");
}

#[test]
fn others_that_hardly_use_the_cpu_are_no_load() {
    let seen = |murmur| {
        let scene = Scene { helpers: 1, murmur, ..Scene::default() };
        Run::new(2, 2).run(60, scene).ours
    };
    assert!(seen(OTHERS_CPUS - 0.05) > 1.33, "{}", seen(OTHERS_CPUS - 0.05));
    assert!(seen(OTHERS_CPUS + 0.05) < 1.0, "{}", seen(OTHERS_CPUS + 0.05));
}

#[test]
fn others_keep_their_disk() {
    let mut run = Run::new(4, 2);
    run.run(30, Scene { reads: true, ..Scene::default() });
    // What was believed to be ours is, for a while; not for ever.
    let scene = Scene { reads: true, disk_of_others: 0.3, ..Scene::default() };
    run.run(60, scene);
    let seen = run.run(60, scene);
    assert!(seen.ours < 0.06, "{seen:?}");
    let most = PAUSE_MAX + INTERVAL + SETTLE + LOOK;
    assert!(seen.ours > 0.0 && seen.longest_pause < most, "{seen:?}");
    let few = run.run(120, Scene { disk_of_others: 0.05, ..scene });
    assert!(few.ours > 1.6, "{few:?}");
}

#[test]
fn more_than_the_machine_can_do_leaves_the_least() {
    let mut run = Run::new(2, 4);
    let scene = Scene { hogs: 8, reads: true, disk_of_others: 0.9, ..Scene::default() };
    run.run(20, scene);
    let seen = run.run(120, scene);
    assert!(seen.ours > 0.005, "{seen:?}");
    assert!(seen.longest_pause < PAUSE_MAX + INTERVAL + SETTLE + LOOK, "{seen:?}");
}

#[test]
fn without_counts_every_unit_begins_at_once() {
    let mut run = Run::new(2, 2);
    run.run(30, Scene { hogs: 4, ..Scene::default() });
    run.machine.is_mute.store(true, Ordering::Relaxed);
    run.run(5, Scene::default());
    let seen = run.run(10, Scene::default());
    assert!(seen.ours > 1.99, "{seen:?}");
}
