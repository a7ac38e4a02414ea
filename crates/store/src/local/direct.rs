//! Writing large objects past the page cache.
//!
//! A pack is written once and not read again soon. Through the page cache each of its bytes is copied
//! by the kernel into a page that has to be found for it, then written by somebody else later, and
//! pushes out what the machine's own programs have there. Past it the disk takes the bytes from our
//! buffer: a tenth of the processor's time, and a sync has nothing left to do but to tell the disk.
//!
//! Knows pieces of bytes and one file. Where the file system does not take it, or not all, it says how
//! far it came, and the rest is written as usual.

use std::fs::File;

use bytes::Bytes;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use crate::local::system::{Call, System, errno_of};

/// What is shorter is not worth the buffer.
pub(super) const BYTES_MIN: u64 = 1 << 20;
/// How much is written at once. Several objects are on their way at a time, each with a buffer.
const BUFFER_BYTES: usize = 1 << 20;
/// Where buffers and writes begin: no disk has larger blocks.
const ALIGNMENT: usize = 4096;

/// Writes the beginning of what `pieces` hold, all of it but what does not fill a block, from the
/// start of the file; how many bytes that were. Nothing, where the file system does not write so.
pub(super) fn write(
    system: &System,
    path: &str,
    file: &File,
    pieces: &[Bytes],
) -> Result<usize, Errno> {
    let Ok(flags) = fcntl_getfl(file) else { return Ok(0) };
    if fcntl_setfl(file, flags | OFlags::DIRECT).is_err() {
        return Ok(0);
    }
    let written = write_blocks(system, path, file, pieces);
    // The rest has neither the place nor the length for it.
    fcntl_setfl(file, flags)?;
    written
}

fn write_blocks(
    system: &System,
    path: &str,
    mut file: &File,
    pieces: &[Bytes],
) -> Result<usize, Errno> {
    let mut memory = vec![0; BUFFER_BYTES + ALIGNMENT];
    let start = memory.as_ptr().align_offset(ALIGNMENT);
    let Some(buffer) = memory.get_mut(start..start + BUFFER_BYTES) else { return Ok(0) };
    let mut written = 0;
    let mut pieces = pieces.iter();
    let mut piece: &[u8] = &[];
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            if piece.is_empty() {
                match pieces.next() {
                    Some(next) => piece = next,
                    None => break,
                }
            }
            let part = piece.len().min(buffer.len() - filled);
            buffer[filled..filled + part].copy_from_slice(&piece[..part]);
            filled += part;
            piece = &piece[part..];
        }
        let blocks = filled - filled % ALIGNMENT;
        let mut rest = &buffer[..blocks];
        while !rest.is_empty() {
            let write = || std::io::Write::write(&mut file, rest).map_err(|error| errno_of(&error));
            match system.call(Call::Write, path, write) {
                Ok(0) => return Err(Errno::IO),
                Ok(count) => {
                    written += count;
                    rest = &rest[count..];
                }
                Err(Errno::INTR) => {}
                // Larger blocks than we know of, or a write that ended within one.
                Err(Errno::INVAL) => return Ok(written),
                Err(errno) => return Err(errno),
            }
        }
        if filled < buffer.len() {
            return Ok(written);
        }
    }
}
