use std::collections::VecDeque;
use std::sync::Mutex;

use futures::TryStreamExt;

use super::*;

/// Where a call is made to fail.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The store never saw it.
    Before(ErrorKind),
    /// It was done, and the answer was lost.
    After(ErrorKind),
    /// Another creates the object with these bytes, and the call is not answered.
    Raced(&'static [u8]),
}

/// Memory whose next calls meet the faults of a list.
#[derive(Debug)]
struct Scripted {
    inner: Arc<dyn Store>,
    faults: Mutex<VecDeque<Option<Fault>>>,
    calls: AtomicU64,
}

impl Scripted {
    fn new(faults: &[Option<Fault>]) -> Arc<Self> {
        let faults = Mutex::new(faults.iter().copied().collect());
        Arc::new(Self { inner: crate::mem(), faults, calls: AtomicU64::new(0) })
    }

    async fn meet<T>(&self, key: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let fault = self.faults.lock().unwrap().pop_front().flatten();
        let failure = |kind| Error::new(kind, "test", key);
        match fault {
            None => call.await,
            Some(Fault::Before(kind)) => Err(failure(kind)),
            Some(Fault::After(kind)) => {
                drop(call.await);
                Err(failure(kind))
            }
            Some(Fault::Raced(bytes)) => {
                self.inner.put_new(key, bytes.into()).await.unwrap();
                Err(failure(ErrorKind::Unavailable))
            }
        }
    }
}

#[async_trait]
impl Store for Scripted {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        self.meet(key, self.inner.put_new(key, data)).await
    }
    async fn get(&self, key: &str) -> Result<Bytes> {
        self.meet(key, self.inner.get(key)).await
    }
    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.meet(key, self.inner.get_range(key, range)).await
    }
    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.meet(key, self.inner.head(key)).await
    }
    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        self.meet(prefix, self.inner.list(prefix)).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.meet(key, self.inner.delete(key)).await
    }
    fn describe(&self) -> String {
        self.inner.describe()
    }
}

const LOST: Option<Fault> = Some(Fault::After(ErrorKind::Unavailable));
const DOWN: Option<Fault> = Some(Fault::Before(ErrorKind::Unavailable));

fn retried(faults: &[Option<Fault>]) -> (Arc<Scripted>, RetryStore) {
    let scripted = Scripted::new(faults);
    let below: Arc<dyn Store> = Arc::<Scripted>::clone(&scripted);
    (scripted, RetryStore::new(below, RetryOptions::default()))
}

#[tokio::test(start_paused = true)]
async fn calls_are_repeated_until_they_are_answered() {
    let (below, store) = retried(&[DOWN, DOWN, None, DOWN, LOST, DOWN, DOWN]);
    store.put_new("x", b"content".into()).await.unwrap();
    assert_eq!(store.get("x").await.unwrap(), "content");
    assert_eq!(store.get_range("x", 0..2).await.unwrap(), "co");
    assert_eq!(store.head("x").await.unwrap().size, 7);
    assert_eq!(below.calls.load(Ordering::Relaxed), 3 + 3 + 3 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_answer_was_lost_succeeds() {
    let (_, store) = retried(&[LOST]);
    store.put_new("x", Payload::from_iter(["con", "tent"].map(Bytes::from))).await.unwrap();
    assert_eq!(store.get("x").await.unwrap(), "content");
}

#[tokio::test(start_paused = true)]
async fn a_put_that_lost_a_race_behind_a_lost_answer_does_not_succeed() {
    let (_, store) = retried(&[Some(Fault::Raced(b"another's"))]);
    let error = store.put_new("x", b"content".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(store.get("x").await.unwrap(), "another's");
}

#[tokio::test(start_paused = true)]
async fn the_same_bytes_of_another_are_not_ours_without_a_lost_answer() {
    let (_, store) = retried(&[]);
    store.put_new("x", b"content".into()).await.unwrap();
    let error = store.put_new("x", b"content".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_that_left_nothing_is_tried_again() {
    let conflict = Some(Fault::Before(ErrorKind::AlreadyExists));
    let (_, store) = retried(&[DOWN, conflict]);
    store.put_new("x", b"content".into()).await.unwrap();
    assert_eq!(store.get("x").await.unwrap(), "content");
}

#[tokio::test(start_paused = true)]
async fn a_delete_whose_answer_was_lost_succeeds() {
    let (_, store) = retried(&[None, LOST]);
    store.put_new("x", b"content".into()).await.unwrap();
    store.delete("x").await.unwrap();
    assert_eq!(store.delete("x").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn lists_are_begun_again() {
    let (_, store) = retried(&[None, DOWN]);
    store.put_new("x", b"content".into()).await.unwrap();
    let listed: Vec<_> = store.list("").await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
}

/// The list of a directory must not be asked again after its end, unlike that of memory.
#[tokio::test]
async fn empty_lists_end_once() {
    let dir = tempfile::tempdir().unwrap();
    let below = Arc::new(crate::local::LocalStore::create(&dir.path().join("store")).unwrap());
    let store = RetryStore::new(below, RetryOptions::default());
    let listed: Vec<_> = store.list("").await.unwrap().try_collect().await.unwrap();
    assert!(listed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn other_errors_are_returned_at_once() {
    for kind in [ErrorKind::NoSpace, ErrorKind::Denied, ErrorKind::NotFound, ErrorKind::Other] {
        let (below, store) = retried(&[Some(Fault::Before(kind))]);
        assert_eq!(store.get("x").await.unwrap_err().kind(), kind);
        assert_eq!(below.calls.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_end_and_are_told() {
    let (below, store) = retried(&[DOWN; 20]);
    let error = store.get("x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().ends_with("(tried 6 times)"), "{error}");
    assert_eq!(below.calls.load(Ordering::Relaxed), 6);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_down_is_soon_left_alone() {
    let below = Scripted::new(&[DOWN; 1000]);
    let inner: Arc<dyn Store> = Arc::<Scripted>::clone(&below);
    let options = RetryOptions { budget_retries: 7, ..RetryOptions::default() };
    let store = RetryStore::new(inner, options);
    for _ in 0..100 {
        store.get("x").await.unwrap_err();
    }
    assert_eq!(below.calls.load(Ordering::Relaxed), 100 + 7);
}

#[test]
fn pauses_grow_within_their_limits_and_depend_on_the_seed() {
    let pauses = |seed| -> Vec<Duration> {
        let options = RetryOptions { seed, ..RetryOptions::default() };
        let store = RetryStore::new(crate::mem(), options);
        (1..12).map(|attempt| store.pause(attempt)).collect()
    };
    let (one, other) = (pauses(1), pauses(2));
    assert_eq!(one, pauses(1));
    assert_ne!(one, other);
    for (attempt, pause) in (1..12).zip(&one) {
        let longest = Duration::from_millis(200 << (attempt - 1)).min(Duration::from_secs(15));
        assert!(*pause >= longest / 2 && *pause <= longest, "{attempt}: {pause:?}");
    }
}
