//! Fetching entries: one by one at the head, several at once where a list has shown them.
//!
//! Knows log keys and sizes; not what an entry says. Lists are hints: they tell what to fetch together,
//! and that something is missing in the middle. Only a read of the next number finds the head.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use lifeboat_codec::hash::{ContentHasher, object_hash};
use lifeboat_format::entry::LOG_ENTRY_MAX;
use lifeboat_format::id::ObjectHash;
use lifeboat_format::key::{LOG, ObjectKey};
use lifeboat_store::ErrorKind;

use crate::error::{Error, Kind, Result};
use crate::io::Io;

/// Entries whose numbers agree in all digits but the last two are listed together, which is one page
/// of any store's list.
const BLOCK_BITS: u32 = 8;
/// The head is looked for in steps of this many entries: checkpoints lie more densely.
const STEP_BITS: u32 = 12;
/// Entries fetched at once.
const TOGETHER_MAX: usize = 64;
/// Bytes of entries fetched at once, unless a single one is larger.
const TOGETHER_BYTES_MAX: u64 = 4 << 20;
/// How much of an entry that is too large to be one is held in memory while it is hashed, in bytes.
const PIECE_BYTES: u64 = 4 << 20;

/// An entry as it lies in the store.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    /// BLAKE3 of its bytes.
    pub(super) hash: ObjectHash,
    /// The bytes; none if they are too many for an entry.
    pub(super) bytes: Option<Bytes>,
}

impl Fetched {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { hash: object_hash(&bytes), bytes: Some(bytes) }
    }
}

/// One entry as it was read before on this machine, if it is kept; whether it is of this log, the chain of hashes has
/// to show.
pub(super) fn kept(io: &Io, number: u64) -> Option<Fetched> {
    io.kept(&ObjectKey::Log(number).to_string()).map(Fetched::new)
}

fn keep(io: &Io, number: u64, bytes: Bytes) -> Fetched {
    io.keep(&ObjectKey::Log(number).to_string(), &bytes);
    Fetched::new(bytes)
}

/// Reads one entry; `None` when there is none of that number.
pub(super) fn entry(io: &Io, number: u64) -> Result<Option<Fetched>> {
    let size = match io.head(&ObjectKey::Log(number)) {
        Ok(info) => info.size,
        Err(error) if error.kind() == Kind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    entry_of_size(io, number, size)
}

/// About how far the log goes: the first number of the last stretch of 4096 entries whose first one is
/// there. Takes one request for a short log and about two for each doubling beyond. A hint: in a log
/// with an entry missing it may be too low.
pub(super) fn last_step(io: &Io, remembered: Option<u64>) -> Result<u64> {
    let is_there = |step: u64| match io.head(&ObjectKey::Log(step << STEP_BITS)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    let steps_max = u64::MAX >> STEP_BITS;
    let mut known = remembered.unwrap_or(0) >> STEP_BITS;
    let (mut stride, mut absent) = (1, steps_max);
    while known < absent - 1 {
        let probe = match absent {
            // Not bounded yet: each time twice as far.
            _ if absent == steps_max => known.saturating_add(stride).min(steps_max - 1),
            _ => known.midpoint(absent),
        };
        if is_there(probe)? {
            (known, stride) = (probe, stride.saturating_mul(2));
        } else {
            absent = probe;
        }
    }
    Ok(known << STEP_BITS)
}

/// The text that the keys begin with of all entries, or checkpoints, from `number` on that are of one
/// step.
pub(super) fn step_prefix(key: ObjectKey) -> String {
    let mut text = key.to_string();
    text.truncate(text.len() - STEP_BITS as usize / 4);
    text
}

/// How far apart two steps are.
pub(super) const STEP: u64 = 1 << STEP_BITS;

fn entry_of_size(io: &Io, number: u64, size: u64) -> Result<Option<Fetched>> {
    let key = ObjectKey::Log(number);
    if size > LOG_ENTRY_MAX as u64 {
        return Ok(Some(Fetched { hash: hash_of_large(io, &key, size)?, bytes: None }));
    }
    match io.get(&key) {
        Ok(bytes) => Ok(Some(keep(io, number, bytes))),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn hash_of_large(io: &Io, key: &ObjectKey, size: u64) -> Result<ObjectHash> {
    let mut hasher = ContentHasher::new();
    let mut start = 0;
    while start < size {
        let end = (start + PIECE_BYTES).min(size);
        hasher.update(&io.get_range(key, start..end)?);
        start = end;
    }
    Ok(ObjectHash(hasher.finish()))
}

/// What a list has shown of the entries around one number.
#[derive(Debug)]
pub(super) struct Listing {
    block: u64,
    /// The size of each listed entry from the number asked for to the end of the block.
    sizes: BTreeMap<u64, u64>,
}

impl Listing {
    /// Lists the entries from `number` to the end of its block.
    pub(super) fn around(io: &Io, number: u64) -> Result<Self> {
        let block = number >> BLOCK_BITS;
        let digits = 16 - BLOCK_BITS as usize / 4;
        let text = ObjectKey::Log(number).to_string();
        let mut sizes = BTreeMap::new();
        io.list(&text[..LOG.len() + digits], |listed| {
            if let Ok(ObjectKey::Log(found)) = listed.key.parse()
                && found >= number
            {
                sizes.insert(found, listed.size);
            }
            Ok(())
        })?;
        Ok(Self { block, sizes })
    }

    /// Whether it can tell of this number.
    pub(super) fn covers(&self, number: u64) -> bool {
        number >> BLOCK_BITS == self.block
    }

    /// The first number after `number` that was listed: if `number` is not there, it is missing.
    pub(super) fn next_after(&self, number: u64) -> Option<u64> {
        self.sizes.range(number + 1..).next().map(|(found, _)| *found)
    }

    /// The entry `number` and those after it that were listed, as many as are fetched at once; the
    /// entry alone, or nothing, where it was not listed.
    pub(super) fn fetch(&self, io: &Io, number: u64) -> Result<Vec<Fetched>> {
        let mut bytes = 0;
        let mut together = Vec::new();
        for (expected, (found, size)) in (number..).zip(self.sizes.range(number..)) {
            bytes += size;
            let large = bytes > TOGETHER_BYTES_MAX || together.len() == TOGETHER_MAX;
            if *found != expected || large {
                break;
            }
            together.push(expected);
        }
        if together.len() < 2 {
            let found = match self.sizes.get(&number) {
                Some(size) => entry_of_size(io, number, *size)?,
                None => entry(io, number)?,
            };
            return Ok(found.into_iter().collect());
        }
        let store = io.store();
        let fetched: Vec<_> = io.block_on(
            stream::iter(together)
                .map(|number| async move { store.get(&ObjectKey::Log(number).to_string()).await })
                .buffered(TOGETHER_MAX)
                .collect(),
        );
        let mut entries = Vec::with_capacity(fetched.len());
        for (number, answer) in (number..).zip(fetched) {
            match answer {
                Ok(bytes) => entries.push(keep(io, number, bytes)),
                // Listed and gone: the caller finds out when it asks for this one alone.
                Err(cause) if cause.kind() == ErrorKind::NotFound => break,
                Err(cause) => return Err(Error::store("read", cause)),
            }
        }
        Ok(entries)
    }
}
