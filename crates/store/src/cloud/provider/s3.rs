//! Amazon S3 and those that speak its language.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3CopyIfNotExists};
use object_store::client::HttpClient;

use super::{Address, Ready, first, is_set, never_again, refuse, unbuilt};
use crate::Result;
use crate::cloud::client::{Aim, Service};
use crate::cloud::sign::Signer;
use crate::options::StoreOptions;
use crate::url::Bucket;

/// Where a bucket is, whether that is at Amazon, and whether it may be without TLS.
pub(super) fn base(bucket: &Bucket, options: &StoreOptions) -> Result<(String, bool, bool)> {
    let name = &bucket.name;
    if name.ends_with("--x-s3") {
        return Err(refuse(
            bucket,
            "directory buckets (S3 Express) need sessions, which are not supported; take a general \
             purpose bucket",
        ));
    }
    let cloud = &options.cloud;
    let variables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let endpoint = cloud.endpoint.as_deref().or_else(|| first(options, &variables));
    let in_host = is_set(options, "AWS_VIRTUAL_HOSTED_STYLE_REQUEST").then_some(false);
    let in_path = cloud.path_style.or(in_host);
    let allow_http = cloud.allow_http || is_set(options, "AWS_ALLOW_HTTP");
    let Some(endpoint) = endpoint else {
        let region = region(options);
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let host = format!("s3.{region}.amazonaws.com{suffix}");
        // A wildcard certificate is good for one more component only.
        let base = match in_path.unwrap_or(name.contains('.')) {
            true => format!("https://{host}/{name}"),
            false => format!("https://{name}.{host}"),
        };
        return Ok((base, true, allow_http));
    };
    let endpoint = endpoint.trim_end_matches('/');
    let base = match (in_path, endpoint.split_once("://")) {
        (Some(false), Some((scheme, rest))) => format!("{scheme}://{name}.{rest}"),
        _ => format!("{endpoint}/{name}"),
    };
    Ok((base, false, allow_http))
}

pub(super) fn build(
    bucket: &Bucket,
    options: &StoreOptions,
    address: Address,
    service: &Service,
) -> Result<Ready> {
    let region = region(options);
    let mut builder = AmazonS3Builder::new();
    for (name, value) in options.credentials.variables("AWS_") {
        match name.to_ascii_lowercase().parse() {
            Ok(key) if is_credential(&key) && !value.is_empty() => {
                builder = builder.with_config(key, value);
            }
            _ => {}
        }
    }
    let http = HttpClient::new(service.clone());
    if let Some(provider) = options.credentials.aws_provider(&http, &options.now)? {
        builder = builder.with_credentials(provider);
    }
    let base = address.base.to_string();
    builder = builder
        .with_bucket_name(&bucket.name)
        .with_region(&region)
        // Says that the endpoint has the bucket's name in it already.
        .with_virtual_hosted_style_request(true)
        .with_endpoint(base.trim_end_matches('/'))
        // We sign, when the request has all its headers.
        .with_skip_signature(true)
        .with_retry(never_again())
        .with_http_connector(service.clone());
    if address.own {
        // Others may copy over what exists, and not say so.
        let header = S3CopyIfNotExists::Header("if-none-match".to_owned(), "*".to_owned());
        builder = builder.with_copy_if_not_exists(header);
    }
    let single = builder.clone().with_config(AmazonS3ConfigKey::DisableBulkDelete, "true");
    let single = single.build().map_err(|error| unbuilt(bucket, &error))?;
    let store = Arc::new(builder.build().map_err(|error| unbuilt(bucket, &error))?);
    let signer = match is_set(options, "AWS_SKIP_SIGNATURE") {
        true => Signer::Done,
        false => Signer::S3 {
            credentials: Arc::clone(store.credentials()),
            region,
            requester_pays: is_set(options, "AWS_REQUEST_PAYER")
                || first(options, &["AWS_REQUEST_PAYER"]) == Some("requester"),
        },
    };
    let aim = Aim { base: address.base, signer };
    let (objects, single): (_, Arc<dyn ObjectStore>) = (Arc::clone(&store) as _, Arc::new(single));
    Ok(Ready { objects, single, pages: store, aim, own: address.own })
}

/// The region; services of others take any, and most call theirs like this.
fn region(options: &StoreOptions) -> String {
    let variable = || first(options, &["AWS_REGION", "AWS_DEFAULT_REGION"]);
    options.cloud.region.as_deref().or_else(variable).unwrap_or("us-east-1").to_owned()
}

/// What a variable may say to the builder: who we are, and nothing of how requests are made.
fn is_credential(key: &AmazonS3ConfigKey) -> bool {
    use AmazonS3ConfigKey as Key;
    matches!(
        key,
        Key::AccessKeyId
            | Key::SecretAccessKey
            | Key::Token
            | Key::WebIdentityTokenFile
            | Key::RoleArn
            | Key::RoleSessionName
            | Key::StsEndpoint
            | Key::ContainerCredentialsRelativeUri
            | Key::ContainerCredentialsFullUri
            | Key::ContainerAuthorizationTokenFile
            | Key::ImdsV1Fallback
            | Key::MetadataEndpoint
    )
}
