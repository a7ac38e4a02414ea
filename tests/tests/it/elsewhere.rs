//! Restores that don't go into a directory: a tar archive, stdout, a block device.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use e2e::{Place, noise, python};
use lifeboat_testkit::{
    same_tree::{Aspect, differences},
    skip::skip,
    tree::Awkward,
};

/// A place with a snapshot of `src`.
fn backed_up(fill: impl FnOnce(&Place)) -> Place {
    let place = Place::new().keyed(&[]);
    place.folder("src");
    fill(&place);
    thread::sleep(Duration::from_millis(60));
    place.ok(["backup", "src"]);
    place
}

fn sparse(place: &Place) {
    let path = place.file("src/thin/sparse", noise(1, 100_000));
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(40 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &noise(2, 70_000), 20 << 20).unwrap();
    let hole = fs::File::create(place.path("src/thin/hole")).unwrap();
    hole.set_len(9 << 20).unwrap();
}

fn whole(place: &Place, name: &str) -> String {
    format!("latest:{}", place.path(name).display())
}

#[test]
fn tar_has_everything_that_tar_can_have() {
    let place = backed_up(|place| {
        Awkward { depth: 30, members: 60 }.build(&place.path("src")).unwrap();
        place.file(format!("src/{}", "long name ".repeat(20)), "long");
        sparse(place);
    });
    place.folder("out");
    let script = "lifeboat restore latest:\"$PWD/src\" --target tar:- --quiet > stream.tar || [ $? = 3 ]
        tar --extract --preserve-permissions --xattrs --xattrs-include='*' --file stream.tar --directory out";
    let said = e2e::Outcome::of(&mut place.shell(script)).expect_code(0);
    // Sockets and flags there are none of in an archive, and directories' own ends are not Lifeboat's.
    let except = [Aspect::Flags, Aspect::Xattrs];
    let found = differences(&place.path("src"), &place.path("out")).unwrap();
    let left: Vec<String> = found
        .iter()
        .filter(|difference| !except.contains(&difference.aspect))
        .filter(|difference| !is_socket(&place.path("src"), &difference.path))
        .map(ToString::to_string)
        .collect();
    assert_eq!(left, [""; 0], "{said:?}");
    let holes = |name: &str| fs::metadata(place.path(name)).unwrap().blocks() * 512;
    assert!(holes("out/thin/sparse") < 1 << 20 && holes("out/thin/hole") == 0);
    assert!(fs::metadata(place.path("stream.tar")).unwrap().len() < 30 << 20);
}

