//! Parity, scrubs and healing: what is damaged in few places is restored, found, and put beside itself whole.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use e2e::{Place, noise};
use lifeboat_testkit::same_tree::assert_same_tree;

/// A repository with parity, one backup in it, and its data pack.
fn place() -> (Place, PathBuf) {
    let place = Place::new().keyed(&["--parity", "3%"]);
    place.file("src/large", noise(1, 700_000));
    place.file("src/small", "small\n");
    place.ok(["backup", "src"]);
    let packs = files(&place.repository().join("packs"));
    let pack = packs.into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    (place, pack)
}

fn files(folder: &PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Zeroes so many sectors, far from one another.
fn damage(pack: &PathBuf, sectors: usize) {
    let mut bytes = fs::read(pack).unwrap();
    for sector in 0..sectors {
        bytes[sector * 65_536..][..4096].fill(0);
    }
    fs::write(pack, bytes).unwrap();
}

#[test]
fn what_parity_covers_is_restored_found_and_healed() {
    let (place, pack) = place();
    place.ok(["scrub"]);
    // 3 % of some 700 KB are six sectors.
    damage(&pack, 6);
    let restored = place.ok(["restore", "latest", "--target", "out"]);
    let name = pack.file_name().unwrap().to_str().unwrap();
    assert!(restored.stderr().contains(name), "{restored:?}");
    let source = place.path("src");
    assert_same_tree(&source, &place.path("out").join(source.strip_prefix("/").unwrap()));
    let checked = place.json_with(4, ["check", "--read-data"]);
    let problems = checked["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{checked:#}");
    assert!(problems[0]["what"].as_str().unwrap().contains("whole again"), "{checked:#}");
    assert_eq!(problems[0]["affected"].as_array().unwrap().len(), 0, "{checked:#}");
    let scrubbed = place.json_with(4, ["scrub"]);
    let stripes = &scrubbed["damaged"][0]["stripes"];
    assert_eq!(*stripes, serde_json::json!([0, 16, 32, 48, 64, 80]), "{scrubbed:#}");
    assert_eq!(scrubbed["damaged"][0]["mendable"], true);
    let healed = place.json(["heal"]);
    assert_eq!(healed["objects"][0]["remedy"], "parity", "{healed:#}");
    let scrubbed = place.json(["scrub"]);
    assert_eq!((&scrubbed["clean"], &scrubbed["kept"]), (&true.into(), &true.into()));
    fs::remove_file(&pack).unwrap();
    place.ok(["restore", "latest", "--target", "again"]);
    assert_same_tree(&source, &place.path("again").join(source.strip_prefix("/").unwrap()));
    place.ok(["heal"]).stdout().contains("nothing to heal").then_some(()).unwrap();
}

#[test]
fn one_sector_more_needs_a_copy() {
    let (place, pack) = place();
    place.shell("cp -a repo copy").status().unwrap();
    damage(&pack, 7);
    place.run(["restore", "latest", "--target", "out"]).expect_code(3);
    place.run(["scrub"]).expect_code(4).expect_stderr("parity for 6");
    place.run(["heal"]).expect_code(4).expect_stderr("--from");
    let healed = place.json(["heal", "--from", "copy"]);
    assert_eq!(healed["objects"][0]["remedy"], "replica", "{healed:#}");
    place.ok(["restore", "latest", "--target", "out"]);
    let source = place.path("src");
    assert_same_tree(&source, &place.path("out").join(source.strip_prefix("/").unwrap()));
}

#[test]
fn a_part_is_read_each_time_and_what_can_not_be_kept_is_said() {
    let (place, _) = place();
    for number in 0..5 {
        place.file(format!("src/{number}"), noise(number, 100_000));
        place.ok(["backup", "src"]);
    }
    let dry = place.json(["scrub", "--every", "30d", "--dry-run"]);
    let read = place.json(["scrub", "--every", "30d"]);
    assert_eq!(dry["planned_objects"], read["read_objects"], "{dry:#} {read:#}");
    assert!(read["read_bytes"].as_u64() < read["bytes"].as_u64(), "{read:#}");
    // All that was not read now is due before the next one comes. Notes know whole seconds.
    thread::sleep(Duration::from_secs(2));
    let behind = place.run(["scrub", "--every", "1s", "--max-bytes", "1"]);
    behind.expect_code(1).expect_stderr("behind: ");
    place.run(["scrub", "--every", "soon"]).expect_code(2);
    place.run(["init", "--repo", "more", "--parity", "101%"]).expect_code(2);
}
