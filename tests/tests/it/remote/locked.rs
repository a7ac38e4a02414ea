//! Repositories whose objects are locked, and thieves, on a server that enforces both locks and what each credential may do.

use std::{path::Path, sync::Arc};

use e2e::{Place, noise};
use lifeboat_store::{
    ErrorKind, Store,
    credentials::Credentials,
    locking::{self, Locking, Version},
    options::StoreOptions,
    stack::{self, Mode},
    url::Location,
};
use lifeboat_testkit::{
    same_tree::assert_same_tree,
    server::{AccessKey, Policy, S3Options, S3Server},
};

use super::{restored, s3_variables};

/// A server with a bucket that enforces locks: `test` may do anything, `writer` create and read.
fn server() -> S3Server {
    let key = |name: &str| AccessKey { id: name.to_owned(), secret: name.to_owned(), token: None };
    S3Server::start(S3Options {
        object_lock: true,
        access_key: Some(AccessKey::test()),
        others: vec![(key("writer"), Policy::AppendOnly)],
        ..S3Options::default()
    })
}

fn as_user(user: &'static str) -> [(&'static str, &'static str); 2] {
    [("AWS_ACCESS_KEY_ID", user), ("AWS_SECRET_ACCESS_KEY", user)]
}

/// A place that writes by the credential of `writer`, to a repository that is locked for a month.
fn place(server: &S3Server) -> Place {
    Place::new().with(s3_variables(&server.endpoint())).with(as_user("writer")).keyed(&[
        "--pack-size",
        "1MiB",
        "--lock",
        "compliance",
        "--lock-for",
        "30d",
    ])
}

/// The bucket as somebody who only has its credential sees it.
fn stolen(server: &S3Server, user: &'static str) -> (Arc<dyn Store>, Arc<dyn Locking>) {
    #[expect(clippy::disallowed_methods, reason = "what a program would pass in")]
    let mut options = StoreOptions::new(Arc::new(std::time::SystemTime::now));
    let user = as_user(user).map(|(name, value)| (name.to_owned(), value.to_owned()));
    options.credentials = Credentials::from_variables(user);
    options.cloud.endpoint = Some(server.endpoint());
    options.cloud.allow_http = true;
    let location = Location::parse("s3://bucket/a prefix/repo", Path::new("/")).unwrap();
    let store = stack::open(&location, &options, Mode::Open).unwrap().store;
    let locking = locking::of(&store).unwrap();
    (store, locking)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// All versions of what belongs to the repository; those of `init`'s trial end in minutes.
async fn versions(locking: &dyn Locking) -> Vec<Version> {
    let all = locking.versions("", None).await.unwrap();
    assert!(all.next.is_none() && all.versions.len() > 5, "{all:?}");
    all.versions.into_iter().filter(|version| !version.key.starts_with("probe/")).collect()
}

/// The keys of the repository's objects.
fn keys(server: &S3Server) -> Vec<String> {
    server.keys().into_iter().filter(|key| !key.contains("/probe/")).collect()
}

#[test]
fn a_stolen_credential_that_creates_and_reads_destroys_nothing() {
    let server = server();
    let place = place(&server);
    place.file("src/file", noise(1, 3 << 20));
    let id = place.json(["backup", "src"])["snapshot"].as_str().unwrap().to_owned();
    let before: Vec<_> = keys(&server).into_iter().map(|key| (server.object(&key), key)).collect();
    let (store, locking) = stolen(&server, "writer");
    runtime().block_on(async {
        for Version { key, id, .. } in versions(&*locking).await {
            let denied = |what: Result<(), lifeboat_store::Error>| {
                assert_eq!(what.unwrap_err().kind(), ErrorKind::Denied, "{key}");
            };
            denied(store.delete(&key).await);
            denied(locking.delete_version(&key, &id).await);
            denied(locking.bring_back(&key, &id).await);
            let put = store.put_new(&key, b"ransom".into()).await;
            assert_eq!(put.unwrap_err().kind(), ErrorKind::AlreadyExists, "{key}");
        }
    });
    // Nor by what the program can do: what is hidden in the log comes back.
    place.ok(["forget", &id, "--yes-really"]);
    place.ok(["gc"]);
    for (object, key) in before {
        assert_eq!(server.object(&key), object, "{key}");
    }
    place.ok(["forget", "--undo", &id]);
    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&place.path("src"), &restored(&place, "out"));
}

#[test]
fn what_is_collected_stays_locked_and_is_told() {
    let server = server();
    let place = place(&server);
    place.file("src/file", noise(1, 3 << 20));
    let id = place.json(["backup", "src"])["snapshot"].as_str().unwrap().to_owned();
    place.ok(["forget", &id, "--yes-really"]);
    let before = keys(&server);
    let collected = place.ok(["gc", "--now", "--trash-period", "0s"]);
    assert!(collected.stdout().contains("not needed and locked"), "{collected:?}");
    let again = place.json(["gc", "--now", "--trash-period", "0s"]);
    assert!(again["locked"]["bytes"].as_u64().unwrap() > 3 << 20, "{again:#}");
    assert_eq!(
        (&again["condemned"]["objects"], &again["removed"]["objects"]),
        (&0.into(), &0.into())
    );
    assert!(again["locked"]["first_free"].as_u64() > again["locked"]["objects"].as_u64());
    assert!(before.iter().all(|key| server.object(key).is_some()));
}

