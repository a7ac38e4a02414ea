//! Buckets and containers of S3, Google Cloud Storage and Azure, and of those that speak their
//! languages.
//!
//! `object_store` makes the requests; the HTTP client below it is ours (decision 12). Must not know
//! what objects mean, nor read the environment. A call makes one attempt: repeating is for the
//! layer above, which alone knows what a lost answer means.
//!
//! Invariants: an object is put by one conditional request, never in parts; an error says what the
//! service answered; no URL's query, key or token is in any text.

mod answer;
mod bulk;
mod call;
mod checksum;
mod client;
mod failure;
mod list;
mod locks;
mod policy;
mod provider;
mod settings;
mod sign;
mod store;
mod traffic;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use self::settings::{Retention, Versioning};
pub use self::traffic::{ClassTraffic, RequestClass, Traffic};

use self::client::{HttpCarrier, Inner, Service};
use self::locks::S3Locks;
use self::policy::Policy;
use self::settings::Settings;
use self::store::CloudStore;
use crate::options::StoreOptions;
use crate::url::{Bucket, Provider};
use crate::{Result, Store};

/// For how long a transfer may rest when the options don't say.
const STALL: Duration = Duration::from_secs(30);

/// A bucket, opened.
#[derive(Clone, Debug)]
pub struct Cloud {
    /// The bucket as a store. Without retries: every call is made once.
    pub store: Arc<dyn Store>,
    /// The requests that are made for it.
    pub traffic: Traffic,
    settings: Settings,
}

impl Cloud {
    /// Whether the bucket keeps what is deleted.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) unless it is S3 or its like.
    pub async fn versioning(&self) -> Result<Versioning> {
        self.settings.versioning().await
    }

    /// Until when the object `key` can't be deleted; `None` if it can.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such object,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) unless it is S3 or its like.
    pub async fn retention(&self, key: &str) -> Result<Option<Retention>> {
        self.settings.retention(key).await
    }
}

/// Prepares to use `bucket`; makes no request yet. The store needs a tokio runtime with a timer.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) and [`Unsupported`](crate::ErrorKind::Unsupported) if the
/// options can't be followed, with the reason.
pub fn open(bucket: &Bucket, options: &StoreOptions) -> Result<Cloud> {
    let address = provider::address(bucket, options)?;
    let policy = Policy::new(bucket, &options.cloud)?;
    let secure = address.base.scheme_str() == Some("https");
    let service = Service::new(Inner {
        far: Arc::new(HttpCarrier::far(&options.cloud, secure)?),
        nearby: Arc::new(HttpCarrier::nearby()?),
        upload: options.upload.clone(),
        download: options.download.clone(),
        stall: options.cloud.stall.unwrap_or(STALL),
        traffic: Traffic::default(),
        now: Arc::clone(&options.now),
        aim: OnceLock::new(),
    });
    let settings = Settings::new(bucket, address.base.clone(), &service);
    let locks = (bucket.provider == Provider::S3).then(|| {
        Arc::new(S3Locks::new(settings.clone(), policy.clone(), Arc::clone(&options.now)))
    });
    let ready = provider::build(bucket, options, address, &service)?;
    let store = CloudStore::new(bucket, options, policy, ready, &service).with_locks(locks);
    Ok(Cloud { store: Arc::new(store), traffic: service.traffic().clone(), settings })
}

#[cfg(test)]
mod tests;
