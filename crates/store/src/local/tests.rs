use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use futures::TryStreamExt;
use tempfile::TempDir;

use super::*;

mod direct;
mod mounted;
mod network;
mod together;
mod trouble;

fn store() -> (TempDir, LocalStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::create(&dir.path().join("a/repo")).unwrap();
    (dir, store)
}

fn root(dir: &TempDir) -> PathBuf {
    dir.path().join("a/repo")
}

async fn keys(store: &LocalStore, prefix: &str) -> Vec<String> {
    let listed: Vec<_> = store.list(prefix).await.unwrap().try_collect().await.unwrap();
    listed.into_iter().map(|listed| listed.key).collect()
}

fn temporaries(dir: &TempDir) -> usize {
    fs::read_dir(root(dir).join("tmp")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn objects_are_private_files_and_leave_no_temporaries() {
    let (dir, store) = store();
    store.put_new("packs/ab/x", b"content".into()).await.unwrap();
    let file = root(&dir).join("packs/ab/x");
    assert_eq!(fs::read(&file).unwrap(), b"content");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&file).unwrap().nlink(), 1);
    for made in ["", "packs", "packs/ab", "tmp"] {
        assert_eq!(fs::metadata(root(&dir).join(made)).unwrap().mode() & 0o777, 0o700, "{made}");
    }
    assert_eq!(temporaries(&dir), 0);
}

