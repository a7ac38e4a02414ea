//! Damage of every kind of object: each command says what is damaged, ends with the documented code,
//! never panics, and everything else can still be restored.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use e2e::{Outcome, Place, noise};
use lifeboat_testkit::same_tree::assert_same_tree;
use rstest::rstest;

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Missing,
    Emptied,
    Truncated,
    /// One bit, so many hundredths into the object.
    Flipped(u64),
    /// By another object of its kind.
    Replaced,
}

const DAMAGES: [Damage; 7] = [
    Damage::Missing,
    Damage::Emptied,
    Damage::Truncated,
    Damage::Flipped(0),
    Damage::Flipped(50),
    Damage::Flipped(100),
    Damage::Replaced,
];

const COMMANDS: [&[&str]; 6] = [
    &["check"],
    &["check", "--read-data"],
    &["snapshots"],
    &["ls", "latest"],
    &["restore", "latest", "--target", "out"],
    &["backup", "src", "--kind", "full"],
];

/// A repository of two snapshots, whose content does not share a pack, kept in `good`.
struct Harbour {
    place: Place,
}

impl Harbour {
    fn new() -> Self {
        let place = Place::with_key_file();
        place.file("src/old/large", noise(1, 300_000));
        place.file("src/old/small", "small\n");
        // So many chunks that no two segments have the same length: one in the place of another would be as good.
        for number in 0..12 {
            place.file(format!("src/old/{number}"), noise(10 + number, 3000));
        }
        settle();
        place.ok(["backup", "src"]);
        place.file("src/new/large", noise(2, 200_000));
        place.file("src/new/other", noise(3, 2000));
        settle();
        place.ok(["backup", "src"]);
        fs::rename(place.repository(), place.path("good")).unwrap();
        copy(&place.path("src"), &place.path("saved"));
        Self { place }
    }

    /// The objects below `folder` in the order of the log.
    fn objects(&self, folder: &str) -> Vec<String> {
        let found = Command::new("find")
            .args([folder, "-type", "f", "-printf", "%T@ %P\n"])
            .current_dir(self.place.path("good"))
            .output();
        let found = String::from_utf8(found.unwrap().stdout).unwrap();
        let mut found: Vec<(&str, &str)> =
            found.lines().filter_map(|line| line.split_once(' ')).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, path)| format!("{folder}/{path}")).collect()
    }

    /// A fresh copy of the repository, with no memory of what was seen.
    fn refresh(&self) {
        for name in ["repo", "out", "home"] {
            let path = self.place.path(name);
            if path.exists() {
                fs::remove_dir_all(path).unwrap();
            }
        }
        copy(&self.place.path("good"), &self.place.repository());
        self.place.folder("home");
    }

    fn damage(&self, key: &str, other: Option<&str>, damage: Damage) {
        let path = self.place.repository().join(key);
        let mut bytes = fs::read(&path).unwrap();
        match damage {
            Damage::Missing => return fs::remove_file(path).unwrap(),
            Damage::Emptied => bytes.clear(),
            Damage::Truncated => bytes.truncate(bytes.len() * 2 / 3),
            Damage::Flipped(hundredths) => {
                let last = bytes.len() as u64 - 1;
                bytes[usize::try_from(last * hundredths / 100).unwrap()] ^= 0x10;
            }
            Damage::Replaced => {
                bytes = fs::read(self.place.repository().join(other.unwrap())).unwrap();
            }
        }
        fs::write(path, bytes).unwrap();
    }

    /// How many files of `saved` are in `out`, each of which must be whole.
    fn restored(&self) -> usize {
        let root = self.place.path("out").join(self.place.path("src").strip_prefix("/").unwrap());
        let names = ["old/large", "old/small", "new/large", "new/other"];
        let whole = names.iter().filter(|name| {
            let (saved, restored) = (self.place.path("saved").join(name), root.join(name));
            match fs::read(restored) {
                Ok(bytes) => {
                    assert!(bytes == fs::read(saved).unwrap(), "{name} came back otherwise");
                    true
                }
                Err(_) => false,
            }
        });
        whole.count()
    }
}

