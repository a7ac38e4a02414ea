//! Stores that can't create conditionally: refused, or marked for one writer at a time.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use lifeboat_store::layer::record::RecordStore;
use lifeboat_store::{ObjectInfo, ObjectStream, Payload, Store};

use super::*;

/// A store whose creates replace what is there, below a prefix.
#[derive(Debug)]
struct Overwrites {
    inner: Arc<dyn Store>,
    below: &'static str,
    deletes: bool,
}

impl Overwrites {
    fn store(below: &'static str, deletes: bool) -> Arc<dyn Store> {
        Arc::new(Self { inner: mem(), below, deletes })
    }
}

#[async_trait]
impl Store for Overwrites {
    async fn put_new(&self, key: &str, data: Payload) -> lifeboat_store::Result<()> {
        loop {
            let put = self.inner.put_new(key, data.clone()).await;
            let taken = put.as_ref().is_err_and(|e| e.kind() == ErrorKind::AlreadyExists);
            if !taken || !key.starts_with(self.below) {
                return put;
            }
            drop(self.inner.delete(key).await);
        }
    }
    async fn get(&self, key: &str) -> lifeboat_store::Result<Bytes> {
        self.inner.get(key).await
    }
    async fn get_range(&self, key: &str, range: Range<u64>) -> lifeboat_store::Result<Bytes> {
        self.inner.get_range(key, range).await
    }
    async fn head(&self, key: &str) -> lifeboat_store::Result<ObjectInfo> {
        self.inner.head(key).await
    }
    async fn list(&self, prefix: &str) -> lifeboat_store::Result<ObjectStream> {
        self.inner.list(prefix).await
    }
    async fn delete(&self, key: &str) -> lifeboat_store::Result<()> {
        match self.deletes {
            true => self.inner.delete(key).await,
            false => Err(lifeboat_store::Error::new(ErrorKind::Denied, "delete", key)),
        }
    }
    fn describe(&self) -> String {
        self.inner.describe()
    }
}

fn create(store: &Arc<dyn Store>, exclusive: bool) -> Result<Repository> {
    let options = InitOptions { exclusive, ..init_options(1) };
    init(Io::new(Arc::clone(store)).unwrap(), &options)
}

#[test]
fn a_store_that_overwrites_is_refused_and_left_empty() {
    for below in ["keys/", "config"] {
        let store = Overwrites::store(below, true);
        let error = create(&store, false).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported, "{error}");
        assert!(error.to_string().contains("9 of 9 creates of one name won"), "{error}");
        assert!(error.hint_text().unwrap().contains("--exclusive"));
        assert!(keys(&store, "").is_empty());
    }
}

#[test]
fn what_can_not_be_removed_is_named_and_does_not_hinder() {
    let store = Overwrites::store("", false);
    let error = create(&store, false).unwrap_err();
    let left = keys(&store, "");
    assert_eq!(left.len(), 1, "a slot that opens nothing");
    assert!(error.to_string().contains(&left[0]), "{error}");
    create(&store, true).unwrap();
    assert_eq!(keys(&store, "").len(), 3);
}

#[test]
fn whoever_writes_to_an_exclusive_repository_says_so() {
    let store = Overwrites::store("", true);
    let created = create(&store, true).unwrap();
    created.require_writable().unwrap();
    assert_eq!(created.config().features.write_required, ["exclusive", "parity"]);
    let opened = reopen(&store, 2);
    assert!(opened.config().is_exclusive());
    let error = opened.require_writable().unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error}");
    assert!(error.hint_text().unwrap().contains("--exclusive"));
    assert!(slots::add(&opened, &testing::passphrase_slot("x")).is_err());
    let options = OpenOptions { exclusive: true, ..open_options(3) };
    let io = Io::new(Arc::clone(&store)).unwrap();
    let opened = open(io, &passphrase(PASSPHRASE), &options).unwrap();
    opened.require_writable().unwrap();
    slots::add(&opened, &testing::passphrase_slot("x")).unwrap();
}

#[test]
fn an_init_makes_few_requests_and_removes_nothing() {
    let recorded = RecordStore::new(mem());
    create(&(Arc::new(recorded.clone()) as Arc<dyn Store>), false).unwrap();
    // Two races of 8 and a late one, each read once; two lists.
    assert_eq!(recorded.count(Verb::Put), 18);
    assert_eq!((recorded.count(Verb::Get), recorded.count(Verb::List)), (2, 2));
    assert_eq!(recorded.calls().len(), 22);
}

#[test]
fn what_a_trial_has_left_does_not_make_a_place_foreign() {
    let store = mem();
    let io = Io::new(Arc::clone(&store)).unwrap();
    io.block_on(store.put_new("probe/0123456789abcdef/object", b"left".into())).unwrap();
    create(&store, false).unwrap();
    reopen(&store, 2);
}
