use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lifeboat_testkit::tree::{Awkward, Scratch, is_root};
use rustix::fs::{XattrFlags, lsetxattr};

use super::*;
use crate::source::exclude::Excludes;
use crate::source::read::{Caching, open_file};
use crate::source::walk::{Walk, WalkOptions};

fn items(root: &Path) -> impl Iterator<Item = WalkItem> {
    Walk::new(root, &WalkOptions::default(), &Excludes::none()).unwrap().map(Result::unwrap)
}

/// The metadata of everything below `root`, by path.
fn all(root: &Path) -> HashMap<String, Meta> {
    let reader = MetaReader::new();
    let read = |item: WalkItem| {
        let meta = reader.read(&item, None).unwrap();
        (item.key.to_string(), meta)
    };
    items(root).map(read).collect()
}

#[test]
fn everything_in_the_awkward_tree_makes_a_valid_entry() {
    let scratch = Scratch::new().unwrap();
    let skipped = Awkward::default().build(scratch.path()).unwrap();
    let all = all(scratch.path());
    for (path, meta) in &all {
        assert_eq!(meta.problems, [], "{path}");
        meta.entry.check().unwrap();
    }
    let entry = |path: &str| &all[path].entry;
    assert_eq!(entry("symlinks/not UTF-8").target, b"\xff\x80\n");
    assert_eq!(entry("symlinks/long").target.len(), 4000);
    assert_eq!(entry("specials/socket").kind, EntryKind::Socket);
    assert_eq!(entry("links/file 1").links, 3);
    assert_eq!(entry("links/file 1").inode, entry("links/other/file 3").inode);
    assert_eq!(entry("links/link 1").links, 2);
    assert_eq!(entry("links").links, 1, "a directory's links say nothing");
    assert_eq!(entry("times/before the epoch").mtime.secs, -1);
    assert_eq!(entry("times/before the epoch").mtime.nanos, 999_999_999);
    assert_eq!(entry("times/symlink").mtime.nanos, 5);
    if !skipped.is_empty() {
        // The rest needs root and an ext4.
        return;
    }
    let value = |path: &str, name: &str| entry(path).xattrs.get(name.as_bytes()).map(Vec::as_slice);
    assert_eq!(value("attributes/file", "user.empty"), Some(&b""[..]));
    assert_eq!(value("attributes/file", "user.binary"), Some(&b"\0\xff\n\0"[..]));
    assert_eq!(value("attributes/file", "security.capability").map(<[u8]>::len), Some(20));
    assert_eq!(value("attributes/symlink", "trusted.of a symlink"), Some(&b"yes"[..]));
    assert_eq!(value("attributes/fifo", "trusted.of a fifo"), Some(&b"yes"[..]));
    assert!(value("attributes/directory", "system.posix_acl_default").is_some());
    assert!(value("attributes/with an ACL", "system.posix_acl_access").is_some());
    let long = &all["attributes/long value"];
    assert!(long.entry.xattrs.is_empty());
    assert_eq!(
        (long.long_xattrs[0].0.as_slice(), long.long_xattrs[0].1.len()),
        (&b"user.long"[..], 3000)
    );
    assert_eq!(entry("owners/somebody's link").uid, 4_000_000_000);
    assert_eq!(entry("owners/somebody's link").user, b"");
    assert_eq!(entry("specials/character device").rdev, Some(Device { major: 1, minor: 3 }));
    assert_eq!(entry("specials/block device").rdev, Some(Device { major: 259, minor: 300_000 }));
    assert_eq!(entry("modes/file 4755").mode, 0o4755);
    assert_eq!(entry("flags/immutable").flags, 0x10);
    assert_eq!(entry("flags/append only").flags, 0x20);
    assert_eq!(entry("flags/no dump").flags, 0x40);
    assert_eq!(entry("flags/no dump directory").flags, 0x40);
    // Nothing of how the file system keeps a file.
    assert_eq!(entry("contents/64 bytes").flags, 0);
}

#[test]
fn an_open_file_and_a_closed_one_give_the_same() {
    let scratch = Scratch::new().unwrap();
    let path = scratch.join("file");
    fs::write(&path, "content").unwrap();
    let with_xattr = lsetxattr(&path, "user.name", b"value", XattrFlags::empty()).is_ok();
    let item = items(&path).next().unwrap();
    let reader = MetaReader::new();
    let closed = reader.read(&item, None).unwrap();
    let open = reader.read(&item, Some(&open_file(&item, Caching::Usual).unwrap())).unwrap();
    assert_eq!(closed, open);
    assert_eq!(open.entry.xattrs.len(), usize::from(with_xattr));
    assert_eq!(open.entry.size, 0, "left for the reader of the content");
}

