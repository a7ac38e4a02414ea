//! What is backed up: roots, lists of paths, patterns, marks, file systems.

use lifeboat_testkit::skip::skip;
use std::{fs, path::Path};

use e2e::{Mount, Outcome, Place};

use super::{below, problem_paths};

/// The paths in the newest snapshot below `src`, in their order, without those of directories above.
fn listed(place: &Place) -> Vec<String> {
    let listed = place.json(["ls", "latest"]);
    let root = format!("{}/", place.path("src").display());
    let paths = listed["entries"].as_array().unwrap().iter();
    let paths = paths.map(|entry| entry["path"].as_str().unwrap());
    paths.filter_map(|path| path.strip_prefix(&root)).map(str::to_owned).collect()
}

#[test]
fn several_roots_and_missing_ones() {
    let place = Place::with_key_file();
    place.file("a/x", "x");
    place.file("b/y", "y");
    place.file("c", "a file as a root");
    place.ok(["backup", "b", "a", "c"]);
    place.ok(["restore", "latest", "--target", "out"]);
    for (name, text) in [("a/x", "x"), ("b/y", "y"), ("c", "a file as a root")] {
        let restored = below(&place.path("out"), &place.path(name));
        assert_eq!(fs::read_to_string(restored).unwrap(), text);
    }

    let partial = place.json_with(3, ["backup", "a", "missing"]);
    assert_eq!(partial["outcome"], "partial");
    assert!(problem_paths(&partial)[0].ends_with("/missing"), "{partial:#}");
    let shown = place.json(["snapshots"]);
    let roots = &shown["snapshots"][1]["roots"];
    assert_eq!((&roots[0]["missing"], &roots[1]["missing"]), (&false.into(), &true.into()));
    place.ok(["restore", "latest", "--target", "part"]);
    assert!(below(&place.path("part"), &place.path("a/x")).exists());

    let failed = place.run(["backup", "gone", "missing"]).expect_code(1);
    assert!(failed.stderr().contains("/missing"), "{failed:?}");
    assert_eq!(place.json(["snapshots"])["snapshots"].as_array().unwrap().len(), 2);
    place.run(["backup"]).expect_code(2);
    place.run(["backup", ""]).expect_code(2);
}

#[test]
fn lists_of_paths() {
    let place = Place::with_key_file();
    for name in ["src/one", "src/two words", "src/dir/three", "src/not this"] {
        place.file(name, name);
    }
    let root = place.path("src").display().to_string();
    place.file("list", format!("# a list\n{root}/one\n\n{root}/two words\n{root}/dir\n"));
    place.ok(["backup", "--files-from", "list"]);
    assert_eq!(listed(&place), ["dir", "dir/three", "one", "two words"]);

    let name = "with\nnewline";
    place.file(format!("src/{name}"), "newline");
    place.file("raw", format!("{root}/{name}\0{root}/one\0"));
    place.ok(["backup", "--files-from-raw", "raw"]);
    assert_eq!(listed(&place), ["one", "with\\x0anewline"]);

    place.file("wrong", format!("{root}/one\n{root}/nothing\n"));
    let partial = place.json_with(3, ["backup", "--files-from", "wrong"]);
    assert!(problem_paths(&partial)[0].ends_with("/nothing"), "{partial:#}");
    let refused = place.run(["backup", "--files-from", "no list"]).expect_code(1);
    assert!(refused.stderr().contains("no list"), "{refused:?}");
}

#[test]
fn patterns_and_marks_leave_out() {
    let place = Place::with_key_file();
    for name in ["keep.txt", "a.tmp", "b.tmp", "build/out", "cache/x", "git/y", "ignored/z"] {
        place.file(format!("src/{name}"), name);
    }
    place.file("src/big", vec![1; 5000]);
    place.file("src/cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
    place.file("src/git/.nobackup", "");
    place.file("src/.lifeboatignore", "/ignored\n");
    place.file("patterns", "# made anew\nbuild/\n*.tmp\n");
    let all = ["backup", "src", "--exclude", "!b.tmp", "--exclude-file", "patterns"];
    let more = ["--exclude-caches", "--exclude-if-present", ".nobackup", "--lifeboatignore"];
    place.ok(all.iter().chain(&more).chain(&["--exclude-larger-than", "4KiB"]));
    let expected = [".lifeboatignore", "b.tmp", "cache", "cache/CACHEDIR.TAG", "git"];
    let found = listed(&place);
    assert_eq!(found, [&expected[..], &["git/.nobackup", "keep.txt"]].concat());

    // Nothing is left out that nobody asked for.
    place.ok(["backup", "src"]);
    assert_eq!(listed(&place).len(), 15, "{:?}", listed(&place));

    let explain = |path: &str| {
        let path = place.path(path).display().to_string();
        place.json(all.iter().copied().chain(more).chain(["--explain", &path]))
    };
    let out = explain("src/build/out");
    assert_eq!((&out["included"], &out["rule"]), (&false.into(), &"build/".into()), "{out:#}");
    assert!(out["at"].as_str().unwrap().ends_with("src/build"), "{out:#}");
    assert!(out["rule_file"].as_str().unwrap().ends_with("patterns"), "{out:#}");
    assert_eq!(out["rule_line"], 2, "{out:#}");
    assert_eq!(explain("src/a.tmp")["rule"], "*.tmp");
    assert_eq!(explain("src/b.tmp")["included"], true);
    assert_eq!(explain("src/cache/x")["included"], false);
    assert_eq!(explain("src/ignored/z")["included"], false);
    assert_eq!(explain("src/keep.txt")["included"], true);
    assert_eq!(place.json(["snapshots"])["snapshots"].as_array().unwrap().len(), 2);
}

#[test]
fn other_file_systems_are_entered_only_if_asked_for() {
    let place = Place::with_key_file();
    place.file("src/here", "here");
    let inner = place.folder("src/mounted");
    let mount = match Mount::tmpfs(&inner, 1) {
        Ok(mount) => mount,
        Err(reason) => return skip(reason),
    };
    fs::write(inner.join("there"), "there").unwrap();
    place.ok(["backup", "src", "--one-file-system"]);
    assert_eq!(listed(&place), ["here", "mounted"]);
    place.ok(["backup", "src"]);
    assert_eq!(listed(&place), ["here", "mounted", "mounted/there"]);
    drop(mount);
}

#[test]
fn a_dry_run_stores_nothing() {
    let place = Place::with_key_file();
    place.file("src/one", e2e::noise(1, 200_000));
    let objects = |dir: &Path| {
        Outcome::of(std::process::Command::new("find").arg(dir).args(["-type", "f"])).stdout()
    };
    let before = objects(&place.repository());
    let said = place.json(["backup", "src", "--dry-run"]);
    assert_eq!(said["dry_run"], true);
    assert_eq!(said["snapshot"], serde_json::Value::Null, "{said:#}");
    assert_eq!(said["stats"]["new_bytes"], 200_000, "{said:#}");
    assert_eq!(objects(&place.repository()), before);
    let real = place.json(["backup", "src"]);
    assert_eq!(real["stats"]["new_bytes"], 200_000);
}
