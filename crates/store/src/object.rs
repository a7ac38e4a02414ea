//! Stores of the `object_store` crate as a [`Store`]: memory now, the clouds with it.
//!
//! Knows that crate's paths, options and errors, and lets none of them out. Its own retries and
//! ours must not multiply: a store given to the adapter is configured to try a request once or
//! twice only.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::{Error, ErrorKind, Listed, ObjectInfo, ObjectStream, Payload, Result, Store};
use crate::{validate_key, validate_prefix};

/// An empty store in this process's memory; it is gone with its last handle.
pub fn mem() -> Arc<dyn Store> {
    Arc::new(ObjectAdapter::new(Arc::new(object_store::memory::InMemory::new()), "memory"))
}

/// A store of the `object_store` crate behind our trait.
#[derive(Clone)]
pub struct ObjectAdapter {
    inner: Arc<dyn ObjectStore>,
    place: String,
}

impl ObjectAdapter {
    /// Adapts `inner`; `place` names it in messages and must hold no secrets.
    pub fn new(inner: Arc<dyn ObjectStore>, place: impl Into<String>) -> Self {
        Self { inner, place: place.into() }
    }
}

impl fmt::Debug for ObjectAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The inner store's own Debug may show its credentials.
        f.debug_struct("ObjectAdapter").field("place", &self.place).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for ObjectAdapter {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let path = path_of("put", key)?;
        let payload: PutPayload = data.parts().iter().cloned().collect();
        let options = PutOptions::from(PutMode::Create);
        let put = self.inner.put_opts(&path, payload, options).await;
        put.map(drop).map_err(|error| convert("put", key, error))
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        let path = path_of("get", key)?;
        let found = self.inner.get(&path).await.map_err(|error| convert("get", key, error))?;
        found.bytes().await.map_err(|error| convert("get", key, error))
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let path = path_of("get range", key)?;
        if range.start >= range.end {
            return self.empty_range(key, range).await;
        }
        match self.inner.get_range(&path, range.clone()).await {
            // A range that ends beyond the object is answered with what there is.
            Ok(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
            Ok(bytes) => Err(beyond_end(key, &range, range.start + bytes.len() as u64)),
            Err(error) => match self.inner.head(&path).await {
                Ok(meta) if range.end > meta.size => Err(beyond_end(key, &range, meta.size)),
                _ => Err(convert("get range", key, error)),
            },
        }
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        let path = path_of("head", key)?;
        let meta = self.inner.head(&path).await.map_err(|error| convert("head", key, error))?;
        Ok(ObjectInfo { size: meta.size, modified: meta.last_modified.into() })
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        validate_prefix("list", prefix)?;
        // That crate's prefixes are whole components; ours are text. Ask for the components and
        // pick.
        let components = prefix.rsplit_once('/').map_or("", |(whole, _)| whole);
        let folder = Path::parse(components)
            .map_err(|error| Error::new(ErrorKind::Invalid, "list", prefix).with_source(error))?;
        let wanted = prefix.to_owned();
        let listed = self
            .inner
            .list(Some(&folder))
            .map_ok(listed)
            .try_filter(move |listed| future::ready(listed.key.starts_with(&wanted)));
        let prefix = prefix.to_owned();
        Ok(listed.map_err(move |error| convert("list", &prefix, error)).boxed())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let path = path_of("delete", key)?;
        // Some stores, memory among them, say nothing of deleting what is not there.
        self.inner.head(&path).await.map_err(|error| convert("delete", key, error))?;
        self.inner.delete(&path).await.map_err(|error| convert("delete", key, error))
    }

    fn describe(&self) -> String {
        self.place.clone()
    }
}

impl ObjectAdapter {
    /// That crate refuses empty ranges; ours are empty bytes where the object reaches that far.
    async fn empty_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let size = self.head(key).await?.size;
        if range.start > range.end || range.end > size {
            return Err(beyond_end(key, &range, size));
        }
        Ok(Bytes::new())
    }
}

fn listed(meta: ObjectMeta) -> Listed {
    Listed { key: meta.location.to_string(), size: meta.size, modified: meta.last_modified.into() }
}

fn path_of(operation: &'static str, key: &str) -> Result<Path> {
    validate_key(operation, key)?;
    Path::parse(key)
        .map_err(|error| Error::new(ErrorKind::Invalid, operation, key).with_source(error))
}

fn beyond_end(key: &str, range: &Range<u64>, size: u64) -> Error {
    Error::new(ErrorKind::Range, "get range", key).with_detail(format!(
        "the bytes {}..{} were asked for, the object has {size}: it is truncated or not what was \
         written",
        range.start, range.end
    ))
}

fn convert(operation: &'static str, key: &str, error: object_store::Error) -> Error {
    use object_store::Error as Theirs;
    let kind = match &error {
        Theirs::NotFound { .. } => ErrorKind::NotFound,
        Theirs::AlreadyExists { .. } => ErrorKind::AlreadyExists,
        Theirs::PermissionDenied { .. } | Theirs::Unauthenticated { .. } => ErrorKind::Denied,
        Theirs::NotSupported { .. } | Theirs::NotImplemented { .. } => ErrorKind::Unsupported,
        Theirs::InvalidPath { .. } => ErrorKind::Invalid,
        // What is left of transient failures arrives without a kind of its own.
        Theirs::Generic { .. } => ErrorKind::Unavailable,
        _ => ErrorKind::Other,
    };
    Error::new(kind, operation, key).with_source(error)
}

#[cfg(test)]
mod tests;
