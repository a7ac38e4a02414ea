use proptest::prelude::*;

use super::*;

#[test]
fn one_piece_is_not_copied() {
    let bytes = Bytes::from_static(b"abc");
    assert_eq!(Payload::from(bytes.clone()).to_bytes().as_ptr(), bytes.as_ptr());
    assert!(Payload::default().is_empty());
    assert_eq!(Payload::default().to_bytes(), "");
}

proptest! {
    #[test]
    fn pieces_are_their_bytes_joined(parts: Vec<Vec<u8>>, other: Vec<u8>) {
        let joined = parts.concat();
        let payload: Payload = parts.into_iter().map(Bytes::from).collect();
        prop_assert_eq!(payload.len(), joined.len() as u64);
        prop_assert_eq!(&payload.to_bytes(), &joined);
        prop_assert!(payload.equals(&joined));
        prop_assert_eq!(payload.equals(&other), joined == other);
        for start in 0..=joined.len() {
            let end = joined.len().min(start + 7);
            prop_assert!(payload.holds_at(start as u64, &joined[start..end]));
            let beyond = payload.holds_at(start as u64 + 1, &joined[start..]);
            prop_assert_eq!(beyond, start == joined.len());
            let held = joined[start..].starts_with(&other);
            prop_assert_eq!(payload.holds_at(start as u64, &other), held);
        }
        let mut longer = joined;
        longer.push(0);
        prop_assert!(!payload.equals(&longer));
        if let Some(shorter) = longer.len().checked_sub(2) {
            prop_assert!(!payload.equals(&longer[..shorter]));
        }
    }
}

#[test]
fn the_rest_behind_some_bytes() {
    let payload: Payload = ["", "ab", "", "cde", ""].map(Bytes::from).into_iter().collect();
    for skip in 0..8 {
        let rest: Vec<u8> = payload.parts_from(skip).concat();
        assert_eq!(rest, b"abcde"[skip.min(5)..], "{skip}");
    }
}
