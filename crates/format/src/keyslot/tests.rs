use proptest::prelude::*;

use super::*;
use crate::Kind;

fn slot() -> KeySlot {
    KeySlot {
        repository: RepositoryId([1; 16]),
        slot: SlotId([2; 16]),
        kind: SlotKind::Passphrase,
        label: "me".to_owned(),
        created: Time { secs: 1_795_187_045, nanos: 0 },
        kdf: Some(KdfParams::with_salt([3; 16])),
        sealed: vec![4; 8],
    }
}

#[test]
fn slots_come_back() {
    assert_eq!(KeySlot::decode(&slot().encode()), Ok(slot()));
    let file = KeySlot { kind: SlotKind::KeyFile, kdf: None, ..slot() };
    assert_eq!(KeySlot::decode(&file.encode()), Ok(file));
}

#[test]
fn unknown_kinds_are_listed() {
    let text = String::from_utf8(slot().encode()).unwrap();
    let text = text.replace("\"passphrase\"", "\"x25519\"").replace("argon2id", "hkdf");
    let slot = KeySlot::decode(text.as_bytes()).unwrap();
    assert_eq!(slot.kind, SlotKind::Other("x25519".to_owned()));
    assert!(!slot.is_usable());
    assert_eq!(slot.kdf, None);
}

#[test]
fn every_clear_field_is_bound() {
    let base = slot();
    let kdf = base.kdf.clone().unwrap();
    let variants = [
        KeySlot { repository: RepositoryId([9; 16]), ..base.clone() },
        KeySlot { slot: SlotId([9; 16]), ..base.clone() },
        KeySlot { kind: SlotKind::KeyFile, ..base.clone() },
        KeySlot { label: "you".to_owned(), ..base.clone() },
        KeySlot { created: Time::default(), ..base.clone() },
        KeySlot { kdf: None, ..base.clone() },
        KeySlot { kdf: Some(KdfParams { memory_kib: 9, ..kdf.clone() }), ..base.clone() },
        KeySlot { kdf: Some(KdfParams { passes: 9, ..kdf.clone() }), ..base.clone() },
        KeySlot { kdf: Some(KdfParams { lanes: 9, ..kdf.clone() }), ..base.clone() },
        KeySlot { kdf: Some(KdfParams { salt: vec![9; 16], ..kdf }), ..base.clone() },
    ];
    for variant in variants {
        assert_ne!(variant.binding(), base.binding(), "{variant:?}");
    }
    assert_eq!(KeySlot { sealed: vec![], ..base.clone() }.binding(), base.binding());
}

#[test]
fn refusals() {
    let text = String::from_utf8(slot().encode()).unwrap();
    for (case, kind) in [
        (text.replace("\"version\": 1", "\"version\": 2"), Kind::Unsupported),
        (text.replace("argon2id", "scrypt"), Kind::Unsupported),
        (text.replace("65536", "1048577"), Kind::Corrupt),
        (text.replace("65536", "7"), Kind::Corrupt),
        (text.replace("65536", "31"), Kind::Corrupt),
        (text.replace("\"passes\": 3", "\"passes\": 65"), Kind::Corrupt),
        (text.replace("\"lanes\": 4", "\"lanes\": 0"), Kind::Corrupt),
        (text.replace("\"lanes\": 4", "\"lanes\": -4"), Kind::Corrupt),
        (text.replace(&"03".repeat(16), "03"), Kind::Corrupt),
        (text.replace("\"kdf\"", "\"kdx\""), Kind::Corrupt),
        (text.replace("\"passphrase\"", "\"key-file\""), Kind::Corrupt),
        (text.replace("\"sealed\"", "\"seal\""), Kind::Corrupt),
        (text.replace("0404", "04"), Kind::Corrupt),
        (" ".repeat(SLOT_MAX + 1), Kind::Corrupt),
        (text.replace('}', ""), Kind::Corrupt),
    ] {
        let changed = case != text;
        match KeySlot::decode(case.as_bytes()) {
            Err(error) => assert_eq!(error.kind(), kind, "{error} {case}"),
            Ok(slot) => assert!(changed && slot.sealed.len() < 8, "{case}"),
        }
    }
}

proptest! {
    #[test]
    fn labels_come_back(label in "\\PC*", sealed in prop::collection::vec(any::<u8>(), 1..300)) {
        let slot = KeySlot { label, sealed, ..slot() };
        prop_assert_eq!(KeySlot::decode(&slot.encode()), Ok(slot));
    }

    #[test]
    fn damaged_slots_are_answered(place: prop::sample::Index, byte: u8) {
        let mut bytes = slot().encode();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        drop(KeySlot::decode(&bytes));
        drop(KeySlot::decode(&bytes[..place]));
    }
}
