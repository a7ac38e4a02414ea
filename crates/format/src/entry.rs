//! Log entries: what a repository's log is made of, each with a clear signed header and a sealed body.
//!
//! Owns the bytes and which of them are signed. Knows nothing of folding, of roles, nor of whether a signature is good.
//!
//! Invariant: whatever is in an entry is under its signature, the public key included.

mod hold;
mod remark;

use crate::bytes::Fields;
use crate::cbor::{self, Reader};
use crate::id::{LogId, ObjectHash, PublicKey, RunId, SnapshotId};
use crate::index::IdPrefix;
use crate::index::prefix::{decode_prefixes, encode_prefixes};
use crate::key::{ObjectKey, ObjectName};
use crate::locks::LockNote;
use crate::scrub::ScrubNote;
use crate::{Error, Result};

pub use self::hold::Until;
pub use self::remark::{REASON_BYTES_MAX, REMARK_VERSION, Remark};

/// The version of entries that this crate writes.
pub const ENTRY_VERSION: u32 = 1;
/// The longest entry, in bytes: 16 MiB. A longer object occupies its number and means nothing.
pub const LOG_ENTRY_MAX: usize = 16 << 20;
/// What a signature of an entry is over, before its bytes.
pub const SIGNATURE_CONTEXT: &[u8] = b"lifeboat 1 log entry";

pub(crate) const SIGNATURE_LEN: usize = 64;
const MAGIC: &[u8; 8] = b"LBLOGENT";
const WHAT: &str = "log entry";
const HEADER: &str = "log entry header";

/// The numbers of the fields in the encoded header.
mod field {
    pub(super) const LOG: u64 = 0;
    pub(super) const NUMBER: u64 = 1;
    pub(super) const PREVIOUS: u64 = 2;
    pub(super) const KIND: u64 = 3;
    pub(super) const MAY_SKIP: u64 = 4;
    pub(super) const RUN: u64 = 5;
    pub(super) const NONCE: u64 = 6;
    pub(super) const OBJECTS: u64 = 7;
    pub(super) const RELIED: u64 = 8;
    pub(super) const SNAPSHOTS: u64 = 9;
    pub(super) const MERGED: u64 = 10;
    pub(super) const PREFIXES: u64 = 11;
    pub(super) const IDS: u64 = 12;
    pub(super) const UNTIL: u64 = 13;
    pub(super) const TIME: u64 = 14;
    pub(super) const MARK: u64 = 16;
    pub(super) const CLOSES: u64 = 17;
    pub(super) const GONE: u64 = 18;
    pub(super) const SCRUB: u64 = 20;
    pub(super) const LOCKS: u64 = 22;
}

/// What an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogKind {
    /// These objects count, and these snapshots exist.
    Commit,
    /// These snapshots are hidden.
    Forget,
    /// These snapshots are no longer hidden.
    Restore,
    /// These snapshots must stay until a time.
    Hold,
    /// These objects are no longer to be relied on.
    Condemn,
    /// These condemned objects are gone for good.
    Delete,
    /// Keys, roles, epochs, features or parameters change.
    Config,
    /// Something that may be passed over.
    Note,
    /// A kind of a newer version.
    Other(u8),
}

impl LogKind {
    /// The number that stands for it.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Forget => 2,
            Self::Restore => 3,
            Self::Hold => 4,
            Self::Condemn => 5,
            Self::Delete => 6,
            Self::Config => 7,
            Self::Note => 8,
            Self::Other(number) => number,
        }
    }

    /// The kind that `number` stands for.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Commit,
            2 => Self::Forget,
            3 => Self::Restore,
            4 => Self::Hold,
            5 => Self::Condemn,
            6 => Self::Delete,
            7 => Self::Config,
            8 => Self::Note,
            other => Self::Other(other),
        }
    }
}

/// What an object is that a log names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// A data pack.
    Pack = 1,
    /// A tree pack.
    Tree = 2,
    /// An index segment.
    Index = 3,
}

