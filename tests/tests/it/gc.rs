//! `gc` by the real binary: what it frees, what it says, and where it refuses.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::{Place, noise};
use lifeboat_testkit::same_tree::assert_same_tree;

/// A repository with two snapshots of a source of which half has changed between them.
fn two_days() -> Place {
    let place = Place::with_key_file();
    for number in 0..12 {
        place.file(format!("src/file{number:02}"), noise(number, 400_000));
    }
    place.ok(["backup", "src"]);
    for number in (0..12).step_by(2) {
        place.file(format!("src/file{number:02}"), noise(100 + number, 400_000));
    }
    place.ok(["backup", "src"]);
    place
}

fn objects(place: &Place) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["packs", "trees", "index"] {
        collect(&place.repository().join(folder), &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

fn bytes(place: &Place) -> u64 {
    objects(place).iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

#[test]
fn space_is_freed_when_a_snapshot_is_forgotten() {
    let place = two_days();
    let before = bytes(&place);
    let first = place.json(["snapshots"])["snapshots"][0]["id"].as_str().unwrap().to_owned();
    place.ok(["forget", "--keep-last", "1"]);
    // Within the trash period it keeps all that it needs.
    let report = place.json(["gc", "--now"]);
    assert_eq!(
        (&report["dead_snapshots"], &report["condemned"]["objects"]),
        (&0.into(), &0.into())
    );
    let planned = place.json(["gc", "--trash-period", "0", "--max-unused", "0", "--dry-run"]);
    assert_eq!(planned["dry_run"], true);
    assert!(planned["condemned"]["bytes"].as_u64().unwrap() > 6 * 400_000, "{planned}");
    assert_eq!(bytes(&place), before);

    // First it is only condemned.
    let said = place.ok(["gc", "--trash-period", "0", "--max-unused", "0"]).stdout();
    assert!(said.contains("condemned ") && said.contains("wait to be deleted"), "{said}");
    assert!(bytes(&place) >= before);
    let report = place.json(["gc", "--now", "--trash-period", "0", "--max-unused", "0"]);
    assert_eq!(report["message_type"], "gc_summary");
    assert!(report["removed"]["bytes"].as_u64().unwrap() > 6 * 400_000, "{report}");
    assert_eq!(report["waiting"]["objects"], 0);
    let after = bytes(&place);
    assert!(after < before * 2 / 3 + 200_000, "{before} became {after}");
    assert_eq!(place.json(["snapshots", "--all"])["snapshots"].as_array().unwrap().len(), 1);
    place.ok(["check", "--read-data"]);
    place.ok(["restore", "latest:/", "--target", "out"]);
    let source = place.path("src");
    assert_same_tree(&source, &place.path("out").join(source.strip_prefix("/").unwrap()));
    place.run(["forget", "--undo", &first]).expect_code(1).expect_stderr(&first[..8]);
    // Nothing is left to do, and the next backup has its parent.
    let report = place.json(["gc", "--now", "--trash-period", "0", "--max-unused", "0"]);
    assert_eq!(
        (&report["condemned"]["objects"], &report["removed"]["objects"]),
        (&0.into(), &0.into())
    );
    let backup = place.json(["backup", "src"])["stats"].take();
    assert_eq!(backup["new_chunks"], 0, "{backup}");
}

#[test]
fn nothing_is_collected_in_doubt() {
    for (folder, says) in [("index", "index/"), ("trees", "trees/"), ("log", "log/")] {
        let place = two_days();
        place.ok(["forget", "--keep-last", "1"]);
        let mut found = Vec::new();
        collect(&place.repository().join(folder), &mut found);
        // All of them, since what only the forgotten one needs is not looked at; of the log one is enough.
        found.sort();
        found.truncate(if folder == "log" { 1 } else { usize::MAX });
        found.iter().for_each(|path| fs::remove_file(path).unwrap());
        let left = objects(&place);
        let refused = place.run(["gc", "--now", "--trash-period", "0"]);
        assert!([1, 4].contains(&refused.code().unwrap()), "{folder}: {}", refused.stderr());
        refused.expect_stderr(says);
        assert_eq!(objects(&place), left, "{folder}");
    }
}

#[test]
fn what_is_asked_must_make_sense() {
    let place = two_days();
    place.run(["gc", "--max-unused", "120%"]).expect_code(2).expect_stderr("not a share");
    place.run(["gc", "--delay", "soon"]).expect_code(2).expect_stderr("length of time");
    place.run(["gc", "--now", "--delay", "1h"]).expect_code(2);
}

#[test]
fn the_log_tells_who_did_what_and_why() {
    let place = two_days();
    place.ok(["forget", "--keep-last", "1", "--reason", "the old one is wrong"]);
    place.ok(["gc", "--now", "--trash-period", "0", "--max-unused", "0"]);
    let told = place.json(["log"]);
    let entries = told["entries"].as_array().unwrap();
    let kinds: Vec<&str> =
        entries.iter().map(|entry| entry["said"]["kind"].as_str().unwrap()).collect();
    assert_eq!(&kinds[..3], ["commit", "commit", "forget"]);
    assert!(kinds.contains(&"condemn") && kinds.contains(&"delete"), "{kinds:?}");
    for (number, entry) in entries.iter().enumerate() {
        assert_eq!((&entry["number"], &entry["void"]), (&number.into(), &serde_json::Value::Null));
        assert!(entry["time"].is_string() && entry["said"]["author"].is_string(), "{entry}");
    }
    assert_eq!(entries[2]["said"]["reason"], "the old one is wrong");
    let said = place.ok(["log", "--kind", "forget"]).stdout();
    assert!(said.lines().count() == 1 && said.contains("because: the old one is wrong"), "{said}");
    let later = place.json(["log", "--from", "2"]);
    assert_eq!(later["entries"].as_array().unwrap().len(), entries.len() - 2);

    // An entry that somebody has changed is told as such, and so is one that was put in the place of another.
    let path = place.repository().join("log/0000000000000001");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let told = place.ok(["log"]).stdout();
    let line = told.lines().find(|line| line.trim_start().starts_with("1 ")).unwrap();
    assert!(line.contains("void: its signature does not match"), "{told}");
    // A log that is shorter than it was is a rollback.
    let last = format!("log/{:016x}", entries.len() - 1);
    fs::remove_file(place.repository().join(last)).unwrap();
    place.run(["log"]).expect_code(4).expect_stderr("has been seen before");
}
