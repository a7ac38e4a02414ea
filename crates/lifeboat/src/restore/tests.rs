//! What was stored comes back; what is damaged is named and left out; nothing else is touched.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use lifeboat_codec::hash::ContentHasher;
use lifeboat_format::tree::{Entry, EntryKind, Extent};
use lifeboat_repo::cancel::Cancel;
use lifeboat_store::Payload;
use lifeboat_testkit::tree::Scratch;
use tempfile::TempDir;

use super::testing::{Shelf, Stored, dir, key, own, symlink};
use super::*;

mod hostile;
mod in_place;
mod round_trip;

fn options(target: &Path) -> RestoreOptions {
    RestoreOptions { sync: false, ..RestoreOptions::new(target) }
}

fn run(stored: &Stored, options: &RestoreOptions) -> Result<RestoreReport> {
    let origin = Origin { reader: &stored.reader, locate: &*stored.index };
    restore(origin, &stored.snapshot, options, &Context::default())
}

fn run_whole(stored: &Stored, target: &Path) -> RestoreReport {
    let report = run(stored, &options(target)).unwrap();
    assert_eq!(report.problems.first, []);
    report
}

fn bytes(seed: u8, len: usize) -> Vec<u8> {
    (0..=250).cycle().map(|byte: u8| byte ^ seed).take(len).collect()
}

fn hashed(mut entry: Entry, content: &[u8]) -> Entry {
    let mut hasher = ContentHasher::new();
    hasher.update(content);
    entry.content_hash = Some(hasher.finish());
    entry
}

/// A directory with a file of three chunks, one of them twice, and an empty file.
fn simple() -> (Shelf, Vec<u8>) {
    let mut shelf = Shelf::new();
    let parts = [bytes(1, 5000), bytes(2, 300), bytes(1, 5000), bytes(3, 70_000)];
    let content = parts.concat();
    let extents = parts.iter().map(|part| shelf.chunk(part)).collect();
    let file = hashed(shelf.file(extents), &content);
    shelf.root("/srv/data", &[("", dir()), ("a", dir()), ("a/file", file), ("empty", own())]);
    (shelf, content)
}

#[test]
fn a_root_comes_back_under_its_absolute_path() {
    let (shelf, content) = simple();
    let target = TempDir::new().unwrap();
    let report = run_whole(&shelf.store(), target.path());
    assert_eq!((report.files, report.dirs, report.links, report.other), (2, 2, 0, 0));
    assert_eq!(report.bytes, content.len() as u64);
    let root = target.path().join("srv/data");
    assert_eq!(fs::read(root.join("a/file")).unwrap(), content);
    for (path, mode) in [("", 0o750), ("a", 0o750), ("a/file", 0o640), ("empty", 0o640)] {
        let found = fs::metadata(root.join(path)).unwrap();
        assert_eq!(found.permissions().mode() & 0o7777, mode, "{path}");
        assert_eq!((found.mtime(), found.mtime_nsec()), (1_500_000_000, 123_456_789), "{path}");
    }
    let implied = fs::metadata(target.path().join("srv")).unwrap();
    assert_eq!(implied.permissions().mode() & 0o7777, 0o700);
}

#[test]
fn a_sub_path_goes_directly_into_the_target() {
    let (shelf, content) = simple();
    let stored = shelf.store();
    for (path, found) in
        [("/srv/data/a", "file"), ("/srv/data/a/file", "file"), ("/srv", "data/a/file")]
    {
        let temp = TempDir::new().unwrap();
        let target = temp.path().join("new");
        let report = run(&stored, &RestoreOptions { path: Some(key(path)), ..options(&target) });
        assert_eq!(report.unwrap().problems.first, []);
        assert_eq!(fs::read(target.join(found)).unwrap(), content, "{path}");
        // The directory's own metadata goes to a fresh target, not those of a file's.
        let mode = fs::metadata(&target).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path == "/srv/data/a" { 0o750 } else { 0o700 }, "{path}");
    }
    let target = TempDir::new().unwrap();
    for path in ["/srv/data/b", "/srv/data/a/file/x", "/home"] {
        let asked = RestoreOptions { path: Some(key(path)), ..options(target.path()) };
        let error = run(&stored, &asked).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().contains(path), "{error}");
    }
}

