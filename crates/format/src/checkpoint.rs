//! Checkpoints: the state of the log up to an entry, signed, in blocks that can be read alone.
//!
//! A checkpoint is an accelerator: without it, or where it is damaged, the log is read instead. Owns the bytes and which of
//! them are signed; knows nothing of folding.
//!
//! Invariant: every block is under the signature, by its hash in the header.

use crate::bytes::Fields;
use crate::cbor::{self, Reader};
use crate::entry::{
    ListedObject, ObjectKind, ReliedObject, SIGNATURE_LEN, Until, decode_ids, decode_listed,
    decode_name, decode_relied, decode_segments, encode_ids, encode_listed, encode_name,
    encode_relied, encode_segments,
};
use crate::id::{LogId, ObjectHash, PublicKey, SnapshotId};
use crate::index::IdPrefix;
use crate::index::prefix::{decode_prefixes, encode_prefixes};
use crate::key::ObjectName;
use crate::{Error, Result};

/// The version of checkpoints that this crate writes.
pub const CHECKPOINT_VERSION: u32 = 1;
/// What a signature of a checkpoint is over, before its bytes.
pub const SIGNATURE_CONTEXT: &[u8] = b"lifeboat 1 checkpoint";
/// The longest header, in bytes.
pub const CHECKPOINT_HEADER_MAX: usize = 16 << 20;
/// The longest block, in bytes.
pub const CHECKPOINT_BLOCK_MAX: u64 = 16 << 20;
/// How much to read first: magic, version and the length of the header.
pub const CHECKPOINT_PREFIX_LEN: usize = 16;

/// The section of index segments that count.
pub const SECTION_SEGMENTS: u8 = 1;
/// The section of snapshots that exist.
pub const SECTION_SNAPSHOTS: u8 = 2;
/// The section of packs that count.
pub const SECTION_PACKS: u8 = 3;
/// The section of index segments that were merged into others. (4 is reserved.)
pub const SECTION_MERGES: u8 = 5;
/// The section of snapshots that are hidden or held.
pub const SECTION_KEEPING: u8 = 6;
/// The section of `condemn`s that no `delete` has closed.
pub const SECTION_CONDEMNS: u8 = 7;
/// The section of what scrubs have found.
pub const SECTION_SCRUBS: u8 = 8;
/// The section of snapshots that are gone for good.
pub const SECTION_GONE: u8 = 9;
/// The section of merged index segments that are gone for good, before the merges that speak of them.
pub const SECTION_GONE_SEGMENTS: u8 = 10;
/// The section of packs that a maintainer has put beside others, after that of packs; left out where there are none.
pub const SECTION_COPIES: u8 = 11;
/// The section of what was said last of locks; left out where nothing was.
pub const SECTION_LOCKS: u8 = 12;

const MAGIC: &[u8; 8] = b"LBCHKPNT";
const WHAT: &str = "checkpoint";
const HEADER: &str = "checkpoint header";
const BLOCK: &str = "checkpoint block";

/// A block of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointBlock {
    /// Its section. A reader that does not know one can't use the checkpoint.
    pub section: u8,
    /// How many facts it has.
    pub count: u32,
    /// Where it begins, in bytes from the end of the signature.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// BLAKE3 of its bytes.
    pub hash: ObjectHash,
}

/// The head of a checkpoint, all that is before the blocks: its signature is not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log whose state it is.
    pub log: LogId,
    /// The last entry that it covers, as in its object key.
    pub number: u64,
    /// BLAKE3 of all bytes of that entry.
    pub entry: ObjectHash,
    /// The blocks, end to end.
    pub blocks: Vec<CheckpointBlock>,
    /// The key that signed it.
    pub public: PublicKey,
    /// The Ed25519 signature over the context and all bytes before it.
    pub signature: [u8; SIGNATURE_LEN],
}

/// An object that counts, and the entry that first named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectFact {
    /// The number of that entry.
    pub number: u64,
    /// The object.
    pub object: ListedObject,
}

