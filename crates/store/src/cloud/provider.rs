//! The three services, each as `object_store` speaks with it.
//!
//! Knows their addresses, their variables' names and which of them their builders may have: only
//! credentials. What the options say counts more than a variable. Must not read the environment.

mod azure;
mod gcs;
mod s3;

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use object_store::list::PaginatedListStore;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::client::{Aim, Service};
use crate::options::StoreOptions;
use crate::url::{Bucket, Provider};
use crate::{Error, ErrorKind, Result};

/// One bucket, ready to be asked.
pub(super) struct Ready {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// The same, with a request for each delete where the service has one.
    pub(super) single: Arc<dyn ObjectStore>,
    pub(super) pages: Arc<dyn PaginatedListStore>,
    pub(super) aim: Aim,
    /// Whether it is the provider's own service, which keeps every promise of its documentation.
    pub(super) own: bool,
}

/// Where a bucket is, before anything is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// What the URLs of its requests begin with.
    pub(super) base: Uri,
    /// Whether it is the provider's own service.
    pub(super) own: bool,
}

/// Finds a bucket's address.
///
/// # Errors
/// [`Invalid`](ErrorKind::Invalid) if an endpoint is malformed, or without TLS where that was not
/// allowed.
pub(super) fn address(bucket: &Bucket, options: &StoreOptions) -> Result<Address> {
    let (base, own, allow_http) = match bucket.provider {
        Provider::S3 => s3::base(bucket, options)?,
        Provider::Gcs => gcs::base(bucket, options),
        Provider::Azure => azure::base(bucket, options)?,
    };
    let base: Uri = base.parse().map_err(|_error| malformed(bucket))?;
    match base.scheme_str() {
        Some("https") => {}
        Some("http") if allow_http => {}
        Some("http") => {
            return Err(refuse(
                bucket,
                "its endpoint is without TLS; allow that by AWS_ALLOW_HTTP=true \
                (or allow-http in the configuration), or give an https:// endpoint",
            ));
        }
        _ => return Err(malformed(bucket)),
    }
    if base.host().is_none() {
        return Err(malformed(bucket));
    }
    Ok(Address { base, own })
}

/// Makes the store, whose requests go through `service`.
///
/// # Errors
/// [`Invalid`](ErrorKind::Invalid) if credentials are incomplete or malformed.
pub(super) fn build(
    bucket: &Bucket,
    options: &StoreOptions,
    address: Address,
    service: &Service,
) -> Result<Ready> {
    match bucket.provider {
        Provider::S3 => s3::build(bucket, options, address, service),
        Provider::Gcs => gcs::build(bucket, options, address, service),
        Provider::Azure => azure::build(bucket, options, address, service),
    }
}

/// Every request is made once: only the layer above knows what a lost answer means.
fn never_again() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO }
}

/// Whether a variable says yes.
fn is_set(options: &StoreOptions, name: &str) -> bool {
    let value = options.credentials.variable(name).unwrap_or_default();
    ["1", "true", "yes", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// The first of these variables that has a value.
fn first<'a>(options: &'a StoreOptions, names: &[&str]) -> Option<&'a str> {
    let mut values = names.iter().filter_map(|name| options.credentials.variable(name));
    values.find(|value| !value.is_empty())
}

fn malformed(bucket: &Bucket) -> Error {
    refuse(bucket, "its endpoint is malformed; it is written https://HOST or https://HOST:PORT")
}

fn refuse(bucket: &Bucket, rule: &str) -> Error {
    Error::new(ErrorKind::Invalid, "open", bucket.to_string()).with_detail(rule)
}

/// What a builder refuses: always the configuration, as it makes no request.
fn unbuilt(bucket: &Bucket, error: &object_store::Error) -> Error {
    let source = std::error::Error::source(error);
    let cause = source.map_or_else(|| error.to_string(), ToString::to_string);
    refuse(bucket, &format!("its credentials or settings can't be used: {cause}"))
}

#[cfg(test)]
mod tests;
