use proptest::prelude::*;

use super::*;
use crate::tree::entry::strategies::entry;
use crate::{Kind, hex};

fn key(text: &str) -> PathKey {
    PathKey::from_bytes(text.as_bytes().to_vec()).unwrap()
}

fn child(first: PathKey) -> Child {
    Child { first, id: ChunkId([0xcc; 32]), entries: 2, bytes: 500 }
}

fn leaf(names: &[&str]) -> Node {
    Node::Leaf(names.iter().map(|name| (key(name), Entry::default())).collect())
}

#[test]
fn keys_share_what_they_can() {
    let node = leaf(&["", "etc", "etc\0hosts", "etc\0hosts.allow", "var"]);
    let encoded = node.encode().unwrap();
    let expected = concat!(
        "830100",
        "85",
        "830040a0",
        "830043657463a0",
        "83034600686f737473a0",
        "8309462e616c6c6f77a0",
        "830043766172a0"
    );
    assert_eq!(hex::encode(&encoded), expected);
    assert_eq!(Node::decode(&encoded), Ok(node));
}

#[test]
fn inner_nodes() {
    let children = vec![child(key("")), child(key("a"))];
    let node = Node::Inner { level: 1, children };
    let encoded = node.encode().unwrap();
    let cc = "cc".repeat(32);
    let expected = format!("830101 82 850040 5820{cc} 02 1901f4 85004161 5820{cc} 02 1901f4");
    assert_eq!(hex::encode(&encoded), expected.replace(' ', ""));
    assert_eq!(Node::decode(&encoded), Ok(node));
}

#[test]
fn newer_versions_are_not_corrupt() {
    for bytes in [[0x83, 2, 0, 0x80].as_slice(), &[0x84, 2, 0, 0x80, 0]] {
        let error = Node::decode(bytes).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert_eq!(error.to_string(), "tree node: nodes of version 2 come from a newer version");
    }
}

#[test]
fn refusals() {
    let follow = "a key that does not follow the one before it";
    for (hex, reason) in [
        ("820100", "tree node: at byte 0: an array of less than 3 items".to_owned()),
        ("8401008000", "tree node: at byte 0: an array that has not 3 items".to_owned()),
        ("83010080", "tree node: at byte 2: a node without entries".to_owned()),
        ("8301182180", "tree node: at byte 2: level 33 is above 32".to_owned()),
        ("8301008183014161a0", format!("tree node: at byte 5: {follow}")),
        ("83010082830041 61a0830040a0", format!("tree node: at byte 10: {follow}")),
        ("83010082830041 61a083004161a0", format!("tree node: at byte 10: {follow}")),
        ("83010082830042 6162a083004263 64a0", String::new()),
        ("83010082830042 6162a083004261 63a0", format!("tree node: at byte 11: {follow}")),
        ("83010082830041 62a083004161a0", format!("tree node: at byte 10: {follow}")),
        ("83010082830041 62a08302 4161a0", format!("tree node: at byte 10: {follow}")),
        (
            "83010081830042 2e2ea0",
            "tree node: at byte 5: path key: no entry may have the name \"..\"".to_owned(),
        ),
        ("83010081830040a000", "tree node: at byte 8: expected the end, found 1 more bytes".into()),
    ] {
        let result = Node::decode(&hex::decode(&hex.replace(' ', "")).unwrap());
        let found = result.map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(found, reason, "{hex}");
    }
}

#[test]
fn shared_beginnings_do_not_unfold_without_bound() {
    let long = vec![b'x'; 4000];
    let dir = (0..25).fold(PathKey::root(), |key, _| key.child(&long).unwrap());
    let mut builder = NodeBuilder::new(0);
    let mut refused = None;
    for number in 0..100_u32 {
        let key = dir.child(format!("{number:03}").as_bytes()).unwrap();
        if !builder.fits_entry(&key, &[0xa0]) {
            refused.get_or_insert(number);
        }
        builder.push_entry(&key, &[0xa0], 0).unwrap();
    }
    // The first takes more than a node's bytes already, so the second is refused.
    assert_eq!(refused, Some(1));
    let error = Node::decode(&builder.take().unwrap().encoded).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);

    let dir = (0..15).fold(PathKey::root(), |key, _| key.child(&long).unwrap());
    let mut bytes = 0;
    let mut number = 0_u32;
    loop {
        let key = dir.child(format!("{number:03}").as_bytes()).unwrap();
        if !builder.fits_entry(&key, &[0xa0]) {
            break;
        }
        bytes += key.as_bytes().len();
        number += 1;
        builder.push_entry(&key, &[0xa0], 0).unwrap();
    }
    assert!(bytes <= NODE_KEYS_MAX && number == 17, "{number} keys of {bytes} bytes");
    assert!(Node::decode(&builder.clone().take().unwrap().encoded).is_ok());
    let key = dir.child(b"z").unwrap();
    builder.push_entry(&key, &[0xa0], 0).unwrap();
    let error = Node::decode(&builder.take().unwrap().encoded).unwrap_err();
    assert!(error.to_string().ends_with("keys of more than 1048576 bytes"), "{error}");
}

