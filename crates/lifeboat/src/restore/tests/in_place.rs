//! Restores into targets where something is already.

use std::os::unix::fs::{FileTypeExt as _, symlink as link_to};
use std::time::{Duration, SystemTime};

use super::*;

const SPAN: usize = 10_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A root of all kinds, as `/r`.
fn all_kinds() -> (Stored, Vec<u8>) {
    let mut shelf = Shelf::new();
    let parts: Vec<Vec<u8>> = (1..=6).map(|seed| bytes(seed, SPAN)).collect();
    let chunks: Vec<Extent> = parts.iter().map(|part| shelf.chunk(part)).collect();
    let zeros = vec![0; 2 << 20];
    let content =
        [&parts[..3].concat()[..], &zeros, &zeros, &parts[3..].concat(), b"tail"].concat();
    let mut extents = chunks[..3].to_vec();
    extents.push(Extent::Hole(2 << 20));
    extents.push(Extent::Zeros(2 << 20));
    extents.extend_from_slice(&chunks[3..]);
    extents.push(Extent::Inline(b"tail".to_vec()));
    let big = hashed(shelf.file(extents), &content);
    let small = shelf.file(vec![Extent::Inline(b"small".to_vec())]);
    let linked = Entry { inode: 9, links: 2, ..small.clone() };
    let fifo = Entry { kind: EntryKind::Fifo, ..own() };
    shelf.root(
        "/r",
        &[
            ("", dir()),
            ("big", big),
            ("dir", dir()),
            ("dir/one", linked.clone()),
            ("dir/two", linked),
            ("fifo", fifo),
            ("link", symlink("big")),
            ("small", small),
        ],
    );
    (shelf.store(), content)
}

/// A target with the whole of it.
fn restored(stored: &Stored) -> TempDir {
    let target = TempDir::new().unwrap();
    run_whole(stored, target.path());
    target
}

fn assert_whole(target: &Path, content: &[u8]) {
    let root = target.join("r");
    let top = names(&root);
    assert_eq!(top, ["big", "dir", "fifo", "link", "small"]);
    assert!(fs::read(root.join("big")).unwrap() == content);
    assert_eq!(fs::read(root.join("small")).unwrap(), b"small");
    assert_eq!(fs::read_link(root.join("link")).unwrap(), Path::new("big"));
    assert!(fs::symlink_metadata(root.join("fifo")).unwrap().file_type().is_fifo());
    let [one, two] = ["dir/one", "dir/two"].map(|name| fs::metadata(root.join(name)).unwrap());
    assert_eq!((one.ino(), one.nlink()), (two.ino(), 2));
    for name in ["", "big", "dir", "dir/one", "link", "small"] {
        let found = fs::symlink_metadata(root.join(name)).unwrap();
        assert_eq!((found.mtime(), found.mtime_nsec()), (1_500_000_000, 123_456_789), "{name}");
        if name != "link" {
            let wanted = if found.is_dir() { 0o750 } else { 0o640 };
            assert_eq!(found.permissions().mode() & 0o7777, wanted, "{name}");
        }
    }
    assert_eq!(names(target), ["r"]);
}

#[test]
fn a_second_time_nothing_is_written() {
    let (stored, content) = all_kinds();
    let target = restored(&stored);
    let inode = || fs::metadata(target.path().join("r/big")).unwrap().ino();
    let before = inode();
    let report = run_whole(&stored, target.path());
    assert_eq!((report.files, report.links, report.other, report.bytes), (0, 0, 0, 0));
    assert_eq!((report.unchanged, report.kept, report.deleted), (6, 0, 0));
    let asked = RestoreOptions { verify_existing: true, ..options(target.path()) };
    let report = run(&stored, &asked).unwrap();
    // A file with two names is made anew rather than changed under both.
    assert_eq!((report.files, report.bytes, report.problems.count), (3, 5, 0), "{report:?}");
    assert_eq!(inode(), before);
    assert_whole(target.path(), &content);
}

