//! Kept marks as bytes.
//!
//! ```text
//! "LBMARKS" version (1)   repository (16)   log (16)   number (8) and hash (32) of the head
//! trees: count (8), ids (32 each)
//! segments: count (8), for each: name (40), words of marks: count (4) and words (8 each), words of nodes: likewise
//! sums (1): 0 without, 1 with; then
//!     has deleted (1); packs: count (8), for each kind (1), name (40), raw (8), used (8), chunks (8);
//!     segments: count (8), for each name (40), records (8), believed (8)
//! proof (32): BLAKE3 of all before it, under a key of who may collect
//! ```
//!
//! Numbers are little-endian; a kind is 1 for packs, 2 for tree packs. Nothing here goes into a repository, so nobody else need read it, and another version is not read. Counts are believed only as far as there are bytes.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_codec::hash::{is_proof, proof};
use lifeboat_format::id::{ChunkId, ObjectHash};
use lifeboat_format::key::{ObjectKey, ObjectName};

use super::{Bits, Kept, Sums};
use crate::gc::mark::{OfPack, OfSegment};
use crate::log::Head;
use crate::open::Repository;

const MAGIC: &[u8; 7] = b"LBMARKS";
const VERSION: u8 = 1;
const PROOF_LEN: usize = 32;

/// The bytes; `None` without a key that proves them.
pub(super) fn encode(repository: &Repository, kept: &Kept) -> Option<Vec<u8>> {
    let key = repository.keyring().kept_marks_key()?;
    let Kept { head, trees, bits, sums } = kept;
    // At once: to grow step by step would take twice as much for a moment.
    let mut out = Vec::with_capacity(len_max(kept));
    out.extend(MAGIC);
    out.push(VERSION);
    out.extend(repository.id().0);
    out.extend(repository.log_id().0);
    out.extend(head.number.to_le_bytes());
    out.extend(head.hash.0);
    put_count(&mut out, trees.len());
    trees.iter().for_each(|id| out.extend(id.0));
    put_count(&mut out, bits.len());
    for (key, bits) in bits {
        put_name(&mut out, key);
        put_words(&mut out, &bits.marked)?;
        put_words(&mut out, &bits.nodes)?;
    }
    out.push(u8::from(sums.is_some()));
    if let Some(sums) = sums {
        put_sums(&mut out, sums);
    }
    out.extend(proof(&key, &out));
    Some(out)
}

/// The most bytes that these marks take.
fn len_max(Kept { trees, bits, sums, .. }: &Kept) -> usize {
    let words: usize = bits.values().map(|bits| bits.marked.len() + bits.nodes.len()).sum();
    let sums = sums.as_ref().map_or(0, |sums| 65 * sums.packs.len() + 56 * sums.segments.len());
    200 + 32 * trees.len() + 48 * bits.len() + 8 * words + sums
}

