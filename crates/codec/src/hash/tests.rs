//! Hashes against the reference implementation's own functions, and against each other.

use lifeboat_format::keys::Secret32;
use lifeboat_format::tree::PathKey;
use proptest::prelude::*;

use super::{
    ContentHasher, IdKeys, PartHash, PartHasher, boundary, chunk_id, join_parts, object_hash,
    object_hash_of_parts,
};
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

proptest! {
    #[test]
    fn parts_join_to_the_hash_of_the_whole(
        parts in 2_u64..40,
        last in 1_u64..=1024,
        seed: u8,
    ) {
        const PART: u64 = 1024;
        let total = (parts - 1) * PART + last;
        let whole: Vec<u8> =
            (0..total).map(|at| ((at + (at >> 8)) % 251) as u8 ^ seed).collect();
        let hashes: Vec<PartHash> = (0..)
            .zip(whole.chunks(1024))
            .map(|(number, bytes)| {
                let mut hasher = PartHasher::new(number, PART);
                let (one, other) = bytes.split_at(bytes.len() / 3);
                hasher.update(one);
                hasher.update(other);
                hasher.finish()
            })
            .collect();
        prop_assert_eq!(join_parts(&hashes, PART, total), object_hash(&whole).0);
    }
}

#[test]
fn a_part_that_is_a_hole_is_one_of_zeros() {
    let mut hole = PartHasher::new(1, 1 << 16);
    hole.update_zeros(70_000 - (1 << 16));
    let mut data = PartHasher::new(0, 1 << 16);
    data.update(&[7; 1 << 16]);
    let whole = [vec![7; 1 << 16], vec![0; 70_000 - (1 << 16)]].concat();
    let joined = join_parts(&[data.finish(), hole.finish()], 1 << 16, 70_000);
    assert_eq!(joined, object_hash(&whole).0);
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
