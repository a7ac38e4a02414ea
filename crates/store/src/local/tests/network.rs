//! What is particular to a network file system: mounts that are missing, handles that go stale, and
//! names that are denied although they are there.

use rustix::io::Errno;

use super::*;
use crate::local::cause::Place;
use crate::local::system::Call;

/// A store that takes its directory for one of a network file system.
fn on_network() -> (TempDir, LocalStore) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/repo");
    fs::create_dir_all(&path).unwrap();
    let mut root = Root::open(&path, Wanted::Any).unwrap();
    root.place = Place::Network;
    (dir, LocalStore::new(root))
}

#[tokio::test]
async fn a_mount_point_without_its_mount_is_refused_and_stays_empty() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("mnt");
    fs::create_dir(&place).unwrap();
    for path in [place.clone(), place.join("deep/repo")] {
        let error = LocalStore::create_network(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let text = error.to_string();
        assert!(text.contains("is it mounted?") && text.contains(path.to_str().unwrap()), "{text}");
    }
    let error = LocalStore::open_network(&place).unwrap_err();
    assert!(error.to_string().contains("is it mounted?"), "{error}");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
}

#[tokio::test]
async fn a_name_that_is_denied_is_asked_for_at_the_server_before_that_is_believed() {
    for errno in [Errno::NOENT, Errno::NOTDIR] {
        let (_dir, store) = on_network();
        store.put_new("packs/ab/x", b"1".into()).await.unwrap();
        let script = &store.root.system.script;
        script.fail(Call::Open, errno);
        assert_eq!(store.get("packs/ab/x").await.unwrap(), "1");
        script.fail(Call::Open, errno);
        assert_eq!(store.get_range("packs/ab/x", 0..1).await.unwrap(), "1");
        script.fail(Call::Look, errno);
        assert_eq!(store.head("packs/ab/x").await.unwrap().size, 1);
        script.fail(Call::OpenDirectory, errno);
        assert_eq!(keys(&store, "packs/").await, ["packs/ab/x"]);
        script.count(Call::OpenDirectory);
        script.fail(Call::Remove, errno);
        store.delete("packs/ab/x").await.unwrap();
        // The root, `packs` and `packs/ab` were asked for, and the last is synced.
        assert_eq!(script.count(Call::OpenDirectory), 4);
        // What is absent for the server, too, is absent.
        assert_eq!(store.get("packs/ab/x").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(store.get("none/x").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn on_a_disk_a_name_that_is_denied_is_absent() {
    let (_dir, store) = store();
    store.put_new("x", b"1".into()).await.unwrap();
    store.root.system.script.fail(Call::Open, Errno::NOENT);
    assert_eq!(store.get("x").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_root_that_has_gone_stale_is_opened_anew() {
    let (_dir, store) = on_network();
    store.put_new("x", b"1".into()).await.unwrap();
    let before = store.root.fd();
    store.root.system.script.fail(Call::Open, Errno::STALE);
    assert_eq!(store.get("x").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(!Arc::ptr_eq(&before, &store.root.fd()), "opened anew");
    assert_eq!(store.get("x").await.unwrap(), "1");
    store.put_new("y", b"2".into()).await.unwrap();
}

#[tokio::test]
async fn a_root_that_has_become_another_is_not_written_to() {
    let (dir, store) = on_network();
    store.put_new("x", b"1".into()).await.unwrap();
    // Kept, so that its number is not given to the new one.
    fs::rename(root(&dir), dir.path().join("away")).unwrap();
    fs::create_dir(root(&dir)).unwrap();
    for call in [Call::Open, Call::Create] {
        store.root.system.script.fail(call, Errno::STALE);
        let error = match call {
            Call::Open => store.get("x").await.map(drop).unwrap_err(),
            _ => store.put_new("y", b"2".into()).await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::Other, "{error}");
        assert!(error.to_string().contains("another directory"), "{error}");
    }
    assert_eq!(fs::read_dir(root(&dir)).unwrap().count(), 0);
    // Gone altogether: it may come back.
    fs::remove_dir(root(&dir)).unwrap();
    store.root.system.script.fail(Call::Open, Errno::STALE);
    assert_eq!(store.get("x").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn nothing_is_left_for_later_where_others_would_see_it_half_written() {
    let (_dir, store) = on_network();
    store.put_soon("packs/1", b"1".into()).await.unwrap();
    let script = &store.root.system.script;
    assert_eq!(script.count(Call::SyncFile), 1);
    store.sync().await.unwrap();
    assert_eq!(script.count(Call::SyncFile), 0);
}
