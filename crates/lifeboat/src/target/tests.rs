//! Nothing leaves the target, nothing there is replaced, and metadata comes back.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use lifeboat_testkit::tree::Scratch;
use rustix::fs::IFlags;
use tempfile::TempDir;

use super::dir::Target;
use super::meta::{LastFlags, Skipped};
use super::node::Special;
use super::*;

const HOSTILE: [&[u8]; 7] = [b"", b".", b"..", b"a/b", b"/etc", b"../up", b"a\0b"];

fn target() -> (TempDir, Arc<Dir>) {
    let temp = TempDir::new().unwrap();
    let target = Target::open(temp.path()).unwrap();
    (temp, Arc::new(target.dir))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn finish(node: &Node, dir: &Dir, meta: &Metadata) -> (Vec<String>, Skipped) {
    let writer = MetaWriter::new(true);
    let mut faults = Vec::new();
    writer.finish(node, dir, meta, LastFlags::Now, &mut |fault| faults.push(fault.to_string()));
    (faults, writer.skipped())
}

fn own() -> Metadata {
    Metadata {
        mode: 0o640,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime_secs: 1_234_567_890,
        mtime_nanos: 123_456_789,
        ..Metadata::default()
    }
}

#[test]
fn no_hostile_name_is_used_by_any_call() {
    let (temp, dir) = target();
    let file = Node::create_file(&dir, b"file").unwrap();
    for name in HOSTILE {
        assert!(dir.make_or_enter(name).is_err());
        assert!(dir.descend(std::iter::once(name)).is_err());
        assert!(Node::create_file(&dir, name).is_err());
        assert!(Node::create_symlink(&dir, name, b"x").is_err());
        assert!(Node::create_special(&dir, name, Special::Fifo).is_err());
        assert!(Node::link((&dir, b"file"), file.id(), &dir, name).is_err());
        assert!(file.remove(&dir, name).is_err());
        let fault = Node::create_file(&dir, name).unwrap_err();
        assert!(fault.to_string().contains("no file can have"), "{fault}");
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
}

#[test]
fn a_planted_link_to_a_directory_is_not_entered() {
    let outside = TempDir::new().unwrap();
    let (temp, dir) = target();
    symlink(outside.path(), temp.path().join("a")).unwrap();
    let fault = dir.make_or_enter(b"a").unwrap_err();
    assert!(fault.to_string().contains("never followed"), "{fault}");
    assert!(!fault.ends_run());
    assert!(dir.descend([b"a".as_slice()].into_iter()).is_err());
    let mut stack = DirStack::new(Arc::clone(&dir));
    assert!(stack.enter(b"a").is_err());
    assert_eq!(stack.depth(), 0);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_link_in_the_middle_of_a_long_way_is_not_followed() {
    let outside = TempDir::new().unwrap();
    fs::create_dir(outside.path().join("c")).unwrap();
    let (temp, dir) = target();
    fs::create_dir(temp.path().join("a")).unwrap();
    symlink(outside.path(), temp.path().join("a/b")).unwrap();
    let names: [&[u8]; 3] = [b"a", b"b", b"c"];
    assert!(dir.descend(names.into_iter()).is_err());
    fs::remove_file(temp.path().join("a/b")).unwrap();
    fs::create_dir_all(temp.path().join("a/b/c")).unwrap();
    let found = dir.descend(names.into_iter()).unwrap();
    assert_eq!(found.id().inode, fs::metadata(temp.path().join("a/b/c")).unwrap().ino());
}

#[test]
fn what_is_there_is_neither_replaced_nor_written_through() {
    let outside = TempDir::new().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "untouched").unwrap();
    let (temp, dir) = target();
    fs::write(temp.path().join("file"), "mine").unwrap();
    symlink(&secret, temp.path().join("link")).unwrap();
    symlink(outside.path().join("new"), temp.path().join("dangling")).unwrap();
    for name in [b"file".as_slice(), b"link", b"dangling"] {
        for fault in [
            Node::create_file(&dir, name).unwrap_err(),
            Node::create_symlink(&dir, name, b"x").unwrap_err(),
            Node::create_special(&dir, name, Special::Socket).unwrap_err(),
        ] {
            assert!(fault.is_there_already(), "{fault}");
        }
    }
    assert_eq!(fs::read_to_string(temp.path().join("file")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "untouched");
    assert!(!outside.path().join("new").exists());
}

#[test]
fn a_directory_swapped_for_a_link_is_noticed_on_the_way_back() {
    let outside = TempDir::new().unwrap();
    let (temp, dir) = target();
    let mut stack = DirStack::new(dir).with_open_max(1);
    for name in [b"a".as_slice(), b"b", b"c"] {
        stack.enter(name).unwrap();
    }
    fs::rename(temp.path().join("a/b"), temp.path().join("elsewhere")).unwrap();
    symlink(outside.path(), temp.path().join("a/b")).unwrap();
    // Through `..` the directory itself is found, wherever it is now; nothing is written elsewhere.
    let left = stack.leave().unwrap().unwrap();
    assert_eq!(left.id().inode, fs::metadata(temp.path().join("elsewhere/c")).unwrap().ino());
    let back = stack.current().unwrap();
    assert_eq!(back.id().inode, fs::metadata(temp.path().join("elsewhere")).unwrap().ino());
    Node::create_file(&back, b"file").unwrap();
    assert!(temp.path().join("elsewhere/file").exists());
    // Its parent by `..` is the target now, not `a`: so the way is gone down again by name.
    assert!(stack.leave().unwrap().is_ok());
    assert_eq!(
        stack.current().unwrap().id().inode,
        fs::metadata(temp.path().join("a")).unwrap().ino()
    );
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn another_directory_in_its_place_is_refused() {
    let (temp, dir) = target();
    let mut stack = DirStack::new(dir).with_open_max(1);
    stack.enter(b"a").unwrap();
    stack.enter(b"b").unwrap();
    fs::rename(temp.path().join("a"), temp.path().join("old")).unwrap();
    fs::rename(temp.path().join("old/b"), temp.path().join("b")).unwrap();
    fs::create_dir(temp.path().join("a")).unwrap();
    assert!(stack.leave().unwrap().is_ok());
    let fault = stack.current().unwrap_err();
    assert!(fault.to_string().contains("another directory"), "{fault}");
}

#[test]
fn five_thousand_levels_need_few_open_directories() {
    let temp = Scratch::new().unwrap();
    let dir = Arc::new(Target::open(temp.path()).unwrap().dir);
    let mut stack = DirStack::new(dir).with_open_max(3);
    for level in 0..5000 {
        let dir = stack.enter(b"directory").unwrap();
        if level % 1000 == 0 {
            Node::create_file(&dir, b"file").unwrap();
        }
    }
    let open = fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(open < 200, "{open} descriptors");
    while let Some(left) = stack.leave() {
        Node::create_file(&left.unwrap(), b"on the way back").unwrap();
    }
    assert!(temp.join("directory/on the way back").exists());
}

#[test]
fn a_hard_link_goes_only_to_what_this_run_made() {
    let (temp, dir) = target();
    let file = Node::create_file(&dir, b"first").unwrap();
    Node::link((&dir, b"first"), file.id(), &dir, b"second").unwrap();
    assert_eq!(fs::metadata(temp.path().join("second")).unwrap().nlink(), 2);
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "").unwrap();
    fs::remove_file(temp.path().join("first")).unwrap();
    symlink(outside.path().join("secret"), temp.path().join("first")).unwrap();
    let fault = Node::link((&dir, b"first"), file.id(), &dir, b"third").unwrap_err();
    assert!(fault.to_string().contains("removed or replaced"), "{fault}");
    assert!(fs::symlink_metadata(temp.path().join("third")).is_err());
    assert_eq!(fs::metadata(outside.path().join("secret")).unwrap().nlink(), 1);
}

#[test]
fn only_ones_own_file_is_removed() {
    let (temp, dir) = target();
    let file = Node::create_file(&dir, b"file").unwrap();
    fs::rename(temp.path().join("file"), temp.path().join("moved")).unwrap();
    fs::write(temp.path().join("file"), "somebody's").unwrap();
    file.remove(&dir, b"file").unwrap();
    assert!(temp.path().join("file").exists());
    file.remove(&dir, b"moved").unwrap();
    file.remove(&dir, b"moved").unwrap();
    assert!(!temp.path().join("moved").exists());
}

#[test]
fn holes_stay_holes_and_zeros_take_space() {
    let (temp, dir) = target();
    let node = Node::create_file(&dir, b"file").unwrap();
    file::set_size(&node, 3 << 20).unwrap();
    file::write_at(&node, b"abc", 1 << 20).unwrap();
    let path = temp.path().join("file");
    let before = fs::metadata(&path).unwrap();
    assert_eq!(before.len(), 3 << 20);
    assert!(before.blocks() * 512 < 1 << 20);
    file::write_zeros(&node, 2 << 20, 1 << 20).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert!(after.blocks() * 512 >= 1 << 20);
    assert_eq!(after.len(), 3 << 20);
    let mut content = Vec::new();
    fs::File::open(&path).unwrap().read_to_end(&mut content).unwrap();
    assert_eq!(&content[1 << 20..][..3], b"abc");
    assert_eq!(content.iter().filter(|byte| **byte != 0).count(), 3);
}

#[test]
fn a_files_metadata_comes_back() {
    let (temp, dir) = target();
    let node = Node::create_file(&dir, b"file").unwrap();
    let meta = Metadata {
        mode: 0o2751,
        xattrs: vec![(b"user.colour".to_vec(), b"blue\0green".to_vec())],
        ..own()
    };
    let (faults, skipped) = finish(&node, &dir, &meta);
    assert_eq!((faults, skipped), (Vec::new(), Skipped::default()));
    let found = fs::metadata(temp.path().join("file")).unwrap();
    assert_eq!(found.permissions().mode() & 0o7777, 0o2751);
    assert_eq!((found.mtime(), found.mtime_nsec()), (1_234_567_890, 123_456_789));
    let mut value = [0; 16];
    let len = rustix::fs::fgetxattr(&node, "user.colour", &mut value).unwrap();
    assert_eq!(&value[..len], b"blue\0green");
}

#[test]
fn times_before_1970_and_impossible_ones() {
    let (temp, dir) = target();
    let node = Node::create_file(&dir, b"file").unwrap();
    let old = Metadata { mtime_secs: -1000, mtime_nanos: 999_999_999, ..own() };
    assert_eq!(finish(&node, &dir, &old).0, Vec::<String>::new());
    let found = fs::metadata(temp.path().join("file")).unwrap();
    assert_eq!((found.mtime(), found.mtime_nsec()), (-1000, 999_999_999));
    let impossible = Metadata { mtime_nanos: 0x3fff_ffff, ..own() };
    assert!(finish(&node, &dir, &impossible).0[0].contains("time that can't be"));
    let nobody = Metadata { uid: u32::MAX, ..own() };
    assert!(finish(&node, &dir, &nobody).0[0].contains("owner that can't be"));
}

#[test]
fn links_and_special_files_get_their_own_metadata() {
    let (temp, dir) = target();
    fs::write(temp.path().join("pointed at"), "").unwrap();
    fs::set_permissions(temp.path().join("pointed at"), fs::Permissions::from_mode(0o600)).unwrap();
    let before = fs::metadata(temp.path().join("pointed at")).unwrap();
    let mut made = vec![
        (b"link".as_slice(), Node::create_symlink(&dir, b"link", b"pointed at").unwrap()),
        (b"fifo", Node::create_special(&dir, b"fifo", Special::Fifo).unwrap()),
        (b"socket", Node::create_special(&dir, b"socket", Special::Socket).unwrap()),
    ];
    let mut meta = own();
    if is_root() {
        let device = Special::Character(1, 3);
        made.push((b"null", Node::create_special(&dir, b"null", device).unwrap()));
        meta.xattrs.push((b"trusted.lifeboat".to_vec(), b"yes".to_vec()));
        (meta.uid, meta.gid) = (4321, 1234);
    }
    for (name, node) in &made {
        assert_eq!(finish(node, &dir, &meta).0, Vec::<String>::new());
        let path = temp.path().join(Path::new(std::str::from_utf8(name).unwrap()));
        let found = fs::symlink_metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid()), (meta.uid, meta.gid));
        assert_eq!((found.mtime(), found.mtime_nsec()), (1_234_567_890, 123_456_789));
        if !found.is_symlink() {
            assert_eq!(found.permissions().mode() & 0o7777, 0o640);
        }
        for (name, value) in &meta.xattrs {
            let mut buffer = [0; 16];
            let len = rustix::fs::lgetxattr(&path, name.as_slice(), &mut buffer).unwrap();
            assert_eq!(&buffer[..len], value);
        }
    }
    assert!(fs::symlink_metadata(temp.path().join("fifo")).unwrap().file_type().is_fifo());
    assert!(fs::symlink_metadata(temp.path().join("socket")).unwrap().file_type().is_socket());
    let after = fs::metadata(temp.path().join("pointed at")).unwrap();
    assert_eq!((before.mtime_nsec(), before.uid()), (after.mtime_nsec(), after.uid()));
    let impossible = Node::create_special(&dir, b"device", Special::Block(u32::MAX, 0));
    assert!(impossible.is_err());
}

#[test]
fn a_list_inherited_from_a_found_directory_does_not_stay() {
    // user::rwx user:4321:rwx group::r-x mask::rwx other::r-x, as the kernel takes it.
    let acl: Vec<u8> = [
        &[2_u8, 0, 0, 0][..],
        &[1, 0, 7, 0, 255, 255, 255, 255],
        &[2, 0, 7, 0, 0xe1, 0x10, 0, 0],
        &[4, 0, 5, 0, 255, 255, 255, 255],
        &[0x10, 0, 7, 0, 255, 255, 255, 255],
        &[0x20, 0, 5, 0, 255, 255, 255, 255],
    ]
    .concat();
    let temp = TempDir::new().unwrap();
    let set = rustix::fs::setxattr(
        temp.path(),
        "system.posix_acl_default",
        &acl,
        rustix::fs::XattrFlags::empty(),
    );
    if set.is_err() {
        return; // A file system without access control lists has nothing to inherit.
    }
    let dir = Target::open(temp.path()).unwrap().dir;
    let below = dir.make_or_enter(b"below").unwrap();
    for (place, name) in [(&dir, b"one"), (&below, b"two")] {
        let plain = Node::create_file(place, name).unwrap();
        assert_eq!(finish(&plain, place, &own()).0, Vec::<String>::new());
        let left = rustix::fs::fgetxattr(&plain, "system.posix_acl_access", &mut [0_u8; 64]);
        assert!(left.is_err(), "{left:?}");
        assert_eq!(rustix::fs::fstat(&plain).unwrap().st_mode & 0o777, 0o640);
    }
    let listed = Node::create_file(&dir, b"listed").unwrap();
    let mode = 0o775;
    let xattrs = vec![(b"system.posix_acl_access".to_vec(), acl.clone())];
    assert_eq!(finish(&listed, &dir, &Metadata { mode, xattrs, ..own() }).0, Vec::<String>::new());
    let mut back = [0; 64];
    let len = rustix::fs::fgetxattr(&listed, "system.posix_acl_access", &mut back).unwrap();
    assert_eq!(&back[..len], acl);
    let mut faults = Vec::new();
    let writer = MetaWriter::new(true);
    writer.finish_dir(&below, &own(), &mut |fault| faults.push(fault.to_string()));
    assert_eq!(faults, Vec::<String>::new());
    assert!(rustix::fs::fgetxattr(&below, "system.posix_acl_default", &mut [0_u8; 64]).is_err());
}

#[test]
fn an_immutable_file_gets_all_else_first() {
    let (temp, dir) = target();
    let node = Node::create_file(&dir, b"file").unwrap();
    let flags = IFlags::NODUMP | IFlags::IMMUTABLE;
    let probe = rustix::fs::ioctl_getflags(&node)
        .and_then(|now| rustix::fs::ioctl_setflags(&node, now | flags));
    if probe.is_err() {
        return; // No such flags on this file system, or no privilege for them.
    }
    rustix::fs::ioctl_setflags(&node, IFlags::empty()).unwrap();
    let meta = Metadata { flags: flags.bits(), ..own() };
    assert_eq!(finish(&node, &dir, &meta).0, Vec::<String>::new());
    assert!(rustix::fs::ioctl_getflags(&node).unwrap().contains(flags));
    assert_eq!(fs::metadata(temp.path().join("file")).unwrap().mtime(), 1_234_567_890);
    rustix::fs::ioctl_setflags(&node, IFlags::empty()).unwrap();
    let writer = MetaWriter::new(true);
    let mut faults = 0;
    writer.finish(&node, &dir, &meta, LastFlags::Later, &mut |_| faults += 1);
    Node::link((&dir, b"file"), node.id(), &dir, b"second").unwrap();
    writer.seal(&node, meta.flags, &mut |_| faults += 1);
    assert_eq!(faults, 0);
    assert!(Node::link((&dir, b"file"), node.id(), &dir, b"third").is_err());
    rustix::fs::ioctl_setflags(&node, IFlags::empty()).unwrap();
}

#[test]
fn the_target_is_made_with_its_parents_and_known_to_be_fresh() {
    let temp = TempDir::new().unwrap();
    let path = temp.path().join("a/b/c");
    assert!(Target::open(&path).unwrap().fresh);
    assert!(Target::open(&path).unwrap().fresh);
    fs::write(path.join("file"), "").unwrap();
    assert!(!Target::open(&path).unwrap().fresh);
    let error = Target::open(&path.join("file")).unwrap_err();
    assert!(error.to_string().contains("a/b/c/file"), "{error}");
    let error = Target::open(&path.join("file/below")).unwrap_err();
    assert!(error.to_string().contains("a/b/c/file/below"), "{error}");
}
