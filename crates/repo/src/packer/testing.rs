//! Packs for tests: each of one chunk of noise, with the segment that has it.

use std::sync::Arc;

use lifeboat_codec::compress::Compression;
use lifeboat_format::entry::ListedObject;
use lifeboat_format::id::ChunkId;
use lifeboat_format::index::PackKind;
use lifeboat_testkit::entropy::entropy;

use super::{Packer, PackerOptions};
use crate::index::Index;
use crate::log::Fold;
use crate::open::Repository;

/// Puts so many packs, of one chunk of 20,000 bytes each; they do not count yet.
pub(crate) fn store_packs(
    repository: &Repository,
    seed: u64,
    packs: u64,
) -> (Vec<ListedObject>, Vec<(ChunkId, Vec<u8>)>) {
    let fold = Fold::load(repository).unwrap();
    let index = Arc::new(Index::load(repository, &fold).unwrap());
    let options = PackerOptions {
        compression: Compression::default(),
        verify_encode: true,
        dry_run: false,
        workers: 1,
        bytes_max: 64 << 20,
        records_max: 1000,
    };
    let packer = Packer::new(repository, index, options);
    let (mut objects, mut chunks) = (Vec::new(), Vec::new());
    for number in 0..packs {
        let mut bytes = vec![0; 20_000];
        entropy(seed << 20 | number).fill(&mut bytes).unwrap();
        let id = repository.keyring().ids().data(&bytes);
        let mut framer = packer.framer(PackKind::Data).unwrap();
        framer.offer(id, &bytes).unwrap();
        framer.flush().unwrap();
        drop(framer);
        objects.extend(packer.flush().unwrap());
        chunks.push((id, bytes));
    }
    (objects, chunks)
}
