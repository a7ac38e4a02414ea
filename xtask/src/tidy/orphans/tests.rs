use super::check;
use crate::tidy::tree::sample;

#[test]
fn a_module_is_named_by_its_parent() {
    let (_dir, tree) = sample(&[
        ("crates/a/src/lib.rs", "pub mod b;\n"),
        ("crates/a/src/b.rs", "pub(crate) mod c;\n#[cfg(test)]\nmod tests;\n"),
        ("crates/a/src/b/c.rs", ""),
        ("crates/a/src/b/tests.rs", ""),
        ("tests/tests/it/main.rs", "mod smoke;\n"),
        ("tests/tests/it/smoke.rs", ""),
        ("fuzz/fuzz_targets/pack.rs", ""),
    ]);
    assert_eq!(check(&tree).unwrap(), Vec::<String>::new());
}

#[test]
fn one_that_is_not_is_told() {
    let (_dir, tree) = sample(&[
        ("crates/a/src/lib.rs", "// mod b;\nmod bb;\n"),
        ("crates/a/src/b.rs", ""),
        ("crates/a/src/gone/tests.rs", ""),
    ]);
    assert_eq!(check(&tree).unwrap().len(), 2);
}
