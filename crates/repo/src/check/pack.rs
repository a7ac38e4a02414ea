//! One pack, read whole: its name, stripes, trailer, frames and chunks.
//!
//! Knows a pack and the keys that open it; whether the index agrees is asked by the caller. Its table is read
//! first, and then each byte once, window by window: hashed for the name, for the stripes, and opened while
//! the core has it at hand. What is wrong is told as precisely as the bytes allow: the damaged stripes need no key, the
//! frames behind them name the chunks that are lost. A pack that its own parity makes whole is read once more as that
//! makes it, and only what is wrong with it then is lost.

use std::ops::Range;

use bytes::Bytes;
use lifeboat_codec::compress::Decompressor;
use lifeboat_codec::seal::{NO_EXTRA, ObjectOpener};
use lifeboat_format::envelope::{ObjectType, PREAMBLE_LEN, Preamble, Role};
use lifeboat_format::id::ChunkId;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::pack::{ChunkRecord, Footer, FrameRecord, TAIL_LEN, Trailer, TrailerHeader};

use crate::check::stripes::{Sums, read_layout, stripe_problems};
use crate::error::{Error, Kind, Result};
use crate::keyring::Keyring;
use crate::mend::{self, Patch};
use crate::open::Repository;
use crate::reader::ChunkKind;

/// How much of a pack's end comes with its footers, in bytes.
const END_BYTES: u64 = 64 << 10;
/// What a damaged pack may take of memory while its parity is worked on, at least, in bytes.
const MEND_BYTES: u64 = 8 << 20;
/// What is said of a pack that its own parity makes whole.
const MENDED: &str = "its own parity makes it whole again (`lifeboat heal`)";
/// What is said of a pack of which only one copy of its tables or footers is damaged.
const END_MENDED: &str =
    "the other copy of its table and footer makes it whole again (`lifeboat heal`)";
/// Damaged stripes or frames of one pack that are named; any more are only counted.
pub(super) const NAMED_MAX: usize = 8;

/// What reading a pack found.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a finding of its own")]
pub(crate) struct PackFindings {
    /// What is wrong with it.
    pub(crate) problems: Vec<String>,
    /// Chunks of it that can't be had from it.
    pub(crate) lost: Vec<ChunkId>,
    /// Whether nothing can be had from it.
    pub(crate) is_lost: bool,
    /// Whether its table can't be read, so that only an index says which of its chunks can't be had.
    pub(crate) is_unlisted: bool,
    /// Chunks that are what their ids say.
    pub(crate) verified: u64,
    /// Whether there was a key to look into it with.
    pub(crate) is_opened: bool,
    /// The stripes that do not have the checksum that they should.
    pub(crate) damaged: Vec<u64>,
    /// Whether its own parity, or the other copy of its table and footer, makes it whole again, and nothing else is wrong.
    pub(crate) is_mended: bool,
}

impl PackFindings {
    /// Whether something is wrong, and with nothing but what is behind body and parity, as far as that can be told.
    fn is_of_the_end(&self) -> bool {
        !self.problems.is_empty()
            && self.damaged.is_empty()
            && self.lost.is_empty()
            && !self.is_lost
            && !self.is_unlisted
    }
}

/// Reads packs one after another; each thread has one of its own.
pub(crate) struct PackChecker<'a> {
    repository: &'a Repository,
    whole_max: u64,
    window: u64,
    decompressor: Decompressor,
    opened: Vec<u8>,
    raw: Vec<u8>,
}

/// The bytes of one pack: all at hand, or its end and what is fetched as it is asked for.
pub(super) struct PackBytes<'a> {
    repository: &'a Repository,
    key: ObjectKey,
    pub(super) len: u64,
    /// Where `there` begins.
    start: u64,
    there: Bytes,
    /// What is put in place of damaged bytes.
    patch: Option<Patch>,
}

