//! One file's bytes, in order, to wherever the caller wants them.

use std::collections::VecDeque;
use std::io::Write;

use lifeboat_codec::hash::ContentHasher;
use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::{Entry, EntryKind, Extent, PathKey};
use lifeboat_repo as repo;
use lifeboat_repo::reader::{ChunkKind, Reader};
use lifeboat_repo::tree::map::MapReader;
use lifeboat_repo::tree::scan;
use lifeboat_repo::tree::{ChunkSource as _, TreeRoot};

use super::place;
use crate::context::Context;
use crate::error::{Error, Kind, Result};

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Writes the content of the file at `path`, absolute, to `out`, and says how many bytes it has.
///
/// Symbolic links are not followed. All chunks' ids are computed again, and the content's BLAKE3 where
/// the entry has one; what was written before an error is the file's beginning.
///
/// # Errors
/// [`Kind::NotFound`] when the snapshot does not have the path, [`Kind::Invalid`] when it is not a
/// file, [`Kind::Corrupt`] when its content is damaged, the store's own, or that of `out`.
pub fn cat(
    reader: &Reader,
    snapshot: &Snapshot,
    path: &PathKey,
    out: &mut dyn Write,
    context: &Context<'_>,
) -> Result<u64> {
    let entry = find(reader, snapshot, path)?;
    let name = place::absolute_path(path.as_bytes());
    let error = |kind, reason: &str| {
        let name = crate::report::escape(&name);
        Error::from(repo::Error::new(kind, "read from the snapshot", name).because(reason))
    };
    if entry.kind != EntryKind::File {
        return Err(error(Kind::Invalid, "it is not a regular file"));
    }
    let mut sink = Sink { out, hasher: entry.content_hash.map(|_| ContentHasher::new()) };
    let mut extents = Ahead::new(reader, MapReader::new(reader, &entry));
    while let Some(extent) = extents.next() {
        if context.cancel.is_cancelled() {
            return Err(error(Kind::Cancelled, "it was asked to stop"));
        }
        let written = match extent? {
            Extent::Hole(bytes) | Extent::Zeros(bytes) => sink.zeros(bytes, context),
            Extent::Inline(bytes) => sink.write(&bytes),
            Extent::Chunk { id, offset, length } => {
                let chunk = reader.read_chunk(ChunkKind::Data, id)?;
                let start = offset as usize;
                let range = start..start.saturating_add(length as usize);
                let bytes = chunk
                    .get(range)
                    .ok_or_else(|| error(Kind::Corrupt, "its map points beyond a chunk"))?;
                sink.write(bytes)
            }
        };
        written.map_err(|cause| Error::local("write the content of", &name, cause))?;
    }
    if sink.hasher.map(|hasher| hasher.finish()) != entry.content_hash {
        return Err(error(Kind::Corrupt, "its content is not what was backed up (another BLAKE3)"));
    }
    Ok(entry.size)
}

fn find(reader: &Reader, snapshot: &Snapshot, path: &PathKey) -> Result<Entry> {
    for (number, root) in snapshot.roots.iter().enumerate() {
        let piece = place::piece(number, place::root_key(&root.path)?, path);
        // A root below the path is not the path.
        let Some(piece) = piece.filter(|piece| path.is_in(&piece.at)) else { continue };
        let Some(id) = root.tree else { continue };
        let root = TreeRoot { id, level: root.level, entries: root.entries, bytes: root.bytes };
        if let Some(entry) = scan::lookup(reader, &root, &piece.start)? {
            return Ok(entry);
        }
    }
    Err(place::not_found(path.as_bytes()))
}

/// The extents of a file, with the chunks of the next ones on their way.
struct Ahead<'a> {
    reader: &'a Reader,
    extents: MapReader<'a>,
    next: VecDeque<repo::error::Result<Extent>>,
}

impl<'a> Ahead<'a> {
    fn new(reader: &'a Reader, extents: MapReader<'a>) -> Self {
        Self { reader, extents, next: VecDeque::new() }
    }

    fn next(&mut self) -> Option<repo::error::Result<Extent>> {
        let most = self.reader.expect_max();
        // Half of them at a time: what is announced one by one is fetched one by one.
        if self.next.len() <= most / 2 {
            let known = self.next.len();
            self.next.extend(self.extents.by_ref().take(most.max(1) - known));
            self.reader.expect(&mut self.next.iter().skip(known).filter_map(
                |extent| match extent {
                    Ok(Extent::Chunk { id, .. }) => Some(*id),
                    _ => None,
                },
            ));
        }
        self.next.pop_front()
    }
}

struct Sink<'a> {
    out: &'a mut dyn Write,
    hasher: Option<ContentHasher>,
}

impl Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.out.write_all(bytes)
    }

    fn zeros(&mut self, mut bytes: u64, context: &Context<'_>) -> std::io::Result<()> {
        while bytes > 0 {
            if context.cancel.is_cancelled() {
                return Err(std::io::Error::other("it was asked to stop"));
            }
            let step = usize::try_from(bytes).unwrap_or(ZEROS.len()).min(ZEROS.len());
            self.write(&ZEROS[..step])?;
            bytes -= step as u64;
        }
        Ok(())
    }
}
