//! A file's bytes: its size, its holes, its zeros and its content.

use std::cell::RefCell;
use std::os::fd::AsFd;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::fault::{Fault, Result};

/// Zeros that are written as they are.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// From this length on, in bytes, zeros are allocated. Shorter stretches are written: that costs as
/// little, and file systems call what was only allocated a hole.
const ALLOCATE_MIN: u64 = 1 << 20;

/// Gives a file its size; what it did not have before is one hole then.
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

/// As [`write_zeros`] where other bytes may be; says whether only zeros were there.
///
/// # Errors
/// The system's.
pub fn overwrite_with_zeros(file: impl AsFd, mut offset: u64, mut bytes: u64) -> Result<bool> {
    if bytes >= ALLOCATE_MIN {
        allocate(&file, offset, bytes)?;
    }
    let mut were_there = true;
    while bytes > 0 {
        let step = ZEROS.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
        were_there &= overwrite_at(&file, &ZEROS[..step], offset)?;
        offset += step as u64;
        bytes -= step as u64;
    }
    Ok(were_there)
}

/// Makes a hole where other bytes may be; zeros where the file system has no holes.
///
/// # Errors
/// The system's.
pub fn make_hole(file: impl AsFd, offset: u64, bytes: u64) -> Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    if bytes == 0 || change(&file, flags, offset, bytes)? {
        return Ok(());
    }
    overwrite_with_zeros(file, offset, bytes).map(drop)
}

/// Writes `data` at `offset` if it is not there already, and says whether it was.
///
/// # Errors
/// The system's.
pub fn overwrite_at(file: impl AsFd, data: &[u8], offset: u64) -> Result<bool> {
    let is_there = has_at(&file, data, offset)?;
    if !is_there {
        write_at(file, data, offset)?;
    }
    Ok(is_there)
}

/// Whether `data` is at `offset` already.
fn has_at(file: impl AsFd, data: &[u8], offset: u64) -> Result<bool> {
    thread_local! {
        static THERE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    THERE.with_borrow_mut(|there| {
        there.resize(data.len(), 0);
        Ok(read_at(file, there, offset)? == data.len() && there.as_slice() == data)
    })
}

/// Reads at `offset` until the buffer is full or the file ends, and says how many bytes there were.
///
/// # Errors
/// The system's.
pub fn read_at(file: impl AsFd, buffer: &mut [u8], offset: u64) -> Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match rustix::io::pread(&file, &mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Fault::system("read", errno)),
        }
    }
    Ok(done)
}

/// Allocates a stretch that reads as zero; false where the file system can't.
fn allocate(file: impl AsFd, offset: u64, bytes: u64) -> Result<bool> {
    change(file, FallocateFlags::empty(), offset, bytes)
}

/// Asks the file system to do so with a stretch of a file; false where it can't.
fn change(file: impl AsFd, how: FallocateFlags, offset: u64, bytes: u64) -> Result<bool> {
    loop {
        match rustix::fs::fallocate(&file, how, offset, bytes) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(false),
            Err(errno) => return Err(Fault::system("allocate", errno)),
        }
    }
}