/// A snapshot that exists, the entry that carries it, and who signed that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFact {
    /// The number of that entry.
    pub number: u64,
    /// The key that signed that entry.
    pub author: PublicKey,
    /// The snapshot.
    pub id: SnapshotId,
    /// The envelope that it is sealed in.
    pub sealed: Vec<u8>,
}

/// Index segments, and those whose records they hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MergeFact {
    /// The number of the entry that said so, and named the segments.
    pub number: u64,
    /// The segments, in the order in which they answer.
    pub into: Vec<ObjectName>,
    /// What was merged, in the order in which it answers.
    pub of: Vec<ObjectName>,
    /// For each of the segments the ids that it has records of; none where all have records of any.
    pub prefixes: Vec<IdPrefix>,
}

/// A `condemn` that no `delete` has closed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CondemnFact {
    /// The number of its entry.
    pub number: u64,
    /// The head that its mark was made at.
    pub mark: u64,
    /// What it condemns.
    pub objects: Vec<ListedObject>,
    /// Snapshots that the mark took for dead.
    pub gone: Vec<SnapshotId>,
    /// What commits since rely on all the same.
    pub relied: Vec<ReliedObject>,
}

/// A snapshot that is hidden or was held, and the entries that said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeepingFact {
    /// The snapshot.
    pub id: SnapshotId,
    /// The number of the forget that hid it.
    pub hidden: Option<u64>,
    /// The number of the entry that holds it, and until when.
    pub hold: Option<(u64, Until)>,
}

impl Checkpoint {
    /// All bytes up to the signature, and the blocks' entries for blocks of these sections, counts and bytes.
    #[must_use]
    pub fn unsigned(
        log: &LogId,
        number: u64,
        entry: &ObjectHash,
        blocks: &[(u8, u32, Vec<u8>)],
        public: &PublicKey,
    ) -> Vec<u8> {
        let mut header = Vec::new();
        cbor::map(&mut header, 4);
        cbor::uint(&mut header, 0_u8);
        cbor::bytes(&mut header, &log.0);
        cbor::uint(&mut header, 1_u8);
        cbor::uint(&mut header, number);
        cbor::uint(&mut header, 2_u8);
        cbor::bytes(&mut header, &entry.0);
        cbor::uint(&mut header, 3_u8);
        cbor::array(&mut header, blocks.len());
        let mut offset = 0;
        for (section, count, bytes) in blocks {
            cbor::array(&mut header, 5);
            cbor::uint(&mut header, *section);
            cbor::uint(&mut header, *count);
            cbor::uint(&mut header, offset);
            cbor::uint(&mut header, bytes.len() as u64);
            cbor::bytes(&mut header, blake3::hash(bytes).as_bytes());
            offset += bytes.len() as u64;
        }
        let len = u32::try_from(header.len()).unwrap_or(u32::MAX);
        let mut out = Vec::with_capacity(CHECKPOINT_PREFIX_LEN + header.len() + 96);
        out.extend(MAGIC);
        out.extend(CHECKPOINT_VERSION.to_le_bytes());
        out.extend(len.to_le_bytes());
        out.extend(header);
        out.extend(public.0);
        out
    }

    /// What is signed: the context and the bytes of [`unsigned`](Self::unsigned).
    #[must_use]
    pub fn message(unsigned: &[u8]) -> Vec<u8> {
        [SIGNATURE_CONTEXT, unsigned].concat()
    }

    /// The length of the head, given the first [`CHECKPOINT_PREFIX_LEN`] bytes; the blocks begin there.
    ///
    /// # Errors
    /// `Unsupported` for a newer version, `Corrupt` when the bytes begin no checkpoint.
    pub fn head_len(prefix: &[u8]) -> Result<u64> {
        let mut fields = Fields::new(WHAT, prefix);
        let header_len = decode_prefix(&mut fields)?;
        Ok((CHECKPOINT_PREFIX_LEN + header_len + PublicKey::LEN + SIGNATURE_LEN) as u64)
    }

