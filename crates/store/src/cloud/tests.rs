mod locks;

use std::num::NonZeroU64;
use std::time::SystemTime;

use futures::TryStreamExt;
use lifeboat_testkit::server::{
    AccessKey, Behaviour, Fault, GcsOptions, GcsServer, Operation, Policy as Rights, S3Options,
    S3Server, Server,
};

use super::*;
use crate::credentials::Credentials;
use crate::layer::bandwidth::Bandwidth;
use crate::layer::retry::{RetryOptions, RetryStore};
use crate::options::{CloudOptions, Encryption, LockMode, ObjectLock};
use crate::{Error, ErrorKind, Payload, conformance};

fn options(endpoint: String, variables: &[(&str, &str)]) -> StoreOptions {
    // Locks must end in the server's future.
    #[expect(clippy::disallowed_methods, reason = "a server's clock is this machine's")]
    let mut options = StoreOptions::new(Arc::new(SystemTime::now));
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    options.credentials = Credentials::from_variables(variables);
    options.cloud =
        CloudOptions { endpoint: Some(endpoint), allow_http: true, ..CloudOptions::default() };
    options
}

fn s3(server: &Server) -> StoreOptions {
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    options(server.endpoint(), &keys)
}

fn gcs(server: &Server) -> StoreOptions {
    options(server.endpoint(), &[("GOOGLE_BEARER_TOKEN", "token")])
}

fn bucket(provider: Provider) -> Bucket {
    Bucket { provider, name: "bucket".to_owned(), prefix: "a repo/of mine".to_owned() }
}

/// A server of S3 that checks signatures.
fn start_s3() -> S3Server {
    S3Server::start(S3Options { access_key: Some(AccessKey::test()), ..S3Options::default() })
}

fn start_gcs() -> GcsServer {
    GcsServer::start(GcsOptions { token: Some("token".to_owned()), ..GcsOptions::default() })
}

fn open_s3(server: &Server) -> Cloud {
    open(&bucket(Provider::S3), &s3(server)).unwrap()
}

fn failed<T: std::fmt::Debug>(result: Result<T>) -> Error {
    result.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_every_promise() {
    let server = start_s3();
    server.behave(Behaviour { keys_per_page: 3, ..Behaviour::default() });
    let cloud = open_s3(&server);
    conformance::run(&cloud.store, "probe/").await.unwrap();
    assert_eq!(cloud.store.describe(), "s3://bucket/a%20repo/of%20mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn google_keeps_every_promise() {
    let server = start_gcs();
    server.behave(Behaviour { keys_per_page: 3, ..Behaviour::default() });
    let cloud = open(&bucket(Provider::Gcs), &gcs(&server)).unwrap();
    conformance::run(&cloud.store, "probe/").await.unwrap();
}

#[tokio::test]
async fn a_put_is_one_conditional_request_with_a_checksum() {
    let server = start_s3();
    let data: Payload = vec![7; 300_000].into();
    open_s3(&server).store.put_new("packs/a", data.clone()).await.unwrap();
    let requests = server.requests();
    let [put] = &requests[..] else { panic!("one request: {requests:?}") };
    assert_eq!((put.method.as_str(), put.path.as_str()), ("PUT", "/bucket/a repo/of mine/packs/a"));
    assert_eq!(put.header("if-none-match"), Some("*"));
    assert!(put.header("x-amz-checksum-crc64nvme").is_some());
    assert_eq!(put.header("content-length"), Some("300000"));
    let hash = put.header("x-amz-content-sha256").unwrap();
    assert_eq!(hash.len(), 64, "without TLS the signature covers the body: {hash}");

    let server = start_gcs();
    let cloud = open(&bucket(Provider::Gcs), &gcs(&server)).unwrap();
    cloud.store.put_new("packs/a", data).await.unwrap();
    let requests = server.requests();
    let [put] = &requests[..] else { panic!("one request: {requests:?}") };
    assert_eq!(put.header("x-goog-if-generation-match"), Some("0"));
    assert!(put.header("x-goog-hash").is_some_and(|hash| hash.starts_with("crc32c=")));
}

#[tokio::test]
async fn an_old_service_gets_an_md5() {
    let server = start_s3();
    let keys = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required"),
    ];
    let cloud = open(&bucket(Provider::S3), &options(server.endpoint(), &keys)).unwrap();
    cloud.store.put_new("packs/a", b"123456789".into()).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests[0].header("content-md5"), Some("JfnnlDI7RTiF9RgfG2JNCw=="));
    assert_eq!(requests[0].header("x-amz-checksum-crc64nvme"), None);
}