#[test]
fn an_inner_node_always_has_room_for_two() {
    let long = vec![b'x'; 4000];
    let dir = (0..200).fold(PathKey::root(), |key, _| key.child(&long).unwrap());
    let mut builder = NodeBuilder::new(1);
    for name in ["a", "b", "c"] {
        let child = child(dir.child(name.as_bytes()).unwrap());
        assert_eq!(builder.fits_child(&child), name != "c");
        if name != "c" {
            builder.push_child(&child).unwrap();
        }
    }
    let built = builder.take().unwrap();
    assert_eq!((built.entries, built.bytes), (4, 1000));
    assert!(Node::decode(&built.encoded).is_ok());
    assert_eq!(builder.take(), None);
}

#[test]
fn the_limit_is_exact() {
    let entry = Entry {
        target: vec![b't'; 100],
        kind: crate::tree::EntryKind::Symlink,
        ..Entry::default()
    };
    let mut encoded = Vec::new();
    entry.encode(&mut encoded);
    let mut builder = NodeBuilder::new(0);
    for number in 0..10_000_u32 {
        let key = key(&format!("{number:05}"));
        let fits = builder.fits_entry(&key, &encoded);
        let mut with = builder.clone();
        with.push_entry(&key, &encoded, 0).unwrap();
        if number > 540 {
            assert_eq!(with.take().unwrap().encoded.len() <= NODE_MAX, fits);
        }
        if !fits {
            return;
        }
        builder.push_entry(&key, &encoded, 0).unwrap();
    }
    panic!("it never got full");
}

#[test]
fn misuse_is_refused() {
    let mut leaf = NodeBuilder::new(0);
    assert!(leaf.push_child(&child(key("a"))).is_err());
    leaf.push_entry(&key("b"), &[0xa0], 0).unwrap();
    assert!(leaf.push_entry(&key("b"), &[0xa0], 0).is_err());
    assert!(leaf.push_entry(&key("a"), &[0xa0], 0).is_err());
    assert!(NodeBuilder::new(1).push_entry(&key("a"), &[0xa0], 0).is_err());
    assert!(Node::Leaf(Vec::new()).encode().is_err());
}

#[test]
fn boundaries() {
    assert!(starts_node(0, 1 << 7));
    assert!(!starts_node(0, 1 << 6));
    assert!(starts_node(1, 1 << 13));
    assert!(!starts_node(1, 1 << 12));
    assert!(starts_node(9, 1 << 61));
    assert!(!starts_node(9, 1 << 60));
    assert!(!starts_node(10, 0));
    assert!(!starts_node(32, 0));
}

proptest! {
    #[test]
    fn leaves_come_back(entries in prop::collection::btree_map("[a-c]{1,3}(\0[a-c]{1,2}){0,3}", entry(), 1..12)) {
        let entries = entries.into_iter().map(|(text, entry)| (key(&text), entry)).collect();
        let node = Node::Leaf(entries);
        let encoded = node.encode().unwrap();
        prop_assert_eq!(Node::decode(&encoded), Ok(node));
    }

    #[test]
    fn damaged_nodes_are_answered(
        entries in prop::collection::btree_map("[a-c]{1,3}", entry(), 1..5),
        place: prop::sample::Index,
        bits: u8,
    ) {
        let entries = entries.into_iter().map(|(text, entry)| (key(&text), entry)).collect();
        let mut encoded = Node::Leaf(entries).encode().unwrap();
        let place = place.index(encoded.len());
        encoded[place] ^= bits;
        drop(Node::decode(&encoded));
        drop(Node::decode(&encoded[..place]));
    }

    #[test]
    fn any_bytes_are_answered(mut bytes: Vec<u8>) {
        drop(Node::decode(&bytes));
        bytes.splice(0..0, [0x83, 1, 0, 0x82, 0x83, 0, 0x41]);
        drop(Node::decode(&bytes));
    }
}
