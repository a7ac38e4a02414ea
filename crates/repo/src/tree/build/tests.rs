use std::time::Instant;

use lifeboat_format::tree::{NODE_MAX, Node};
use proptest::prelude::*;

use super::*;
use crate::tree::testing::{Entries, Keys, MemChunks, build, directory, file, key, many};

/// Every node of the tree with its level, first key and the keys or children in it.
fn nodes(chunks: &MemChunks, root: &TreeRoot) -> Vec<(Node, usize)> {
    let mut found = Vec::new();
    let mut open = vec![root.id];
    while let Some(id) = open.pop() {
        let bytes = &chunks.chunks[&id];
        let node = Node::decode(bytes).unwrap();
        if let Node::Inner { children, .. } = &node {
            open.extend(children.iter().map(|child| child.id));
        }
        found.push((node, bytes.len()));
    }
    found
}

#[test]
fn a_tree_of_one_entry_is_one_leaf() {
    let mut chunks = MemChunks::default();
    let root = build(&Entries::from([(PathKey::root(), file(1))]), &mut chunks);
    assert_eq!((root.level, root.entries, root.bytes), (0, 1, 1000));
    assert_eq!(chunks.chunks.len(), 1);
}

#[test]
fn a_tree_without_entries_is_refused() {
    let keys = Keys::new();
    let mut builder = TreeBuilder::new(keys.tree(), MemChunks::default());
    assert_eq!(builder.snapshot().unwrap_err().kind(), Kind::Invalid);
    assert_eq!(builder.finish().unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn what_does_not_follow_is_refused_and_leaves_the_builder_as_it_was() {
    let keys = Keys::new();
    let mut chunks = MemChunks::default();
    let mut builder = TreeBuilder::new(keys.tree(), &mut chunks);
    for path in ["", "a", "a/b", "a.b"] {
        builder.push(key(path), &directory()).unwrap();
    }
    for path in ["a.b", "a/b/c", "a", ""] {
        let error = builder.push(key(path), &directory()).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().contains("path order"), "{error}");
    }
    let impossible = Entry { size: 5, ..Entry::default() };
    let error = builder.push(key("b"), &impossible).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    builder.push(key("b"), &directory()).unwrap();
    assert_eq!(builder.entries(), 5);
    let root = builder.finish().unwrap();

    let paths = ["", "a", "a/b", "a.b", "b"];
    let entries: Entries = paths.iter().map(|path| (key(path), directory())).collect();
    assert_eq!(root, build(&entries, &mut MemChunks::default()));
}

#[test]
fn an_entry_too_large_for_any_node_is_refused() {
    let keys = Keys::new();
    let mut builder = TreeBuilder::new(keys.tree(), MemChunks::default());
    let giant = Entry { user: vec![b'u'; ENTRY_MAX], ..Entry::default() };
    assert_eq!(builder.push(key("a"), &giant).unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn levels_have_the_fan_out_that_the_rules_say() {
    let mut chunks = MemChunks::default();
    let entries = many(100, 1000);
    let root = build(&entries, &mut chunks);
    assert_eq!(root.entries, 100_101);
    assert_eq!(root.bytes, 100_000_000);
    // Two levels above the leaves, and a third where one of the dozen nodes starts a level by chance.
    assert!((2..=3).contains(&root.level), "{}", root.level);
    let nodes = nodes(&chunks, &root);
    assert_eq!(nodes.len(), chunks.chunks.len());
    let leaves = nodes.iter().filter(|(node, _)| node.level() == 0).count();
    let inner = nodes.iter().filter(|(node, _)| node.level() == 1).count();
    // 100,101 / 128 = 782, and 782 / 64 = 12; both within three standard deviations.
    assert!((700..870).contains(&leaves), "{leaves}");
    assert!((4..25).contains(&inner), "{inner}");
    for (node, len) in &nodes {
        assert!(*len <= NODE_MAX, "level {} has {len} bytes", node.level());
    }
}

#[test]
fn one_changed_entry_of_100_000_rewrites_one_leaf_and_its_ancestors() {
    let mut chunks = MemChunks::default();
    let mut entries = many(100, 1000);
    let before = build(&entries, &mut chunks);
    for name in ["change", "add", "remove"] {
        match name {
            "change" => entries.insert(key("directory-00050/some-file-0500.txt"), file(7)),
            "add" => entries.insert(key("directory-00050/some-file-0500.bak"), file(8)),
            _ => entries.remove(&key("directory-00020/some-file-0007.txt")),
        };
        chunks.new = (0, 0);
        let after = build(&entries, &mut chunks);
        assert_ne!(after.id, before.id);
        let (nodes, bytes) = chunks.new;
        // A boundary that comes or goes makes two leaves of one, or one of two.
        let least = usize::from(after.level) + 1;
        assert!((least..=least + 1).contains(&nodes), "{name}: {nodes} nodes");
        assert!(bytes < 64 << 10, "{name}: {bytes} bytes");
    }
}

#[test]
fn a_snapshot_is_the_tree_so_far_and_disturbs_nothing() {
    let keys = Keys::new();
    let mut chunks = MemChunks::default();
    let entries = many(3, 700);
    let mut builder = TreeBuilder::new(keys.tree(), &mut chunks);
    let mut snapshots = Vec::new();
    for (number, (key, entry)) in entries.iter().enumerate() {
        builder.push(key.clone(), entry).unwrap();
        if number % 333 == 0 {
            snapshots.push((number + 1, builder.snapshot().unwrap()));
        }
    }
    let whole = builder.finish().unwrap();
    assert_eq!(whole, build(&entries, &mut MemChunks::default()));
    for (count, snapshot) in snapshots {
        let some: Entries =
            entries.iter().take(count).map(|(key, entry)| (key.clone(), entry.clone())).collect();
        assert_eq!(snapshot, build(&some, &mut MemChunks::default()));
        assert_eq!(snapshot.entries, count as u64);
    }
}

/// An entry whose encoding takes about `len` bytes.
fn large(len: usize) -> Entry {
    let value = vec![0x5a; len];
    Entry { xattrs: [(b"user.x".to_vec(), value)].into(), ..directory() }
}

#[test]
fn large_entries_end_a_node_at_64_kib_and_giant_ones_stand_alone() {
    for (len, least) in [(10_000, 60), (200_000, 400)] {
        let mut chunks = MemChunks::default();
        let mut entries = Entries::from([(PathKey::root(), directory())]);
        for number in 0..400 {
            entries.insert(key(&format!("entry-{number:03}")), large(len));
        }
        let root = build(&entries, &mut chunks);
        assert_eq!(root.entries, 401);
        let nodes = nodes(&chunks, &root);
        let leaves = nodes.iter().filter(|(node, _)| node.level() == 0);
        assert!(leaves.clone().count() >= least, "{}", leaves.count());
        for (node, len) in &nodes {
            let alone = matches!(node, Node::Leaf(entries) if entries.len() == 1);
            assert!(*len <= NODE_MAX || alone, "{len} bytes");
        }
    }
}

#[test]
fn keys_so_long_that_two_fill_a_node_still_make_a_tree_that_ends() {
    let mut entries = Entries::from([(PathKey::root(), directory())]);
    for number in 0..40_u8 {
        // 50 KiB of path that shares nothing with its neighbours.
        let mut long = key(&format!("{number:02}"));
        for _ in 0..50 {
            long = long.child(&[b'a' + number % 26; 1000]).unwrap();
        }
        entries.insert(long, directory());
    }
    let mut chunks = MemChunks::default();
    let root = build(&entries, &mut chunks);
    assert_eq!(root.entries, 41);
    assert!(root.level <= 6, "{}", root.level);
    for (node, len) in nodes(&chunks, &root) {
        let items = match node {
            Node::Leaf(entries) => entries.len(),
            Node::Inner { children, .. } => children.len(),
        };
        assert!(len <= NODE_MAX || items <= 2, "{items} items in {len} bytes");
    }
}

#[test]
fn a_forced_end_does_not_move_what_follows_the_next_natural_one() {
    // Entries so large that most nodes end by force: an insertion shifts them, but no further than
    // to the next key that starts a node.
    let mut entries = Entries::from([(PathKey::root(), directory())]);
    for number in 0..4000 {
        entries.insert(key(&format!("entry-{number:04}")), large(3000));
    }
    let mut chunks = MemChunks::default();
    build(&entries, &mut chunks);
    let all = chunks.new.0;
    chunks.new = (0, 0);
    entries.insert(key("entry-1000-new"), large(3000));
    build(&entries, &mut chunks);
    assert!(all > 200, "{all}");
    assert!(chunks.new.0 < 40, "{} new nodes", chunks.new.0);
}

#[test]
fn children_say_what_is_below_them() {
    let mut chunks = MemChunks::default();
    let root = build(&many(50, 200), &mut chunks);
    let mut open: Vec<Child> = vec![Child {
        first: PathKey::root(),
        id: root.id,
        entries: root.entries,
        bytes: root.bytes,
    }];
    while let Some(child) = open.pop() {
        match Node::decode(&chunks.chunks[&child.id]).unwrap() {
            Node::Leaf(entries) => {
                assert_eq!(entries[0].0, child.first);
                assert_eq!(entries.len() as u64, child.entries);
                assert_eq!(entries.iter().map(|(_, entry)| entry.size).sum::<u64>(), child.bytes);
            }
            Node::Inner { children, .. } => {
                assert_eq!(children[0].first, child.first);
                assert_eq!(children.iter().map(|child| child.entries).sum::<u64>(), child.entries);
                open.extend(children);
            }
        }
    }
}

#[test]
fn a_hundred_thousand_entries_are_built_and_scanned_quickly() {
    let entries = many(100, 1000);
    let mut chunks = MemChunks::default();
    let start = Instant::now();
    let root = build(&entries, &mut chunks);
    let built = start.elapsed();
    let start = Instant::now();
    let count = crate::tree::scan::Scan::new(&chunks, &root).filter(Result::is_ok).count();
    println!("built in {built:?}, scanned in {:?}", start.elapsed());
    assert_eq!(count as u64, root.entries);
    // Many times what it takes, so that only a mistake of a power fails here.
    assert!(built.as_secs() < 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_entries_make_the_same_tree_whatever_their_history(
        numbers in prop::collection::btree_set(0_u32..5000, 0..1500),
        extra in prop::collection::vec(0_u32..5000, 1..40),
        big in prop::collection::btree_set(0_u32..5000, 0..30),
    ) {
        let entry = |number: &u32| {
            let entry = if big.contains(number) { large(20_000) } else { file(*number) };
            (key(&format!("d{}/f{number}", number / 100)), entry)
        };
        let mut chunks = MemChunks::default();
        let mut entries: Entries = numbers.iter().map(entry).collect();
        entries.insert(PathKey::root(), directory());
        let direct = build(&entries, &mut chunks);

        // The same by way of another set: some more, built, then without them again.
        let mut detour = entries.clone();
        detour.extend(extra.iter().map(entry));
        build(&detour, &mut chunks);
        chunks.new = (0, 0);
        detour.retain(|key, _| entries.contains_key(key));
        prop_assert_eq!(build(&detour, &mut chunks), direct);
        prop_assert_eq!(chunks.new, (0, 0));
        let sum = entries.values().map(|entry| entry.size).sum::<u64>();
        prop_assert_eq!((direct.entries, direct.bytes), (entries.len() as u64, sum));
    }
}
