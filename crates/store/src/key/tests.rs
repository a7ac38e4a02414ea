use std::path::{Component, Path};

use proptest::prelude::*;

use super::*;

#[test]
fn keys_of_repositories_are_valid() {
    for key in ["config", "log/0000000000000000", "packs/0f/0f11.2233", "a..b", "...", ".x"] {
        validate_key("get", key).unwrap();
    }
}

#[test]
fn what_is_wrong_is_said() {
    let long = "x".repeat(256);
    let cases = [
        ("", "1 to 1024"),
        ("a//b", "two in a row"),
        ("/a", "begin or end"),
        ("a/", "begin or end"),
        ("a/../b", "'..'"),
        ("tmp/x", "below tmp"),
        ("tmp", "below tmp"),
        ("a\nb", "control"),
        ("a#b", "control"),
        (&long, "255"),
    ];
    for (key, rule) in cases {
        let error = validate_key("get", key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(rule), "{key:?}: {error}");
        assert!(!error.to_string().contains('\n'), "control characters are not printed");
    }
}

proptest! {
    #[test]
    fn no_valid_key_leaves_the_root(key in "[./a-c\\\\\\x00 ]{0,12}") {
        if validate_key("get", &key).is_ok() {
            let path = Path::new(&key);
            prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            // The path has no other spelling, so no two keys are one file.
            let again: std::path::PathBuf = path.components().collect();
            prop_assert_eq!(again.to_str(), Some(key.as_str()));
        }
    }

    #[test]
    fn a_beginning_of_a_valid_key_is_a_valid_prefix(key in "[./a-c]{1,12}", cut in 0_usize..12) {
        if validate_key("get", &key).is_ok() {
            prop_assert!(validate_prefix("list", &key[..cut.min(key.len())]).is_ok());
        }
    }
}
