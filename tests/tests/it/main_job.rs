//! The main job: what goes into the repository comes back, bit for bit, and nowhere else.

mod selection;
mod troubles;

use lifeboat_testkit::skip::skip;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use e2e::{Outcome, Place};
use lifeboat_testkit::{
    same_tree::assert_same_tree,
    tree::{Awkward, Scratch},
};

/// Where a root lies below the target it was restored into: under its absolute path.
fn below(target: &Path, root: &Path) -> PathBuf {
    target.join(root.strip_prefix("/").unwrap_or(root))
}

/// The awkward tree in a folder of its own, and what of it could not be made here.
fn awkward(shape: &Awkward) -> (Scratch, PathBuf) {
    let scratch = Scratch::new().unwrap();
    let source = scratch.join("src");
    fs::create_dir(&source).unwrap();
    for skipped in shape.build(&source).unwrap() {
        println!("not in the tree: {skipped}");
    }
    (scratch, source)
}

/// What `rsync` would still have to do to make `copy` the same as `source`.
fn rsync_differences(source: &Path, copy: &Path) -> Outcome {
    let with_slash = |path: &Path| format!("{}/", path.display());
    let options = ["-aXAHn", "--checksum", "--itemize-changes", "--delete"];
    // 64 GiB of holes would be read twice; the comparison of our own knows where the data are.
    let mut rsync = Command::new("rsync");
    rsync.args(options).args(["--exclude", "/sparse/very large"]);
    Outcome::of(rsync.arg(with_slash(source)).arg(with_slash(copy))).expect_code(0)
}

#[test]
fn an_awkward_tree_comes_back_without_a_difference() {
    // Not deeper than rsync can go, whose paths have at most 4095 bytes.
    let (_scratch, source) = awkward(&Awkward { depth: 700, members: 1500 });
    let target = Scratch::new().unwrap();
    let place = Place::with_key_file();
    let backup = place.json(["backup".as_ref(), source.as_os_str()]);
    assert_eq!(backup["outcome"], "complete", "{backup:#}");
    let arguments = ["restore".as_ref(), "latest".as_ref(), "--target".as_ref(), target.path()];
    let restore = place.json(arguments);
    assert_eq!(restore["problems"]["count"], 0, "{restore:#}");

    let restored = below(target.path(), &source);
    assert_same_tree(&source, &restored);
    if Command::new("rsync").arg("--version").output().is_err() {
        skip("rsync is not installed");
        return;
    }
    assert_eq!(rsync_differences(&source, &restored).stdout(), "");
    // The comparison would tell: a byte, a time and a member that differ are found.
    fs::write(restored.join("contents/64 bytes"), [0; 64]).unwrap();
    fs::remove_file(restored.join("times/epoch")).unwrap();
    let said = rsync_differences(&source, &restored).stdout();
    assert!(said.contains("64 bytes") && said.contains("times/epoch"), "{said}");
    place.ok(["check", "--read-data"]);
}

#[test]
fn a_tree_deeper_than_a_path_may_be_comes_back() {
    let (_scratch, source) = awkward(&Awkward { depth: 900, members: 0 });
    let target = Scratch::new().unwrap();
    let place = Place::with_key_file();
    place.ok(["backup".as_ref(), source.as_os_str()]);
    let from = format!("latest:{}/deep", source.display());
    place.ok(["restore".as_ref(), from.as_ref(), "--target".as_ref(), target.path()]);
    assert_same_tree(&source.join("deep"), target.path());
}

/// A place with a small tree `src` that is backed up.
fn small() -> (Place, PathBuf) {
    let place = Place::with_key_file();
    place.file("src/one", "1\n");
    place.file("src/dir/two", "two\n");
    place.file("src/dir/inner/three", "three\n");
    place.file("src/other/four.log", "four\n");
    let source = place.path("src");
    place.ok(["backup", "src"]);
    (place, source)
}

#[test]
fn a_path_of_a_snapshot_comes_back_alone() {
    let (place, source) = small();
    let from = format!("latest:{}", source.join("dir").display());
    place.ok(["restore", &from, "--target", "out"]);
    assert_same_tree(&source.join("dir"), &place.path("out"));

    let from = format!("latest:{}", source.join("dir/two").display());
    place.ok(["restore", &from, "--target", "file"]);
    assert_eq!(fs::read_to_string(place.path("file/two")).unwrap(), "two\n");
    assert_eq!(fs::read_dir(place.path("file")).unwrap().count(), 1);

    let missing = format!("latest:{}", source.join("nothing").display());
    let refused = place.run(["restore", &missing, "--target", "none"]).expect_code(1);
    assert!(refused.stderr().contains("src/nothing"), "{refused:?}");
}

