//! The trait that every place where backups are kept implements.
//!
//! Must not know what the objects mean. An implementation may be called from many tasks at once and
//! answers for itself: it keeps no lock across calls.

use std::fmt::Debug;
use std::ops::Range;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{Payload, Result};

/// What a store knows about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The object's length in bytes.
    pub size: u64,
    /// When it was created, by the store's own clock.
    pub modified: SystemTime,
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
}

impl Verb {
    /// Every verb, in the order of the trait's methods.
    pub const ALL: [Self; 6] =
        [Self::Put, Self::Get, Self::GetRange, Self::Head, Self::List, Self::Delete];

    /// The verb as errors and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::GetRange => "get range",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
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

    /// The store's place for messages, without secrets: `/srv/backup`, `s3://bucket/prefix`.
    fn describe(&self) -> String;
}
