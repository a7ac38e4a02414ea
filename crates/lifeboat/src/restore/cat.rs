//! One file's bytes, in order, to wherever the caller wants them.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::{Entry, EntryKind, PathKey};
use lifeboat_repo as repo;
use lifeboat_repo::reader::Reader;
use lifeboat_repo::tree::TreeRoot;
use lifeboat_repo::tree::scan;
use rustix::fs::{FallocateFlags, Mode, OFlags, SeekFrom};

use super::place;
use super::stream::{Content, Run, write_zeros};
use crate::context::Context;
use crate::error::{Error, Kind, Result};

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
    let file = Source::find(reader, snapshot, path)?;
    let goes_on = || !context.cancel.is_cancelled();
    file.copy(context, |_, run| match run {
        Run::Hole(bytes) | Run::Zeros(bytes) => write_zeros(out, *bytes, goes_on),
        Run::Data(bytes) => out.write_all(bytes),
    })
}

/// Writes the content of the file at `path`, absolute, to the block device `device`, from its beginning on, waits until
/// the device has it, and says how many bytes it has. Zeros are written, too: what was there is gone.
///
/// # Errors
/// As of [`cat`]; and [`Kind::Invalid`] when it is not a block device or too small, the system's when it is in use (mounted) or
/// can't be written.
pub fn to_device(
    reader: &Reader,
    snapshot: &Snapshot,
    path: &PathKey,
    device: &Path,
    context: &Context<'_>,
) -> Result<u64> {
    let file = Source::find(reader, snapshot, path)?;
    let name = device.as_os_str().as_bytes();
    let fail = |operation| move |cause: io::Error| Error::local(operation, name, cause);
    // Exclusive: the kernel refuses a device that is mounted or otherwise in use.
    let flags = OFlags::WRONLY | OFlags::EXCL | OFlags::CLOEXEC;
    let open = rustix::fs::open(device, flags, Mode::empty())
        .map_err(|errno| fail("open the device")(errno.into()))?;
    let mut out = File::from(open);
    let metadata = out.metadata().map_err(fail("look at the device"))?;
    let refuse = |reason: String| {
        let name = crate::report::escape(name);
        Error::from(repo::Error::new(Kind::Invalid, "restore to", name).because(reason))
    };
    if !metadata.file_type().is_block_device() {
        return Err(refuse("it is not a block device".to_owned()));
    }
    let size = rustix::fs::seek(&out, SeekFrom::End(0))
        .map_err(|errno| fail("ask the size of the device")(errno.into()))?;
    if size < file.entry.size {
        let wanted = file.entry.size;
        return Err(refuse(format!("it has {size} bytes, and the file needs {wanted}")));
    }
    io::Seek::rewind(&mut out).map_err(fail("write to the device"))?;
    let goes_on = || !context.cancel.is_cancelled();
    let written = file.copy(context, |at, run| match run {
        Run::Data(bytes) => out.write_all(bytes),
        Run::Hole(bytes) | Run::Zeros(bytes) => {
            // The device may know a way to zeros that is faster than to write them.
            let how = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
            if *bytes > 0 && rustix::fs::fallocate(&out, how, at, *bytes).is_ok() {
                io::Seek::seek(&mut out, io::SeekFrom::Start(at + bytes)).map(drop)
            } else {
                write_zeros(&mut out, *bytes, goes_on)
            }
        }
    })?;
    out.sync_all().map_err(fail("write to the device"))?;
    Ok(written)
}

/// A file of a snapshot.
struct Source<'a> {
    reader: &'a Reader,
    entry: Entry,
    /// Its absolute path.
    name: Vec<u8>,
}

impl<'a> Source<'a> {
    fn find(reader: &'a Reader, snapshot: &Snapshot, path: &PathKey) -> Result<Self> {
        let entry = find(reader, snapshot, path)?;
        let file = Self { reader, entry, name: place::absolute_path(path.as_bytes()) };
        match file.entry.kind {
            EntryKind::File => Ok(file),
            _ => Err(file.error(Kind::Invalid, "it is not a regular file")),
        }
    }

    /// Hands out the content in order, each run with the place where it begins.
    fn copy(
        &self,
        context: &Context<'_>,
        mut write: impl FnMut(u64, &Run) -> io::Result<()>,
    ) -> Result<u64> {
        let mut at = 0;
        for run in Content::new(self.reader, &self.entry) {
            if context.cancel.is_cancelled() {
                return Err(self.error(Kind::Cancelled, "it was asked to stop"));
            }
            let run = run.map_err(|error| match error.kind() {
                // It does not know the file's name.
                Kind::Corrupt => self.error(Kind::Corrupt, &error.to_string()),
                _ => error.into(),
            })?;
            write(at, &run)
                .map_err(|cause| Error::local("write the content of", &self.name, cause))?;
            at += run.len();
            context.monitor.advance(0, run.len());
        }
        Ok(self.entry.size)
    }

    fn error(&self, kind: Kind, reason: &str) -> Error {
        let name = crate::report::escape(&self.name);
        Error::from(repo::Error::new(kind, "read from the snapshot", name).because(reason))
    }
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
