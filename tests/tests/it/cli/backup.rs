//! `backup` and `restore`: options that are the command's own, and what the lines say.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use e2e::{Outcome, Place};

#[test]
fn a_backup_and_a_restore_in_words() {
    let place = Place::new();
    place.file("src/a", "hello\n");
    let said = place.ok(["backup", "--init", "src"]);
    assert!(said.stdout().contains("1 file, 1 directory: 6 B\n"), "{said:?}");
    assert!(said.stdout().contains("(full)\n"), "{said:?}");
    assert!(said.stderr().contains("created repository "), "{said:?}");
    let said = place.ok(["backup", "src"]);
    assert!(said.stdout().contains("files: 0 new, 0 changed, 1 unchanged\n"), "{said:?}");
    let said = place.ok(["restore", "latest", "--target", "out"]);
    assert!(said.stdout().starts_with("restored 1 file, "), "{said:?}");
    let restored = place.path(format!("out{}", place.path("src/a").display()));
    assert_eq!(fs::read(restored).unwrap(), b"hello\n");
}

#[test]
fn a_part_goes_directly_into_the_target() {
    let place = super::place_with_two_snapshots();
    let part = format!("latest:{}", place.path("src/dir").display());
    place.ok(["restore", &part, "--target", "out"]);
    assert_eq!(fs::read(place.path("out/b.conf")).unwrap(), vec![b'b'; 5000]);
    // What is there is compared, and stays if that is asked for.
    let said = place.ok(["restore", &part, "--target", "out"]);
    assert!(said.stdout().contains("1 were there already"), "{said:?}");
    place.file("out/b.conf", "mine\n");
    place.file("out/extra", "");
    let said = place.ok(["restore", &part, "--target", "out", "--overwrite", "never"]);
    assert!(said.stdout().contains("1 left as they are"), "{said:?}");
    assert_eq!(fs::read(place.path("out/b.conf")).unwrap(), b"mine\n");
    let said = place.ok(["restore", &part, "--target", "out", "--overwrite", "if-newer"]);
    assert!(said.stdout().contains("1 left as they are"), "{said:?}");
    let said = place.ok(["restore", &part, "--target", "out", "--delete", "--verify-existing"]);
    assert!(
        said.stdout().contains("restored 1 file, ") && said.stdout().contains("1 deleted"),
        "{said:?}"
    );
    assert_eq!(fs::read(place.path("out/b.conf")).unwrap(), vec![b'b'; 5000]);
    assert!(!place.path("out/extra").exists());
    let said = place.ok(["restore", &part, "--target", "dry", "--dry-run"]);
    assert!(said.stdout().starts_with("would restore 1 file"), "{said:?}");
    assert!(
        said.stdout().contains("would fetch ") && said.stdout().contains("in about"),
        "{said:?}"
    );
    let fetch = &place.json(["restore", &part, "--target", "dry", "--dry-run"])["fetch"];
    assert_eq!(fetch["requests"], 1, "{fetch:#}");
    assert!(fetch["bytes"].as_u64().unwrap() > 0 && fetch["seconds"].as_f64().unwrap() > 0.0);
    assert!(!place.path("dry").exists());
}

#[test]
fn a_missing_root_makes_it_partial() {
    let place = Place::new();
    place.file("src/a", "hello\n");
    let said = place.run(["backup", "--init", "src", "nothing"]).expect_code(3);
    assert!(said.stdout().contains("partial (1 problem)"), "{said:?}");
    assert!(said.stderr().contains("nothing"), "{said:?}");
    let said = place.run(["backup", "nothing"]).expect_code(1);
    assert!(said.stderr().contains("nothing"), "{said:?}");
    assert_eq!(super::ids(&place).len(), 1);
}

#[test]
fn lists_of_paths_come_from_stdin_and_files() {
    let place = Place::new();
    place.file("src/a", "a");
    place.file("src/b", "b");
    place.file("src/c", "c");
    fs::write(place.path("src").join(OsStr::from_bytes(b"d\xff")), "d").unwrap();
    let raw = place.file("raw", b"src/c\0src/d\xff\0");
    let mut command = place.lifeboat();
    command.args(["backup", "--init", "--json", "--files-from", "-", "--files-from-raw"]).arg(raw);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"# not this\n\nsrc/a\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["stats"]["files"], 3, "{summary}");
    let listed = place.ok(["ls", "latest"]).stdout();
    assert!(listed.contains("/src/a\n") && listed.contains("/src/d\\xff\n"), "{listed}");
    assert!(!listed.contains("/src/b\n"), "{listed}");
    // A path of any bytes can be asked for, too.
    let mut wanted = b"latest:".to_vec();
    wanted.extend_from_slice(place.path("src/d").as_os_str().as_bytes());
    wanted.push(0xff);
    let said = Outcome::of(place.lifeboat().arg("cat").arg(OsStr::from_bytes(&wanted)));
    assert_eq!(said.expect_code(0).bytes(), b"d");
}

