use super::*;
use crate::local::root::Wanted;

/// Puts `key` with something happening to its temporary file between the write and the publishing.
pub(in crate::local) fn publish_after(
    root: &Root,
    key: &str,
    meanwhile: impl FnOnce(&str),
) -> Result<()> {
    let mut temporary = Temporary::create(root, key)?;
    temporary.write(&b"ours".into())?;
    temporary.sync()?;
    meanwhile(&temporary.name);
    temporary.publish()
}

#[test]
fn a_link_whose_answer_was_lost_counts_as_published() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::open(dir.path(), Wanted::Any).unwrap();
    root.link_only.store(true, Ordering::Relaxed);
    let outcome = publish_after(&root, "x", |name| {
        std::fs::hard_link(dir.path().join(name), dir.path().join("x")).unwrap();
    });
    assert!(outcome.is_ok());
    assert_eq!(std::fs::read(dir.path().join("x")).unwrap(), b"ours");
    assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn temporaries_of_others_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::open(dir.path(), Wanted::Any).unwrap();
    std::fs::create_dir(dir.path().join("tmp")).unwrap();
    for number in 0..3 {
        let name = format!("tmp/{}-{number}", std::process::id());
        std::fs::write(dir.path().join(name), "another's").unwrap();
    }
    put_new(&root, "x", &b"ours".into()).unwrap();
    assert_eq!(std::fs::read(dir.path().join("x")).unwrap(), b"ours");
    assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 3);
}
