use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};

use futures::TryStreamExt;

use super::*;
use crate::layer::bandwidth::Bandwidth;
use crate::layer::meter::Pool;
use crate::layer::record::RecordStore;
use crate::{Error, Verb, conformance};

fn options() -> StoreOptions {
    StoreOptions::new(Arc::new(|| SystemTime::UNIX_EPOCH))
}

/// Both kinds of stacks, with all layers that they can have.
fn both(record: &RecordStore) -> [Stack; 2] {
    let mut options = options();
    let plenty = NonZeroU64::new(1 << 40).unwrap();
    options.upload = Bandwidth::per_second(plenty);
    options.download = Bandwidth::per_second(plenty);
    let base: Arc<dyn Store> = Arc::new(record.clone());
    [
        over_directory(Arc::clone(&base), &options, Meter::new()),
        over_service(base, &options, Meter::new()),
    ]
}

async fn call(store: &dyn Store, verb: Verb) {
    match verb {
        Verb::Put => store.put_new("put", b"content".into()).await.unwrap(),
        Verb::Get => assert_eq!(store.get("put").await.unwrap(), "content"),
        Verb::GetRange => assert_eq!(store.get_range("put", 1..3).await.unwrap(), "on"),
        Verb::Head => assert_eq!(store.head("put").await.unwrap().size, 7),
        Verb::List => {
            let listed: Vec<_> = store.list("p").await.unwrap().try_collect().await.unwrap();
            assert_eq!(listed.len(), 1);
        }
        Verb::Delete => store.delete("put").await.unwrap(),
        Verb::PutSoon => store.put_soon("soon", b"content".into()).await.unwrap(),
        Verb::Sync => store.sync().await.unwrap(),
        Verb::DeleteMany => {
            let failed = store.delete_many(&["copy".to_owned(), "none".to_owned()]).await;
            assert!(failed.is_empty(), "{failed:?}");
        }
        Verb::Copy => store.copy_new("soon", "copy").await.unwrap(),
    }
}

/// A layer that does not forward a verb would have it done by the trait's default, out of others.
#[tokio::test]
async fn every_verb_arrives_below_as_itself() {
    let record = RecordStore::new(crate::mem());
    for stack in both(&record) {
        for verb in Verb::ALL {
            record.clear();
            call(&*stack.store, verb).await;
            let verbs: Vec<Verb> = record.calls().iter().map(|call| call.verb).collect();
            assert_eq!(verbs, [verb]);
            let metrics = stack.meter.snapshot();
            let counted = metrics.of(verb);
            assert_eq!((counted.calls, counted.failures, counted.latency.count()), (1, 0, 1));
        }
        assert_eq!(stack.meter.snapshot().calls(), Verb::ALL.len() as u64);
        assert_eq!(stack.store.describe(), "memory");
        record.clear();
        let left: Vec<_> = stack.store.list("").await.unwrap().try_collect().await.unwrap();
        for object in left {
            stack.store.delete(&object.key).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stacks_conform() {
    for stack in both(&RecordStore::new(crate::mem())) {
        assert_eq!(conformance::run(&stack.store, "probe/").await, Ok(()));
    }
}

#[tokio::test]
async fn directories_are_opened_and_made() {
    let dir = tempfile::tempdir().unwrap();
    let place = Location::Local(dir.path().join("store"));
    let error = open(&place, &options(), Mode::Open).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::NotFound);
    let made = open(&place, &options(), Mode::Create).unwrap();
    made.store.put_new("x", b"content".into()).await.unwrap();
    let opened = open(&place, &options(), Mode::Open).unwrap();
    assert_eq!(opened.store.get("x").await.unwrap(), "content");
    // Nothing limits a directory but itself, and nobody charges for it.
    let metrics = opened.meter.snapshot();
    assert_eq!(metrics.pool(Pool::Get).limit, 0);
    assert_eq!((metrics.requests(), metrics.bytes_got()), (1, 7));
    assert!(opened.meter.prices().is_none());
}

/// A store that fails once: counted as one call that took two attempts.
#[tokio::test(start_paused = true)]
async fn attempts_are_counted_apart_from_calls() {
    use crate::layer::scripted::{Fault, Scripted};
    let below = Scripted::new(&[Some(Fault::Throttled)]);
    let stack = over_service(below.store(), &options(), Meter::new());
    stack.store.put_new("x", b"content".into()).await.unwrap();
    let metrics = stack.meter.snapshot();
    let put = metrics.of(Verb::Put);
    assert_eq!((put.calls, put.failures, put.retries, put.throttled), (1, 0, 1, 1));
    assert_eq!(metrics.pool(Pool::Put).lowered, 1);
    assert!(put.latency.percentile(50).unwrap() >= Duration::from_millis(100));
}

#[test]
fn a_bucket_needs_no_request_to_be_opened() {
    let credentials = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "secret-of-test")];
    let mut options = options();
    options.credentials = crate::credentials::Credentials::from_variables(
        credentials.map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    options.cloud.region = Some("eu-central-1".to_owned());
    let place = Location::parse("s3://bucket/prefix", std::path::Path::new("/")).unwrap();
    let stack = open(&place, &options, Mode::Open).unwrap();
    assert_eq!(stack.store.describe(), "s3://bucket/prefix");
    assert!(stack.meter.prices().is_some());
    assert!(!format!("{stack:?}").contains("secret-of-test"));
}

#[tokio::test]
async fn layers_keep_their_errors_kind() {
    let record = RecordStore::new(crate::mem());
    for stack in both(&record) {
        let kind = |error: Error| error.kind();
        assert_eq!(stack.store.get("x").await.map_err(kind), Err(crate::ErrorKind::NotFound));
        assert_eq!(stack.store.get("/x").await.map_err(kind), Err(crate::ErrorKind::Invalid));
    }
}
