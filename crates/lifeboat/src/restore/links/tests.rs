//! Groups come and go, within a bound.

use super::*;

const ID: FileId = FileId { device: 1, inode: 2 };

fn entry(inode: u64, links: u64) -> Entry {
    Entry { inode, links, ..Entry::default() }
}

fn make(links: &mut Links, entry: &Entry) -> Arc<Original> {
    assert!(matches!(links.member(entry), Member::First));
    let original = Original::new(b"dir\0first", ID, None);
    assert!(links.insert(entry, &original));
    original
}

#[test]
fn a_group_ends_with_its_last_name() {
    let mut links = Links::new(1 << 20);
    let file = entry(7, 3);
    let original = make(&mut links, &file);
    let Member::Further { original: found, last: false } = links.member(&file) else { panic!() };
    assert!(Arc::ptr_eq(&original, &found));
    assert!(matches!(links.member(&file), Member::Further { last: true, .. }));
    assert_eq!((links.bytes, links.groups.len()), (0, 0));
    // A hostile snapshot may have more names than it says: the next begins anew.
    assert!(matches!(links.member(&file), Member::First));
}

#[test]
fn files_with_one_name_and_directories_have_no_group() {
    let mut links = Links::new(0);
    assert!(matches!(links.member(&entry(7, 1)), Member::First));
    let dir = Entry { kind: EntryKind::Dir, ..entry(7, 5) };
    assert!(matches!(links.member(&dir), Member::First));
    assert!(!Links::has_group(&dir));
}

#[test]
fn the_table_is_bounded() {
    let mut links = Links::new(2 * GROUP_BYTES);
    let mut inode = 0;
    while matches!(links.member(&entry(inode, 2)), Member::First) {
        make(&mut links, &entry(inode, 2));
        inode += 1;
    }
    assert_eq!(inode, 2);
    assert!(matches!(links.member(&entry(2, 2)), Member::Unplaced));
    // A group that ends makes room.
    assert!(matches!(links.member(&entry(0, 2)), Member::Further { last: true, .. }));
    assert!(matches!(links.member(&entry(2, 2)), Member::First));
}

#[test]
fn what_is_to_be_sealed_is_given_at_the_end() {
    let mut links = Links::new(1 << 20);
    make(&mut links, &entry(1, 2));
    let sealed = entry(2, 2);
    assert!(matches!(links.member(&sealed), Member::First));
    assert!(links.insert(&sealed, &Original::new(b"x", ID, Some(0x10))));
    assert_eq!(links.finish_root().len(), 1);
    assert_eq!(links.finish_root().len(), 0);
}
