//! One pack, read whole: its name, stripes, trailer, frames and chunks.
//!
//! Knows a pack and the keys that open it; whether the index agrees is asked by the caller, chunk by
//! chunk. What is wrong is told as precisely as the bytes allow: the damaged stripes need no key, the
//! frames behind them name the chunks that are lost.

use std::ops::Range;

use bytes::Bytes;
use lifeboat_codec::compress::Decompressor;
use lifeboat_codec::hash::ContentHasher;
use lifeboat_codec::seal::{NO_EXTRA, ObjectOpener};
use lifeboat_format::envelope::{ObjectType, PREAMBLE_LEN, Preamble, Role};
use lifeboat_format::id::{ChunkId, ObjectHash};
use lifeboat_format::key::ObjectKey;
use lifeboat_format::pack::{
    ChunkRecord, Footer, FrameRecord, STRIPE_SIZE, Stripes, TAIL_LEN, Trailer, TrailerHeader,
    parse_stripes,
};

use crate::error::{Error, Kind, Result};
use crate::keyring::Keyring;
use crate::open::Repository;
use crate::reader::ChunkKind;

/// How much of a pack is hashed at once, in bytes.
const WINDOW_BYTES: u64 = 4 << 20;
/// Damaged stripes or frames of one pack that are named; any more are only counted.
const NAMED_MAX: usize = 8;

/// What reading a pack found.
#[derive(Debug, Default)]
pub(super) struct PackFindings {
    /// What is wrong with it.
    pub(super) problems: Vec<String>,
    /// Chunks of it that can't be had from it.
    pub(super) lost: Vec<ChunkId>,
    /// Whether nothing can be had from it.
    pub(super) is_lost: bool,
    /// Chunks that are what their ids say.
    pub(super) verified: u64,
}

/// Reads packs one after another; each thread has one of its own.
pub(super) struct PackChecker<'a> {
    repository: &'a Repository,
    whole_max: u64,
    decompressor: Decompressor,
    opened: Vec<u8>,
    raw: Vec<u8>,
}

/// The bytes of one pack: all at hand, or fetched as they are asked for.
struct PackBytes<'a> {
    repository: &'a Repository,
    key: ObjectKey,
    len: u64,
    whole: Option<Bytes>,
}

impl PackBytes<'_> {
    fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let Some(whole) = &self.whole else {
            return self.repository.io().get_range(&self.key, range);
        };
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let range = place(range.start)..place(range.end);
        match whole.get(range.clone()) {
            Some(_) => Ok(whole.slice(range)),
            None => Err(Error::new(Kind::Corrupt, "read", self.key).because("it is too short")),
        }
    }
}

/// Where a pack's parts are and what opens them.
struct Layout {
    footer: Footer,
    checksums: Option<Vec<u32>>,
}