#[tokio::test]
async fn an_existing_object_is_neither_replaced_nor_left_half_written() {
    for link_only in [false, true] {
        let (dir, store) = store();
        store.root.link_only.store(link_only, std::sync::atomic::Ordering::Relaxed);
        store.put_new("log/0", b"first".into()).await.unwrap();
        let error = store.put_new("log/0", b"second".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(store.get("log/0").await.unwrap(), "first");
        assert_eq!(fs::metadata(root(&dir).join("log/0")).unwrap().nlink(), 1);
        assert_eq!(temporaries(&dir), 0);
    }
}

#[tokio::test]
async fn many_small_and_empty_pieces_are_written_in_order() {
    let (_dir, store) = store();
    let parts: Vec<Bytes> = (0..5000_u32)
        .map(|i| if i % 3 == 0 { Bytes::new() } else { i.to_le_bytes().to_vec().into() })
        .collect();
    let payload = Payload::from(parts);
    store.put_new("x", payload.clone()).await.unwrap();
    assert_eq!(store.get("x").await.unwrap(), payload.to_bytes());
    store.put_new("empty", Payload::from(vec![Bytes::new(); 3])).await.unwrap();
    assert_eq!(store.get("empty").await.unwrap(), "");
}

#[tokio::test]
async fn lists_are_in_key_order_and_hold_nothing_foreign() {
    let (dir, store) = store();
    for key in ["a/b", "a.b", "a0", "a/b.c/d", "a-b/c", "b"] {
        store.put_new(key, b"1".into()).await.unwrap();
    }
    fs::create_dir(root(&dir).join("lost+found")).unwrap();
    fs::write(root(&dir).join("lost+found/x"), "").unwrap();
    fs::write(root(&dir).join("tmp/1-1"), "").unwrap();
    fs::write(root(&dir).join("a/odd~"), "").unwrap();
    std::os::unix::fs::symlink("b", root(&dir).join("link")).unwrap();
    let all = ["a-b/c", "a.b", "a/b", "a/b.c/d", "a0", "b"];
    assert_eq!(keys(&store, "").await, all);
    assert_eq!(keys(&store, "a").await, &all[..5]);
    assert_eq!(keys(&store, "a/").await, &all[2..4]);
    assert_eq!(keys(&store, "a/b.").await, &all[3..4]);
    assert_eq!(keys(&store, "b").await, ["b"]);
    for nothing in ["c", "b/", "x/y/", "tmp/"] {
        assert!(keys(&store, nothing).await.is_empty(), "{nothing}");
    }
}

#[tokio::test]
async fn lists_of_several_batches_are_whole() {
    let (dir, store) = store();
    fs::create_dir_all(root(&dir).join("log")).unwrap();
    for i in 0..3000 {
        fs::write(root(&dir).join(format!("log/{i:016x}")), "x").unwrap();
    }
    let listed = keys(&store, "log/").await;
    assert_eq!(listed.len(), 3000);
    assert!(listed.is_sorted());
}

#[tokio::test]
async fn what_is_no_regular_file_is_no_object() {
    let (dir, store) = store();
    store.put_new("packs/x", b"1".into()).await.unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root(&dir).join("fifo"),
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    for key in ["packs", "fifo", "packs/x/y", "missing"] {
        assert_eq!(store.get(key).await.unwrap_err().kind(), ErrorKind::NotFound, "{key}");
        assert_eq!(store.head(key).await.unwrap_err().kind(), ErrorKind::NotFound, "{key}");
    }
}

#[tokio::test]
async fn a_directory_that_was_tidied_away_is_made_again() {
    let (dir, store) = store();
    store.put_new("packs/ab/x", b"1".into()).await.unwrap();
    store.delete("packs/ab/x").await.unwrap();
    fs::remove_dir_all(root(&dir).join("packs")).unwrap();
    fs::remove_dir(root(&dir).join("tmp")).unwrap();
    store.put_new("packs/ab/y", b"2".into()).await.unwrap();
    assert_eq!(store.get("packs/ab/y").await.unwrap(), "2");
}

#[tokio::test]
async fn opening_needs_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let error = LocalStore::open(&missing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(LocalStore::open(&file).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(LocalStore::create(&file).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(LocalStore::create(&file.join("x")).unwrap_err().kind(), ErrorKind::Invalid);
    LocalStore::create(&missing).unwrap();
    LocalStore::create(&missing).unwrap();
    assert!(fs::read_dir(&missing).unwrap().next().is_none(), "opening writes nothing");
}

#[tokio::test]
async fn other_paths_can_t_be_reached() {
    let (dir, store) = store();
    fs::write(dir.path().join("secret"), "s").unwrap();
    for key in ["../../secret", "/etc/passwd", "a/../../../secret", "", "a//b", "tmp/x", "a\0b"] {
        assert_eq!(store.get(key).await.unwrap_err().kind(), ErrorKind::Invalid, "{key:?}");
        let put = store.put_new(key, b"x".into()).await;
        assert_eq!(put.unwrap_err().kind(), ErrorKind::Invalid, "{key:?}");
    }
    assert!(store.list("../").await.is_err());
    std::os::unix::fs::symlink(dir.path().join("secret"), root(&dir).join("link")).unwrap();
    assert_eq!(store.get("link").await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn only_stale_temporaries_are_removed() {
    let (dir, store) = store();
    assert_eq!(store.remove_stale_temporaries(Duration::ZERO).await.unwrap(), 0);
    store.put_new("x", b"1".into()).await.unwrap();
    let old = root(&dir).join("tmp/7-0");
    fs::write(&old, "left").unwrap();
    let yesterday = fs::metadata(&old).unwrap().modified().unwrap() - Duration::from_hours(25);
    fs::File::options().write(true).open(&old).unwrap().set_modified(yesterday).unwrap();
    fs::write(root(&dir).join("tmp/8-0"), "fresh").unwrap();
    assert_eq!(store.remove_stale_temporaries(Duration::from_hours(24)).await.unwrap(), 1);
    assert!(!old.exists());
    assert_eq!(temporaries(&dir), 1);
    assert_eq!(store.get("x").await.unwrap(), "1");
}

#[tokio::test]
async fn the_first_put_tidies_up() {
    let (dir, store) = store();
    fs::create_dir(root(&dir).join("tmp")).unwrap();
    let old = root(&dir).join("tmp/7-0");
    fs::write(&old, "left").unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    store.put_new("x", b"1".into()).await.unwrap();
    assert_eq!(temporaries(&dir), 0);
}

#[tokio::test]
async fn a_put_whose_temporary_was_tidied_away_publishes_nothing_of_others() {
    let (dir, store) = store();
    store.put_new("x", b"1".into()).await.unwrap();
    let outcome = publish::tests::publish_after(&store.root, "y", |name| {
        fs::remove_file(root(&dir).join(name)).unwrap();
        fs::write(root(&dir).join(name), "another's, half written").unwrap();
    });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.get("y").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(temporaries(&dir), 1, "the other's file is left to it");
}

#[tokio::test]
async fn refusals_name_the_path_and_what_to_do() {
    if rustix::process::geteuid().is_root() {
        lifeboat_testkit::skip::skip("root may write everywhere");
        return;
    }
    let (dir, store) = store();
    store.put_new("x", b"1".into()).await.unwrap();
    fs::set_permissions(root(&dir), fs::Permissions::from_mode(0o500)).unwrap();
    let error = store.put_new("new/y", b"1".into()).await.unwrap_err();
    fs::set_permissions(root(&dir), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("check the owner and mode"), "{error}");
}
