//! A view: the log folded once, with its index, its snapshots and a reader, for looking and restoring.
//!
//! What is appended later is not in it. Knows how the parts of this crate fit together, nothing more.

use std::sync::Arc;

use crate::error::Result;
use crate::index::Index;
use crate::log::Fold;
use crate::open::Repository;
use crate::reader::Reader;
use crate::snapshots::Snapshots;

/// A repository as it was at one head of its log.
#[derive(Debug)]
pub struct View {
    /// What counts.
    pub fold: Fold,
    /// Where chunks lie.
    pub index: Arc<Index>,
    /// The snapshots.
    pub snapshots: Snapshots,
    /// Reads chunks.
    pub reader: Reader,
}

impl View {
    /// Folds the log and opens the index.
    ///
    /// # Errors
    /// The store's; [`Kind::Corrupt`](crate::Kind::Corrupt) with the object that is damaged;
    /// [`Kind::Unsupported`](crate::Kind::Unsupported) for entries of a newer version.
    pub fn load(repository: &Repository) -> Result<Self> {
        let fold = Fold::load(repository)?;
        let index = Arc::new(Index::load(repository, &fold)?);
        let snapshots = Snapshots::load(repository, &fold)?;
        let reader = Reader::new(
            repository.io().clone(),
            Arc::clone(repository.keyring()),
            Arc::clone(&index) as _,
            // The rest is for the index, the workers, and what is written.
            repository.memory_bytes() / 4,
        );
        Ok(Self { fold, index, snapshots, reader })
    }
}
