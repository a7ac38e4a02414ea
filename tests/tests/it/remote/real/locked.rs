//! Object lock: what a backup wrote can't be deleted by anybody before its time.

use e2e::{Ceph, S3, noise};
use lifeboat_testkit::same_tree::assert_same_tree;

use super::Remote;
use crate::remote::restored;

/// A configuration by which all new objects are locked for ten days. A bucket that enforces locks
/// keeps versions, and with versions Ceph ignores the condition of a create: one writer at a time.
fn config(url: &str) -> String {
    format!(
        "[repository.locked]
        url = \"{url}\"
        object-lock = {{ mode = \"compliance\", days = 10 }}
        exclusive = true
        "
    )
}

/// Backs up into a bucket that enforces locks, and tries to delete what was written.
/// `variables` are put into the environment, too.
fn locks_hold(server: &S3, variables: &[(&str, &str)]) {
    let bucket = server.locking_bucket();
    let remote = Remote::s3(server, &bucket, "repo");
    let place = remote.place().with([("LIFEBOAT_REPO", "locked")]).with(variables.iter().copied());
    place.file("home/.config/lifeboat/config.toml", config(&remote.url));
    let place = place.keyed(&[]);
    place.file("src/file", noise(1, 3 << 20));
    place.ok(["backup", "src"]);

    let versions = server.versions(&bucket, "repo/");
    for kind in ["config", "packs/", "log/", "index/", "keys/"] {
        assert!(versions.iter().any(|(key, _)| key.starts_with(&format!("repo/{kind}"))), "{kind}");
    }
    for (key, version) in &versions {
        let path = format!("/{bucket}/{key}?versionId={version}");
        // Compliance: not even with the right to get around governance.
        let bypass = [("x-amz-bypass-governance-retention", "true")];
        for headers in [&[] as &[_], &bypass] {
            let answer = server.request("DELETE", &path, headers, "");
            assert_eq!(answer.status, 403, "{key} is not locked: {answer:?}");
        }
    }
    // A delete without a version only hides: the owner takes the marker away again.
    let (key, _) = &versions[0];
    server.ask("DELETE", &format!("/{bucket}/{key}"), &[], "");
    assert_eq!(server.versions(&bucket, "repo/"), versions);
    let listed = server.ask("GET", &format!("/{bucket}?versions&prefix={key}"), &[], "");
    let (_, marker) = listed.split_once("<DeleteMarker>").unwrap();
    let (_, marker) = marker.split_once("<VersionId>").unwrap();
    let (marker, _) = marker.split_once("</VersionId>").unwrap();
    server.ask("DELETE", &format!("/{bucket}/{key}?versionId={marker}"), &[], "");

    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&place.path("src"), &restored(&place, "out"));
    place.ok(["check", "--read-data"]);
}

/// The same by a repository that says itself how its objects are locked; and the way back from what a thief did.
fn restores_what_a_thief_has_hidden(server: &S3) {
    let bucket = server.locking_bucket();
    let place = Remote::s3(server, &bucket, "repo").place();
    let lock = ["--lock", "compliance", "--lock-for", "10d", "--exclusive"];
    let place = place.with([("LIFEBOAT_EXCLUSIVE", "1")]).keyed(&lock);
    place.file("src/file", noise(1, 3 << 20));
    place.ok(["backup", "src"]);
    let versions = server.versions(&bucket, "repo/");
    let ours = versions.iter().filter(|(key, _)| !key.starts_with("repo/probe/"));
    for (key, version) in ours {
        let path = format!("/{bucket}/{key}?versionId={version}");
        assert_eq!(server.request("DELETE", &path, &[], "").status, 403, "{key} is not locked");
        server.ask("PUT", &format!("/{bucket}/{key}"), &[], "ransom");
        server.ask("DELETE", &format!("/{bucket}/{key}"), &[], "");
    }
    place.run(["check"]).expect_code(10);
    let back = place.json(["locks", "restore"]);
    assert!(back["unhidden"]["objects"].as_u64().unwrap() > 5, "{back:#}");
    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&place.path("src"), &restored(&place, "out"));
    place.ok(["check", "--read-data"]);
    // And locks are extended.
    let extended = place.json(["locks", "extend", "--now"]);
    assert!(extended["extended"].as_u64().unwrap() > 5, "{extended:#}");
}

#[test]
fn what_a_thief_has_hidden_comes_back_on_ceph() {
    Ceph::running().inspect(|ceph| restores_what_a_thief_has_hidden(&ceph.owner));
}

#[test]
fn what_is_locked_stays_on_ceph() {
    Ceph::running().inspect(|ceph| locks_hold(&ceph.owner, &[]));
}

#[test]
fn what_is_locked_stays_on_moto() {
    // Of the checksums that S3 asks for with a lock it knows the oldest only.
    let md5 = [("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")];
    S3::moto().inspect(|moto| locks_hold(moto, &md5));
}
