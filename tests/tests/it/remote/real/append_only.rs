//! Credentials that may create and read, and nothing else, on Ceph: a policy that its server
//! enforces, and versions below it, since no condition of a policy there forbids to overwrite.

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

#[test]
fn backup_and_restore_with_credentials_that_may_only_create_and_read() {
    let Some(ceph) = Ceph::running() else { return };
    let bucket = ceph.owner.bucket();
    let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    ceph.owner.ask("PUT", &format!("/{bucket}?versioning"), &[], versioning);
    ceph.owner.ask("PUT", &format!("/{bucket}?policy"), &[], &policy(&bucket));
    let writer = ceph.owner.as_user("writer");
    let remote = Remote::s3(&writer, &bucket, "repo");
    remote.main_job();

    // The policy does refuse, and the owner has every version of whatever is overwritten.
    let versions = ceph.owner.versions(&bucket, "repo/config");
    let (key, _) = &versions[0];
    let path = format!("/{bucket}/{key}");
    assert_eq!(writer.request("DELETE", &path, &[], "").status, 403);
    for (key, version) in &versions {
        let path = format!("/{bucket}/{key}?versionId={version}");
        assert_eq!(writer.request("DELETE", &path, &[], "").status, 403);
    }
    let policy = format!("/{bucket}?policy");
    assert_eq!(writer.request("DELETE", &policy, &[], "").status, 403);
    let kept = ceph.owner.ask("GET", &path, &[], "");
    writer.ask("PUT", &path, &[], "not a repository any more");
    let oldest = ceph.owner.versions(&bucket, "repo/config").pop().unwrap().1;
    assert_eq!(ceph.owner.ask("GET", &format!("{path}?versionId={oldest}"), &[], ""), kept);
    // Without the vandal's version everything is as it was.
    let vandal = ceph.owner.versions(&bucket, "repo/config").remove(0).1;
    ceph.owner.ask("DELETE", &format!("{path}?versionId={vandal}"), &[], "");
    assert_eq!(ceph.owner.ask("GET", &path, &[], ""), kept);
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
