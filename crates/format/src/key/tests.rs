use proptest::prelude::*;

use super::*;

fn name() -> ObjectName {
    ObjectName { hash: ObjectHash([0xab; 32]), upload: [1, 2, 3, 4, 5, 6, 7, 8] }
}

#[test]
fn texts() {
    let hash = "ab".repeat(32);
    let cases = [
        (ObjectKey::Config, "config".to_owned()),
        (ObjectKey::Slot(SlotId([7; 16])), format!("keys/{}", "07".repeat(16))),
        (ObjectKey::Pack(name()), format!("packs/ab/{hash}.0102030405060708")),
        (ObjectKey::Tree(name()), format!("trees/ab/{hash}.0102030405060708")),
        (ObjectKey::Index(name()), format!("index/{hash}.0102030405060708")),
        (ObjectKey::Log(0x1f), "log/000000000000001f".to_owned()),
        (ObjectKey::Checkpoint(u64::MAX), "checkpoints/ffffffffffffffff".to_owned()),
    ];
    for (key, text) in cases {
        assert_eq!(key.to_string(), text);
        assert_eq!(text.parse::<ObjectKey>(), Ok(key));
    }
}

#[test]
fn other_texts_are_refused() {
    let hash = "ab".repeat(32);
    let upper = "AB".repeat(32);
    for text in [
        String::new(),
        "config/".to_owned(),
        "log/1".to_owned(),
        "log/00000000000000001".to_owned(),
        "log/000000000000001F".to_owned(),
        "keys/".to_owned(),
        "tmp/x".to_owned(),
        format!("packs/{hash}.0102030405060708"),
        format!("packs/ac/{hash}.0102030405060708"),
        format!("packs/ab/{hash}"),
        format!("packs/ab/{hash}.01"),
        format!("packs/ab/x/{hash}.0102030405060708"),
        format!("index/{upper}.0102030405060708"),
        format!("index/ab/{hash}.0102030405060708"),
    ] {
        assert!(text.parse::<ObjectKey>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_that_parses_prints_the_same(text in "(packs/|log/|keys/|index/)?[0-9a-f./]{0,90}") {
        if let Ok(key) = text.parse::<ObjectKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn names_come_back(hash: [u8; 32], upload: [u8; 8]) {
        let name = ObjectName { hash: ObjectHash(hash), upload };
        for key in [ObjectKey::Pack(name), ObjectKey::Tree(name), ObjectKey::Index(name)] {
            prop_assert_eq!(key.to_string().parse::<ObjectKey>(), Ok(key));
            prop_assert_eq!(key.name(), Some(name));
        }
    }
}
