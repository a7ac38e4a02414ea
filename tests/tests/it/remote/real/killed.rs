//! Ceph's front end is killed during a backup; its state survives it.

use std::{process::Stdio, thread, time::Duration};

use e2e::{Ceph, noise};
use lifeboat_testkit::same_tree::assert_same_tree;

use super::Remote;
use crate::remote::restored;

#[test]
fn a_gateway_that_is_killed_during_backups_loses_nothing() {
    const ROUNDS: u64 = 3;
    let Some(ceph) = Ceph::running() else { return };
    let bucket = ceph.owner.bucket();
    let place = Remote::s3(&ceph.mortal, &bucket, "").place().keyed(&["--pack-size", "1MiB"]);
    for round in 0..ROUNDS {
        for number in 0..20 {
            let name = format!("src/round {round} {number}");
            place.file(name, noise(100 * round + number, 2 << 20));
        }
        let packs =
            || ceph.owner.ask("GET", &format!("/{bucket}?list-type=2&prefix=packs/"), &[], "");
        let before = packs().matches("<Key>").count();
        let mut backup = place.lifeboat();
        backup.args(["backup", "src", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut backup = backup.spawn().unwrap();
        // Not too early: some packs are there, and others on their way.
        while packs().matches("<Key>").count() < before + 3 {
            assert!(backup.try_wait().unwrap().is_none(), "it ended before the gateway was killed");
            thread::sleep(Duration::from_millis(2));
        }
        ceph.kill();
        let output = backup.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        println!("round {round}: {}, {said}", output.status);
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
    let check = place.json(["check", "--read-data"]);
    assert_eq!(check["clean"], true, "{check:#}");
    assert_eq!(check["counts"]["snapshots"], ROUNDS, "{check:#}");
    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&place.path("src"), &restored(&place, "out"));
}
