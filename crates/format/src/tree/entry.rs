//! Entries: everything that is kept of one file, directory, link or device.
//!
//! Invariant: an entry has one encoding: fields in the order of their numbers, defaults left out. Fields of unknown
//! numbers are passed over, so that later versions can add what older readers need not know.

use std::collections::BTreeMap;

use crate::cbor::{self, Reader};
use crate::id::ChunkId;
use crate::time::{NANOS_PER_SEC, Time};
use crate::tree::extent::{self, CONTENT_DEPTH_MAX, CONTENT_MAX, Extent};
use crate::{Error, Result};

/// The bits that a mode may have: permissions, set-user-id, set-group-id and sticky.
pub const MODE_MAX: u16 = 0o7777;
/// The longest encoded entry: 1 MiB.
pub const ENTRY_MAX: usize = 1 << 20;
/// The longest value of an extended attribute that stays in the entry; longer ones are moved out.
pub const XATTR_INLINE_MAX: usize = 1024;
/// The most bytes of values that stay in one entry; beyond, further values are moved out whatever their length.
pub const XATTRS_INLINE_MAX: usize = 64 << 10;
/// The bit of [`Entry::notes`] that says that the file changed while it was read.
pub const NOTE_CHANGED_WHILE_READ: u8 = 1;
/// The bit of [`Entry::notes`] that says that some of the metadata could not be read.
pub const NOTE_METADATA_INCOMPLETE: u8 = 2;

const WHAT: &str = "entry";

/// The numbers of the fields in the encoded map.
mod field {
    pub(super) const KIND: u64 = 0;
    pub(super) const MODE: u64 = 1;
    pub(super) const UID: u64 = 2;
    pub(super) const GID: u64 = 3;
    pub(super) const USER: u64 = 4;
    pub(super) const GROUP: u64 = 5;
    pub(super) const MTIME: u64 = 6;
    pub(super) const CTIME: u64 = 7;
    pub(super) const DEVICE: u64 = 8;
    pub(super) const INODE: u64 = 9;
    pub(super) const LINKS: u64 = 10;
    pub(super) const RDEV: u64 = 11;
    pub(super) const TARGET: u64 = 12;
    pub(super) const XATTRS: u64 = 13;
    pub(super) const MOVED_XATTRS: u64 = 14;
    pub(super) const FLAGS: u64 = 15;
    pub(super) const SIZE: u64 = 16;
    pub(super) const CONTENT: u64 = 17;
    pub(super) const CONTENT_DEPTH: u64 = 18;
    pub(super) const CONTENT_HASH: u64 = 19;
    // 20 is reserved for the fine map.
    pub(super) const NOTES: u64 = 21;
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum EntryKind {
    /// A regular file.
    #[default]
    File = 0,
    /// A directory.
    Dir = 1,
    /// A symbolic link.
    Symlink = 2,
    /// A named pipe.
    Fifo = 3,
    /// A socket.
    Socket = 4,
    /// A character device.
    Char = 5,
    /// A block device.
    Block = 6,
}

impl EntryKind {
    fn from_number(number: u64) -> Result<Self> {
        Ok(match number {
            0 => Self::File,
            1 => Self::Dir,
            2 => Self::Symlink,
            3 => Self::Fifo,
            4 => Self::Socket,
            5 => Self::Char,
            6 => Self::Block,
            _ => {
                let detail = format!("entries of kind {number} come from a newer version");
                return Err(Error::unsupported(WHAT, detail));
            }
        })
    }
}

/// The number of a device file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// Its major number.
    pub major: u32,
    /// Its minor number.
    pub minor: u32,
}

/// The value of an extended attribute that is a chunk of metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MovedXattr {
    /// The chunk that is the value.
    pub id: ChunkId,
    /// Its length in bytes.
    pub len: u32,
}

