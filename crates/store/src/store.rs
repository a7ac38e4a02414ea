//! The trait that every place where backups are kept implements.
//!
//! Must not know what the objects mean. An implementation may be called from many tasks at once and
//! answers for itself: it keeps no lock across calls.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::locking::Locking;
use crate::{Error, ErrorKind, Payload, Result};

/// What a store knows about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The object's length in bytes.
    pub size: u64,
    /// When it was created, by the store's own clock.
    pub modified: SystemTime,
    /// How the store guards it, as far as it says.
    pub guard: Guard,
}

/// How a store keeps an object from being lost, as far as it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Whether it is a version: a delete then only hides it.
    pub is_version: bool,
    /// Until when it can't be deleted, by the store's own clock.
    pub locked_until: Option<SystemTime>,
}

/// One object as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The object's whole key.
    pub key: String,
    /// The object's length in bytes.
    pub size: u64,
    /// When it was created, by the store's own clock.
    pub modified: SystemTime,
}

/// A list as it arrives; it ends after the first error.
pub type ObjectStream = BoxStream<'static, Result<Listed>>;

/// What a store can be asked to do, one for each method of [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// [`Store::put_new`]
    Put,
    /// [`Store::get`]
    Get,
    /// [`Store::get_range`]
    GetRange,
    /// [`Store::head`]
    Head,
    /// [`Store::list`]
    List,
    /// [`Store::delete`]
    Delete,
    /// [`Store::put_soon`]
    PutSoon,
    /// [`Store::sync`]
    Sync,
    /// [`Store::delete_many`]
    DeleteMany,
    /// [`Store::copy_new`]
    Copy,
}

impl Verb {
    /// Every verb, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Put,
        Self::Get,
        Self::GetRange,
        Self::Head,
        Self::List,
        Self::Delete,
        Self::PutSoon,
        Self::Sync,
        Self::DeleteMany,
        Self::Copy,
    ];

    /// The verb as errors and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::GetRange => "get range",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
            Self::PutSoon => "put soon",
            Self::Sync => "sync",
            Self::DeleteMany => "delete many",
            Self::Copy => "copy",
        }
    }
}

/// A place that keeps objects by key. Objects are created once, whole, and never changed.
///
/// Keys follow [`validate_key`](crate::validate_key) and every method answers
/// [`Invalid`](crate::ErrorKind::Invalid) to one that doesn't.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Creates the object `key` with exactly the bytes of `data`, unless an object of that key
    /// exists. When it returns `Ok` the object is durable and can be read and listed; of several
    /// racing creators exactly one succeeds.
    ///
    /// After an error other than [`AlreadyExists`](crate::ErrorKind::AlreadyExists) the object may
    /// exist, but then it is whole: an answer can be lost after the work was done.
    async fn put_new(&self, key: &str, data: Payload) -> Result<()>;

    /// All bytes of the object.
    async fn get(&self, key: &str) -> Result<Bytes>;

    /// The bytes `range` of the object, exactly as many as were asked for; an empty range within
    /// the object is empty.
    ///
    /// # Errors
    /// [`Range`](crate::ErrorKind::Range) if the range ends beyond the object or before it begins.
    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes>;

    /// The object's size and time.
    async fn head(&self, key: &str) -> Result<ObjectInfo>;

    /// The objects whose keys begin with the text `prefix` (`""` for all), in no promised order.
    /// What this process has put before the call is in it; what others put may be late.
    async fn list(&self, prefix: &str) -> Result<ObjectStream>;

    /// Removes the object for good.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is none (some stores can't tell, and
    /// return `Ok`).
    async fn delete(&self, key: &str) -> Result<()>;

    /// As [`Store::put_new`], but a crash of the store's machine may undo it until a later
    /// [`Store::sync`] has returned: the object may then be missing, short or wrong under its key.
    /// For objects of keys that nobody meets before they are named somewhere else.
    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        self.put_new(key, data).await
    }

    /// Makes durable what [`Store::put_soon`] has put through this value before the call. After an
    /// error none of it may be relied on.
    async fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// Removes objects for good, in as few requests as the store needs, in no promised order; what
    /// does not exist is no error. Returns one error for each object that may still be there.
    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        let mut failed = Vec::new();
        for key in keys {
            match self.delete(key).await {
                Err(error) if error.kind() != ErrorKind::NotFound => failed.push(error),
                _ => {}
            }
        }
        failed
    }

    /// Creates the object `to` with the bytes of the object `from`, as [`Store::put_new`] would; where
    /// the store can, without moving them through this machine.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no `from`, and as for a put.
    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        let data = self.get(from).await?;
        self.put_new(to, data.into()).await
    }

    /// Locks and versions, if the store has any.
    fn locking(&self) -> Option<Arc<dyn Locking>> {
        None
    }

    /// The store's place for messages, without secrets: `/srv/backup`, `s3://bucket/prefix`.
    fn describe(&self) -> String;
}