#[tokio::test]
async fn what_new_objects_are_given_is_signed_and_sent() {
    let server = start_s3();
    let mut options = s3(&server);
    options.cloud.storage_class = [("packs/".to_owned(), "STANDARD_IA".to_owned())].into();
    options.cloud.encryption = Some(Encryption::Kms { key: Some("key".to_owned()) });
    options.cloud.tags = [("team".to_owned(), "storage".to_owned())].into();
    let store = open(&bucket(Provider::S3), &options).unwrap().store;
    store.put_new("packs/a", b"1".into()).await.unwrap();
    store.put_new("log/1", b"1".into()).await.unwrap();
    let requests = server.requests();
    let header = |at: usize, name: &str| requests[at].header(name).map(ToOwned::to_owned);
    assert_eq!(header(0, "x-amz-storage-class").as_deref(), Some("STANDARD_IA"));
    assert_eq!(header(1, "x-amz-storage-class"), None);
    for at in [0, 1] {
        assert_eq!(header(at, "x-amz-server-side-encryption").as_deref(), Some("aws:kms"));
        let key = header(at, "x-amz-server-side-encryption-aws-kms-key-id");
        assert_eq!(key.as_deref(), Some("key"));
        assert_eq!(header(at, "x-amz-tagging").as_deref(), Some("team=storage"));
        let signed = header(at, "authorization").unwrap();
        assert!(signed.contains("x-amz-tagging"), "{signed}");
    }
}

#[tokio::test]
async fn locks_and_versions_are_set_and_seen() {
    let server = S3Server::start(S3Options { object_lock: true, ..S3Options::default() });
    let mut options = s3(&server);
    let unlocked = open(&bucket(Provider::S3), &options).unwrap();
    options.cloud.object_lock =
        Some(ObjectLock { mode: LockMode::Compliance, period: Duration::from_secs(2 * 86_400) });
    let locked = open(&bucket(Provider::S3), &options).unwrap();
    locked.store.put_new("packs/locked one", b"1".into()).await.unwrap();
    unlocked.store.put_new("packs/free", b"1".into()).await.unwrap();
    let retention = unlocked.retention("packs/locked one").await.unwrap().unwrap();
    assert_eq!(retention.mode, LockMode::Compliance);
    let left = retention.until.duration_since((options.now)()).unwrap();
    assert!(left > Duration::from_secs(47 * 60 * 60), "{left:?}");
    assert_eq!(unlocked.retention("packs/free").await.unwrap(), None);
    assert_eq!(failed(unlocked.retention("packs/none").await).kind(), ErrorKind::NotFound);
    assert_eq!(unlocked.versioning().await.unwrap(), Versioning::Enabled);
    assert_eq!(locked.traffic.of(RequestClass::Put).requests, 1);
    assert_eq!(unlocked.traffic.of(RequestClass::Settings).requests, 4);
}

#[tokio::test]
async fn settings_are_not_asked_of_others() {
    let server = start_gcs();
    let cloud = open(&bucket(Provider::Gcs), &gcs(&server)).unwrap();
    assert_eq!(failed(cloud.versioning().await).kind(), ErrorKind::Unsupported);
    assert_eq!(failed(cloud.retention("packs/a").await).kind(), ErrorKind::Unsupported);
    assert_eq!(server.requests().len(), 0);
}

/// Finding: `object_store` repeats a put whose connection broke, and then says that the object
/// exists, which it has put itself.
#[tokio::test]
async fn a_lost_answer_is_an_error_and_not_repeated_here() {
    let server = start_s3();
    server.script(Fault::lost_answer().on(Operation::Put));
    let cloud = open_s3(&server);
    let error = failed(cloud.store.put_new("packs/a", b"1".into()).await);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.count(Operation::Put), 1);
    // The layer above repeats it, and finds out that it was done.
    let retry = RetryOptions { pause_first: Duration::from_millis(1), ..RetryOptions::default() };
    let store = RetryStore::new(cloud.store, retry);
    server.script(Fault::lost_answer().on(Operation::Put));
    store.put_new("packs/b", b"2".into()).await.unwrap();
    assert_eq!(server.object("a repo/of mine/packs/b").unwrap().bytes.as_ref(), b"2");
}

