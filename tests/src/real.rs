//! The real servers that run beside the tests: where they are, and requests to prepare and inspect
//! them by.
//!
//! `cargo xtask ci` and `cargo xtask with-servers` start them and tell by variables. A test whose
//! server is not there says that it is skipped and passes, unless `LIFEBOAT_TEST_SERVERS` names the server.

mod http;

use lifeboat_testkit::skip::skip;
use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

pub use self::http::Answer;
use self::http::{Method, exchange};

use object_store::{
    aws::{AwsAuthorizer, AwsCredential},
    azure::{AzureAccessKey, AzureAuthorizer, AzureCredential},
    client::HttpRequest,
};

/// The variable that names the servers without which no test may be skipped.
const REQUIRED: &str = "LIFEBOAT_TEST_SERVERS";

/// The key of Azurite's only account, which its documentation tells everybody.
const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Where a server is; nothing, said in one line, where it does not run.
#[expect(clippy::disallowed_methods, reason = "cargo xtask tells in these variables")]
fn place(server: &str, variable: &str) -> Option<String> {
    if let Ok(place) = std::env::var(variable) {
        return Some(place);
    }
    let required = std::env::var(REQUIRED).unwrap_or_default();
    let is_required = required == "required" || required.split(',').any(|name| name == server);
    assert!(!is_required, "{REQUIRED} names {server}, and {variable} does not say where it is");
    skip(format_args!(
        "{server} does not run here; use `cargo xtask with-servers -- cargo nextest run`"
    ));
    None
}

/// A name for a bucket that no other test has.
#[must_use]
pub fn bucket_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A server and who we are to it, in the variables that `lifeboat` reads.
pub trait Account {
    /// The variables, the repository's place not among them.
    fn variables(&self) -> Vec<(String, String)>;
}

/// An S3 server with one of its users.
#[derive(Clone, Debug)]
pub struct S3 {
    endpoint: String,
    /// Key and secret alike.
    user: String,
    region: String,
}

impl S3 {
    /// At `endpoint`, as the user whose key id and secret are both `user`.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, user: impl Into<String>) -> Self {
        Self { endpoint: endpoint.into(), user: user.into(), region: "us-east-1".into() }
    }

    /// moto, if it runs.
    #[must_use]
    pub fn moto() -> Option<Self> {
        place("moto", "LIFEBOAT_TEST_MOTO").map(|place| Self::new(place, "test"))
    }

    /// The same server as another user.
    #[must_use]
    pub fn as_user(&self, user: &str) -> Self {
        Self { user: user.into(), ..self.clone() }
    }

    /// Sends a signed request, such as `("PUT", "/bucket?versioning", …)`.
    #[must_use]
    pub fn request(
        &self,
        method: &str,
        path_and_query: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let credential =
            AwsCredential { key_id: self.user.clone(), secret_key: self.user.clone(), token: None };
        let sign = |request: &mut HttpRequest| {
            let authorizer = AwsAuthorizer::new(&credential, "s3", &self.region);
            authorizer.try_authorize(request, None).unwrap_or_else(|error| panic!("sign: {error}"));
        };
        exchange(method_of(method), &self.endpoint, path_and_query, headers, body, sign)
    }

    /// Sends a signed request that must succeed, and gives the answer's body.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let answer = self.request(method, path, headers, body);
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        answer.body
    }

    /// Makes a bucket and gives its name.
    #[must_use]
    pub fn bucket(&self) -> String {
        let name = bucket_name();
        self.ask("PUT", &format!("/{name}"), &[], "");
        name
    }

    /// Makes a bucket that keeps versions and enforces locks, and gives its name.
    #[must_use]
    pub fn locking_bucket(&self) -> String {
        let name = bucket_name();
        let lock = [("x-amz-bucket-object-lock-enabled", "true")];
        self.ask("PUT", &format!("/{name}"), &lock, "");
        name
    }

    /// Every version of every object of a bucket below `prefix`: its key and the version's id.
    #[must_use]
    pub fn versions(&self, bucket: &str, prefix: &str) -> Vec<(String, String)> {
        let listed = self.ask("GET", &format!("/{bucket}?versions&prefix={prefix}"), &[], "");
        let versions = listed.split("<Version>").skip(1);
        let versions = versions.filter_map(|version| {
            Some((element(version, "Key")?.to_owned(), element(version, "VersionId")?.to_owned()))
        });
        versions.collect()
    }
}

