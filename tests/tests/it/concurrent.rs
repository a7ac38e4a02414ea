//! Several at once in one repository: nobody waits for a lock, and nobody loses anything.

use std::{
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use e2e::{Place, noise};
use lifeboat_testkit::same_tree::assert_same_tree;
use serde_json::Value;

/// A command that runs beside others.
fn start(place: &Place, arguments: &[&str]) -> Child {
    let mut command = place.lifeboat();
    let command = command.args(arguments).arg("--json");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What it printed, once it has ended well.
fn finish(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn fill(place: &Place, folder: &str, seed: u64, files: u64) -> PathBuf {
    for number in 0..files {
        place.file(format!("{folder}/{number:03}"), noise(seed + number, 1 << 20));
    }
    place.path(folder)
}

fn restored(place: &Place, snapshot: &Value, source: &Path) -> PathBuf {
    let id = snapshot.as_str().unwrap();
    place.ok(["restore", id, "--target", id]);
    place.path(id).join(source.strip_prefix("/").unwrap())
}

#[test]
fn backups_of_different_sources() {
    let place = Place::with_key_file();
    // Half of what each has the others have, too.
    let sources: Vec<PathBuf> = (0..4)
        .map(|source| {
            let name = format!("source {source}");
            fill(&place, &format!("{name}/shared"), 0, 8);
            fill(&place, &format!("{name}/own"), 1000 * (source + 1), 8);
            place.path(name)
        })
        .collect();
    for round in 0..2 {
        let children =
            sources.iter().map(|source| start(&place, &["backup", source.to_str().unwrap()]));
        let children: Vec<Child> = children.collect();
        for (child, source) in children.into_iter().zip(&sources) {
            let report = finish(child);
            assert_eq!(report["outcome"], "complete", "{report:#}");
            assert_same_tree(source, &restored(&place, &report["snapshot"], source));
        }
        let shown = place.json(["snapshots"]);
        assert_eq!(shown["snapshots"].as_array().unwrap().len(), 4 * (round + 1), "{shown:#}");
    }
    let check = place.json(["check", "--read-data"]);
    assert_eq!(check["clean"], true, "{check:#}");
}

#[test]
fn backups_of_one_source() {
    let place = Place::with_key_file();
    let source = fill(&place, "src", 0, 16);
    for round in 0..3 {
        place.file(format!("src/new in round {round}"), noise(5000 + round, 1 << 20));
        let children: Vec<Child> = (0..3).map(|_| start(&place, &["backup", "src"])).collect();
        for child in children {
            let report = finish(child);
            assert_same_tree(&source, &restored(&place, &report["snapshot"], &source));
        }
    }
    let check = place.json(["check", "--read-data"]);
    assert_eq!(check["clean"], true, "{check:#}");
    thread::sleep(Duration::from_millis(60));
    place.ok(["backup", "src"]);
    assert_eq!(place.json(["backup", "src"])["stats"]["read_bytes"], 0);
}

#[test]
fn backups_while_others_check_and_restore() {
    let place = Place::with_key_file();
    let source = fill(&place, "src", 0, 40);
    let first = place.json(["backup", "src"]);
    let before = place.path("before");
    let copied = std::process::Command::new("cp").arg("-a").arg(&source).arg(&before).status();
    assert!(copied.unwrap().success());
    let id = first["snapshot"].as_str().unwrap();

    let mut check = start(&place, &["check", "--read-data"]);
    let mut restore = start(&place, &["restore", id, "--target", "during"]);
    let mut backups = 0;
    while check.try_wait().unwrap().is_none()
        || restore.try_wait().unwrap().is_none()
        || backups < 2
    {
        backups += 1;
        place.file(format!("src/more {backups}"), noise(9000 + backups, 1 << 20));
        finish(start(&place, &["backup", "src"]));
    }
    println!("{backups} backups meanwhile");
    let (check, restore) = (finish(check), finish(restore));
    assert_eq!(check["clean"], true, "{check:#}");
    assert_eq!(restore["problems"]["count"], 0, "{restore:#}");
    assert_same_tree(&before, &place.path("during").join(source.strip_prefix("/").unwrap()));
    let check = place.json(["check", "--read-data"]);
    assert_eq!(check["clean"], true, "{check:#}");
    assert_eq!(check["counts"]["snapshots"], backups + 1, "{check:#}");
}
