//! Sources: a few tiny files in two directories, whose content other sources may have, too.
//!
//! Each content has a length of its own, so that no clock is too coarse to see a change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_testkit::dice::Dice;
use lifeboat_testkit::tree::Scratch;

/// How many roots a source has.
pub(crate) const ROOTS: usize = 2;
/// How many contents there are.
const CONTENTS: u64 = 24;

/// What the files of a root contain, by name.
pub(crate) type Files = BTreeMap<String, u64>;

/// Directories, and what is in them.
#[derive(Debug)]
pub(crate) struct Source {
    scratch: Scratch,
    pub(crate) files: [Files; ROOTS],
}

/// The bytes of a content.
pub(crate) fn bytes_of(content: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(400 + content * 211).unwrap()];
    lifeboat_testkit::entropy::entropy(content).fill(&mut bytes).unwrap();
    bytes
}

/// An empty directory, in memory where the system has such.
pub(crate) fn scratch() -> Scratch {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => Scratch::within(memory).unwrap(),
        false => Scratch::new().unwrap(),
    }
}

impl Source {
    /// A source with some files.
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let mut source = Self::of([Files::new(), Files::new()]);
        (0..6).for_each(|_| source.edit(dice));
        source
    }

    /// A source with these files.
    pub(crate) fn of(files: [Files; ROOTS]) -> Self {
        let source = Self { scratch: scratch(), files };
        for (root, files) in source.roots().iter().zip(&source.files) {
            fs::create_dir(root).unwrap();
            for (name, content) in files {
                fs::write(root.join(name), bytes_of(*content)).unwrap();
            }
        }
        source
    }

    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        (0..ROOTS).map(|root| self.scratch.join(root.to_string())).collect()
    }

    /// Removes a file or writes one anew.
    pub(crate) fn edit(&mut self, dice: &mut Dice) {
        let root = usize::try_from(dice.below(ROOTS as u64)).unwrap();
        let (name, content) = (format!("file {}", dice.below(5)), dice.below(CONTENTS));
        let path = self.roots()[root].join(&name);
        if self.files[root].remove(&name).is_some() {
            fs::remove_file(&path).unwrap();
        }
        if dice.percent(85) {
            fs::write(&path, bytes_of(content)).unwrap();
            self.files[root].insert(name, content);
        }
    }
}