/// Whether it is a socket, or a directory whose time is that of its having one.
fn is_socket(root: &Path, path: &[u8]) -> bool {
    use std::os::unix::{ffi::OsStrExt as _, fs::FileTypeExt as _};
    let path = root.join(std::ffi::OsStr::from_bytes(path));
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

#[test]
fn another_reader_sees_the_same_archive() {
    let place = backed_up(|place| {
        place.file("src/a/file", "content");
        place.file(format!("src/{}", "x".repeat(180)), "long");
        sparse(place);
        fs::hard_link(place.path("src/a/file"), place.path("src/b")).unwrap();
        std::os::unix::fs::symlink("a/file", place.path("src/link")).unwrap();
    });
    let report = place.json(["restore", &whole(&place, "src"), "--target", "tar:archive.tar"]);
    assert_eq!((&report["files"], &report["links"]), (&4.into(), &1.into()), "{report:#}");
    assert_eq!(report["problems"]["count"], 0, "{report:#}");
    let script = "
import tarfile
for member in tarfile.open('archive.tar'):
    kind = {b'5': 'dir', b'2': 'link', b'1': 'hard'}.get(member.type, 'file')
    said = member.linkname if kind in ('link', 'hard') else ''
    print(kind, member.name, member.size, '%.9f' % member.mtime, said)
";
    let listed =
        Command::new(python()).args(["-c", script]).current_dir(place.path("")).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let line = |kind: &str, name: &str| {
        let start = format!("{kind} {name} ");
        let found = text.lines().find(|line| line.starts_with(&start));
        found.unwrap_or_else(|| panic!("{start}: {text}")).to_owned()
    };
    assert!(line("file", &"x".repeat(180)).contains(" 4 "));
    assert!(line("file", "thin/sparse").contains(&format!(" {} ", 40 << 20)), "{text}");
    assert!(line("hard", "b").ends_with(" a/file"));
    assert!(line("link", "link").ends_with(" a/file"));
    line("dir", "a");
    // A file that is there is not replaced.
    let part = whole(&place, "src");
    let said = place.run(["restore", &part, "--target", "tar:archive.tar"]).expect_code(1);
    assert!(said.stderr().contains("archive.tar"), "{said:?}");
    for option in ["--delete", "--verify", "--dry-run", "--no-sync", "--overwrite=never"] {
        place.run(["restore", &part, "--target", "tar:other.tar", option]).expect_code(2);
    }
    place.run(["restore", &part, "--target", "tar:-", "--json"]).expect_code(2);
    assert!(!place.path("other.tar").exists());
}

#[test]
fn what_is_damaged_is_told_and_the_archive_is_whole() {
    let place = backed_up(|place| {
        place.file("src/bad", noise(1, 300_000));
        place.file("src/good", noise(2, 5000));
    });
    place.file("src/later", "later");
    place.ok(["backup", "src"]);
    // The first backup's pack is gone; what came later is in another one.
    let first = oldest_pack(&place.path("repo/packs"));
    fs::remove_file(&first).unwrap();
    let report =
        place.json_with(3, ["restore", &whole(&place, "src"), "--target", "tar:archive.tar"]);
    let text = report["problems"]["first"].to_string();
    assert!(text.contains("bad") && text.contains("zeros from about byte 0"), "{report:#}");
    let listed =
        Command::new("tar").args(["-tf", "archive.tar"]).current_dir(place.path("")).output();
    let names = String::from_utf8(listed.unwrap().stdout).unwrap();
    assert_eq!(names.lines().collect::<Vec<_>>(), ["./", "bad", "good", "later"]);
}

fn oldest_pack(folder: &Path) -> PathBuf {
    let inner =
        fs::read_dir(folder).unwrap().flat_map(|dir| fs::read_dir(dir.unwrap().path()).unwrap());
    let packs = inner.map(|pack| pack.unwrap().path());
    packs.min_by_key(|pack| fs::metadata(pack).unwrap().modified().unwrap()).unwrap()
}

#[test]
fn one_file_to_stdout() {
    let place = backed_up(|place| {
        sparse(place);
    });
    let said = place.ok(["restore", &whole(&place, "src/thin/sparse"), "--to-stdout"]);
    assert!(said.bytes() == fs::read(place.path("src/thin/sparse")).unwrap());
    place.run(["restore", "latest", "--to-stdout"]).expect_code(2);
    place.run(["restore", &whole(&place, "src"), "--to-stdout"]).expect_code(2);
    place.run(["restore", &whole(&place, "src/thin/sparse")]).expect_code(2);
}

#[test]
fn a_file_to_a_block_device() {
    let place = backed_up(|place| {
        sparse(place);
    });
    let disk = place.file("disk", noise(9, 64 << 20));
    let loops = Command::new("losetup").args(["--find", "--show"]).arg(&disk).output();
    let device = match loops {
        Ok(said) if said.status.success() => {
            String::from_utf8(said.stdout).unwrap().trim().to_owned()
        }
        Ok(said) => return skip(String::from_utf8_lossy(&said.stderr)),
        Err(error) => return skip(error),
    };
    let part = whole(&place, "src/thin/sparse");
    let outcome = place.run(["restore", &part, "--target", &device]);
    let refused = place.run(["restore", &part, "--target", &device, "--delete"]);
    let unnamed = place.run(["restore", "latest", "--target", &device]);
    let held = Command::new("losetup").args(["--detach", &device]).status().unwrap();
    assert!(held.success());
    let said = outcome.expect_code(0);
    assert!(said.stdout().contains("restored 1 file"), "{said:?}");
    refused.expect_code(2);
    unnamed.expect_code(2);
    let wanted = fs::read(place.path("src/thin/sparse")).unwrap();
    let found = fs::read(&disk).unwrap();
    assert!(found[..wanted.len()] == wanted);
    assert!(found[wanted.len()..] == noise(9, 64 << 20)[wanted.len()..], "what is behind stays");
}
