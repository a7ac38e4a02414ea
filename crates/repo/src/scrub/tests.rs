use std::sync::Arc;

use lifeboat_format::config::Parity;
use lifeboat_format::pack::Footer;
use lifeboat_store::{ErrorKind, Store, Verb, mem};
use lifeboat_testkit::clock::TestClock;
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};

use super::*;
use crate::error::Kind;
use crate::io::Io;
use crate::log::{checkpoint, commit};
use crate::open::testing::{
    MEMORY_BYTES, bytes_of, init_options, keys, lose, open_options, passphrase, passphrase_slot,
    replace,
};
use crate::open::{init, open};
use crate::packer::testing::store_packs;
use crate::slots::seal_slots;

const DAY: Duration = Duration::from_hours(24);
const RUN: RunId = RunId([5; 16]);

/// A repository, its clock, and what does badly on its behalf.
struct World {
    store: FaultStore,
    repository: Repository,
    clock: TestClock,
}

fn world() -> World {
    let store = FaultStore::new(mem());
    let clock = TestClock::new();
    let mut options = init_options(1);
    options.clock = Arc::new(clock.clone());
    options.parity = Parity { data_permille: 100, tree_permille: 30 };
    let repository = init(Io::new(Arc::new(store.clone())).unwrap(), &options).unwrap();
    World { store, repository, clock }
}

impl World {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    /// Commits so many packs of one chunk each, and segments that have them.
    fn back_up(&self, seed: u64, packs: u64) {
        let (objects, _) = store_packs(&self.repository, seed, packs);
        let mut fold = Fold::load(&self.repository).unwrap();
        commit(&self.repository, &mut fold, RUN, objects, Vec::new()).unwrap();
    }

    fn scrub(&self, options: &ScrubOptions) -> ScrubReport {
        scrub(&self.repository, options, &|_| {}).unwrap()
    }

    fn every(&self, days: u64) -> ScrubReport {
        let every = Some(DAY * u32::try_from(days).unwrap());
        self.scrub(&ScrubOptions { every, ..ScrubOptions::default() })
    }

    fn all(&self) -> ScrubReport {
        self.scrub(&ScrubOptions::default())
    }

    fn fold(&self) -> Fold {
        Fold::load_all(&self.repository).unwrap()
    }

    fn packs(&self) -> Vec<String> {
        keys(&self.store(), "packs/")
    }
}

#[test]
fn everything_is_read_once_and_the_log_remembers() {
    let world = world();
    world.back_up(1, 3);
    let report = world.all();
    assert_eq!((report.objects, report.read_objects, report.chunks_verified), (6, 6, 3));
    assert_eq!((report.read_bytes, report.bytes), (report.planned_bytes, report.planned_bytes));
    assert!(report.is_clean() && report.is_kept() && !report.was_stopped, "{report:#?}");
    let fold = world.fold();
    for key in fold.objects().keys() {
        let seen = fold.ledger().seen(&key.name().unwrap()).unwrap();
        let wanted =
            if matches!(key, ObjectKey::Index(_)) { Condition::Whole } else { Condition::Verified };
        assert_eq!(seen.condition, wanted, "{key}");
    }
    // The one note of this scrub, behind the commit.
    assert_eq!(keys(&world.store(), "log/").len(), 2);
    assert_eq!(fold.void_count(), 0);
}

#[test]
fn a_checkpoint_remembers_too() {
    let world = world();
    world.back_up(1, 3);
    world.all();
    let whole = world.fold();
    assert!(checkpoint::write(&world.repository, &whole).unwrap());
    let from_checkpoint = Fold::load(&world.repository).unwrap();
    assert_eq!(from_checkpoint.entries_read(), 0);
    assert_eq!(from_checkpoint.ledger(), whole.ledger());
}

#[test]
fn every_day_a_part_is_read_and_in_time_all_of_it() {
    let world = world();
    world.back_up(1, 10);
    let mut read = Vec::new();
    for day in 0..25_u64 {
        if day % 5 == 3 {
            world.back_up(2 + day, 1);
        }
        let report = world.every(10);
        assert!(report.is_kept() && report.is_clean(), "day {day}: {report:#?}");
        let now = world.repository.clock().now().secs;
        assert!(now - report.read_since.unwrap().secs <= 10 * 86_400, "day {day}");
        // A tenth of all bytes, what is new, and a pack more.
        assert!(report.read_bytes <= report.bytes / 10 + 3 * 25_000, "day {day}: {report:#?}");
        read.push(report.read_objects);
        world.clock.advance(DAY);
    }
    assert!(read.iter().all(|count| *count > 0), "{read:?}");
}

