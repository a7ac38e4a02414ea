//! A store that answers puts of packs out of order: every other one waits for a while.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lifeboat_store::{ObjectInfo, ObjectStream, Payload, Result, Store, mem};

/// Longer than the puts of a whole run take in memory.
const LATE: Duration = Duration::from_millis(50);

/// A store in memory, some of whose puts are late.
#[derive(Debug)]
pub(crate) struct LateStore {
    inner: Arc<dyn Store>,
    packs: AtomicU64,
}

impl LateStore {
    pub(crate) fn new() -> Self {
        Self { inner: mem(), packs: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Store for LateStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let is_pack = key.starts_with("packs/") || key.starts_with("trees/");
        if is_pack && self.packs.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            tokio::time::sleep(LATE).await;
        }
        self.inner.put_new(key, data).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.inner.get(key).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.inner.get_range(key, range).await
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

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
