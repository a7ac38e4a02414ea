use std::collections::HashSet;

use super::*;
use crate::tree::testing::{MemChunks, build, file, key, many};

#[test]
fn every_node_is_visited_once_and_known_subtrees_are_left_out() {
    let mut chunks = MemChunks::default();
    let mut entries = many(100, 300);
    let before = build(&entries, &mut chunks);
    entries.insert(key("directory-00040/some-file-0003.txt"), file(99));
    chunks.new = (0, 0);
    let after = build(&entries, &mut chunks);
    let new = chunks.new.0;

    let mut seen = HashSet::new();
    let mut count = |root| {
        let visit = |id: &ChunkId| seen.insert(*id);
        Nodes::new(&chunks, root, visit).inspect(|(_, node)| assert!(node.is_ok())).count()
    };
    assert_eq!(count(&before), chunks.chunks.len() - new);
    assert_eq!(count(&after), new);
    assert_eq!(count(&after), 0);
    assert_eq!(chunks.fetches(), chunks.chunks.len());
}

#[test]
fn a_lost_node_is_an_error_among_the_others() {
    let mut chunks = MemChunks::default();
    let root = build(&many(50, 200), &mut chunks);
    let leaves: Vec<_> = Nodes::new(&chunks, &root, |_| true)
        .map(|(id, node)| (id, node.unwrap()))
        .filter(|(_, node)| node.level() == 0)
        .map(|(id, _)| id)
        .collect();
    chunks.lost.extend([leaves[3], leaves[7]]);
    let (good, bad): (Vec<_>, Vec<_>) =
        Nodes::new(&chunks, &root, |_| true).partition(|(_, node)| node.is_ok());
    assert_eq!(good.len(), chunks.chunks.len() - 2);
    assert_eq!(bad.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [leaves[3], leaves[7]]);
    assert!(bad[0].1.as_ref().unwrap_err().to_string().contains(&leaves[3].to_string()));
}

#[test]
fn a_node_that_holds_less_than_is_said_above_it_is_given_out_and_complained_of() {
    let mut chunks = MemChunks::default();
    let root = build(&many(1, 5), &mut chunks);
    let wrong = TreeRoot { bytes: root.bytes + 1, ..root };
    let items: Vec<_> = Nodes::new(&chunks, &wrong, |_| true).collect();
    assert_eq!(items.len(), 2);
    assert!(items[0].1.is_ok());
    let text = items[1].1.as_ref().unwrap_err().to_string();
    assert!(text.contains("it holds 7 entries with 5000 bytes, not 7 with 5001"), "{text}");
}
