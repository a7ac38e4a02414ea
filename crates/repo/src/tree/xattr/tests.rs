use super::*;
use crate::tree::testing::{Keys, MemChunks};

fn back(chunks: &MemChunks, entry: &Entry) -> BTreeMap<Vec<u8>, Vec<u8>> {
    values(chunks, entry)
        .map(|item| item.unwrap())
        .map(|(name, value)| (name.to_vec(), value))
        .collect()
}

#[test]
fn short_values_stay_and_long_ones_leave() {
    let attributes = BTreeMap::from([
        (b"user.empty".to_vec(), Vec::new()),
        (b"user.long".to_vec(), vec![2; XATTR_INLINE_MAX + 1]),
        (b"user.short".to_vec(), vec![1; XATTR_INLINE_MAX]),
    ]);
    let (mut entry, mut chunks) = (Entry::default(), MemChunks::default());
    attach(&mut entry, attributes.clone(), &Keys::new().ids, &mut chunks).unwrap();
    entry.check().unwrap();
    assert_eq!(entry.xattrs.len(), 2);
    assert_eq!(entry.moved_xattrs.len(), 1);
    assert_eq!(chunks.chunks.len(), 1);
    assert_eq!(back(&chunks, &entry), attributes);
}

#[test]
fn many_short_values_do_not_make_a_giant_entry() {
    let attributes: BTreeMap<_, _> = (0..200_u32)
        .map(|number| (format!("user.{number:03}").into_bytes(), vec![b'x'; 1000]))
        .collect();
    let (mut entry, mut chunks) = (Entry::default(), MemChunks::default());
    attach(&mut entry, attributes.clone(), &Keys::new().ids, &mut chunks).unwrap();
    assert_eq!(entry.xattrs.len(), XATTRS_INLINE_MAX / 1000);
    assert_eq!(back(&chunks, &entry), attributes);
}

#[test]
fn a_lost_value_is_an_error_and_the_others_follow() {
    let attributes = BTreeMap::from([
        (b"user.a".to_vec(), vec![1; 5000]),
        (b"user.b".to_vec(), vec![2; 5000]),
        (b"user.c".to_vec(), vec![3; 5]),
    ]);
    let (mut entry, mut chunks) = (Entry::default(), MemChunks::default());
    attach(&mut entry, attributes, &Keys::new().ids, &mut chunks).unwrap();
    chunks.lost.insert(entry.moved_xattrs[&b"user.a".to_vec()].id);
    let items: Vec<_> = values(&chunks, &entry).collect();
    let errors: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    assert_eq!((items.len(), errors.len()), (3, 1));
    assert!(errors[0].to_string().contains("user.a"), "{}", errors[0]);
}
