//! Content: a stretch of a file's data, read and cut.
//!
//! Knows an open file and a cutter; what becomes of bytes and chunks is the [`Sink`]'s. The buffer is
//! the caller's, one for its life, and a chunk is still hot when the sink has it.

use std::io;
use std::ops::Range;

use lifeboat_codec::cut::Cutter;

use crate::error::Result;
use crate::source::read::OpenFile;

/// How much of a file is read at once, in bytes: several chunks, and still hot when they are hashed.
const STRETCH_BYTES: usize = 4 << 20;

/// Takes what is read and cut. Places are those in the file.
pub(super) trait Sink {
    /// The next bytes, as they were read from `at` on.
    fn read(&mut self, at: u64, bytes: &[u8]);

    /// The next chunk, which begins at `at`; and whether it is all that its data has.
    fn chunk(&mut self, at: u64, chunk: &[u8], is_all: bool) -> Result<()>;

    /// Asked between two reads: whether to go on.
    fn go_on(&mut self) -> Result<bool>;
}

/// How cutting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With a cut at this place.
    Cut(u64),
    /// The file had less than was thought, and ends here.
    Short(u64),
    /// The sink did not want to go on.
    Stopped,
}

/// Reads and cuts `data` of the file from its beginning to the first cut at `until` or behind it: the end
/// of the data is one. The inner error is the file's.
pub(super) fn cut(
    file: &OpenFile,
    data: Range<u64>,
    until: u64,
    cutter: &Cutter,
    buffer: &mut Vec<u8>,
    sink: &mut impl Sink,
) -> Result<io::Result<End>> {
    // Where a cut is depends on no more than the longest chunk from the last one.
    let read_end = data.end.min(until.saturating_add(cutter.max() as u64));
    let (mut offset, mut kept) = (data.start, 0);
    loop {
        if !sink.go_on()? {
            return Ok(Ok(End::Stopped));
        }
        let wanted = usize::try_from(read_end - offset).unwrap_or(STRETCH_BYTES).min(STRETCH_BYTES);
        if buffer.len() < kept + wanted {
            buffer.resize(kept + wanted, 0);
        }
        let fresh = match file.read_at(offset, &mut buffer[kept..kept + wanted]) {
            Ok(fresh) => fresh,
            Err(error) => return Ok(Err(error)),
        };
        let next = offset + fresh as u64;
        file.will_read(next..read_end.min(next + STRETCH_BYTES as u64));
        sink.read(offset, &buffer[kept..kept + fresh]);
        offset = next;
        let is_short = fresh < wanted;
        let at_end = offset == data.end || is_short;
        let filled = kept + fresh;
        let mut done = 0;
        while let Some(length) = cutter.next(&buffer[done..filled], at_end) {
            let at = offset - (filled - done) as u64;
            let is_all = at == data.start && at_end && done + length == filled;
            sink.chunk(at, &buffer[done..done + length], is_all)?;
            done += length;
            let end = at + length as u64;
            if end >= until {
                return Ok(Ok(End::Cut(end)));
            }
        }
        if at_end {
            return Ok(Ok(if is_short { End::Short(offset) } else { End::Cut(offset) }));
        }
        buffer.copy_within(done..filled, 0);
        kept = filled - done;
    }
}
