//! One pack, read whole: its name, stripes, trailer, frames and chunks.
//!
//! Knows a pack and the keys that open it; whether the index agrees is asked by the caller. Its table is read
//! first, and then each byte once, window by window: hashed for the name, for the stripes, and opened while
//! the core has it at hand. What is wrong is told as precisely as the bytes allow: the damaged stripes need no key, the
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

/// How much of a pack's end comes with its footers, in bytes.
const END_BYTES: u64 = 64 << 10;
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
    window: u64,
    decompressor: Decompressor,
    opened: Vec<u8>,
    raw: Vec<u8>,
}

/// The bytes of one pack: all at hand, or its end and what is fetched as it is asked for.
struct PackBytes<'a> {
    repository: &'a Repository,
    key: ObjectKey,
    len: u64,
    /// Where `there` begins.
    start: u64,
    there: Bytes,
}

impl PackBytes<'_> {
    fn read(&self, range: Range<u64>) -> Result<Bytes> {
        match self.at_hand(&range) {
            Some(bytes) => Ok(bytes),
            None => self.repository.io().get_range(&self.key, range),
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
        if self.start == 0 {
            return windows
                .iter()
                .try_for_each(|window| each(window, &self.read(window.range.clone())?));
        }
        let mut read = windows.iter();
        let ranges = windows.iter().map(|window| window.range.clone());
        self.repository.io().each_range(&self.key, ranges, |bytes| {
            read.next().map_or(Ok(()), |window| each(window, &bytes))
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

/// Where a pack's parts are and what opens them.
struct Layout {
    footer: Footer,
    checksums: Option<Vec<u32>>,
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
        compare: impl FnOnce(&Trailer) -> Result<Vec<String>>,
    ) -> Result<PackFindings> {
        let mut findings = PackFindings::default();
        let pack = self.begin(key, size)?;
        if pack.len < (PREAMBLE_LEN + TAIL_LEN) as u64 {
            findings.problems.push(format!("its {} bytes are too few for a pack", pack.len));
            findings.is_lost = true;
            return Ok(findings);
        }
        let layout = read_layout(&pack, &mut findings)?;
        let opened = match layout.as_ref().map(|layout| self.open(&pack, &layout.footer)) {
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
                    self.check_frame(key, opener, frame, sealed, of_frame, &mut of_frames);
                }
            }
            Ok(())
        })?;
        sums.compare(key, layout.as_ref(), &mut findings);
        match opened {
            None => findings.is_lost = true,
            Some(Err(error)) => findings.problems.push(error.to_string()),
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
            return Ok(PackBytes { repository, key, len: there.len() as u64, start: 0, there });
        }
        let start = size.saturating_sub(END_BYTES);
        let there = io.get_range(&key, start..size)?;
        Ok(PackBytes { repository, key, len: size, start, there })
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

/// A frame's bytes in those of its window.
fn within<'b>(bytes: &'b [u8], window: &Range<u64>, frame: &FrameRecord) -> Result<&'b [u8]> {
    let start = usize::try_from(u64::from(frame.offset) - window.start).unwrap_or(usize::MAX);
    let end = start.saturating_add(frame.sealed_len as usize);
    let missing = || Error::new(Kind::Internal, "read", "a frame outside of its window");
    bytes.get(start..end).ok_or_else(missing)
}

/// What all bytes add up to: the hash for the name, and the checksums of the body's stripes.
struct Sums {
    hasher: ContentHasher,
    stripes: Stripes,
    body_left: u64,
}

impl Sums {
    fn new(layout: Option<&Layout>) -> Self {
        let body_left = layout.map_or(0, |layout| layout.footer.body_len);
        Self { hasher: ContentHasher::new(), stripes: Stripes::new(), body_left }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        let of_body = self.body_left.min(bytes.len() as u64);
        self.body_left -= of_body;
        self.stripes.update(&bytes[..usize::try_from(of_body).unwrap_or(bytes.len())]);
    }

    fn compare(self, key: ObjectKey, layout: Option<&Layout>, findings: &mut PackFindings) {
        let body_len = layout.map_or(0, |layout| layout.footer.body_len);
        if let Some(checksums) = layout.and_then(|layout| layout.checksums.as_ref()) {
            let found = self.stripes.finish();
            let damaged: Vec<u64> = (0..)
                .zip(found.iter().zip(checksums))
                .filter(|(_, (found, wanted))| found != wanted)
                .map(|(place, _)| place)
                .collect();
            for stripe in damaged.iter().take(NAMED_MAX) {
                let start = stripe * u64::from(STRIPE_SIZE);
                let end = (start + u64::from(STRIPE_SIZE)).min(body_len);
                findings
                    .problems
                    .push(format!("stripe {stripe} (bytes {start} to {end}) is damaged"));
            }
            if damaged.len() > NAMED_MAX {
                findings.problems.push(format!("{} stripes are damaged in all", damaged.len()));
            }
        }
        let hash = ObjectHash(self.hasher.finish());
        if key.name().is_some_and(|name| name.hash != hash) {
            findings.problems.push("its bytes do not have the hash that its name says".to_owned());
        }
    }
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
