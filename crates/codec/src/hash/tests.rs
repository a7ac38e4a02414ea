//! Hashes against the reference implementation's own functions, and against each other.

use lifeboat_format::keys::Secret32;
use lifeboat_format::tree::PathKey;
use proptest::prelude::*;

use super::{ContentHasher, IdKeys, boundary, chunk_id, object_hash, object_hash_of_parts};
use crate::vectors;

proptest! {
    #[test]
    fn pieces_hash_as_the_whole(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
    ) {
        let whole = object_hash(&pieces.concat());
        prop_assert_eq!(object_hash_of_parts(pieces.iter().map(Vec::as_slice)), whole);
    }

    #[test]
    fn holes_hash_as_zeros(before in 0_usize..100, hole in 0_usize..70_000, after in 0_usize..100) {
        let mut hasher = ContentHasher::new();
        hasher.update(&vec![1; before]);
        hasher.update_zeros(hole as u64);
        hasher.update(&vec![2; after]);
        let whole = [vec![1; before], vec![0; hole], vec![2; after]].concat();
        prop_assert_eq!(hasher.finish(), object_hash(&whole).0);
    }
}

#[test]
fn each_kind_of_chunk_has_ids_of_its_own() {
    let keys = IdKeys::new(&Secret32::new([5; 32]));
    let ids = [keys.data(b"same"), keys.node(b"same"), keys.meta(b"same")];
    assert_eq!(ids[0], chunk_id(&Secret32::new([5; 32]), b"same"));
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert_ne!(ids[0], IdKeys::new(&Secret32::new([6; 32])).data(b"same"));
}

#[test]
fn boundaries_need_the_key() {
    let path = PathKey::from_bytes(b"etc\0passwd".to_vec()).unwrap();
    let of = |key| boundary(&Secret32::new([key; 32]), &path);
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

#[test]
fn vectors_of_another_implementation() {
    let vector = vectors::section("hash");
    let chunk = vectors::bytes(&vector, "chunk");
    let keys = IdKeys::new(&Secret32::new(vectors::array(&vector, "chunk_id_key")));
    assert_eq!(keys.data(&chunk).to_string(), vectors::text(&vector, "data_id"));
    assert_eq!(keys.node(&chunk).to_string(), vectors::text(&vector, "node_id"));
    assert_eq!(keys.meta(&chunk).to_string(), vectors::text(&vector, "meta_id"));
    assert_eq!(object_hash(&chunk).to_string(), vectors::text(&vector, "object_hash"));
    let key = Secret32::new(vectors::array(&vector, "tree_boundary_key"));
    let path = PathKey::from_bytes(vectors::bytes(&vector, "path_key")).unwrap();
    let number = boundary(&key, &path);
    assert_eq!(format!("{number:016x}"), vectors::text(&vector, "boundary"));
}
