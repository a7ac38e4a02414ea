//! Content maps: lists of extents that are moved out of their entry when they are long.
//!
//! A short list stays in the entry. The bytes of a long one are cut into pieces where its chunks'
//! ids say so, the pieces become chunks of metadata, and a list of extents describes them in turn,
//! as deep as it takes. So an insertion into a file of any size changes a few pieces, and both
//! writing and reading hold at most one piece a depth in memory.
//!
//! Who needs what lies at an offset asks a [`MapFinder`]. Knows extents and chunks of metadata, not the
//! content itself.
//!
//! Invariants: a piece holds whole extents; equal lists have equal maps.

mod finder;

use lifeboat_codec::hash::IdKeys;
use lifeboat_format::tree::{
    CONTENT_DEPTH_MAX, CONTENT_MAX, Entry, Extent, INLINE_EXTENT_MAX, decode_extents,
    encode_extents, ends_piece,
};

use super::{ChunkSource, NodeSink};
use crate::error::{Error, Kind, Result};
use crate::reader::ChunkKind;

pub use self::finder::{MapFinder, Stretch};

/// What an entry says of its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentMap {
    /// For [`Entry::content`].
    pub content: Vec<Extent>,
    /// For [`Entry::content_depth`].
    pub depth: u8,
    /// How many bytes all extents describe: [`Entry::size`].
    pub size: u64,
}

/// Builds the map of one file from its extents, in order.
#[derive(Debug)]
pub struct MapBuilder<'k, S> {
    ids: &'k IdKeys,
    sink: S,
    levels: Vec<Level>,
    // The last extent, which the next one may lengthen.
    last: Option<Extent>,
    size: u64,
}

/// One list: that of the file, or one that describes the bytes of the list below.
#[derive(Debug, Default)]
struct Level {
    // The list as long as it may stay in an entry, ...
    kept: Vec<Extent>,
    kept_len: usize,
    // ... then the piece that is being filled.
    moved_out: bool,
    piece: Vec<u8>,
}

impl<'k, S: NodeSink> MapBuilder<'k, S> {
    /// A builder of an empty map that puts pieces into `sink`.
    pub fn new(ids: &'k IdKeys, sink: S) -> Self {
        Self { ids, sink, levels: vec![Level::default()], last: None, size: 0 }
    }

    /// Adds what comes next in the file. Adjacent holes become one, adjacent zeros too, and so do
    /// adjacent ranges of one chunk; empty extents are passed over.
    ///
    /// # Errors
    /// [`Kind::Invalid`] when the file would be too long or too fragmented for the format, or the
    /// sink's own. The map is then lost.
    pub fn push(&mut self, extent: Extent) -> Result<()> {
        if extent.is_empty() {
            return Ok(());
        }
        if matches!(&extent, Extent::Inline(bytes) if bytes.len() > INLINE_EXTENT_MAX) {
            return Err(too_large("has more inline bytes at once than is legal"));
        }
        self.size = self.size.checked_add(extent.len()).ok_or_else(|| too_large("is too long"))?;
        if let Some(last) = &mut self.last
            && lengthen(last, &extent)
        {
            return Ok(());
        }
        match self.last.replace(extent) {
            Some(done) => self.add(done),
            None => Ok(()),
        }
    }

    /// How many bytes of the file the extents so far describe.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The sink, for what else goes there between two extents.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Puts the last pieces and says what the entry keeps.
    ///
    /// # Errors
    /// As [`MapBuilder::push`].
    pub fn finish(mut self) -> Result<ContentMap> {
        if let Some(last) = self.last.take() {
            self.add(last)?;
        }
        let mut depth = 0;
        while self.level(depth)?.moved_out {
            if !self.level(depth)?.piece.is_empty() {
                let piece = self.end_piece(depth)?;
                self.add_at(depth + 1, piece)?;
            }
            depth += 1;
        }
        let content = std::mem::take(&mut self.level(depth)?.kept);
        Ok(ContentMap { content, depth, size: self.size })
    }

    fn add(&mut self, extent: Extent) -> Result<()> {
        self.add_at(0, extent)
    }

    /// Adds to the list of `depth`; when that ends a piece, adds the piece to the list above.
    fn add_at(&mut self, depth: u8, extent: Extent) -> Result<()> {
        let level = self.level(depth)?;
        if level.moved_out {
            return self.add_to_piece(depth, &extent);
        }
        level.kept_len += encoded_len(&extent);
        level.kept.push(extent);
        if level.kept_len <= CONTENT_MAX {
            return Ok(());
        }
        level.moved_out = true;
        let kept = std::mem::take(&mut level.kept);
        kept.iter().try_for_each(|extent| self.add_to_piece(depth, extent))
    }

    fn add_to_piece(&mut self, depth: u8, extent: &Extent) -> Result<()> {
        let level = self.level(depth)?;
        encode_extents(std::slice::from_ref(extent), &mut level.piece);
        if ends_piece(extent, level.piece.len()) {
            let piece = self.end_piece(depth)?;
            self.add_at(depth + 1, piece)?;
        }
        Ok(())
    }