impl Account for S3 {
    fn variables(&self) -> Vec<(String, String)> {
        let variables = [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", &self.region),
            ("AWS_ACCESS_KEY_ID", &self.user),
            ("AWS_SECRET_ACCESS_KEY", &self.user),
        ];
        variables.map(|(name, value)| (name.into(), value.into())).into()
    }
}

/// The text of the first element `name`.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// Ceph's object gateway.
#[derive(Debug)]
pub struct Ceph {
    /// As `test`, whose buckets they are. There is also the user `writer`, who may do what a
    /// bucket's policy says.
    pub owner: S3,
    /// A second gateway to the same objects, which may be killed, and is started again then.
    pub mortal: S3,
    pid: PathBuf,
}

impl Ceph {
    /// It, if it runs.
    #[must_use]
    pub fn running() -> Option<Self> {
        let owner = place("ceph", "LIFEBOAT_TEST_CEPH")?;
        let mortal = place("ceph", "LIFEBOAT_TEST_CEPH_MORTAL")?;
        let pid = place("ceph", "LIFEBOAT_TEST_CEPH_MORTAL_PID")?.into();
        Some(Self { owner: S3::new(owner, "test"), mortal: S3::new(mortal, "test"), pid })
    }

    /// `kill -9` of the mortal gateway, and the wait until its successor answers.
    pub fn kill(&self) {
        let pid = fs::read_to_string(&self.pid);
        let pid = pid.unwrap_or_else(|error| panic!("{}: {error}", self.pid.display()));
        let killed = Command::new("kill").args(["-9", pid.trim()]).status();
        assert!(killed.is_ok_and(|status| status.success()), "the gateway {pid} can't be killed");
        let started = Instant::now();
        while fs::read_to_string(&self.pid).is_ok_and(|now| now == pid) {
            assert!(started.elapsed() < Duration::from_secs(60), "nobody starts it again");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Azurite with its only account.
#[derive(Debug)]
pub struct Azurite {
    endpoint: String,
}

impl Azurite {
    /// It, if it runs.
    #[must_use]
    pub fn running() -> Option<Self> {
        place("azurite", "LIFEBOAT_TEST_AZURITE").map(|endpoint| Self { endpoint })
    }

    /// Makes a container and gives its name.
    #[must_use]
    pub fn container(&self) -> String {
        let name = bucket_name();
        let key = AzureAccessKey::try_new(AZURITE_KEY);
        let key = key.unwrap_or_else(|error| panic!("Azurite's key: {error}"));
        let credential = AzureCredential::AccessKey(key);
        let sign = |request: &mut HttpRequest| {
            let authorizer = AzureAuthorizer::new(&credential, "devstoreaccount1");
            authorizer.try_authorize(request).unwrap_or_else(|error| panic!("sign: {error}"));
        };
        let path = format!("/devstoreaccount1/{name}?restype=container");
        let answer = exchange(Method::PUT, &self.endpoint, &path, &[], "", sign);
        assert_eq!(answer.status, 201, "{answer:?}");
        name
    }
}

impl Account for Azurite {
    fn variables(&self) -> Vec<(String, String)> {
        let variables =
            [("AZURE_STORAGE_USE_EMULATOR", "true"), ("AZURITE_BLOB_STORAGE_URL", &self.endpoint)];
        variables.map(|(name, value)| (name.into(), value.into())).into()
    }
}

fn method_of(name: &str) -> Method {
    name.parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}
