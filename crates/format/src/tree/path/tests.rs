use proptest::prelude::*;

use super::*;
use crate::Kind;

fn key(names: &[&str]) -> PathKey {
    names.iter().fold(PathKey::root(), |key, name| key.child(name.as_bytes()).unwrap())
}

#[test]
fn parts() {
    let deep = key(&["etc", "ssl", "certs"]);
    assert_eq!(deep.as_bytes(), b"etc\0ssl\0certs");
    assert_eq!(deep.name(), b"certs");
    assert_eq!(deep.parent(), Some(key(&["etc", "ssl"])));
    assert_eq!(deep.depth(), 3);
    assert_eq!(deep.to_string(), "etc/ssl/certs");
    assert_eq!(key(&["etc"]).parent(), Some(PathKey::root()));
    assert_eq!(PathKey::root().parent(), None);
    assert_eq!(PathKey::root().name(), b"");
    assert_eq!(PathKey::root().components().count(), 0);
}

#[test]
fn a_subtree_is_a_range() {
    let top = key(&["a"]);
    assert!(key(&["a", "b"]).is_in(&top));
    assert!(top.is_in(&top));
    assert!(top.is_in(&PathKey::root()));
    assert!(!key(&["a!"]).is_in(&top));
    assert!(!key(&["ab"]).is_in(&top));
    let end = top.subtree_end().unwrap();
    assert!(key(&["a", "\u{10ffff}"]).as_bytes() < end.as_slice());
    assert!(key(&["a\u{1}"]).as_bytes() >= end.as_slice());
    assert_eq!(PathKey::root().subtree_end(), None);
}

#[test]
fn names_that_would_lead_astray_are_refused() {
    let long = vec![b'x'; NAME_MAX + 1];
    for name in [b"".as_slice(), b".", b"..", b"a/b", b"/", b"a\0b", &long] {
        assert_eq!(PathKey::root().child(name).unwrap_err().kind(), Kind::Invalid);
    }
    for bytes in [b"\0".as_slice(), b"a\0", b"\0a", b"a\0\0b", b"a\0..\0b", b"a/b", b"."] {
        assert_eq!(PathKey::from_bytes(bytes.to_vec()).unwrap_err().kind(), Kind::Corrupt);
    }
    assert!(PathKey::root().child(&long[1..]).is_ok());
}

#[test]
fn a_path_that_is_too_long_is_refused() {
    let name = [b'x'; 1023];
    let mut path = PathKey::root();
    for _ in 0..1024 {
        path = path.child(&name).unwrap();
    }
    assert_eq!(path.as_bytes().len(), PATH_MAX - 1);
    assert!(path.child(b"x").is_err());
    let mut bytes = path.into_bytes();
    bytes.extend(b"\0x");
    assert!(PathKey::from_bytes(bytes).is_err());
}

proptest! {
    #[test]
    fn byte_order_is_path_order(
        left in prop::collection::vec("[ -.0-9a-c]{1,3}", 0..4),
        right in prop::collection::vec("[ -.0-9a-c]{1,3}", 0..4),
    ) {
        let dots = |names: &[String]| names.iter().any(|name| name == "." || name == "..");
        prop_assume!(!dots(&left) && !dots(&right));
        let join = |names: &[String]| {
            names.iter().fold(PathKey::root(), |key, name| key.child(name.as_bytes()).unwrap())
        };
        prop_assert_eq!(join(&left).cmp(&join(&right)), left.cmp(&right));
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(prop::sample::select(vec![0, b'.', b'/', b'a']), 0..12)) {
        if let Ok(key) = PathKey::from_bytes(bytes.clone()) {
            let rejoined = key.components().try_fold(PathKey::root(), |key, name| key.child(name));
            prop_assert_eq!(rejoined.unwrap().into_bytes(), bytes);
        }
    }
}
