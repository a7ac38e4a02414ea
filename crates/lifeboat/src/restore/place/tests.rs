//! Roots under their absolute paths, a sub-path's members in the target itself.

use super::*;

fn key(path: &str) -> PathKey {
    root_key(path.as_bytes()).unwrap()
}

fn way(root: &str, wanted: &str, entry: &str) -> Option<String> {
    let piece = piece(0, key(root), &key(wanted))?;
    let absolute = piece.absolute(&key(entry));
    Some(String::from_utf8(absolute_path(piece.way(&absolute))).unwrap())
}

#[test]
fn without_a_sub_path_roots_keep_their_paths() {
    assert_eq!(way("/home/alice", "/", "x/y").unwrap(), "/home/alice/x/y");
    assert_eq!(way("/", "/", "x").unwrap(), "/x");
    assert_eq!(way("/", "/", "").unwrap(), "/");
}

#[test]
fn a_sub_paths_members_go_into_the_target() {
    assert_eq!(way("/home/alice", "/home/alice", "x").unwrap(), "/x");
    assert_eq!(way("/home/alice", "/home/alice/docs", "docs/x/y").unwrap(), "/x/y");
    assert_eq!(way("/home/alice", "/home/alice/docs", "docs").unwrap(), "/");
    assert_eq!(way("/home/alice", "/home", "x").unwrap(), "/alice/x");
    assert_eq!(way("/home/alice", "/home/alicia", "x"), None);
    assert_eq!(way("/home/alice", "/srv", "x"), None);
}

#[test]
fn a_single_file_keeps_its_name() {
    for (root, wanted, start) in
        [("/etc", "/etc/ssl/key", "ssl/key"), ("/etc/ssl/key", "/etc/ssl/key", "")]
    {
        let mut piece = piece(0, key(root), &key(wanted)).unwrap();
        assert_eq!(piece.start, key(start));
        piece.is_single_file();
        let absolute = piece.absolute(&key(start));
        assert_eq!(piece.way(&absolute), b"key");
    }
    let mut whole = piece(0, key("/etc/passwd"), &PathKey::root()).unwrap();
    whole.is_single_file();
    let absolute = whole.absolute(&PathKey::root());
    assert_eq!(whole.way(&absolute), b"etc\0passwd");
}

#[test]
fn ways_are_split_and_named() {
    assert_eq!(split(b"a\0b\0c"), (b"a\0b".as_slice(), b"c".as_slice()));
    assert_eq!(split(b"a"), (b"".as_slice(), b"a".as_slice()));
    assert_eq!(names(b"a\0b").collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(names(b"").count(), 0);
    assert!(root_key(b"/a/../b").is_err());
}
