use std::time::Duration;

use super::*;

fn bucket(provider: Provider) -> Bucket {
    Bucket { provider, name: "bucket".to_owned(), prefix: String::new() }
}

fn headers(provider: Provider, options: &CloudOptions, key: &str) -> Vec<(String, String)> {
    let policy = Policy::new(&bucket(provider), options).unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::new(1_792_000_000, 123_456_789);
    let headers = policy.of_put(key, now).unwrap();
    let mut texts: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    texts.sort();
    texts
}

fn refusal(provider: Provider, options: &CloudOptions) -> ErrorKind {
    Policy::new(&bucket(provider), options).unwrap_err().kind()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn the_longest_beginning_gives_the_class() {
    let classes = [("", "STANDARD"), ("packs/", "STANDARD_IA"), ("packs/t", "ONEZONE_IA")];
    let storage_class = classes.map(|(key, class)| (key.to_owned(), class.to_owned())).into();
    let options = CloudOptions { storage_class, ..CloudOptions::default() };
    for (key, class) in
        [("log/1", "STANDARD"), ("packs/a", "STANDARD_IA"), ("packs/t1", "ONEZONE_IA")]
    {
        assert_eq!(headers(Provider::S3, &options, key), [pair("x-amz-storage-class", class)]);
        assert_eq!(headers(Provider::Gcs, &options, key), [pair("x-goog-storage-class", class)]);
        assert_eq!(headers(Provider::Azure, &options, key), [pair("x-ms-access-tier", class)]);
    }
    assert_eq!(headers(Provider::S3, &CloudOptions::default(), "log/1"), []);
}

#[test]
fn a_lock_ends_days_from_now_in_whole_seconds() {
    let object_lock =
        Some(ObjectLock { mode: LockMode::Compliance, period: Duration::from_secs(30 * 86_400) });
    let options = CloudOptions { object_lock, ..CloudOptions::default() };
    let expected = [
        pair("x-amz-object-lock-mode", "COMPLIANCE"),
        pair("x-amz-object-lock-retain-until-date", "2026-11-13T17:46:40Z"),
    ];
    assert_eq!(headers(Provider::S3, &options, "packs/a"), expected);
    assert_eq!(refusal(Provider::Gcs, &options), ErrorKind::Unsupported);
    assert_eq!(refusal(Provider::Azure, &options), ErrorKind::Unsupported);
    let object_lock = Some(ObjectLock {
        mode: LockMode::Governance,
        period: Duration::from_secs(u64::from(u32::MAX) * 86_400),
    });
    let options = CloudOptions { object_lock, ..CloudOptions::default() };
    let policy = Policy::new(&bucket(Provider::S3), &options).unwrap();
    let error = policy.of_put("packs/a", SystemTime::UNIX_EPOCH).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn each_service_encrypts_in_its_own_words() {
    let with = |encryption: Encryption| CloudOptions {
        encryption: Some(encryption),
        ..CloudOptions::default()
    };
    let service = with(Encryption::Service);
    let expected = [pair("x-amz-server-side-encryption", "AES256")];
    assert_eq!(headers(Provider::S3, &service, "k"), expected);
    assert_eq!(headers(Provider::Gcs, &service, "k"), []);
    assert_eq!(headers(Provider::Azure, &service, "k"), []);
    let keyed = with(Encryption::Kms { key: Some("arn:key".to_owned()) });
    let expected = [
        pair("x-amz-server-side-encryption", "aws:kms"),
        pair("x-amz-server-side-encryption-aws-kms-key-id", "arn:key"),
    ];
    assert_eq!(headers(Provider::S3, &keyed, "k"), expected);
    let expected = [pair("x-goog-encryption-kms-key-name", "arn:key")];
    assert_eq!(headers(Provider::Gcs, &keyed, "k"), expected);
    let expected = [pair("x-ms-encryption-scope", "arn:key")];
    assert_eq!(headers(Provider::Azure, &keyed, "k"), expected);
    let keyless = with(Encryption::Kms { key: None });
    let expected = [pair("x-amz-server-side-encryption", "aws:kms")];
    assert_eq!(headers(Provider::S3, &keyless, "k"), expected);
    assert_eq!(refusal(Provider::Gcs, &keyless), ErrorKind::Unsupported);
    assert_eq!(refusal(Provider::Azure, &keyless), ErrorKind::Unsupported);
}

#[test]
fn tags_are_encoded_and_replaced_by_copies() {
    let tags = [("team", "a&b"), ("x y", "\u{e4}")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let options = CloudOptions { tags: tags.into(), ..CloudOptions::default() };
    let encoded = "team=a%26b&x+y=%C3%A4";
    assert_eq!(headers(Provider::S3, &options, "k"), [pair("x-amz-tagging", encoded)]);
    assert_eq!(headers(Provider::Azure, &options, "k"), [pair("x-ms-tags", encoded)]);
    assert_eq!(refusal(Provider::Gcs, &options), ErrorKind::Unsupported);
    let policy = Policy::new(&bucket(Provider::S3), &options).unwrap();
    let copy = policy.of_copy("k", SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(copy["x-amz-tagging-directive"], "REPLACE");
}

#[test]
fn what_can_not_be_sent_is_refused_when_the_store_is_opened() {
    let storage_class = [("packs/".to_owned(), "A\nB".to_owned())].into();
    let options = CloudOptions { storage_class, ..CloudOptions::default() };
    assert_eq!(refusal(Provider::S3, &options), ErrorKind::Invalid);
}
