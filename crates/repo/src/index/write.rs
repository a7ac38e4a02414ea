//! Writing a segment: records and packs become sealed blocks, filters and a directory.
//!
//! Knows records and bytes; not when a segment is due or where it is put.

use bytes::Bytes;
use lifeboat_codec::compress::{Compressor, Level};
use lifeboat_codec::hash::object_hash;
use lifeboat_codec::seal::{NO_EXTRA, ObjectSealer, Subject};
use lifeboat_format::entry::{ListedObject, ObjectKind};
use lifeboat_format::envelope::{ObjectType, Role, block_extra};
use lifeboat_format::id::ChunkId;
use lifeboat_format::index::{
    BLOCK_ITEMS_MAX, BlockEntry, Directory, Filter, IndexFooter, IndexRecord, PackRecord, Section,
    block_number, encode_block, encode_packs, encode_records, sort_segment,
};
use lifeboat_format::key::{ObjectKey, ObjectName};

use crate::error::{Error, Kind, Result};
use crate::open::Repository;

/// What a segment is made of; records point into `packs` by position.
#[derive(Debug)]
pub struct SegmentDraft {
    /// The packs, each once.
    pub packs: Vec<PackRecord>,
    /// The records; of several of one id the first is taken.
    pub records: Vec<IndexRecord>,
}

/// A segment ready to be put.
#[derive(Debug)]
pub struct SealedSegment {
    /// Its key.
    pub key: ObjectKey,
    /// What the log will say of it.
    pub object: ListedObject,
    /// Its bytes.
    pub bytes: Bytes,
    /// The ids that it answers for.
    pub ids: Vec<ChunkId>,
}

impl SegmentDraft {
    /// Sorts, compresses and seals.
    ///
    /// # Errors
    /// [`Kind::Invalid`] when a record points beyond the packs; what the keyring lacks.
    pub fn seal(self, repository: &Repository, level: Level) -> Result<SealedSegment> {
        self.seal_as(repository, level, |block| block[0].id)
    }

    /// As [`seal`](Self::seal), with a directory that says `first` of each block.
    pub(super) fn seal_as(
        mut self,
        repository: &Repository,
        level: Level,
        first: impl Fn(&[IndexRecord]) -> ChunkId,
    ) -> Result<SealedSegment> {
        const OPERATION: &str = "write an index segment of";
        let place = repository.io().describe();
        // Stable, so the first of equal ids stays: two threads may have stored a chunk at once.
        self.records.sort_by_key(|record| record.id);
        self.records.dedup_by_key(|record| record.id);
        sort_segment(&mut self.packs, &mut self.records)
            .map_err(|cause| Error::format(OPERATION, &place, cause))?;
        let keyring = repository.keyring();
        let epoch = keyring.newest_epoch();
        let key = keyring.role_key(ObjectType::IndexSegment, epoch)?;
        let subject =
            Subject { object_type: ObjectType::IndexSegment, epoch, repository: repository.id() };
        let failed = |cause| Error::codec(OPERATION, &place, cause);
        let sealer = ObjectSealer::new(key, &subject, repository.entropy()).map_err(failed)?;
        let compressor = Compressor::new(level).map_err(failed)?;
        let mut writer = Writer::new(sealer, compressor);
        for block in self.records.chunks(BLOCK_ITEMS_MAX as usize) {
            writer.block(Section::Records, first(block), block.len(), &encode_records(block))?;
        }
        for block in self.records.chunks(BLOCK_ITEMS_MAX as usize) {
            let filter = Filter::build(block.iter().map(|record| &record.id));
            writer.block(Section::Filters, NO_ID, block.len(), filter.as_bytes())?;
        }
        for block in self.packs.chunks(BLOCK_ITEMS_MAX as usize) {
            writer.block(Section::Packs, NO_ID, block.len(), &encode_packs(block))?;
        }
        let bytes = Bytes::from(writer.finish(self.records.len() as u64)?);
        let name = ObjectName { hash: object_hash(&bytes), upload: repository.random()? };
        let object = ListedObject { kind: ObjectKind::Index, name, size: bytes.len() as u64 };
        let ids = self.records.iter().map(|record| record.id).collect();
        Ok(SealedSegment { key: ObjectKey::Index(name), object, bytes, ids })
    }
}

const NO_ID: ChunkId = ChunkId([0; 32]);

struct Writer {
    sealer: ObjectSealer,
    compressor: Compressor,
    compressed: Vec<u8>,
    out: Vec<u8>,
    directory: Directory,
    section: Option<Section>,
    position: u32,
}

impl Writer {
    fn new(sealer: ObjectSealer, compressor: Compressor) -> Self {
        let out = sealer.preamble().to_vec();
        let directory = Directory { blocks: Vec::new() };
        Self {
            sealer,
            compressor,
            compressed: Vec::new(),
            out,
            directory,
            section: None,
            position: 0,
        }
    }

    fn block(&mut self, section: Section, first: ChunkId, count: usize, raw: &[u8]) -> Result<()> {
        if self.section != Some(section) {
            (self.section, self.position) = (Some(section), 0);
        }
        let count = u32::try_from(count).expect("blocks have at most BLOCK_ITEMS_MAX items");
        let raw_len = u32::try_from(raw.len()).expect("a block's items are of some bytes each");
        let codec = self.compressor.compress(raw, &mut self.compressed).map_err(failed)?;
        let mut sealed = encode_block(codec, raw_len, &self.compressed);
        let number = block_number(section, self.position);
        self.sealer
            .seal(Role::Block, number, &block_extra(section as u8, count), &mut sealed)
            .map_err(failed)?;
        self.directory.blocks.push(BlockEntry {
            section,
            offset: self.out.len() as u64,
            sealed_len: u32::try_from(sealed.len()).expect("a block is of some KiB"),
            count,
            first,
        });
        self.out.extend_from_slice(&sealed);
        self.position += 1;
        Ok(())
    }

    fn finish(mut self, record_count: u64) -> Result<Vec<u8>> {
        let mut sealed = self.directory.encode();
        self.sealer.seal(Role::Directory, 0, &NO_EXTRA, &mut sealed).map_err(failed)?;
        let footer = IndexFooter {
            directory_offset: self.out.len() as u64,
            directory_len: sealed.len() as u64,
            record_count,
        };
        self.out.extend_from_slice(&sealed);
        for _twice in 0..2 {
            self.out.extend_from_slice(&footer.encode());
        }
        Ok(self.out)
    }
}

fn failed(cause: lifeboat_codec::Error) -> Error {
    Error::new(Kind::Internal, "seal a block of", "an index segment").because(cause)
}
