use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use lifeboat_testkit::tree::{Awkward, Scratch, Shape, is_root, random};

use rustix::fs::inotify;

use super::*;
use crate::source::exclude::ExcludeOptions;

/// The keys, with `/` between names, and the problems: the same whether others look ahead or not.
fn walk_with(
    root: &Path,
    options: &WalkOptions,
    excludes: &ExcludeOptions,
) -> (Vec<Vec<u8>>, Vec<Problem>) {
    let excludes = Excludes::new(excludes).unwrap();
    let alone = walk_once(root, options, &excludes);
    let ahead = WalkOptions { ahead_threads: 3, ..options.clone() };
    assert!(walk_once(root, &ahead, &excludes) == alone);
    alone
}

fn walk_once(
    root: &Path,
    options: &WalkOptions,
    excludes: &Excludes,
) -> (Vec<Vec<u8>>, Vec<Problem>) {
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    for found in Walk::new(root, options, excludes).unwrap() {
        match found {
            Ok(item) => keys.push(item.key.into_bytes()),
            Err(problem) => problems.push(problem),
        }
    }
    assert!(keys.is_sorted_by(|a, b| a < b), "the order is that of the keys");
    let slashed = |key: Vec<u8>| key.into_iter().map(|b| if b == 0 { b'/' } else { b }).collect();
    (keys.into_iter().map(slashed).collect(), problems)
}

fn paths(root: &Path) -> Vec<String> {
    let (keys, problems) = walk_with(root, &WalkOptions::default(), &ExcludeOptions::default());
    assert_eq!(problems, []);
    keys.into_iter().map(|key| String::from_utf8(key).unwrap()).collect()
}

/// What is there, found by another walk, sorted by its keys.
fn expected(root: &Path) -> Vec<Vec<u8>> {
    let mut keys = Vec::from_iter(lifeboat_testkit::tree::paths(root).unwrap());
    keys.push(Vec::new());
    keys.sort_by_key(|path| {
        path.iter().map(|b| if *b == b'/' { 0 } else { *b }).collect::<Vec<_>>()
    });
    keys
}

#[test]
fn the_awkward_tree_is_found_whole_in_order_with_few_descriptors_and_little_memory() {
    let scratch = Scratch::new().unwrap();
    Awkward { depth: 1500, members: 500 }.build(scratch.path()).unwrap();
    let few = WalkOptions { open_directories_max: 3, names_bytes_max: 100, ..Default::default() };
    for options in [WalkOptions::default(), few] {
        let (keys, problems) = walk_with(scratch.path(), &options, &ExcludeOptions::default());
        assert_eq!(problems, []);
        assert!(keys == expected(scratch.path()));
    }
}

#[test]
fn random_trees_are_found_whole() {
    for seed in 0..5 {
        let scratch = Scratch::new().unwrap();
        random(scratch.path(), seed, &Shape { dirs: 40, files: 200, file_bytes_max: 10 }).unwrap();
        let (keys, problems) =
            walk_with(scratch.path(), &WalkOptions::default(), &ExcludeOptions::default());
        assert_eq!(problems, []);
        assert!(keys == expected(scratch.path()));
    }
}

#[test]
fn a_directory_of_very_many_names_is_sorted_outside_memory() {
    let scratch = Scratch::new().unwrap();
    fs::create_dir_all(scratch.join("many/z")).unwrap();
    for number in 0..6000_u64 {
        let name = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        fs::File::create(scratch.join("many").join(name)).unwrap();
    }
    for ahead_threads in [0, 2] {
        let options = WalkOptions { names_bytes_max: 5000, ahead_threads, ..Default::default() };
        let mut walk = Walk::new(scratch.path(), &options, &Excludes::none()).unwrap();
        let mut count = 0;
        while let Some(found) = walk.next() {
            found.unwrap();
            count += 1;
            // The buffers of the runs that are merged: 4 KiB each.
            assert!(walk.names_bytes < 60 * 4096, "{} bytes", walk.names_bytes);
        }
        assert_eq!(count, 6003);
        assert_eq!((walk.names_bytes, walk.spill.end(), walk.announced), (0, 0, 0));
    }
}