fn settle() {
    thread::sleep(Duration::from_millis(60));
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

/// The part of a key by which a message names it, whatever the length it is cut to.
fn name(key: &str) -> &str {
    key.rsplit('/').next().unwrap().get(..16).unwrap_or(key)
}

fn said(outcome: &Outcome) -> String {
    format!("{}{}", outcome.stdout(), outcome.stderr())
}

/// Which objects of a kind are hit, which of them serves as a replacement, and what is then expected.
#[rstest]
#[case::config("config")]
#[case::key_slot("keys")]
#[case::data_pack("packs")]
#[case::tree_pack("trees")]
#[case::index_segment("index")]
#[case::log_entry("log")]
fn every_command_names_what_is_damaged(#[case] kind: &str) {
    let harbour = Harbour::new();
    let objects = match kind {
        "config" => vec!["config".to_owned()],
        kind => harbour.objects(kind),
    };
    // The first of the kind is hit: both snapshots need it, or for trees and the log the first one.
    let (key, other) = (&objects[0], objects.get(1).map(String::as_str));
    for damage in DAMAGES {
        if damage == Damage::Replaced && other.is_none() {
            continue;
        }
        for command in COMMANDS {
            harbour.refresh();
            harbour.damage(key, other, damage);
            let outcome = harbour.place.run(command);
            let what = format!("{key}: {damage:?}: {outcome:?}");
            assert!(!outcome.stderr().contains("panicked"), "{what}");
            let code = outcome.code().unwrap_or_else(|| panic!("{what}"));
            let expected = expected(kind, damage, command);
            assert!(expected.contains(&code), "{expected:?} expected: {what}");
            if code != 0 {
                // Which slot it was nobody knows when it is gone.
                let name =
                    if kind == "keys" && damage == Damage::Missing { "keys/" } else { name(key) };
                assert!(said(&outcome).contains(name), "the object is not named: {what}");
            }
            if command[0] == "restore" && !matches!(kind, "config" | "keys") {
                let least = if kind == "log" { 4 } else { 2 };
                assert!(harbour.restored() >= least, "{} files: {what}", harbour.restored());
            }
            if command[0] == "backup" && code == 0 {
                healed(&harbour, kind, &what);
            }
        }
    }
}

/// The exit codes that are right.
fn expected(kind: &str, damage: Damage, command: &[&str]) -> &'static [i32] {
    match (kind, command[0]) {
        // Nothing opens without them.
        ("config", _) => &[4, 12],
        ("keys", _) => &[4, 12],
        // A flipped bit in a pack is found only where the bytes are read.
        ("packs" | "trees", "check") if command.len() == 1 => match damage {
            Damage::Flipped(_) => &[0, 4],
            _ => &[4],
        },
        // The last byte is in the second copy of the footer, which is read when the first is bad.
        ("index", "check") if command.len() == 1 && damage == Damage::Flipped(100) => &[0, 4],
        (_, "check") => &[4],
        (_, "snapshots") => &[0],
        // Whoever does not see the far side of the hole would fill it.
        ("log", "backup") if damage == Damage::Missing => &[4],
        ("packs", "restore") => &[0, 3],
        ("index" | "trees", "restore") => &[0, 3],
        // Where a tree is cut follows from keys, so a node may be of both snapshots.
        ("index" | "trees", "ls") => &[0, 4],
        (_, "ls" | "restore" | "backup") => &[0],
        _ => &[],
    }
}

/// After a full backup into a damaged repository its snapshot is whole, but for lost packs that the
/// index still promises.
fn healed(harbour: &Harbour, kind: &str, what: &str) {
    if kind == "packs" || kind == "trees" {
        return;
    }
    let out = harbour.place.path("out");
    harbour.place.ok(["restore", "latest", "--target", out.to_str().unwrap()]);
    assert_eq!(harbour.restored(), 4, "{what}");
}

#[test]
fn an_incremental_backup_does_not_count_on_what_is_lost() {
    let harbour = Harbour::new();
    let (entries, segments) = (harbour.objects("log"), harbour.objects("index"));
    for key in [&entries[0], &segments[0]] {
        for damage in [Damage::Emptied, Damage::Flipped(0), Damage::Truncated] {
            harbour.refresh();
            harbour.damage(key, None, damage);
            let outcome = harbour.place.run(["backup", "src"]).expect_code(0);
            assert!(outcome.stderr().contains(name(key)), "{key}: {damage:?}: {outcome:?}");
            let restored = harbour.place.run(["restore", "latest", "--target", "out"]);
            assert_eq!(restored.code(), Some(0), "{key}: {damage:?}: {restored:?}");
            let source = harbour.place.path("src");
            let out = harbour.place.path("out").join(source.strip_prefix("/").unwrap());
            assert_same_tree(&source, &out);
            // What was stored again is found the next time.
            let again = harbour.place.json(["backup", "src"]);
            assert_eq!(again["stats"]["read_bytes"], 0, "{key}: {damage:?}: {again:#}");
        }
    }
}

