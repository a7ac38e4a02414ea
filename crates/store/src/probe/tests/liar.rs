//! A store in memory that breaks one promise.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, future};

use crate::{Error, ErrorKind, Guard, ObjectInfo, ObjectStream, Payload, Result, Store};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// A create replaces what is there.
    Overwrites,
    /// A create looks, and writes a moment later.
    LooksThenWrites,
    /// Creates are refused.
    RefusesCreates,
    /// The store is away from the third put on.
    IsAway,
    /// Reads give other bytes.
    ReadsOtherBytes,
    /// A list does not show races yet.
    ListsLate,
    /// A list shows objects of others.
    ListsOthers,
    /// Ranges end early.
    ShortRanges,
    /// Ranges beyond the end give what there is.
    LenientRanges,
    /// Deletes are refused.
    RefusesDeletes,
    /// Deletes are answered and not done.
    IgnoresDeletes,
    /// A deleted name stays taken.
    KeepsNames,
    /// The clock is an hour behind.
    IsBehind,
    /// None: versions are kept, and new objects are locked for an hour.
    Guards,
}

#[derive(Debug)]
pub(crate) struct Liar {
    inner: Arc<dyn Store>,
    lie: Lie,
    puts: std::sync::atomic::AtomicU32,
    deleted: std::sync::Mutex<Vec<String>>,
}

impl Liar {
    pub(crate) fn store(lie: Lie) -> Arc<dyn Store> {
        let (puts, deleted) = Default::default();
        Arc::new(Self { inner: crate::mem(), lie, puts, deleted })
    }

    fn refusal(operation: &'static str, key: &str, kind: ErrorKind) -> Error {
        Error::new(kind, operation, key)
    }
}

#[async_trait]
impl Store for Liar {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let number = self.puts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match self.lie {
            Lie::RefusesCreates => return Err(Self::refusal("put", key, ErrorKind::Denied)),
            Lie::IsAway if number >= 2 => {
                return Err(Self::refusal("put", key, ErrorKind::Unavailable));
            }
            Lie::Overwrites => drop(self.inner.delete(key).await),
            Lie::LooksThenWrites => {
                if self.inner.head(key).await.is_ok() {
                    return Err(Self::refusal("put", key, ErrorKind::AlreadyExists));
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
                drop(self.inner.delete(key).await);
            }
            Lie::KeepsNames if self.deleted.lock().unwrap().iter().any(|gone| gone == key) => {
                return Err(Self::refusal("put", key, ErrorKind::AlreadyExists));
            }
            _ => {}
        }
        self.inner.put_new(key, data).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        let bytes = self.inner.get(key).await?;
        Ok(if self.lie == Lie::ReadsOtherBytes { bytes.slice(1..) } else { bytes })
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        match self.lie {
            Lie::ShortRanges if range.end > range.start => {
                self.inner.get_range(key, range.start..range.end - 1).await
            }
            Lie::LenientRanges => {
                let size = self.inner.head(key).await?.size;
                self.inner.get_range(key, range.start.min(size)..range.end.min(size)).await
            }
            _ => self.inner.get_range(key, range).await,
        }
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        let mut info = self.inner.head(key).await?;
        if self.lie == Lie::IsBehind {
            info.modified -= Duration::from_secs(3600);
        }
        if self.lie == Lie::Guards {
            let locked_until = Some(info.modified + Duration::from_secs(3600));
            info.guard = Guard { is_version: true, locked_until };
        }
        Ok(info)
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        match self.lie {
            Lie::ListsLate => {
                let listed = self.inner.list(prefix).await?;
                Ok(listed.try_filter(|l| future::ready(!l.key.contains("/race/"))).boxed())
            }
            Lie::ListsOthers => self.inner.list("").await,
            _ => self.inner.list(prefix).await,
        }
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.lie {
            Lie::RefusesDeletes => return Err(Self::refusal("delete", key, ErrorKind::Denied)),
            Lie::IgnoresDeletes => return Ok(()),
            _ => {}
        }
        self.deleted.lock().unwrap().push(key.to_owned());
        self.inner.delete(key).await
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
