//! Nodes: sorted runs of entries (leaves) or of children (levels above), and where each must end.
//!
//! Invariants: keys ascend strictly; each shares with the one before all that it can, so a node has one encoding; what
//! is decoded takes no more memory than a small multiple of its bytes.

use crate::cbor::{self, Reader};
use crate::id::ChunkId;
use crate::tree::{Entry, PathKey};
use crate::{Error, Result};

/// The version of nodes that this crate writes.
pub const NODE_VERSION: u64 = 1;
/// The most bytes of an encoded node that has more than it needs: one entry, or two children.
pub const NODE_MAX: usize = 64 << 10;
/// The most bytes that the whole keys of such a node may take together, so that shared beginnings can't unfold without bound.
pub const NODE_KEYS_MAX: usize = 1 << 20;
/// The highest level of a node; a tree of all entries that memory could count needs fewer.
pub const LEVEL_MAX: u8 = 32;

const WHAT: &str = "tree node";

/// What a level above the leaves keeps of a node below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The key of its first entry.
    pub first: PathKey,
    /// Its chunk.
    pub id: ChunkId,
    /// How many entries are below it.
    pub entries: u64,
    /// How many bytes of content those entries have, as their sizes say.
    pub bytes: u64,
}

/// A node of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Level 0: entries.
    Leaf(Vec<(PathKey, Entry)>),
    /// A level above: nodes of the level below.
    Inner {
        /// Its level, 1 or more.
        level: u8,
        /// The nodes below it.
        children: Vec<Child>,
    },
}

impl Node {
    /// The node that `bytes` encode.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are no node, or one that breaks a rule of order or size; `Unsupported` when its version
    /// or a kind of entry is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(WHAT, bytes);
        let at = reader.position();
        if reader.array()? < 3 {
            return Err(reader.corrupt(at, "an array of less than 3 items"));
        }
        let version = reader.uint()?;
        if version != NODE_VERSION {
            let detail = format!("nodes of version {version} come from a newer version");
            return Err(Error::unsupported(WHAT, detail));
        }
        if bytes.first() != Some(&0x83) {
            return Err(reader.corrupt(at, "an array that has not 3 items"));
        }
        let at = reader.position();
        let level: u8 = reader.small()?;
        if level > LEVEL_MAX {
            return Err(reader.corrupt(at, format!("level {level} is above {LEVEL_MAX}")));
        }
        let count = reader.array()?;
        if count == 0 {
            return Err(reader.corrupt(at, "a node without entries"));
        }
        if bytes.len() > NODE_MAX && count > fewest(level) {
            let detail = format!("{count} items in {} bytes, more than {NODE_MAX}", bytes.len());
            return Err(reader.corrupt(at, detail));
        }
        let mut keys = Keys::new(level);
        let node = if level == 0 {
            let mut entries = Vec::new();
            for _ in 0..count {
                reader.array_len(3)?;
                let key = keys.decode(&mut reader)?;
                entries.push((key, Entry::decode_from(&mut reader)?));
            }
            Self::Leaf(entries)
        } else {
            let mut children = Vec::new();
            for _ in 0..count {
                reader.array_len(5)?;
                let first = keys.decode(&mut reader)?;
                let id = ChunkId(reader.array_of()?);
                let (entries, bytes) = (reader.uint()?, reader.uint()?);
                children.push(Child { first, id, entries, bytes });
            }
            Self::Inner { level, children }
        };
        reader.finish()?;
        Ok(node)
    }

    /// The encoded node.
    ///
    /// # Errors
    /// `Invalid` when it is empty, out of order or too large to be a node.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut builder = NodeBuilder::new(self.level());
        let full = |fits| if fits { Ok(()) } else { Err(Error::invalid(WHAT, "more than fits")) };
        match self {
            Self::Leaf(entries) => {
                for (key, entry) in entries {
                    let mut encoded = Vec::new();
                    entry.encode(&mut encoded);
                    full(builder.fits_entry(key, &encoded))?;
                    builder.push_entry(key, &encoded, entry.size)?;
                }
            }
            Self::Inner { children, .. } => {
                for child in children {
                    full(builder.fits_child(child))?;
                    builder.push_child(child)?;
                }
            }
        }
        let built = builder.take().ok_or_else(|| Error::invalid(WHAT, "no entries"))?;
        Ok(built.encoded)
    }

    /// Its level: 0 for a leaf.
    #[must_use]
    pub fn level(&self) -> u8 {
        match self {
            Self::Leaf(_) => 0,
            Self::Inner { level, .. } => *level,
        }
    }
}