#[tokio::test]
async fn what_the_server_asks_for_is_in_the_error() {
    let server = start_s3();
    let cloud = open_s3(&server);
    server.script(Fault::retry_after(503, Duration::from_secs(9)));
    let error = failed(cloud.store.get("packs/a").await);
    assert_eq!(
        (error.kind(), error.retry_after()),
        (ErrorKind::Unavailable, Some(Duration::from_secs(9)))
    );
    for (status, kind) in
        [(429, ErrorKind::Unavailable), (403, ErrorKind::Denied), (507, ErrorKind::NoSpace)]
    {
        server.script(Fault::status(status));
        let error = failed(cloud.store.put_new("packs/a", b"1".into()).await);
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert_eq!(cloud.traffic.of(RequestClass::Put).failures, 3);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_wrong_key_a_missing_bucket_and_no_server_are_told_apart() {
    let server = start_s3();
    let wrong = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "SECRET")];
    let cloud = open(&bucket(Provider::S3), &options(server.endpoint(), &wrong)).unwrap();
    let error = failed(cloud.store.get("packs/a").await);
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!format!("{error:?} {cloud:?}").contains("SECRET"));
    let other = Bucket { name: "other".to_owned(), ..bucket(Provider::S3) };
    let cloud = open(&other, &s3(&server)).unwrap();
    for error in [
        failed(cloud.store.get("packs/a").await),
        failed(cloud.store.put_new("packs/a", b"1".into()).await),
        cloud.store.list("").await.err().unwrap(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains("no such bucket"), "{error}");
    }
    let endpoint = server.endpoint();
    drop(server);
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let cloud = open(&bucket(Provider::S3), &options(endpoint, &keys)).unwrap();
    let error = failed(cloud.store.get("packs/a").await);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("no connection"), "{error}");
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_worth_another_try() {
    let server = start_s3();
    server.plant("a repo/of mine/packs/a", vec![7; 100_000]);
    let store = open_s3(&server).store;
    for bytes in [0, 1, 99_999] {
        server.script(Fault::truncated_answer(bytes));
        assert_eq!(failed(store.get("packs/a").await).kind(), ErrorKind::Unavailable, "{bytes}");
        server.script(Fault::truncated_answer(bytes));
        let range = store.get_range("packs/a", 0..100_000).await;
        assert_eq!(failed(range).kind(), ErrorKind::Unavailable, "{bytes}");
    }
}

