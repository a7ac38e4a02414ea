use std::sync::Arc;
use std::{fs, thread, time::Duration};

use bytes::Bytes;
use tempfile::TempDir;

use super::{Cache, CacheStore};
use crate::layer::record::RecordStore;
use crate::{ErrorKind, Store, Verb};

fn never_changes(key: &str) -> bool {
    key.starts_with("fixed/")
}

struct Scene {
    dir: TempDir,
    below: RecordStore,
    store: CacheStore,
    cache: Cache,
}

async fn scene(bytes_max: u64) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let below = RecordStore::new(crate::mem());
    for key in ["fixed/a", "fixed/b", "other/a"] {
        below.put_new(key, Bytes::from(key.repeat(100)).into()).await.unwrap();
    }
    let cache = Cache::new(dir.path().join("cache"), bytes_max);
    let store = CacheStore::new(Arc::new(below.clone()), cache.clone(), never_changes);
    Scene { dir, below, store, cache }
}

/// What is kept under names that begin so.
fn names(cache: &Cache, prefix: &str) -> Vec<String> {
    let prefix = super::file_name(prefix);
    let names = super::entries(&cache.0.dir).map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(&prefix)).collect()
}

#[tokio::test]
async fn what_never_changes_is_read_once() {
    let Scene { below, store, cache, dir } = scene(1 << 20).await;
    let first = store.get("fixed/a").await.unwrap();
    assert!(cache.get("fixed/a").is_some());
    assert_eq!(store.get("fixed/a").await.unwrap(), first);
    let range = store.get_range("fixed/b", 7..70).await.unwrap();
    assert!(cache.get("fixed/b@7-70").is_some());
    assert_eq!(store.get_range("fixed/b", 7..70).await.unwrap(), range);
    assert_eq!(below.count(Verb::Get) + below.count(Verb::GetRange), 2);
    // Another range is another.
    assert_eq!(store.get_range("fixed/b", 7..71).await.unwrap().len(), 64);
    // Whoever comes later finds it, too.
    let later = Cache::new(dir.path().join("cache"), 1 << 20);
    assert_eq!(later.get("fixed/a"), Some(first));
    assert!(fs::read(dir.path().join("cache/CACHEDIR.TAG")).unwrap().starts_with(b"Signature: "));
}

#[tokio::test]
async fn everything_else_is_asked_for() {
    let Scene { below, store, cache, .. } = scene(1 << 20).await;
    for _ in 0..3 {
        store.get("other/a").await.unwrap();
        store.get_range("other/a", 0..1).await.unwrap();
        store.head("fixed/a").await.unwrap();
        assert_eq!(store.get("fixed/none").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(below.calls().len(), 3 + 12);
    assert_eq!(names(&cache, ""), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_damaged_is_read_again() {
    let Scene { below, store, cache, dir } = scene(1 << 20).await;
    let whole = store.get("fixed/a").await.unwrap();
    assert!(cache.get("fixed/a").is_some());
    let path = dir.path().join("cache/fixed+a");
    let good = fs::read(&path).unwrap();
    for at in [0, 9, 16, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.get("fixed/a"), None, "byte {at}");
    }
    for len in [0, 7, 15, 16, good.len() - 1] {
        fs::write(&path, &good[..len]).unwrap();
        assert_eq!(cache.get("fixed/a"), None, "{len} bytes");
    }
    assert_eq!(store.get("fixed/a").await.unwrap(), whole);
    assert_eq!(below.count(Verb::Get), 2);
    assert!(cache.get("fixed/a").is_some());
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path().to_owned(), 100_000);
    for number in 0..9 {
        cache.keep(&format!("log/{number}"), &[number; 10_000]);
        thread::sleep(Duration::from_millis(20));
    }
    assert!(cache.get("log/0").is_some());
    thread::sleep(Duration::from_millis(20));
    for number in 9..14 {
        cache.keep(&format!("log/{number}"), &[number; 10_000]);
    }
    let kept = names(&cache, "log/");
    let bytes: u64 =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= 110_000, "{bytes}");
    assert!(kept.contains(&"log+0".to_owned()), "it was used: {kept:?}");
    assert!(!kept.contains(&"log+1".to_owned()), "{kept:?}");
    assert!(kept.contains(&"log+13".to_owned()), "{kept:?}");
    // What would push out everything else is not kept.
    cache.keep("large", &[0; 50_000]);
    assert_eq!(cache.get("large"), None);
    cache.forget("log/1");
    assert!(names(&cache, "log/1").is_empty() && !names(&cache, "log/").is_empty());
}

#[tokio::test]
async fn a_place_that_can_not_be_written_does_no_harm() {
    let Scene { below, dir, .. } = scene(1 << 20).await;
    let file = dir.path().join("file");
    fs::write(&file, "no directory").unwrap();
    let cache = Cache::new(file.join("cache"), 1 << 20);
    let store = CacheStore::new(Arc::new(below), cache, never_changes);
    for _ in 0..2 {
        assert_eq!(store.get("fixed/a").await.unwrap().len(), 700);
    }
}
