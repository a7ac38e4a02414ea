//! The independent reader in Python, written from docs/format.md alone, reads what the binary writes.

use lifeboat_testkit::skip::skip;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use e2e::{Outcome, PASSPHRASE, Place, noise};
use lifeboat_testkit::same_tree::{Aspect, assert_same_tree_except};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reader/lifeboat_reader.py");
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/python/bin/python3");

fn read(place: &Place, secret: &Path, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(PYTHON);
    command.arg(SCRIPT).arg(place.repository()).arg(secret).args(arguments);
    Outcome::of(command.current_dir(place.path("")))
}

/// What the reader restores is the same but for what it says that it leaves out.
fn assert_extracted(place: &Place, secret: &Path, snapshot: &str, source: &Path) {
    let target = place.path(format!("read {snapshot}"));
    let extract = ["extract", snapshot, target.to_str().unwrap()];
    read(place, secret, &extract).expect_code(0);
    let restored = target.join(source.strip_prefix("/").unwrap());
    let except = [Aspect::Owner, Aspect::Xattrs, Aspect::Links, Aspect::Flags, Aspect::Holes];
    assert_same_tree_except(source, &restored, &except);
}

fn is_furnished() -> bool {
    let there = Path::new(PYTHON).exists();
    if !there {
        skip(format_args!("{PYTHON} is missing; `cargo xtask setup` makes it"));
    }
    there
}

/// A tree with what the format tells apart: inline, whole chunks, many chunks, holes, links, deep trees.
fn fill(place: &Place) -> PathBuf {
    place.file("src/empty", "");
    place.file("src/inline", "a few bytes");
    place.file("src/one chunk", noise(1, 30_000));
    place.file("src/text", "the same line again and again\n".repeat(50_000));
    place.file("src/large", noise(2, 40 << 20));
    place.file("src/caf\u{e9}/\u{1f6a3}", "a boat");
    for number in 0..3000 {
        place.file(format!("src/many/{number:04}"), format!("file {number}\n"));
    }
    symlink("one chunk", place.path("src/link")).unwrap();
    fs::hard_link(place.path("src/one chunk"), place.path("src/twice")).unwrap();
    let sparse = fs::File::create(place.path("src/sparse")).unwrap();
    sparse.set_len(30 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, &noise(3, 70_000), 9 << 20).unwrap();
    place.path("src")
}

#[test]
fn with_the_passphrase_it_lists_and_extracts() {
    if !is_furnished() {
        return;
    }
    let place = Place::new();
    let source = fill(&place);
    let secret = place.file("passphrase", PASSPHRASE);
    let first = place.json(["backup", "--init", "src"])["snapshot"].as_str().unwrap().to_owned();
    let before = place.path("before");
    let copied = Command::new("cp").arg("-a").arg(&source).arg(&before).status().unwrap();
    assert!(copied.success());
    place.file("src/large", noise(9, 20 << 20));
    place.file("src/many/0007", "another");
    fs::remove_file(place.path("src/text")).unwrap();
    let second = place.json(["backup", "src"])["snapshot"].as_str().unwrap().to_owned();

    let listed = read(&place, &secret, &["list"]).expect_code(0).stdout();
    assert!(listed.contains(&first[..8]) && listed.contains(&second[..8]), "{listed}");
    assert_extracted(&place, &secret, &second, &source);
    fs::rename(&source, place.path("after")).unwrap();
    fs::rename(&before, &source).unwrap();
    assert_extracted(&place, &secret, &first, &source);

    let wrong = place.file("wrong", "not it");
    let refused = read(&place, &wrong, &["list"]);
    assert_ne!(refused.code(), Some(0), "{refused:?}");
}

#[test]
fn with_a_key_file_it_reads_interrupted_and_tagged_ones() {
    if !is_furnished() {
        return;
    }
    let place = Place::with_key_file();
    let source = place.path("src");
    place.file("src/dir/file", noise(4, 3 << 20));
    let id = place.json(["backup", "src"])["snapshot"].as_str().unwrap().to_owned();
    place.ok(["tag", "latest", "--add", "kept"]);
    let now = place.json(["snapshots"])["snapshots"][0]["id"].as_str().unwrap().to_owned();
    let secret = place.path("key");
    assert_extracted(&place, &secret, &now, &source);
    assert!(read(&place, &secret, &["list"]).expect_code(0).stdout().contains(&now[..8]));
    println!("{id} is now {now}");
}
