use super::*;

fn refused(path: &Path) -> String {
    let error = MountPoint::new(path).unwrap_err();
    assert_eq!(crate::exit::failure_code(&error), 2, "{error:#}");
    error.to_string()
}

#[test]
fn only_an_empty_directory_will_do() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    assert!(refused(&missing).contains("is not there"));
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(refused(&file).contains("is not a directory"));
    assert!(refused(dir.path()).contains("is not empty"));
    std::fs::remove_file(&file).unwrap();
    assert!(MountPoint::new(dir.path()).is_ok());
}

#[test]
fn others_are_let_in_by_owners_and_modes_only() {
    let alone = options(4, false);
    assert_eq!(alone.acl, SessionACL::Owner);
    let others = options(4, true);
    assert_eq!(others.acl, SessionACL::All);
    assert!(others.mount_options.contains(&MountOption::DefaultPermissions));
    for options in [alone, others] {
        for wanted in [MountOption::RO, MountOption::NoSuid, MountOption::NoDev] {
            assert!(options.mount_options.contains(&wanted), "{wanted:?}");
        }
    }
}
