//! Rewriting a tree without what is lost of it.
//!
//! Knows nodes, entries and content maps, and asks which chunks can be had; not why others can't. A file of whose content
//! something is lost is left out. Where a node is lost, nobody knows which entries it had: they are counted, and the
//! directories above those that follow are made up, with a mark that they are.
//!
//! Invariant: what is written is a tree as any other: in path order, each entry below a directory.

use lifeboat_format::id::ChunkId;
use lifeboat_format::tree::{Entry, EntryKind, Extent, NOTE_METADATA_INCOMPLETE, PathKey};

use crate::error::{Error, Result};
use crate::packer::Framer;
use crate::reader::Reader;
use crate::tree::TreeRoot;
use crate::tree::build::TreeBuilder;
use crate::tree::map::MapReader;
use crate::tree::scan::Scan;

/// The permissions of a directory that was made up: its owner's.
const MADE_UP_MODE: u16 = 0o700;

/// Whether a chunk can be had with so many of its first bytes; why not, if not.
pub(super) type CanBeHad<'a> = dyn Fn(&ChunkId, u64) -> Result<Option<String>> + 'a;

/// What is told of what is left out: the path, and why.
pub(super) type Tell<'a> = dyn FnMut(Option<&PathKey>, String) + 'a;

/// Writes trees anew.
pub(super) struct Rewrite<'a> {
    pub(super) reader: &'a Reader,
    pub(super) can_be_had: &'a CanBeHad<'a>,
    pub(super) is_of_the_object: fn(&Error) -> bool,
}

impl Rewrite<'_> {
    /// The tree of what is left below `root`; none if nothing is.
    ///
    /// # Errors
    /// The store's, and the packer's.
    pub(super) fn tree(
        &self,
        root: &TreeRoot,
        mut builder: TreeBuilder<'_, Framer>,
        tell: &mut Tell<'_>,
    ) -> Result<Option<TreeRoot>> {
        let mut scan = Scan::new(self.reader, root);
        // The directories above the entry that came last, itself among them if it is one.
        let mut above: Vec<PathKey> = Vec::new();
        let mut last: Option<PathKey> = None;
        loop {
            let lost_before = scan.lost();
            let Some(found) = scan.next() else { break };
            let (key, mut entry) = match found {
                Ok(found) => found,
                Err(error) if (self.is_of_the_object)(&error) => {
                    let count = scan.lost() - lost_before;
                    let text =
                        format!("{count} entries behind it are lost with their node: {error}");
                    tell(last.as_ref(), text);
                    continue;
                }
                Err(error) => return Err(error),
            };
            last = Some(key.clone());
            if let Some(why) = self.lost_content(&entry)? {
                tell(Some(&key), why);
                continue;
            }
            self.drop_lost_attributes(&key, &mut entry, tell)?;
            above.retain(|dir| key.is_in(dir));
            for dir in missing_above(&key, &above) {
                tell(Some(&dir), "what was known of this directory is lost".to_owned());
                builder.push(dir.clone(), &made_up())?;
                above.push(dir);
            }
            if entry.kind == EntryKind::Dir {
                above.push(key.clone());
            }
            builder.push(key, &entry)?;
        }
        if builder.entries() == 0 { Ok(None) } else { builder.finish().map(Some) }
    }

    /// Why the content of an entry can't be had, if it can't.
    pub(super) fn lost_content(&self, entry: &Entry) -> Result<Option<String>> {
        for extent in MapReader::new(self.reader, entry) {
            match extent {
                Ok(Extent::Chunk { id, offset, length }) => {
                    let end = u64::from(offset) + u64::from(length);
                    if let Some(why) = (self.can_be_had)(&id, end)? {
                        return Ok(Some(why));
                    }
                }
                Ok(_) => {}
                Err(error) if (self.is_of_the_object)(&error) => {
                    return Ok(Some(format!("where its content lies is lost: {error}")));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Which attributes of an entry can't be had, and why.
    pub(super) fn lost_attributes(&self, entry: &Entry) -> Result<Vec<(Vec<u8>, String)>> {
        let mut lost = Vec::new();
        for (name, value) in &entry.moved_xattrs {
            if let Some(why) = (self.can_be_had)(&value.id, u64::from(value.len))? {
                lost.push((name.clone(), why));
            }
        }
        Ok(lost)
    }

    fn drop_lost_attributes(
        &self,
        key: &PathKey,
        entry: &mut Entry,
        tell: &mut Tell<'_>,
    ) -> Result<()> {
        for (name, why) in self.lost_attributes(entry)? {
            let shown = String::from_utf8_lossy(&name).into_owned();
            tell(Some(key), format!("its attribute {shown} is lost: {why}"));
            entry.moved_xattrs.remove(&name);
            entry.notes |= NOTE_METADATA_INCOMPLETE;
        }
        Ok(())
    }
}

/// The directories above `key` that are not among these, from the top.
fn missing_above(key: &PathKey, above: &[PathKey]) -> Vec<PathKey> {
    let mut missing = Vec::new();
    let mut dir = key.parent();
    while let Some(at) = dir.filter(|at| !above.contains(at)) {
        dir = at.parent();
        missing.push(at);
    }
    missing.reverse();
    missing
}

fn made_up() -> Entry {
    Entry {
        kind: EntryKind::Dir,
        mode: MADE_UP_MODE,
        notes: NOTE_METADATA_INCOMPLETE,
        ..Entry::default()
    }
}
