//! Credentials that may create and read, and nothing else, on Ceph: a policy that its server
//! enforces. No condition of a policy there forbids to overwrite; versions below undo it.

use e2e::{Ceph, noise};
use lifeboat_testkit::same_tree::assert_same_tree;

use super::Remote;
use crate::remote::restored;

/// What the machine that backs up needs: reading, creating, listing. Deleting is denied in words,
/// so that no other policy can allow it. What the writer creates the bucket's owner could not even
/// read without being allowed to.
fn policy(bucket: &str) -> String {
    format!(
        r#"{{
            "Version": "2012-10-17",
            "Statement": [
                {{
                    "Effect": "Allow",
                    "Principal": {{"AWS": ["arn:aws:iam:::user/test"]}},
                    "Action": "s3:*",
                    "Resource": ["arn:aws:s3:::{bucket}", "arn:aws:s3:::{bucket}/*"]
                }},
                {{
                    "Effect": "Allow",
                    "Principal": {{"AWS": ["arn:aws:iam:::user/writer"]}},
                    "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
                    "Resource": ["arn:aws:s3:::{bucket}", "arn:aws:s3:::{bucket}/*"]
                }},
                {{
                    "Effect": "Deny",
                    "Principal": {{"AWS": ["arn:aws:iam:::user/writer"]}},
                    "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
                    "Resource": ["arn:aws:s3:::{bucket}/*"]
                }}
            ]
        }}"#
    )
}

/// A bucket with that policy; whether it keeps versions is the caller's choice.
fn bucket(ceph: &Ceph, versions: bool) -> String {
    let bucket = ceph.owner.bucket();
    if versions {
        let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        ceph.owner.ask("PUT", &format!("/{bucket}?versioning"), &[], on);
    }
    ceph.owner.ask("PUT", &format!("/{bucket}?policy"), &[], &policy(&bucket));
    bucket
}

#[test]
fn backup_and_restore_with_credentials_that_may_only_create_and_read() {
    let Some(ceph) = Ceph::running() else { return };
    let bucket = bucket(&ceph, false);
    let writer = ceph.owner.as_user("writer");
    Remote::s3(&writer, &bucket, "repo").main_job();
    // The policy does refuse, and the refused can't change it.
    let listed = ceph.owner.ask("GET", &format!("/{bucket}?list-type=2"), &[], "");
    let keys = listed.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next());
    let keys: Vec<&str> = keys.collect();
    assert!(keys.contains(&"repo/config"), "{keys:?}");
    for key in keys {
        assert_eq!(writer.request("DELETE", &format!("/{bucket}/{key}"), &[], "").status, 403);
    }
    assert_eq!(writer.request("DELETE", &format!("/{bucket}?policy"), &[], "").status, 403);
}

#[test]
fn what_a_vandal_overwrites_has_an_older_version() {
    let Some(ceph) = Ceph::running() else { return };
    let bucket = bucket(&ceph, true);
    let writer = ceph.owner.as_user("writer");
    let place = Remote::s3(&writer, &bucket, "repo").place();
    // With versions, Ceph ignores the condition of a create: only one writer at a time is right.
    place.run(["init"]).expect_code(1).expect_stderr("--exclusive");
    let place = Remote::s3(&writer, &bucket, "repo2").place().keyed(&["--exclusive"]);
    place.file("src/file", noise(1, 3 << 20));
    place.ok(["backup", "src", "--exclusive"]);

    let config = "repo2/config";
    let path = format!("/{bucket}/{config}");
    let kept = ceph.owner.ask("GET", &path, &[], "");
    writer.ask("PUT", &path, &[], "not a repository any more");
    assert_ne!(place.run(["check"]).code(), Some(0));
    let versions = ceph.owner.versions(&bucket, config);
    assert_eq!(versions.len(), 2, "{versions:?}");
    for (_, version) in &versions {
        let version = format!("{path}?versionId={version}");
        assert_eq!(writer.request("DELETE", &version, &[], "").status, 403);
    }
    // Without the vandal's version, the newest and so the first, everything is as it was.
    ceph.owner.ask("DELETE", &format!("{path}?versionId={}", versions[0].1), &[], "");
    assert_eq!(ceph.owner.ask("GET", &path, &[], ""), kept);
    place.ok(["check", "--read-data"]);
}

#[test]
fn credentials_that_may_only_read_restore() {
    let Some(ceph) = Ceph::running() else { return };
    let bucket = ceph.owner.bucket();
    let place = Remote::s3(&ceph.owner, &bucket, "repo").place().keyed(&[]);
    place.file("src/file", noise(1, 3 << 20));
    place.ok(["backup", "src"]);
    let only_read = policy(&bucket).replace("\"s3:PutObject\", ", "");
    ceph.owner.ask("PUT", &format!("/{bucket}?policy"), &[], &only_read);
    let place = place.with(e2e::Account::variables(&ceph.owner.as_user("writer")));
    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&place.path("src"), &restored(&place, "out"));
    place.ok(["check", "--read-data"]);
    place.file("src/more", noise(2, 1 << 20));
    place.run(["backup", "src"]).expect_code(1).expect_stderr("AccessDenied");
}
