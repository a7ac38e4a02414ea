use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::layer::{meter::Meter, metrics::MetricsStore, record::RecordStore, retry};
use crate::local::LocalStore;
use crate::{ObjectInfo, ObjectStream, Payload};

async fn assert_conforms(store: Arc<dyn Store>) {
    assert_eq!(run(&store, "probe/").await, Ok(()));
    let left: Vec<_> = store.list("").await.unwrap().try_collect().await.unwrap();
    assert_eq!(left, [], "the suite clears up after itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_conforms() {
    assert_conforms(crate::mem()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_conforms() {
    let dir = tempfile::tempdir().unwrap();
    assert_conforms(Arc::new(LocalStore::open(dir.path()).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_change_nothing() {
    let recorded = Arc::new(RecordStore::new(crate::mem()));
    let counted = Arc::new(MetricsStore::new(recorded, Meter::new()));
    let options = retry::RetryOptions::default();
    assert_conforms(Arc::new(retry::RetryStore::new(counted, options))).await;
}

/// A server that ignores the condition of a create, as some do.
#[derive(Debug)]
struct Overwrites(Arc<dyn Store>);

#[async_trait]
impl Store for Overwrites {
    async fn put_new(&self, key: &str, data: Payload) -> crate::Result<()> {
        drop(self.0.delete(key).await);
        self.0.put_new(key, data).await
    }
    async fn get(&self, key: &str) -> crate::Result<Bytes> {
        self.0.get(key).await
    }
    async fn get_range(&self, key: &str, range: Range<u64>) -> crate::Result<Bytes> {
        self.0.get_range(key, range).await
    }
    async fn head(&self, key: &str) -> crate::Result<ObjectInfo> {
        self.0.head(key).await
    }
    async fn list(&self, prefix: &str) -> crate::Result<ObjectStream> {
        self.0.list(prefix).await
    }
    async fn delete(&self, key: &str) -> crate::Result<()> {
        self.0.delete(key).await
    }
    fn describe(&self) -> String {
        self.0.describe()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_overwrites_is_found_out() {
    let store: Arc<dyn Store> = Arc::new(Overwrites(crate::mem()));
    let failures = run(&store, "probe/").await.unwrap_err();
    assert!(failures.iter().any(|failure| failure.check == "create"), "{failures:?}");
}