impl PackBytes<'_> {
    pub(super) fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let read = |range| match self.at_hand(&range) {
            Some(bytes) => Ok(bytes),
            None => self.repository.io().get_range(&self.key, range),
        };
        match &self.patch {
            Some(patch) => patch.read(range, read),
            None => read(range),
        }
    }

    fn at_hand(&self, range: &Range<u64>) -> Option<Bytes> {
        let place = |at: u64| at.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        let range = place(range.start)?..place(range.end)?;
        self.there.get(range.clone()).map(|_| self.there.slice(range))
    }

    /// Calls `each` with the bytes of every window, one after another.
    fn each(
        &self,
        windows: &[Window],
        mut each: impl FnMut(&Window, &Bytes) -> Result<()>,
    ) -> Result<()> {
        // What is damaged is perhaps not to be read at all.
        if self.start == 0 || self.patch.is_some() {
            return windows
                .iter()
                .try_for_each(|window| each(window, &self.read(window.range.clone())?));
        }
        let mut read = windows.iter();
        let ranges = windows.iter().map(|window| window.range.clone());
        self.repository.io().each_range(&self.key, ranges, |bytes| {
            let Some(window) = read.next() else { return Ok(()) };
            each(window, &bytes)
        })
    }
}

/// A stretch that is read at once, and which frames lie in it.
#[derive(Debug, PartialEq, Eq)]
struct Window {
    range: Range<u64>,
    frames: Range<usize>,
}

/// All bytes of a pack of this length, frames whole, each stretch about as long as `bytes` or as a frame.
fn windows(len: u64, frames: &[FrameRecord], bytes: u64) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    let (mut start, mut first) = (0, 0);
    let mut push = |start: &mut u64, end: u64, first: &mut usize, next: usize| {
        windows.push(Window { range: *start..end, frames: *first..next });
        (*start, *first) = (end, next);
    };
    for (place, frame) in frames.iter().enumerate() {
        // No frame is promised to be near the one before it.
        while u64::from(frame.offset) - start > bytes {
            let end = start + bytes;
            push(&mut start, end, &mut first, place);
        }
        let end = u64::from(frame.offset) + u64::from(frame.sealed_len);
        if end - start >= bytes {
            push(&mut start, end, &mut first, place + 1);
        }
    }
    while start < len {
        let end = len.min(start + bytes);
        push(&mut start, end, &mut first, frames.len());
    }
    windows
}

