//! The pack table: the packs that the records of a segment point into.

use crate::bytes::Fields;
use crate::id::ObjectHash;
use crate::index::{BLOCK_ITEMS_MAX, IndexRecord};
use crate::key::{ObjectKey, ObjectName};
use crate::pack::PACK_MAX;
use crate::{Error, Result};

/// The length of a pack in a block before compression.
pub(super) const PACK_LEN: usize = 49;

const WHAT: &str = "index packs";

/// Whether a pack has content or metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PackKind {
    /// Content: it lies below `packs/`.
    Data = 1,
    /// Metadata: it lies below `trees/`.
    Tree = 2,
}

/// A pack that a segment's records point into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackRecord {
    /// Its name.
    pub name: ObjectName,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it has content or metadata.
    pub kind: PackKind,
}

impl PackRecord {
    /// Its key in the store.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        match self.kind {
            PackKind::Data => ObjectKey::Pack(self.name),
            PackKind::Tree => ObjectKey::Tree(self.name),
        }
    }
}

/// The packs of a block, column by column, as they are given to the compressor.
#[must_use]
pub fn encode_packs(packs: &[PackRecord]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PACK_LEN * packs.len());
    out.extend(packs.iter().flat_map(|pack| pack.name.hash.0));
    out.extend(packs.iter().flat_map(|pack| pack.name.upload));
    out.extend(packs.iter().flat_map(|pack| pack.size.to_le_bytes()));
    out.extend(packs.iter().map(|pack| pack.kind as u8));
    out
}

/// The `count` packs of a decompressed block.
///
/// # Errors
/// `Corrupt` when names do not ascend strictly or a size or kind is none that a pack has.
pub fn decode_packs(raw: &[u8], count: u32) -> Result<Vec<PackRecord>> {
    let len = count as usize;
    if count > BLOCK_ITEMS_MAX || raw.len() != PACK_LEN * len {
        let expected = format!("{count} packs of {PACK_LEN} bytes");
        return Err(Error::expected(WHAT, 0, expected, format!("{} bytes", raw.len())));
    }
    let mut fields = Fields::new(WHAT, raw);
    let hashes = fields.take(32 * len)?.as_chunks().0.iter();
    let uploads = fields.take(8 * len)?.as_chunks().0.iter();
    let sizes = fields.take(8 * len)?.as_chunks().0.iter();
    let kinds = fields.take(len)?.iter();
    let mut packs: Vec<PackRecord> = Vec::with_capacity(len);
    for (place, (((hash, upload), size), kind)) in
        hashes.zip(uploads).zip(sizes).zip(kinds).enumerate()
    {
        let fault = |reason: &str| Error::corrupt(WHAT, format!("pack {place} {reason}"));
        let kind = match kind {
            1 => PackKind::Data,
            2 => PackKind::Tree,
            _ => return Err(fault("has a kind that does not exist")),
        };
        let name = ObjectName { hash: ObjectHash(*hash), upload: *upload };
        let size = u64::from_le_bytes(*size);
        if size > PACK_MAX {
            return Err(fault("is longer than 4 GiB"));
        }
        if packs.last().is_some_and(|before| before.name >= name) {
            return Err(fault("does not follow the one before it"));
        }
        packs.push(PackRecord { name, size, kind });
    }
    Ok(packs)
}

/// Puts packs and records into the order that a segment has them in, and points the records at the packs' new places.
///
/// # Errors
/// `Invalid` when a pack or an id stands there twice or a record points beyond the packs.
pub fn sort_segment(packs: &mut Vec<PackRecord>, records: &mut [IndexRecord]) -> Result<()> {
    let mut order: Vec<usize> = (0..packs.len()).collect();
    order.sort_unstable_by_key(|place| packs[*place].name);
    let mut places = vec![0; packs.len()];
    for (new, old) in (0_u32..).zip(&order) {
        places[*old] = new;
    }
    *packs = order.iter().map(|place| packs[*place]).collect();
    if let Some(pair) = packs.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(Error::invalid(WHAT, format!("pack {} twice", pair[0].name)));
    }
    for record in records.iter_mut() {
        let Some(place) = places.get(record.pack as usize) else {
            let detail = format!("a record in pack {} of {}", record.pack, places.len());
            return Err(Error::invalid(WHAT, detail));
        };
        record.pack = *place;
    }
    records.sort_unstable_by_key(|record| record.id);
    match records.windows(2).find(|pair| pair[0].id == pair[1].id) {
        Some(pair) => Err(Error::invalid(WHAT, format!("chunk {} twice", pair[0].id))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
