//! Google Cloud Storage, by its XML API.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

use super::{Address, Ready, first, is_set, never_again, unbuilt};
use crate::Result;
use crate::cloud::client::{Aim, Service};
use crate::cloud::sign::Signer;
use crate::options::StoreOptions;
use crate::url::Bucket;

const ENDPOINT: &str = "https://storage.googleapis.com";

/// Where a bucket is, whether that is at Google, and whether it may be without TLS.
pub(super) fn base(bucket: &Bucket, options: &StoreOptions) -> (String, bool, bool) {
    let endpoint = endpoint(options);
    let own = endpoint == ENDPOINT;
    let allow_http = options.cloud.allow_http || is_set(options, "GOOGLE_ALLOW_HTTP");
    (format!("{endpoint}/{}", bucket.name), own, allow_http)
}

pub(super) fn build(
    bucket: &Bucket,
    options: &StoreOptions,
    address: Address,
    service: &Service,
) -> Result<Ready> {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (name, value) in options.credentials.variables("GOOGLE_") {
        match name.to_ascii_lowercase().parse() {
            Ok(key) if is_credential(key) && !value.is_empty() => {
                builder = builder.with_config(key, value);
            }
            _ => {}
        }
    }
    if is_set(options, "GOOGLE_SKIP_SIGNATURE") {
        // Its own way of not signing is not for puts.
        builder = builder.with_bearer_token("anonymous");
    }
    let builder = builder
        .with_bucket_name(&bucket.name)
        .with_base_url(&endpoint(options))
        .with_retry(never_again())
        .with_http_connector(service.clone());
    let store = Arc::new(builder.build().map_err(|error| unbuilt(bucket, &error))?);
    let aim = Aim { base: address.base, signer: Signer::Done };
    let (objects, single): (_, Arc<dyn ObjectStore>) =
        (Arc::clone(&store) as _, Arc::clone(&store) as _);
    Ok(Ready { objects, single, pages: store, aim, own: address.own })
}

fn endpoint(options: &StoreOptions) -> String {
    let variable = || first(options, &["GOOGLE_BASE_URL"]);
    let endpoint = options.cloud.endpoint.as_deref().or_else(variable).unwrap_or(ENDPOINT);
    endpoint.trim_end_matches('/').to_owned()
}

/// What a variable may say to the builder: who we are, and nothing of how requests are made.
fn is_credential(key: GoogleConfigKey) -> bool {
    use GoogleConfigKey as Key;
    matches!(
        key,
        Key::ServiceAccount
            | Key::ServiceAccountKey
            | Key::ApplicationCredentials
            | Key::BearerToken
    )
}
