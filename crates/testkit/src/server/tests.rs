use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig,
};

use super::*;
use crate::tree::Scratch;

mod faults;
mod raw;

/// No retries; and whoever makes clients needs cryptography for them, once in a process.
fn once() -> RetryConfig {
    drop(rustls::crypto::ring::default_provider().install_default());
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn s3_as(server: &S3Server, key: &AccessKey) -> AmazonS3 {
    let mut builder = AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_bucket_name(server.bucket())
        .with_access_key_id(&key.id)
        .with_secret_access_key(&key.secret)
        .with_config(AmazonS3ConfigKey::Checksum, "CRC64NVME")
        .with_retry(once());
    if let Some(token) = &key.token {
        builder = builder.with_token(token);
    }
    builder.build().unwrap()
}

fn s3(server: &S3Server) -> AmazonS3 {
    s3_as(server, &AccessKey::test())
}

fn gcs(server: &GcsServer) -> GoogleCloudStorage {
    GoogleCloudStorageBuilder::new()
        .with_service_account_key(server.key_file())
        .with_bucket_name(server.bucket())
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_retry(once())
        .build()
        .unwrap()
}

fn path(key: &str) -> Path {
    Path::parse(key).unwrap()
}

async fn create(store: &dyn ObjectStore, key: &str, content: &str) -> Result<(), Error> {
    let payload = PutPayload::from(content.to_owned());
    store.put_opts(&path(key), payload, PutMode::Create.into()).await.map(drop)
}

async fn listed(store: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    let objects: Vec<_> = store.list(Some(&path(prefix))).try_collect().await.unwrap();
    objects.into_iter().map(|meta| meta.location.to_string()).collect()
}

/// What any client of object stores may expect of a server.
async fn exercise(store: &dyn ObjectStore, server: &Server) {
    create(store, "a/one +%&", "first").await.unwrap();
    let again = create(store, "a/one +%&", "second").await.unwrap_err();
    assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
    let one = store.get(&path("a/one +%&")).await.unwrap().bytes().await.unwrap();
    assert_eq!(one, "first");
    assert_eq!(store.get_range(&path("a/one +%&"), 1..3).await.unwrap(), "ir");
    assert_eq!(store.head(&path("a/one +%&")).await.unwrap().size, 5);
    let missing = store.head(&path("a/none")).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");

    // Pages of two, with folders or without.
    server.behave(Behaviour { keys_per_page: 2, ..Behaviour::default() });
    for key in ["a/b/1", "a/b/2", "a/b/3", "a/c", "ab"] {
        create(store, key, key).await.unwrap();
    }
    server.forget_requests();
    assert_eq!(listed(store, "a").await, ["a/b/1", "a/b/2", "a/b/3", "a/c", "a/one +%&"]);
    assert_eq!(server.count(Operation::List), 3);
    let folders = store.list_with_delimiter(Some(&path("a"))).await.unwrap();
    assert_eq!(folders.common_prefixes, [path("a/b")]);
    assert_eq!(folders.objects.len(), 2);

    store.copy(&path("ab"), &path("copy")).await.unwrap();
    assert_eq!(server.object("copy").unwrap().bytes, "ab");
    store.delete(&path("copy")).await.unwrap();
    assert_eq!(server.object("copy"), None);
    let etag = store.head(&path("ab")).await.unwrap().e_tag;
    let right = GetOptions { if_match: etag, ..GetOptions::default() };
    store.get_opts(&path("ab"), right).await.unwrap();
    let wrong = GetOptions { if_match: Some("\"x\"".to_owned()), ..GetOptions::default() };
    let refused = store.get_opts(&path("ab"), wrong).await.unwrap_err();
    assert!(matches!(refused, Error::Precondition { .. }), "{refused}");
}

#[tokio::test]
async fn s3_does_what_a_client_expects_and_checks_its_signatures() {
    let access_key = AccessKey { token: Some("token".to_owned()), ..AccessKey::test() };
    let server =
        S3Server::start(S3Options { access_key: Some(access_key.clone()), ..Default::default() });
    exercise(&s3_as(&server, &access_key), &server).await;
    let stranger = AccessKey { secret: "other".to_owned(), ..AccessKey::test() };
    for (token, status) in [(None, 400), (Some("token".to_owned()), 403)] {
        let store = s3_as(&server, &AccessKey { token, ..stranger.clone() });
        store.get(&path("ab")).await.unwrap_err();
        assert_eq!(server.requests().last().unwrap().status, Some(status));
    }
}

#[tokio::test]
async fn s3_deletes_many_and_says_which_it_could_not() {
    let server = S3Server::start(S3Options::default());
    let store = s3(&server);
    for key in ["a", "b<&>", "locked"] {
        create(&store, key, "").await.unwrap();
    }
    let undeletable = Some("locked".to_owned());
    server.behave(Behaviour { undeletable, ..Behaviour::default() });
    let paths = ["a", "b<&>", "locked", "none"].map(|key| Ok(path(key)));
    let results: Vec<_> = store
        .delete_stream(Box::pin(futures::stream::iter(paths)))
        .collect::<Vec<Result<Path, Error>>>()
        .await;
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1, "{results:?}");
    assert_eq!(server.keys(), ["locked"]);
    assert_eq!(server.count(Operation::DeleteMany), 1);
}

