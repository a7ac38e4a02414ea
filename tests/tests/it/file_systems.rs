//! Repositories on file systems of several kinds: the main job, a full one, a power cut, and mounts
//! that are missing. Those that have to be mounted need root.

use lifeboat_testkit::skip::skip;
use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use e2e::{Mount, Place, noise};
use lifeboat_testkit::same_tree::assert_same_tree;
use rstest::rstest;

const REPO: [&str; 2] = ["--repo", "disk/repo"];

/// A place whose folder `disk` is a new file system, with a repository in it; `None` where that can't be.
fn place_on(kind: &str, mebibytes: u64, options: &str) -> Option<(Mount, Place)> {
    let place = Place::new();
    let mount = Mount::image(&place.folder("disk"), &place.path("image"), mebibytes, kind, options);
    match mount {
        Ok(mount) => Some((mount, place.keyed(&REPO))),
        Err(reason) => {
            skip(reason);
            None
        }
    }
}

fn ok(place: &Place, arguments: &[&str]) {
    place.ok(arguments.iter().chain(&REPO));
}

fn assert_restores(place: &Place, target: &str) {
    ok(place, &["restore", "latest", "--target", target]);
    let source = place.path("src");
    assert_same_tree(&source, &place.path(target).join(source.strip_prefix("/").unwrap()));
}

fn write_source(place: &Place) {
    for number in 0..12 {
        place.file(format!("src/dir {}/{number}", number % 3), noise(number, 1 << 20));
    }
    place.file("src/small", "small");
    symlink("small", place.path("src/link")).unwrap();
}

#[rstest]
#[case::ext2("ext2", 128, "noatime")]
#[case::ext4_in_step("ext4", 128, "sync,dirsync,data=journal")]
#[case::xfs("xfs", 320, "noatime")]
#[case::btrfs("btrfs", 256, "noatime")]
fn the_main_job(#[case] kind: &str, #[case] mebibytes: u64, #[case] options: &str) {
    let Some((mount, place)) = place_on(kind, mebibytes, options) else { return };
    write_source(&place);
    ok(&place, &["backup", "src"]);
    assert_restores(&place, "first");
    place.file("src/small", "larger than it was");
    fs::remove_file(place.path("src/link")).unwrap();
    place.file("src/new", noise(99, 3 << 20));
    ok(&place, &["backup", "src"]);
    ok(&place, &["check", "--read-data"]);
    assert_restores(&place, "second");
    // Nothing of it was only in memory.
    drop(mount);
    let mounted = Mount::existing(&place.path("disk"), &place.path("image"), "ro").unwrap();
    ok(&place, &["check", "--read-data"]);
    assert_restores(&place, "third");
    drop(mounted);
}

/// The file that the file system is in has what was written to the disk at that moment, and nothing
/// of what is in the system's memory only: a copy of it is what a power cut leaves.
#[test]
fn what_was_told_to_be_stored_survives_a_power_cut() {
    // The journal is not written but for what is synced, so that the copy is of one moment.
    let Some((mount, place)) = place_on("ext4", 192, "commit=300") else { return };
    write_source(&place);
    let last = place.path("last");
    for round in 0..6 {
        place.file("src/changing", noise(1000 + round, 2 << 20));
        ok(&place, &["backup", "src"]);
        fs::copy(place.path("image"), &last).unwrap();
        let cut = place.folder("cut");
        let after = Mount::existing(&cut, &last, "noatime").unwrap();
        let there = ["--repo", "cut/repo"];
        place.ok(["check", "--read-data"].iter().chain(&there));
        let target = format!("out {round}");
        place.ok(["restore", "latest", "--target", &target].iter().chain(&there));
        let source = place.path("src");
        assert_same_tree(&source, &place.path(&target).join(source.strip_prefix("/").unwrap()));
        place.ok(["backup", "src"].iter().chain(&there));
        // The copy's log has gone on; that of the original would be taken for one that was put back.
        fs::remove_dir_all(place.path("home/.local/state/lifeboat")).unwrap();
        drop(after);
    }
    drop(mount);
}

#[test]
fn a_full_disk_takes_nothing_back() {
    let Some((mount, place)) = place_on("ext4", 16, "noatime") else { return };
    place.file("small/file", "fits");
    place.file("src/large", noise(1, 24 << 20));
    ok(&place, &["backup", "small"]);
    let refused = place.run(["backup", "src"].iter().chain(&REPO)).expect_code(1);
    assert!(refused.stderr().contains("o space left"), "{refused:?}");
    ok(&place, &["check", "--read-data"]);
    ok(&place, &["restore", "latest", "--target", "out"]);
    assert!(!has_files(&place.path("disk/repo/tmp")), "what failed was tidied away");
    drop(mount);
}

fn has_files(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut found| found.next().is_some())
}

#[test]
fn what_a_killed_run_has_left_is_collected_by_a_run_of_the_next_day() {
    let place = Place::with_key_file();
    place.file("src/file", "1");
    place.ok(["backup", "src"]);
    let old = place.file("repo/tmp/4711-3", "half a pack");
    let young = place.file("repo/tmp/4711-4", "half a pack of a run at work");
    let yesterday = fs::metadata(&old).unwrap().modified().unwrap() - Duration::from_hours(25);
    fs::File::options().write(true).open(&old).unwrap().set_modified(yesterday).unwrap();
    place.file("src/file", "2");
    place.ok(["backup", "src"]);
    assert!(!old.exists() && young.exists());
    place.ok(["check"]);
}

#[test]
fn a_network_file_system_that_is_not_mounted() {
    let place = Place::with_key_file();
    let mount_point = place.folder("mnt");
    place.file("src/file", "1");
    let url = format!("nfs://{}", mount_point.join("repo").display());
    for command in [["init", "--repo", &url].as_slice(), &["backup", "src", "--repo", &url]] {
        let refused = place.run(command);
        assert!(!matches!(refused.code(), Some(0)), "{refused:?}");
        assert!(refused.stderr().contains("mounted"), "{refused:?}");
    }
    assert!(!has_files(&mount_point), "nothing was made on the disk below");
}

/// A backup of one file system has a mount point as an empty directory: what is mounted there is not extraneous.
#[test]
fn delete_leaves_what_is_mounted_alone() {
    let place = Place::new().keyed(&[]);
    place.folder("src/mnt");
    place.file("src/file", "content");
    std::thread::sleep(Duration::from_millis(60));
    place.ok(["backup", "src"]);
    let part = format!("latest:{}", place.path("src").display());
    place.ok(["restore", &part, "--target", "out"]);
    let mount = match Mount::tmpfs(&place.path("out/mnt"), 16) {
        Ok(mount) => mount,
        Err(reason) => return skip(reason),
    };
    place.file("out/mnt/deep/precious", "precious");
    place.file("out/extra/file", "extra");
    let said = place.ok(["restore", &part, "--target", "out", "--delete"]);
    assert!(said.stdout().contains("2 deleted"), "{said:?}");
    assert!(place.path("out/mnt/deep/precious").exists() && !place.path("out/extra").exists());
    drop(mount);
}
