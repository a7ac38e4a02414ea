use std::path::Path;

use super::complaint;

#[test]
fn finds_banned_names_anywhere() {
    for file in ["crates/util/src/lib.rs", "crates/repo/src/helpers.rs", "a/misc/b.py", "a/mod.rs"]
    {
        assert!(complaint(Path::new(file)).is_some(), "{file}");
    }
}

#[test]
fn leaves_names_alone_that_only_contain_them() {
    for file in ["crates/repo/src/utility_bill.rs", "commons.md", "docs/format.md"] {
        assert_eq!(complaint(Path::new(file)), None);
    }
}
