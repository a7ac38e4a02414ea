//! Credentials that may only create and read.

use e2e::noise;
use lifeboat_testkit::{
    same_tree::assert_same_tree,
    server::{Behaviour, Operation, Policy, S3Options, S3Server},
};

use super::{restored, s3_place};

#[test]
fn who_may_only_create_and_read_can_back_up_and_restore() {
    let behaviour = Behaviour { policy: Policy::AppendOnly, ..Behaviour::default() };
    let server = S3Server::start(S3Options { behaviour, ..S3Options::default() });
    let place = s3_place(&server.endpoint());
    for round in 0..3 {
        place.file(format!("src/{round}"), noise(round, 2 << 20));
        place.ok(["backup", "src", "--checkpoint-interval", "1s"]);
    }
    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&place.path("src"), &restored(&place, "out"));
    assert_eq!(place.json(["check", "--read-data"])["clean"], true);
    // It was not even tried.
    let refused = server.requests().into_iter().filter(|request| request.status == Some(403));
    assert_eq!(refused.count(), 0);
    let deletes = server.count(Operation::Delete) + server.count(Operation::DeleteMany);
    assert_eq!(deletes, 0);
}

#[test]
fn who_may_only_read_can_restore_and_is_told_that_a_backup_is_refused() {
    let server = S3Server::start(S3Options::default());
    let place = s3_place(&server.endpoint());
    place.file("src/a", noise(1, 2 << 20));
    place.ok(["backup", "src"]);
    let before = server.keys();
    server.behave(Behaviour { policy: Policy::ReadOnly, ..Behaviour::default() });
    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&place.path("src"), &restored(&place, "out"));
    place.ok(["check", "--read-data"]);
    place.file("src/b", noise(2, 2 << 20));
    let refused = place.run(["backup", "src"]).expect_code(1);
    // A pack of data or of metadata, whichever was refused first.
    assert!(refused.stderr().contains("put "), "{refused:?}");
    assert!(refused.stderr().contains("permissions"), "{refused:?}");
    assert_eq!(server.keys(), before);
}
