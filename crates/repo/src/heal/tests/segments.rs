//! Index segments: from a copy, or from the tables of the packs that they spoke of.

use super::*;
use crate::index::merge::{MergeOptions, merge_segments};
use crate::reader::Locate as _;
use lifeboat_codec::compress::Compression;

impl World {
    fn segments(&self) -> Vec<ObjectKey> {
        self.fold().segments().iter().map(|segment| segment.key).collect()
    }

    fn spoil(&self, key: &ObjectKey) {
        let mut bytes = bytes_of(&self.store, &key.to_string());
        let place = bytes.len() / 2;
        bytes[place] ^= 1;
        replace(&self.store, &key.to_string(), bytes);
    }

    fn heal_these(&self, keys: &[ObjectKey], replica: Option<&Repository>) -> HealReport {
        let theirs = replica.map(|replica| (replica, Fold::load(replica).unwrap()));
        let theirs = theirs.as_ref().map(|(replica, fold)| (*replica, fold));
        heal(&self.repository, &mut self.fold(), keys, theirs, &Cancel::new()).unwrap()
    }

    /// All chunks are found without what was damaged, nothing more is to be healed, and a check says so.
    fn assert_whole(&self) {
        self.assert_readable();
        let fold = self.fold();
        Index::load_strictly(&self.repository, &fold).unwrap().require_whole().unwrap();
        assert_eq!(lost_segments(&self.repository, &fold).unwrap(), []);
        for read_data in [false, true] {
            let options = CheckOptions { read_data, ..CheckOptions::default() };
            let report = check(&self.repository, &options, &|_| {}).unwrap();
            assert!(report.is_clean(), "{:?}", report.problems);
        }
        assert_eq!(fold.void_count(), 0);
    }
}

fn remedies(report: &HealReport) -> Vec<Remedy> {
    report.iter().map(|(_, outcome)| healed(outcome).1).collect()
}

