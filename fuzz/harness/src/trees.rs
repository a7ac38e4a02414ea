//! Targets for trees.

use lifeboat_format::tree::{Entry, Node, decode_extents, encode_extents};

/// A node comes back the same; and the same bytes, unless it has fields that this version does not know.
#[must_use]
pub fn node(input: &[u8]) -> bool {
    let Ok(node) = Node::decode(input) else { return false };
    let encoded = node.encode().expect("its keys ascend");
    assert!(encoded.len() <= input.len());
    assert_eq!(Node::decode(&encoded), Ok(node));
    true
}

/// An entry comes back the same.
#[must_use]
pub fn entry(input: &[u8]) -> bool {
    let Ok(entry) = Entry::decode(input) else { return false };
    let mut encoded = Vec::new();
    entry.encode(&mut encoded);
    assert!(encoded.len() <= input.len());
    assert_eq!(Entry::decode(&encoded), Ok(entry));
    true
}

/// A list of extents has one encoding.
#[must_use]
pub fn extents(input: &[u8]) -> bool {
    let Ok(extents) = decode_extents(input) else { return false };
    let mut encoded = Vec::new();
    encode_extents(&extents, &mut encoded);
    assert_eq!(encoded, input);
    true
}