/// Whether what has the boundary hash `hash` starts a new node at `level`: the entry with that key at level 0, the child
/// with that first key above.
///
/// The hash is the first eight bytes, lowest first, of the keyed BLAKE3 of the path key.
#[must_use]
pub fn starts_node(level: u8, hash: u64) -> bool {
    let bits = 7 + 6 * u32::from(level);
    // Beyond 64 bits no key is a boundary: only the byte limit ends a node up there.
    bits < 64 && hash.trailing_zeros() >= bits
}

/// How many items a node of `level` may always have, however large they are.
///
/// Two above the leaves, since levels of one child each would never come to an end.
fn fewest(level: u8) -> usize {
    if level == 0 { 1 } else { 2 }
}

/// A node that is being filled.
///
/// The rule of the forced end is here: before an entry or child that does not [fit](Self::fits_entry) the node is closed.
#[derive(Debug, Clone)]
pub struct NodeBuilder {
    level: u8,
    count: usize,
    items: Vec<u8>,
    first: PathKey,
    last: PathKey,
    keys_len: usize,
    entries: u64,
    bytes: u64,
}

/// A node that was closed, with what its parent will say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltNode {
    /// The encoded node: the plaintext of its chunk.
    pub encoded: Vec<u8>,
    /// The key of the first entry below it.
    pub first: PathKey,
    /// How many entries are below it.
    pub entries: u64,
    /// How many bytes of content they have.
    pub bytes: u64,
}

impl NodeBuilder {
    /// An empty node of `level`, 0 for a leaf.
    #[must_use]
    pub fn new(level: u8) -> Self {
        Self {
            level,
            count: 0,
            items: Vec::new(),
            first: PathKey::root(),
            last: PathKey::root(),
            keys_len: 0,
            entries: 0,
            bytes: 0,
        }
    }