#[test]
fn a_target_that_was_in_use_keeps_its_own_metadata() {
    let (shelf, _) = simple();
    let target = TempDir::new().unwrap();
    fs::write(target.path().join("mine"), "").unwrap();
    fs::set_permissions(target.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let asked = RestoreOptions { path: Some(key("/srv/data")), ..options(target.path()) };
    assert!(run(&shelf.store(), &asked).unwrap().is_complete());
    assert_eq!(fs::metadata(target.path()).unwrap().permissions().mode() & 0o777, 0o711);
}

#[test]
fn holes_zeros_and_inline_bytes() {
    let mut shelf = Shelf::new();
    let chunk = shelf.chunk(&bytes(4, 4096));
    let Extent::Chunk { id, .. } = chunk.clone() else { unreachable!() };
    let part = Extent::Chunk { id, offset: 96, length: 1000 };
    let inline = Extent::Inline(b"tail".to_vec());
    let extents = vec![Extent::Hole(1 << 20), chunk, Extent::Zeros(1 << 20), part, inline];
    let content = [
        vec![0; 1 << 20],
        bytes(4, 4096),
        vec![0; 1 << 20],
        bytes(4, 4096)[96..1096].to_vec(),
        b"tail".to_vec(),
    ]
    .concat();
    let sparse = hashed(shelf.file(extents), &content);
    let hole = shelf.file(vec![Extent::Hole(8 << 20)]);
    let small = shelf.file(vec![Extent::Inline(b"small".to_vec())]);
    shelf.root("/r", &[("", dir()), ("hole", hole), ("small", small), ("sparse", sparse)]);
    let target = TempDir::new().unwrap();
    run_whole(&shelf.store(), target.path());
    let root = target.path().join("r");
    assert_eq!(fs::read(root.join("sparse")).unwrap(), content);
    assert_eq!(fs::read(root.join("small")).unwrap(), b"small");
    let space = |name| fs::metadata(root.join(name)).unwrap().blocks() * 512;
    assert_eq!((space("hole"), fs::metadata(root.join("hole")).unwrap().len()), (0, 8 << 20));
    assert!((1 << 20..2 << 20).contains(&space("sparse")), "{}", space("sparse"));
}

#[test]
fn many_windows_and_a_moved_out_map() {
    let mut shelf = Shelf::new();
    let mut content = Vec::new();
    let mut extents = Vec::new();
    for number in 0_u32..3000 {
        let part = [&number.to_le_bytes()[..], &bytes(9, 60)].concat();
        extents.push(shelf.chunk(&part));
        content.extend_from_slice(&part);
    }
    let big = hashed(shelf.file(extents), &content);
    assert!(big.content_depth > 0);
    let mut entries = vec![("".to_owned(), dir()), ("big".to_owned(), big.clone())];
    for number in 0..1200_u32 {
        let chunk = shelf.chunk(&number.to_le_bytes());
        entries.push((format!("d{:02}", number % 40), dir()));
        entries.push((format!("d{:02}/f{number}", number % 40), shelf.file(vec![chunk])));
    }
    entries.push(("zbig".to_owned(), big));
    let entries: Vec<(&str, Entry)> =
        entries.iter().map(|(path, entry)| (path.as_str(), entry.clone())).collect();
    shelf.root("/r", &entries);
    let stored = shelf.store();
    let target = TempDir::new().unwrap();
    // The least memory: windows of 256 KiB of lists.
    let asked = RestoreOptions { memory_bytes: 1 << 20, ..options(target.path()) };
    let report = run(&stored, &asked).unwrap();
    assert_eq!(report.problems.first, []);
    assert_eq!((report.files, report.dirs), (1202, 41));
    let root = target.path().join("r");
    assert_eq!(fs::read(root.join("big")).unwrap(), content);
    assert_eq!(fs::read(root.join("zbig")).unwrap(), content);
    for number in 0..1200_u32 {
        let path = root.join(format!("d{:02}/f{number}", number % 40));
        assert_eq!(fs::read(path).unwrap(), number.to_le_bytes());
    }
    for number in 0..40 {
        assert_eq!(
            fs::metadata(root.join(format!("d{number:02}"))).unwrap().mtime(),
            1_500_000_000
        );
    }
}

#[test]
fn hard_links_are_links_again() {
    let mut shelf = Shelf::new();
    let chunk = shelf.chunk(&bytes(1, 100));
    let linked = Entry { inode: 77, links: 3, ..shelf.file(vec![chunk]) };
    let fifo = Entry { kind: EntryKind::Fifo, inode: 78, links: 2, ..own() };
    shelf.root(
        "/r",
        &[
            ("", dir()),
            ("a", dir()),
            ("a/1", linked.clone()),
            ("b", dir()),
            ("b/2", linked.clone()),
            ("b/pipe", fifo.clone()),
            ("c", linked.clone()),
            ("pipe", fifo),
        ],
    );
    let stored = shelf.store();
    let target = TempDir::new().unwrap();
    let report = run_whole(&stored, target.path());
    assert_eq!((report.files, report.links, report.other), (1, 3, 1));
    let root = target.path().join("r");
    let one = fs::metadata(root.join("a/1")).unwrap();
    assert_eq!(one.nlink(), 3);
    for other in ["b/2", "c"] {
        assert_eq!(fs::metadata(root.join(other)).unwrap().ino(), one.ino());
    }
    assert_eq!(fs::metadata(root.join("b/pipe")).unwrap().nlink(), 2);
    assert_eq!(fs::metadata(root.join("b")).unwrap().mtime(), 1_500_000_000);
    // Without room to remember the first name, each name gets a file of its own, and it is said.
    let target = TempDir::new().unwrap();
    let report =
        run(&stored, &RestoreOptions { memory_bytes: 0, ..options(target.path()) }).unwrap();
    assert_eq!((report.files, report.links, report.problems.count), (3, 0, 5));
    assert!(report.problems.first[0].to_string().contains("too many hard links"));
    assert_eq!(fs::read(target.path().join("r/c")).unwrap(), bytes(1, 100));
}

#[test]
fn a_lost_chunk_takes_only_its_files() {
    let mut shelf = Shelf::new();
    let (lost, kept) = (shelf.chunk(&bytes(1, 9000)), shelf.chunk(&bytes(2, 9000)));
    let broken = Entry { inode: 5, links: 2, ..shelf.file(vec![kept.clone(), lost.clone()]) };
    let whole = shelf.file(vec![kept]);
    shelf.root(
        "/r",
        &[("", dir()), ("broken", broken.clone()), ("link to broken", broken), ("whole", whole)],
    );
    let stored = shelf.store();
    let Extent::Chunk { id, .. } = lost else { unreachable!() };
    stored.index.lose(&id);
    let target = TempDir::new().unwrap();
    let report = run(&stored, &options(target.path())).unwrap();
    assert_eq!((report.files, report.problems.count), (1, 2));
    let text = report.problems.first[0].to_string();
    assert!(text.contains("/r/broken") && text.contains(&id.to_string()), "{text}");
    assert!(report.problems.first[1].to_string().contains("link to broken"));
    assert_eq!(names(&target.path().join("r")), ["whole"]);
}

#[test]
fn a_damaged_pack_is_named() {
    let (shelf, _) = simple();
    let keyring = std::sync::Arc::clone(&shelf.keyring);
    let stored = shelf.store();
    let pack = stored.index.find(&keyring.ids().data(&bytes(3, 70_000))).frame.pack;
    let mut spoilt = stored.io.get(&pack).unwrap().to_vec();
    spoilt[200..].fill(0x55);
    let io = &stored.io;
    io.block_on(io.store().delete(&pack.to_string())).unwrap();
    io.put_new(&pack, Payload::from(spoilt)).unwrap();
    let target = TempDir::new().unwrap();
    let report = run(&stored, &options(target.path())).unwrap();
    assert_eq!((report.files, report.problems.count), (1, 1));
    let text = report.problems.first[0].to_string();
    assert!(text.contains(&pack.to_string()) && text.contains("a/file"), "{text}");
    assert_eq!(names(&target.path().join("srv/data")), ["a", "empty"]);
    assert_eq!(names(&target.path().join("srv/data/a")), [""; 0]);
}

#[test]
fn content_that_is_not_what_was_backed_up_is_left_out() {
    let mut shelf = Shelf::new();
    let chunk = shelf.chunk(&bytes(1, 100));
    let wrong = hashed(shelf.file(vec![chunk.clone(), chunk.clone()]), b"something else");
    let Extent::Chunk { id, .. } = chunk else { unreachable!() };
    let beyond = shelf.file(vec![Extent::Chunk { id, offset: 50, length: 51 }]);
    shelf.root("/r", &[("", dir()), ("beyond", beyond), ("wrong", wrong)]);
    let target = TempDir::new().unwrap();
    let report = run(&shelf.store(), &options(target.path())).unwrap();
    assert_eq!((report.files, report.problems.count), (0, 2));
    let texts: Vec<String> = report.problems.first.iter().map(ToString::to_string).collect();
    assert!(texts.iter().any(|text| text.contains("beyond the chunk")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("another BLAKE3")), "{texts:?}");
    assert_eq!(names(&target.path().join("r")), [""; 0]);
}

#[test]
fn nothing_that_is_there_need_be_replaced_and_no_link_is_followed() {
    let mut shelf = Shelf::new();
    let chunk = shelf.chunk(&bytes(1, 100));
    let file = shelf.file(vec![chunk]);
    shelf.root(
        "/r",
        &[
            ("", dir()),
            ("dir", dir()),
            ("dir/deep", dir()),
            ("dir/deep/file", file.clone()),
            ("file", file.clone()),
            ("link", symlink("/etc/passwd")),
            ("there", file.clone()),
            ("was file", dir()),
            ("was file/file", file),
        ],
    );
    let outside = TempDir::new().unwrap();
    let target = TempDir::new().unwrap();
    let root = target.path().join("r");
    fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(outside.path(), root.join("dir")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("new"), root.join("file")).unwrap();
    fs::write(root.join("there"), "mine").unwrap();
    fs::write(root.join("was file"), "mine").unwrap();
    let asked = RestoreOptions { overwrite: Overwrite::Never, ..options(target.path()) };
    let report = run(&shelf.store(), &asked).unwrap();
    // Two directories can't be entered; a link and a file stay.
    assert_eq!(report.problems.count, 2, "{:?}", report.problems.first);
    assert_eq!((report.files, report.other, report.kept), (0, 1, 2));
    assert_eq!(names(outside.path()), [""; 0]);
    assert_eq!(fs::read_to_string(root.join("there")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(root.join("was file")).unwrap(), "mine");
    assert_eq!(fs::read_link(root.join("link")).unwrap(), PathBuf::from("/etc/passwd"));
}

#[test]
fn members_of_what_is_no_directory_go_nowhere() {
    // A tree that no backup makes: a link, and files below it.
    let outside = TempDir::new().unwrap();
    let mut shelf = Shelf::new();
    let chunk = shelf.chunk(&bytes(1, 100));
    let file = shelf.file(vec![chunk]);
    shelf.root(
        "/r",
        &[
            ("", dir()),
            ("link", symlink(outside.path().to_str().unwrap())),
            ("link/evil", file.clone()),
            ("orphan/deep/file", file),
        ],
    );
    let target = TempDir::new().unwrap();
    let report = run(&shelf.store(), &options(target.path())).unwrap();
    assert_eq!(report.problems.count, 1);
    assert!(report.problems.first[0].to_string().contains("r/link"));
    assert_eq!(names(outside.path()), [""; 0]);
    assert_eq!(fs::read(target.path().join("r/orphan/deep/file")).unwrap(), bytes(1, 100));
}

#[test]
fn filters_take_what_they_name() {
    let (shelf, content) = simple();
    let stored = shelf.store();
    let lines = |line: &str| vec![line.to_owned()];
    let target = TempDir::new().unwrap();
    let asked = RestoreOptions { include: lines("file"), ..options(target.path()) };
    let report = run(&stored, &asked).unwrap();
    assert_eq!((report.files, report.dirs), (1, 2));
    assert_eq!(fs::read(target.path().join("srv/data/a/file")).unwrap(), content);
    assert_eq!(names(&target.path().join("srv/data")), ["a"]);
    let target = TempDir::new().unwrap();
    let asked = RestoreOptions { exclude: lines("/srv/data/a/"), ..options(target.path()) };
    assert_eq!(run(&stored, &asked).unwrap().files, 1);
    assert_eq!(names(&target.path().join("srv/data")), ["empty"]);
}

#[test]
fn a_dry_run_counts_and_writes_nothing() {
    let (shelf, content) = simple();
    let stored = shelf.store();
    let temp = TempDir::new().unwrap();
    let target = temp.path().join("new");
    let report = run(&stored, &RestoreOptions { dry_run: true, ..options(&target) }).unwrap();
    assert_eq!((report.files, report.dirs), (2, 2));
    assert_eq!((report.bytes, report.dry_run), (content.len() as u64, true));
    assert!(!target.exists());
}

#[test]
fn a_lost_tree_is_a_problem_and_other_roots_are_restored() {
    let (mut shelf, content) = simple();
    shelf.root("/other", &[("", dir()), ("x", own())]);
    shelf.missing_root("/gone");
    let stored = shelf.store();
    stored.index.lose(&stored.snapshot.roots[1].tree.unwrap());
    let target = TempDir::new().unwrap();
    let report = run(&stored, &options(target.path())).unwrap();
    assert_eq!((report.files, report.problems.count), (2, 1));
    assert!(report.problems.first[0].to_string().contains("/other"));
    assert_eq!(fs::read(target.path().join("srv/data/a/file")).unwrap(), content);
    let asked = RestoreOptions { path: Some(key("/gone")), ..options(target.path()) };
    let error = run(&stored, &asked).unwrap_err();
    assert!(error.to_string().contains("missing in the source"), "{error}");
}

#[test]
fn a_cancelled_restore_marks_what_is_unfinished_and_the_next_goes_on() {
    struct CancelEarly(Cancel);
    impl crate::monitor::Monitor for CancelEarly {
        fn advance(&self, _: u64, bytes: u64) {
            if bytes > 0 {
                self.0.cancel();
            }
        }
    }
    let (shelf, content) = simple();
    let stored = shelf.store();
    let target = TempDir::new().unwrap();
    let monitor = CancelEarly(Cancel::new());
    let cancel = monitor.0.clone();
    let context = Context { monitor: &monitor, cancel, threads: 1, ..Context::default() };
    let origin = Origin { reader: &stored.reader, locate: &*stored.index };
    let error = restore(origin, &stored.snapshot, &options(target.path()), &context).unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    let file = target.path().join("srv/data/a/file");
    let unfinished = fs::metadata(&file).unwrap();
    assert_eq!(unfinished.permissions().mode() & 0o7777, 0o1600);
    assert_eq!(names(target.path()), [".lifeboat-restore", "srv"]);
    let written = content.len() as u64 - 5000;
    let report = run_whole(&stored, target.path());
    assert!(report.resumed);
    assert!(report.unchanged_bytes > 0 && report.bytes <= written, "{report:?}");
    assert_eq!(fs::read(&file).unwrap(), content);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(names(target.path()), ["srv"]);
    // And now there is nothing to do.
    let report = run_whole(&stored, target.path());
    assert_eq!((report.files, report.unchanged, report.bytes, report.resumed), (0, 2, 0, false));
}

#[test]
fn an_unwritable_target_and_a_file_as_target_end_the_run() {
    let (shelf, _) = simple();
    let stored = shelf.store();
    let temp = TempDir::new().unwrap();
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    let error = run(&stored, &options(&file)).unwrap_err();
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    let closed = temp.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    if !rustix::process::geteuid().is_root() {
        let error = run(&stored, &options(&closed)).unwrap_err();
        assert_eq!(error.kind(), Kind::Denied);
        assert!(error.to_string().contains("closed"), "{error}");
    }
}

#[test]
fn large_attributes_come_back() {
    let mut shelf = Shelf::new();
    let value = bytes(7, 3000);
    let mut entry = own();
    let attributes = [(b"user.large".to_vec(), value.clone())].into();
    let keyring = std::sync::Arc::clone(&shelf.keyring);
    lifeboat_repo::tree::xattr::attach(&mut entry, attributes, keyring.ids(), &mut &mut shelf)
        .unwrap();
    shelf.root("/r", &[("", dir()), ("file", entry)]);
    let target = TempDir::new().unwrap();
    run_whole(&shelf.store(), target.path());
    let mut found = vec![0; 4096];
    let path = target.path().join("r/file");
    let len = rustix::fs::getxattr(&path, "user.large", &mut found).unwrap();
    assert_eq!(found[..len], value);
}

#[test]
fn five_thousand_levels() {
    let mut shelf = Shelf::new();
    let depth = 5000;
    let mut builder = Vec::with_capacity(depth);
    let mut path = String::new();
    for _ in 0..depth {
        builder.push((path.clone(), dir()));
        path.push_str("/d");
    }
    builder.push((path, own()));
    let entries: Vec<(&str, Entry)> =
        builder.iter().map(|(path, entry)| (path.as_str(), entry.clone())).collect();
    shelf.root("/r", &entries);
    let target = Scratch::new().unwrap();
    let report = run_whole(&shelf.store(), target.path());
    assert_eq!((report.files, report.dirs), (1, 5000));
}

#[test]
fn cat_gives_the_bytes() {
    let (mut shelf, content) = simple();
    let chunk = shelf.chunk(&bytes(1, 100));
    let sparse = shelf.file(vec![Extent::Hole(100_000), chunk, Extent::Zeros(5)]);
    let link = symlink("sparse");
    shelf.root("/r", &[("", dir()), ("link", link), ("sparse", sparse)]);
    let stored = shelf.store();
    let read = |path: &PathKey| {
        let mut out = Vec::new();
        cat(&stored.reader, &stored.snapshot, path, &mut out, &Context::default())
            .map(|len| (len, out))
    };
    assert_eq!(read(&key("/srv/data/a/file")).unwrap(), (content.len() as u64, content));
    let expected = [vec![0; 100_000], bytes(1, 100), vec![0; 5]].concat();
    assert_eq!(read(&key("/r/sparse")).unwrap().1, expected);
    for (path, kind) in [
        ("/r", Kind::Invalid),
        ("/r/link", Kind::Invalid),
        ("/r/nothing", Kind::NotFound),
        ("/", Kind::NotFound),
        ("/elsewhere", Kind::NotFound),
    ] {
        let error = read(&key(path)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(path), "{error}");
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}