#[test]
fn patterns_choose_what_comes_back() {
    let (place, source) = small();
    let files = |target: &str| {
        let root = below(&place.path(target), &source);
        let mut found: Vec<String> =
            ["one", "dir/two", "dir/inner/three", "other/four.log"].map(str::to_owned).into();
        found.retain(|name| root.join(name).exists());
        found
    };
    place.ok(["restore", "latest", "--target", "no-logs", "--exclude", "*.log"]);
    assert_eq!(files("no-logs"), ["one", "dir/two", "dir/inner/three"]);
    place.ok(["restore", "latest", "--target", "inner", "--include", "inner/"]);
    assert_eq!(files("inner"), ["dir/inner/three"]);
    place.ok(["restore", "latest", "--target", "both", "--include", "dir", "--exclude", "inner"]);
    assert_eq!(files("both"), ["dir/two"]);
    let dry = place.json(["restore", "latest", "--target", "dry", "--dry-run"]);
    assert_eq!((&dry["files"], place.path("dry").exists()), (&4.into(), false), "{dry:#}");
}

#[test]
fn what_exists_is_replaced_unless_it_is_to_stay() {
    let (place, source) = small();
    let restored = below(&place.path("out"), &source);
    let theirs = place.file(restored.join("one"), "theirs\n");
    place.file(restored.join("dir/inner"), "a file where a directory belongs\n");
    let never = ["restore", "latest", "--target", "out", "--overwrite", "never"];
    let report = place.json_with(3, never);
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs\n");
    assert!(restored.join("dir/inner").is_file());
    // Everything else is there.
    assert_eq!(fs::read_to_string(restored.join("dir/two")).unwrap(), "two\n");
    assert_eq!(fs::read_to_string(restored.join("other/four.log")).unwrap(), "four\n");
    assert_eq!(report["kept"], 1, "{report:#}");
    let problems = problem_paths(&report);
    assert!(problems.iter().any(|path| path.contains("src/dir/inner")), "{report:#}");
    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&source, &restored);
}

#[test]
fn links_planted_in_the_target_are_not_followed() {
    let (place, source) = small();
    let outside = place.folder("outside");
    let restored = below(&place.path("out"), &source);
    fs::create_dir_all(&restored).unwrap();
    symlink(&outside, restored.join("dir")).unwrap();
    symlink(outside.join("made"), restored.join("one")).unwrap();
    let never = ["restore", "latest", "--target", "out", "--overwrite", "never"];
    let report = place.json_with(3, never);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{report:#}");
    assert!(restored.join("dir").is_symlink() && restored.join("one").is_symlink());
    assert!(restored.join("other/four.log").is_file(), "{report:#}");
    // The directory's own mode and times are not set through the link either.
    let planted = fs::metadata(&outside).unwrap().modified().unwrap();
    let saved = fs::metadata(source.join("dir")).unwrap().modified().unwrap();
    assert_ne!(planted, saved);
    // Replaced, they are taken away themselves.
    place.ok(["restore", "latest", "--target", "out", "--delete"]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_same_tree(&source, &restored);
}

#[test]
fn a_restore_is_repeatable_and_a_snapshot_is_found_by_filters() {
    let (place, source) = small();
    let first = place.json(["snapshots"])["snapshots"][0]["id"].as_str().unwrap().to_owned();
    place.file("src/one", "changed\n");
    place.ok(["backup", "src", "--tag", "late", "--host", "elsewhere"]);
    place.ok(["restore", &first[..8], "--target", "old"]);
    assert_eq!(fs::read_to_string(below(&place.path("old"), &source).join("one")).unwrap(), "1\n");
    place.ok(["restore", "latest", "--tag", "late", "--target", "new"]);
    assert_same_tree(&source, &below(&place.path("new"), &source));
    for filter in [["--host", "nobody"], ["--tag", "none"], ["--source", "x"], ["--path", "/no"]] {
        let arguments = ["restore", "latest", "--target", "none"];
        let refused = place.run(arguments.iter().chain(&filter)).expect_code(1);
        assert!(refused.stderr().contains("snapshot"), "{refused:?}");
    }
}

/// The paths that a report names.
fn problem_paths(report: &serde_json::Value) -> Vec<String> {
    let problems = report["problems"]["first"].as_array().unwrap();
    problems.iter().map(|problem| problem["path"].as_str().unwrap().to_owned()).collect()
}