impl<'a> PackChecker<'a> {
    /// A checker that holds packs of up to `whole_max` bytes in memory, and reads larger ones twice.
    pub(super) fn new(repository: &'a Repository, whole_max: u64) -> Self {
        Self {
            repository,
            whole_max,
            decompressor: Decompressor::default(),
            opened: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// The repository that is read.
    pub(super) fn repository(&self) -> &'a Repository {
        self.repository
    }

    /// Reads the pack `key` of `size` bytes; `each` is asked about every chunk that it has, with its
    /// frame, and may find fault.
    ///
    /// # Errors
    /// The store's, where they say nothing of the pack, and those of `each`.
    pub(super) fn read(
        &mut self,
        key: ObjectKey,
        size: u64,
        mut each: impl FnMut(&ChunkRecord, &FrameRecord) -> Result<Option<String>>,
    ) -> Result<PackFindings> {
        let mut findings = PackFindings::default();
        let whole =
            if size <= self.whole_max { Some(self.repository.io().get(&key)?) } else { None };
        let len = whole.as_ref().map_or(size, |whole| whole.len() as u64);
        let pack = PackBytes { repository: self.repository, key, len, whole };
        if len < (PREAMBLE_LEN + TAIL_LEN) as u64 {
            findings.problems.push(format!("its {len} bytes are too few for a pack"));
            findings.is_lost = true;
            return Ok(findings);
        }
        let layout = read_layout(&pack, &mut findings)?;
        check_bytes(&pack, layout.as_ref(), &mut findings)?;
        let Some(layout) = layout else {
            findings.is_lost = true;
            return Ok(findings);
        };
        let (opener, trailer) = match self.open(&pack, &layout.footer) {
            Ok(opened) => opened,
            Err(error) if is_of_the_store(&error) => return Err(error),
            Err(error) => {
                findings.problems.push(error.to_string());
                return Ok(findings);
            }
        };
        self.check_frames(&pack, &opener, &trailer, &mut findings)?;
        for chunk in &trailer.chunks {
            let frame = &trailer.frames[chunk.frame as usize];
            if let Some(fault) = each(chunk, frame)? {
                findings.problems.push(fault);
            }
        }
        limit(&mut findings.problems);
        Ok(findings)
    }

    fn open(&mut self, pack: &PackBytes<'_>, footer: &Footer) -> Result<(ObjectOpener, Trailer)> {
        let opener =
            open_pack(self.repository.keyring(), pack.key, &pack.read(0..PREAMBLE_LEN as u64)?)?;
        let trailer = self.open_trailer(pack, &opener, footer)?;
        Ok((opener, trailer))
    }

    fn open_trailer(
        &mut self,
        pack: &PackBytes<'_>,
        opener: &ObjectOpener,
        footer: &Footer,
    ) -> Result<Trailer> {
        let sealed = pack.read(footer.trailer_range())?;
        read_trailer(pack.key, opener, &sealed, footer.trailer_offset, &mut self.decompressor)
    }

    fn check_frames(
        &mut self,
        pack: &PackBytes<'_>,
        opener: &ObjectOpener,
        trailer: &Trailer,
        findings: &mut PackFindings,
    ) -> Result<()> {
        let is_tree = matches!(pack.key, ObjectKey::Tree(_));
        let mut chunks = trailer.chunks.as_slice();
        for (place, frame) in trailer.frames.iter().enumerate() {
            let end = chunks.partition_point(|chunk| chunk.frame as usize <= place);
            let (of_frame, rest) = chunks.split_at(end);
            chunks = rest;
            let start = u64::from(frame.offset);
            let stop = start + u64::from(frame.sealed_len);
            let sealed = pack.read(start..stop)?;
            if let Err(reason) = self.open_frame(opener, frame, &sealed) {
                findings.lost.extend(of_frame.iter().map(|chunk| chunk.id));
                findings.problems.push(format!(
                    "frame {} (bytes {start} to {stop}, {} chunks) {reason}",
                    frame.number,
                    of_frame.len()
                ));
                continue;
            }
            for chunk in of_frame {
                if is_chunk(self.repository.keyring(), is_tree, chunk, &self.raw) {
                    findings.verified += 1;
                } else {
                    findings.lost.push(chunk.id);
                    findings.problems.push(format!(
                        "chunk {} in frame {} has bytes of another id",
                        chunk.id, frame.number
                    ));
                }
            }
        }
        Ok(())
    }

    /// Leaves the frame's plaintext in `raw`.
    fn open_frame(
        &mut self,
        opener: &ObjectOpener,
        frame: &FrameRecord,
        sealed: &[u8],
    ) -> Result<(), String> {
        self.opened.clear();
        self.opened.extend_from_slice(sealed);
        opener
            .open_in_place(Role::Frame, u64::from(frame.number), &NO_EXTRA, &mut self.opened)
            .map_err(|cause| format!("does not open: {cause}"))?;
        self.raw.clear();
        self.decompressor
            .decompress(frame.codec, &self.opened, frame.raw_len as usize, &mut self.raw)
            .map_err(|cause| format!("does not inflate: {cause}"))
    }
}

/// What opens the parts of the pack that begins with `bytes`.
pub(crate) fn open_pack(keyring: &Keyring, key: ObjectKey, bytes: &[u8]) -> Result<ObjectOpener> {
    const OPERATION: &str = "open";
    let object_type = match key {
        ObjectKey::Tree(_) => ObjectType::TreePack,
        _ => ObjectType::DataPack,
    };
    let preamble = Preamble::decode(bytes).map_err(|cause| Error::format(OPERATION, key, cause))?;
    let role_key = keyring
        .role_key(object_type, preamble.epoch)
        .map_err(|cause| Error::new(cause.kind(), OPERATION, key).because(cause))?;
    // The keys opened the repository, so what does not fit is the pack.
    ObjectOpener::new(role_key, object_type, keyring.repository(), &preamble)
        .map_err(|cause| Error::new(Kind::Corrupt, OPERATION, key).because(cause))
}

/// The table of contents from its sealed bytes, which begin at `offset` in the pack.
pub(crate) fn read_trailer(
    key: ObjectKey,
    opener: &ObjectOpener,
    sealed: &[u8],
    offset: u64,
    decompressor: &mut Decompressor,
) -> Result<Trailer> {
    const OPERATION: &str = "read the trailer of";
    let plaintext = opener
        .open(Role::Trailer, 0, &NO_EXTRA, sealed)
        .map_err(|cause| Error::codec(OPERATION, key, cause))?;
    let (header, packed) =
        TrailerHeader::decode(&plaintext).map_err(|cause| Error::format(OPERATION, key, cause))?;
    let mut table = Vec::new();
    decompressor
        .decompress(packed.codec, packed.rest, packed.raw_len as usize, &mut table)
        .map_err(|cause| Error::codec(OPERATION, key, cause))?;
    Trailer::decode_table(header, &table, offset)
        .map_err(|cause| Error::format(OPERATION, key, cause))
}

fn read_layout(pack: &PackBytes<'_>, findings: &mut PackFindings) -> Result<Option<Layout>> {
    let tail = pack.read(pack.len - TAIL_LEN as u64..pack.len)?;
    let [first, last] = Footer::parse_both(&tail, pack.len);
    let footer = match (first, last) {
        (Ok(first), Ok(last)) => {
            if first != last {
                findings.problems.push("its two footers differ".to_owned());
            }
            last
        }
        (Err(cause), Ok(whole)) | (Ok(whole), Err(cause)) => {
            findings.problems.push(format!("one of its footers is damaged: {cause}"));
            whole
        }
        (Err(_), Err(cause)) => {
            findings.problems.push(format!("both of its footers are damaged: {cause}"));
            return Ok(None);
        }
    };
    let tables = pack.read(footer.stripes_range())?;
    let (one, other) = tables.split_at(tables.len() / 2);
    if one != other {
        findings.problems.push("its two tables of stripe checksums differ".to_owned());
    }
    let checksums = parse_stripes(&tables, &footer);
    if let Err(cause) = &checksums {
        findings.problems.push(cause.to_string());
    }
    Ok(Some(Layout { footer, checksums: checksums.ok() }))
}

/// Compares all bytes with the name, and the body with its stripe checksums.
fn check_bytes(
    pack: &PackBytes<'_>,
    layout: Option<&Layout>,
    findings: &mut PackFindings,
) -> Result<()> {
    let mut hasher = ContentHasher::new();
    let mut stripes = Stripes::new();
    let body_len = layout.map_or(0, |layout| layout.footer.body_len);
    let mut start = 0;
    while start < pack.len {
        let end = (start + WINDOW_BYTES).min(pack.len);
        let bytes = pack.read(start..end)?;
        hasher.update(&bytes);
        let of_body = body_len.saturating_sub(start).min(end - start);
        stripes.update(&bytes[..usize::try_from(of_body).unwrap_or(bytes.len())]);
        start = end;
    }
    if let Some(checksums) = layout.and_then(|layout| layout.checksums.as_ref()) {
        let found = stripes.finish();
        let damaged: Vec<u64> = (0..)
            .zip(found.iter().zip(checksums))
            .filter(|(_, (found, wanted))| found != wanted)
            .map(|(place, _)| place)
            .collect();
        for stripe in damaged.iter().take(NAMED_MAX) {
            let start = stripe * u64::from(STRIPE_SIZE);
            let end = (start + u64::from(STRIPE_SIZE)).min(body_len);
            findings.problems.push(format!("stripe {stripe} (bytes {start} to {end}) is damaged"));
        }
        if damaged.len() > NAMED_MAX {
            findings.problems.push(format!("{} stripes are damaged in all", damaged.len()));
        }
    }
    let hash = ObjectHash(hasher.finish());
    if pack.key.name().is_some_and(|name| name.hash != hash) {
        findings.problems.push("its bytes do not have the hash that its name says".to_owned());
    }
    Ok(())
}

fn is_chunk(keyring: &Keyring, is_tree: bool, chunk: &ChunkRecord, frame: &[u8]) -> bool {
    let start = chunk.offset as usize;
    let bytes = start
        .checked_add(chunk.length as usize)
        .and_then(|end| frame.get(start..end))
        .unwrap_or_default();
    let kinds: &[ChunkKind] =
        if is_tree { &[ChunkKind::Node, ChunkKind::Meta] } else { &[ChunkKind::Data] };
    kinds.iter().any(|kind| kind.id(keyring.ids(), bytes) == chunk.id)
}

/// Whether an error says nothing about the pack itself.
fn is_of_the_store(error: &Error) -> bool {
    !matches!(error.kind(), Kind::Corrupt | Kind::Unsupported | Kind::NotFound)
}

fn limit(problems: &mut Vec<String>) {
    let more = problems.len().saturating_sub(3 * NAMED_MAX);
    if more > 0 {
        problems.truncate(3 * NAMED_MAX);
        problems.push(format!("and {more} more problems of this pack"));
    }
}