impl ObjectKind {
    /// The object's key.
    #[must_use]
    pub fn key(self, name: ObjectName) -> ObjectKey {
        match self {
            Self::Pack => ObjectKey::Pack(name),
            Self::Tree => ObjectKey::Tree(name),
            Self::Index => ObjectKey::Index(name),
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self> {
        let at = from.position();
        Ok(match from.uint()? {
            1 => Self::Pack,
            2 => Self::Tree,
            3 => Self::Index,
            other => return Err(from.corrupt(at, format!("objects of kind {other}"))),
        })
    }
}

/// An object that a log names. The key is the whole name, upload bytes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListedObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: ObjectName,
    /// Its length in bytes.
    pub size: u64,
}

/// An object that is relied on although it was condemned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReliedObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: ObjectName,
}

/// A snapshot as a log carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSnapshot {
    /// Its id; the sealed snapshot must say the same.
    pub id: SnapshotId,
    /// The envelope that it is sealed in.
    pub sealed: Vec<u8>,
}

/// The clear part of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHeader {
    /// The log that it is in.
    pub log: LogId,
    /// Its number, as in its object key.
    pub number: u64,
    /// BLAKE3 of all bytes of the entry before; zero for the first.
    pub previous: ObjectHash,
    /// What it says.
    pub kind: LogKind,
    /// Whether a reader that does not know the kind may pass over it.
    pub may_skip: bool,
    /// The run that wrote it.
    pub run: RunId,
    /// Random bytes by which a writer knows its own entry again.
    pub nonce: [u8; 16],
    /// Objects that count from here on.
    pub objects: Vec<ListedObject>,
    /// Objects that were condemned at the entry before and are relied on all the same.
    pub relied: Vec<ReliedObject>,
    /// Snapshots that exist from here on.
    pub snapshots: Vec<ListedSnapshot>,
    /// Index segments whose records are all in those that this entry names; mostly none.
    pub merged: Vec<ObjectName>,
    /// For each of the objects, which are index segments then, the ids that it has records of; none where all have
    /// records of any.
    pub prefixes: Vec<IdPrefix>,
    /// The snapshots that a forget, a restore or a hold speaks of.
    pub ids: Vec<SnapshotId>,
    /// Until when those must stay that a hold speaks of, or the snapshots of a commit.
    pub until: Option<Until>,
    /// When its author wrote it, in seconds since 1970, as far as that matters: whether a forget comes too early for a hold.
    pub time: Option<u64>,
    /// Of a `condemn`: the head that its mark was made at.
    pub mark: Option<u64>,
    /// Of a `delete`: the number of the `condemn` that it closes.
    pub closes: Option<u64>,
    /// Snapshots that a `condemn`'s mark took for dead, or that are gone for good by a `delete`.
    pub gone: Vec<SnapshotId>,
    /// What a scrub has found; only notes have it.
    pub scrub: Option<ScrubNote>,
    /// What is locked; only notes have it.
    pub locks: Option<LockNote>,
}

/// An entry as it was read: its signature is not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The clear part.
    pub header: LogHeader,
    /// The envelope of the sealed part; empty when there is none.
    pub body: Vec<u8>,
    /// The key that signed it.
    pub public: PublicKey,
    /// The Ed25519 signature over [`message`](Self::message).
    pub signature: [u8; SIGNATURE_LEN],
}

