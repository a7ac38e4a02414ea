//! `doctor`, and repositories for one writer at a time.

use e2e::{Outcome, Place};
use lifeboat_testkit::server::{Behaviour, Operation, Policy, S3Options, S3Server};

#[test]
fn a_directory_is_fit_and_left_as_it_was() {
    let place = Place::new();
    place.folder("repo");
    let said = place.ok(["doctor", "--quick"]).stdout();
    assert!(said.contains("ok: a create fails when the name is taken"), "{said}");
    assert!(said.contains("ok: there is no repository here yet"), "{said}");
    assert!(said.ends_with("is fit for a repository\n"), "{said}");
    let left: Vec<_> = std::fs::read_dir(place.path("repo")).unwrap().collect();
    // At most the folder of temporary files, and the empty one of the trial.
    assert!(left.len() <= 2, "{left:?}");
    // It needs no key, and makes a place for none.
    place.ok(["init"]);
    let mut keyless = place.lifeboat();
    keyless.env_remove("LIFEBOAT_PASSWORD").args(["doctor", "--quick", "--quiet"]);
    let said = Outcome::of(&mut keyless).expect_code(0).stdout();
    assert_eq!(said.lines().count(), 1, "{said}");
    place.run(["doctor", "--repo", "nowhere"]).expect_code(10);
}

#[test]
fn a_repository_for_one_writer_asks_for_the_word_each_time() {
    let place = Place::new();
    place.file("src/a", "a");
    place.ok(["init", "--exclusive"]);
    let refused = place.run(["backup", "src"]).expect_code(2).stderr();
    assert!(refused.contains("--exclusive"), "{refused}");
    place.run(["key", "export", "sheet"]).expect_code(2);
    place.ok(["backup", "src", "--exclusive"]);
    // Reading needs no word.
    place.ok(["ls", "latest"]);
    place.ok(["restore", "latest", "--target", "out"]);
    place.ok(["check"]);
    let report = place.json(["doctor", "--quick"]);
    assert_eq!(report["repository"]["exclusive"], true);
    assert_eq!((&report["fit"], &report["grade"]), (&true.into(), &"note".into()), "{report}");
}

/// Runs `lifeboat` on a bucket of that server.
fn on(server: &S3Server, place: &Place, arguments: &[&str]) -> Outcome {
    let mut command = place.lifeboat();
    command
        .env("LIFEBOAT_REPO", format!("s3://{}/backups", server.bucket()))
        .env("AWS_ENDPOINT_URL", server.endpoint())
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .args(arguments);
    Outcome::of(&mut command)
}

fn server(behaviour: Behaviour) -> S3Server {
    S3Server::start(S3Options { behaviour, ..S3Options::default() })
}

#[test]
fn a_store_that_ignores_conditions_takes_one_writer_on_the_users_word() {
    let place = Place::new();
    place.file("src/a", "a");
    let server = server(Behaviour { conditions: false, ..Behaviour::default() });
    let refused = on(&server, &place, &["init"]).expect_code(1).stderr();
    assert!(refused.contains("9 of 9 creates of one name won"), "{refused}");
    assert!(refused.contains("--exclusive"), "{refused}");
    assert_eq!(server.keys(), Vec::<String>::new(), "it leaves nothing");
    let report = on(&server, &place, &["doctor", "--quick", "--json"]).expect_code(5).json();
    assert_eq!((&report["fit"], &report["grade"]), (&false.into(), &"one-writer".into()));
    assert_eq!(server.keys(), Vec::<String>::new(), "it leaves nothing");

    on(&server, &place, &["init", "--exclusive"]).expect_code(0);
    let refused = on(&server, &place, &["backup", "src"]).expect_code(2).stderr();
    assert!(refused.contains("--exclusive"), "{refused}");
    on(&server, &place, &["backup", "src", "--exclusive"]).expect_code(0);
    on(&server, &place, &["restore", "latest", "--target", "out"]).expect_code(0);
    on(&server, &place, &["check", "--read-data"]).expect_code(0);
    // With the mark it is fit, and the word of this command hides nothing from the doctor.
    let report = on(&server, &place, &["doctor", "--quick", "--json", "--exclusive"]);
    let report = report.expect_code(0).json();
    assert_eq!(report["capabilities"]["conditional_create"], false);
}

#[test]
fn credentials_that_may_only_create_and_read_will_do() {
    let place = Place::new();
    place.file("src/a", "a");
    let server = server(Behaviour { policy: Policy::AppendOnly, ..Behaviour::default() });
    on(&server, &place, &["init"]).expect_code(0);
    assert_eq!(server.keys().len(), 2, "a key slot and config: {:?}", server.keys());
    on(&server, &place, &["backup", "src"]).expect_code(0);
    place.file("src/b", "b");
    on(&server, &place, &["backup", "src"]).expect_code(0);
    on(&server, &place, &["restore", "latest", "--target", "out"]).expect_code(0);
    on(&server, &place, &["check", "--read-data"]).expect_code(0);
    assert_eq!(server.count(Operation::Delete) + server.count(Operation::DeleteMany), 0);
    let report = on(&server, &place, &["doctor", "--quick", "--json"]).expect_code(0).json();
    assert_eq!(report["capabilities"]["deletes"], "refused");
    let left = report["left"].as_array().unwrap().len();
    let there = server.keys();
    assert_eq!(there.iter().filter(|key| key.contains("/probe/")).count(), left, "{there:?}");
    server.behave(Behaviour { policy: Policy::ReadOnly, ..Behaviour::default() });
    let report = on(&server, &place, &["doctor", "--quick", "--json"]).expect_code(5).json();
    assert_eq!(report["grade"], "read-only");
    on(&server, &place, &["restore", "latest", "--target", "again"]).expect_code(0);
}
