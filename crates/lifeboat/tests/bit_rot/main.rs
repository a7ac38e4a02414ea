//! Bit rot: bits are flipped and objects lost at random in a copy of a repository; each is found, all comes back from
//! parity, packs, checkpoints or a copy, and without a second source just what is lost is named.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test relies on fails it")]

mod rot;
mod source;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lifeboat::repository::Io;
use lifeboat_format::key::ObjectKey;
use lifeboat_repo::Kind;
use lifeboat_repo::cancel::Cancel;
use lifeboat_repo::gc::{GcOptions, collect};
use lifeboat_repo::heal::{self, Outcome, heal_log, heal_opening, lost_segments};
use lifeboat_repo::log::Fold;
use lifeboat_repo::open::Repository;
use lifeboat_repo::repair::snapshots::{RepairOptions, repair};
use lifeboat_repo::scrub::{ScrubOptions, ScrubReport, scrub};
use lifeboat_store::Store;

use rot::{Damage, Dice, Rotten};
use world::{Base, copy_of, open_in};

/// Cases of each kind.
const CASES: u64 = 6;

fn scrubbed(repository: &Repository) -> ScrubReport {
    scrub(repository, &ScrubOptions::default(), &|_| {}).unwrap()
}

/// Heals whatever is damaged; what could not be.
fn heal_all(repository: &Repository, copy: Option<&Repository>) -> Vec<ObjectKey> {
    let mut fold = Fold::load(repository).unwrap();
    let mut objects = heal::damaged(&fold);
    let lost = lost_segments(repository, &fold).unwrap();
    objects.extend(lost.into_iter().filter(|key| !objects.contains(key)).collect::<Vec<_>>());
    let theirs = copy.map(|copy| (copy, Fold::load(copy).unwrap()));
    let theirs = theirs.as_ref().map(|(copy, fold)| (*copy, fold));
    let report = heal::heal(repository, &mut fold, &objects, theirs, &Cancel::new()).unwrap();
    let lost = report.into_iter().filter(|(_, outcome)| matches!(outcome, Outcome::Lost(_)));
    lost.map(|(key, _)| key).collect()
}

/// Each damaged object is named by a check or a scrub, and of packs also the stripe.
fn assert_found(repository: &Repository, rotten: &[Rotten], what: &str) {
    let report = world::check(repository);
    let texts: Vec<String> = report
        .problems
        .iter()
        .map(ToString::to_string)
        .chain(report.notes.iter().cloned())
        .collect();
    let is_named = |key: &ObjectKey| texts.iter().any(|text| text.contains(&key.to_string()));
    for Rotten { key, .. } in rotten {
        assert!(is_named(key), "{what}: {key} is not named: {texts:#?}");
    }
    // What a scrub notes is appended, so that the log must have no hole.
    if Fold::load(repository).unwrap().require_appendable().is_err() {
        return;
    }
    let report = scrubbed(repository);
    for Rotten { key, stripes, .. } in rotten.iter().filter(|rotten| rotten.key.name().is_some()) {
        let name = key.to_string();
        let found = report.damaged.iter().find(|damaged| damaged.object == name);
        let found = found.unwrap_or_else(|| panic!("{what}: {key}: {report:#?}"));
        let found: BTreeSet<u64> = found.stripes.iter().copied().collect();
        assert_eq!(found, *stripes, "{what}: {key}");
    }
}

/// The paths that a check says are hit, by snapshot.
fn named_as_hit(repository: &Repository) -> BTreeMap<String, BTreeSet<String>> {
    let mut hit: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for problem in world::check(repository).problems {
        assert_eq!(problem.affected_more, 0);
        for affected in problem.affected {
            let paths = hit.entry(affected.snapshot.to_string()).or_default();
            paths.extend(affected.path);
        }
    }
    hit
}

fn each_case(
    kind: &'static str,
    base: &Base,
    mut each: impl FnMut(&str, Arc<dyn Store>, Vec<Rotten>),
) {
    for case in 0..CASES {
        let mut dice = Dice::new(kind, case);
        let store = copy_of(&base.store);
        let rotten = rot::spoil(&store, kind, &mut dice);
        let what = format!("{kind}, case {case}: {rotten:?}");
        each(&what, store, rotten);
    }
}