#[test]
fn what_can_not_be_kept_is_told() {
    let world = world();
    world.back_up(1, 10);
    world.every(10);
    // Nobody came for two weeks.
    world.clock.advance(DAY * 14);
    let report = world.every(10);
    assert!(report.late_objects > 0 && report.behind_objects == 0 && !report.is_kept());
    world.clock.advance(DAY * 9);
    let limited =
        ScrubOptions { every: Some(DAY * 10), bytes_max: Some(50_000), ..ScrubOptions::default() };
    let dry = world.scrub(&ScrubOptions { dry_run: true, ..limited.clone() });
    assert_eq!((dry.read_objects, dry.late_objects), (0, 0));
    assert!(dry.planned_objects > 0 && dry.behind_objects > 0);
    let report = world.scrub(&limited);
    assert_eq!(report.read_objects, dry.planned_objects);
    assert_eq!(
        (report.behind_objects, report.behind_bytes),
        (dry.behind_objects, dry.behind_bytes)
    );
    assert!(!report.is_kept());
}

#[test]
fn a_dry_run_writes_nothing_and_reads_no_object() {
    let world = world();
    world.back_up(1, 2);
    let before = (world.store.calls(Verb::Put), world.store.calls(Verb::PutSoon));
    let report = world.scrub(&ScrubOptions { dry_run: true, ..ScrubOptions::default() });
    assert_eq!((report.planned_objects, report.read_objects), (4, 0));
    assert_eq!((world.store.calls(Verb::Put), world.store.calls(Verb::PutSoon)), before);
}

#[test]
fn damage_is_told_until_it_is_found_whole_again() {
    let world = world();
    world.back_up(1, 3);
    let store = world.store();
    let [mendable, lost, gone] = world.packs().try_into().unwrap();
    let [first, second] = [&mendable, &lost].map(|key| bytes_of(&store, key));
    let footer = Footer::parse(&first, first.len() as u64).unwrap();
    assert_eq!((footer.body_stripes(), footer.parity_stripes()), (5, 1), "{footer:?}");
    let mut bytes = first.clone();
    bytes[5000] ^= 1;
    replace(&store, &mendable, bytes);
    let mut bytes = second.clone();
    (bytes[5000], bytes[9000]) = (!bytes[5000], !bytes[9000]);
    replace(&store, &lost, bytes);
    lose(&store, &gone);
    let found = |report: &ScrubReport| -> Vec<(String, Vec<u64>, bool)> {
        let mut found: Vec<_> = report
            .damaged
            .iter()
            .map(|of| (of.object.clone(), of.stripes.clone(), of.mendable))
            .collect();
        found.sort();
        found
    };
    let mut wanted = vec![
        (mendable.clone(), vec![1], true),
        (lost.clone(), vec![1, 2], false),
        (gone.clone(), vec![], false),
    ];
    wanted.sort();
    let report = world.all();
    assert_eq!(found(&report), wanted);
    assert!(report.damaged.iter().all(|object| object.found.is_none()));
    // The next one does not look at them, and tells all the same.
    world.clock.advance(Duration::from_mins(1));
    let nothing = ScrubOptions { bytes_max: Some(0), ..ScrubOptions::default() };
    let report = world.scrub(&nothing);
    assert_eq!((found(&report), report.damaged_count), (wanted, 3));
    assert!(report.damaged.iter().all(|object| object.found.is_some()));
    replace(&store, &mendable, first);
    replace(&store, &lost, second);
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(found(&world.all()), [(gone, vec![], false)]);
}