impl LogHeader {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let optional = [
            !self.merged.is_empty(),
            !self.prefixes.is_empty(),
            !self.ids.is_empty(),
            self.until.is_some(),
            self.time.is_some(),
            self.mark.is_some(),
            self.closes.is_some(),
            !self.gone.is_empty(),
            self.scrub.is_some(),
            self.locks.is_some(),
        ];
        cbor::map(&mut out, 10 + optional.into_iter().filter(|is_there| *is_there).count());
        cbor::uint(&mut out, field::LOG);
        cbor::bytes(&mut out, &self.log.0);
        cbor::uint(&mut out, field::NUMBER);
        cbor::uint(&mut out, self.number);
        cbor::uint(&mut out, field::PREVIOUS);
        cbor::bytes(&mut out, &self.previous.0);
        cbor::uint(&mut out, field::KIND);
        cbor::uint(&mut out, self.kind.number());
        cbor::uint(&mut out, field::MAY_SKIP);
        cbor::boolean(&mut out, self.may_skip);
        cbor::uint(&mut out, field::RUN);
        cbor::bytes(&mut out, &self.run.0);
        cbor::uint(&mut out, field::NONCE);
        cbor::bytes(&mut out, &self.nonce);
        cbor::uint(&mut out, field::OBJECTS);
        encode_listed(&mut out, &self.objects);
        cbor::uint(&mut out, field::RELIED);
        encode_relied(&mut out, &self.relied);
        cbor::uint(&mut out, field::SNAPSHOTS);
        cbor::array(&mut out, self.snapshots.len());
        for snapshot in &self.snapshots {
            cbor::array(&mut out, 2);
            cbor::bytes(&mut out, &snapshot.id.0);
            cbor::bytes(&mut out, &snapshot.sealed);
        }
        if !self.merged.is_empty() {
            cbor::uint(&mut out, field::MERGED);
            encode_segments(&mut out, &self.merged);
        }
        if !self.prefixes.is_empty() {
            cbor::uint(&mut out, field::PREFIXES);
            encode_prefixes(&mut out, &self.prefixes);
        }
        self.encode_keeping(&mut out);
        for (field, number) in [(field::MARK, self.mark), (field::CLOSES, self.closes)] {
            if let Some(number) = number {
                cbor::uint(&mut out, field);
                cbor::uint(&mut out, number);
            }
        }
        if !self.gone.is_empty() {
            cbor::uint(&mut out, field::GONE);
            encode_ids(&mut out, &self.gone);
        }
        if let Some(note) = &self.scrub {
            cbor::uint(&mut out, field::SCRUB);
            note.encode(&mut out);
        }
        if let Some(note) = &self.locks {
            cbor::uint(&mut out, field::LOCKS);
            note.encode(&mut out);
        }
        out
    }

    /// The fields of forget, restore and hold.
    fn encode_keeping(&self, out: &mut Vec<u8>) {
        if !self.ids.is_empty() {
            cbor::uint(out, field::IDS);
            cbor::array(out, self.ids.len());
            for id in &self.ids {
                cbor::bytes(out, &id.0);
            }
        }
        if let Some(until) = self.until {
            cbor::uint(out, field::UNTIL);
            cbor::uint(out, until.number());
        }
        if let Some(time) = self.time {
            cbor::uint(out, field::TIME);
            cbor::uint(out, time);
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut from = Reader::new(HEADER, bytes);
        let pairs = from.map()?;
        let mut next = 0;
        let mut header = Self {
            log: LogId([0; 16]),
            number: 0,
            previous: ObjectHash([0; 32]),
            kind: LogKind::Note,
            may_skip: false,
            run: RunId([0; 16]),
            nonce: [0; 16],
            objects: Vec::new(),
            relied: Vec::new(),
            snapshots: Vec::new(),
            merged: Vec::new(),
            prefixes: Vec::new(),
            ids: Vec::new(),
            until: None,
            time: None,
            mark: None,
            closes: None,
            gone: Vec::new(),
            scrub: None,
            locks: None,
        };
        for _ in 0..pairs {
            let at = from.position();
            let number = from.uint()?;
            // The first ten are all there, in order; what follows may be missing, or of a newer version.
            if number < next || (number > next && next <= field::SNAPSHOTS) {
                return Err(from.corrupt(at, format!("field {number} where {next} must stand")));
            }
            next = number.saturating_add(1);
            header.decode_field(number, &mut from)?;
        }
        if next <= field::SNAPSHOTS {
            return Err(from.corrupt(from.position(), format!("field {next} is missing")));
        }
        from.finish()?;
        Ok(header)
    }

    fn decode_field(&mut self, number: u64, from: &mut Reader<'_>) -> Result<()> {
        match number {
            field::LOG => self.log = LogId(from.array_of()?),
            field::NUMBER => self.number = from.uint()?,
            field::PREVIOUS => self.previous = ObjectHash(from.array_of()?),
            field::KIND => self.kind = LogKind::from_number(from.small()?),
            field::MAY_SKIP => self.may_skip = from.boolean()?,
            field::RUN => self.run = RunId(from.array_of()?),
            field::NONCE => self.nonce = from.array_of()?,
            field::OBJECTS => self.objects = decode_listed(from)?,
            field::RELIED => self.relied = decode_relied(from)?,
            field::SNAPSHOTS => {
                for _ in 0..from.array()? {
                    from.array_len(2)?;
                    let id = SnapshotId(from.array_of()?);
                    self.snapshots.push(ListedSnapshot { id, sealed: from.bytes()?.to_vec() });
                }
            }
            field::MERGED => self.merged = decode_segments(from)?,
            // Of other kinds nobody believes it.
            field::SCRUB if self.kind == LogKind::Note => {
                self.scrub = Some(ScrubNote::decode(from)?);
            }
            field::LOCKS if self.kind == LogKind::Note => {
                self.locks = Some(LockNote::decode(from)?);
            }
            field::PREFIXES => self.prefixes = decode_prefixes(from, self.objects.len())?,
            field::IDS => self.ids = decode_ids(from)?,
            field::UNTIL => self.until = Some(Until::from_number(from.uint()?)),
            field::TIME => self.time = Some(from.uint()?),
            field::MARK => self.mark = Some(from.uint()?),
            field::CLOSES => self.closes = Some(from.uint()?),
            field::GONE => self.gone = decode_ids(from)?,
            _ => from.skip()?,
        }
        Ok(())
    }
}

