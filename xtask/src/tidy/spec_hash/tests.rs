use super::{check, recorded, source_hash, write};
use crate::tidy::tree::sample;

const A: (&str, &str) = ("crates/format/src/a.rs", "//! A.\n");

#[test]
fn hashes_what_the_specification_says() {
    let (_dir, tree) = sample(&[A, ("crates/codec/src/b.rs", "//! B.\n")]);
    let expected = blake3::hash(b"a.rs\0\x07\0\0\0\0\0\0\0//! A.\n").to_hex().to_string();
    assert_eq!(source_hash(&tree).unwrap(), expected);
}

#[test]
fn tests_do_not_count() {
    let (_dir, bare) = sample(&[A]);
    let tests = [A, ("crates/format/src/a/tests.rs", "x"), ("crates/format/src/tests/b.rs", "y")];
    let (_other, tested) = sample(&tests);
    assert_eq!(source_hash(&bare).unwrap(), source_hash(&tested).unwrap());
}

#[test]
fn a_change_must_be_recorded() {
    let (_dir, tree) = sample(&[A, ("docs/format.md", "# Format\n\nsource-hash: 00ff\n\nBytes\n")]);
    assert_eq!(check(&tree).unwrap().len(), 1);
    write(&tree).unwrap();
    assert_eq!(check(&tree).unwrap(), Vec::<String>::new());
    let text = tree.text("docs/format.md".as_ref()).unwrap();
    assert!(text.ends_with("\n\nBytes\n"), "{text}");
    assert_eq!(recorded(&text).map(str::len), Some(64));
}
