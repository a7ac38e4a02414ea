//! Calls about locks and versions, repeated like all others.
//!
//! Done twice is done once with each of them, so there is nothing to settle.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use super::RetryStore;
use crate::locking::{Locking, VersionMark, VersionPage};
use crate::options::ObjectLock;
use crate::{Result, Verb};

/// The locks of a store, with the patience of its layer.
#[derive(Debug)]
pub(super) struct RetryLocking {
    pub(super) retry: RetryStore,
    pub(super) inner: Arc<dyn Locking>,
}

#[async_trait]
impl Locking for RetryLocking {
    fn lock_new(&self, lock: Option<ObjectLock>) {
        self.inner.lock_new(lock);
    }

    async fn locked_until(&self, key: &str) -> Result<Option<SystemTime>> {
        self.retry.repeat(Verb::Head, |_| self.inner.locked_until(key)).await
    }

    async fn extend(&self, key: &str, lock: ObjectLock, until: SystemTime) -> Result<()> {
        self.retry.repeat(Verb::Put, |_| self.inner.extend(key, lock, until)).await
    }

    async fn versions(&self, prefix: &str, after: Option<&VersionMark>) -> Result<VersionPage> {
        self.retry.repeat(Verb::List, |_| self.inner.versions(prefix, after)).await
    }

    async fn get_version(&self, key: &str, id: &str) -> Result<Bytes> {
        self.retry.repeat(Verb::Get, |_| self.inner.get_version(key, id)).await
    }

    async fn delete_version(&self, key: &str, id: &str) -> Result<()> {
        self.retry.repeat(Verb::Delete, |_| self.inner.delete_version(key, id)).await
    }

    async fn bring_back(&self, key: &str, id: &str) -> Result<()> {
        self.retry.repeat(Verb::Copy, |_| self.inner.bring_back(key, id)).await
    }
}
