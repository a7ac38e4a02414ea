//! The end of a file: its content compared, its metadata set, its further names made.
//!
//! What was made and could not be restored whole is taken away again, since under its name it would be a lie; a
//! file that was there before stays marked as unfinished.

use lifeboat_format::tree::Entry;
use lifeboat_repo::tree::{ChunkSource, xattr};

use super::job::Job;
use super::links::Original;
use super::open_file::OpenFile;
use super::place;
use super::there::Site;
use super::window::{LeftDir, Link};
use crate::error::Result;
use crate::target::meta::LastFlags;
use crate::target::{Dir, Fault, Metadata, Node, there};

/// Ends what of a file lies in one window; with the `last` the file is done.
pub(super) fn end_part(
    job: &Job<'_>,
    source: &dyn ChunkSource,
    file: &OpenFile,
    end: u64,
    last: bool,
) -> Result<()> {
    file.hash_until(job, end)?;
    if !last {
        return Ok(());
    }
    if !file.is_damaged() && !file.hash_agrees() {
        file.damage(job, "what was written is not what was backed up (another BLAKE3)");
    }
    if file.is_damaged() {
        return match file.give_up(job) {
            Ok(()) => Ok(()),
            Err(fault) => job.fault(&file.way, fault),
        };
    }
    let original = file.original.as_deref();
    metadata(job, source, &file.node, &file.dir, &file.way, &file.entry, original)?;
    job.made(&job.counts.files);
    Ok(())
}

/// Sets the metadata of what was made at this way.
pub(super) fn metadata(
    job: &Job<'_>,
    source: &dyn ChunkSource,
    node: &Node,
    dir: &Dir,
    way: &[u8],
    entry: &Entry,
    original: Option<&Original>,
) -> Result<()> {
    let meta = of_entry(job, source, way, entry)?;
    let sealed_later = original.is_some_and(|original| original.seal.is_some());
    let last = if sealed_later { LastFlags::Later } else { LastFlags::Now };
    let mut faults = Vec::new();
    job.meta.finish(node, dir, &meta, last, &mut |fault| faults.push(fault));
    report(job, way, faults)
}

/// Sets a directory's metadata, after all its members were written.
pub(super) fn dir(job: &Job<'_>, source: &dyn ChunkSource, left: &LeftDir) -> Result<()> {
    let meta = of_entry(job, source, &left.way, &left.entry)?;
    let mut faults = Vec::new();
    job.meta.finish_dir(&left.dir, &meta, &mut |fault| faults.push(fault));
    report(job, &left.way, faults)
}

/// Makes a further name of a file.
pub(super) fn link(job: &Job<'_>, target: &Dir, link: &Link) -> Result<()> {
    if link.original.is_lost() {
        let why = "its content could not be restored under its first name; it was left out";
        job.problem(&link.way, "link", why);
        return Ok(());
    }
    let name = place::split(&link.way).1;
    match place_link(job, target, link, name) {
        Ok(Linked::Made) => job.made(&job.counts.links),
        Ok(Linked::WasThere) => job.made(&job.counts.unchanged),
        Ok(Linked::Kept) => job.kept(&link.way),
        Err(fault) => return job.fault(&link.way, fault),
    }
    Ok(())
}

/// What came of a further name.
enum Linked {
    Made,
    WasThere,
    /// Something else has the name, and stays.
    Kept,
}

fn place_link(job: &Job<'_>, target: &Dir, link: &Link, name: &[u8]) -> Result<Linked, Fault> {
    let (dir, old_name) = link.original.find(target)?;
    let make = || Node::link((&dir, old_name), link.original.id, &link.dir, name);
    let fault = match make() {
        Ok(()) => return Ok(Linked::Made),
        Err(fault) if fault.is_there_already() => fault,
        Err(fault) => return Err(fault),
    };
    match there::look(&link.dir, name)? {
        Some(there) if there.id == link.original.id => return Ok(Linked::WasThere),
        Some(there) if job.keeps(&there, link.mtime) => return Ok(Linked::Kept),
        Some(there) => match job.clear(&link.dir, name, &link.way, &there)? {
            Site::Free => {}
            _ => return Err(fault),
        },
        None => {}
    }
    make().map(|()| Linked::Made)
}

/// Sets the last flags of a file that now has all its names.
pub(super) fn seal(job: &Job<'_>, target: &Dir, original: &Original) -> Result<()> {
    let Some(flags) = original.seal else { return Ok(()) };
    if original.is_lost() {
        return Ok(());
    }
    let opened =
        original.find(target).and_then(|(dir, name)| Node::open_made(&dir, name, original.id));
    match opened {
        Ok(file) => {
            let mut faults = Vec::new();
            job.meta.seal(file, flags, &mut |fault| faults.push(fault));
            report(job, &original.way, faults)
        }
        Err(fault) => job.fault(&original.way, fault),
    }
}

fn of_entry(
    job: &Job<'_>,
    source: &dyn ChunkSource,
    way: &[u8],
    entry: &Entry,
) -> Result<Metadata> {
    let mut xattrs = Vec::new();
    for value in xattr::values(source, entry) {
        match value {
            Ok((name, value)) => xattrs.push((name.to_vec(), value)),
            Err(error) => job.problem(way, "set extended attribute of", job.damage(error)?),
        }
    }
    let (uid, gid) = job.owners.of(entry);
    Ok(Metadata {
        mode: u32::from(entry.mode),
        uid,
        gid,
        mtime_secs: entry.mtime.secs,
        mtime_nanos: entry.mtime.nanos,
        xattrs,
        flags: entry.flags,
    })
}

fn report(job: &Job<'_>, way: &[u8], faults: Vec<Fault>) -> Result<()> {
    faults.into_iter().try_for_each(|fault| job.fault_of_metadata(way, fault))
}