#[test]
fn only_what_differs_is_written() {
    let (stored, content) = all_kinds();
    for (spoil, written) in [
        // A byte of a chunk, of the hole, of the zeros, of what is inline; a shorter and a longer file.
        (Spoil::Byte(SPAN + 5), SPAN),
        (Spoil::Byte(3 * SPAN + 7), 0),
        (Spoil::Byte(3 * SPAN + (3 << 20)), 2 << 20),
        (Spoil::Byte(content.len() - 1), 4),
        (Spoil::Length(2 * SPAN + 1), 4 * SPAN + 4),
        (Spoil::Length(content.len() + 5), 0),
    ] {
        let target = restored(&stored);
        let big = target.path().join("r/big");
        match spoil {
            Spoil::Byte(at) => {
                let mut spoilt = content.clone();
                spoilt[at] ^= 0xff;
                fs::write(&big, spoilt).unwrap();
            }
            Spoil::Length(length) => {
                fs::File::options().write(true).open(&big).unwrap().set_len(length as u64).unwrap();
            }
        }
        let inode = fs::metadata(&big).unwrap().ino();
        let report = run_whole(&stored, target.path());
        let data = (report.bytes, report.unchanged_bytes);
        assert_eq!(report.bytes, written as u64, "{spoil:?}: {data:?}");
        assert_eq!(fs::metadata(&big).unwrap().ino(), inode, "changed in place");
        assert_whole(target.path(), &content);
    }
}

#[derive(Clone, Copy, Debug)]
enum Spoil {
    Byte(usize),
    Length(usize),
}

#[test]
fn what_times_hide_is_found_when_content_is_compared() {
    let (stored, content) = all_kinds();
    for asked in [
        RestoreOptions { verify_existing: true, ..options(Path::new("")) },
        RestoreOptions { overwrite: Overwrite::Always, ..options(Path::new("")) },
    ] {
        let target = restored(&stored);
        let big = target.path().join("r/big");
        let time = fs::metadata(&big).unwrap().modified().unwrap();
        let mut spoilt = content.clone();
        spoilt[5 * SPAN + (4 << 20)] ^= 1;
        fs::write(&big, spoilt).unwrap();
        fs::File::options().write(true).open(&big).unwrap().set_modified(time).unwrap();
        // Times alone do not show it.
        let report = run_whole(&stored, target.path());
        assert_eq!((report.files, report.unchanged), (0, 6));
        assert!(fs::read(&big).unwrap() != content);
        let report = run(&stored, &RestoreOptions { target: target.path().into(), ..asked });
        assert_eq!(report.unwrap().problems.count, 0);
        assert_whole(target.path(), &content);
    }
}

