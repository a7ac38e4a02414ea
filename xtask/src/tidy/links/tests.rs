use super::check;
use crate::tidy::tree::sample;

#[test]
fn finds_links_that_lead_nowhere() {
    let (_dir, tree) = sample(&[
        ("README.md", "[a](docs/a.md#top) [b](docs/b.md) [c](https://example.org/c) [d](#here)"),
        ("crates/a/src/part.md", "[b](b.md)"),
        ("docs/a.md", "[up](../README.md) [gone](../gone.md)"),
    ]);
    let broken = ["README.md: no file `docs/b.md`", "docs/a.md: no file `../gone.md`"];
    assert_eq!(check(&tree).unwrap(), broken);
}
