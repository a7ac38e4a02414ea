//! `config` and key slots: from a copy that opens, and only what is proven to be the same.

use lifeboat_format::keyslot::SlotKind;

use super::*;
use crate::open::testing::{PASSPHRASE, new_in, open_options, passphrase, passphrase_slot};
use crate::open::{OpenOptions, open};
use crate::slots;

fn io(world: &World) -> Io {
    Io::new(Arc::clone(&world.store)).unwrap()
}

fn opens(world: &World, secret: &str) -> bool {
    let options: OpenOptions = open_options(9);
    open(io(world), &passphrase(secret), &options).is_ok()
}

fn slot_keys(world: &World) -> Vec<String> {
    keys(&world.store, "keys/")
}

#[test]
fn config_and_slots_come_from_a_copy() {
    let world = world();
    let copy = world.copy();
    let slot = slot_keys(&world).remove(0);
    let whole = |world: &World| [bytes_of(&world.store, "config"), bytes_of(&world.store, &slot)];
    let before = whole(&world);
    let spoil = |key: &str, at: usize| {
        let mut bytes = bytes_of(&world.store, key);
        let at = bytes.len() * at / 100;
        bytes[at] ^= 1;
        replace(&world.store, key, bytes);
    };
    let damages: [&dyn Fn(); 7] = [
        &|| lose(&world.store, "config"),
        &|| spoil("config", 30),
        &|| replace(&world.store, "config", Vec::new()),
        &|| lose(&world.store, &slot),
        &|| spoil(&slot, 1),
        // Within what is sealed: only opening it shows that.
        &|| spoil(&slot, 90),
        &|| {
            lose(&world.store, &slot);
            spoil("config", 90);
        },
    ];
    for (number, damage) in damages.iter().enumerate() {
        damage();
        assert!(!opens(&world, PASSPHRASE), "damage {number}");
        let report = heal_opening(&io(&world), &copy, &[]).unwrap();
        assert!(!report.is_empty());
        for (key, outcome) in report {
            assert_eq!(healed(&outcome), (key, Remedy::Replica));
        }
        assert!(whole(&world) == before, "damage {number}");
        assert!(opens(&world, PASSPHRASE));
        assert_eq!(heal_opening(&io(&world), &copy, &[]).unwrap().len(), 0);
    }
}

/// What was taken away on purpose must not come back with a copy of before.
#[test]
fn a_slot_that_was_removed_stays_away_unless_it_is_named() {
    let world = world();
    let other = slots::add(&world.repository, &passphrase_slot("battery staple")).unwrap();
    let copy = world.copy();
    slots::remove(&world.repository, other).unwrap();
    assert_eq!(heal_opening(&io(&world), &copy, &[]).unwrap().len(), 0);
    assert!(!opens(&world, "battery staple"));
    let key = ObjectKey::Slot(other);
    let report = heal_opening(&io(&world), &copy, &[key]).unwrap();
    assert_eq!(healed(&report[0].1), (key, Remedy::Replica));
    assert!(opens(&world, "battery staple") && opens(&world, PASSPHRASE));
}

/// Of two slots that differ nobody knows which is right, but for the one that the copy was opened with.
#[test]
fn a_slot_that_nobody_has_opened_is_left() {
    let world = world();
    let other = slots::add(&world.repository, &passphrase_slot("battery staple")).unwrap();
    let copy = world.copy();
    let key = ObjectKey::Slot(other).to_string();
    let mut bytes = bytes_of(&world.store, &key);
    let place = bytes.len() * 9 / 10;
    bytes[place] ^= 1;
    replace(&world.store, &key, bytes.clone());
    let report = heal_opening(&io(&world), &copy, &[]).unwrap();
    let Outcome::Lost(error) = &report[0].1 else { panic!("{report:?}") };
    assert!(error.to_string().contains("nobody can tell here which is right"), "{error}");
    assert!(bytes_of(&world.store, &key) == bytes);
    let store = Arc::clone(copy.io().store());
    let opened = open(Io::new(store).unwrap(), &passphrase("battery staple"), &open_options(3));
    let opened = opened.unwrap();
    assert_eq!((opened.opened_by().slot, &opened.opened_by().kind), (other, &SlotKind::Passphrase));
    let report = heal_opening(&io(&world), &opened, &[]).unwrap();
    assert_eq!(healed(&report[0].1).1, Remedy::Replica);
    assert!(opens(&world, "battery staple"));
}

#[test]
fn another_repository_is_no_copy() {
    let world = world();
    let store = mem();
    let other = new_in(&store, 5);
    let before = keys(&world.store, "");
    for lost in [false, true] {
        if lost {
            lose(&world.store, "config");
        }
        let error = heal_opening(&io(&world), &other, &[]).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
    }
    let left = before.into_iter().filter(|key| key != "config").collect::<Vec<_>>();
    assert_eq!(keys(&world.store, ""), left);
}

/// Whatever is valid here is newer than the copy, or as old.
#[test]
fn a_valid_configuration_stays() {
    let world = world();
    let copy = world.copy();
    let report = heal_opening(&io(&world), &copy, &[ObjectKey::Config]).unwrap();
    assert!(matches!(report[..], [(ObjectKey::Config, Outcome::Whole)]), "{report:?}");
}