#[test]
fn names_of_owners_are_those_of_the_system() {
    let owners = OwnerNames::default();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    if passwd.lines().any(|line| line.starts_with("root:x:0:")) {
        assert_eq!(owners.user(0), b"root");
        assert_eq!(owners.user(0), b"root", "from memory");
        assert_eq!(owners.group(0), b"root");
    }
    assert_eq!(owners.user(4_012_345_678), b"");
    assert_eq!(owners.group(4_012_345_678), b"");
}

#[test]
fn attributes_beyond_the_room_in_the_entry_are_moved_out() {
    let scratch = Scratch::new().unwrap();
    let path = scratch.join("file");
    fs::write(&path, "").unwrap();
    let set = |name: &str, len| lsetxattr(&path, name, &vec![1; len], XattrFlags::empty());
    if set("user.a", XATTR_INLINE_MAX).is_err() || set("user.b", XATTR_INLINE_MAX + 1).is_err() {
        // No attributes here.
        return;
    }
    let meta = all(&path).remove("").unwrap();
    assert_eq!(Vec::from_iter(meta.entry.xattrs.keys()), [b"user.a"]);
    assert_eq!(meta.long_xattrs.len(), 1);
    assert_eq!(meta.long_xattrs[0].1.len(), XATTR_INLINE_MAX + 1);
}

#[test]
fn what_cannot_be_opened_still_makes_an_entry() {
    let scratch = Scratch::new().unwrap();
    let path = scratch.join("file");
    fs::write(&path, "").unwrap();
    let item = items(&path).next().unwrap();
    fs::remove_file(&path).unwrap();
    let meta = MetaReader::new().read(&item, None).unwrap();
    assert_eq!(meta.problems.len(), 1);
    assert!(meta.problems[0].error.contains("No such file"), "{}", meta.problems[0]);
    assert_eq!(meta.entry.inode, item.stat.inode);
    if is_root() {
        // Root opens everything.
        return;
    }
    fs::write(&path, "").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    fs::set_permissions(&path, mode).unwrap();
    let meta = all(&path).remove("").unwrap();
    assert_eq!(meta.problems, []);
    assert_eq!(meta.entry.mode, 0);
}

#[test]
fn a_link_that_went_makes_no_entry_and_what_was_replaced_a_problem() {
    let scratch = Scratch::new().unwrap();
    std::os::unix::fs::symlink("target", scratch.join("link")).unwrap();
    let link = items(&scratch.join("link")).next().unwrap();
    fs::remove_file(scratch.join("link")).unwrap();
    let problem = MetaReader::new().read(&link, None).unwrap_err();
    assert!(problem.path.ends_with("/link"), "{problem}");
    fs::create_dir(scratch.join("dir")).unwrap();
    let dir = items(&scratch.join("dir")).next().unwrap();
    fs::rename(scratch.join("dir"), scratch.join("old")).unwrap();
    fs::create_dir(scratch.join("dir")).unwrap();
    fs::write(scratch.join("file"), "").unwrap();
    let file = items(&scratch.join("file")).next().unwrap();
    fs::write(scratch.join("new"), "").unwrap();
    fs::rename(scratch.join("new"), scratch.join("file")).unwrap();
    for replaced in [dir, file] {
        let meta = MetaReader::new().read(&replaced, None).unwrap();
        assert!(meta.problems[0].error.contains("taken its place"), "{:?}", meta.problems);
    }
}

#[test]
fn access_times_are_left_alone() {
    let scratch = Scratch::new().unwrap();
    let path: PathBuf = scratch.join("dir");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("file"), "content").unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    for path in [path.join("file"), path.clone()] {
        let times = fs::FileTimes::new().set_accessed(long_ago);
        fs::File::open(&path).unwrap().set_times(times).unwrap();
    }
    for item in items(&path) {
        MetaReader::new().read(&item, None).unwrap();
        if item.stat.kind == EntryKind::File {
            open_file(&item, Caching::Usual).unwrap().read_at(0, &mut [0; 10]).unwrap();
        }
    }
    for path in [path.join("file"), path] {
        assert_eq!(path.metadata().unwrap().atime(), 1000);
    }
}
