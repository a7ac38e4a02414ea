//! One file's content in order, with the chunks of what comes next on their way.
//!
//! For whoever can't choose the order: a pipe, an archive, a device. Every chunk's id is computed again, and the
//! content's BLAKE3 where the entry has one: a mismatch is the last thing that is given.

use std::collections::VecDeque;
use std::io::{self, Write};

use bytes::Bytes;
use lifeboat_codec::hash::ContentHasher;
use lifeboat_format::tree::{Entry, Extent};
use lifeboat_repo as repo;
use lifeboat_repo::reader::{ChunkKind, Reader};
use lifeboat_repo::tree::ChunkSource as _;
use lifeboat_repo::tree::map::MapReader;

use crate::error::Kind;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// What comes next of a content.
#[derive(Debug)]
pub(super) enum Run {
    /// So many bytes that take no space.
    Hole(u64),
    /// So many zeros that take space.
    Zeros(u64),
    /// These bytes.
    Data(Bytes),
}

impl Run {
    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Hole(bytes) | Self::Zeros(bytes) => *bytes,
            Self::Data(bytes) => bytes.len() as u64,
        }
    }
}

/// A file's content.
pub(super) struct Content<'a> {
    reader: &'a Reader,
    extents: MapReader<'a>,
    next: VecDeque<repo::error::Result<Extent>>,
    hash: Option<(ContentHasher, [u8; 32])>,
}

impl<'a> Content<'a> {
    pub(super) fn new(reader: &'a Reader, entry: &Entry) -> Self {
        let hash = entry.content_hash.map(|wanted| (ContentHasher::new(), wanted));
        Self { reader, extents: MapReader::new(reader, entry), next: VecDeque::new(), hash }
    }

    fn extent(&mut self) -> Option<repo::error::Result<Extent>> {
        let most = self.reader.expect_max();
        // Half of them at a time: what is announced one by one is fetched one by one.
        if self.next.len() <= most / 2 {
            let known = self.next.len();
            self.next.extend(self.extents.by_ref().take(most.max(1) - known));
            let ids = self.next.iter().skip(known).filter_map(|extent| match extent {
                Ok(Extent::Chunk { id, .. }) => Some(*id),
                _ => None,
            });
            self.reader.expect(&mut { ids });
        }
        self.next.pop_front()
    }

    fn run(&self, extent: Extent) -> repo::error::Result<Run> {
        Ok(match extent {
            Extent::Hole(bytes) => Run::Hole(bytes),
            Extent::Zeros(bytes) => Run::Zeros(bytes),
            Extent::Inline(bytes) => Run::Data(bytes.into()),
            Extent::Chunk { id, offset, length } => {
                let chunk = self.reader.read_chunk(ChunkKind::Data, id)?;
                let start = offset as usize;
                let end = start.saturating_add(length as usize);
                if end > chunk.len() {
                    return Err(corrupt("its map points beyond a chunk"));
                }
                Run::Data(chunk.slice(start..end))
            }
        })
    }
}

impl Iterator for Content<'_> {
    type Item = repo::error::Result<Run>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(extent) = self.extent() else {
            let (hasher, wanted) = self.hash.take()?;
            let reason = "its content is not what was backed up (another BLAKE3)";
            return (hasher.finish() != wanted).then(|| Err(corrupt(reason)));
        };
        let run = extent.and_then(|extent| self.run(extent));
        match (&run, &mut self.hash) {
            (Ok(Run::Data(bytes)), Some((hasher, _))) => hasher.update(bytes),
            (Ok(Run::Hole(bytes) | Run::Zeros(bytes)), Some((hasher, _))) => {
                hasher.update_zeros(*bytes);
            }
            // Of what is not whole there is nothing to compare.
            (Err(_), _) => self.hash = None,
            (Ok(_), None) => {}
        }
        Some(run)
    }
}

fn corrupt(reason: &str) -> repo::Error {
    repo::Error::new(Kind::Corrupt, "read content", "of the file").because(reason)
}

/// Writes so many zeros, while it is to go on.
pub(super) fn write_zeros(
    out: &mut dyn Write,
    mut bytes: u64,
    goes_on: impl Fn() -> bool,
) -> io::Result<()> {
    while bytes > 0 {
        if !goes_on() {
            return Err(io::Error::other("it was asked to stop"));
        }
        let step = usize::try_from(bytes).unwrap_or(ZEROS.len()).min(ZEROS.len());
        out.write_all(&ZEROS[..step])?;
        bytes -= step as u64;
    }
    Ok(())
}
