//! Every system call of a put, a read and a delete fails: what that means, and what is left.

use rustix::io::Errno;

use super::*;
use crate::local::cause::Place;
use crate::local::system::Call;

/// The store in a new directory, as if that were on such a file system.
fn store_on(place: Place) -> (TempDir, LocalStore) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/repo");
    fs::create_dir_all(&path).unwrap();
    let mut root = Root::open(&path, Wanted::Any).unwrap();
    root.place = place;
    (dir, LocalStore::new(root))
}

const ERRNOS: [(Errno, ErrorKind, ErrorKind); 8] = [
    (Errno::NOSPC, ErrorKind::NoSpace, ErrorKind::NoSpace),
    (Errno::DQUOT, ErrorKind::NoSpace, ErrorKind::NoSpace),
    (Errno::IO, ErrorKind::Other, ErrorKind::Unavailable),
    (Errno::STALE, ErrorKind::Unavailable, ErrorKind::Unavailable),
    (Errno::TIMEDOUT, ErrorKind::Unavailable, ErrorKind::Unavailable),
    (Errno::ROFS, ErrorKind::Denied, ErrorKind::Denied),
    (Errno::ACCESS, ErrorKind::Denied, ErrorKind::Denied),
    (Errno::MFILE, ErrorKind::Unavailable, ErrorKind::Unavailable),
];

#[tokio::test]
async fn a_put_that_fails_before_it_is_published_leaves_nothing_and_can_be_repeated() {
    let calls =
        [Call::MakeDirectory, Call::Create, Call::Write, Call::SyncFile, Call::Look, Call::Rename];
    for call in calls {
        for (errno, on_disk, on_network) in ERRNOS {
            for (place, kind) in [(Place::Disk, on_disk), (Place::Network, on_network)] {
                let (dir, store) = store_on(place);
                store.put_new("log/0", b"0".into()).await.unwrap();
                store.root.system.script.fail(call, errno);
                let error = store.put_new("packs/x", b"1".into()).await.unwrap_err();
                assert_eq!(error.kind(), kind, "{call:?} {errno}: {error}");
                assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
                let missing = store.get("packs/x").await.unwrap_err();
                assert_eq!(missing.kind(), ErrorKind::NotFound, "{call:?} {errno}");
                assert_eq!(temporaries(&dir), 0, "{call:?} {errno}");
                store.put_new("packs/x", b"1".into()).await.unwrap();
                store.sync().await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn reads_tell_what_the_system_says() {
    for (call, look) in [(Call::Open, false), (Call::Read, false), (Call::Look, true)] {
        for (errno, on_disk, on_network) in ERRNOS {
            for (place, kind) in [(Place::Disk, on_disk), (Place::Network, on_network)] {
                let (_dir, store) = store_on(place);
                store.put_new("x", b"1".into()).await.unwrap();
                store.root.system.script.fail(call, errno);
                let error = match look {
                    true => store.head("x").await.map(drop),
                    false => store.get("x").await.map(drop),
                };
                assert_eq!(error.unwrap_err().kind(), kind, "{call:?} {errno}");
                assert_eq!(store.get("x").await.unwrap(), "1");
            }
        }
    }
}

#[tokio::test]
async fn a_delete_tells_what_the_system_says() {
    for (errno, on_disk, on_network) in ERRNOS {
        for (place, kind) in [(Place::Disk, on_disk), (Place::Network, on_network)] {
            let (_dir, store) = store_on(place);
            store.put_new("x", b"1".into()).await.unwrap();
            store.root.system.script.fail(Call::Remove, errno);
            assert_eq!(store.delete("x").await.unwrap_err().kind(), kind, "{errno}");
            store.delete("x").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_file_system_without_rename_and_link_is_refused_and_nothing_is_left() {
    for without in [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP] {
        for link in [Errno::PERM, Errno::OPNOTSUPP] {
            let (dir, store) = store();
            store.root.system.script.fail_forever(Call::Rename, without);
            store.root.system.script.fail_forever(Call::Link, link);
            for _ in 0..2 {
                let error = store.put_new("config", b"1".into()).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                assert!(error.to_string().contains("keep the repository on another"), "{error}");
            }
            assert_eq!((keys(&store, "").await, temporaries(&dir)), (vec![], 0));
        }
    }
}

#[tokio::test]
async fn without_rename_a_link_does_and_leaves_one_name() {
    for sync in [SyncMode::Each, SyncMode::Together] {
        let (dir, store) = store();
        let store = store.with_options(LocalOptions { sync });
        store.root.system.script.fail_forever(Call::Rename, Errno::INVAL);
        store.put_soon("packs/x", b"1".into()).await.unwrap();
        store.sync().await.unwrap();
        assert_eq!(fs::metadata(root(&dir).join("packs/x")).unwrap().nlink(), 1);
        assert_eq!(temporaries(&dir), 0);
    }
}

#[tokio::test]
async fn a_publishing_that_was_carried_out_twice_is_ours() {
    for errno in [Errno::EXIST, Errno::NOENT] {
        let (dir, store) = store_on(Place::Network);
        store.root.system.script.lose_answer(Call::Rename, errno);
        store.put_new("packs/x", b"1".into()).await.unwrap();
        assert_eq!(
            (store.get("packs/x").await.unwrap().as_ref(), temporaries(&dir)),
            (&b"1"[..], 0)
        );
    }
    let (dir, store) = store_on(Place::Network);
    store.root.system.script.fail_forever(Call::Rename, Errno::INVAL);
    store.root.system.script.lose_answer(Call::Link, Errno::EXIST);
    store.put_new("packs/x", b"1".into()).await.unwrap();
    assert_eq!((store.get("packs/x").await.unwrap().as_ref(), temporaries(&dir)), (&b"1"[..], 0));
    // Somebody else's object is not ours.
    let error = store.put_new("packs/x", b"1".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_the_layer_that_repeats() {
    use crate::layer::retry::{RetryOptions, RetryStore};
    let (dir, store) = store_on(Place::Network);
    store.root.system.script.lose_answer(Call::Rename, Errno::IO);
    let pause = Duration::from_millis(1);
    let options = RetryOptions { pause_first: pause, pause_max: pause, ..RetryOptions::default() };
    let retrying = RetryStore::new(Arc::new(store.clone()), options);
    retrying.put_new("packs/x", b"1".into()).await.unwrap();
    assert_eq!(store.get("packs/x").await.unwrap(), "1");
    assert_eq!(temporaries(&dir), 0);
}