#[test]
fn what_is_seen_is_what_is_there() {
    let scratch = Scratch::new().unwrap();
    fs::write(scratch.join("file"), "12345").unwrap();
    fs::hard_link(scratch.join("file"), scratch.join("second")).unwrap();
    fs::set_permissions(scratch.join("file"), fs::Permissions::from_mode(0o4751)).unwrap();
    symlink("nowhere", scratch.join("symlink")).unwrap();
    let walk = Walk::new(scratch.path(), &WalkOptions::default(), &Excludes::none()).unwrap();
    for found in walk {
        let item = found.unwrap();
        let path = PathBuf::from(std::ffi::OsString::from(String::from_utf8(item.path()).unwrap()));
        let real = path.symlink_metadata().unwrap();
        let Stat { uid, gid, size, blocks, inode, links, .. } = item.stat;
        assert_eq!(u32::from(item.stat.mode), real.mode() & 0o7777);
        assert_eq!((uid, gid, inode), (real.uid(), real.gid(), real.ino()));
        assert_eq!((size, blocks, links), (real.size(), real.blocks(), real.nlink()));
        assert_eq!(item.stat.mtime.secs, real.mtime());
        assert_eq!(i64::from(item.stat.ctime.nanos), real.ctime_nsec());
        assert_eq!(item.stat.kind == EntryKind::Dir, real.is_dir());
        assert_eq!(item.stat.kind == EntryKind::Symlink, real.is_symlink());
        assert_eq!(item.stat.device, 0);
    }
}

#[test]
fn the_root_may_be_of_any_kind_and_is_followed_only_with_a_slash() {
    let scratch = Scratch::new().unwrap();
    fs::create_dir(scratch.join("dir")).unwrap();
    fs::write(scratch.join("dir/member"), "").unwrap();
    fs::write(scratch.join("file"), "").unwrap();
    symlink("dir", scratch.join("link")).unwrap();
    symlink("nowhere", scratch.join("dangling")).unwrap();
    assert_eq!(paths(&scratch.join("dir")), ["", "member"]);
    assert_eq!(paths(&scratch.join("dir/")), ["", "member"]);
    assert_eq!(paths(&scratch.join("dir/.")), ["", "member"]);
    assert_eq!(paths(&scratch.join("link/../dir")), ["", "member"]);
    assert_eq!(paths(&scratch.join("file")), [""]);
    assert_eq!(paths(&scratch.join("link")), [""]);
    assert_eq!(paths(&scratch.join("link/")), ["", "member"]);
    assert_eq!(paths(&scratch.join("dangling")), [""]);
    let fail = |path: &str| {
        let path = scratch.join(path);
        Walk::new(&path, &WalkOptions::default(), &Excludes::none()).map(drop).unwrap_err()
    };
    assert!(fail("missing").error.contains("No such file"), "{}", fail("missing"));
    assert!(fail("missing").path.ends_with("/missing"));
    fail("dangling/");
    fail("file/");
    fail("file/member");
    Walk::new(Path::new(""), &WalkOptions::default(), &Excludes::none()).map(drop).unwrap_err();
    let root = Walk::new(Path::new("/"), &WalkOptions::default(), &Excludes::none()).unwrap();
    assert_eq!(root.root(), Path::new("/"));
    let item = root.into_iter().nth(1).unwrap().unwrap();
    assert!(item.path().starts_with(b"/") && !item.path().starts_with(b"//"));
}

