//! How a store is reached: everything that its URL does not say.
//!
//! Plain values, filled in by whoever connects. Nothing here reads the environment, a file or a
//! clock; secrets are in [`Credentials`] alone, and `Debug` shows none.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::credentials::Credentials;
use crate::layer::bandwidth::Bandwidth;
use crate::stack::LayerOptions;

/// Tells the time of day, for what a store must be told in dates.
pub type Now = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How to reach a store, and how to treat it.
#[derive(Clone)]
pub struct StoreOptions {
    /// Who we are; for a directory nothing is needed.
    pub credentials: Credentials,
    /// For buckets and containers.
    pub cloud: CloudOptions,
    /// For directories.
    pub local: LocalOptions,
    /// Bytes a second that may go up.
    pub upload: Bandwidth,
    /// Bytes a second that may come down.
    pub download: Bandwidth,
    /// Nobody else writes to this store meanwhile, on the user's word: where the store can't create
    /// conditionally, an object is looked for before it is put.
    pub exclusive: bool,
    /// What lies around the store.
    pub layers: LayerOptions,
    /// Where the jitter of pauses begins. Different clients should have different seeds.
    pub seed: u64,
    /// The wall clock.
    pub now: Now,
}

/// A service of objects over HTTP.
#[derive(Clone, Default)]
pub struct CloudOptions {
    /// Another place than the provider's own: `http://127.0.0.1:9000`.
    pub endpoint: Option<String>,
    /// The region, where the service has some.
    pub region: Option<String>,
    /// Whether the bucket is a part of the path (`true`) or of the host's name; as the endpoint
    /// suggests when it is not given.
    pub path_style: Option<bool>,
    /// Also without TLS.
    pub allow_http: bool,
    /// Certificates (PEM) of authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The proxy for every request; none when it is not given.
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy, as in `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// The storage class of new objects by the beginning of their key: `packs/` is `STANDARD_IA`.
    /// The longest beginning counts.
    pub storage_class: BTreeMap<String, String>,
    /// Encryption by the service.
    pub encryption: Option<Encryption>,
    /// How long new objects can't be deleted.
    pub object_lock: Option<ObjectLock>,
    /// Tags of every new object, where the service has them.
    pub tags: BTreeMap<String, String>,
    /// How long no byte may move before a transfer is given up; 30 s if it is not given.
    pub stall: Option<Duration>,
}

impl CloudOptions {
    /// The proxy for messages, without the name and password in it.
    pub fn proxy_shown(&self) -> Option<String> {
        self.proxy.as_deref().map(without_user)
    }

    /// The endpoint for messages, likewise.
    pub fn endpoint_shown(&self) -> Option<String> {
        self.endpoint.as_deref().map(without_user)
    }
}

/// A URL for messages: what may be a password in it is left out.
fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let between = if scheme.is_empty() { "" } else { "://" };
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let user = if host.len() < rest.len() { "***@" } else { "" };
    format!("{scheme}{between}{user}{host}")
}

impl fmt::Debug for CloudOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudOptions")
            .field("endpoint", &self.endpoint_shown())
            .field("region", &self.region)
            .field("path_style", &self.path_style)
            .field("allow_http", &self.allow_http)
            .field("ca_file", &self.ca_file)
            .field("proxy", &self.proxy_shown())
            .field("no_proxy", &self.no_proxy)
            .field("storage_class", &self.storage_class)
            .field("encryption", &self.encryption)
            .field("object_lock", &self.object_lock)
            .field("tags", &self.tags)
            .field("stall", &self.stall)
            .finish()
    }
}

/// Encryption at rest by the service, on top of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// With the service's own key (S3: `AES256`).
    Service,
    /// With a key of the provider's key management.
    Kms {
        /// The key's name or ARN; the bucket's default key if it is not given.
        key: Option<String>,
    },
}

/// Retention that the service enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectLock {
    /// Who may still delete.
    pub mode: LockMode,
    /// For how long from the put; whole seconds count.
    pub period: Duration,
}

/// Who may delete what is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Who has a permission of its own.
    Governance,
    /// Nobody.
    Compliance,
}

/// A directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalOptions {
    /// When objects are made durable.
    pub sync: SyncMode,
}

/// When a directory's objects are made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// Each before it is acknowledged.
    Each,
    /// Those of [`Store::put_soon`](crate::Store::put_soon) together, by
    /// [`Store::sync`](crate::Store::sync).
    #[default]
    Together,
}

impl StoreOptions {
    /// No credentials, no limits, every default.
    pub fn new(now: Now) -> Self {
        Self {
            credentials: Credentials::none(),
            cloud: CloudOptions::default(),
            local: LocalOptions::default(),
            upload: Bandwidth::unlimited(),
            download: Bandwidth::unlimited(),
            exclusive: false,
            layers: LayerOptions::default(),
            seed: 0,
            now,
        }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("credentials", &self.credentials)
            .field("cloud", &self.cloud)
            .field("local", &self.local)
            .field("upload", &self.upload)
            .field("download", &self.download)
            .field("exclusive", &self.exclusive)
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}
