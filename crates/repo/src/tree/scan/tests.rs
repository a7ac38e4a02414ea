use lifeboat_format::tree::Node;
use proptest::prelude::*;

use super::*;
use crate::Kind;
use crate::tree::testing::{Entries, MemChunks, build, directory, file, key, many};

fn all(scan: Scan<'_>) -> Vec<PathKey> {
    scan.map(|item| item.unwrap().0).collect()
}

fn keys_from(entries: &Entries, from: &[u8]) -> Vec<PathKey> {
    entries.keys().filter(|key| key.as_bytes() >= from).cloned().collect()
}

#[test]
fn entries_come_back_in_path_order_and_each_node_is_fetched_once() {
    let entries = many(40, 200);
    let mut chunks = MemChunks::default();
    let root = build(&entries, &mut chunks);
    let back: Entries = Scan::new(&chunks, &root).map(Result::unwrap).collect();
    assert_eq!(back, entries);
    assert_eq!(all(Scan::new(&chunks, &root)), keys_from(&entries, b""));
    assert_eq!(chunks.fetches(), 2 * chunks.chunks.len());
}

#[test]
fn a_range_is_a_directory_with_all_below_it_and_nothing_beside_it() {
    let mut entries = many(30, 100);
    for name in ["a", "a.b", "a/b", "a/b/c", "a-b", "ab", "b"] {
        entries.insert(key(name), directory());
    }
    let mut chunks = MemChunks::default();
    let root = build(&entries, &mut chunks);
    let range = |path: &str| all(Scan::new(&chunks, &root).range(&key(path)));
    assert_eq!(range("a"), [key("a"), key("a/b"), key("a/b/c")]);
    assert_eq!(range("a.b"), [key("a.b")]);
    assert_eq!(range("nothing"), []);
    assert_eq!(range("").len(), entries.len());

    chunks.forget_fetches();
    assert_eq!(all(Scan::new(&chunks, &root).range(&key("directory-00007"))).len(), 101);
    assert!(chunks.fetches() <= 5, "{} nodes for one directory", chunks.fetches());
}

#[test]
fn a_seek_goes_forwards_and_backwards_and_fetches_what_it_must() {
    let entries = many(100, 100);
    let mut chunks = MemChunks::default();
    let root = build(&entries, &mut chunks);
    let mut scan = Scan::new(&chunks, &root);
    let wanted = |path: &str| {
        let wanted = key(path);
        entries.range(wanted..).next().map(|(key, _)| key.clone())
    };
    for path in [
        "directory-00050/some-file-0050.txt",
        "directory-00050/some-file-0051.txt",
        "directory-00050/some-file-0049.txt",
        "directory-00050/some-file-0049.txt",
        "directory-00099/zzz",
        "",
        "directory-00098",
        "directory-00003/x",
        "zzz",
        "directory-00000",
    ] {
        scan.seek(key(path));
        let next = scan.next().map(|item| item.unwrap().0);
        assert_eq!(next, wanted(path), "{path}");
    }
    drop(scan);

    chunks.forget_fetches();
    let mut scan = Scan::new(&chunks, &root);
    for number in 0..100 {
        scan.seek(key(&format!("directory-{number:05}/some-file-0000.txt")));
        assert!(scan.peek().unwrap().is_ok());
    }
    // Passing over leaves costs nothing, going on in an open one neither.
    assert!(chunks.fetches() <= chunks.chunks.len(), "{}", chunks.fetches());
}

#[test]
fn a_peek_gives_nothing_away() {
    let entries = many(3, 100);
    let mut chunks = MemChunks::default();
    let root = build(&entries, &mut chunks);
    let mut scan = Scan::new(&chunks, &root);
    for (key, entry) in &entries {
        for _ in 0..2 {
            assert_eq!(scan.peek().unwrap().unwrap(), (key, entry));
        }
        assert_eq!(scan.next().unwrap().unwrap(), (key.clone(), entry.clone()));
    }
    assert!(scan.peek().is_none());
    assert!(scan.next().is_none());
}

