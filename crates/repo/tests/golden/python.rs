//! The independent reader: a page of Python, written from docs/format.md, reads the fixtures as well.

use lifeboat_testkit::skip::skip;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat_codec::hash::object_hash;

use crate::expected::{Expected, ExpectedEntry, escaped};
use crate::folder::{FIXTURES, Fixture, REPOSITORY, fixtures};
use crate::read::Secret;

/// The Python that `cargo xtask setup` furnished, if it was called.
fn python() -> Option<PathBuf> {
    let python = workspace().join("target/python/bin/python3");
    python.exists().then_some(python)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs the reader on a fixture; what it prints.
fn reader(python: &Path, fixture: Fixture, secret: Secret, arguments: &[&OsStr]) -> String {
    let output = Command::new(python)
        .arg(workspace().join("tests/reader/lifeboat_reader.py"))
        .arg(fixtures().join(fixture.name).join(REPOSITORY))
        .arg(secret.path(fixture))
        .args(arguments)
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .expect("Python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", fixture.name);
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

#[test]
fn the_reader_in_python_lists_and_extracts_every_fixture() {
    let Some(python) = python() else {
        skip("target/python is not there; `cargo xtask setup` makes it");
        return;
    };
    for fixture in FIXTURES {
        let expected = super::expected(fixture);
        for secret in Secret::ALL {
            let listed = reader(&python, fixture, secret, &["list".as_ref()]);
            assert_eq!(listed.lines().collect::<Vec<_>>(), lines(&expected), "{}", fixture.name);
        }
        for of in &expected.snapshots {
            let target = tempfile::tempdir().unwrap();
            let id = of.snapshot.id.to_string();
            let arguments = ["extract".as_ref(), id.as_ref(), target.path().as_os_str()];
            reader(&python, fixture, Secret::KeyFile, &arguments);
            for root in &of.snapshot.roots {
                let path = root.path.strip_prefix(b"/").unwrap();
                let base = target.path().join(OsStr::from_bytes(path));
                match root.tree {
                    Some(tree) => compare(&base, &expected.trees[&tree.to_string()]),
                    None => assert!(!base.exists()),
                }
            }
        }
    }
}

/// A line for each snapshot: its id, when it started, its roots.
fn lines(expected: &Expected) -> Vec<String> {
    let line = |of: &crate::expected::ExpectedSnapshot| {
        let mut words = vec![of.snapshot.id.to_string(), of.snapshot.started.to_string()];
        let roots = of.snapshot.roots.iter();
        words.extend(roots.map(|root| String::from_utf8_lossy(&root.path).into_owned()));
        words.join(" ")
    };
    expected.snapshots.iter().map(line).collect()
}

/// Compares what lies at `base` with the entries that the reader restores: no devices, pipes, sockets.
fn compare(base: &Path, entries: &[ExpectedEntry]) {
    let mut found = BTreeMap::new();
    gather(base, String::new(), &mut found);
    for entry in entries {
        if !matches!(entry.kind.as_str(), "file" | "dir" | "symlink") {
            continue;
        }
        let path = found.remove(&entry.path);
        assert!(path.is_some(), "{} is lost", entry.path);
        let Some(path) = path else { continue };
        let metadata = fs::symlink_metadata(&path).expect("it was just listed");
        let time = (entry.mtime.secs, i64::from(entry.mtime.nanos));
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), time, "{}", entry.path);
        match entry.kind.as_str() {
            "symlink" => {
                let target = fs::read_link(&path).expect("it is a link");
                assert_eq!(escaped(target.as_os_str().as_bytes()), entry.target);
                continue;
            }
            "dir" => assert!(metadata.is_dir(), "{}", entry.path),
            _ => {
                let content = entry.content.as_ref().expect("files have content");
                assert_eq!(metadata.len(), content.size, "{}", entry.path);
                let hash = object_hash(&fs::read(&path).expect("it is a file")).to_string();
                assert_eq!(hash, content.blake3, "{}", entry.path);
            }
        }
        assert_eq!(format!("{:04o}", metadata.mode() & 0o7777), entry.mode, "{}", entry.path);
    }
    assert!(found.is_empty(), "nothing says that these are there: {:?}", found.keys());
}

/// All paths at and below `path`, by their escaped names.
fn gather(path: &Path, name: String, found: &mut BTreeMap<String, PathBuf>) {
    if fs::symlink_metadata(path).expect("it was just listed").is_dir() {
        for entry in fs::read_dir(path).expect("it is a directory") {
            let entry = entry.expect("it can be listed");
            let below = escaped(entry.file_name().as_bytes());
            let below = if name.is_empty() { below } else { format!("{name}/{below}") };
            gather(&entry.path(), below, found);
        }
    }
    found.insert(name, path.to_path_buf());
}
