//! When objects become durable: counted by the syncs that are asked of the system.

use rustix::io::Errno;

use super::*;
use crate::local::system::Call;

/// How many files, and how many directories, were synced since the last time this was asked.
fn syncs(store: &LocalStore) -> (usize, usize) {
    let script = &store.root.system.script;
    (script.count(Call::SyncFile), script.count(Call::SyncDirectory))
}

/// A store whose directories `packs`, `tmp` and its own are durable already.
async fn settled(sync: SyncMode) -> (TempDir, LocalStore) {
    let (dir, store) = store();
    let store = store.with_options(LocalOptions { sync });
    store.put_new("packs/0", b"0".into()).await.unwrap();
    syncs(&store);
    (dir, store)
}

#[tokio::test]
async fn each_put_syncs_its_file_and_its_directory() {
    for sync in [SyncMode::Each, SyncMode::Together] {
        let (_dir, store) = settled(sync).await;
        store.put_new("packs/1", b"1".into()).await.unwrap();
        assert_eq!(syncs(&store), (1, 1), "{sync:?}");
        store.sync().await.unwrap();
        assert_eq!(syncs(&store), (0, 0), "nothing is left to do");
    }
    let (_dir, store) = settled(SyncMode::Each).await;
    store.put_soon("packs/1", b"1".into()).await.unwrap();
    assert_eq!(syncs(&store), (1, 1), "soon is now");
}

#[tokio::test]
async fn a_sync_makes_every_file_durable_and_each_directory_once() {
    let (_dir, store) = settled(SyncMode::Together).await;
    for key in ["packs/1", "packs/2", "packs/3", "index/ab/1", "index/ab/2"] {
        store.put_soon(key, key.as_bytes().to_vec().into()).await.unwrap();
        assert_eq!(store.get(key).await.unwrap(), key, "it can be read at once");
    }
    assert_eq!(syncs(&store), (0, 0));
    store.sync().await.unwrap();
    // `packs` and `index/ab` for the objects, the root and `index` for the new directories.
    assert_eq!(syncs(&store), (5, 4));
    store.sync().await.unwrap();
    assert_eq!(syncs(&store), (0, 0));
    store.put_soon("index/ab/3", b"3".into()).await.unwrap();
    store.sync().await.unwrap();
    assert_eq!(syncs(&store), (1, 1), "directories that are durable stay it");
    assert_eq!(temporaries(&_dir), 0);
}

#[tokio::test]
async fn no_more_files_wait_than_may_be_open() {
    let (_dir, store) = settled(SyncMode::Together).await;
    let mut synced = 0;
    for number in 0..200 {
        store.put_soon(&format!("packs/a{number}"), b"x".into()).await.unwrap();
        let (files, directories) = syncs(&store);
        assert!(files <= 16 && directories <= 1);
        synced += files;
    }
    assert_eq!(synced, 192);
    store.sync().await.unwrap();
    assert_eq!(syncs(&store).0, 8);
}

#[tokio::test]
async fn what_exists_already_is_made_durable_before_that_is_said() {
    let (dir, store) = settled(SyncMode::Together).await;
    // Another process has put it, and was cut off before its sync.
    fs::write(root(&dir).join("packs/1"), "theirs").unwrap();
    let error = store.put_new("packs/1", b"ours".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(syncs(&store), (2, 1), "ours, which was in vain, and theirs");
    let error = store.put_soon("packs/1", b"ours".into()).await.unwrap_err();
    assert_eq!((error.kind(), syncs(&store)), (ErrorKind::AlreadyExists, (0, 0)));
    store.sync().await.unwrap();
    assert_eq!(syncs(&store), (1, 1));
    assert_eq!(store.get("packs/1").await.unwrap(), "theirs");
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_ever_called_durable() {
    for call in [Call::SyncFile, Call::SyncDirectory] {
        for (errno, kind) in [
            (Errno::IO, ErrorKind::Other),
            (Errno::NOSPC, ErrorKind::NoSpace),
            // Repeating it would find the lost pages clean.
            (Errno::AGAIN, ErrorKind::Other),
        ] {
            let (dir, store) = settled(SyncMode::Together).await;
            store.put_soon("packs/1", b"1".into()).await.unwrap();
            store.put_soon("packs/2", b"2".into()).await.unwrap();
            store.root.system.script.fail(call, errno);
            let error = store.sync().await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            let text = error.to_string();
            assert!(text.contains(root(&dir).to_str().unwrap()), "{text}");
            // The system would say that all is well now.
            let error = store.sync().await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains("could not be made durable"), "{error}");
            // Clones are the same store, and later puts do not mend it.
            store.clone().put_soon("packs/3", b"3".into()).await.unwrap();
            store.clone().sync().await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn the_put_that_makes_the_others_durable_tells_when_it_could_not() {
    let (_dir, store) = settled(SyncMode::Together).await;
    store.root.system.script.fail(Call::SyncFile, Errno::IO);
    let mut failed = None;
    for number in 0..16 {
        let put = store.put_soon(&format!("packs/a{number}"), b"x".into()).await;
        failed = put.err().map(|error| (number, error.kind())).or(failed);
    }
    assert_eq!(failed, Some((15, ErrorKind::Other)));
    store.sync().await.unwrap_err();
}

#[tokio::test]
async fn a_name_that_may_be_lost_is_not_called_durable_by_a_later_sync() {
    // Seen by everybody, though its directory could not be synced: who finds it there later, as
    // after a lost answer, has to ask by a sync whether it stays.
    let (_dir, store) = settled(SyncMode::Together).await;
    store.root.system.script.fail(Call::SyncDirectory, Errno::IO);
    let error = store.put_new("packs/1", b"1".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert_eq!(store.get("packs/1").await.unwrap(), "1");
    assert_eq!(store.sync().await.unwrap_err().kind(), ErrorKind::Other);
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_and_puts_may_cross() {
    let (_dir, store) = settled(SyncMode::Together).await;
    let puts = (0..8).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0..40 {
                let key = format!("packs/{task:02}/{number}");
                store.put_soon(&key, b"x".into()).await.unwrap();
                if number % 7 == task % 7 {
                    store.sync().await.unwrap();
                }
            }
        })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.unwrap();
    }
    store.sync().await.unwrap();
    assert_eq!(syncs(&store).0, 320, "every file once");
    assert_eq!(keys(&store, "packs/").await.len(), 321);
}

#[tokio::test]
async fn a_directory_that_was_tidied_away_before_the_sync_is_made_again() {
    let (dir, store) = settled(SyncMode::Together).await;
    store.put_soon("index/ab/1", b"1".into()).await.unwrap();
    fs::remove_dir_all(root(&dir).join("index")).unwrap();
    store.put_soon("index/ab/2", b"2".into()).await.unwrap();
    store.sync().await.unwrap();
    assert_eq!(store.get("index/ab/2").await.unwrap(), "2");
}
