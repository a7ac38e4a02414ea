//! What becomes of what the target has already: kept, taken as it is, changed in place, or replaced.
//!
//! Knows the options that decide, one member at a time; not where content comes from. What is there is believed to be
//! what the snapshot has if length and time say so and it is not marked as unfinished, unless that is not to be
//! trusted: then its content is compared.

use rustix::fs::FileType;

use lifeboat_format::tree::{Entry, EntryKind, Extent};
use lifeboat_repo as repo;
use lifeboat_repo::reader::Reader;
use lifeboat_repo::tree::map::MapReader;

use super::delete;
use super::job::Job;
use crate::error::Result;
use crate::target::{Dir, Fault, Node, There, there};

/// What is done where the target has something already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// It stays as it is.
    Never,
    /// It is made what the snapshot has; a file whose length and time are the snapshot's is believed to be the
    /// same.
    #[default]
    IfChanged,
    /// As [`IfChanged`](Self::IfChanged), but what was changed later than the snapshot's stays as it is.
    IfNewer,
    /// As [`IfChanged`](Self::IfChanged), but no time is believed: every file's content is compared.
    Always,
}

/// What a place in the target is for one file.
#[derive(Debug)]
pub(super) enum Site {
    /// Nothing is there any more.
    Free,
    /// A file, open, whose content is to be compared.
    Found(Node),
    /// A file with the very content and metadata, or only the content.
    Same { there: There, needs_metadata: bool },
    /// It stays as it is, or that it could not be replaced was told.
    Closed,
}