#[test]
fn a_damaged_checkpoint_of_the_log_is_done_without() {
    const BACKUPS: usize = 70;
    let place = Place::with_key_file();
    for number in 0..BACKUPS {
        place.file("src/file", format!("{number:03}"));
        place.ok(["backup", "src", "--kind", "full"]);
    }
    fs::rename(place.repository(), place.path("good")).unwrap();
    copy(&place.path("src"), &place.path("saved"));
    let harbour = Harbour { place };
    let place = &harbour.place;
    let key = harbour.objects("checkpoints").pop().unwrap();
    for damage in DAMAGES.into_iter().filter(|damage| *damage != Damage::Replaced) {
        for command in COMMANDS {
            harbour.refresh();
            harbour.damage(&key, None, damage);
            let outcome = place.run(command);
            let what = format!("{key}: {damage:?}: {outcome:?}");
            assert!(!outcome.stderr().contains("panicked"), "{what}");
            let missing = damage == Damage::Missing;
            let code = if command[0] == "check" && !missing { 4 } else { 0 };
            assert_eq!(outcome.code(), Some(code), "{what}");
            // One that is gone was never promised.
            assert!(missing || said(&outcome).contains(name(&key)), "{what}");
        }
        let shown = place.json(["snapshots"]);
        assert_eq!(shown["snapshots"].as_array().unwrap().len(), BACKUPS + 1);
    }
}

#[test]
fn a_recovery_sheet_stands_in_for_config_and_key_slots() {
    let place = Place::with_key_file();
    place.file("src/file", "saved");
    place.ok(["backup", "src"]);
    place.ok(["key", "export", "sheet"]);
    for lost in ["config", "keys"] {
        let path = place.repository().join(lost);
        let away = place.path("away");
        fs::rename(&path, &away).unwrap();
        place.run(["restore", "latest", "--target", "none"]).expect_code(4).expect_stderr("sheet");
        let target: PathBuf = place.path(format!("out without {lost}"));
        let sheet = ["--key-file", "sheet", "restore", "latest", "--target"];
        place.ok(sheet.iter().map(AsRef::as_ref).chain([target.as_os_str()]));
        let source = place.path("src");
        assert_same_tree(&source, &target.join(source.strip_prefix("/").unwrap()));
        fs::rename(&away, &path).unwrap();
    }
}

#[test]
fn a_log_that_was_put_back_is_noticed() {
    let place = Place::with_key_file();
    place.file("src/file", "1");
    place.ok(["backup", "src"]);
    copy(&place.repository(), &place.path("earlier"));
    place.file("src/file", "2");
    place.ok(["backup", "src"]);
    fs::remove_dir_all(place.repository()).unwrap();
    fs::rename(place.path("earlier"), place.repository()).unwrap();
    for command in [&["snapshots"][..], &["check"], &["backup", "src"]] {
        let refused = place.run(command).expect_code(4);
        assert!(refused.stderr().contains("heads/"), "says which file remembers: {refused:?}");
    }
    fs::remove_dir_all(place.path("home/.local/state/lifeboat/heads")).unwrap();
    place.ok(["backup", "src"]);
}

/// What is damaged or gone comes from a copy of the repository, whatever it is; and from no other repository.
#[rstest]
#[case::pack("packs")]
#[case::tree("trees")]
#[case::index("index")]
fn a_copy_heals_a_restore(#[case] folder: &str) {
    let place = Place::new().keyed(&[]);
    for number in 0..20 {
        place.file(format!("src/{number}"), noise(number, 100_000));
    }
    place.ok(["backup", "src"]);
    let copied =
        Command::new("cp").args(["-a", "repo", "copy"]).current_dir(place.path("")).status();
    assert!(copied.unwrap().success());
    let objects = objects_below(&place.path("repo").join(folder));
    assert!(!objects.is_empty());
    for (number, object) in objects.iter().enumerate() {
        match number % 2 {
            0 => fs::remove_file(object).unwrap(),
            _ => fs::write(object, noise(7, 5000)).unwrap(),
        }
    }
    let hurt = place.run(["restore", "latest", "--target", "hurt"]);
    assert_ne!(hurt.code(), Some(0), "{hurt:?}");
    let report =
        place.json(["restore", "latest", "--target", "out", "--heal-from", "copy", "--verify"]);
    assert_eq!((&report["files"], &report["verified"]), (&20.into(), &20.into()), "{report:#}");
    assert!(report["healed"].as_u64().unwrap() > 0, "{report:#}");
    let restored = place.path("out").join(place.path("src").strip_prefix("/").unwrap());
    assert_same_tree(&place.path("src"), &restored);

    place.ok(["init", "--repo", "other"]);
    let said =
        place.run(["restore", "latest", "--target", "no", "--heal-from", "other"]).expect_code(2);
    assert!(said.stderr().contains("no copy of this repository"), "{said:?}");
    place.run(["restore", "latest", "--target", "no", "--heal-from", "nothing"]).expect_code(10);
    assert!(!place.path("no").exists());
}

fn objects_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(objects_below(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}
