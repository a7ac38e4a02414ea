use std::os::unix::ffi::OsStrExt;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Location> {
    Location::parse(text, Path::new("/home/me"))
}

fn local(text: &str) -> PathBuf {
    let Location::Local(path) = parse(text).unwrap() else { panic!("{text} is no path") };
    path
}

fn bucket(text: &str) -> (Provider, String, String) {
    let Location::Bucket(bucket) = parse(text).unwrap() else { panic!("{text} is no bucket") };
    (bucket.provider, bucket.name, bucket.prefix)
}

#[test]
fn paths_are_taken_from_the_working_directory() {
    assert_eq!(local("repo"), Path::new("/home/me/repo"));
    assert_eq!(local("/srv/repo"), Path::new("/srv/repo"));
    assert_eq!(local("../repo"), Path::new("/home/me/../repo"));
    assert_eq!(local("a:b"), Path::new("/home/me/a:b"));
    assert_eq!(local("C:/x"), Path::new("/home/me/C:/x"));
    assert_eq!(local("./s3:x"), Path::new("/home/me/./s3:x"));
    assert_eq!(local("/s3://bucket"), Path::new("/s3://bucket"));
    let odd = OsStr::from_bytes(b"/srv/\xff");
    assert_eq!(Location::parse(odd, Path::new("/")).unwrap(), Location::Local(odd.into()));
    assert_eq!(parse("a\0b").unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn directories_as_urls_are_decoded() {
    assert_eq!(local("file:///srv/my%20repo"), Path::new("/srv/my repo"));
    assert_eq!(local("file://localhost/srv"), Path::new("/srv"));
    assert_eq!(local("file:/srv"), Path::new("/srv"));
    assert_eq!(local("FILE:///srv/100%25"), Path::new("/srv/100%"));
    assert_eq!(parse("nfs:///mnt/a%20b").unwrap(), Location::Nfs("/mnt/a b".into()));
    let wrong = ["srv", "//other/srv", "//srv", "///a?b", "///a#b", "///a%2", "///a%00", "///%zz"];
    for rest in wrong {
        for scheme in ["file", "nfs"] {
            let text = format!("{scheme}:{rest}");
            assert_eq!(parse(&text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
    }
    assert_eq!(parse("").unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn buckets_have_a_name_and_a_prefix() {
    let of = |provider, name: &str, prefix: &str| (provider, name.to_owned(), prefix.to_owned());
    assert_eq!(bucket("s3://backups"), of(Provider::S3, "backups", ""));
    assert_eq!(bucket("S3://backups/"), of(Provider::S3, "backups", ""));
    assert_eq!(bucket("s3://Old_Bucket/a/b//"), of(Provider::S3, "Old_Bucket", "a/b"));
    assert_eq!(bucket("gs://x.example.com/a%20b"), of(Provider::Gcs, "x.example.com", "a b"));
    assert_eq!(bucket("gcs://abc/Grüße"), of(Provider::Gcs, "abc", "Grüße"));
    assert_eq!(bucket("az://my-box/tmp"), of(Provider::Azure, "my-box", "tmp"));
    assert_eq!(bucket("azure://my-box/a@b:c"), of(Provider::Azure, "my-box", "a@b:c"));
}

#[test]
fn wrong_names_and_prefixes_are_refused() {
    let names = ["", "/x", "ab", "-abc", "abc-", "a..b", "10.0.0.1", "a b c", "%61bc", "größe"];
    for name in names {
        for scheme in ["s3", "gs", "az"] {
            let text = format!("{scheme}://{name}");
            assert_eq!(parse(&text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
    }
    for text in ["gs://Upper", "az://a--b", "az://dot.ted", "az://under_score"] {
        assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
    }
    assert!(parse(&format!("az://{}", "a".repeat(64))).is_err());
    assert!(parse(&format!("az://{}", "a".repeat(63))).is_ok());
    let long = ["a".repeat(255), "b".repeat(255)].join("/");
    assert!(parse(&format!("s3://abc/{long}")).is_ok());
    assert!(parse(&format!("s3://abc/{long}/c")).is_err());
    let prefixes =
        ["/a", "a//b", ".", "a/..", "..%2Fa/..", "a%", "a%2", "%FF", "a%0Ab", "a[b", "%5B", "a*"];
    for prefix in prefixes {
        let error = parse(&format!("s3://abc/{prefix}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{prefix}");
    }
}

#[test]
fn secrets_in_urls_are_refused_and_not_repeated() {
    let texts = [
        "s3://key:hunter2@bucket/x",
        "s3:https://key:hunter2@host/x",
        "s3://bucket/x?X-Amz-Signature=hunter2",
        "s3://bucket:hunter2/x",
        "s3://bucket/hunter2%",
        "az://box/x?sig=hunter2",
        "az://box?sig=hunter2#x",
        "gs://hunter2@box/x",
        "abfss://box@account.dfs.core.windows.net/hunter2",
        "sftp://me:hunter2@host/x",
        "ftp://me:hunter2@host/x",
        "file://me:hunter2@host/x",
        "nfs://me:hunter2@host/x",
    ];
    for text in texts {
        let error = parse(text).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unsupported), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let foreign = parse("abfss://box@account.dfs.core.windows.net/x").unwrap_err();
    assert!(foreign.to_string().contains("write az://CONTAINER/PREFIX"), "{foreign}");
}

proptest! {
    #[test]
    fn what_is_displayed_is_understood(text in "\\PC*") {
        if let Ok(location) = parse(&text) {
            prop_assert_eq!(parse(&location.to_string()).unwrap(), location);
        }
    }

    #[test]
    fn urls_that_are_displayed_are_understood(
        scheme in prop::sample::select(vec!["s3", "gcs", "azure", "nfs", "file"]),
        name in "[a-z0-9]{3,9}",
        path in "(/[^/\\\\{}^%`\\[\\]\"<>~#|*?\\p{C}]{1,9}){0,4}/?",
    ) {
        let is_cloud = !matches!(scheme, "nfs" | "file");
        let host = if is_cloud { name.as_str() } else { "" };
        // Three slashes need something behind them, and a prefix no dots for a part.
        let Ok(location) = parse(&format!("{scheme}://{host}{path}")) else { return Ok(()) };
        prop_assert_eq!(parse(&location.to_string()).unwrap(), location);
    }

    #[test]
    fn any_path_survives_as_an_nfs_url(bytes in prop::collection::vec(1_u8.., 0..40)) {
        let path = [b"/", &bytes[..]].concat();
        let location = Location::Nfs(OsStr::from_bytes(&path).into());
        prop_assert_eq!(parse(&location.to_string()).unwrap(), location);
    }
}