impl LogEntry {
    /// All bytes of an entry up to its signature.
    #[must_use]
    pub fn unsigned(header: &LogHeader, body: &[u8], public: &PublicKey) -> Vec<u8> {
        let header = header.encode();
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut out = Vec::with_capacity(128 + header.len() + body.len());
        out.extend(MAGIC);
        out.extend(ENTRY_VERSION.to_le_bytes());
        out.extend(len(&header));
        out.extend(&header);
        out.extend(len(body));
        out.extend(body);
        out.extend(public.0);
        out
    }

    /// What is signed: the context and the bytes of [`unsigned`](Self::unsigned).
    #[must_use]
    pub fn message(unsigned: &[u8]) -> Vec<u8> {
        [SIGNATURE_CONTEXT, unsigned].concat()
    }

    /// The object's bytes, given the signature of [`message`](Self::message).
    ///
    /// # Errors
    /// `Invalid` when they are more than [`LOG_ENTRY_MAX`].
    pub fn assemble(mut unsigned: Vec<u8>, signature: &[u8; SIGNATURE_LEN]) -> Result<Vec<u8>> {
        unsigned.extend(signature);
        if unsigned.len() > LOG_ENTRY_MAX {
            let detail = format!("{} bytes are more than {LOG_ENTRY_MAX}", unsigned.len());
            return Err(Error::invalid(WHAT, detail));
        }
        Ok(unsigned)
    }

