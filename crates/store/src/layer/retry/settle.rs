//! Whose object is it that is in the way of a create whose answer may have been lost?
//!
//! Reads what is there: its size first, then its bytes in pieces, so that a large object is neither
//! fetched in vain nor held in memory as a whole.

use std::ops::Range;

use bytes::Bytes;

use crate::layer::retry::RetryStore;
use crate::{ErrorKind, Payload, Result, Store};

/// How much is compared at a time.
const PIECE_BYTES: u64 = 4 << 20;

/// What the object should hold.
#[derive(Debug)]
pub(super) enum Content<'a> {
    /// These bytes.
    Bytes(&'a Payload),
    /// Those of another object.
    Object(&'a str),
}

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An object of just this content: our lost answer was a success.
    Ours,
    /// Something else.
    Another,
    /// No object.
    Nothing,
}

impl RetryStore {
    /// Compares the object `key` with what we wanted to create.
    pub(super) async fn settle(&self, key: &str, content: &Content<'_>) -> Result<Found> {
        match self.compare(key, content).await {
            Ok(true) => Ok(Found::Ours),
            Ok(false) => Ok(Found::Another),
            Err(error) if error.kind() == ErrorKind::NotFound && error.key() == key => {
                Ok(Found::Nothing)
            }
            Err(error) => Err(error),
        }
    }

    async fn compare(&self, key: &str, content: &Content<'_>) -> Result<bool> {
        let size = self.head(key).await?.size;
        let wanted = match content {
            Content::Bytes(bytes) => bytes.len(),
            Content::Object(from) => self.head(from).await?.size,
        };
        if size != wanted {
            return Ok(false);
        }
        let mut start = 0;
        while start < size {
            let range = start..size.min(start + PIECE_BYTES);
            let there = self.get_range(key, range.clone()).await?;
            if !self.is_at(content, range.clone(), &there).await? {
                return Ok(false);
            }
            start = range.end;
        }
        Ok(true)
    }

    async fn is_at(&self, content: &Content<'_>, range: Range<u64>, there: &Bytes) -> Result<bool> {
        match content {
            Content::Bytes(bytes) => Ok(bytes.holds_at(range.start, there)),
            Content::Object(from) => Ok(self.get_range(from, range).await? == *there),
        }
    }
}