#[tokio::test]
async fn gcs_does_what_a_client_expects() {
    let server = GcsServer::start(GcsOptions::default());
    let store = gcs(&server);
    exercise(&store, &server).await;
    let missing = store.delete(&path("none")).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
    let token = Some("secret".to_owned());
    let server = GcsServer::start(GcsOptions { token, ..Default::default() });
    let refused = gcs(&server).get(&path("x")).await.unwrap_err();
    assert!(matches!(refused, Error::Unauthenticated { .. }), "{refused}");
}

#[tokio::test]
async fn of_racing_creators_one_wins_unless_conditions_are_ignored() {
    for conditions in [true, false] {
        let behaviour = Behaviour { conditions, ..Behaviour::default() };
        let server = S3Server::start(S3Options { behaviour, ..Default::default() });
        let store = s3(&server);
        let racers = (0..8).map(|racer| {
            let store = &store;
            async move { create(store, "x", &racer.to_string()).await.is_ok() }
        });
        let won = futures::future::join_all(racers).await;
        let winners = won.into_iter().filter(|won| *won).count();
        assert_eq!(winners, if conditions { 1 } else { 8 });
    }
}

#[tokio::test]
async fn a_policy_refuses_what_it_does_not_allow() {
    let server = S3Server::start(S3Options::default());
    let store = s3(&server);
    let denied = |result: Result<(), Error>| matches!(result, Err(Error::PermissionDenied { .. }));
    server.behave(Behaviour { policy: Policy::AppendOnly, ..Behaviour::default() });
    create(&store, "x", "1").await.unwrap();
    assert!(denied(store.put(&path("y"), "".into()).await.map(drop)));
    assert!(denied(store.copy(&path("x"), &path("y")).await));
    assert!(store.delete(&path("x")).await.is_err());
    server.behave(Behaviour { policy: Policy::ReadOnly, ..Behaviour::default() });
    assert!(denied(create(&store, "y", "").await));
    assert_eq!(store.get(&path("x")).await.unwrap().bytes().await.unwrap(), "1");
    assert_eq!(server.keys(), ["x"]);
}

#[tokio::test]
async fn what_is_new_can_be_seen_late() {
    let server = S3Server::start(S3Options::default());
    let store = s3(&server);
    create(&store, "old", "").await.unwrap();
    listed(&store, "").await;
    let behaviour = Behaviour {
        stale_list: Lag::Requests(2),
        late_read: Lag::Requests(1),
        ..Behaviour::default()
    };
    server.behave(behaviour);
    // The old one was listed once.
    create(&store, "new", "").await.unwrap();
    assert_eq!(listed(&store, "").await, Vec::<String>::new());
    assert_eq!(listed(&store, "").await, ["old"]);
    assert_eq!(listed(&store, "").await, ["new", "old"]);
    store.head(&path("new")).await.unwrap_err();
    store.head(&path("new")).await.unwrap();
    let hour = Lag::For(Duration::from_secs(3600));
    server.behave(Behaviour { stale_list: hour, ..Behaviour::default() });
    assert!(listed(&store, "").await.is_empty());
}

#[tokio::test]
async fn what_is_in_a_directory_survives_the_server() {
    let scratch = Scratch::new().unwrap();
    let directory = Some(scratch.join("state"));
    let options = S3Options { directory, ..Default::default() };
    let server = S3Server::start(options.clone());
    let store = s3(&server);
    create(&store, "a/b %", "content").await.unwrap();
    create(&store, "gone", "").await.unwrap();
    store.delete(&path("gone")).await.unwrap();
    let before = (server.object("a/b %"), store.head(&path("a/b %")).await.unwrap());
    let port = server.address().port();
    drop(server);
    let refused = store.head(&path("a/b %")).await.unwrap_err();
    assert!(matches!(refused, Error::Generic { .. }), "{refused}");
    let server = S3Server::start(S3Options { port, ..options });
    let store = s3(&server);
    assert_eq!(server.keys(), ["a/b %"]);
    assert_eq!((server.object("a/b %"), store.head(&path("a/b %")).await.unwrap()), before);
    assert_eq!(store.get_range(&path("a/b %"), 3..7).await.unwrap(), "tent");
    let again = create(&store, "a/b %", "other").await.unwrap_err();
    assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
    // A new tag, though the numbers began again.
    store.put(&path("a/b %"), "more".into()).await.unwrap();
    assert_ne!(store.head(&path("a/b %")).await.unwrap().e_tag, before.1.e_tag);
}
