//! What can't be done is refused with a clear message, the documented code, and nothing harmed.

use lifeboat_testkit::skip::skip;
use std::{ffi::OsStr, fs, path::Path};

use e2e::{Mount, Place, noise};

/// Every command that opens a repository.
const COMMANDS: [&[&str]; 6] = [
    &["backup", "src"],
    &["restore", "latest", "--target", "out"],
    &["snapshots"],
    &["ls", "latest"],
    &["stats"],
    &["check"],
];

/// All of them end with `code`, and say each of `texts`.
fn assert_refused(place: &Place, options: &[&str], code: i32, texts: &[&str]) {
    place.file("src/file", "x");
    for command in COMMANDS {
        let refused = place.run(command.iter().chain(options)).expect_code(code);
        for text in texts {
            assert!(refused.stderr().contains(text), "{text:?} is not said: {refused:?}");
        }
        assert!(!refused.stderr().contains("panicked"), "{refused:?}");
        assert!(!place.path("out").exists(), "{refused:?}");
    }
}

#[test]
fn a_wrong_passphrase() {
    let place = Place::new();
    place.ok(["init"]);
    let wrong = place.file("wrong", "not the passphrase\n");
    let options = ["--password-file", wrong.to_str().unwrap()];
    let refused = place.run(["snapshots"].iter().chain(&options)).expect_code(12);
    assert!(refused.stderr().contains("passphrase"), "{refused:?}");
}

#[test]
fn a_wrong_key_file() {
    let place = Place::with_key_file();
    let other = Place::with_key_file();
    // Of another repository; of this one with another key; no key file at all.
    let theirs = other.path("key");
    assert_refused(&place, &["--key-file", theirs.to_str().unwrap()], 12, &["key"]);
    let text = fs::read_to_string(place.path("key")).unwrap();
    let changed = text.lines().map(|line| match line.strip_prefix("key ") {
        Some(key) => format!("key {}\n", key.replace(|c: char| c.is_ascii_digit(), "a")),
        None => format!("{line}\n"),
    });
    let altered = place.file("altered", changed.collect::<String>());
    assert_refused(&place, &["--key-file", altered.to_str().unwrap()], 12, &["key"]);
    let noise = place.file("noise", "this is no key file\n");
    let refused = place.run(["check", "--key-file", noise.to_str().unwrap()]);
    assert!(matches!(refused.code(), Some(1 | 2 | 12)), "{refused:?}");
    assert!(refused.stderr().contains("noise"), "{refused:?}");
    let refused = place.run(["check", "--key-file", "nowhere"]).expect_code(1);
    assert!(refused.stderr().contains("nowhere"), "{refused:?}");
}

#[test]
fn no_repository() {
    let place = Place::with_key_file();
    fs::remove_dir_all(place.repository()).unwrap();
    let path = place.repository().display().to_string();
    assert_refused(&place, &[], 10, &[&path, "init"]);
    assert!(!place.repository().exists(), "nothing was made");
    place.folder("repo");
    assert_refused(&place, &[], 10, &[&path]);
    // Somebody's folder of other things.
    place.file("repo/holiday.jpg", noise(1, 100));
    assert_refused(&place, &[], 10, &[&path]);
    // A file in its place.
    fs::remove_dir_all(place.repository()).unwrap();
    place.file("repo", "a file");
    for command in COMMANDS {
        let refused = place.run(command).expect_code(2);
        assert!(refused.stderr().contains(&path), "{refused:?}");
    }
    let refused = place.run(["check", "--repo", "sftp://host/prefix"]);
    assert!(matches!(refused.code(), Some(1 | 2)), "{refused:?}");
    assert!(refused.stderr().contains("sftp"), "{refused:?}");
}

#[test]
fn init_harms_nothing_that_is_there() {
    let place = Place::with_key_file();
    place.file("src/file", "x");
    place.ok(["backup", "src"]);
    let refused = place.run(["init"]);
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    place.ok(["restore", "latest", "--target", "out"]);
    let other = place.path("other");
    place.file("other/holiday.jpg", "a picture");
    let refused = place.run([OsStr::new("init"), OsStr::new("--repo"), other.as_os_str()]);
    println!("{refused:?}");
    assert_eq!(fs::read_to_string(other.join("holiday.jpg")).unwrap(), "a picture");
}

#[test]
fn a_repository_of_a_newer_format() {
    let place = Place::with_key_file();
    let config = place.repository().join("config");
    let text = fs::read_to_string(&config).unwrap();
    let edits = [
        // The version is looked at before the signature, which a newer version may make otherwise.
        text.replacen("\"format\": 1", "\"format\": 2", 1),
        text.replacen("\"read_required\": []", "\"read_required\": [\"later\"]", 1),
    ];
    for edited in edits {
        assert_ne!(edited, text, "{text}");
        fs::write(&config, edited).unwrap();
        for command in COMMANDS {
            let refused = place.run(command);
            assert!(matches!(refused.code(), Some(1 | 4)), "{refused:?}");
            assert!(refused.stderr().contains("config"), "{refused:?}");
        }
    }
    fs::write(&config, text.replacen("\"format\": 1", "\"format\": 2", 1)).unwrap();
    let refused = place.run(["snapshots"]).expect_code(1);
    assert!(refused.stderr().contains("newer"), "{refused:?}");
    fs::write(&config, text).unwrap();
    place.ok(["check"]);
}

