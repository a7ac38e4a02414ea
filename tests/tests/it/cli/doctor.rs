//! `doctor`, and repositories for one writer at a time.

use e2e::{Outcome, Place};

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