#[test]
fn what_vanishes_or_is_replaced_meanwhile_is_a_problem_and_the_rest_is_found() {
    let scratch = Scratch::new().unwrap();
    for name in ["a", "b", "c/in", "d/in", "e/in", "f"] {
        let path = scratch.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let mut walk = Walk::new(scratch.path(), &WalkOptions::default(), &Excludes::none()).unwrap();
    let mut next = || {
        walk.next().map(|found| match found {
            Ok(item) => item.key.to_string(),
            Err(problem) => format!("{problem}"),
        })
    };
    assert_eq!(next().unwrap(), "");
    assert_eq!(next().unwrap(), "a");
    fs::remove_file(scratch.join("b")).unwrap();
    let gone = next().unwrap();
    assert!(gone.contains("look at") && gone.contains("/b: No such file"), "{gone}");
    assert_eq!(next().unwrap(), "c");
    // Another directory takes its place before it is entered.
    fs::rename(scratch.join("c"), scratch.join("elsewhere")).unwrap();
    fs::create_dir(scratch.join("c")).unwrap();
    let other = next().unwrap();
    assert!(other.contains("another directory has taken its place"), "{other}");
    assert_eq!(next().unwrap(), "d");
    // A link takes its place: it is not followed.
    fs::remove_dir_all(scratch.join("d")).unwrap();
    symlink("e", scratch.join("d")).unwrap();
    let link = next().unwrap();
    assert!(link.contains("open directory") && link.contains("/d"), "{link}");
    assert_eq!([next().unwrap(), next().unwrap(), next().unwrap()], ["e", "e/in", "f"]);
    assert_eq!(next(), None);
    assert_eq!(next(), None);
}

#[test]
fn a_directory_that_cannot_be_read_gives_its_entry_and_a_problem() {
    if is_root() {
        // Root reads everything; the others run this.
        return;
    }
    let scratch = Scratch::new().unwrap();
    fs::create_dir(scratch.join("closed")).unwrap();
    fs::write(scratch.join("closed/in"), "").unwrap();
    fs::write(scratch.join("open"), "").unwrap();
    fs::set_permissions(scratch.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let (keys, problems) =
        walk_with(scratch.path(), &WalkOptions::default(), &ExcludeOptions::default());
    assert_eq!(keys, [&b""[..], b"closed", b"open"]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].error.contains("Permission denied"), "{}", problems[0]);
    // What may only be passed through can still be selected from.
    fs::set_permissions(scratch.join("closed"), fs::Permissions::from_mode(0o100)).unwrap();
    let selected = vec![scratch.join("closed/in")];
    let options = WalkOptions { selected, ..Default::default() };
    let (keys, problems) = walk_with(scratch.path(), &options, &ExcludeOptions::default());
    assert_eq!((keys.len(), problems.len()), (3, 0));
}

#[test]
fn another_file_system_is_an_entry_that_is_not_entered() {
    let device = |path: &str| fs::metadata(path).map(|meta| meta.dev()).ok();
    if device("/dev/pts").is_none() || device("/dev") == device("/dev/pts") {
        // No other file system is mounted there.
        return;
    }
    let of_dev = |options: &WalkOptions| {
        let options = WalkOptions { ahead_threads: 2, ..options.clone() };
        Vec::from_iter(Walk::new(Path::new("/dev"), &options, &Excludes::none()).unwrap().flatten())
    };
    let one = of_dev(&WalkOptions { one_file_system: true, ..Default::default() });
    let pts = one.iter().find(|item| item.key.as_bytes() == b"pts").unwrap();
    assert_ne!(pts.stat.device, 0);
    assert!(!one.iter().any(|item| item.key.as_bytes().starts_with(b"pts\0")));
    let all = of_dev(&WalkOptions::default());
    let inner = all.iter().find(|item| item.key.as_bytes().starts_with(b"pts\0")).unwrap();
    let pts = all.iter().find(|item| item.key.as_bytes() == b"pts").unwrap();
    assert_eq!(inner.stat.device, pts.stat.device);
    // Below a selected path, its own file system is the one to stay in.
    let selected = vec![PathBuf::from("/dev/pts")];
    let options = WalkOptions { one_file_system: true, selected, ..Default::default() };
    let chosen = of_dev(&options);
    assert!(chosen.iter().any(|item| item.key.as_bytes().starts_with(b"pts\0")));
}

#[test]
fn selected_paths_are_taken_with_the_way_to_them() {
    let scratch = Scratch::new().unwrap();
    for name in ["a/b/c", "a/b/d", "a/bb/e", "a/f", "g/h", "i"] {
        let path = scratch.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    symlink("a", scratch.join("link")).unwrap();
    let select = |names: &[&str]| {
        let selected = names.iter().map(|name| scratch.join(name)).collect();
        let options = WalkOptions { selected, ..Default::default() };
        let (keys, problems) = walk_with(scratch.path(), &options, &ExcludeOptions::default());
        let keys = keys.into_iter().map(|key| String::from_utf8(key).unwrap());
        (Vec::from_iter(keys), problems)
    };
    let (keys, problems) = select(&["a/b", "i", "a/b/c", "i"]);
    assert_eq!(keys, ["", "a", "a/b", "a/b/c", "a/b/d", "i"]);
    assert_eq!(problems, []);
    let (keys, problems) = select(&["g/h", "g/missing", "link/f", "a/bb"]);
    assert_eq!(keys, ["", "a", "a/bb", "a/bb/e", "g", "g/h", "link"]);
    assert_eq!(problems.len(), 2);
    assert!(problems[0].path.ends_with("/g/missing"), "{}", problems[0]);
    assert!(problems[1].error.contains("not a directory"), "{}", problems[1]);
    let (keys, _) = select(&["", "i"]);
    assert_eq!(keys.len(), 12);
    let outside = WalkOptions { selected: vec!["/etc".into()], ..Default::default() };
    Walk::new(scratch.path(), &outside, &Excludes::none()).map(drop).unwrap_err();
    let upward = WalkOptions { selected: vec![scratch.join("a/../i")], ..Default::default() };
    Walk::new(scratch.path(), &upward, &Excludes::none()).map(drop).unwrap_err();
}

#[test]
fn what_is_left_out_is_not_entered() {
    let scratch = Scratch::new().unwrap();
    for name in
        ["keep", "cache/CACHEDIR.TAG", "cache/x/y", "no/deep/file", "other/.nobackup", "other/z"]
    {
        let path = scratch.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "Signature: 8a477f597d28d172789f06886806bc55\n# a comment").unwrap();
    }
    let excludes = ExcludeOptions {
        patterns: vec!["deep".into()],
        caches: true,
        if_present: vec![crate::source::exclude::Mark::parse(".nobackup".as_ref()).unwrap()],
        ..Default::default()
    };
    let (keys, problems) = walk_with(scratch.path(), &WalkOptions::default(), &excludes);
    assert_eq!(problems, []);
    let kept = ["", "cache", "cache/CACHEDIR.TAG", "keep", "no", "other", "other/.nobackup"];
    assert_eq!(keys, kept.map(|name| name.as_bytes().to_vec()));
}

/// Many directories in one, of which some are left out, some are too large for a listing, some go deep.
#[test]
fn what_is_announced_is_what_is_entered() {
    let scratch = Scratch::new().unwrap();
    for number in 0..60 {
        let dir = scratch.join(format!("dir-{number:02}"));
        fs::create_dir_all(dir.join("a/b/c")).unwrap();
        fs::create_dir_all(dir.join("no/deep")).unwrap();
        fs::write(dir.join("file"), "").unwrap();
    }
    for number in 0..1500 {
        fs::create_dir_all(scratch.join(format!("dir-30/{number}/in"))).unwrap();
    }
    let excludes = ExcludeOptions { patterns: vec!["no".into()], ..Default::default() };
    let (keys, problems) = walk_with(scratch.path(), &WalkOptions::default(), &excludes);
    assert_eq!(problems, []);
    assert_eq!(keys.len(), 1 + 60 * 5 + 2 * 1500);
    let excludes = Excludes::new(&excludes).unwrap();
    let options = WalkOptions { ahead_threads: 2, ..WalkOptions::default() };
    let mut walk = Walk::new(scratch.path(), &options, &excludes).unwrap();
    let mut most = 0;
    while let Some(found) = walk.next() {
        found.unwrap();
        most = most.max(walk.announced);
    }
    assert!((ahead::ANNOUNCED_MAX..=OPEN_DIRECTORIES_MAX / 2).contains(&most), "{most}");
    assert_eq!(walk.announced, 0);
}

/// What was seen when its directory was listed may be something else by the time the walk comes there.
#[test]
fn what_changes_while_the_walk_is_elsewhere_is_looked_at_again() {
    let scratch = Scratch::new().unwrap();
    for name in ["a/in", "b/old", "c", "d", "e"] {
        let path = scratch.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let options = WalkOptions { ahead_threads: 2, ..WalkOptions::default() };
    let mut walk = Walk::new(scratch.path(), &options, &Excludes::none()).unwrap();
    let mut next =
        || walk.next().map(|found| found.map(|item| (item.key.to_string(), item.stat.kind)));
    let mut expect = |key: &str, kind| {
        assert_eq!(next().unwrap().unwrap(), (key.to_owned(), kind));
    };
    expect("", EntryKind::Dir);
    expect("a", EntryKind::Dir);
    expect("a/in", EntryKind::File);
    fs::rename(scratch.join("b"), scratch.join("z")).unwrap();
    fs::create_dir(scratch.join("b")).unwrap();
    fs::write(scratch.join("b/new"), "").unwrap();
    fs::remove_file(scratch.join("c")).unwrap();
    symlink("nowhere", scratch.join("c")).unwrap();
    expect("b", EntryKind::Dir);
    expect("b/new", EntryKind::File);
    expect("c", EntryKind::Symlink);
    expect("d", EntryKind::File);
    fs::remove_file(scratch.join("e")).unwrap();
    let gone = next().unwrap().unwrap_err();
    assert!(gone.error.contains("No such file"), "{gone}");
    assert!(next().is_none());
}

/// A directory may be left out because to open it would wake somebody, or wait for one.
#[test]
fn nobody_opens_what_is_left_out() {
    let scratch = Scratch::new().unwrap();
    for name in ["a/in", "b/no/in", "no/in", "z/in"] {
        let path = scratch.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    for name in ["no", "b/no"] {
        inotify::add_watch(&watch, scratch.join(name), inotify::WatchFlags::OPEN).unwrap();
    }
    let mut buffer = [MaybeUninit::uninit(); 512];
    let mut opened = || inotify::Reader::new(&watch, &mut buffer).next().is_ok();
    fs::read_dir(scratch.join("no")).unwrap();
    assert!(opened(), "or nothing is shown");
    while opened() {}
    let excludes = ExcludeOptions { patterns: vec!["no".into()], ..Default::default() };
    let (keys, _) = walk_with(scratch.path(), &WalkOptions::default(), &excludes);
    assert_eq!(keys.len(), 6);
    assert!(!opened());
}

#[test]
fn a_path_too_long_for_a_key_is_a_problem() {
    let scratch = Scratch::new().unwrap();
    for name in ["dir/in", "f", "too long"] {
        let path = scratch.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let mut walk = Walk::new(scratch.path(), &WalkOptions::default(), &Excludes::none()).unwrap();
    walk.next().unwrap().unwrap();
    // As if the root lay so deep that there is room for three more bytes and the separator.
    walk.key = b"x\0".repeat(lifeboat_format::tree::PATH_MAX / 2 - 2);
    walk.key.pop();
    let mut names = Vec::new();
    for found in walk {
        names.push(match found {
            Ok(item) => String::from_utf8(item.key.name().to_vec()).unwrap(),
            Err(problem) => problem.error,
        });
    }
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!((names[0].as_str(), names[2].as_str()), ("dir", "f"));
    assert!(names[1].contains("longer than") && names[3].contains("longer than"), "{names:?}");
}