    /// The head that `bytes` begin with, as long as [`head_len`](Self::head_len) says; whatever follows is not looked at.
    /// Its signature must still be checked, over [`signed_part`](Self::signed_part).
    ///
    /// # Errors
    /// `Unsupported` for a newer version, `Corrupt` when the bytes are no checkpoint.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut fields = Fields::new(WHAT, bytes);
        let len = decode_prefix(&mut fields)?;
        let header = fields.take(len)?;
        let (public, signature) = (PublicKey(fields.array()?), fields.array()?);
        let mut from = Reader::new(HEADER, header);
        let pairs = from.map()?;
        if pairs < 4 {
            return Err(from.corrupt(0, "less than four fields"));
        }
        expect_field(&mut from, 0)?;
        let log = LogId(from.array_of()?);
        expect_field(&mut from, 1)?;
        let number = from.uint()?;
        expect_field(&mut from, 2)?;
        let entry = ObjectHash(from.array_of()?);
        expect_field(&mut from, 3)?;
        let mut blocks = Vec::new();
        let mut end = 0;
        for _ in 0..from.array()? {
            let block = decode_block_entry(&mut from, end)?;
            end = block.offset + block.length;
            blocks.push(block);
        }
        for _ in 4..pairs {
            from.uint()?;
            from.skip()?;
        }
        from.finish()?;
        Ok(Self { log, number, entry, blocks, public, signature })
    }

    /// The bytes of a head, which `bytes` begin with, that [`message`](Self::message) is made of.
    ///
    /// # Errors
    /// As [`head_len`](Self::head_len); `Corrupt` when `bytes` are shorter than that.
    pub fn signed_part(bytes: &[u8]) -> Result<&[u8]> {
        let mut fields = Fields::new(WHAT, bytes);
        let len = decode_prefix(&mut fields)?;
        fields.take(len + PublicKey::LEN)?;
        Ok(&bytes[..fields.position()])
    }
}

impl CheckpointBlock {
    /// Refuses bytes that are not those of this block.
    ///
    /// # Errors
    /// `Corrupt` when length or hash differ.
    pub fn verify(&self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 == self.length && blake3::hash(bytes).as_bytes() == &self.hash.0 {
            return Ok(());
        }
        Err(Error::corrupt(BLOCK, "its bytes have not the hash that was signed"))
    }
}

/// The bytes of a block of objects.
#[must_use]
pub fn encode_objects(facts: &[ObjectFact]) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::array(&mut out, facts.len());
    for ObjectFact { number, object } in facts {
        cbor::array(&mut out, 5);
        cbor::uint(&mut out, *number);
        encode_name(&mut out, object.kind, &object.name);
        cbor::uint(&mut out, object.size);
    }
    out
}

/// The objects of a block of section segments, gone segments, packs or copies.
///
/// # Errors
/// `Corrupt` when the bytes are no such block, or have an object that is not of the section.
pub fn decode_objects(bytes: &[u8], block: &CheckpointBlock) -> Result<Vec<ObjectFact>> {
    let mut from = Reader::new(BLOCK, bytes);
    let mut facts = Vec::new();
    for _ in 0..count(&mut from, block)? {
        let at = from.position();
        from.array_len(5)?;
        let number = from.uint()?;
        let (kind, name) = decode_name(&mut from)?;
        let is_of_segments = [SECTION_SEGMENTS, SECTION_GONE_SEGMENTS].contains(&block.section);
        if (kind == ObjectKind::Index) != is_of_segments {
            return Err(from.corrupt(at, format!("{kind:?} in section {}", block.section)));
        }
        facts.push(ObjectFact { number, object: ListedObject { kind, name, size: from.uint()? } });
    }
    from.finish()?;
    Ok(facts)
}

/// The bytes of a block of snapshots.
#[must_use]
pub fn encode_snapshots(facts: &[SnapshotFact]) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::array(&mut out, facts.len());
    for fact in facts {
        cbor::array(&mut out, 4);
        cbor::uint(&mut out, fact.number);
        cbor::bytes(&mut out, &fact.author.0);
        cbor::bytes(&mut out, &fact.id.0);
        cbor::bytes(&mut out, &fact.sealed);
    }
    out
}