    /// Puts the piece that was filled, and returns the extent that describes it.
    fn end_piece(&mut self, depth: u8) -> Result<Extent> {
        let piece = std::mem::take(&mut self.level(depth)?.piece);
        let length = u32::try_from(piece.len()).expect("a piece is shorter than 64 KiB");
        let id = self.ids.meta(&piece);
        self.sink.put_node(id, piece)?;
        Ok(Extent::Chunk { id, offset: 0, length })
    }

    fn level(&mut self, depth: u8) -> Result<&mut Level> {
        if depth > CONTENT_DEPTH_MAX {
            return Err(too_large("has too many extents"));
        }
        let depth = usize::from(depth);
        if self.levels.len() <= depth {
            self.levels.resize_with(depth + 1, Level::default);
        }
        Ok(&mut self.levels[depth])
    }
}

/// Makes `last` include `next` where one extent can describe both.
fn lengthen(last: &mut Extent, next: &Extent) -> bool {
    match (last, next) {
        (Extent::Hole(last), Extent::Hole(next)) | (Extent::Zeros(last), Extent::Zeros(next)) => {
            // The size of the file did not overflow, so neither does a part of it.
            *last += next;
            true
        }
        (
            Extent::Chunk { id, offset, length },
            Extent::Chunk { id: next_id, offset: next_offset, length: next_length },
        ) if id == next_id && offset.checked_add(*length) == Some(*next_offset) => {
            match next_offset.checked_add(*next_length) {
                Some(end) => {
                    *length = end - *offset;
                    true
                }
                None => false,
            }
        }
        _ => false,
    }
}

fn encoded_len(extent: &Extent) -> usize {
    let mut encoded = Vec::with_capacity(64);
    encode_extents(std::slice::from_ref(extent), &mut encoded);
    encoded.len()
}

fn too_large(reason: &'static str) -> Error {
    Error::new(Kind::Invalid, "describe", "a file's content")
        .because(format!("it {reason} in this format"))
}

/// How many pieces of a long map are announced ahead: each describes some two hundred MiB.
const PIECES_AHEAD: usize = 2;

/// The extents of one entry, in order, whether they lie in it or were moved out.
///
/// After an error it ends: what follows a piece that is lost has no known place in the file.
pub struct MapReader<'a> {
    source: &'a dyn ChunkSource,
    // From the entry's own list down to the file's.
    lists: Vec<std::vec::IntoIter<Extent>>,
    depth: u8,
    // What the extents to come must add up to.
    rest: u64,
}

impl<'a> MapReader<'a> {
    /// The extents of `entry`, whose pieces `source` has.
    pub fn new(source: &'a dyn ChunkSource, entry: &Entry) -> Self {
        let lists = vec![entry.content.clone().into_iter()];
        Self { source, lists, depth: entry.content_depth, rest: entry.size }
    }

    fn step(&mut self) -> Result<Option<Extent>> {
        while let Some(list) = self.lists.last_mut() {
            let Some(extent) = list.next() else {
                self.lists.pop();
                continue;
            };
            if self.lists.len() > usize::from(self.depth) {
                self.rest = self.rest.checked_sub(extent.len()).ok_or_else(|| {
                    corrupt("the extents describe more bytes than the file's size")
                })?;
                return Ok(Some(extent));
            }
            // The pieces that come after this one can be on their way meanwhile.
            let pieces = self.lists.last().map(std::vec::IntoIter::as_slice).unwrap_or_default();
            let mut ids = pieces.iter().take(PIECES_AHEAD).filter_map(|extent| match extent {
                Extent::Chunk { id, .. } => Some(*id),
                _ => None,
            });
            self.source.expect(&mut ids);
            let below = open(self.source, extent)?;
            self.lists.push(below.into_iter());
        }
        if self.rest > 0 {
            return Err(corrupt("the extents describe less bytes than the file's size"));
        }
        Ok(None)
    }
}

impl Iterator for MapReader<'_> {
    type Item = Result<Extent>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if !matches!(step, Ok(Some(_))) {
            self.lists.clear();
            self.rest = 0;
        }
        step.transpose()
    }
}

impl std::fmt::Debug for MapReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MapReader")
            .field("depth", &self.depth)
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}

/// The extents whose encoded bytes `extent` describes.
fn open(source: &dyn ChunkSource, extent: Extent) -> Result<Vec<Extent>> {
    match extent {
        Extent::Chunk { id, offset, length } => {
            let piece = source.chunk(ChunkKind::Meta, id)?;
            let start = offset as usize;
            let bytes = piece
                .get(start..start.saturating_add(length as usize))
                .ok_or_else(|| corrupt("a range beyond the end of a piece"))?;
            decode_extents(bytes)
                .map_err(|cause| Error::format("read the content map in", id, cause))
        }
        Extent::Inline(bytes) => {
            decode_extents(&bytes).map_err(|cause| Error::format("read", "a content map", cause))
        }
        Extent::Hole(_) | Extent::Zeros(_) => Err(corrupt("a hole in a list of extents")),
    }
}

fn corrupt(reason: &'static str) -> Error {
    Error::new(Kind::Corrupt, "read", "a content map").because(reason)
}

#[cfg(test)]
mod tests;