#[test]
fn what_a_thief_with_the_right_to_delete_has_hidden_is_brought_back() {
    let server = server();
    let place = place(&server);
    place.file("src/file", noise(1, 3 << 20));
    place.ok(["backup", "src"]);
    let (store, locking) = stolen(&server, "test");
    runtime().block_on(async {
        for Version { key, id, .. } in versions(&*locking).await {
            let removed = locking.delete_version(&key, &id).await;
            assert_eq!(removed.unwrap_err().kind(), ErrorKind::Denied, "{key} is not locked");
            store.delete(&key).await.unwrap();
        }
    });
    assert!(keys(&server).is_empty(), "{:?}", keys(&server));
    place.run(["restore", "latest", "--target", "out"]).expect_code(10);
    // Who only writes can't undo it, and is told who can.
    let refused = place.run(["locks", "restore"]).expect_code(1);
    assert!(refused.stderr().contains("LIFEBOAT_MAINTENANCE_"), "{refused:?}");
    let keeper =
        as_user("test").map(|(name, value)| (format!("LIFEBOAT_MAINTENANCE_{name}"), value));
    let place = place.with(keeper);
    let planned = place.json(["locks", "restore", "--dry-run"]);
    assert!(keys(&server).is_empty());
    let done = place.json(["locks", "restore"]);
    assert_eq!(done["unhidden"], planned["unhidden"]);
    assert!(done["unhidden"]["objects"].as_u64().unwrap() > 5, "{done:#}");
    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&place.path("src"), &restored(&place, "out"));
    assert_eq!(place.json(["check", "--read-data"])["clean"], true);
    assert_eq!(place.json(["locks", "restore"])["unhidden"]["objects"], 0);
}

#[test]
fn who_maintains_has_a_credential_and_a_key_of_its_own() {
    let server = server();
    let place = place(&server);
    place.file("src/file", noise(1, 2 << 20));
    place.ok(["backup", "src"]);
    place.ok(["key", "add", "--new-key-file", "keeper.key", "--label", "keeper"]);
    let config = format!(
        "[repository.locked]
        url = \"s3://bucket/a prefix/repo\"
        endpoint = \"{}\"
        allow-http = true
        key-file = \"{}\"
        [repository.locked.maintenance]
        key-file = \"{}\"
        variables = {{ AWS_PROFILE = \"keeper\" }}
        ",
        server.endpoint(),
        place.path("key").display(),
        place.path("keeper.key").display(),
    );
    place.file("home/.config/lifeboat/config.toml", config);
    place.file(
        "home/.aws/credentials",
        "[keeper]\naws_access_key_id = test\naws_secret_access_key = test\n",
    );
    let place = place.with([("LIFEBOAT_REPO", "locked")]);
    let as_whom = |arguments: &[&str]| {
        server.forget_requests();
        place.ok(arguments);
        let mut users: Vec<_> = server
            .requests()
            .iter()
            .filter_map(|request| {
                let (_, rest) = request.header("authorization")?.split_once("Credential=")?;
                Some(rest.split('/').next()?.to_owned())
            })
            .collect();
        users.dedup();
        users
    };
    for ordinary in [&["backup", "src"] as &[&str], &["snapshots"], &["check"]] {
        assert_eq!(as_whom(ordinary), ["writer"], "{ordinary:?}");
    }
    for maintenance in [
        &["gc"] as &[&str],
        &["locks", "extend", "--now"],
        &["key", "list"],
        &["hold", "latest", "--until", "90d"],
    ] {
        assert_eq!(as_whom(maintenance), ["test"], "{maintenance:?}");
    }
    // The key is the other one, too: without its file nothing is collected, and backups go on.
    std::fs::remove_file(place.path("keeper.key")).unwrap();
    place.run(["gc"]).expect_code(1).expect_stderr("keeper.key");
    place.ok(["backup", "src"]);
}

#[test]
fn a_server_that_takes_no_locks_is_refused() {
    let server = S3Server::start(S3Options::default());
    let place = Place::new().with(s3_variables(&server.endpoint()));
    let options = ["init", "--lock", "governance", "--lock-for", "30d"];
    let refused = place.run(options).expect_code(1);
    assert!(refused.stderr().contains("object lock"), "{refused:?}");
    assert!(server.keys().is_empty(), "{:?}", server.keys());
    // Nor can a directory.
    let refused = Place::new().run(options).expect_code(1);
    assert!(refused.stderr().contains("S3 and its like"), "{refused:?}");
}