impl Job<'_> {
    /// Whether length and time of a file say that it has the snapshot's content.
    fn believes(&self, there: &There, entry: &Entry) -> bool {
        self.options.overwrite != Overwrite::Always
            && !self.options.verify_existing
            && !self.start.distrusts
            && there.size == entry.size
            && there.mtime == (entry.mtime.secs, entry.mtime.nanos)
            // A snapshot may have this very bit: then it says nothing.
            && (!there.is_unfinished() || u32::from(entry.mode) == there.mode)
    }

    /// Whether what is there stays, whatever the snapshot has.
    pub(super) fn keeps(&self, there: &There, mtime: (i64, u32)) -> bool {
        match self.options.overwrite {
            // What a restore before this one has not finished is its own.
            _ if there.is_unfinished() => false,
            Overwrite::Never => true,
            Overwrite::IfNewer => there.mtime > mtime,
            Overwrite::IfChanged | Overwrite::Always => false,
        }
    }

    /// Decides on the place of a file.
    ///
    /// # Errors
    /// What ends the run.
    pub(super) fn site_of_file(
        &self,
        dir: &Dir,
        name: &[u8],
        way: &[u8],
        entry: &Entry,
        source: &Reader,
    ) -> Result<Site> {
        let there = match there::look(dir, name) {
            Ok(Some(there)) => there,
            Ok(None) => return Ok(Site::Free),
            Err(fault) => return self.or_told(way, Err(fault)),
        };
        if self.keeps(&there, (entry.mtime.secs, entry.mtime.nanos)) {
            self.kept(way);
            return Ok(Site::Closed);
        }
        let is_file = there.kind == FileType::RegularFile;
        if is_file && self.believes(&there, entry) {
            let needs_metadata = !self.is_described(dir, name, &there, entry);
            // What has more names than the snapshot knows is somebody else's, too, and is not changed.
            if !needs_metadata || u64::from(there.links) <= entry.links.max(1) {
                return Ok(Site::Same { there, needs_metadata });
            }
        }
        if let Some(error) = self.lost(source, entry)? {
            let why = format_args!("{error}; what is there was left as it is");
            self.problem(way, "restore", why);
            return Ok(Site::Closed);
        }
        // In the file of another user content would be his to read and to change while it is written.
        let euid = rustix::process::geteuid().as_raw();
        let is_ours = [euid, self.owners.of(entry).0].contains(&there.owner.0);
        let open = || match is_file && is_ours {
            true => there::open(dir, name, &there),
            false => Ok(None),
        };
        let site = match open() {
            Ok(Some(node)) => Ok(Site::Found(node)),
            Ok(None) => self.clear(dir, name, way, &there),
            Err(fault) => Err(fault),
        };
        self.or_told(way, site)
    }

    /// What can't be found of the content that takes the place of something else, before that is touched.
    fn lost(&self, source: &Reader, entry: &Entry) -> Result<Option<repo::Error>> {
        for extent in MapReader::new(source, entry) {
            let found = match extent {
                Ok(Extent::Chunk { id, .. }) => source.find(&id),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = found {
                return self.damage(error).map(Some);
            }
        }
        Ok(None)
    }

    /// Decides on the place of a symbolic link or special file.
    ///
    /// # Errors
    /// What ends the run.
    pub(super) fn site_of_node(
        &self,
        dir: &Dir,
        name: &[u8],
        way: &[u8],
        entry: &Entry,
    ) -> Result<Site> {
        let decide = || {
            let Some(there) = there::look(dir, name)? else { return Ok(Site::Free) };
            if self.keeps(&there, (entry.mtime.secs, entry.mtime.nanos)) {
                self.kept(way);
                return Ok(Site::Closed);
            }
            let device = entry.rdev.map(|device| (device.major, device.minor));
            let is_same = match (entry.kind, there.kind) {
                (EntryKind::Symlink, FileType::Symlink) => {
                    there::read_link(dir, name)? == entry.target
                }
                (EntryKind::Fifo, FileType::Fifo) | (EntryKind::Socket, FileType::Socket) => true,
                (EntryKind::Char, FileType::CharacterDevice)
                | (EntryKind::Block, FileType::BlockDevice) => device == Some(there.device),
                _ => false,
            };
            // A link's mode says nothing.
            let mode = if there.kind == FileType::Symlink { entry.mode.into() } else { there.mode };
            let needs_metadata = there.mtime != (entry.mtime.secs, entry.mtime.nanos)
                || !self.is_described(dir, name, &There { mode, ..there }, entry);
            if is_same && (!needs_metadata || u64::from(there.links) <= entry.links.max(1)) {
                return Ok(Site::Same { there, needs_metadata });
            }
            self.clear(dir, name, way, &there)
        };
        self.or_told(way, decide())
    }

    /// Clears the place for a directory: what is there and is none is taken away, if it may be.
    ///
    /// # Errors
    /// What ends the run.
    pub(super) fn clear_for_dir(
        &self,
        dir: &Dir,
        name: &[u8],
        mtime: (i64, u32),
    ) -> Result<bool, Fault> {
        let Some(there) = there::look(dir, name)? else { return Ok(true) };
        if there.kind == FileType::Directory || self.keeps(&there, mtime) {
            return Ok(false);
        }
        there::remove(dir, name, &there)?;
        Ok(true)
    }

    /// Takes away what is in the way of something else.
    pub(super) fn clear(
        &self,
        dir: &Dir,
        name: &[u8],
        way: &[u8],
        there: &There,
    ) -> Result<Site, Fault> {
        if there.kind != FileType::Directory {
            there::remove(dir, name, there)?;
            return Ok(Site::Free);
        }
        if !self.options.delete {
            return Err(Fault::refused(
                "replace",
                "a directory is in the way, with what is in it: move it away, or use --delete",
            ));
        }
        let options = self.options;
        let is_partial = !(options.include.is_empty() && options.exclude.is_empty());
        if is_partial || options.overwrite == Overwrite::IfNewer {
            return Err(Fault::refused(
                "replace",
                "a directory is in the way, and not all that is in it was to be replaced: move it away",
            ));
        }
        match delete::whole(self, dir, name, way)? {
            true => Ok(Site::Free),
            false => Err(Fault::refused(
                "replace",
                "a directory is in the way, of which not all may be deleted",
            )),
        }
    }

    fn or_told(&self, way: &[u8], site: Result<Site, Fault>) -> Result<Site> {
        site.or_else(|fault| self.fault(way, fault).map(|()| Site::Closed))
    }

    /// Whether the metadata that can be told without opening it is the snapshot's. A file with flags or extended attributes,
    /// here or there, is opened to know.
    fn is_described(&self, dir: &Dir, name: &[u8], there: &There, entry: &Entry) -> bool {
        there.mode == u32::from(entry.mode)
            && (!self.owners.are_set() || there.owner == self.owners.of(entry))
            && entry.flags == 0
            && entry.xattrs.is_empty()
            && entry.moved_xattrs.is_empty()
            && !there::has_xattrs(dir, name)
    }
}
