//! The entries of one root that the filter takes, in path order.
//!
//! For whoever goes through a snapshot without making its directories: a count, an archive, a verification.
//! What is skipped is not read.

use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::{Entry, EntryKind};
use lifeboat_repo as repo;
use lifeboat_repo::reader::Reader;
use lifeboat_repo::tree::TreeRoot;
use lifeboat_repo::tree::scan::Scan;

use super::filter::{Choice, Choices, Filter};
use super::place::{self, Piece};
use crate::error::Result;

/// A walk through the part of a root that is restored.
pub(super) struct Taken<'a> {
    piece: Piece,
    scan: Scan<'a>,
    choices: Choices<'a>,
    is_first: bool,
}

impl<'a> Taken<'a> {
    /// `None` where the root was missing in the source.
    pub(super) fn new(
        reader: &'a Reader,
        snapshot: &Snapshot,
        filter: &'a Filter,
        piece: Piece,
    ) -> Option<Self> {
        let root = &snapshot.roots[piece.root];
        let id = root.tree?;
        let root = TreeRoot { id, level: root.level, entries: root.entries, bytes: root.bytes };
        let scan = Scan::new(reader, &root).range(&piece.start);
        let choices = Choices::new(filter, &piece.absolute(&piece.start));
        Some(Self { piece, scan, choices, is_first: true })
    }

    /// The way to where it begins, for what is said of all of it.
    pub(super) fn start(&self) -> Vec<u8> {
        let absolute = self.piece.absolute(&self.piece.start);
        self.piece.way(&absolute).to_vec()
    }

    /// Whether there was anything at all.
    ///
    /// # Errors
    /// When the snapshot does not have what was asked for.
    pub(super) fn end(self) -> Result<()> {
        match self.is_first {
            true => Err(place::not_found(&self.piece.absolute(&self.piece.start))),
            false => Ok(()),
        }
    }
}

impl Iterator for Taken<'_> {
    /// The way below the target, and what is there.
    type Item = repo::error::Result<(Vec<u8>, Entry)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let is_first = self.is_first;
            let next = self.scan.next()?;
            self.is_first = false;
            let (key, entry) = match next {
                Ok(next) => next,
                Err(error) => return Some(Err(error)),
            };
            let is_dir = entry.kind == EntryKind::Dir;
            if is_first && !is_dir {
                self.piece.is_single_file();
            }
            let absolute = self.piece.absolute(&key);
            match self.choices.choose(&absolute, &key, is_dir) {
                Choice::Take => return Some(Ok((self.piece.way(&absolute).to_vec(), entry))),
                Choice::Skip if is_dir => {
                    if let Some(end) = key.subtree_end() {
                        self.scan.seek(end);
                    }
                }
                Choice::Below | Choice::Skip => {}
            }
        }
    }
}