/// What a tree keeps of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Permissions and the three special bits, at most 07777.
    pub mode: u16,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The owner's name where it was known, else empty.
    pub user: Vec<u8>,
    /// The group's name where it was known, else empty.
    pub group: Vec<u8>,
    /// When the content last changed.
    pub mtime: Time,
    /// When the inode last changed; for change detection only.
    pub ctime: Time,
    /// The file system it is on: 0 that of the root, others numbered as the walk met them.
    pub device: u32,
    /// The inode number; with `device` it names the group of hard links.
    pub inode: u64,
    /// How many names the inode had; 1 where that says nothing (and for directories).
    pub links: u64,
    /// The device number of a character or block device.
    pub rdev: Option<Device>,
    /// Where a symbolic link points, as raw bytes.
    pub target: Vec<u8>,
    /// Extended attributes with short values, ACLs among them, as the kernel gave them.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Extended attributes with long values.
    pub moved_xattrs: BTreeMap<Vec<u8>, MovedXattr>,
    /// File flags as `FS_IOC_GETFLAGS` gives them, of those a user can set.
    pub flags: u32,
    /// The length of a regular file in bytes; 0 for all others.
    pub size: u64,
    /// What the file consists of, or, where `content_depth` is not 0, where the list that says so is kept.
    pub content: Vec<Extent>,
    /// 0: `content` describes the file. n: it describes the encoded list of extents of depth n - 1.
    pub content_depth: u8,
    /// BLAKE3 of the whole content, holes as zeros, where the map alone does not prove it and it was worth taking.
    pub content_hash: Option<[u8; 32]>,
    /// Remarks; see [`NOTE_CHANGED_WHILE_READ`].
    pub notes: u8,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            kind: EntryKind::File,
            mode: 0,
            uid: 0,
            gid: 0,
            user: Vec::new(),
            group: Vec::new(),
            mtime: Time::default(),
            ctime: Time::default(),
            device: 0,
            inode: 0,
            links: 1,
            rdev: None,
            target: Vec::new(),
            xattrs: BTreeMap::new(),
            moved_xattrs: BTreeMap::new(),
            flags: 0,
            size: 0,
            content: Vec::new(),
            content_depth: 0,
            content_hash: None,
            notes: 0,
        }
    }
}

