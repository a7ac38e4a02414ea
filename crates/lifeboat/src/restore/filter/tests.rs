//! What a line takes and leaves, by hand.

use super::Choice::{Below, Skip, Take};
use super::*;

fn filter(include: &[&str], exclude: &[&str]) -> Filter {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    Filter::new(&lines(include), &lines(exclude)).unwrap()
}

#[test]
fn without_lines_everything_is_taken() {
    let filter = filter(&[], &[]);
    assert!(filter.takes_all());
    assert_eq!(filter.choose(b"/a/b", false, Take), Take);
    assert_eq!(filter.choose_dir(b"/a/b"), Take);
}

#[test]
fn excluding_reaches_down_and_wins() {
    let filter = filter(&["/home"], &["*.tmp", "/home/cache/"]);
    assert_eq!(filter.choose(b"/home/x.tmp", false, Take), Skip);
    assert_eq!(filter.choose(b"/home/cache", true, Take), Skip);
    assert_eq!(filter.choose(b"/home/cache", false, Take), Take);
    assert_eq!(filter.choose(b"/home/cache/x", false, Skip), Skip);
    assert_eq!(filter.choose_dir(b"/home/cache/deep/below"), Skip);
}

#[test]
fn including_takes_what_it_names_and_what_is_below() {
    let filter = filter(&["/home/alice", "*.conf", "!secret.conf"], &[]);
    assert_eq!(filter.choose_dir(b"/home"), Below);
    assert_eq!(filter.choose_dir(b"/home/alice/docs"), Take);
    assert_eq!(filter.choose(b"/home/alice", true, Below), Take);
    assert_eq!(filter.choose(b"/home/alice/x", false, Take), Take);
    assert_eq!(filter.choose(b"/home/bob", true, Below), Below);
    assert_eq!(filter.choose(b"/home/bob/x", false, Below), Skip);
    assert_eq!(filter.choose(b"/home/bob/x.conf", false, Below), Take);
    assert_eq!(filter.choose(b"/home/bob/secret.conf", false, Below), Skip);
    assert_eq!(filter.choose(b"/home/bob/\xff\xfe.conf", false, Below), Take);
}

#[test]
fn a_bad_line_is_named() {
    let error = Filter::new(&[], &["[z-a]".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("exclude \"[z-a]\""), "{error}");
}
