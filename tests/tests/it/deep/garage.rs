//! Garage: a store whose creates are not conditional although it answers as if they were.
//!
//! Several writers are refused there; one that is alone, on the user's word, does all of the main
//! job, with one node and with three, and goes on when one of the three is gone.

use e2e::{Account, GARAGE_BUCKET, Garage, Place, noise};
use lifeboat_testkit::{same_tree::assert_same_tree, tree::Awkward};
use rstest::rstest;

use crate::remote::broken_promises;

/// A place whose repository is in the bucket, and which says that nobody else writes there.
fn place(garage: &Garage) -> Place {
    let url = format!("s3://{GARAGE_BUCKET}/repo");
    Place::new().with(garage.variables()).with([("LIFEBOAT_REPO", url)])
}

fn assert_restores(place: &Place, target: &str) {
    place.ok(["restore", "latest", "--target", target]);
    let source = place.path("src");
    assert_same_tree(&source, &place.path(target).join(source.strip_prefix("/").unwrap()));
}

#[rstest]
#[case::one_node(1)]
#[case::three_nodes(3)]
#[ignore = "run by `cargo xtask deep garage`"]
fn several_writers_are_refused_and_one_does_the_main_job(#[case] nodes: usize) {
    let mut garage = Garage::start(nodes);
    let place = place(&garage);
    let refused = place.run(["init"]).expect_code(1);
    println!("{}", refused.stderr());
    assert!(refused.stderr().contains("--exclusive"), "{refused:?}");

    let place = place.keyed(&["--pack-size", "1MiB", "--exclusive"]);
    let source = place.folder("src");
    for skipped in (Awkward { depth: 20, members: 50 }).build(&source).unwrap() {
        println!("not in the tree: {skipped}");
    }
    place.file("src/much", noise(1, 10 << 20));
    place.ok(["backup", "src", "--exclusive"]);
    place.file("src/more", noise(2, 2 << 20));
    // Who does not say so may read, and not write.
    let refused = place.run(["backup", "src"]).expect_code(2);
    assert!(refused.stderr().contains("--exclusive"), "{refused:?}");
    place.ok(["backup", "src", "--exclusive"]);
    assert_restores(&place, "out");
    place.ok(["check", "--read-data"]);

    if nodes == 3 {
        garage.kill(2);
        place.file("src/with two of three nodes", noise(3, 8 << 20));
        place.ok(["backup", "src", "--exclusive"]);
        assert_restores(&place, "two");
        place.ok(["check", "--read-data"]);
        garage.restart(2);
        garage.kill(1);
        assert_restores(&place, "other two");
    }
}

/// All but that of several who create at once: one alone looks first whether something is there.
#[rstest]
#[case::one_node(1)]
#[case::three_nodes(3)]
#[ignore = "run by `cargo xtask deep garage`"]
fn it_keeps_every_promise_that_one_writer_needs(#[case] nodes: usize) {
    let garage = Garage::start(nodes);
    let url = format!("s3://{GARAGE_BUCKET}/store");
    let variables = garage.variables();
    let failures = broken_promises(&url, variables, |options| options.exclusive = true);
    println!("{failures:#?}");
    let broken: Vec<_> = failures.iter().map(|failure| failure.check).collect();
    assert_eq!(broken, ["race"]);
}

#[test]
#[ignore = "run by `cargo xtask deep garage`"]
fn a_node_that_is_killed_during_a_backup_loses_nothing() {
    let mut garage = Garage::start(1);
    let place = place(&garage).keyed(&["--pack-size", "1MiB", "--exclusive"]);
    place.file("src/before", noise(1, 4 << 20));
    place.ok(["backup", "src", "--exclusive"]);
    for round in 0..3 {
        for number in 0..20 {
            place.file(format!("src/{round} {number}"), noise(100 * round + number, 2 << 20));
        }
        let mut backup = place.lifeboat();
        // Slow enough that the node is gone in the middle of it.
        backup.args(["backup", "src", "--exclusive", "--limit-upload", "10M"]);
        let mut backup = backup.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(800 + 500 * round));
        assert!(backup.try_wait().unwrap().is_none(), "it ended before the node was killed");
        garage.kill(0);
        std::thread::sleep(std::time::Duration::from_secs(1));
        garage.restart(0);
        let status = backup.wait().unwrap();
        println!("round {round}: {status}");
        // A node that is back after a second is only a pause.
        assert!(status.success(), "round {round}: {status}");
        place.ok(["check"]);
    }
    place.ok(["backup", "src", "--exclusive"]);
    place.ok(["check", "--read-data"]);
    assert_restores(&place, "out");
}