fn put_sums(out: &mut Vec<u8>, sums: &Sums) {
    let Sums { has_deleted, packs, segments } = sums;
    out.push(u8::from(*has_deleted));
    put_count(out, packs.len());
    for (key, OfPack { raw, raw_used, chunks_used, size: _ }) in packs {
        out.push(if matches!(key, ObjectKey::Tree(_)) { 2 } else { 1 });
        put_name(out, key);
        [raw, raw_used, chunks_used].iter().for_each(|sum| out.extend(sum.to_le_bytes()));
    }
    put_count(out, segments.len());
    for (key, OfSegment { records, believed }) in segments {
        put_name(out, key);
        [records, believed].iter().for_each(|count| out.extend(count.to_le_bytes()));
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend((count as u64).to_le_bytes());
}

fn put_words(out: &mut Vec<u8>, words: &[u64]) -> Option<()> {
    let used = words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
    out.extend(u32::try_from(used).ok()?.to_le_bytes());
    words[..used].iter().for_each(|word| out.extend(word.to_le_bytes()));
    Some(())
}

fn put_name(out: &mut Vec<u8>, key: &ObjectKey) {
    let name = key.name().unwrap_or(ObjectName { hash: ObjectHash([0; 32]), upload: [0; 8] });
    out.extend(name.hash.0);
    out.extend(name.upload);
}

/// What the bytes say; the error is why they say nothing.
pub(super) fn decode(repository: &Repository, bytes: &[u8]) -> Result<Kept, &'static str> {
    let key = repository.keyring().kept_marks_key().ok_or("there is no key of role maintain")?;
    let (said, proof) = bytes.split_last_chunk::<PROOF_LEN>().ok_or("they are cut off")?;
    if !is_proof(&key, said, *proof) {
        return Err("they are damaged, or kept by somebody else");
    }
    let mut read = Read(said);
    if read.take(MAGIC.len())? != MAGIC || read.array()? != [VERSION] {
        return Err("they are of another version");
    }
    if read.array()? != repository.id().0 || read.array()? != repository.log_id().0 {
        return Err("they are of another repository");
    }
    let head = Head { number: read.u64()?, hash: ObjectHash(read.array()?) };
    let trees = read.list(32, |read| read.array().map(ChunkId))?;
    let bits = read.list(48, |read| {
        let key = ObjectKey::Index(read.name()?);
        Ok((key, Bits { marked: read.words()?, nodes: read.words()? }))
    })?;
    let sums = match read.array()? {
        [0] => None,
        [1] => Some(read.sums()?),
        _ => return Err(MALFORMED),
    };
    if !read.0.is_empty() {
        return Err(MALFORMED);
    }
    let trees: BTreeSet<_> = trees.into_iter().collect();
    let bits: BTreeMap<_, _> = bits.into_iter().collect();
    Ok(Kept { head, trees, bits, sums })
}

const MALFORMED: &str = "they are not what this version writes";

/// What is left to be read.
struct Read<'a>(&'a [u8]);

impl<'a> Read<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (array, rest) = self.0.split_first_chunk().ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u64(&mut self) -> Result<u64, &'static str> {
        self.array().map(u64::from_le_bytes)
    }

    /// As many items as are announced, if that many of at least `len_min` bytes can be there.
    fn list<T>(
        &mut self,
        len_min: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, &'static str>,
    ) -> Result<Vec<T>, &'static str> {
        let count = usize::try_from(self.u64()?).map_err(|_too_many| MALFORMED)?;
        if count > self.0.len() / len_min {
            return Err(MALFORMED);
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn words(&mut self) -> Result<Vec<u64>, &'static str> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        let words = self.take(count.checked_mul(8).ok_or(MALFORMED)?)?;
        let (words, _) = words.as_chunks();
        Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    fn name(&mut self) -> Result<ObjectName, &'static str> {
        Ok(ObjectName { hash: ObjectHash(self.array()?), upload: self.array()? })
    }

    fn pack(&mut self) -> Result<ObjectKey, &'static str> {
        match self.array()? {
            [1] => self.name().map(ObjectKey::Pack),
            [2] => self.name().map(ObjectKey::Tree),
            _ => Err(MALFORMED),
        }
    }

    fn sums(&mut self) -> Result<Sums, &'static str> {
        let has_deleted = match self.array()? {
            [said @ (0 | 1)] => said == 1,
            _ => return Err(MALFORMED),
        };
        let packs = self.list(65, |read| {
            let key = read.pack()?;
            let (raw, raw_used, chunks_used) = (read.u64()?, read.u64()?, read.u64()?);
            Ok((key, OfPack { size: 0, raw, raw_used, chunks_used }))
        })?;
        let segments = self.list(56, |read| {
            let key = ObjectKey::Index(read.name()?);
            Ok((key, OfSegment { records: read.u64()?, believed: read.u64()? }))
        })?;
        Ok(Sums { has_deleted, packs, segments })
    }
}