#[test]
fn newer_files_stay_and_older_ones_go() {
    let (stored, _) = all_kinds();
    let target = restored(&stored);
    let [big, small] = ["r/big", "r/small"].map(|name| target.path().join(name));
    fs::write(&big, "newer").unwrap();
    fs::write(&small, "older").unwrap();
    let age_of_snapshot = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    for (path, time) in [(&big, age_of_snapshot + DAY), (&small, age_of_snapshot - DAY)] {
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    let asked = RestoreOptions { overwrite: Overwrite::IfNewer, ..options(target.path()) };
    let report = run(&stored, &asked).unwrap();
    assert_eq!((report.problems.count, report.files), (0, 1));
    assert!(report.kept >= 1);
    assert_eq!(fs::read(&big).unwrap(), b"newer");
    assert_eq!(fs::read(&small).unwrap(), b"small");
    let report = run(&stored, &options(target.path())).unwrap();
    assert_eq!((report.problems.count, report.files), (0, 1));
    assert!(fs::read(&big).unwrap().len() > 5);
}

#[test]
fn other_kinds_are_replaced_and_directories_only_with_delete() {
    let (stored, content) = all_kinds();
    let target = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    let root = target.path().join("r");
    fs::create_dir(&root).unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    // A link where a file goes, a file where a directory goes, a link to a directory, a fifo where a file goes.
    link_to(&secret, root.join("big")).unwrap();
    link_to(outside.path(), root.join("dir")).unwrap();
    fs::write(root.join("link"), "a file").unwrap();
    fs::write(root.join("fifo"), "a file").unwrap();
    fs::hard_link(&secret, root.join("small")).unwrap();
    let report = run_whole(&stored, target.path());
    assert_eq!((report.files, report.dirs, report.links, report.other), (3, 2, 1, 2));
    assert_whole(target.path(), &content);
    assert_eq!(names(outside.path()), ["secret"]);
    assert_eq!(fs::read(&secret).unwrap(), b"secret", "another name of a file is not written");

    let target = TempDir::new().unwrap();
    let inner = target.path().join("r/small/inner");
    fs::create_dir_all(&inner).unwrap();
    fs::write(inner.join("file"), "").unwrap();
    let report = run(&stored, &options(target.path())).unwrap();
    assert_eq!(report.problems.count, 1);
    assert!(report.problems.first[0].to_string().contains("--delete"));
    assert!(inner.join("file").exists());
    let asked = RestoreOptions { delete: true, ..options(target.path()) };
    let report = run(&stored, &asked).unwrap();
    assert_eq!(report.problems.first, []);
    assert_whole(target.path(), &content);
}

#[test]
fn a_name_of_another_file_becomes_a_link_again() {
    let (stored, content) = all_kinds();
    let target = restored(&stored);
    let two = target.path().join("r/dir/two");
    fs::remove_file(&two).unwrap();
    fs::write(&two, "other").unwrap();
    let report = run_whole(&stored, target.path());
    assert_eq!((report.files, report.links), (0, 1));
    assert_whole(target.path(), &content);
}

#[test]
fn delete_takes_what_the_snapshot_has_not_got_and_nothing_else() {
    let (stored, content) = all_kinds();
    let target = restored(&stored);
    let root = target.path().join("r");
    fs::create_dir_all(root.join("extra/deep/er")).unwrap();
    fs::write(root.join("extra/deep/er/file"), "").unwrap();
    fs::write(root.join("dir/three"), "").unwrap();
    fs::write(root.join("keep.log"), "").unwrap();
    link_to("/etc", root.join("etc")).unwrap();
    // Not in a directory that the snapshot describes.
    fs::write(target.path().join("beside"), "").unwrap();
    let asked = RestoreOptions {
        delete: true,
        exclude: vec!["*.log".to_owned()],
        ..options(target.path())
    };
    let report = run(&stored, &asked).unwrap();
    assert_eq!((report.problems.count, report.deleted), (0, 6), "{report:?}");
    assert!(Path::new("/etc/passwd").exists());
    assert_eq!(names(&root), ["big", "dir", "fifo", "keep.log", "link", "small"]);
    assert_eq!(names(target.path()), ["beside", "r"]);
    fs::remove_file(root.join("keep.log")).unwrap();
    fs::remove_file(target.path().join("beside")).unwrap();
    run_whole(&stored, target.path());
    assert_whole(target.path(), &content);

    // A path's own directory is the target.
    let target = TempDir::new().unwrap();
    fs::write(target.path().join("extra"), "").unwrap();
    let path = Some(key("/r"));
    let asked = RestoreOptions { delete: true, path, ..options(target.path()) };
    assert_eq!(run(&stored, &asked).unwrap().deleted, 1);
    assert_eq!(names(target.path()), ["big", "dir", "fifo", "link", "small"]);
}

#[test]
fn delete_spares_other_roots_and_stops_where_a_tree_is_lost() {
    let mut shelf = Shelf::new();
    shelf.root("/srv", &[("", dir()), ("own", own())]);
    shelf.root("/srv/data/deep", &[("", dir()), ("x", own())]);
    let stored = shelf.store();
    let target = TempDir::new().unwrap();
    run_whole(&stored, target.path());
    let srv = target.path().join("srv");
    fs::write(srv.join("extra"), "").unwrap();
    let asked = RestoreOptions { delete: true, ..options(target.path()) };
    let report = run(&stored, &asked).unwrap();
    assert_eq!((report.problems.count, report.deleted), (0, 1));
    assert_eq!(names(&srv), ["data", "own"]);
    assert!(srv.join("data/deep/x").exists());

    stored.index.lose(&stored.snapshot.roots[0].tree.unwrap());
    fs::write(srv.join("data/deep/extra"), "").unwrap();
    let report = run(&stored, &asked).unwrap();
    assert_eq!((report.problems.count, report.deleted), (2, 0), "{:?}", report.problems.first);
    assert!(srv.join("own").exists() && srv.join("data/deep/extra").exists());
}

#[test]
fn what_cannot_be_had_does_not_cost_what_is_there() {
    let mut shelf = Shelf::new();
    let (lost, kept) = (shelf.chunk(&bytes(1, 9000)), shelf.chunk(&bytes(2, 9000)));
    let broken = shelf.file(vec![kept, lost.clone()]);
    shelf.root("/r", &[("", dir()), ("broken", broken.clone()), ("linked", broken)]);
    let stored = shelf.store();
    let Extent::Chunk { id, .. } = lost else { unreachable!() };
    stored.index.lose(&id);
    let target = TempDir::new().unwrap();
    let [file, linked] = ["r/broken", "r/linked"].map(|name| target.path().join(name));
    fs::create_dir(target.path().join("r")).unwrap();
    fs::write(&file, "mine").unwrap();
    fs::write(target.path().join("other name"), "mine, too").unwrap();
    fs::hard_link(target.path().join("other name"), &linked).unwrap();
    let report = run(&stored, &options(target.path())).unwrap();
    assert_eq!((report.files, report.problems.count), (0, 2));
    assert!(report.problems.first[0].to_string().contains("left as it is"));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert_eq!(fs::read(&linked).unwrap(), b"mine, too");
    assert_eq!(fs::metadata(&linked).unwrap().nlink(), 2);
}

#[test]
fn damage_that_shows_late_leaves_a_mark_that_the_next_restore_knows() {
    let mut shelf = Shelf::new();
    let parts: Vec<Vec<u8>> = (1..40).map(|seed| bytes(seed, 3000)).collect();
    let chunks = parts.iter().map(|part| shelf.chunk(part)).collect();
    let file = hashed(shelf.file(chunks), &parts.concat());
    shelf.root("/r", &[("", dir()), ("file", file)]);
    let keyring = std::sync::Arc::clone(&shelf.keyring);
    let stored = shelf.store();
    let pack = stored.index.find(&keyring.ids().data(&parts[7])).frame.pack;
    let whole = stored.io.get(&pack).unwrap().to_vec();
    let put = |bytes: Vec<u8>| {
        let io = &stored.io;
        io.block_on(io.store().delete(&pack.to_string())).unwrap();
        io.put_new(&pack, Payload::from(bytes)).unwrap();
    };
    let mut spoilt = whole.clone();
    spoilt[200..].fill(0x55);
    put(spoilt);
    let target = TempDir::new().unwrap();
    let path = target.path().join("r/file");
    fs::create_dir(target.path().join("r")).unwrap();
    fs::write(&path, "mine").unwrap();
    let report = run(&stored, &options(target.path())).unwrap();
    assert_eq!((report.files, report.problems.count), (0, 1));
    assert!(report.problems.first[0].to_string().contains("unfinished"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o1600);
    // Whatever is to be kept: what is marked is nobody's.
    put(whole);
    let fresh = Reader::new(
        stored.io.clone(),
        keyring,
        std::sync::Arc::clone(&stored.index) as std::sync::Arc<dyn Locate>,
        1 << 20,
    );
    for overwrite in [Overwrite::IfNewer, Overwrite::Never] {
        let asked = RestoreOptions { overwrite, ..options(target.path()) };
        let origin = Origin { reader: &fresh, locate: &*stored.index };
        let report = restore(origin, &stored.snapshot, &asked, &Context::default()).unwrap();
        assert_eq!(report.problems.first, []);
        assert_eq!(fs::read(&path).unwrap(), parts.concat());
    }
}

#[test]
fn nothing_is_deleted_that_the_snapshot_does_not_know_of() {
    let (mut stored, _) = all_kinds();
    let target = restored(&stored);
    let extra = target.path().join("r/extra");
    fs::write(&extra, "").unwrap();
    let asked = RestoreOptions { delete: true, ..options(target.path()) };
    stored.snapshot.outcome = Outcome::Partial;
    let error = run(&stored, &asked).unwrap_err().to_string();
    assert!(error.contains("could not be read when it was made"), "{error}");
    stored.snapshot.outcome = Outcome::Complete;
    stored.snapshot.source.roots = vec!["/ (selected paths)".to_owned()];
    assert!(run(&stored, &asked).unwrap_err().to_string().contains("selected paths"));
    assert!(extra.exists());

    // A directory in the way, of which something is to stay.
    let (stored, _) = all_kinds();
    let target = TempDir::new().unwrap();
    let key = target.path().join("r/small/secret.key");
    fs::create_dir_all(key.parent().unwrap()).unwrap();
    fs::write(&key, "").unwrap();
    let asked = RestoreOptions {
        delete: true,
        exclude: vec!["*.key".to_owned()],
        ..options(target.path())
    };
    assert_eq!(run(&stored, &asked).unwrap().problems.count, 1);
    assert!(key.exists());
}

#[test]
fn a_root_inside_another_is_not_deleted_with_it() {
    // As of one file system at a time: the outer tree has the inner root as a directory without members.
    for inner_first in [false, true] {
        let mut shelf = Shelf::new();
        let outer = [("", dir()), ("home", dir()), ("own", own())];
        let inner = [("", dir()), ("me", dir()), ("me/file", own())];
        if inner_first {
            shelf.root("/home", &inner);
            shelf.root("/", &outer);
        } else {
            shelf.root("/", &outer);
            shelf.root("/home", &inner);
        }
        let stored = shelf.store();
        let target = TempDir::new().unwrap();
        let asked = RestoreOptions { delete: true, ..options(target.path()) };
        assert_eq!(run(&stored, &asked).unwrap().deleted, 0);
        assert!(target.path().join("home/me/file").exists(), "{inner_first}");
        fs::write(target.path().join("home/me/extra"), "").unwrap();
        fs::write(target.path().join("extra"), "").unwrap();
        let report = run(&stored, &asked).unwrap();
        assert_eq!((report.deleted, report.unchanged), (2, 2), "{inner_first}");
    }
}

#[test]
fn a_second_try_sets_what_the_first_could_not() {
    let (stored, _) = all_kinds();
    let target = TempDir::new().unwrap();
    let path = Some(key("/r"));
    let asked = RestoreOptions { path, ..options(target.path()) };
    let cancel = Cancel::new();
    cancel.cancel();
    let context = Context { cancel, ..Context::default() };
    let origin = Origin { reader: &stored.reader, locate: &*stored.index };
    assert!(restore(origin, &stored.snapshot, &asked, &context).is_err());
    assert_eq!(names(target.path()), [".lifeboat-restore"]);
    let report = run(&stored, &asked).unwrap();
    assert!(report.resumed);
    let found = fs::metadata(target.path()).unwrap();
    assert_eq!((found.permissions().mode() & 0o7777, found.mtime()), (0o750, 1_500_000_000));
}

#[test]
fn attributes_that_the_snapshot_has_not_got_go() {
    let (stored, content) = all_kinds();
    let target = restored(&stored);
    let small = target.path().join("r/small");
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&small, "user.extra", b"x", flags).unwrap();
    fs::set_permissions(target.path().join("r/big"), fs::Permissions::from_mode(0o4777)).unwrap();
    let report = run_whole(&stored, target.path());
    assert_eq!((report.files, report.unchanged), (0, 6));
    let mut list = [0_u8; 64];
    assert_eq!(rustix::fs::listxattr(&small, &mut list).unwrap(), 0);
    assert_whole(target.path(), &content);
}

#[test]
fn what_was_written_is_verified() {
    /// Spoils a file as soon as it is read back.
    struct Spoil(PathBuf);
    impl crate::monitor::Monitor for Spoil {
        fn phase(&self, phase: Phase) {
            if phase == Phase::ReadData {
                let file = fs::File::options().write(true).open(&self.0).unwrap();
                rustix::io::pwrite(&file, b"spoilt", 12_345).unwrap();
            }
        }
    }
    let (stored, content) = all_kinds();
    let target = TempDir::new().unwrap();
    let asked = RestoreOptions { verify: true, sync: true, ..options(target.path()) };
    let report = run(&stored, &asked).unwrap();
    let bytes = content.len() as u64 + 10;
    assert_eq!((report.problems.count, report.verified), (0, 4), "{report:?}");
    assert_eq!(report.verified_bytes, bytes + 5);

    let monitor = Spoil(target.path().join("r/big"));
    let context = Context { monitor: &monitor, ..Context::default() };
    let origin = Origin { reader: &stored.reader, locate: &*stored.index };
    let report = restore(origin, &stored.snapshot, &asked, &context).unwrap();
    assert_eq!((report.problems.count, report.verified), (1, 3), "{report:?}");
    let text = report.problems.first[0].to_string();
    assert!(text.contains("r/big: bytes 10000 to 20000 are not"), "{text}");

    // What is kept on purpose is no finding.
    let asked = RestoreOptions { overwrite: Overwrite::Never, ..asked };
    let report = run(&stored, &asked).unwrap();
    assert_eq!((report.problems.count, report.verified), (0, 0), "{report:?}");
}

#[test]
fn owners_as_they_are_ordered() {
    let (stored, _) = all_kinds();
    let is_root = rustix::process::geteuid().is_root();
    let me = own().uid;
    let target = TempDir::new().unwrap();
    let mut asked = options(target.path());
    asked.owners.users.push((me.to_string(), "4321".to_owned()));
    let owner = || fs::metadata(target.path().join("r/small")).unwrap().uid();
    let report = run(&stored, &asked).unwrap();
    assert_eq!(report.problems.count, 0);
    assert_eq!(owner(), if is_root { 4321 } else { me });
    assert_eq!(report.notices.len(), usize::from(!is_root));
    // Nothing is to be done for those who have the right owner, and nothing at all if owners do not count.
    assert_eq!(run(&stored, &asked).unwrap().files, 0);
    asked.owners = OwnerOptions { by: OwnerBy::None, ..OwnerOptions::default() };
    let report = run(&stored, &asked).unwrap();
    assert_eq!((report.files, report.notices.len()), (0, 0));
    assert_eq!(owner(), if is_root { 4321 } else { me });
    run_whole(&stored, target.path());
    assert_eq!(owner(), me);
}