/// The snapshots of a block of section snapshots.
///
/// # Errors
/// `Corrupt` when the bytes are no such block.
pub fn decode_snapshots(bytes: &[u8], block: &CheckpointBlock) -> Result<Vec<SnapshotFact>> {
    let mut from = Reader::new(BLOCK, bytes);
    let mut facts = Vec::new();
    for _ in 0..count(&mut from, block)? {
        from.array_len(4)?;
        facts.push(SnapshotFact {
            number: from.uint()?,
            author: PublicKey(from.array_of()?),
            id: SnapshotId(from.array_of()?),
            sealed: from.bytes()?.to_vec(),
        });
    }
    from.finish()?;
    Ok(facts)
}

/// The bytes of a block of merges.
#[must_use]
pub fn encode_merges(facts: &[MergeFact]) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::array(&mut out, facts.len());
    for MergeFact { number, into, of, prefixes } in facts {
        cbor::array(&mut out, if prefixes.is_empty() { 3 } else { 4 });
        cbor::uint(&mut out, *number);
        encode_segments(&mut out, into);
        encode_segments(&mut out, of);
        if !prefixes.is_empty() {
            encode_prefixes(&mut out, prefixes);
        }
    }
    out
}

/// The merges of a block of section merges.
///
/// # Errors
/// `Corrupt` when the bytes are no such block.
pub fn decode_merges(bytes: &[u8], block: &CheckpointBlock) -> Result<Vec<MergeFact>> {
    let mut from = Reader::new(BLOCK, bytes);
    let mut facts = Vec::new();
    for _ in 0..count(&mut from, block)? {
        let (at, fields) = (from.position(), from.array()?);
        if !(3..=4).contains(&fields) {
            return Err(from.corrupt(at, format!("a merge of {fields} fields")));
        }
        let number = from.uint()?;
        let (into, of) = (decode_segments(&mut from)?, decode_segments(&mut from)?);
        let prefixes = match fields {
            3 => Vec::new(),
            _ => decode_prefixes(&mut from, into.len())?,
        };
        facts.push(MergeFact { number, into, of, prefixes });
    }
    from.finish()?;
    Ok(facts)
}

/// The bytes of a block of open condemns.
#[must_use]
pub fn encode_condemns(facts: &[CondemnFact]) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::array(&mut out, facts.len());
    for CondemnFact { number, mark, objects, gone, relied } in facts {
        cbor::array(&mut out, 5);
        cbor::uint(&mut out, *number);
        cbor::uint(&mut out, *mark);
        encode_listed(&mut out, objects);
        encode_ids(&mut out, gone);
        encode_relied(&mut out, relied);
    }
    out
}

/// The bytes of a block of hidden and held snapshots.
#[must_use]
pub fn encode_keeping(facts: &[KeepingFact]) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::array(&mut out, facts.len());
    for KeepingFact { id, hidden, hold } in facts {
        cbor::array(&mut out, 3);
        cbor::bytes(&mut out, &id.0);
        cbor::array(&mut out, usize::from(hidden.is_some()));
        if let Some(number) = hidden {
            cbor::uint(&mut out, *number);
        }
        cbor::array(&mut out, if hold.is_some() { 2 } else { 0 });
        if let Some((number, until)) = hold {
            cbor::uint(&mut out, *number);
            cbor::uint(&mut out, until.number());
        }
    }
    out
}

/// The condemns of a block of section condemns.
///
/// # Errors
/// `Corrupt` when the bytes are no such block.
pub fn decode_condemns(bytes: &[u8], block: &CheckpointBlock) -> Result<Vec<CondemnFact>> {
    let mut from = Reader::new(BLOCK, bytes);
    let mut facts = Vec::new();
    for _ in 0..count(&mut from, block)? {
        from.array_len(5)?;
        facts.push(CondemnFact {
            number: from.uint()?,
            mark: from.uint()?,
            objects: decode_listed(&mut from)?,
            gone: decode_ids(&mut from)?,
            relied: decode_relied(&mut from)?,
        });
    }
    from.finish()?;
    Ok(facts)
}