#[test]
fn a_full_disk() {
    let mut place = Place::new();
    let disk = place.folder("disk");
    let mount = match Mount::tmpfs(&disk, 6) {
        Ok(mount) => mount,
        Err(reason) => return skip(reason),
    };
    place = place.keyed(&["--repo", "disk/repo"]);
    place.file("src/large", noise(1, 12 << 20));
    place.file("small/file", "fits");
    let repo = ["--repo", "disk/repo"];
    let run = |arguments: &[&str]| place.run(arguments.iter().chain(&repo));
    run(&["backup", "small"]).expect_code(0);
    let refused = run(&["backup", "src"]).expect_code(1);
    assert!(refused.stderr().contains("o space left"), "{refused:?}");
    assert!(refused.stderr().contains("disk/repo"), "{refused:?}");
    // What is there is whole and can be read, though nothing can be written.
    let fill = fs::write(disk.join("fill"), noise(2, 8 << 20));
    assert!(fill.is_err(), "the disk is full");
    run(&["check", "--read-data"]).expect_code(0);
    run(&["restore", "latest", "--target", "out"]).expect_code(0);
    let refused = run(&["backup", "small", "--kind", "full"]);
    assert!(matches!(refused.code(), Some(0 | 1)), "{refused:?}");
    fs::remove_file(disk.join("fill")).unwrap();
    mount.grow(64).unwrap();
    run(&["backup", "src"]).expect_code(0);
    run(&["check", "--read-data"]).expect_code(0);
    assert!(!has_files(&disk.join("repo/tmp")), "what failed was tidied away");
}

fn has_files(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut found| found.next().is_some())
}

#[test]
fn a_target_that_is_full_or_closed() {
    let place = Place::with_key_file();
    place.file("src/large", noise(1, 4 << 20));
    place.file("src/small", "fits");
    place.ok(["backup", "src"]);
    place.file("a file", "no directory");
    let refused = place.run(["restore", "latest", "--target", "a file"]).expect_code(2);
    assert!(refused.stderr().contains("a file"), "{refused:?}");
    let refused = place.run(["restore", "latest", "--target", "/proc/nothing"]).expect_code(1);
    assert!(refused.stderr().contains("/proc/nothing"), "{refused:?}");
    let disk = place.folder("disk");
    match Mount::tmpfs(&disk, 2) {
        Ok(_mount) => {
            let refused = place.run(["restore", "latest", "--target", "disk"]);
            assert!(matches!(refused.code(), Some(1 | 3)), "{refused:?}");
            assert!(refused.stderr().contains("o space left"), "{refused:?}");
            assert!(refused.stderr().contains("src/large"), "{refused:?}");
        }
        Err(reason) => skip(reason),
    }
    place.ok(["check"]);
}

#[test]
fn a_path_that_is_too_long() {
    let place = Place::with_key_file();
    place.file("src/file", "x");
    place.ok(["backup", "src"]);
    let long = "x".repeat(256);
    for (code, arguments) in [
        (1, vec!["restore", "latest", "--target", &long]),
        (1, vec!["backup", &long]),
        (2, vec!["check", "--repo", &long]),
    ] {
        let refused = place.run(&arguments).expect_code(code);
        assert!(refused.stderr().contains("xxxxxxxx"), "{refused:?}");
        assert!(refused.stderr().contains("too long"), "{refused:?}");
    }
    let beyond = format!("/{}", "d/".repeat(3000));
    let refused = place.run(["restore", "latest", "--target", &beyond]).expect_code(1);
    assert!(refused.stderr().contains("long"), "{refused:?}");
}

#[test]
fn snapshots_that_are_not_there() {
    let place = Place::with_key_file();
    place.file("src/file", "0");
    let refused = place.run(["restore", "latest", "--target", "out"]).expect_code(1);
    assert!(refused.stderr().contains("snapshot"), "{refused:?}");
    let mut ids: Vec<String> = Vec::new();
    // Of seventeen ids two begin with the same digit.
    for number in 0..17 {
        place.file("src/file", number.to_string());
        let report = place.json(["backup", "src"]);
        ids.push(report["snapshot"].as_str().unwrap().to_owned());
    }
    let first = |id: &String| id[..1].to_owned();
    let shared = |id: &&String| ids.iter().filter(|other| first(other) == first(id)).count() > 1;
    let ambiguous = ids.iter().find(shared).map(first).unwrap();
    let refused = place.run(["ls", &ambiguous]).expect_code(2);
    assert!(refused.stderr().contains("several"), "{refused:?}");
    for (code, unknown) in [(1, "0000000000000000000000000000dead"), (2, "no id")] {
        let refused = place.run(["restore", unknown, "--target", "out"]).expect_code(code);
        assert!(refused.stderr().contains(unknown), "{refused:?}");
        assert!(!place.path("out").exists());
    }
}