#[test]
fn a_lookup_fetches_only_the_way_to_its_path() {
    let entries = many(100, 200);
    let mut chunks = MemChunks::default();
    let root = build(&entries, &mut chunks);
    for path in ["", "directory-00000", "directory-00042/some-file-0123.txt"] {
        chunks.forget_fetches();
        let found = lookup(&chunks, &root, &key(path)).unwrap();
        assert_eq!(found.as_ref(), entries.get(&key(path)), "{path}");
        assert_eq!(chunks.fetches(), usize::from(root.level) + 1, "{path}");
    }
    for path in ["directory-00042/some-file-0123", "a", "zzz", "directory-00042/a/b"] {
        chunks.forget_fetches();
        assert_eq!(lookup(&chunks, &root, &key(path)).unwrap(), None, "{path}");
        assert!(chunks.fetches() <= usize::from(root.level) + 1, "{path}");
    }
}

#[test]
fn behind_a_lost_node_everything_else_is_still_there() {
    let entries = many(50, 200);
    let mut chunks = MemChunks::default();
    let root = build(&entries, &mut chunks);
    let victim = leaf_of(&chunks, &key("directory-00020/some-file-0100.txt"));
    chunks.lost.insert(victim.0);

    let mut scan = Scan::new(&chunks, &root);
    let (found, errors): (Vec<_>, Vec<_>) = scan.by_ref().partition(Result::is_ok);
    assert_eq!(errors.len(), 1);
    let error = errors[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    let text = error.to_string();
    assert!(text.contains(&victim.0.to_string()), "{text}");
    assert!(text.contains(&format!("{} entries from", victim.1.len())), "{text}");
    let found: Vec<_> = found.into_iter().map(|item| item.unwrap().0).collect();
    let rest: Vec<_> = entries.keys().filter(|key| !victim.1.contains(key)).cloned().collect();
    assert_eq!(found, rest);
    assert_eq!(scan.lost(), victim.1.len() as u64);

    let mut scan = Scan::new(&chunks, &root);
    scan.seek(&victim.1[1]);
    assert!(scan.peek().unwrap().is_err());
    let after = entries.range(victim.1.last().unwrap().clone()..).nth(1).unwrap().0;
    assert_eq!(scan.peek().unwrap().unwrap().0, after);
    assert!(lookup(&chunks, &root, &victim.1[0]).is_err());
    assert!(lookup(&chunks, &root, after).unwrap().is_some());
}

/// The leaf that holds `wanted`, with its keys.
fn leaf_of(chunks: &MemChunks, wanted: &PathKey) -> (lifeboat_format::id::ChunkId, Vec<PathKey>) {
    chunks
        .chunks
        .iter()
        .find_map(|(id, bytes)| match Node::decode(bytes).unwrap() {
            Node::Leaf(entries) if entries.iter().any(|(key, _)| key == wanted) => {
                Some((*id, entries.into_iter().map(|(key, _)| key).collect()))
            }
            _ => None,
        })
        .unwrap()
}

#[test]
fn a_root_that_is_lost_is_one_error() {
    let mut chunks = MemChunks::default();
    let root = build(&many(3, 100), &mut chunks);
    chunks.lost.insert(root.id);
    let mut scan = Scan::new(&chunks, &root);
    assert!(scan.next().unwrap().is_err());
    assert!(scan.next().is_none());
    assert_eq!(scan.lost(), root.entries);
}

#[test]
fn a_tree_that_is_not_what_its_parents_say_is_refused() {
    let mut chunks = MemChunks::default();
    let root = build(&many(20, 200), &mut chunks);
    for wrong in [
        TreeRoot { level: root.level + 1, ..root },
        TreeRoot { level: root.level - 1, ..root },
        TreeRoot { level: 0, ..root },
    ] {
        let mut scan = Scan::new(&chunks, &wrong);
        let error = scan.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(error.to_string().contains("it is of level"), "{error}");
        assert!(scan.next().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_walk_agrees_with_a_map(
        numbers in prop::collection::btree_set(0_u32..3000, 1..1500),
        steps in prop::collection::vec((0_u32..3000, 0_usize..200), 1..30),
    ) {
        let path = |number: u32| key(&format!("d{:02}/f{number:04}", number / 50));
        let mut entries: Entries =
            numbers.iter().map(|number| (path(*number), file(*number))).collect();
        entries.insert(PathKey::root(), directory());
        let mut chunks = MemChunks::default();
        let root = build(&entries, &mut chunks);
        let mut scan = Scan::new(&chunks, &root);
        for (number, count) in steps {
            scan.seek(path(number));
            let walked: Vec<_> = scan.by_ref().take(count).map(Result::unwrap).collect();
            let expected: Vec<_> = entries
                .range(path(number)..)
                .take(count)
                .map(|(key, entry)| (key.clone(), entry.clone()))
                .collect();
            prop_assert_eq!(walked, expected);
        }
    }
}
