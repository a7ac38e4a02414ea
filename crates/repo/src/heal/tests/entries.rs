//! Entries of the log that are damaged or missing: put back, or covered by a checkpoint, or told.

use super::*;
use crate::log::{Decision, EntryDraft, append, checkpoint};

impl World {
    /// Adds so many commits of a pack each.
    fn add(&mut self, commits: u64) {
        for _ in 0..commits {
            let seed = 100 + self.chunks.len() as u64;
            let (objects, chunks) = store_packs(&self.repository, seed, 1);
            let mut fold = self.fold();
            commit(&self.repository, &mut fold, RunId([5; 16]), objects, Vec::new()).unwrap();
            self.chunks.extend(chunks);
        }
    }

    fn checkpoint(&self) {
        assert!(checkpoint::write(&self.repository, &self.fold()).unwrap());
    }

    fn spoil_entry(&self, number: u64) {
        let key = ObjectKey::Log(number).to_string();
        let mut bytes = bytes_of(&self.store, &key);
        bytes[40] ^= 1;
        replace(&self.store, &key, bytes);
    }

    fn lose_entry(&self, number: u64) {
        lose(&self.store, &ObjectKey::Log(number).to_string());
    }

    fn heal_log(&self, copy: Option<&Repository>) -> HealReport {
        heal_log(&self.repository, copy, &[]).unwrap()
    }

    /// Everything that was said counts, nothing stops anybody, and a check finds nothing.
    fn assert_log_is_whole(&self, objects: usize) {
        let mut fold = self.fold();
        assert_eq!(fold.objects().len(), objects);
        assert!(fold.gap().is_none() && fold.last_damage().is_none());
        append(&self.repository, &mut fold, |_| {
            Ok(Decision::Append(EntryDraft::note(RunId([7; 16]), SigningRole::Maintain)))
        })
        .unwrap();
        self.assert_readable();
        let report = check(&self.repository, &CheckOptions::default(), &|_| {}).unwrap();
        assert!(report.is_clean(), "{:?}", report.problems);
        assert_eq!(report.counts.packs, self.chunks.len() as u64);
    }
}

#[test]
fn what_a_checkpoint_covers_is_not_needed() {
    let mut world = world();
    world.add(4);
    let objects = world.fold().objects().len();
    world.checkpoint();
    world.add(1);
    world.lose_entry(1);
    world.spoil_entry(2);
    // Reading, appending and checks go on before anything is done about it.
    world.assert_log_is_whole(objects + 2);
    let report = check(&world.repository, &CheckOptions::default(), &|_| {}).unwrap();
    let notes = report.notes.join("\n");
    for number in [1, 2] {
        let text = format!("{}: ", ObjectKey::Log(number));
        assert!(notes.contains(&text), "{notes}");
    }
    assert!(notes.contains("checkpoints/0000000000000004 has what it said"), "{notes}");
    let report = world.heal_log(None);
    assert_eq!(healed(&report[0].1), (ObjectKey::Log(1), Remedy::Checkpoint));
    assert!(matches!(report[1].1, Outcome::NotNeeded(_)), "{report:?}");
    world.assert_log_is_whole(objects + 2);
    // The hole is closed: nobody fills it who does not see the checkpoint.
    let whole = Fold::load_all(&world.repository).unwrap();
    assert_eq!((whole.gap(), whole.void_count()), (None, 2));
}

/// A checkpoint is of an entry that may be lost itself, the last one even.
#[test]
fn the_entry_that_a_checkpoint_is_of_may_be_lost() {
    for (behind, spoil) in [(0, false), (2, false), (0, true), (2, true)] {
        let mut world = world();
        world.add(3);
        world.checkpoint();
        world.add(behind);
        let objects = world.fold().objects().len();
        match spoil {
            true => world.spoil_entry(3),
            false => world.lose_entry(3),
        }
        let fold = world.fold();
        assert_eq!(fold.objects().len(), objects);
        // Its number must not be given again.
        assert_eq!(fold.require_appendable().is_err(), !spoil);
        let report = world.heal_log(None);
        if spoil {
            assert!(matches!(report[..], [(_, Outcome::NotNeeded(_))]), "{report:?}");
        } else if behind == 0 {
            // The end of the log is only known by the checkpoint.
            assert!(report.is_empty() || matches!(report[0].1, Outcome::Healed(..)), "{report:?}");
        }
        world.assert_log_is_whole(objects);
    }
}

