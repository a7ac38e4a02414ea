//! What did not change is neither read nor stored, and what changed is never missed.

use std::{
    fs::{self, File, FileTimes},
    io::Write as _,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, SystemTime},
};

use e2e::{Place, noise};
use serde_json::Value;

/// The clock's grain, within which a change may be invisible: files are read again until they are older.
fn settle() {
    thread::sleep(Duration::from_millis(60));
}

/// The numbers of a backup of `src`.
fn backup(place: &Place, options: &[&str]) -> Value {
    place.json(["backup", "src"].iter().chain(options))["stats"].take()
}

fn numbers<const N: usize>(stats: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| stats[name].as_u64().unwrap_or_else(|| panic!("no {name} in {stats:#}")))
}

/// What a backup reads, stores of content, stores of trees, and puts into the store.
fn costs(stats: &Value) -> [u64; 4] {
    numbers(stats, ["read_bytes", "new_bytes", "new_metadata_bytes", "stored_objects"])
}

fn cat(place: &Place, name: &str) -> Vec<u8> {
    let path = format!("latest:{}", place.path(name).display());
    place.ok(["cat", &path]).bytes().to_vec()
}

#[test]
fn only_what_changed_is_read_and_stored() {
    const BIG: usize = 6 << 20;
    let place = Place::with_key_file();
    place.file("src/big", noise(1, BIG));
    place.file("src/dir/some", noise(2, 300_000));
    place.file("src/dir/small", "small");
    settle();
    let first = backup(&place, &[]);
    assert_eq!(numbers(&first, ["read_bytes", "files_new"]), [BIG as u64 + 300_005, 3]);

    let again = backup(&place, &[]);
    assert_eq!(costs(&again), [0, 0, 0, 0], "{again:#}");
    assert_eq!(numbers(&again, ["files_unchanged", "stored_bytes"]), [3, 0], "{again:#}");

    // Touched: it is read again, and only its tree node is stored.
    File::open(place.path("src/dir/some")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    settle();
    let touched = backup(&place, &[]);
    let [read, new, metadata, objects] = costs(&touched);
    assert_eq!((read, new, objects), (300_000, 0, 2), "{touched:#}");
    assert!(metadata < 4096, "{touched:#}");
    assert_eq!(numbers(&touched, ["files_changed", "files_unchanged"]), [1, 2], "{touched:#}");

    fs::rename(place.path("src/big"), place.path("src/dir/renamed")).unwrap();
    settle();
    let renamed = backup(&place, &[]);
    let [read, new, metadata, objects] = costs(&renamed);
    assert_eq!((read, new, objects), (BIG as u64, 0, 2), "{renamed:#}");
    assert!(metadata < 4096, "{renamed:#}");

    let mut file = fs::OpenOptions::new().append(true).open(place.path("src/dir/renamed")).unwrap();
    file.write_all(b"+").unwrap();
    settle();
    let grown = backup(&place, &[]);
    let [read, new, ..] = costs(&grown);
    assert_eq!(read, BIG as u64 + 1, "{grown:#}");
    // Only the last chunk, of at most 512 KiB.
    assert!(new <= 512 << 10, "{grown:#}");
    assert_eq!(costs(&backup(&place, &[])), [0, 0, 0, 0]);
    assert_eq!(cat(&place, "src/dir/renamed"), fs::read(place.path("src/dir/renamed")).unwrap());
}

#[test]
fn a_change_in_a_large_tree_costs_a_leaf_and_its_ancestors() {
    const DIRS: usize = 400;
    const FILES: usize = 250;
    let place = Place::with_key_file();
    for dir in 0..DIRS {
        let folder = place.folder(format!("src/{dir:03}"));
        for file in 0..FILES {
            fs::write(folder.join(format!("{file:03}")), format!("{dir} {file}")).unwrap();
        }
    }
    settle();
    let first = backup(&place, &[]);
    assert_eq!(first["files"], DIRS * FILES, "{first:#}");
    let again = backup(&place, &[]);
    assert_eq!(costs(&again), [0, 0, 0, 0], "{again:#}");

    place.file("src/200/100", "changed");
    settle();
    let changed = backup(&place, &[]);
    let [read, _, metadata, objects] = costs(&changed);
    println!("one of {} files changed: {changed}", DIRS * FILES);
    assert_eq!(read, 7, "{changed:#}");
    assert!(metadata < 64 << 10 && objects <= 3, "{changed:#}");

    // A new file changes its directory's entry, too, which may lie in another leaf.
    place.file("src/300/new", "new");
    settle();
    let [_, _, metadata, objects] = costs(&backup(&place, &[]));
    assert!(metadata < 64 << 10 && objects <= 3);
    fs::remove_dir_all(place.path("src/010")).unwrap();
    let [_, _, metadata, objects] = costs(&backup(&place, &[]));
    assert!(metadata < 64 << 10 && objects <= 3);
    place.ok(["check"]);
}

/// Writes other content of equal size into `path` and gives it the time that it had.
fn change_in_secret(path: &Path, content: &str) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(fs::metadata(path).unwrap().len(), content.len() as u64);
    fs::write(path, content).unwrap();
    let file = File::open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

#[test]
fn a_time_that_was_set_back_does_not_hide_a_change_unless_ctimes_are_ignored() {
    let place = Place::with_key_file();
    let path = place.file("src/file", "first!");
    File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    settle();
    backup(&place, &[]);
    change_in_secret(&path, "second");
    settle();
    assert_eq!(costs(&backup(&place, &[]))[0], 6);
    assert_eq!(cat(&place, "src/file"), b"second");

    // Whoever ignores ctimes has only size and mtime to go by, as is documented; a full backup sees it.
    change_in_secret(&path, "third!");
    settle();
    assert_eq!(costs(&backup(&place, &["--ignore-ctime"]))[0], 0);
    assert_eq!(cat(&place, "src/file"), b"second");
    assert_eq!(costs(&backup(&place, &["--kind", "full"]))[0], 6);
    assert_eq!(cat(&place, "src/file"), b"third!");
}

#[test]
fn a_time_too_young_to_be_trusted_is_not() {
    let place = Place::with_key_file();
    let path = place.file("src/file", "first!");
    // As it is when the file is written within the clock's grain after the backup began.
    #[expect(clippy::disallowed_methods, reason = "the file system's own clock is meant")]
    let soon = SystemTime::now() + Duration::from_secs(30);
    File::open(&path).unwrap().set_modified(soon).unwrap();
    backup(&place, &[]);
    change_in_secret(&path, "second");
    assert_eq!(costs(&backup(&place, &["--ignore-ctime"]))[0], 6);
    assert_eq!(cat(&place, "src/file"), b"second");
}

#[test]
fn writes_during_a_backup_are_in_the_next_one() {
    let place = Place::with_key_file();
    let path = place.file("src/file", "0000000000");
    place.file("src/more", noise(1, 1 << 20));
    let mut generation = 0_u32;
    for round in 0..12 {
        let mut running = place.lifeboat();
        let running = running.args(["backup", "src"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = running.spawn().unwrap();
        // Always of the same size, as fast as can be, until just after it ends.
        while running.try_wait().unwrap().is_none() {
            generation += 1;
            fs::write(&path, format!("{generation:010}")).unwrap();
        }
        // It may have met the file changing, or empty between truncation and writing.
        place.run(["backup", "src"]).expect_code(0);
        let last = format!("{generation:010}");
        assert_eq!(cat(&place, "src/file"), last.as_bytes(), "round {round}");
    }
    println!("{generation} writes");
}

#[test]
fn inodes_and_ctimes_count_unless_they_are_ignored() {
    let place = Place::with_key_file();
    let path = place.file("src/file", noise(1, 100_000));
    settle();
    backup(&place, &[]);
    // Another file of the same content, size and mtime, as a network file system may show it.
    let replace = || {
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        let other = place.path("src/.other");
        fs::copy(&path, &other).unwrap();
        File::open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &path).unwrap();
        settle();
    };
    for (options, read) in [
        (&["--ignore-ctime"][..], 100_000),
        (&["--ignore-inode"], 100_000),
        (&["--ignore-inode", "--ignore-ctime"], 0),
    ] {
        replace();
        let stats = backup(&place, options);
        assert_eq!(costs(&stats)[..2], [read, 0], "{options:?}: {stats:#}");
    }
}

#[test]
fn kinds_say_what_is_compared_with() {
    let place = Place::with_key_file();
    place.file("src/old", noise(1, 100_000));
    settle();
    let run = |kind: &str| {
        let report = place.json(["backup", "src", "--kind", kind]);
        let said = (report["kind"].clone(), report["parent"].clone());
        (said, costs(&report["stats"])[0], report["snapshot"].clone())
    };
    // Without a parent the first reads everything, whatever was asked for.
    let (said, read, full) = run("incremental");
    assert_eq!((said, read), (("full".into(), Value::Null), 100_000));
    place.file("src/new", noise(2, 50_000));
    settle();
    let (said, read, second) = run("incremental");
    assert_eq!((said, read), (("incremental".into(), full.clone()), 50_000));
    // Against the full one, so that the new file is read again; nothing of it is stored.
    let (said, read, _) = run("differential");
    assert_eq!((said, read), (("differential".into(), full), 50_000));
    let (said, read, _) = run("full");
    assert_eq!((said, read), (("full".into(), Value::Null), 150_000));
    // Each restores by itself.
    let second = second.as_str().unwrap();
    place.ok(["restore", second, "--target", "out"]);
    let restored = place.path("out").join(place.path("src/new").strip_prefix("/").unwrap());
    assert_eq!(fs::read(restored).unwrap(), noise(2, 50_000));
}

/// The id of the root's tree in the newest snapshot.
fn tree_of_latest(place: &Place, entry: &Value) -> String {
    let key = format!("log/{:016x}", entry.as_u64().unwrap());
    let object = place.json(["inspect", &key]);
    object["content"]["snapshots"][0]["roots"][0]["tree"].as_str().unwrap().to_owned()
}

#[test]
fn a_named_source_may_be_mounted_elsewhere() {
    let place = Place::with_key_file();
    place.file("monday/volume/dir/file", noise(1, 200_000));
    place.file("monday/volume/other", "other");
    settle();
    place.ok(["backup", "--source", "data", "monday/volume"]);
    fs::rename(place.path("monday"), place.path("tuesday")).unwrap();
    let moved = place.json(["backup", "--source", "data", "tuesday/volume"]);
    assert_eq!(costs(&moved["stats"]), [0, 0, 0, 0], "{moved:#}");
    let shown = place.json(["snapshots", "--source", "data"]);
    let [first, second] = [0, 1].map(|at| tree_of_latest(&place, &shown["snapshots"][at]["entry"]));
    assert_eq!(first, second);
    // Without a name it is another source, which deduplicates all the same.
    let other = place.json(["backup", "tuesday/volume"]);
    let [read, new, metadata, objects] = costs(&other["stats"]);
    assert_eq!((read, new, metadata, objects), (200_005, 0, 0, 0), "{other:#}");
}