/// With an intact copy everything comes back, whatever it is.
fn heals_from_a_copy(kind: &'static str, base: &Base) {
    let copy = open_in(&copy_of(&base.store)).unwrap();
    each_case(kind, base, |what, store, rotten| {
        if matches!(kind, "config" | "keys") {
            let error = open_in(&store).unwrap_err();
            assert!(matches!(error.kind(), Kind::Corrupt | Kind::WrongKey), "{what}: {error}");
        } else {
            assert_found(&open_in(&store).unwrap(), &rotten, what);
        }
        let io = Io::new(Arc::clone(&store)).unwrap();
        heal_opening(&io, &copy, &[]).unwrap();
        let repository = open_in(&store).unwrap();
        for (key, outcome) in heal_log(&repository, Some(&copy), &[]).unwrap() {
            assert!(!matches!(outcome, Outcome::Lost(_)), "{what}: {key}: {outcome:?}");
        }
        // What stood behind a hole of the log may be damaged, too.
        scrubbed(&repository);
        assert_eq!(heal_all(&repository, Some(&copy)), [], "{what}");
        let report = world::check(&repository);
        assert!(report.is_clean(), "{what}: {:#?}", report.problems);
        assert!(scrubbed(&repository).is_clean(), "{what}");
        base.assert_restores(&repository, &BTreeMap::new(), what);
        // A collector goes on, and takes nothing that is needed.
        let options = GcOptions { delay: std::time::Duration::ZERO, ..GcOptions::default() };
        collect(&repository, &options).unwrap();
        base.assert_restores(&repository, &BTreeMap::new(), what);
        assert!(world::check(&repository).is_clean(), "{what}");
    });
}

/// Without a copy what can't be made again is named, file by file, and repaired snapshots have all the rest.
fn names_what_is_lost(kind: &'static str, base: &Base, may_lose: bool) {
    let mut losses = 0;
    each_case(kind, base, |what, store, rotten| {
        let repository = open_in(&store).unwrap();
        assert_found(&repository, &rotten, what);
        heal_log(&repository, None, &[]).unwrap();
        scrubbed(&repository);
        let lost = heal_all(&repository, None);
        assert!(may_lose || lost.is_empty(), "{what}: {lost:?}");
        losses += lost.len();
        let hit = named_as_hit(&repository);
        assert_eq!(hit.is_empty(), lost.is_empty(), "{what}: {hit:?}");
        base.assert_restores(&repository, &hit, what);
        let mut fold = Fold::load(&repository).unwrap();
        let report = repair(&repository, &mut fold, &RepairOptions::default()).unwrap();
        let left_out: BTreeMap<String, BTreeSet<String>> = report
            .repaired
            .iter()
            .map(|of| {
                let paths = of.left_out.iter().map(|left| left.path.clone());
                (of.snapshot.to_string(), paths.collect())
            })
            .collect();
        assert_eq!(left_out, hit, "{what}");
        base.assert_repaired(&repository, &report, what);
    });
    assert!(!may_lose || losses > 0, "no case lost anything: {kind}");
}

#[test]
fn data_packs_without_parity() {
    let base = Base::new(0);
    heals_from_a_copy("packs", &base);
    names_what_is_lost("packs", &base, true);
}

#[test]
fn data_packs_with_parity() {
    let base = Base::new(300);
    heals_from_a_copy("packs", &base);
    names_what_is_lost("packs", &base, true);
}

#[test]
fn tree_packs() {
    heals_from_a_copy("trees", &Base::new(0));
}

#[test]
fn index_segments() {
    let base = Base::new(0);
    heals_from_a_copy("index", &base);
    names_what_is_lost("index", &base, false);
}

#[test]
fn config() {
    heals_from_a_copy("config", &Base::new(0));
}

#[test]
fn key_slots() {
    heals_from_a_copy("keys", &Base::new(0));
}

#[test]
fn log_entries() {
    heals_from_a_copy("log", &Base::new(0));
}

/// All but the last entry are covered by a checkpoint, so that the log needs no copy.
#[test]
fn log_entries_that_a_checkpoint_covers() {
    names_what_is_lost("log covered", &Base::new(0), false);
}

#[test]
fn log_checkpoints() {
    let base = Base::new(0);
    heals_from_a_copy("checkpoints", &base);
    names_what_is_lost("checkpoints", &base, false);
}

/// The damage is damage: without it nothing is said.
#[test]
fn what_is_whole_is_not_touched() {
    let base = Base::new(0);
    let repository = open_in(&base.store).unwrap();
    assert!(heal_log(&repository, None, &[]).unwrap().is_empty());
    assert!(scrubbed(&repository).is_clean());
    assert_eq!(heal_all(&repository, None), []);
    let mut fold = Fold::load(&repository).unwrap();
    let options = RepairOptions { read_data: true, ..RepairOptions::default() };
    assert!(repair(&repository, &mut fold, &options).unwrap().repaired.is_empty());
    base.assert_restores(&repository, &BTreeMap::new(), "whole");
    assert_ne!(Damage::Lost, Damage::Flipped(Vec::new()));
}