#[tokio::test]
async fn a_put_that_arrives_damaged_is_not_taken() {
    // Once by the signature's hash and once by the checksum alone.
    for server in [start_s3(), S3Server::start(S3Options::default())] {
        let store = open_s3(&server).store;
        server.script(Fault::flipped_request(5));
        let error = failed(store.put_new("packs/a", vec![7; 1000].into()).await);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        store.put_new("packs/a", vec![7; 1000].into()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let server = start_s3();
    let mut options = s3(&server);
    options.cloud.stall = Some(Duration::from_millis(300));
    let store = open(&bucket(Provider::S3), &options).unwrap().store;
    server.plant("a repo/of mine/packs/a", vec![7; 100_000]);
    server.script(Fault::hang());
    let error = failed(store.put_new("packs/b", b"1".into()).await);
    assert!(error.is_retryable() && error.to_string().contains("stuck"), "{error}");
    server.script(Fault::stalled_answer(5000));
    let error = failed(store.get("packs/a").await);
    assert!(error.is_retryable() && error.to_string().contains("stuck"), "{error}");
}

#[tokio::test]
async fn many_are_deleted_by_few_requests_and_each_that_stays_is_named() {
    let server = start_s3();
    let undeletable = Some("packs/7".to_owned());
    server.behave(Behaviour { undeletable, ..Behaviour::default() });
    let store = open_s3(&server).store;
    let keys: Vec<String> = (0..450).map(|number| format!("packs/{number:04}")).collect();
    for key in &keys {
        server.plant(&format!("a repo/of mine/{key}"), &b"1"[..]);
    }
    server.plant("a repo/of mine/packs/7", &b"1"[..]);
    let asked: Vec<String> = keys
        .into_iter()
        .chain(["packs/7", "packs/none", "bad//key"].map(ToOwned::to_owned))
        .collect();
    let errors = store.delete_many(&asked).await;
    let mut found: Vec<_> = errors.iter().map(|error| (error.key(), error.kind())).collect();
    found.sort_unstable();
    assert_eq!(found, [("bad//key", ErrorKind::Invalid), ("packs/7", ErrorKind::Denied)]);
    assert_eq!(server.count(Operation::DeleteMany), 3);
    let left: Vec<_> = store.list("").await.unwrap().try_collect().await.unwrap();
    assert_eq!(left.len(), 1);
    server.script(Fault::status(503));
    let errors = store.delete_many(&["packs/7".to_owned(), "packs/8".to_owned()]).await;
    assert!(errors.len() == 2 && errors.iter().all(Error::is_retryable), "{errors:?}");
}

#[tokio::test]
async fn google_deletes_one_by_one() {
    let server = start_gcs();
    let store = open(&bucket(Provider::Gcs), &gcs(&server)).unwrap().store;
    let keys: Vec<String> = (0..20).map(|number| format!("packs/{number}")).collect();
    for key in &keys[1..] {
        server.plant(&format!("a repo/of mine/{key}"), &b"1"[..]);
    }
    server.script(Fault::status(503).about("packs/7"));
    let errors = store.delete_many(&keys).await;
    let found: Vec<_> = errors.iter().map(Error::key).collect();
    assert_eq!(found, ["packs/7"]);
    assert_eq!(server.keys(), ["a repo/of mine/packs/7"]);
}

#[tokio::test]
async fn copies_never_replace() {
    let (s3_server, gcs_server) = (start_s3(), start_gcs());
    let google = open(&bucket(Provider::Gcs), &gcs(&gcs_server)).unwrap();
    for cloud in [open_s3(&s3_server), google] {
        let store = cloud.store;
        store.put_new("packs/a", b"first".into()).await.unwrap();
        store.copy_new("packs/a", "packs/b").await.unwrap();
        assert_eq!(store.get("packs/b").await.unwrap(), &b"first"[..]);
        store.put_new("packs/c", b"other".into()).await.unwrap();
        let error = failed(store.copy_new("packs/c", "packs/b").await);
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(store.get("packs/b").await.unwrap(), &b"first"[..]);
        let error = failed(store.copy_new("packs/none", "packs/d").await);
        assert_eq!((error.kind(), error.key()), (ErrorKind::NotFound, "packs/none"));
    }
    assert_eq!(gcs_server.count(Operation::Copy), 3);
    assert_eq!(s3_server.count(Operation::Copy), 0, "its like may ignore the condition");
}

#[tokio::test]
async fn who_may_only_create_and_read_can() {
    let server = start_s3();
    server.behave(Behaviour { policy: Rights::AppendOnly, ..Behaviour::default() });
    let store = open_s3(&server).store;
    store.put_new("packs/a", b"1".into()).await.unwrap();
    assert_eq!(store.get("packs/a").await.unwrap(), &b"1"[..]);
    assert_eq!(failed(store.delete("packs/a").await).kind(), ErrorKind::Denied);
    let errors = store.delete_many(&["packs/a".to_owned()]).await;
    assert!(errors.len() == 1 && errors[0].kind() == ErrorKind::Denied, "{errors:?}");
}

#[tokio::test]
async fn on_the_users_word_an_object_is_looked_for_before_it_is_put() {
    let server = start_s3();
    server.behave(Behaviour { conditions: false, ..Behaviour::default() });
    let mut options = s3(&server);
    options.exclusive = true;
    let store = open(&bucket(Provider::S3), &options).unwrap().store;
    store.put_new("packs/a", b"1".into()).await.unwrap();
    let error = failed(store.put_new("packs/a", b"2".into()).await);
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(store.get("packs/a").await.unwrap(), &b"1"[..]);
    // One that refuses the condition gets a plain put.
    server.script(Fault::status(501).on(Operation::Put));
    store.put_new("packs/b", b"3".into()).await.unwrap();
    assert_eq!(server.requests().last().unwrap().header("if-none-match"), None);
}

#[tokio::test]
async fn limits_hold_bodies_back() {
    let server = start_s3();
    server.plant("a repo/of mine/packs/a", vec![7; 150_000]);
    let mut options = s3(&server);
    let rate = Bandwidth::per_second(NonZeroU64::new(100_000).unwrap());
    (options.upload, options.download) = (rate.clone(), rate);
    // Shorter than the limit holds a piece back: that is not being stuck.
    options.cloud.stall = Some(Duration::from_millis(400));
    let store = open(&bucket(Provider::S3), &options).unwrap().store;
    let begun = std::time::Instant::now();
    store.put_new("packs/b", vec![7; 150_000].into()).await.unwrap();
    store.get("packs/a").await.unwrap();
    // 300 kB less what may pass at once.
    assert!(begun.elapsed() > Duration::from_millis(1500), "{:?}", begun.elapsed());
}