impl Entry {
    /// Appends the encoded entry to `out`. What [`check`](Self::check) refuses is encoded all the same, but no reader
    /// will take it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut fields = Fields { count: 0, bytes: Vec::with_capacity(128) };
        let uint = |fields: &mut Fields, number, value: u64| {
            fields.put(number, value != 0, |out| cbor::uint(out, value));
        };
        uint(&mut fields, field::KIND, self.kind as u64);
        uint(&mut fields, field::MODE, self.mode.into());
        uint(&mut fields, field::UID, self.uid.into());
        uint(&mut fields, field::GID, self.gid.into());
        fields.put(field::USER, !self.user.is_empty(), |out| cbor::bytes(out, &self.user));
        fields.put(field::GROUP, !self.group.is_empty(), |out| cbor::bytes(out, &self.group));
        fields.put(field::MTIME, self.mtime != Time::default(), |out| time(out, self.mtime));
        fields.put(field::CTIME, self.ctime != Time::default(), |out| time(out, self.ctime));
        uint(&mut fields, field::DEVICE, self.device.into());
        uint(&mut fields, field::INODE, self.inode);
        fields.put(field::LINKS, self.links > 1, |out| cbor::uint(out, self.links));
        if let Some(Device { major, minor }) = self.rdev {
            fields.put(field::RDEV, true, |out| {
                cbor::array(out, 2);
                cbor::uint(out, major);
                cbor::uint(out, minor);
            });
        }
        fields.put(field::TARGET, !self.target.is_empty(), |out| cbor::bytes(out, &self.target));
        fields.put(field::XATTRS, !self.xattrs.is_empty(), |out| {
            cbor::map(out, self.xattrs.len());
            for (name, value) in &self.xattrs {
                cbor::bytes(out, name);
                cbor::bytes(out, value);
            }
        });
        fields.put(field::MOVED_XATTRS, !self.moved_xattrs.is_empty(), |out| {
            cbor::map(out, self.moved_xattrs.len());
            for (name, value) in &self.moved_xattrs {
                cbor::bytes(out, name);
                cbor::array(out, 2);
                cbor::bytes(out, &value.id.0);
                cbor::uint(out, value.len);
            }
        });
        uint(&mut fields, field::FLAGS, self.flags.into());
        uint(&mut fields, field::SIZE, self.size);
        fields.put(field::CONTENT, !self.content.is_empty(), |out| {
            cbor::array(out, self.content.len());
            extent::encode_extents(&self.content, out);
        });
        uint(&mut fields, field::CONTENT_DEPTH, self.content_depth.into());
        if let Some(hash) = &self.content_hash {
            fields.put(field::CONTENT_HASH, true, |out| cbor::bytes(out, hash));
        }
        uint(&mut fields, field::NOTES, self.notes.into());
        cbor::map(out, fields.count);
        out.extend_from_slice(&fields.bytes);
    }

    /// The entry that `bytes` encode, which must be all of them.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are no entry, `Unsupported` when its kind is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(WHAT, bytes);
        let entry = Self::decode_from(&mut reader)?;
        reader.finish()?;
        Ok(entry)
    }

    /// Whether the fields agree with one another, as every reader demands.
    ///
    /// # Errors
    /// `Corrupt`, with the reason.
    pub fn check(&self) -> Result<()> {
        let refuse = |detail: String| Err(Error::corrupt(WHAT, detail));
        if self.mode > MODE_MAX {
            return refuse(format!("the mode {:o} has bits beyond 7777", self.mode));
        }
        if self.mtime.nanos >= NANOS_PER_SEC || self.ctime.nanos >= NANOS_PER_SEC {
            return refuse("a time has a second or more of nanoseconds".to_owned());
        }
        if (self.kind == EntryKind::Symlink) == self.target.is_empty() {
            return refuse(format!("{:?} with a target of {} bytes", self.kind, self.target.len()));
        }
        if matches!(self.kind, EntryKind::Char | EntryKind::Block) != self.rdev.is_some() {
            return refuse(format!("{:?} and its device number do not agree", self.kind));
        }
        let has_content = self.size > 0 || !self.content.is_empty() || self.content_hash.is_some();
        if self.kind != EntryKind::File && has_content {
            return refuse(format!("{:?} with content", self.kind));
        }
        if self.xattrs.keys().any(|name| self.moved_xattrs.contains_key(name)) {
            return refuse("an extended attribute stands there twice".to_owned());
        }
        match (self.content_depth, extent::total(&self.content)) {
            (0, Some(total)) if total == self.size => Ok(()),
            (0, Some(total)) => refuse(format!("size {} but extents of {total}", self.size)),
            (1..=CONTENT_DEPTH_MAX, Some(1..)) => Ok(()),
            (1..=CONTENT_DEPTH_MAX, Some(0)) => refuse("an extent list without bytes".to_owned()),
            (_, None) => refuse("extents that add up to more than 64 bits".to_owned()),
            (depth, _) => refuse(format!("an extent list of depth {depth}")),
        }
    }

    pub(super) fn decode_from(from: &mut Reader<'_>) -> Result<Self> {
        let begin = from.position();
        let mut entry = Self::default();
        let mut before = None;
        for _ in 0..from.map()? {
            let at = from.position();
            let number = from.uint()?;
            if before.is_some_and(|before| number <= before) {
                return Err(from.corrupt(at, format!("field {number} is out of order")));
            }
            before = Some(number);
            entry.decode_field(number, from)?;
        }
        let len = from.position() - begin;
        if len > ENTRY_MAX {
            let detail = format!("an entry of {len} bytes, more than {ENTRY_MAX}");
            return Err(from.corrupt(begin, detail));
        }
        entry.check()?;
        Ok(entry)
    }

    fn decode_field(&mut self, number: u64, from: &mut Reader<'_>) -> Result<()> {
        let at = from.position();
        match number {
            field::KIND => self.kind = EntryKind::from_number(from.uint()?)?,
            field::MODE => self.mode = from.small()?,
            field::UID => self.uid = from.small()?,
            field::GID => self.gid = from.small()?,
            field::USER => self.user = from.bytes()?.to_vec(),
            field::GROUP => self.group = from.bytes()?.to_vec(),
            field::MTIME => self.mtime = decode_time(from)?,
            field::CTIME => self.ctime = decode_time(from)?,
            field::DEVICE => self.device = from.small()?,
            field::INODE => self.inode = from.uint()?,
            field::LINKS => self.links = from.uint()?,
            field::RDEV => {
                from.array_len(2)?;
                self.rdev = Some(Device { major: from.small()?, minor: from.small()? });
            }
            field::TARGET => self.target = from.bytes()?.to_vec(),
            field::XATTRS => self.xattrs = decode_map(from, |from| Ok(from.bytes()?.to_vec()))?,
            field::MOVED_XATTRS => self.moved_xattrs = decode_map(from, decode_moved)?,
            field::FLAGS => self.flags = from.small()?,
            field::SIZE => self.size = from.uint()?,
            field::CONTENT => self.content = decode_content(from)?,
            field::CONTENT_DEPTH => self.content_depth = from.small()?,
            field::CONTENT_HASH => self.content_hash = Some(from.array_of()?),
            field::NOTES => self.notes = from.small()?,
            _ => return from.skip(),
        }
        if self.has_default(number) {
            return Err(from.corrupt(at, format!("field {number} has its default, to be left out")));
        }
        Ok(())
    }

    fn has_default(&self, number: u64) -> bool {
        match number {
            field::KIND => self.kind == EntryKind::File,
            field::MODE => self.mode == 0,
            field::UID => self.uid == 0,
            field::GID => self.gid == 0,
            field::USER => self.user.is_empty(),
            field::GROUP => self.group.is_empty(),
            field::MTIME => self.mtime == Time::default(),
            field::CTIME => self.ctime == Time::default(),
            field::DEVICE => self.device == 0,
            field::INODE => self.inode == 0,
            field::LINKS => self.links <= 1,
            field::TARGET => self.target.is_empty(),
            field::XATTRS => self.xattrs.is_empty(),
            field::MOVED_XATTRS => self.moved_xattrs.is_empty(),
            field::FLAGS => self.flags == 0,
            field::SIZE => self.size == 0,
            field::CONTENT => self.content.is_empty(),
            field::CONTENT_DEPTH => self.content_depth == 0,
            field::NOTES => self.notes == 0,
            _ => false,
        }
    }
}

