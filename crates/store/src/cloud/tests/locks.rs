//! What a server that enforces locks lets be done, and the way back from what it lets be done.

use crate::locking::{self, Locking};
use crate::options::Now;
use crate::probe::try_locks;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
const LOCK: ObjectLock = ObjectLock { mode: LockMode::Compliance, period: DAY };

fn locking_server() -> S3Server {
    S3Server::start(S3Options { object_lock: true, ..S3Options::default() })
}

fn opened(server: &S3Server) -> (Arc<dyn Store>, Arc<dyn Locking>, Now) {
    let options = s3(server);
    let store = open(&bucket(Provider::S3), &options).unwrap().store;
    let locking = locking::of(&store).unwrap();
    (store, locking, options.now)
}

async fn all(locking: &dyn Locking, prefix: &str) -> Vec<(String, String, bool)> {
    let (mut told, mut after) = (Vec::new(), None);
    loop {
        let page = locking.versions(prefix, after.as_ref()).await.unwrap();
        told.extend(
            page.versions.into_iter().map(|version| (version.key, version.id, version.is_marker)),
        );
        after = page.next;
        if after.is_none() {
            return told;
        }
    }
}

#[tokio::test]
async fn what_is_locked_can_be_hidden_and_covered_and_not_removed() {
    let server = locking_server();
    let (store, locking, now) = opened(&server);
    locking.lock_new(Some(LOCK));
    store.put_new("log/0 &", b"first".into()).await.unwrap();
    let until = locking.locked_until("log/0 &").await.unwrap().unwrap();
    assert!(until > now() + DAY / 2);
    let [(_, first, false)] = &all(&*locking, "").await[..] else { panic!("one version") };
    assert_eq!(failed(locking.delete_version("log/0 &", first).await).kind(), ErrorKind::Denied);
    // A thief deletes it, and puts his own over it.
    store.delete("log/0 &").await.unwrap();
    assert_eq!(failed(store.get("log/0 &").await).kind(), ErrorKind::NotFound);
    store.put_new("log/0 &", b"forged".into()).await.unwrap();
    let told = all(&*locking, "log/").await;
    assert_eq!(told.iter().map(|told| told.2).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(told[2].1, *first, "the newest comes first");
    assert_eq!(locking.get_version("log/0 &", first).await.unwrap(), "first");
    // His is locked, too, as he chose: what was there first is put in front.
    assert_eq!(
        failed(locking.delete_version("log/0 &", &told[0].1).await).kind(),
        ErrorKind::Denied
    );
    locking.delete_version("log/0 &", &told[1].1).await.unwrap();
    locking.bring_back("log/0 &", first).await.unwrap();
    assert_eq!(store.get("log/0 &").await.unwrap(), "first");
    assert!(locking.locked_until("log/0 &").await.unwrap().is_some());
    assert_eq!(
        failed(locking::delete_for_good(&*locking, "log/0 &").await).kind(),
        ErrorKind::Denied
    );
}

#[tokio::test]
async fn without_what_covers_it_an_object_is_seen_again_and_what_is_free_goes_for_good() {
    let server = locking_server();
    server.behave(Behaviour { keys_per_page: 2, ..Behaviour::default() });
    let (store, locking, _) = opened(&server);
    for key in ["packs/a", "packs/ab", "packs/b"] {
        store.put_new(key, b"1".into()).await.unwrap();
        store.delete(key).await.unwrap();
    }
    let told = all(&*locking, "packs/").await;
    assert_eq!(told.len(), 6, "{told:?}");
    let (key, marker, _) = &told[0];
    locking.delete_version(key, marker).await.unwrap();
    locking.delete_version(key, marker).await.unwrap();
    assert_eq!(store.get("packs/a").await.unwrap(), "1");
    locking::delete_for_good(&*locking, "packs/a").await.unwrap();
    let left: Vec<_> = all(&*locking, "").await.into_iter().map(|told| told.0).collect();
    assert_eq!(left, ["packs/ab", "packs/ab", "packs/b", "packs/b"], "no other key's");
}

#[tokio::test]
async fn a_lock_is_extended_and_never_shortened() {
    let server = locking_server();
    let (store, locking, now) = opened(&server);
    store.put_new("packs/a", b"1".into()).await.unwrap();
    assert_eq!(locking.locked_until("packs/a").await.unwrap(), None);
    for days in [2, 3] {
        let until = now() + DAY * days;
        locking.extend("packs/a", LOCK, until).await.unwrap();
        let shown = locking.locked_until("packs/a").await.unwrap().unwrap();
        assert!(shown + Duration::from_secs(1) > until);
    }
    assert_eq!(
        failed(locking.extend("packs/a", LOCK, now() + DAY).await).kind(),
        ErrorKind::Denied
    );
    assert_eq!(
        failed(locking.extend("packs/b", LOCK, now() + DAY).await).kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_trial_of_locks_tells_who_enforces_them() {
    let server = locking_server();
    let (store, locking, now) = opened(&server);
    let tried = || try_locks(&store, "probe/lock", LockMode::Governance, &now);
    assert_eq!(tried().await.unwrap(), None);
    assert_eq!(failed(store.get("probe/lock").await).kind(), ErrorKind::NotFound);
    assert_eq!(all(&*locking, "").await.len(), 2, "what was put is hidden until its time");
    // What is put now is not locked.
    store.put_new("free", b"1".into()).await.unwrap();
    assert_eq!(locking.locked_until("free").await.unwrap(), None);
    server.behave(Behaviour { lax_locks: true, ..Behaviour::default() });
    assert_eq!(tried().await.unwrap().as_deref(), Some("a lock could be shortened"));
    // A bucket that was made without locks says so itself.
    let plain = start_s3();
    let (store, _, now) = opened(&plain);
    let error = failed(try_locks(&store, "probe/lock", LockMode::Governance, &now).await);
    assert!(error.to_string().contains("Object Lock"), "{error}");
}

#[tokio::test]
async fn only_s3_has_locks() {
    let server = start_gcs();
    let store = open(&bucket(Provider::Gcs), &gcs(&server)).unwrap().store;
    for store in [store, crate::mem()] {
        let error = locking::of(&store).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("S3 and its like"), "{error}");
    }
}

/// Object lock on a stolen credential: it may create and read.
#[tokio::test]
async fn who_may_only_create_and_read_can_neither_hide_nor_cover() {
    let thief = AccessKey { id: "thief".to_owned(), secret: "thief".to_owned(), token: None };
    let server = S3Server::start(S3Options {
        object_lock: true,
        access_key: Some(AccessKey::test()),
        others: vec![(thief, Rights::AppendOnly)],
        ..S3Options::default()
    });
    let (store, locking, _) = opened(&server);
    locking.lock_new(Some(LOCK));
    store.put_new("packs/a", b"1".into()).await.unwrap();
    let keys = [("AWS_ACCESS_KEY_ID", "thief"), ("AWS_SECRET_ACCESS_KEY", "thief")];
    let stolen = open(&bucket(Provider::S3), &options(server.endpoint(), &keys)).unwrap().store;
    let stolen_locks = locking::of(&stolen).unwrap();
    let (_, version, _) = all(&*stolen_locks, "").await.remove(0);
    assert_eq!(stolen.get("packs/a").await.unwrap(), "1");
    stolen.put_new("packs/b", b"2".into()).await.unwrap();
    for refused in [
        stolen.delete("packs/a").await,
        stolen_locks.delete_version("packs/a", &version).await,
        stolen_locks.bring_back("packs/a", &version).await,
    ] {
        assert_eq!(failed(refused).kind(), ErrorKind::Denied);
    }
    let again = stolen.put_new("packs/a", b"2".into()).await;
    assert_eq!(failed(again).kind(), ErrorKind::AlreadyExists);
    assert_eq!(stolen.delete_many(&["packs/a".to_owned()]).await[0].kind(), ErrorKind::Denied);
}
