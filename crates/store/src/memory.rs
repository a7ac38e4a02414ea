//! A store in this process's memory, for tests and for trying things out.
//!
//! `object_store` has one that keeps times and conditions; this gives it our keys and errors.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::{Error, ErrorKind, Guard, Listed, ObjectInfo, ObjectStream, Payload, Result, Store};
use crate::{validate_key, validate_prefix};

/// An empty store in this process's memory; it is gone with its last handle.
pub fn mem() -> Arc<dyn Store> {
    Arc::new(MemoryStore(InMemory::new()))
}

#[derive(Debug)]
struct MemoryStore(InMemory);

#[async_trait]
impl Store for MemoryStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let path = path_of("put", key)?;
        let payload: PutPayload = data.parts().iter().cloned().collect();
        let options = PutOptions::from(PutMode::Create);
        let put = self.0.put_opts(&path, payload, options).await;
        put.map(drop).map_err(|error| convert("put", key, error))
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        let path = path_of("get", key)?;
        let found = self.0.get(&path).await.map_err(|error| convert("get", key, error))?;
        found.bytes().await.map_err(|error| convert("get", key, error))
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let path = path_of("get range", key)?;
        if range.start >= range.end {
            return self.empty_range(key, range).await;
        }
        match self.0.get_range(&path, range.clone()).await {
            // A range that ends beyond the object is answered with what there is.
            Ok(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
            Ok(bytes) => {
                Err(Error::beyond_end("get range", key, &range, range.start + bytes.len() as u64))
            }
            Err(error) => match self.0.head(&path).await {
                Ok(meta) if range.end > meta.size => {
                    Err(Error::beyond_end("get range", key, &range, meta.size))
                }
                _ => Err(convert("get range", key, error)),
            },
        }
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        let path = path_of("head", key)?;
        let meta = self.0.head(&path).await.map_err(|error| convert("head", key, error))?;
        let modified = meta.last_modified.into();
        Ok(ObjectInfo { size: meta.size, modified, guard: Guard::default() })
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
            .0
            .list(Some(&folder))
            .map_ok(listed)
            .try_filter(move |listed| future::ready(listed.key.starts_with(&wanted)));
        let prefix = prefix.to_owned();
        Ok(listed.map_err(move |error| convert("list", &prefix, error)).boxed())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let path = path_of("delete", key)?;
        // Some stores, memory among them, say nothing of deleting what is not there.
        self.0.head(&path).await.map_err(|error| convert("delete", key, error))?;
        self.0.delete(&path).await.map_err(|error| convert("delete", key, error))
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

impl MemoryStore {
    /// That crate refuses empty ranges; ours are empty bytes where the object reaches that far.
    async fn empty_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let size = self.head(key).await?.size;
        if range.start > range.end || range.end > size {
            return Err(Error::beyond_end("get range", key, &range, size));
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

fn convert(operation: &'static str, key: &str, error: object_store::Error) -> Error {
    use object_store::Error as Theirs;
    let kind = match &error {
        Theirs::NotFound { .. } => ErrorKind::NotFound,
        Theirs::AlreadyExists { .. } => ErrorKind::AlreadyExists,
        _ => ErrorKind::Other,
    };
    Error::new(kind, operation, key).with_source(error)
}

#[cfg(test)]
mod tests;