/// The encoded pairs of a map, counted as they come.
struct Fields {
    count: usize,
    bytes: Vec<u8>,
}

impl Fields {
    fn put(&mut self, number: u64, wanted: bool, value: impl FnOnce(&mut Vec<u8>)) {
        if wanted {
            self.count += 1;
            cbor::uint(&mut self.bytes, number);
            value(&mut self.bytes);
        }
    }
}

fn time(out: &mut Vec<u8>, time: Time) {
    cbor::array(out, 2);
    cbor::int(out, time.secs);
    cbor::uint(out, time.nanos);
}

fn decode_time(from: &mut Reader<'_>) -> Result<Time> {
    from.array_len(2)?;
    Ok(Time { secs: from.int()?, nanos: from.small()? })
}

fn decode_moved(from: &mut Reader<'_>) -> Result<MovedXattr> {
    from.array_len(2)?;
    Ok(MovedXattr { id: ChunkId(from.array_of()?), len: from.small()? })
}

fn decode_map<V>(
    from: &mut Reader<'_>,
    mut value: impl FnMut(&mut Reader<'_>) -> Result<V>,
) -> Result<BTreeMap<Vec<u8>, V>> {
    let mut map = BTreeMap::new();
    for _ in 0..from.map()? {
        let at = from.position();
        let name = from.bytes()?;
        let in_order = map.last_key_value().is_none_or(|(last, _): (&Vec<u8>, _)| **last < *name);
        if name.is_empty() || !in_order {
            return Err(from.corrupt(at, "names of attributes must be there and ascend"));
        }
        map.insert(name.to_vec(), value(from)?);
    }
    Ok(map)
}

fn decode_content(from: &mut Reader<'_>) -> Result<Vec<Extent>> {
    let count = from.array()?;
    let begin = from.position();
    let mut content = Vec::new();
    for _ in 0..count {
        content.push(Extent::decode(from)?);
        if from.position() - begin > CONTENT_MAX {
            let detail =
                format!("extents of more than {CONTENT_MAX} bytes that were not moved out");
            return Err(from.corrupt(begin, detail));
        }
    }
    Ok(content)
}

#[cfg(test)]
pub(super) mod strategies;
#[cfg(test)]
mod tests;
