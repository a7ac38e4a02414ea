//! Roots: refused, repeated, nested.

use std::path::PathBuf;

use super::resolve;
use crate::backup::BackupOptions;
use crate::error::Kind;

fn options(roots: &[&str]) -> BackupOptions {
    BackupOptions::new(roots.iter().map(PathBuf::from).collect(), "host")
}

fn paths(roots: &[&str]) -> Vec<String> {
    let resolved = resolve(&options(roots)).unwrap();
    resolved.iter().map(|root| String::from_utf8(root.kept_path()).unwrap()).collect()
}

#[test]
fn nothing_and_relative_paths_are_refused() {
    assert_eq!(resolve(&options(&[])).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(resolve(&options(&["data"])).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(resolve(&options(&["/data/../etc"])).unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn repeated_and_nested_roots_are_taken_once() {
    assert_eq!(paths(&["/srv", "/srv"]), ["/srv"]);
    assert_eq!(paths(&["/srv/a", "/srv", "/srv2/"]), ["/srv", "/srv2"]);
    assert_eq!(paths(&["/"]), ["/"]);
}

#[test]
fn selected_paths_are_parts_of_one_root() {
    let mut options = options(&["/srv"]);
    options.selected = ["/etc/a", "/srv/b"].map(PathBuf::from).to_vec();
    let roots = resolve(&options).unwrap();
    assert_eq!(roots.len(), 2);
    assert_eq!(roots[1].walk.selected, [PathBuf::from("/etc/a")]);
    assert_eq!(roots[1].label(), "/ (selected paths)");
}

#[test]
fn with_one_file_system_only_another_file_system_stands_beside_its_parent() {
    let mut options = options(&["/", "/proc", "/etc"]);
    options.one_file_system = true;
    let roots = resolve(&options).unwrap();
    let paths: Vec<_> = roots.iter().map(|root| root.path.clone()).collect();
    assert_eq!(paths, [PathBuf::from("/"), PathBuf::from("/proc")]);
}
