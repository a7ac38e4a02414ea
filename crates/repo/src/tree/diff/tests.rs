use lifeboat_format::tree::Node;
use proptest::prelude::*;

use super::*;
use crate::tree::nodes::Nodes;
use crate::tree::testing::{Entries, MemChunks, build, directory, file, key, many};

fn naive(old: &Entries, new: &Entries) -> Vec<Change> {
    let mut keys: Vec<_> = old.keys().chain(new.keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|key| Change { old: old.get(&key).cloned(), new: new.get(&key).cloned(), key })
        .filter(|change| change.old != change.new)
        .collect()
}

fn diff(chunks: &MemChunks, old: &TreeRoot, new: &TreeRoot) -> Vec<Change> {
    Diff::new(chunks, old, new).map(Result::unwrap).collect()
}

#[test]
fn equal_trees_cost_nothing() {
    let mut chunks = MemChunks::default();
    let root = build(&many(30, 100), &mut chunks);
    assert_eq!(diff(&chunks, &root, &root), []);
    assert_eq!(chunks.fetches(), 0);
}

#[test]
fn the_work_is_proportional_to_the_difference() {
    let mut chunks = MemChunks::default();
    let mut entries = many(100, 1000);
    let old = build(&entries, &mut chunks);
    let before = entries.clone();
    for number in 0..10 {
        entries.insert(key(&format!("directory-{:05}/some-file-0500.txt", number * 10)), file(1));
        entries.remove(&key(&format!("directory-{:05}/some-file-0100.txt", number * 10 + 5)));
    }
    let new = build(&entries, &mut chunks);
    let inner = Nodes::new(&chunks, &old, |_| true)
        .map(|(id, node)| (id, node.unwrap()))
        .filter(|(_, node)| node.level() > 0)
        .count();
    chunks.forget_fetches();
    assert_eq!(diff(&chunks, &old, &new), naive(&before, &entries));
    // Of each side at most a leaf a change (two where a boundary went), and what is above them.
    assert!(chunks.chunks.len() > 700);
    assert!(chunks.fetches() <= 2 * (20 + inner) + 5, "{} nodes", chunks.fetches());
}

#[test]
fn trees_of_different_height_share_what_they_can() {
    let mut chunks = MemChunks::default();
    let small = many(3, 300);
    let mut large = small.clone();
    large.extend((0..40_000).map(|number| (key(&format!("e{number:06}")), file(number))));
    let (old, new) = (build(&small, &mut chunks), build(&large, &mut chunks));
    assert!(old.level < new.level, "{} {}", old.level, new.level);
    assert_eq!(diff(&chunks, &old, &new).len(), 40_000);
    let one_way = chunks.fetches();
    assert!(diff(&chunks, &new, &old).iter().all(|change| change.kind() == ChangeKind::Removed));
    assert_eq!(chunks.fetches(), 2 * one_way);
    // All leaves but the last of the small tree are passed over.
    let small_leaves = Nodes::new(&chunks, &old, |_| true)
        .map(|(id, node)| (id, node.unwrap()))
        .filter(is_leaf)
        .count();
    let large_nodes = Nodes::new(&chunks, &new, |_| true).count();
    assert!(one_way <= large_nodes - (small_leaves - 1) + 4, "{one_way} of {large_nodes}");
}

fn is_leaf(visited: &(ChunkId, Node)) -> bool {
    visited.1.level() == 0
}

#[test]
fn a_range_hides_what_happened_elsewhere() {
    let mut chunks = MemChunks::default();
    let mut entries = many(10, 100);
    let old = build(&entries, &mut chunks);
    for number in 0..10 {
        entries.insert(key(&format!("directory-{number:05}/new")), file(1));
    }
    let new = build(&entries, &mut chunks);
    let within: Vec<_> = Diff::new(&chunks, &old, &new)
        .range(&key("directory-00004"))
        .map(|change| change.unwrap().key)
        .collect();
    assert_eq!(within, [key("directory-00004/new")]);
}