#[test]
fn missing_entries_come_back_from_a_copy() {
    let mut world = world();
    world.add(4);
    let objects = world.fold().objects().len();
    let copy = world.copy();
    let before = bytes_of(&world.store, "log/0000000000000002");
    world.lose_entry(1);
    world.lose_entry(2);
    assert!(world.fold().require_appendable().is_err());
    let nothing = world.heal_log(None);
    assert!(nothing.iter().all(|(_, outcome)| matches!(outcome, Outcome::Lost(_))), "{nothing:?}");
    let report = world.heal_log(Some(&copy));
    let healed: Vec<_> = report.iter().map(|(_, outcome)| healed(outcome)).collect();
    assert_eq!(healed, [1, 2].map(|number| (ObjectKey::Log(number), Remedy::Replica)));
    assert!(bytes_of(&world.store, "log/0000000000000002") == before);
    world.assert_log_is_whole(objects);
    assert_eq!(Fold::load_all(&world.repository).unwrap().void_count(), 0);
}

#[test]
fn what_damaged_entries_said_comes_from_a_copy() {
    for damaged in [&[0][..], &[1, 2], &[4], &[0, 2, 4]] {
        let mut world = world();
        world.add(4);
        let objects = world.fold().objects().len();
        let copy = world.copy();
        damaged.iter().for_each(|number| world.spoil_entry(*number));
        let before: Vec<_> = keys(&world.store, "log/");
        let bytes = before.iter().map(|key| bytes_of(&world.store, key)).collect::<Vec<_>>();
        let report = world.heal_log(Some(&copy));
        for (_, outcome) in &report {
            assert!(matches!(healed(outcome), (ObjectKey::Checkpoint(_), Remedy::Replica)));
        }
        assert_eq!(report.len(), damaged.len());
        // No entry was touched.
        for (key, bytes) in before.iter().zip(bytes) {
            assert!(bytes_of(&world.store, key) == bytes, "{key}");
        }
        world.assert_log_is_whole(objects);
        assert!(
            world
                .heal_log(Some(&copy))
                .iter()
                .all(|(_, outcome)| { matches!(outcome, Outcome::NotNeeded(_)) })
        );
    }
}

/// Whoever appended after the damage has named the damaged bytes: that proves nothing against the copy.
#[test]
fn a_log_that_went_on_over_the_damage_is_healed() {
    let mut world = world();
    world.add(2);
    let copy = world.copy();
    let objects = world.fold().objects().len();
    world.spoil_entry(2);
    world.add(1);
    assert!(world.fold().last_damage().is_some());
    let report = world.heal_log(Some(&copy));
    assert!(matches!(healed(&report[0].1), (ObjectKey::Checkpoint(_), Remedy::Replica)));
    // What the damaged entry had named was stored again meanwhile, in the packs of the last one.
    let fold = world.fold();
    assert!(fold.last_damage().is_none() && fold.objects().len() > objects);
    world.assert_readable();
}

/// A copy that went its own way has other entries, which are valid all the same.
#[test]
fn a_copy_that_went_another_way_proves_nothing() {
    let mut here = world();
    here.add(1);
    let copy = here.copy();
    let (objects, _) = store_packs(&copy, 900, 1);
    let mut fold = Fold::load(&copy).unwrap();
    commit(&copy, &mut fold, RunId([5; 16]), objects, Vec::new()).unwrap();
    for lose_it in [true, false] {
        here.add(2);
        let last = here.fold().head().unwrap().number;
        // In the middle: the next entry says what it was. At the end: the copy's names what is not here.
        for number in [2, last] {
            let key = ObjectKey::Log(number).to_string();
            let bytes = bytes_of(&here.store, &key);
            match lose_it && number == 2 {
                true => here.lose_entry(number),
                false => here.spoil_entry(number),
            }
            let report = here.heal_log(Some(&copy));
            assert!(matches!(report[..], [(_, Outcome::Lost(_))]), "{number}: {report:?}");
            match keys(&here.store, &key).is_empty() {
                true => {
                    here.repository.io().put_new(&ObjectKey::Log(number), bytes.into()).unwrap();
                }
                false => replace(&here.store, &key, bytes),
            }
        }
    }
}

#[test]
fn a_damaged_checkpoint_gives_way() {
    for with_copy in [false, true] {
        let mut world = world();
        world.add(2);
        world.checkpoint();
        let copy = world.copy();
        world.add(1);
        let key = keys(&world.store, "checkpoints/").remove(0);
        let whole = bytes_of(&world.store, &key);
        let mut bytes = whole.clone();
        bytes[50] ^= 1;
        replace(&world.store, &key, bytes);
        let report = check(&world.repository, &CheckOptions::default(), &|_| {}).unwrap();
        assert_eq!(report.problem_count, 1);
        let report = world.heal_log(with_copy.then_some(&copy));
        let wanted = match with_copy {
            true => (ObjectKey::Checkpoint(2), Remedy::Replica),
            false => (ObjectKey::Checkpoint(3), Remedy::Log),
        };
        assert_eq!(healed(&report[0].1), wanted);
        assert_eq!(keys(&world.store, "checkpoints/"), [wanted.0.to_string()]);
        if with_copy {
            assert!(bytes_of(&world.store, &key) == whole);
        }
        let objects = world.fold().objects().len();
        world.assert_log_is_whole(objects);
    }
}