/// The snapshots of a block of section keeping.
///
/// # Errors
/// `Corrupt` when the bytes are no such block, or a snapshot is neither hidden nor held.
pub fn decode_keeping(bytes: &[u8], block: &CheckpointBlock) -> Result<Vec<KeepingFact>> {
    let mut from = Reader::new(BLOCK, bytes);
    let mut facts = Vec::new();
    for _ in 0..count(&mut from, block)? {
        let at = from.position();
        from.array_len(3)?;
        let id = SnapshotId(from.array_of()?);
        let hidden = match from.array()? {
            0 => None,
            1 => Some(from.uint()?),
            other => return Err(from.corrupt(at, format!("hidden by {other} entries"))),
        };
        let hold = match from.array()? {
            0 => None,
            2 => Some((from.uint()?, Until::from_number(from.uint()?))),
            other => return Err(from.corrupt(at, format!("a hold of {other} fields"))),
        };
        if hidden.is_none() && hold.is_none_or(|(_, until)| until == Until::Released) {
            return Err(from.corrupt(at, "a snapshot that is neither hidden nor held"));
        }
        facts.push(KeepingFact { id, hidden, hold });
    }
    from.finish()?;
    Ok(facts)
}

/// The bytes of a block of snapshots that are gone.
#[must_use]
pub fn encode_gone(ids: &[SnapshotId]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_ids(&mut out, ids);
    out
}

/// The snapshots of a block of section gone.
///
/// # Errors
/// `Corrupt` when the bytes are no such block.
pub fn decode_gone(bytes: &[u8], block: &CheckpointBlock) -> Result<Vec<SnapshotId>> {
    let mut from = Reader::new(BLOCK, bytes);
    let ids = decode_ids(&mut from)?;
    from.finish()?;
    if ids.len() != block.count as usize {
        return Err(Error::expected(BLOCK, 0, format!("{} facts", block.count), ids.len()));
    }
    Ok(ids)
}

fn decode_prefix(fields: &mut Fields<'_>) -> Result<usize> {
    fields.magic(MAGIC)?;
    fields.version(CHECKPOINT_VERSION)?;
    let at = fields.position();
    let len = fields.u32()? as usize;
    if len > CHECKPOINT_HEADER_MAX {
        let expected = format!("at most {CHECKPOINT_HEADER_MAX} bytes of header");
        return Err(Error::expected(WHAT, at, expected, len));
    }
    Ok(len)
}

fn expect_field(from: &mut Reader<'_>, number: u64) -> Result<()> {
    let at = from.position();
    match from.uint()? {
        found if found == number => Ok(()),
        found => Err(Error::expected(HEADER, at, format!("field {number}"), found)),
    }
}

fn decode_block_entry(from: &mut Reader<'_>, end: u64) -> Result<CheckpointBlock> {
    let at = from.position();
    from.array_len(5)?;
    let block = CheckpointBlock {
        section: from.small()?,
        count: from.small()?,
        offset: from.uint()?,
        length: from.uint()?,
        hash: ObjectHash(from.array_of()?),
    };
    if block.offset != end {
        return Err(from.corrupt(at, "a block that does not begin where the one before it ends"));
    }
    if block.length > CHECKPOINT_BLOCK_MAX {
        return Err(from.corrupt(at, format!("a block of {} bytes", block.length)));
    }
    Ok(block)
}

fn count(from: &mut Reader<'_>, block: &CheckpointBlock) -> Result<usize> {
    let count = from.array()?;
    if count != block.count as usize {
        let expected = format!("{} facts", block.count);
        return Err(Error::expected(BLOCK, 0, expected, count));
    }
    Ok(count)
}

#[cfg(test)]
mod tests;