/// A disk with a bad sector fails at the pack; the scrub goes on with the others.
#[test]
fn what_can_not_be_read_is_damaged_and_a_store_that_is_away_is_not() {
    let world = world();
    world.back_up(1, 3);
    let bad = world.packs().remove(0);
    world.store.add(Rule::any().below(&bad).forever().fails(ErrorKind::Other, Moment::Before));
    let report = world.all();
    assert_eq!((report.read_objects, report.damaged_count), (6, 1));
    assert_eq!(report.damaged[0].object, bad);
    world
        .store
        .add(Rule::any().below("packs/").forever().fails(ErrorKind::Unavailable, Moment::Before));
    let error = scrub(&world.repository, &ScrubOptions::default(), &|_| {}).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[test]
fn a_scrub_that_is_stopped_notes_what_it_has_read() {
    let world = world();
    world.back_up(1, 10);
    let options = ScrubOptions { threads: 1, ..ScrubOptions::default() };
    let stop = |progress| {
        if let ScrubProgress::Read { .. } = progress {
            options.cancel.cancel();
        }
    };
    let report = scrub(&world.repository, &options, &stop).unwrap();
    assert!(report.was_stopped);
    assert_eq!(report.read_objects, 1);
    world.clock.advance(Duration::from_mins(1));
    // What was never read comes first.
    let rest = Some(report.bytes - report.read_bytes);
    let report = world.scrub(&ScrubOptions { bytes_max: rest, ..ScrubOptions::default() });
    let fold = world.fold();
    assert_eq!(report.read_objects + 1, report.objects);
    assert!(fold.objects().keys().all(|key| fold.ledger().seen(&key.name().unwrap()).is_some()));
}

/// Who guards a repository need not be able to read it: names and stripes are verified without the keys of packs, and
/// parity heals without them.
#[test]
fn without_the_keys_of_packs_names_and_stripes_are_verified() {
    let world = world();
    world.back_up(1, 3);
    let mut bundle = world.repository.keyring().bundle().clone();
    bundle.epochs.iter_mut().for_each(|epoch| (epoch.data, epoch.meta) = (None, None));
    let (entropy, clock) = (world.repository.entropy(), world.repository.clock());
    let new = passphrase_slot("guard");
    let slot = seal_slots(&bundle, &new, entropy, clock, MEMORY_BYTES, 1).unwrap().remove(0);
    let key = ObjectKey::Slot(slot.slot);
    world.repository.io().put_new(&key, slot.encode().into()).unwrap();
    let io = Io::new(world.store()).unwrap();
    let guard = open(io, &passphrase("guard"), &open_options(4)).unwrap();
    let pack = world.packs().remove(0);
    let mut bytes = bytes_of(&world.store(), &pack);
    bytes[5000] ^= 1;
    replace(&world.store(), &pack, bytes);
    let report = scrub(&guard, &ScrubOptions::default(), &|_| {}).unwrap();
    assert_eq!((report.unopened_packs, report.chunks_verified, report.read_objects), (3, 0, 6));
    assert_eq!(report.damaged_count, 1, "{report:#?}");
    assert_eq!((&report.damaged[0].object, &report.damaged[0].stripes), (&pack, &vec![1]));
    assert!(report.damaged[0].mendable);
    let fold = world.fold();
    let seen = |key: &str| {
        let key: ObjectKey = key.parse().unwrap();
        fold.ledger().seen(&key.name().unwrap()).unwrap().condition.clone()
    };
    assert_eq!(seen(&pack), Condition::Mendable(vec![1]));
    assert_eq!(seen(&world.packs()[1]), Condition::Whole, "not verified");
    let mut fold = Fold::load(&guard).unwrap();
    let damaged = crate::heal::damaged(&fold);
    let cancel = Cancel::new();
    crate::heal::heal(&guard, &mut fold, &damaged, None, &cancel).unwrap();
    assert!(scrub(&guard, &ScrubOptions::default(), &|_| {}).unwrap().is_clean());
}

/// What is behind body and parity is there twice: damage to one copy is made good by the other.
#[test]
fn a_damaged_table_or_footer_is_mendable() {
    for from_end in [10, 70, 130, 170] {
        let world = world();
        world.back_up(1, 1);
        let pack = world.packs().remove(0);
        let mut bytes = bytes_of(&world.store(), &pack);
        let place = bytes.len() - from_end;
        bytes[place] ^= 1;
        replace(&world.store(), &pack, bytes);
        let report = world.all();
        assert_eq!(report.damaged_count, 1);
        let damaged = &report.damaged[0];
        assert!(damaged.mendable && damaged.stripes.is_empty(), "{from_end}: {damaged:?}");
        let mut fold = world.fold();
        assert!(crate::heal::lost_packs(&fold).is_empty());
        let cancel = Cancel::new();
        let objects = crate::heal::damaged(&fold);
        crate::heal::heal(&world.repository, &mut fold, &objects, None, &cancel).unwrap();
        assert!(world.all().is_clean());
    }
}
