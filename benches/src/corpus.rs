//! The corpus: a volume of mixed data made from a seed, and the edits of its next day.
//!
//! The same seed and size give the same bytes on every machine. The next day's edits are done in
//! place on the one working copy, so that what does not change keeps inode, mtime and ctime.

mod binary;
mod code;
mod dump;
mod image;
pub mod json;
mod media;
mod random;
mod words;

use std::{fs, io, path::Path};

use anyhow::{Context, Result};

pub use self::random::Random;

/// What a corpus is made from.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Everything random follows from this.
    pub seed: u64,
    /// About how many bytes of data it holds, holes left out.
    pub bytes: u64,
}

/// What the next day's edits did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Files whose content changed.
    pub changed: u64,
    /// Files that are new.
    pub added: u64,
    /// Files that are gone.
    pub removed: u64,
    /// Bytes of data, holes left out, of all files that changed or are new.
    pub bytes: u64,
}

impl Edits {
    fn change(&mut self, bytes: u64) {
        self.changed += 1;
        self.bytes += bytes;
    }

    fn add(&mut self, bytes: u64) {
        self.added += 1;
        self.bytes += bytes;
    }
}

/// One sort of data: how it is made, and what a day does to it.
struct Sort {
    folder: &'static str,
    /// Its part of the corpus, in thousandths.
    share: u64,
    build: fn(&Path, Random, u64) -> Result<()>,
    edit: fn(&Path, Random, u64, &mut Edits) -> Result<()>,
}

const SORTS: [Sort; 6] = [
    Sort { folder: "source", share: 180, build: code::build, edit: code::edit },
    Sort { folder: "programs", share: 160, build: binary::build, edit: binary::edit },
    Sort { folder: "database", share: 200, build: dump::build, edit: dump::edit },
    Sort { folder: "machine", share: 200, build: image::build, edit: image::edit },
    Sort { folder: "media", share: 250, build: media::build, edit: media::edit },
    Sort { folder: "records", share: 10, build: json::build, edit: json::edit },
];

/// Makes the volume of the first day in `folder`, which must not be there yet.
///
/// # Errors
///
/// What the file system says, with the path.
pub fn build(folder: &Path, spec: Spec) -> Result<()> {
    for sort in &SORTS {
        let place = folder.join(sort.folder);
        fs::create_dir_all(&place).with_context(|| place.display().to_string())?;
        let random = Random::new(spec.seed, sort.folder);
        (sort.build)(&place, random, share(spec, sort))
            .with_context(|| format!("make {}", place.display()))?;
    }
    Ok(())
}

/// Turns the volume of the first day into that of the next, in place.
///
/// # Errors
///
/// What the file system says, with the path.
pub fn next_day(folder: &Path, spec: Spec) -> Result<Edits> {
    let mut edits = Edits::default();
    for sort in &SORTS {
        let place = folder.join(sort.folder);
        let random = Random::new(spec.seed, sort.folder);
        (sort.edit)(&place, random, share(spec, sort), &mut edits)
            .with_context(|| format!("edit {}", place.display()))?;
    }
    Ok(edits)
}

fn share(spec: Spec, sort: &Sort) -> u64 {
    spec.bytes / 1000 * sort.share
}

/// The paths of all files below `folder`, in one order on every file system.
fn files_below(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let list = if entry.file_type()?.is_dir() { &mut folders } else { &mut files };
            list.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// The length of something in memory, as files count it.
fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("no machine has more than 64 bits of memory")
}

#[cfg(test)]
mod tests;
