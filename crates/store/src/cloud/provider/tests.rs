use std::time::SystemTime;

use super::*;
use crate::credentials::Credentials;
use crate::options::CloudOptions;

fn options(variables: &[(&str, &str)], cloud: CloudOptions) -> StoreOptions {
    let mut options = StoreOptions::new(Arc::new(|| SystemTime::UNIX_EPOCH));
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    options.credentials = Credentials::from_variables(variables);
    options.cloud = cloud;
    options
}

fn bucket(provider: Provider, name: &str) -> Bucket {
    Bucket { provider, name: name.to_owned(), prefix: String::new() }
}

/// The address that a bucket has by these variables, and whether it is the provider's own.
fn by_variables(bucket: &Bucket, variables: &[(&str, &str)]) -> (String, bool) {
    let address = address(bucket, &options(variables, CloudOptions::default())).unwrap();
    (address.base.to_string(), address.own)
}

#[test]
fn amazons_buckets_are_hosts_unless_their_names_have_dots() {
    let place = |name, variables| by_variables(&bucket(Provider::S3, name), variables);
    let own = |text: &str| (text.to_owned(), true);
    assert_eq!(place("bucket", &[]), own("https://bucket.s3.us-east-1.amazonaws.com/"));
    let region = [("AWS_DEFAULT_REGION", "eu-west-1")];
    assert_eq!(place("a.bucket", &region), own("https://s3.eu-west-1.amazonaws.com/a.bucket"));
    let china = [("AWS_REGION", "cn-north-1"), ("AWS_DEFAULT_REGION", "x")];
    assert_eq!(place("bucket", &china), own("https://bucket.s3.cn-north-1.amazonaws.com.cn/"));
}

#[test]
fn others_buckets_are_paths_unless_it_is_said() {
    let place =
        |variables: &[(&str, &str)]| by_variables(&bucket(Provider::S3, "bucket"), variables);
    let other = |text: &str| (text.to_owned(), false);
    let general = ("AWS_ENDPOINT_URL", "https://store.example:9000/");
    assert_eq!(place(&[general]), other("https://store.example:9000/bucket"));
    let special = ("AWS_ENDPOINT_URL_S3", "https://s3.example");
    assert_eq!(place(&[general, special]), other("https://s3.example/bucket"));
    let hosted = ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true");
    assert_eq!(place(&[special, hosted]), other("https://bucket.s3.example/"));
}

#[test]
fn options_count_more_than_variables() {
    let cloud = CloudOptions {
        endpoint: Some("http://127.0.0.1:9000".to_owned()),
        path_style: Some(true),
        allow_http: true,
        ..CloudOptions::default()
    };
    let variables = [("AWS_ENDPOINT_URL", "https://other"), ("GOOGLE_BASE_URL", "https://other")];
    let options = options(&variables, cloud);
    for provider in [Provider::S3, Provider::Gcs] {
        let address = address(&bucket(provider, "bucket"), &options).unwrap();
        assert_eq!(address.base, "http://127.0.0.1:9000/bucket");
    }
}

#[test]
fn without_tls_only_where_that_is_allowed() {
    let bucket = bucket(Provider::S3, "bucket");
    let plain = ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000");
    let error = address(&bucket, &options(&[plain], CloudOptions::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("AWS_ALLOW_HTTP"), "{error}");
    by_variables(&bucket, &[plain, ("AWS_ALLOW_HTTP", "true")]);
    for malformed in ["store.example", "ftp://store.example", "https://", "https://a b", "://"] {
        let options = options(&[("AWS_ENDPOINT_URL", malformed)], CloudOptions::default());
        assert_eq!(
            address(&bucket, &options).unwrap_err().kind(),
            ErrorKind::Invalid,
            "{malformed}"
        );
    }
}

#[test]
fn google_and_azure_have_their_hosts() {
    let google = by_variables(&bucket(Provider::Gcs, "bucket"), &[]);
    assert_eq!(google, ("https://storage.googleapis.com/bucket".to_owned(), true));
    let azure = bucket(Provider::Azure, "container");
    let account = ("AZURE_STORAGE_ACCOUNT_NAME", "acc");
    let place = by_variables(&azure, &[account]);
    assert_eq!(place, ("https://acc.blob.core.windows.net/container".to_owned(), true));
    let error = address(&azure, &options(&[], CloudOptions::default())).unwrap_err();
    assert!(error.to_string().contains("AZURE_STORAGE_ACCOUNT_NAME"), "{error}");
}

#[test]
fn azures_connection_string_and_emulator_are_understood() {
    let azure = bucket(Provider::Azure, "container");
    let text = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5;\
                EndpointSuffix=core.chinacloudapi.cn";
    let place = by_variables(&azure, &[("AZURE_STORAGE_CONNECTION_STRING", text)]);
    assert_eq!(place.0, "https://acc.blob.core.chinacloudapi.cn/container");
    let emulated = ("http://127.0.0.1:10000/devstoreaccount1/container".to_owned(), false);
    let said = [("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true")];
    assert_eq!(by_variables(&azure, &said), emulated);
    assert_eq!(by_variables(&azure, &[("AZURE_STORAGE_USE_EMULATOR", "true")]), emulated);
}

#[test]
fn directory_buckets_are_refused() {
    let bucket = bucket(Provider::S3, "name--use1-az4--x-s3");
    let error = address(&bucket, &options(&[], CloudOptions::default())).unwrap_err();
    assert!(error.to_string().contains("S3 Express"), "{error}");
}
