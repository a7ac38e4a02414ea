//! Servers and links that fail: what is repeated is not noticed, what is not ends with the documented
//! exit code and a message that names what failed, and the next run is as if nothing had been.

use std::{
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use e2e::{Outcome, Place, noise};
use lifeboat_testkit::{
    proxy::{Proxy, ProxyOptions},
    same_tree::assert_same_tree,
    server::{Behaviour, Fault, Lag, Operation, S3Options, S3Server},
};
use rstest::rstest;

use super::{restored, s3_place, s3_variables};

/// A server with a repository and one snapshot, and more to back up since.
fn scene() -> (S3Server, Place) {
    let server = S3Server::start(S3Options::default());
    let place = s3_place(&server.endpoint());
    place.file("src/a", noise(1, 2 << 20));
    place.ok(["backup", "src"]);
    place.file("src/b", noise(2, 3 << 20));
    server.forget_requests();
    (server, place)
}

/// Without faults all is well, and there are so many snapshots.
fn assert_whole(place: &Place, snapshots: usize) {
    assert_eq!(place.json(["check", "--read-data"])["clean"], true);
    let shown = place.json(["snapshots"]);
    assert_eq!(shown["snapshots"].as_array().unwrap().len(), snapshots, "{shown:#}");
    place.ok(["restore", "latest", "--target", "whole"]);
    assert_same_tree(&place.path("src"), &restored(place, "whole"));
}

#[rstest]
#[case::a_storm(Fault::status(503).on(Operation::Put).times(3))]
#[case::an_internal_error(Fault::status(500).on(Operation::Put).about("/packs/"))]
#[case::an_internal_error_after_the_effect(
    Fault::status(500).on(Operation::Put).about("/packs/").after_the_effect()
)]
#[case::too_many_requests(Fault::retry_after(429, Duration::from_secs(1)).on(Operation::Put))]
#[case::a_lost_answer_to_a_pack(Fault::lost_answer().on(Operation::Put).about("/packs/"))]
#[case::a_lost_answer_to_a_commit(Fault::lost_answer().on(Operation::Put).about("/log/"))]
#[case::resets(Fault::reset().times(2))]
#[case::damage_on_the_way_up(Fault::flipped_request(77).on(Operation::Put).about("/packs/"))]
#[case::a_truncated_answer(Fault::truncated_answer(10).on(Operation::Get))]
#[case::a_truncated_list(Fault::truncated_answer(100).on(Operation::List))]
#[case::a_stall(Fault::stalled_answer(10).on(Operation::Get))]
#[case::a_put_that_is_never_answered(Fault::hang().on(Operation::Put).about("/packs/"))]
#[case::a_put_that_nobody_takes(Fault::stalled_request(5000).on(Operation::Put).about("/packs/"))]
fn a_backup_does_not_notice(#[case] fault: Fault) {
    let (server, place) = scene();
    server.script(fault);
    let report = place.json(["backup", "src"]);
    assert_eq!(report["outcome"], "complete", "{report:#}");
    assert!(server.injected() > 0);
    // A refusal that says when to come back is heeded; nothing is in the log twice.
    server.heal();
    assert_whole(&place, 2);
}

#[test]
fn it_waits_as_long_as_it_is_asked_to() {
    let (server, place) = scene();
    let pause = Duration::from_secs(3);
    server.script(Fault::retry_after(503, pause).on(Operation::Put).about("/packs/"));
    let started = Instant::now();
    place.ok(["backup", "src"]);
    assert!(started.elapsed() >= pause, "{:?}", started.elapsed());
    assert_eq!(server.injected(), 1);
}

#[rstest]
#[case::a_storm(Fault::status(503).on(Operation::Get).times(3))]
#[case::a_truncated_answer(Fault::truncated_answer(1000).on(Operation::Get).about("/packs/"))]
#[case::resets(Fault::reset().on(Operation::Get).times(2))]
#[case::a_lost_answer(Fault::lost_answer().on(Operation::Get).about("/packs/"))]
fn a_restore_does_not_notice(#[case] fault: Fault) {
    let (server, place) = scene();
    place.ok(["backup", "src"]);
    server.script(fault);
    place.ok(["restore", "latest", "--target", "out"]);
    assert!(server.injected() > 0);
    assert_same_tree(&place.path("src"), &restored(&place, "out"));
}

/// When the server answers so to every put of a pack.
#[rstest]
#[case::a_refusal(Fault::status(403), "permissions")]
#[case::an_outage(Fault::status(503), "try again later")]
#[case::an_error(Fault::status(500), "try again later")]
#[case::too_many_requests(Fault::status(429), "try again later")]
#[case::resets(Fault::reset(), "try again later")]
#[case::lost_answers(Fault::reset().after_the_effect(), "try again later")]
fn what_does_not_end_fails_the_backup(#[case] fault: Fault, #[case] advice: &str) {
    let (server, place) = scene();
    server.script(fault.on(Operation::Put).about("/packs/").forever());
    let failed = place.run(["backup", "src", "--retry-for", "2s"]).expect_code(1);
    assert_names(&failed, "packs/", advice);
    // A bounded number of times.
    let puts = server.count(Operation::Put);
    assert!(puts < 100, "{puts} puts");
    server.heal();
    place.ok(["backup", "src"]);
    assert_whole(&place, 2);
}

