//! A file's bytes: its size, its holes, its zeros and its content.

use std::os::fd::AsFd;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::fault::{Fault, Result};

/// Zeros that are written as they are.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// From this length on, in bytes, zeros are allocated. Shorter stretches are written: that costs as
/// little, and file systems call what was only allocated a hole.
const ALLOCATE_MIN: u64 = 1 << 20;

/// Gives an empty file its size; all of it is one hole then.
///
/// # Errors
/// The system's.
pub fn set_size(file: impl AsFd, bytes: u64) -> Result<()> {
    rustix::fs::ftruncate(file, bytes).map_err(|errno| Fault::system("set size of", errno))
}

/// Writes all of `data` at `offset`.
///
/// # Errors
/// The system's.
pub fn write_at(file: impl AsFd, mut data: &[u8], mut offset: u64) -> Result<()> {
    let fail = |errno| Fault::system("write", errno);
    while !data.is_empty() {
        match rustix::io::pwrite(&file, data, offset) {
            Ok(0) => return Err(fail(Errno::IO)),
            Ok(written) => {
                data = &data[written..];
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(fail(errno)),
        }
    }
    Ok(())
}

/// Makes sure that zeros which took up space in the source do so here: long stretches are allocated
/// where the file system can, all others written.
///
/// # Errors
/// The system's.
pub fn write_zeros(file: impl AsFd, mut offset: u64, mut bytes: u64) -> Result<()> {
    if bytes >= ALLOCATE_MIN && allocate(&file, offset, bytes)? {
        return Ok(());
    }
    while bytes > 0 {
        let step = ZEROS.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
        write_at(&file, &ZEROS[..step], offset)?;
        offset += step as u64;
        bytes -= step as u64;
    }
    Ok(())
}

/// Allocates a stretch that reads as zero; false where the file system can't.
fn allocate(file: impl AsFd, offset: u64, bytes: u64) -> Result<bool> {
    loop {
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), offset, bytes) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(false),
            Err(errno) => return Err(Fault::system("allocate", errno)),
        }
    }
}