impl<'a> PackChecker<'a> {
    /// A checker that fetches packs of up to `whole_max` bytes with one request and holds them in memory, and
    /// larger ones in windows of `window` bytes.
    pub(super) fn new(repository: &'a Repository, whole_max: u64, window: u64) -> Self {
        Self {
            repository,
            whole_max,
            window,
            decompressor: Decompressor::default(),
            opened: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// The repository that is read.
    pub(super) fn repository(&self) -> &'a Repository {
        self.repository
    }

    /// Reads the pack `key` of `size` bytes; `compare` is given its table, and may find fault.
    ///
    /// # Errors
    /// The store's, where they say nothing of the pack, and those of `compare`.
    pub(super) fn read(
        &mut self,
        key: ObjectKey,
        size: u64,
        compare: impl Fn(&Trailer) -> Result<Vec<String>>,
    ) -> Result<PackFindings> {
        let mut pack = self.begin(key, size)?;
        let found = match self.read_once(&pack, &compare) {
            Ok(found) if !found.damaged.is_empty() => Ok(found),
            Ok(found) if found.is_of_the_end() => {
                return Ok(self.with_end_mended(key, size, found));
            }
            Err(error) if error.is_unreadable() => Err(error),
            done => return done,
        };
        let memory = self.whole_max.max(MEND_BYTES);
        let patch = match mend::mend(self.repository.io(), key, size, memory) {
            Ok(patch) => patch,
            Err(error) => {
                tracing::debug!(%error, "parity does not help");
                return found;
            }
        };
        let damaged = patch.stripes().to_vec();
        pack.patch = Some(patch);
        let mut mended = self.read_once(&pack, &compare)?;
        let is_mended = mended.problems.is_empty()
            || mended.is_of_the_end() && mend::whole(self.repository.io(), key, size).is_ok();
        let mut problems = stripe_problems(&damaged, read_layout(&pack)?.0.as_ref());
        problems.push(MENDED.to_owned());
        problems.append(&mut mended.problems);
        limit(&mut problems);
        Ok(PackFindings { problems, damaged, is_mended, ..mended })
    }

    /// What was found of a pack of which only one copy of its tables or footers may be damaged: the other makes it whole.
    fn with_end_mended(&self, key: ObjectKey, size: u64, mut found: PackFindings) -> PackFindings {
        match mend::whole(self.repository.io(), key, size) {
            Ok(_) => {
                found.problems.push(END_MENDED.to_owned());
                found.is_mended = true;
            }
            Err(error) => tracing::debug!(%error, "the other copy does not help"),
        }
        found
    }

    /// Reads all bytes of the pack once, as they are or as its patch makes them.
    fn read_once(
        &mut self,
        pack: &PackBytes<'_>,
        compare: &impl Fn(&Trailer) -> Result<Vec<String>>,
    ) -> Result<PackFindings> {
        let mut findings = PackFindings::default();
        if pack.len < (PREAMBLE_LEN + TAIL_LEN) as u64 {
            findings.problems.push(format!("its {} bytes are too few for a pack", pack.len));
            findings.is_lost = true;
            return Ok(findings);
        }
        let (layout, problems) = read_layout(pack)?;
        findings.problems = problems;
        // Without its key a pack is verified by its name and its stripes.
        let keyring = self.repository.keyring();
        findings.is_opened = keyring.has_key_of(object_type(&pack.key));
        let layout_to_open = layout.as_ref().filter(|_| findings.is_opened);
        let opened = match layout_to_open.map(|layout| self.open(pack, &layout.footer)) {
            Some(Err(error)) if is_of_the_store(&error) => return Err(error),
            opened => opened,
        };
        let table = opened.as_ref().and_then(|opened| opened.as_ref().ok());
        let frames = table.map_or(&[][..], |(_, trailer)| trailer.frames.as_slice());
        let mut chunks = table.map_or(&[][..], |(_, trailer)| trailer.chunks.as_slice());
        let mut sums = Sums::new(layout.as_ref());
        let mut of_frames = PackFindings::default();
        pack.each(&windows(pack.len, frames, self.window), |window, bytes| {
            sums.update(bytes);
            for place in window.frames.clone() {
                let end = chunks.partition_point(|chunk| chunk.frame as usize <= place);
                let (of_frame, rest) = chunks.split_at(end);
                chunks = rest;
                if let Some((opener, trailer)) = table {
                    let frame = &trailer.frames[place];
                    let sealed = within(bytes, &window.range, frame)?;
                    self.check_frame(pack.key, opener, frame, sealed, of_frame, &mut of_frames);
                }
            }
            Ok(())
        })?;
        sums.compare(pack.key, layout.as_ref(), &mut findings);
        match opened {
            None => {
                findings.is_unlisted = layout.is_none() && findings.is_opened;
                findings.is_lost = layout.is_none() && !findings.is_opened;
            }
            Some(Err(error)) => {
                findings.is_unlisted = true;
                findings.problems.push(error.to_string());
            }
            Some(Ok((_, trailer))) => {
                findings.problems.append(&mut of_frames.problems);
                findings.lost = of_frames.lost;
                findings.verified = of_frames.verified;
                findings.problems.extend(compare(&trailer)?);
                limit(&mut findings.problems);
            }
        }
        Ok(findings)
    }

    /// Fetches all of a small pack, or the end of it.
    fn begin(&self, key: ObjectKey, size: u64) -> Result<PackBytes<'a>> {
        let (repository, io) = (self.repository, self.repository.io());
        if size <= self.whole_max {
            let there = io.get(&key)?;
            return Ok(PackBytes {
                repository,
                key,
                len: there.len() as u64,
                start: 0,
                there,
                patch: None,
            });
        }
        let start = size.saturating_sub(END_BYTES);
        let there = io.get_range(&key, start..size)?;
        Ok(PackBytes { repository, key, len: size, start, there, patch: None })
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

    fn check_frame(
        &mut self,
        key: ObjectKey,
        opener: &ObjectOpener,
        frame: &FrameRecord,
        sealed: &[u8],
        chunks: &[ChunkRecord],
        findings: &mut PackFindings,
    ) {
        if let Err(reason) = self.open_frame(opener, frame, sealed) {
            let start = u64::from(frame.offset);
            let end = start + u64::from(frame.sealed_len);
            findings.lost.extend(chunks.iter().map(|chunk| chunk.id));
            findings.problems.push(format!(
                "frame {} (bytes {start} to {end}, {} chunks) {reason}",
                frame.number,
                chunks.len()
            ));
            return;
        }
        let is_tree = matches!(key, ObjectKey::Tree(_));
        for chunk in chunks {
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

    /// Leaves the frame's plaintext in `raw`.
    fn open_frame(
        &mut self,
        opener: &ObjectOpener,
        frame: &FrameRecord,
        sealed: &[u8],
    ) -> Result<(), String> {
        opener
            .open_into(Role::Frame, u64::from(frame.number), &NO_EXTRA, sealed, &mut self.opened)
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
    let object_type = object_type(&key);
    let preamble = Preamble::decode(bytes).map_err(|cause| Error::format(OPERATION, key, cause))?;
    let role_key = keyring
        .role_key(object_type, preamble.epoch)
        .map_err(|cause| Error::new(cause.kind(), OPERATION, key).because(cause))?;
    // The keys opened the repository, so what does not fit is the pack.
    ObjectOpener::new(role_key, object_type, keyring.repository(), &preamble)
        .map_err(|cause| Error::new(Kind::Corrupt, OPERATION, key).because(cause))
}

fn object_type(key: &ObjectKey) -> ObjectType {
    match key {
        ObjectKey::Tree(_) => ObjectType::TreePack,
        _ => ObjectType::DataPack,
    }
}

/// What a pack of `size` bytes says of itself, read by `read`: its preamble, its footer and its table of contents.
///
/// # Errors
/// [`Kind::Corrupt`] where it does not say it, those of `read`, and what the keyring lacks.
pub(crate) fn read_contents(
    keyring: &Keyring,
    key: ObjectKey,
    size: u64,
    read: impl Fn(Range<u64>) -> Result<Bytes>,
) -> Result<(Preamble, Footer, Trailer)> {
    const OPERATION: &str = "read";
    if size < (PREAMBLE_LEN + TAIL_LEN) as u64 {
        let reason = format!("its {size} bytes are too few for a pack");
        return Err(Error::new(Kind::Corrupt, OPERATION, key).because(reason));
    }
    let of_format = |cause| Error::format(OPERATION, key, cause);
    let tail = read(size - TAIL_LEN as u64..size)?;
    let footer = Footer::parse(&tail, size).map_err(of_format)?;
    let head = read(0..PREAMBLE_LEN as u64)?;
    let preamble = Preamble::decode(&head).map_err(of_format)?;
    let opener = open_pack(keyring, key, &head)?;
    let sealed = read(footer.trailer_range())?;
    let decompressor = &mut Decompressor::new();
    let trailer = read_trailer(key, &opener, &sealed, footer.trailer_offset, decompressor)?;
    Ok((preamble, footer, trailer))
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

/// A frame's bytes in those of its window.
fn within<'b>(bytes: &'b [u8], window: &Range<u64>, frame: &FrameRecord) -> Result<&'b [u8]> {
    let start = usize::try_from(u64::from(frame.offset) - window.start).unwrap_or(usize::MAX);
    let end = start.saturating_add(frame.sealed_len as usize);
    let missing = || Error::new(Kind::Internal, "read", "a frame outside of its window");
    bytes.get(start..end).ok_or_else(missing)
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

#[cfg(test)]
mod tests {
    use lifeboat_format::Codec;

    use super::*;

    #[test]
    fn windows_are_all_of_a_pack_and_cut_no_frame() {
        let frame = |offset, sealed_len| FrameRecord {
            number: offset,
            offset,
            sealed_len,
            raw_len: 50,
            codec: Codec::Stored,
        };
        let of = |frames: &[FrameRecord], len| -> Vec<(Range<u64>, Range<usize>)> {
            windows(len, frames, 100)
                .into_iter()
                .map(|window| (window.range, window.frames))
                .collect()
        };
        assert_eq!(of(&[], 250), [(0..100, 0..0), (100..200, 0..0), (200..250, 0..0)]);
        let near = [frame(10, 30), frame(40, 30), frame(70, 40), frame(110, 300), frame(410, 5)];
        assert_eq!(of(&near, 500), [(0..110, 0..3), (110..410, 3..4), (410..500, 4..5)]);
        // Nothing makes a window longer than a frame and what is before it.
        let far = [frame(10, 30), frame(350, 20), frame(380, 20)];
        assert_eq!(
            of(&far, 401),
            [
                (0..100, 0..1),
                (100..200, 1..1),
                (200..300, 1..1),
                (300..400, 1..3),
                (400..401, 3..3)
            ]
        );
    }
}