fn assert_names(failed: &Outcome, what: &str, advice: &str) {
    let said = failed.stderr();
    assert!(said.contains(what) && said.contains(advice), "{failed:?}");
    assert!(!said.contains("panicked"), "{failed:?}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let (server, place) = scene();
    drop(server);
    let failed = place.run(["snapshots"]).expect_code(1);
    assert_names(&failed, "prefix/repo", "try again later");
}

#[test]
fn a_bucket_that_is_not_there_is_no_repository() {
    let server = S3Server::start(S3Options::default());
    let elsewhere = [("LIFEBOAT_REPO".to_owned(), "s3://other/repo".to_owned())];
    let place = Place::new().with(s3_variables(&server.endpoint())).with(elsewhere);
    let failed = place.run(["snapshots"]).expect_code(2);
    assert_names(&failed, "other", "bucket");
    let empty = Place::new().with(s3_variables(&server.endpoint()));
    empty.run(["snapshots"]).expect_code(10).expect_stderr("prefix/repo");
}

#[test]
fn wrong_bytes_are_never_restored() {
    let (server, place) = scene();
    place.ok(["backup", "src"]);
    server.script(Fault::flipped_answer(1000).on(Operation::Get).about("/packs/").forever());
    let restore = place.run(["restore", "latest", "--target", "out"]);
    assert!(matches!(restore.code(), Some(3 | 4)), "{restore:?}");
    for name in ["a", "b"] {
        let there = std::fs::read(restored(&place, "out").join(name));
        let is_right =
            |bytes: &Vec<u8>| *bytes == std::fs::read(place.path("src").join(name)).unwrap();
        assert!(there.as_ref().is_ok_and(is_right) || there.is_err(), "{name} is wrong");
    }
    place.run(["check", "--read-data"]).expect_code(4);
    server.heal();
    assert_whole(&place, 2);
}

#[test]
fn lists_that_are_late_mislead_nobody() {
    const LATE: u32 = 3;
    let server = S3Server::start(S3Options::default());
    let place = s3_place(&server.endpoint());
    // Which key slots there are is told by lists alone: its own must be old enough to be shown.
    for _ in 0..=LATE {
        place.ok(["snapshots", "--no-cache"]);
    }
    let stale_list = Lag::Requests(LATE);
    server.behave(Behaviour { stale_list, ..Behaviour::default() });
    for round in 0..3 {
        place.file(format!("src/{round}"), noise(round, 1 << 20));
        place.ok(["backup", "src"]);
        let target = format!("out{round}");
        place.ok(["restore", "latest", "--target", &target]);
        assert_same_tree(&place.path("src"), &restored(&place, &target));
    }
    assert_whole(&place, 3);
}

#[test]
fn a_link_that_breaks_is_survived() {
    let (server, _) = scene();
    let proxy = Proxy::start(server.address(), ProxyOptions::default());
    let place = s3_place_through(&proxy);
    place.file("src/a", noise(1, 3 << 20));
    proxy.swallow_answer(7);
    place.ok(["backup", "src"]);
    proxy.cut_answer(200);
    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&place.path("src"), &restored(&place, "out"));
    proxy.refuse(true);
    place.run(["snapshots"]).expect_code(1).expect_stderr("try again later");
    proxy.refuse(false);
    assert_whole(&place, 1);
}

/// All connections at once, and a link on which nothing moves any more although nobody has closed it.
#[test]
fn a_link_that_is_cut_or_frozen_in_the_middle_is_only_a_pause() {
    let (server, _) = scene();
    let link = ProxyOptions::link(20 << 20, Duration::from_millis(5));
    let proxy = Proxy::start(server.address(), link);
    let place = s3_place_through(&proxy);
    for number in 0..40 {
        place.file(format!("src/{number}"), noise(100 + number, 1 << 20));
    }
    let mut backup = place.lifeboat();
    backup.args(["backup", "src", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut backup = backup.spawn().unwrap();
    for frozen in [false, true] {
        let moved = proxy.bytes().0;
        while proxy.bytes().0 < moved + (8 << 20) {
            assert!(backup.try_wait().unwrap().is_none(), "it ended before it was interrupted");
            thread::sleep(Duration::from_millis(2));
        }
        if frozen {
            proxy.freeze();
            thread::sleep(Duration::from_secs(3));
        }
        proxy.reset();
        proxy.thaw();
    }
    let output = backup.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    proxy.set(ProxyOptions::default());
    assert_whole(&place, 1);
}

/// A place with a repository of its own behind the proxy.
fn s3_place_through(proxy: &Proxy) -> Place {
    let own = [("LIFEBOAT_REPO", "s3://bucket/other")];
    Place::new().with(s3_variables(&proxy.endpoint())).with(own).keyed(&["--pack-size", "1MiB"])
}