#[test]
fn differences_are_told_apart() {
    let old = file(1);
    let differences = |edit: fn(&mut Entry)| {
        let mut new = old.clone();
        edit(&mut new);
        let Differences { content, metadata, record } = Differences::between(&old, &new);
        (content, metadata, record)
    };
    assert_eq!(differences(|_| {}), (false, false, false));
    assert_eq!(differences(|new| new.content = file(2).content), (true, false, false));
    assert_eq!(differences(|new| new.mode = 0o600), (false, true, false));
    assert_eq!(differences(|new| new.mtime.secs += 1), (false, true, false));
    assert_eq!(differences(|new| new.ctime.secs += 1), (false, false, true));
    assert_eq!(differences(|new| new.inode += 1), (false, false, true));
    assert_eq!(differences(|new| *new = directory()), (true, true, false));

    // Chunked anew, but of the same hash: the same content.
    let hashed = |seed| Entry { content_hash: Some([9; 32]), ..file(seed) };
    let kept_otherwise = Differences { record: true, ..Differences::default() };
    assert_eq!(Differences::between(&hashed(1), &hashed(2)), kept_otherwise);
}

#[test]
fn what_is_opposite_a_lost_node_is_left_out() {
    let mut chunks = MemChunks::default();
    let mut entries = many(30, 200);
    let old = build(&entries, &mut chunks);
    let before = entries.clone();
    for number in 0..30 {
        entries.insert(key(&format!("directory-{number:05}/some-file-0100.txt")), file(1));
    }
    let new = build(&entries, &mut chunks);
    let leaves: Vec<_> = Nodes::new(&chunks, &old, |_| true)
        .map(|(id, node)| (id, node.unwrap()))
        .filter_map(|(id, node)| match node {
            Node::Leaf(entries) => Some((id, entries)),
            Node::Inner { .. } => None,
        })
        .collect();
    let changed = key("directory-00011/some-file-0100.txt");
    let (lost, gone) =
        leaves.iter().find(|(_, entries)| entries.iter().any(|(key, _)| *key == changed)).unwrap();
    chunks.lost.insert(*lost);
    let expected: Vec<_> = naive(&before, &entries)
        .into_iter()
        .filter(|change| !gone.iter().any(|(key, _)| *key == change.key))
        .collect();
    for (left, right, turned) in [(&old, &new, false), (&new, &old, true)] {
        let (good, bad): (Vec<_>, Vec<_>) =
            Diff::new(&chunks, left, right).partition(Result::is_ok);
        assert_eq!(bad.len(), 1);
        let good: Vec<_> = good
            .into_iter()
            .map(Result::unwrap)
            .map(|Change { key, old, new }| match turned {
                true => Change { key, old: new, new: old },
                false => Change { key, old, new },
            })
            .collect();
        assert_eq!(good, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_agrees_with_a_naive_comparison(
        numbers in prop::collection::btree_set(0_u32..4000, 0..2000),
        edits in prop::collection::vec((0_u32..4000, 0_u32..3), 0..60),
        cut in 0_u32..4000,
        drop_tail: bool,
    ) {
        let path = |number: u32| key(&format!("d{:02}/f{number:04}", number / 50));
        let mut old: Entries =
            numbers.iter().map(|number| (path(*number), file(*number))).collect();
        old.insert(PathKey::root(), directory());
        let mut new = old.clone();
        for (number, edit) in edits {
            match edit {
                0 => drop(new.remove(&path(number))),
                edit => drop(new.insert(path(number), file(number + edit * 10_000))),
            }
        }
        if drop_tail {
            new.retain(|key, _| key.is_root() || *key < path(cut));
        }
        let mut chunks = MemChunks::default();
        let (old_root, new_root) = (build(&old, &mut chunks), build(&new, &mut chunks));
        prop_assert_eq!(diff(&chunks, &old_root, &new_root), naive(&old, &new));
        prop_assert_eq!(diff(&chunks, &new_root, &old_root), naive(&new, &old));
    }
}
