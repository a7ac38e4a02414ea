//! A store whose calls keep to a limit of bytes a second, each as a whole.
//!
//! For stores that can't do it while the bytes move, as those over HTTP can: a directory's bytes wait
//! before they are written, and after they were read. What a store copies within itself is not
//! counted.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::layer::bandwidth::Bandwidth;
use crate::locking::Locking;
use crate::{Error, ObjectInfo, ObjectStream, Payload, Result, Store};

/// A store with a limit in each direction.
#[derive(Clone, Debug)]
pub struct ThrottleStore {
    inner: Arc<dyn Store>,
    upload: Bandwidth,
    download: Bandwidth,
}

impl ThrottleStore {
    /// Limits what goes to `inner` and comes from it. Needs a tokio runtime with a timer.
    pub fn new(inner: Arc<dyn Store>, upload: Bandwidth, download: Bandwidth) -> Self {
        Self { inner, upload, download }
    }

    async fn received(&self, read: Result<Bytes>) -> Result<Bytes> {
        let bytes = read?;
        self.download.take(bytes.len() as u64).await;
        Ok(bytes)
    }
}

#[async_trait]
impl Store for ThrottleStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        self.upload.take(data.len()).await;
        self.inner.put_new(key, data).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.received(self.inner.get(key).await).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.received(self.inner.get_range(key, range).await).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.inner.head(key).await
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        self.inner.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.inner.delete(key).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        self.upload.take(data.len()).await;
        self.inner.put_soon(key, data).await
    }

    async fn sync(&self) -> Result<()> {
        self.inner.sync().await
    }

    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        self.inner.delete_many(keys).await
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        self.inner.copy_new(from, to).await
    }

    fn locking(&self) -> Option<Arc<dyn Locking>> {
        self.inner.locking()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

#[cfg(test)]
mod tests;
