//! What has no content: symbolic links and special files are made and finished at once.

use std::sync::Arc;

use lifeboat_format::tree::{Entry, EntryKind};

use super::Planner;
use crate::error::Result;
use crate::restore::links::{Links, Original};
use crate::restore::there::Site;
use crate::restore::{finish, place};
use crate::target::fault;
use crate::target::meta::has_last_flags;
use crate::target::node::Special;
use crate::target::{Dir, Fault, FileId, Node};

impl Planner<'_> {
    pub(super) fn node(&mut self, dir: &Dir, way: &[u8], entry: &Entry) -> Result<()> {
        let name = place::split(way).1;
        if !self.is_empty(dir) {
            match self.job.site_of_node(dir, name, way, entry)? {
                Site::Free => {}
                Site::Same { there, needs_metadata } => {
                    return self.same(dir, way, entry, &there, needs_metadata);
                }
                Site::Closed | Site::Found(_) => return Ok(()),
            }
        }
        let node = match create(dir, name, entry) {
            Ok(node) => node,
            Err(fault) => return self.job.fault(way, fault),
        };
        let original = self.remember(way, entry, node.id());
        finish::metadata(self.job, self.source, &node, dir, way, entry, original.as_deref())?;
        self.job.made(&self.job.counts.other);
        Ok(())
    }

    /// Remembers what was made or found for the first of several names.
    pub(super) fn remember(
        &mut self,
        way: &[u8],
        entry: &Entry,
        id: FileId,
    ) -> Option<Arc<Original>> {
        if !Links::has_group(entry) {
            return None;
        }
        let seal = has_last_flags(entry.flags).then_some(entry.flags);
        let original = Original::new(way, id, seal);
        self.links.insert(entry, &original).then_some(original)
    }
}

fn create(dir: &Dir, name: &[u8], entry: &Entry) -> fault::Result<Node> {
    let device = entry.rdev.map(|device| (device.major, device.minor));
    let special = match (entry.kind, device) {
        (EntryKind::Symlink, _) => return Node::create_symlink(dir, name, &entry.target),
        (EntryKind::Fifo, _) => Special::Fifo,
        (EntryKind::Socket, _) => Special::Socket,
        (EntryKind::Char, Some((major, minor))) => Special::Character(major, minor),
        (EntryKind::Block, Some((major, minor))) => Special::Block(major, minor),
        (EntryKind::Char | EntryKind::Block, None) => {
            return Err(Fault::refused("create device", "the snapshot has no number for it"));
        }
        (EntryKind::File | EntryKind::Dir, _) => {
            return Err(Fault::refused("create special file", "its entry is another kind's"));
        }
    };
    Node::create_special(dir, name, special)
}