#[test]
fn a_time_and_a_source_that_were_typed() {
    let place = Place::new();
    place.file("src/a", "a");
    let args = ["backup", "--init", "src", "--source", "db", "--host", "h1", "--kind", "full"];
    place.ok(args.iter().chain(&["--time", "2026-11-20 15:04", "--tag", "t"]));
    let listed = place.json(["snapshots", "--source", "db", "--host", "h1", "--tag", "t"]);
    let snapshot = &listed["snapshots"][0];
    assert_eq!(snapshot["time"], "2026-11-20T15:04:00Z");
    assert_eq!(snapshot["source"], "db");
    assert_eq!(snapshot["kind"], "full");
    assert_eq!(place.json(["snapshots", "--host", "h2"])["snapshots"].as_array().unwrap().len(), 0);
    place.run(["backup", "src", "--time", "soon"]).expect_code(2).expect_stderr("is not a time");
}

#[test]
fn it_explains_which_rule_decides() {
    let place = Place::new();
    place.file("src/keep/x.log", "");
    let args = ["backup", "src", "--exclude", "*.log", "--exclude", "!keep/x.log"];
    // Needs no repository.
    let said = place.ok(args.iter().chain(&["--explain", "src/keep/x.log"]));
    assert!(
        said.stdout().contains("is backed up: kept by the pattern \"!keep/x.log\""),
        "{said:?}"
    );
    let explained = place.json(args.iter().chain(&["--explain", "src/y.log"]));
    assert_eq!(explained["included"], false);
    assert_eq!(explained["rule"], "*.log");
    let said = place.ok(args.iter().chain(&["--explain", "/other"]));
    assert!(said.stdout().contains("not below any of the paths"), "{said:?}");
    assert!(!place.repository().exists());
}

#[test]
fn a_dry_run_stores_nothing() {
    let place = super::place_with_two_snapshots();
    place.file("src/more", "more than was there");
    let summary = place.json(["backup", "src", "--dry-run"]);
    assert_eq!(summary["dry_run"], true);
    assert!(summary["snapshot"].is_null(), "{summary}");
    assert_eq!(summary["stats"]["files_new"], 1);
    assert_eq!(super::ids(&place).len(), 2);
}

#[test]
fn a_dry_run_creates_no_repository() {
    let place = Place::new();
    place.file("src/a", "a");
    let said = place.run(["backup", "--init", "--dry-run", "src"]).expect_code(2);
    said.expect_stderr("--dry-run creates none");
    assert!(!place.repository().exists());
    place.ok(["init"]);
    place.ok(["backup", "--init", "--dry-run", "src"]);
}

#[test]
fn a_repository_below_a_root_is_no_part_of_its_own_backup() {
    let place = Place::with_key_file();
    place.file("home/a", "a");
    let said = place.ok(["backup", "."]);
    said.expect_stderr("repo is left out: it is the repository itself");
    std::os::unix::fs::symlink(".", place.path("link")).unwrap();
    // By whatever path it is met.
    let summary = place.json(["backup", "link/"]);
    assert_eq!(summary["warnings"].as_array().unwrap().len(), 1, "{summary:#}");
    for snapshot in super::ids(&place) {
        let listed = place.ok(["ls", &snapshot]);
        assert!(listed.stdout().contains("/home/a"), "{listed:?}");
        assert!(!listed.stdout().contains("/repo"), "{listed:?}");
    }
    let explained = place.json(["backup", ".", "--explain", "repo/config"]);
    assert_eq!(explained["included"], false, "{explained:#}");
    assert!(explained["rule"].as_str().unwrap().contains("the repository"), "{explained:#}");
    // A rule that leaves it out needs no words.
    let summary = place.json(["backup", ".", "--exclude", "/repo"]);
    assert!(summary["warnings"].as_array().unwrap().is_empty(), "{summary:#}");
    place.run(["backup", "repo/packs"]).expect_code(2).expect_stderr("the repository itself");
}

#[test]
fn a_new_repository_below_a_root_is_left_out_from_its_first_backup_on() {
    let place = Place::new();
    place.file("src/a", "a");
    let repository = place.path("src/repo");
    let repository = repository.to_str().unwrap();
    let summary = place.json(["--repo", repository, "backup", "--init", "src"]);
    assert_eq!(summary["warnings"].as_array().unwrap().len(), 1, "{summary:#}");
    let listed = place.ok(["--repo", repository, "ls", "latest"]);
    assert!(!listed.stdout().contains("/repo"), "{listed:?}");
}

#[test]
fn an_explanation_says_that_there_is_nothing() {
    let place = Place::with_key_file();
    place.file("src/a", "a");
    let explain = |path: &str| place.json(["backup", "src", "--explain", path]);
    assert_eq!(explain("src/a")["exists"], true);
    let nothing = explain("src/b");
    assert_eq!(nothing["exists"], false);
    assert!(nothing["text"].as_str().unwrap().contains("nothing at that path"), "{nothing:#}");
}

#[test]
fn a_restore_says_that_nothing_matched_and_that_a_file_is_no_target() {
    let place = super::place_with_two_snapshots();
    let said = place.ok(["restore", "latest", "--target", "out", "--include", "nowhere"]);
    said.expect_stderr("nothing matched");
    let said = place.run(["restore", "latest", "--target", "src/a.txt"]).expect_code(2);
    said.expect_stderr("is not a directory");
}
