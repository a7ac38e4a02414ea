//! Listing the objects of a local store, in byte order of their keys.
//!
//! Knows names and sizes. One directory per level is in memory at a time, sorted; objects come in
//! batches, each made on a thread that may block. Names that can't be keys, temporaries, links and
//! the file system's own `lost+found` are passed over.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use rustix::fs::{AtFlags, Dir, FileType, StatxFlags};
use rustix::io::Errno;

use crate::key::TEMPORARY;
use crate::local::root::Root;
use crate::local::{blocking, read};
use crate::{Listed, ObjectStream, Result, validate_key};

const BATCH_OBJECTS: usize = 1024;

/// Where file systems of the ext family keep what they found; nobody but root may look into it.
const LOST_AND_FOUND: &str = "lost+found";

pub(super) fn list(root: Arc<Root>, prefix: &str) -> ObjectStream {
    let walk = Walk { root, prefix: prefix.to_owned(), levels: Vec::new(), started: false };
    let batches = stream::unfold(Some(walk), |walk| async move {
        let mut walk = walk?;
        let prefix = walk.prefix.clone();
        let step = move |_: &str| walk.next_batch().map(|batch| (batch, walk));
        match blocking("list", &prefix, step).await {
            Ok((batch, _)) if batch.is_empty() => None,
            Ok((batch, walk)) => {
                let batch: Vec<Result<Listed>> = batch.into_iter().map(Ok).collect();
                Some((stream::iter(batch), Some(walk)))
            }
            Err(error) => Some((stream::iter(vec![Err(error)]), None)),
        }
    });
    batches.flatten().boxed()
}

/// A depth-first walk that can be left and taken up again.
struct Walk {
    root: Arc<Root>,
    prefix: String,
    levels: Vec<VecDeque<Name>>,
    started: bool,
}

/// A path from the root; a directory's ends in a slash, which is also what sorts it among keys.
struct Name(String);

impl Walk {
    /// The next objects, at least one unless the walk is over.
    fn next_batch(&mut self) -> Result<Vec<Listed>> {
        if !self.started {
            self.started = true;
            let folder = self.prefix.rfind('/').map_or("", |slash| &self.prefix[..=slash]);
            let folder = folder.to_owned();
            self.enter(&folder)?;
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH_OBJECTS {
            let Some(level) = self.levels.last_mut() else { break };
            match level.pop_front() {
                None => drop(self.levels.pop()),
                Some(Name(path)) if path.ends_with('/') => self.enter(&path)?,
                Some(Name(key)) => match read::info(&self.root, &key) {
                    Ok(Some(info)) => {
                        batch.push(Listed { key, size: info.size, modified: info.modified });
                    }
                    // Not an object, or deleted since its directory was read.
                    Ok(None) | Err(Errno::NOENT) => {}
                    Err(errno) => return Err(self.failed(&key, errno)),
                },
            }
        }
        Ok(batch)
    }

    /// Reads the directory `folder` (empty, or with a slash at its end) as the next level.
    fn enter(&mut self, folder: &str) -> Result<()> {
        match self.names_of(folder) {
            Ok(names) => self.levels.push(names),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Err(self.failed(folder, errno)),
        }
        Ok(())
    }

    fn names_of(&self, folder: &str) -> Result<VecDeque<Name>, Errno> {
        let folder_path = folder.trim_end_matches('/');
        let directory = self.root.find(folder_path, || self.root.open_directory(folder_path))?;
        let mut names = Vec::new();
        for entry in Dir::new(directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let top = folder.is_empty();
            if matches!(name, "." | "..") || top && matches!(name, TEMPORARY | LOST_AND_FOUND) {
                continue;
            }
            let mut path = format!("{folder}{name}");
            if validate_key("list", &path).is_err() {
                continue;
            }
            match self.type_of(&path, entry.file_type()) {
                Ok(FileType::Directory) => path.push('/'),
                Ok(FileType::RegularFile) => {}
                Ok(_) | Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            }
            let within = path.starts_with(&self.prefix);
            if within || path.ends_with('/') && self.prefix.starts_with(&path) {
                names.push(path);
            }
        }
        names.sort_unstable();
        Ok(names.into_iter().map(Name).collect())
    }

    /// Some file systems don't tell the type along with the name.
    fn type_of(&self, path: &str, told: FileType) -> Result<FileType, Errno> {
        if told != FileType::Unknown {
            return Ok(told);
        }
        let found =
            self.root.system.look(self.root.fd(), path, AtFlags::empty(), StatxFlags::TYPE)?;
        Ok(FileType::from_raw_mode(found.stx_mode.into()))
    }

    fn failed(&self, path: &str, errno: Errno) -> crate::Error {
        self.root.failed("list", &self.prefix, path, errno)
    }
}
