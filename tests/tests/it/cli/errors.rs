//! How commands fail: exit codes, what they say, and what they say to do.

use std::fs;

use e2e::{Outcome, PASSPHRASE, Place};
use rstest::rstest;

/// Every command that opens a repository, with arguments that would do.
const COMMANDS: [&[&str]; 12] = [
    &["backup", "."],
    &["restore", "latest", "--target", "out"],
    &["snapshots"],
    &["ls", "latest"],
    &["find", "x"],
    &["diff", "latest", "latest"],
    &["cat", "latest:/x"],
    &["inspect", "config"],
    &["tag", "latest", "--add", "x"],
    &["stats"],
    &["key", "list"],
    &["check"],
];

#[test]
fn without_a_repository_it_is_10() {
    let place = Place::new();
    for command in COMMANDS {
        place.run(command).expect_code(10).expect_stderr("there is no repository at");
    }
    // Not even a key is asked for.
    let bare = Outcome::of(place.lifeboat().env_remove("LIFEBOAT_PASSWORD").arg("snapshots"));
    bare.expect_code(10).expect_stderr("init");
    assert!(!place.repository().exists());
}

#[test]
fn what_is_not_a_repository_is_10_and_stays() {
    let place = Place::new();
    place.file("repo/holiday.jpg", "picture");
    place.run(["snapshots"]).expect_code(10).expect_stderr("not a repository");
    place.run(["init"]).expect_code(2).expect_stderr("holiday.jpg");
    place.run(["backup", "--init", "home"]).expect_code(2).expect_stderr("holiday.jpg");
    assert_eq!(fs::read_dir(place.repository()).unwrap().count(), 1);
}

#[test]
fn a_wrong_passphrase_is_12() {
    let place = super::place_with_two_snapshots();
    for command in COMMANDS {
        let said = Outcome::of(place.lifeboat().env("LIFEBOAT_PASSWORD", "wrong").args(command));
        said.expect_code(12).expect_stderr("wrong passphrase");
    }
}

#[test]
fn a_second_init_is_refused() {
    let place = super::place_with_two_snapshots();
    place.run(["init"]).expect_code(1).expect_stderr("there is a repository already");
    assert_eq!(super::ids(&place).len(), 2);
}

#[rstest]
#[case(&["--bogus"], "--bogus")]
#[case(&["restore", "latest"], "--target")]
#[case(&["restore", "latest:etc", "--target", "x"], "must begin with '/'")]
#[case(&["tag", "latest"], "--add")]
#[case(&["backup", ""], "a value is required")]
#[case(&["backup", "src", "--compression", "99"], "-7 to -1 or 1 to 19")]
#[case(&["backup", "src", "--tag", "a,b"], "comma")]
#[case(&["backup", "src", "--exclude", "a{b", "--explain", "src/a"], "a{b")]
#[case(&["snapshots", "--memory", "1MiB"], "at least")]
#[case(&["snapshots", "--memory", "much"], "is not a size")]
#[case(&["snapshots", "--threads", "0"], "--threads")]
#[case(&["find", "["], "pattern")]
#[case(&["inspect", "../x"], "is not the key of an object")]
#[case(&["cat", "latest"], "SNAPSHOT:/PATH")]
fn wrong_usage_is_2(#[case] arguments: &[&str], #[case] text: &str) {
    let place = Place::new();
    place.file("src/a", "a");
    place.run(arguments).expect_code(2).expect_stderr(text);
}

#[test]
fn without_a_location_it_says_what_to_give() {
    let place = Place::new();
    let said = Outcome::of(place.lifeboat().env_remove("LIFEBOAT_REPO").arg("snapshots"));
    said.expect_code(2).expect_stderr("--repo");
    place
        .run(["--repo", "s3:bucket/x", "snapshots"])
        .expect_code(2)
        .expect_stderr("s3://BUCKET/PREFIX");
}

#[test]
fn what_a_snapshot_does_not_have_is_1() {
    let place = super::place_with_two_snapshots();
    for arguments in [["ls", "latest:/nothing"], ["cat", "latest:/nothing"], ["ls", "ffffffffffff"]]
    {
        place.run(arguments).expect_code(1).expect_stderr("find");
    }
    let said = place.run(["ls", "zz"]).expect_code(2);
    said.expect_stderr("neither 'latest' nor the beginning of an id");
    let dir = format!("latest:{}", place.path("src").display());
    place.run(["cat", &dir]).expect_code(2).expect_stderr("not a regular file");
}

#[test]
fn failures_as_json_are_one_object_on_stderr() {
    let place = Place::new();
    for (arguments, code) in [(["snapshots", "--json"], 10), (["--bogus", "--json"], 2)] {
        let said = place.run(arguments).expect_code(code);
        let error: serde_json::Value = serde_json::from_str(said.stderr().trim()).unwrap();
        assert_eq!(error["message_type"], "exit_error");
        assert_eq!(error["code"], code);
        assert!(error["message"].is_string() && said.stdout().is_empty(), "{said:?}");
    }
}

#[test]
fn no_message_shows_the_passphrase() {
    let place = super::place_with_two_snapshots();
    for arguments in [&["snapshots", "-vv"][..], &["check", "-vv"], &["inspect", "config"]] {
        let said = place.ok(arguments);
        assert!(!said.stdout().contains(PASSPHRASE) && !said.stderr().contains(PASSPHRASE));
    }
}

#[test]
fn a_log_that_was_put_back_is_noticed() {
    let place = super::place_with_two_snapshots();
    let last = place.repository().join("log/0000000000000001");
    fs::remove_file(last).unwrap();
    for arguments in [&["snapshots"][..], &["backup", "src"], &["check"]] {
        let said = place.run(arguments).expect_code(4);
        said.expect_stderr("entry 1 has been seen before").expect_stderr("heads");
    }
    // Whoever meant it says so by removing what is remembered.
    fs::remove_dir_all(place.path("home/.local/state/lifeboat")).unwrap();
    assert_eq!(super::ids(&place).len(), 1);
}

#[test]
fn a_path_that_a_snapshot_does_not_have_is_said_so() {
    let place = super::place_with_two_snapshots();
    let below = format!("latest:{}", place.path("src/none").display());
    for path in ["latest:/nope", &below] {
        for command in [&["cat", path][..], &["ls", path], &["restore", path, "--target", "out"]] {
            place.run(command).expect_code(1).expect_stderr("the snapshot has no such path");
        }
    }
}

#[test]
fn sizes_and_times_that_no_repository_can_live_with_are_refused() {
    let place = Place::new();
    place.run(["init", "--pack-size", "64KiB"]).expect_code(2).expect_stderr("at least 1MiB");
    place.ok(["init"]);
    let said = place.run(["backup", "home", "--checkpoint-interval", "0s"]);
    said.expect_code(2).expect_stderr("at least 1s");
}