#[test]
fn a_lost_segment_is_made_of_the_packs_again() {
    for spoil in [false, true] {
        let world = world();
        let segments = world.segments();
        match spoil {
            true => world.spoil(&segments[1]),
            false => lose(&world.store, &segments[1].to_string()),
        }
        let before = keys(&world.store, "").len();
        let report = world.heal_these(&segments, None);
        let outcomes: Vec<&Outcome> = report.iter().map(|(_, outcome)| outcome).collect();
        assert!(matches!(outcomes[..], [Outcome::Whole, _, Outcome::Whole]), "{report:?}");
        let (new, remedy) = healed(outcomes[1]);
        assert_eq!(remedy, Remedy::Packs);
        assert_eq!(keys(&world.store, "").len(), before + 2, "a segment and an entry");
        // It answers where the damaged one did.
        assert_eq!(world.segments(), [segments[0], new, segments[2]]);
        world.assert_whole();
        // Once is enough, and a scrub does not look at it any more.
        let again = world.heal_these(&segments[1..2], None);
        assert!(matches!(again[0].1, Outcome::NotNeeded(_)), "{again:?}");
        let report = scrub(&world.repository, &ScrubOptions::default(), &|_| {}).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}

#[test]
fn all_segments_at_once() {
    let world = world();
    let segments = world.segments();
    segments.iter().for_each(|key| lose(&world.store, &key.to_string()));
    assert_eq!(lost_segments(&world.repository, &world.fold()).unwrap().len(), 3);
    let report = world.heal_these(&segments, None);
    assert_eq!(remedies(&report), [Remedy::Packs; 3]);
    world.assert_whole();
}

#[test]
fn a_replica_has_the_same_bytes() {
    let world = world();
    let replica = world.copy();
    let segments = world.segments();
    let whole = bytes_of(&world.store, &segments[0].to_string());
    world.spoil(&segments[0]);
    let report = world.heal_these(&segments[..1], Some(&replica));
    let (new, remedy) = healed(&report[0].1);
    assert_eq!(remedy, Remedy::Replica);
    assert_eq!(new.name().unwrap().hash, segments[0].name().unwrap().hash);
    assert!(bytes_of(&world.store, &new.to_string()) == whole);
    world.assert_whole();
}

/// Of several records of a chunk the earliest counts, also when its segment was lost in between.
#[test]
fn what_is_rebuilt_answers_where_the_lost_one_did() {
    let world = world();
    let copies = [0, 1].map(|_| store_packs(&world.repository, 7, 1));
    for (objects, _) in &copies {
        let mut fold = world.fold();
        commit(&world.repository, &mut fold, RunId([5; 16]), objects.clone(), Vec::new()).unwrap();
    }
    let id = copies[0].1[0].0;
    let place = |world: &World| {
        let index = Index::load(&world.repository, &world.fold()).unwrap();
        index.copies(&id).unwrap().iter().map(|copy| copy.frame.pack).collect::<Vec<_>>()
    };
    let before = place(&world);
    assert_eq!(before.len(), 2);
    let segments = world.segments();
    for lost in [&segments[3..4], &segments[4..], &segments[3..]] {
        lost.iter()
            .filter(|key| world.fold().segments().iter().any(|of| of.key == **key))
            .for_each(|key| {
                lose(&world.store, &key.to_string());
            });
        let lost = lost_segments(&world.repository, &world.fold()).unwrap();
        world.heal_these(&lost, None);
        assert_eq!(place(&world), before);
    }
    world.assert_whole();
}

/// One that was merged speaks of the packs of all that it was merged from, also when these are gone.
#[test]
fn a_merged_segment_is_rebuilt() {
    let world = world();
    let (objects, chunks) = store_packs(&world.repository, 2, 20);
    let mut fold = world.fold();
    commit(&world.repository, &mut fold, RunId([5; 16]), objects, Vec::new()).unwrap();
    let index = Index::load(&world.repository, &fold).unwrap();
    let options = MergeOptions {
        level: Compression::default().level(),
        target: 1 << 20,
        merges_max: 9,
        cancel: Cancel::new(),
    };
    assert!(
        merge_segments(&world.repository, &mut fold, &index, RunId([6; 16]), &options).unwrap() > 0
    );
    for key in keys(&world.store, "index/") {
        lose(&world.store, &key);
    }
    let lost = lost_segments(&world.repository, &world.fold()).unwrap();
    let report = world.heal_these(&lost, None);
    assert!(remedies(&report).iter().all(|remedy| *remedy == Remedy::Packs));
    let world = World { chunks: [world.chunks.clone(), chunks].concat(), ..world };
    world.assert_whole();
}

/// Whoever has the lost segment whole could say what was in a pack that can't be read.
#[test]
fn a_segment_is_kept_for_the_sake_of_a_pack_that_can_not_be_read() {
    let world = world();
    let replica = world.copy();
    let segments = world.segments();
    lose(&world.store, &world.packs[0].to_string());
    segments.iter().for_each(|key| lose(&world.store, &key.to_string()));
    let report = world.heal_these(&segments, None);
    assert!(report.iter().all(|(_, outcome)| matches!(outcome, Outcome::Lost(_))), "{report:?}");
    let Outcome::Lost(error) = &report[0].1 else { unreachable!() };
    assert!(error.to_string().contains(&world.packs[0].to_string()), "{error}");
    // All others are found, and twice is no more than once.
    let objects = keys(&world.store, "").len();
    world.heal_these(&segments, None);
    assert_eq!(keys(&world.store, "").len(), objects);
    let found = |world: &World| {
        let index = Index::load_what_is_there(&world.repository, &world.fold(), |_| ());
        world.chunks.iter().filter(|(id, _)| index.contains(id).unwrap()).count()
    };
    assert_eq!(found(&world), 2);
    let report = world.heal_these(&segments, Some(&replica));
    assert_eq!(remedies(&report), [Remedy::Replica; 3]);
    assert_eq!(found(&world), 3);
}