    /// Its level.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.level
    }

    /// How many entries or children it has so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the node keeps within its limits with this encoded entry.
    #[must_use]
    pub fn fits_entry(&self, key: &PathKey, encoded: &[u8]) -> bool {
        self.fits(key, encoded.len())
    }

    /// Whether the node keeps within its limits with this child.
    #[must_use]
    pub fn fits_child(&self, child: &Child) -> bool {
        let numbers = cbor::head_len(child.entries) + cbor::head_len(child.bytes);
        self.fits(&child.first, 2 + ChunkId::LEN + numbers)
    }

    /// Adds an encoded entry of `bytes` bytes of content to a leaf.
    ///
    /// # Errors
    /// `Invalid` when its key does not follow the last one, or the node is none of entries.
    pub fn push_entry(&mut self, key: &PathKey, encoded: &[u8], bytes: u64) -> Result<()> {
        self.begin_item(key, 0)?;
        self.items.extend_from_slice(encoded);
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Adds a node of the level below.
    ///
    /// # Errors
    /// `Invalid` when its first key does not follow the last one, or the node is a leaf.
    pub fn push_child(&mut self, child: &Child) -> Result<()> {
        self.begin_item(&child.first, self.level.max(1))?;
        cbor::bytes(&mut self.items, &child.id.0);
        cbor::uint(&mut self.items, child.entries);
        cbor::uint(&mut self.items, child.bytes);
        self.entries = self.entries.saturating_add(child.entries);
        self.bytes = self.bytes.saturating_add(child.bytes);
        Ok(())
    }

    /// Closes the node and leaves an empty one of the same level; `None` when there was nothing in it.
    pub fn take(&mut self) -> Option<BuiltNode> {
        let done = std::mem::replace(self, Self::new(self.level));
        if done.is_empty() {
            return None;
        }
        let mut encoded = Vec::with_capacity(3 + 9 + done.items.len());
        cbor::array(&mut encoded, 3);
        cbor::uint(&mut encoded, NODE_VERSION);
        cbor::uint(&mut encoded, done.level);
        cbor::array(&mut encoded, done.count);
        encoded.extend_from_slice(&done.items);
        let Self { first, entries, bytes, .. } = done;
        Some(BuiltNode { encoded, first, entries, bytes })
    }

    fn fits(&self, key: &PathKey, rest: usize) -> bool {
        if self.count < fewest(self.level) {
            return true;
        }
        let shared = shared(self.last.as_bytes(), key.as_bytes());
        let suffix = key.as_bytes().len() - shared;
        let item =
            1 + cbor::head_len(shared as u64) + cbor::head_len(suffix as u64) + suffix + rest;
        let head =
            2 + cbor::head_len(u64::from(self.level)) + cbor::head_len(self.count as u64 + 1);
        head + self.items.len() + item <= NODE_MAX
            && self.keys_len + key.as_bytes().len() <= NODE_KEYS_MAX
    }

    fn begin_item(&mut self, key: &PathKey, level: u8) -> Result<()> {
        if level != self.level || self.level > LEVEL_MAX {
            let detail = format!("an item of level {level} in a node of level {}", self.level);
            return Err(Error::invalid(WHAT, detail));
        }
        if self.count > 0 && *key <= self.last {
            let detail = format!("{key:?} does not follow {:?}", self.last);
            return Err(Error::invalid(WHAT, detail));
        }
        let shared = if self.count == 0 { 0 } else { shared(self.last.as_bytes(), key.as_bytes()) };
        cbor::array(&mut self.items, if level == 0 { 3 } else { 5 });
        cbor::uint(&mut self.items, shared as u64);
        cbor::bytes(&mut self.items, &key.as_bytes()[shared..]);
        if self.count == 0 {
            self.first = key.clone();
        }
        self.last.clone_from(key);
        self.count += 1;
        self.keys_len += key.as_bytes().len();
        Ok(())
    }
}

/// Reads front-coded keys and holds them to their rules.
struct Keys {
    level: u8,
    count: usize,
    last: PathKey,
    len: usize,
}

impl Keys {
    fn new(level: u8) -> Self {
        Self { level, count: 0, last: PathKey::root(), len: 0 }
    }

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<PathKey> {
        let at = from.position();
        let shared: usize = from.small()?;
        let suffix = from.bytes()?;
        let last = self.last.as_bytes();
        // Sharing all that can be shared and ascending are one condition: the first byte that differs is larger.
        let follows = match (last.get(shared), suffix.first()) {
            (Some(before), Some(after)) => before < after,
            (None, Some(_)) => shared == last.len(),
            (_, None) => false,
        };
        let starts = self.count == 0 && shared == 0;
        if !(starts || self.count > 0 && follows) {
            return Err(from.corrupt(at, "a key that does not follow the one before it"));
        }
        self.last
            .replace_tail(shared, suffix)
            .map_err(|error| error.within(&format!("{WHAT}: at byte {at}")))?;
        self.count += 1;
        self.len += self.last.as_bytes().len();
        if self.len > NODE_KEYS_MAX && self.count > fewest(self.level) {
            return Err(from.corrupt(at, format!("keys of more than {NODE_KEYS_MAX} bytes")));
        }
        Ok(self.last.clone())
    }
}

/// How many bytes both begin with.
fn shared(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests;
