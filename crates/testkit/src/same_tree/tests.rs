use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

use rustix::fs::{CWD, FileType, IFlags, Mode, XattrFlags, ioctl_setflags, lsetxattr, mknodat};

use super::*;
use crate::tree::{Awkward, Scratch, is_root};

/// Two equal trees of which `change` changes the second; the aspects that then differ.
fn aspects(make: impl Fn(&Path), change: impl Fn(&Path)) -> Vec<Aspect> {
    let (a, b) = (Scratch::new().unwrap(), Scratch::new().unwrap());
    make(a.path());
    make(b.path());
    change(b.path());
    let found = differences(a.path(), b.path()).unwrap();
    let mut aspects = Vec::from_iter(found.iter().map(|difference| difference.aspect));
    aspects.retain(|aspect| *aspect != Aspect::Mtime);
    aspects
}

fn file(dir: &Path) {
    fs::write(dir.join("file"), "content").unwrap();
}

#[test]
fn a_tree_is_the_same_as_itself_and_a_copy_by_other_hands_is_not_missed() {
    let scratch = Scratch::new().unwrap();
    Awkward { depth: 900, members: 10 }.build(scratch.path()).unwrap();
    assert_same_tree(scratch.path(), scratch.path());
}

#[test]
fn each_aspect_is_told() {
    let done = |result: io::Result<()>| result.unwrap();
    assert_eq!(aspects(file, |_| {}), []);
    assert_eq!(aspects(file, |d| done(fs::remove_file(d.join("file")))), [Aspect::Presence]);
    assert_eq!(aspects(file, |d| done(fs::create_dir(d.join("more")))), [Aspect::Presence]);
    assert_eq!(aspects(file, |d| done(fs::write(d.join("file"), "CONTENT"))), [Aspect::Content]);
    assert_eq!(aspects(file, |d| done(fs::write(d.join("file"), "short"))), [Aspect::Size]);
    let mode = fs::Permissions::from_mode(0o4700);
    let chmod = |d: &Path| done(fs::set_permissions(d.join("file"), mode.clone()));
    assert_eq!(aspects(file, chmod), [Aspect::Mode]);
    let xattr = |d: &Path| {
        lsetxattr(d.join("file"), "user.x", b"y", XattrFlags::empty()).unwrap();
    };
    assert_eq!(aspects(file, xattr), [Aspect::Xattrs]);
    let link = |target: &'static str| move |d: &Path| symlink(target, d.join("link")).unwrap();
    let relink = |d: &Path| {
        fs::remove_file(d.join("link")).unwrap();
        link("b")(d);
    };
    assert_eq!(aspects(link("a"), relink), [Aspect::Target]);
    let fifo = |d: &Path| {
        fs::remove_file(d.join("file")).unwrap();
        mknodat(CWD, d.join("file"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    };
    assert_eq!(aspects(file, fifo), [Aspect::Kind]);
}

#[test]
fn times_are_compared_to_the_nanosecond() {
    let (a, b) = (Scratch::new().unwrap(), Scratch::new().unwrap());
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 5);
    for tree in [&a, &b] {
        file(tree.path());
        File::open(tree.join("file")).unwrap().set_modified(time).unwrap();
        File::open(tree.path()).unwrap().set_modified(time).unwrap();
    }
    assert_same_tree(a.path(), b.path());
    let later = time + std::time::Duration::from_nanos(1);
    File::open(b.join("file")).unwrap().set_modified(later).unwrap();
    let found = differences(a.path(), b.path()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].aspect, found[0].path.as_slice()), (Aspect::Mtime, &b"file"[..]));
}

#[test]
fn links_and_holes_are_told() {
    let linked = |d: &Path| {
        file(d);
        fs::hard_link(d.join("file"), d.join("other")).unwrap();
    };
    let unlink = |d: &Path| {
        fs::remove_file(d.join("other")).unwrap();
        fs::copy(d.join("file"), d.join("other")).unwrap();
    };
    assert_eq!(aspects(linked, unlink), [Aspect::Links, Aspect::Links]);
    let sparse = |d: &Path| {
        let file = File::create(d.join("sparse")).unwrap();
        file.set_len(1 << 20).unwrap();
        file.write_all_at(b"data", 500_000).unwrap();
    };
    let fill = |d: &Path| {
        let bytes = fs::read(d.join("sparse")).unwrap();
        fs::write(d.join("sparse"), bytes).unwrap();
    };
    assert_eq!(aspects(sparse, fill), [Aspect::Holes]);
    assert_eq!(aspects(sparse, |_| {}), []);
}

#[test]
fn flags_owners_and_devices_are_told_where_root_can_set_them() {
    let flag = |d: &Path| {
        let file = File::open(d.join("file")).unwrap();
        // Other file systems than the usual ones may have no flags; then nothing differs.
        let _tried = ioctl_setflags(&file, IFlags::NODUMP);
    };
    assert!(matches!(aspects(file, flag).as_slice(), [] | [Aspect::Flags]));
    if !is_root() {
        crate::skip::skip("owners and devices need root");
        return;
    }
    let own = |d: &Path| std::os::unix::fs::chown(d.join("file"), Some(1), Some(2)).unwrap();
    assert_eq!(aspects(file, own), [Aspect::Owner]);
    let device = |minor| {
        move |d: &Path| {
            let number = rustix::fs::makedev(1, minor);
            let made =
                mknodat(CWD, d.join("device"), FileType::CharacterDevice, Mode::RUSR, number);
            made.unwrap();
        }
    };
    let other = |d: &Path| {
        fs::remove_file(d.join("device")).unwrap();
        device(5)(d);
    };
    assert_eq!(aspects(device(3), other), [Aspect::Device]);
}
