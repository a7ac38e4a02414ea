//! Healing and repairing by the real program: whatever is damaged or lost, and what is said of it.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::{Place, noise};
use lifeboat_testkit::same_tree::assert_same_tree;

/// A repository of two snapshots in `repo`, and the same in `copy`.
fn place() -> Place {
    let place = Place::with_key_file();
    for (number, size) in [(1, 300_000), (2, 200_000)] {
        place.file(format!("src/{number}/large"), noise(number, size));
        place.file(format!("src/{number}/small"), noise(10 + number, 1000));
        place.ok(["backup", "src"]);
    }
    place.shell("cp -a repo copy").status().unwrap();
    place
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn spoil(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn assert_whole(place: &Place) {
    place.ok(["check", "--read-data"]);
    place.ok(["restore", "latest", "--target", "out"]);
    let source = place.path("src");
    assert_same_tree(&source, &place.path("out").join(source.strip_prefix("/").unwrap()));
    place.ok(["backup", "src"]);
    place.ok(["gc", "--now"]);
}

#[test]
fn everything_comes_back_from_a_copy() {
    let place = place();
    let repo = place.repository();
    fs::remove_file(repo.join("config")).unwrap();
    spoil(&files(&repo.join("keys"))[0]);
    spoil(&files(&repo.join("packs"))[0]);
    fs::remove_file(&files(&repo.join("trees"))[0]).unwrap();
    spoil(&files(&repo.join("index"))[0]);
    fs::remove_file(&files(&repo.join("log"))[0]).unwrap();
    place.run(["check"]).expect_code(4);
    place.run(["heal"]).expect_code(4);
    let named: Vec<String> = ["packs", "trees", "index"]
        .iter()
        .flat_map(|folder| files(&place.path("copy").join(folder)))
        .map(|path| path.strip_prefix(place.path("copy")).unwrap().to_str().unwrap().to_owned())
        .collect();
    let healed = place.json(["heal", "--from", "copy"]);
    let objects = healed["objects"].as_array().unwrap();
    assert!(objects.iter().all(|object| object["outcome"] == "healed"), "{healed:#}");
    let has = |begin: &str| {
        objects.iter().any(|object| object["object"].as_str().unwrap().starts_with(begin))
    };
    for begin in ["config", "keys/", "log/"] {
        assert!(has(begin), "{begin}: {healed:#}");
    }
    // Of these nobody had heard yet.
    let words = ["heal", "--from", "copy"].map(str::to_owned);
    place.ok(words.iter().chain(&named));
    assert_whole(&place);
}

#[test]
fn the_index_is_made_of_the_packs() {
    let place = place();
    files(&place.repository().join("index")).iter().for_each(|path| fs::remove_file(path).unwrap());
    assert_ne!(place.run(["gc"]).code(), Some(0));
    let said = place.json(["repair", "index", "--dry-run"]);
    assert_eq!(said["segments"].as_array().unwrap().len(), 2, "{said:#}");
    let healed = place.json(["heal"]);
    assert_eq!(healed["objects"][0]["remedy"], "packs", "{healed:#}");
    assert_whole(&place);
    assert!(place.ok(["repair", "index"]).stdout().contains("nothing to repair"));
    let all = place.json(["repair", "index", "--all"]);
    assert!(!all["objects"].as_array().unwrap().is_empty(), "{all:#}");
    place.ok(["check", "--read-data"]);
}

#[test]
fn what_is_lost_is_left_out_by_name() {
    let place = place();
    let before = files(&place.repository().join("packs"));
    fs::remove_file(&before[0]).unwrap();
    place.run(["repair", "snapshots", "--dry-run"]).expect_code(4).expect_stderr("lost: ");
    let report = place.json_with(4, ["repair", "snapshots"]);
    let repaired = report["repaired"].as_array().unwrap();
    assert!(!repaired.is_empty(), "{report:#}");
    place.ok(["repair", "snapshots"]);
    let snapshots = place.json(["snapshots"]);
    let snapshots = snapshots["snapshots"].as_array().unwrap();
    assert_eq!(snapshots.len(), 2);
    let tagged = |snapshot: &&serde_json::Value| snapshot["tags"][0] == "repaired";
    assert_eq!(snapshots.iter().filter(tagged).count(), repaired.len());
    let id = repaired[0]["new"].as_str().unwrap();
    place.ok(["restore", id, "--target", "left"]);
    let left_out = repaired[0]["left_out"][0]["path"].as_str().unwrap();
    assert!(!place.path("left").join(left_out.strip_prefix('/').unwrap()).exists());
    // Once a scrub has noted it, the next backup has it again; once one has verified that, the lost pack goes.
    place.run(["scrub"]).expect_code(4);
    place.ok(["backup", "src"]);
    place.run(["scrub"]).expect_code(4);
    place.ok(["gc", "--now", "--trash-period", "0s"]);
    place.ok(["check", "--read-data"]);
    place.ok(["restore", "latest", "--target", "again"]);
    let source = place.path("src");
    assert_same_tree(&source, &place.path("again").join(source.strip_prefix("/").unwrap()));
}

#[test]
fn packs_without_a_commit_are_taken_in() {
    let place = place();
    spoil(&files(&place.repository().join("log"))[0]);
    place.run(["repair", "packs", "--dry-run"]).expect_code(0);
    let report = place.json(["repair", "packs"]);
    assert!(!report["taken"].as_array().unwrap().is_empty(), "{report:#}");
    place.ok(["restore", "latest", "--target", "out"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = place();
    place.run(["heal", "nothing"]).expect_code(2);
    place.run(["heal", "config"]).expect_code(2).expect_stderr("--from");
    place.run(["heal", "--from", "nowhere"]).expect_code(10);
    place.run(["repair"]).expect_code(2);
    place.run(["repair", "snapshots", "ffffffff"]).expect_code(1);
    place.run(["forget", "ffffffffffffffffffffffffffffffff", "--yes-really"]).expect_code(1);
    place.ok(["init", "--repo", "other", "--key-file", "other.key"]);
    let heal = ["heal", "--from", "other", "--key-file", "other.key"];
    let refused = place.run(heal);
    assert_ne!(refused.code(), Some(0), "{refused:?}");
}
