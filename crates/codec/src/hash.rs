//! BLAKE3 in its three uses: ids under a key, hashes of whole contents, and tree boundaries.
//!
//! An id says nothing to who lacks the key, and ids of different kinds of chunk never meet, since
//! each kind has a key of its own.

use blake3::hazmat::{self, HasherExt as _};
use lifeboat_format::id::{ChunkId, ObjectHash};
use lifeboat_format::keys::{Secret32, context};
use lifeboat_format::tree::PathKey;

/// The id of a chunk under one key: BLAKE3 keyed with `key` over the chunk's plaintext.
#[must_use]
pub fn chunk_id(key: &Secret32, chunk: &[u8]) -> ChunkId {
    ChunkId(*blake3::keyed_hash(key.expose(), chunk).as_bytes())
}

/// BLAKE3 keyed with `key`: only who has the key can have made it.
#[must_use]
pub fn proof(key: &Secret32, bytes: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(key.expose(), bytes).as_bytes()
}

/// Whether `proof` is what [`proof`] makes of these bytes; it takes as long whatever is wrong.
#[must_use]
pub fn is_proof(key: &Secret32, bytes: &[u8], proof: [u8; 32]) -> bool {
    blake3::keyed_hash(key.expose(), bytes) == blake3::Hash::from(proof)
}

/// The keys under which the kinds of chunk have their ids.
#[derive(Debug)]
pub struct IdKeys {
    data: Secret32,
    node: Secret32,
    meta: Secret32,
}

impl IdKeys {
    /// All of them from the repository's `chunk_id` content key.
    #[must_use]
    pub fn new(chunk_id_key: &Secret32) -> Self {
        Self {
            data: chunk_id_key.clone(),
            node: chunk_id_key.derive(context::NODE_ID),
            meta: chunk_id_key.derive(context::META_ID),
        }
    }

    /// The id of a piece of a file's content.
    #[must_use]
    pub fn data(&self, chunk: &[u8]) -> ChunkId {
        chunk_id(&self.data, chunk)
    }

    /// The id of a tree's node.
    #[must_use]
    pub fn node(&self, chunk: &[u8]) -> ChunkId {
        chunk_id(&self.node, chunk)
    }

    /// The id of any other chunk of metadata: a piece of a content map, a large attribute.
    #[must_use]
    pub fn meta(&self, chunk: &[u8]) -> ChunkId {
        chunk_id(&self.meta, chunk)
    }
}

/// The BLAKE3, without a key, of bytes that come in pieces: a file's content, or an object's.
#[derive(Clone, Debug, Default)]
pub struct ContentHasher(blake3::Hasher);

impl ContentHasher {
    /// A hasher of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds a hole of `length` bytes, which reads as zeros.
    pub fn update_zeros(&mut self, mut length: u64) {
        const ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
        while length > 0 {
            let part = usize::try_from(length).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
            self.0.update(&ZEROS[..part]);
            length -= part as u64;
        }
    }

    /// The hash of all that was added.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// The BLAKE3 of a part of a content, to be joined with those of the other parts: several threads so
/// hash one content, and the hash is that of [`ContentHasher`].
#[derive(Clone, Debug)]
pub struct PartHasher(ContentHasher);

/// What a [`PartHasher`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartHash(hazmat::ChainingValue);

impl PartHasher {
    /// A hasher of the part number `number`, where all parts but the last have `part_bytes` bytes: a
    /// power of two, and 1024 or more.
    ///
    /// # Panics
    /// For other lengths of parts.
    #[must_use]
    pub fn new(number: u64, part_bytes: u64) -> Self {
        assert!(part_bytes.is_power_of_two() && part_bytes >= 1024, "parts of {part_bytes} bytes");
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(number * part_bytes);
        Self(ContentHasher(hasher))
    }

    /// Adds the next bytes of the part.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds a hole of `length` bytes, which reads as zeros.
    pub fn update_zeros(&mut self, length: u64) {
        self.0.update_zeros(length);
    }

    /// The part's hash. A part has at least one byte.
    #[must_use]
    pub fn finish(&self) -> PartHash {
        PartHash(self.0.0.finalize_non_root())
    }
}

/// The hash of a content of `total_bytes` bytes, which has these parts, two or more, of `part_bytes` bytes
/// each but for the last.
///
/// # Panics
/// When that many bytes do not make that many parts.
#[must_use]
pub fn join_parts(parts: &[PartHash], part_bytes: u64, total_bytes: u64) -> [u8; 32] {
    assert!(
        parts.len() >= 2 && total_bytes.div_ceil(part_bytes) == parts.len() as u64,
        "{total_bytes} bytes in {} parts",
        parts.len()
    );
    let (left, right) = halves(parts, part_bytes, total_bytes);
    *hazmat::merge_subtrees_root(&left, &right, hazmat::Mode::Hash).as_bytes()
}

fn halves(
    parts: &[PartHash],
    part_bytes: u64,
    total_bytes: u64,
) -> (hazmat::ChainingValue, hazmat::ChainingValue) {
    let left_bytes = hazmat::left_subtree_len(total_bytes);
    let left_parts = usize::try_from(left_bytes / part_bytes).unwrap_or(usize::MAX);
    let (left, right) = parts.split_at(left_parts.min(parts.len()));
    (subtree(left, part_bytes, left_bytes), subtree(right, part_bytes, total_bytes - left_bytes))
}

fn subtree(parts: &[PartHash], part_bytes: u64, total_bytes: u64) -> hazmat::ChainingValue {
    match parts {
        [only] => only.0,
        _ => {
            let (left, right) = halves(parts, part_bytes, total_bytes);
            hazmat::merge_subtrees_non_root(&left, &right, hazmat::Mode::Hash)
        }
    }
}

/// The hash that names an object: BLAKE3, without a key, of all its bytes.
#[must_use]
pub fn object_hash(bytes: &[u8]) -> ObjectHash {
    ObjectHash(*blake3::hash(bytes).as_bytes())
}

/// The hash that names an object whose bytes lie in pieces.
#[must_use]
pub fn object_hash_of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> ObjectHash {
    let mut hasher = ContentHasher::new();
    for part in parts {
        hasher.update(part);
    }
    ObjectHash(hasher.finish())
}

/// The number by whose low bits a tree is divided into nodes at `path_key`: see
/// [`starts_node`](lifeboat_format::tree::starts_node).
#[must_use]
pub fn boundary(tree_boundary_key: &Secret32, path_key: &PathKey) -> u64 {
    let hash = blake3::keyed_hash(tree_boundary_key.expose(), path_key.as_bytes());
    let first = hash.as_bytes().first_chunk().expect("a BLAKE3 hash has 32 bytes");
    u64::from_le_bytes(*first)
}

#[cfg(test)]
mod tests;
