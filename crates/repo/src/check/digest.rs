//! What the index says of each pack, as one number that the pack's own table gives, too.
//!
//! Knows records and tables of packs. Looking every chunk of a pack up takes as long as hashing it; where the
//! numbers agree, nobody need. They are sums of keyed hashes, one for each chunk, with a key of
//! this run alone: who has written a pack can't make two tables that give the same.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use lifeboat_format::index::{GENERATION, IndexRecord};
use lifeboat_format::key::ObjectKey;
use lifeboat_format::pack::Trailer;

/// The sums of all packs.
#[derive(Debug, Default)]
pub(super) struct Digests {
    key: RandomState,
    packs: HashMap<ObjectKey, u64>,
}

impl Digests {
    /// Takes in what the index says of a chunk.
    pub(super) fn add(&mut self, pack: ObjectKey, record: &IndexRecord) {
        if record.generation == GENERATION {
            let one = self.of_one(record);
            let sum = self.packs.entry(pack).or_default();
            *sum = sum.wrapping_add(one);
        }
    }

    /// Whether the index says of the pack what its own table says, nothing else and each once. What it
    /// says twice does not agree.
    pub(super) fn agree(&self, pack: &ObjectKey, trailer: &Trailer) -> bool {
        let sum = trailer.chunks.iter().fold(0_u64, |sum, chunk| {
            let record = IndexRecord::of(chunk, &trailer.frames[chunk.frame as usize], 0);
            sum.wrapping_add(self.of_one(&record))
        });
        self.packs.get(pack) == Some(&sum)
    }

    fn of_one(&self, record: &IndexRecord) -> u64 {
        // Its pack's position is another one in each segment.
        self.key.hash_one(IndexRecord { pack: 0, ..*record })
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_codec::hash::object_hash;
    use lifeboat_format::Codec;
    use lifeboat_format::id::ChunkId;
    use lifeboat_format::key::ObjectName;
    use lifeboat_format::pack::{ChunkRecord, FrameRecord};

    use super::*;

    fn trailer() -> Trailer {
        let frame = |number, offset| FrameRecord {
            number,
            offset,
            sealed_len: 116,
            raw_len: 100,
            codec: Codec::Stored,
        };
        let chunk = |frame, offset, length| ChunkRecord {
            id: ChunkId(object_hash(&[u8::try_from(offset).unwrap()]).0),
            frame,
            offset,
            length,
        };
        Trailer {
            frames: vec![frame(0, 200), frame(2, 316)],
            chunks: vec![chunk(0, 0, 60), chunk(0, 60, 40), chunk(1, 1, 99)],
        }
    }

    fn records(trailer: &Trailer) -> Vec<IndexRecord> {
        let of =
            |chunk: &ChunkRecord| IndexRecord::of(chunk, &trailer.frames[chunk.frame as usize], 9);
        trailer.chunks.iter().map(of).collect()
    }

    #[test]
    fn what_is_said_differently_does_not_agree() {
        let pack = ObjectKey::Pack(ObjectName { hash: object_hash(b"pack"), upload: [1; 8] });
        let table = trailer();
        let agree = |records: &[IndexRecord]| {
            let mut digests = Digests::default();
            records.iter().for_each(|record| digests.add(pack, record));
            digests.agree(&pack, &table)
        };
        let mut right = records(&table);
        assert!(agree(&right));
        right.reverse();
        assert!(agree(&right), "in any order");
        assert!(!Digests::default().agree(&pack, &table));
        assert!(!agree(&right[1..]), "one is missing");
        right.push(right[0]);
        assert!(!agree(&right), "one is there twice");
        right.pop();
        let changes: [fn(&mut IndexRecord); 9] = [
            |record| record.id.0[31] ^= 1,
            |record| record.frame += 1,
            |record| record.frame_offset += 1,
            |record| record.frame_sealed_len += 1,
            |record| record.frame_raw_len += 1,
            |record| record.frame_codec = Codec::Zstd,
            |record| record.offset += 1,
            |record| record.length -= 1,
            |record| record.generation += 1,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut wrong = right.clone();
            change(&mut wrong[1]);
            assert!(!agree(&wrong), "change {number}");
        }
        // Two that have changed places.
        let mut swapped = right;
        (swapped[0].id, swapped[1].id) = (swapped[1].id, swapped[0].id);
        assert!(!agree(&swapped));
    }
}