    /// The entry that `bytes` are. Its signature must still be checked, over [`signed_part`](Self::signed_part).
    ///
    /// # Errors
    /// `Unsupported` for a newer version, `Corrupt` when the bytes are no entry.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > LOG_ENTRY_MAX {
            let detail = format!("{} bytes are more than {LOG_ENTRY_MAX}", bytes.len());
            return Err(Error::corrupt(WHAT, detail));
        }
        let mut fields = Fields::new(WHAT, bytes);
        fields.magic(MAGIC)?;
        fields.version(ENTRY_VERSION)?;
        let len = fields.u32()? as usize;
        let header = LogHeader::decode(fields.take(len)?)?;
        let len = fields.u32()? as usize;
        let body = fields.take(len)?.to_vec();
        let (public, signature) = (PublicKey(fields.array()?), fields.array()?);
        fields.finish()?;
        Ok(Self { header, body, public, signature })
    }

    /// The bytes of `entry`, a whole object, that [`message`](Self::message) is made of.
    #[must_use]
    pub fn signed_part(entry: &[u8]) -> &[u8] {
        &entry[..entry.len().saturating_sub(SIGNATURE_LEN)]
    }
}

pub(crate) fn encode_name(out: &mut Vec<u8>, kind: ObjectKind, name: &ObjectName) {
    cbor::uint(out, kind as u8);
    cbor::bytes(out, &name.hash.0);
    cbor::bytes(out, &name.upload);
}

pub(crate) fn decode_name(from: &mut Reader<'_>) -> Result<(ObjectKind, ObjectName)> {
    let kind = ObjectKind::decode(from)?;
    let name = ObjectName { hash: ObjectHash(from.array_of()?), upload: from.array_of()? };
    Ok((kind, name))
}

pub(crate) fn encode_listed(out: &mut Vec<u8>, objects: &[ListedObject]) {
    cbor::array(out, objects.len());
    for object in objects {
        cbor::array(out, 4);
        encode_name(out, object.kind, &object.name);
        cbor::uint(out, object.size);
    }
}

pub(crate) fn decode_listed(from: &mut Reader<'_>) -> Result<Vec<ListedObject>> {
    let mut objects = Vec::new();
    for _ in 0..from.array()? {
        from.array_len(4)?;
        let (kind, name) = decode_name(from)?;
        objects.push(ListedObject { kind, name, size: from.uint()? });
    }
    Ok(objects)
}

pub(crate) fn encode_relied(out: &mut Vec<u8>, objects: &[ReliedObject]) {
    cbor::array(out, objects.len());
    for object in objects {
        cbor::array(out, 3);
        encode_name(out, object.kind, &object.name);
    }
}

pub(crate) fn decode_relied(from: &mut Reader<'_>) -> Result<Vec<ReliedObject>> {
    let mut objects = Vec::new();
    for _ in 0..from.array()? {
        from.array_len(3)?;
        let (kind, name) = decode_name(from)?;
        objects.push(ReliedObject { kind, name });
    }
    Ok(objects)
}

pub(crate) fn encode_ids(out: &mut Vec<u8>, ids: &[SnapshotId]) {
    cbor::array(out, ids.len());
    for id in ids {
        cbor::bytes(out, &id.0);
    }
}

pub(crate) fn decode_ids(from: &mut Reader<'_>) -> Result<Vec<SnapshotId>> {
    let mut ids = Vec::new();
    for _ in 0..from.array()? {
        ids.push(SnapshotId(from.array_of()?));
    }
    Ok(ids)
}

/// Names of objects whose kind goes without saying: index segments.
pub(crate) fn encode_segments(out: &mut Vec<u8>, names: &[ObjectName]) {
    cbor::array(out, names.len());
    for name in names {
        cbor::array(out, 2);
        cbor::bytes(out, &name.hash.0);
        cbor::bytes(out, &name.upload);
    }
}

pub(crate) fn decode_segments(from: &mut Reader<'_>) -> Result<Vec<ObjectName>> {
    let mut names = Vec::new();
    for _ in 0..from.array()? {
        from.array_len(2)?;
        names.push(ObjectName { hash: ObjectHash(from.array_of()?), upload: from.array_of()? });
    }
    Ok(names)
}

#[cfg(test)]
pub(crate) mod tests;
