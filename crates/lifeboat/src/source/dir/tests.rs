use std::fs;
use std::path::Path;

use super::super::stat::Devices;
use super::*;

fn base(path: &Path, open_max: usize) -> Arc<DirHandle> {
    let path = CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    DirHandle::open_base(path, DirPool::new(open_max)).unwrap()
}

fn member(dir: &Arc<DirHandle>, name: &CStr) -> Arc<DirHandle> {
    let stat = Stat::at(&*dir.fd().unwrap(), name, &mut Devices::default()).unwrap();
    DirHandle::child(dir, name, &stat)
}

fn open_count(handles: &[Arc<DirHandle>]) -> usize {
    handles.iter().filter(|handle| handle.lock().is_some()).count()
}

#[test]
fn only_so_many_are_open_and_the_others_open_again() {
    let root = tempfile::tempdir().unwrap();
    let mut path = root.path().to_owned();
    let mut handles = vec![base(root.path(), 3)];
    for level in 0..20 {
        path.push("d");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("level"), level.to_string()).unwrap();
        handles.push(member(&handles[level], c"d"));
        handles[level + 1].fd().unwrap();
        assert!(open_count(&handles) <= 3);
    }
    // From far above, from just above, and twice the same.
    for level in [20, 1, 19, 19, 10, 11, 20] {
        let fd = handles[level].fd().unwrap();
        let text = read_start(&fd, c"level", 10).unwrap();
        assert_eq!(text, (level - 1).to_string().into_bytes());
        assert!(open_count(&handles) <= 3);
    }
}

#[test]
fn a_directory_in_another_ones_place_is_refused_and_one_that_comes_back_is_not() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::create_dir(at("d")).unwrap();
    let base = base(root.path(), 1);
    let dir = member(&base, c"d");
    dir.fd().unwrap();
    base.fd().unwrap();
    assert_eq!(open_count(&[Arc::clone(&dir)]), 0, "it made room for its parent");
    fs::rename(at("d"), at("moved")).unwrap();
    fs::create_dir(at("d")).unwrap();
    let error = dir.fd().unwrap_err();
    assert!(error.to_string().contains("another directory"), "{error}");
    fs::remove_dir(at("d")).unwrap();
    std::os::unix::fs::symlink("moved", at("d")).unwrap();
    dir.fd().unwrap_err();
    fs::remove_file(at("d")).unwrap();
    fs::rename(at("moved"), at("d")).unwrap();
    dir.fd().unwrap();
}

#[test]
fn many_threads_share_few_descriptors() {
    let root = tempfile::tempdir().unwrap();
    let base = base(root.path(), 2);
    let mut handles = Vec::new();
    for name in [c"a", c"b", c"c", c"d", c"e"] {
        let path = root.path().join(name.to_str().unwrap());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("own"), name.to_bytes()).unwrap();
        handles.push((name, member(&base, name)));
    }
    std::thread::scope(|scope| {
        for start in 0..4 {
            let handles = &handles;
            scope.spawn(move || {
                for round in 0..500 {
                    let (name, handle) = &handles[(start + round) % handles.len()];
                    let own = read_start(&handle.fd().unwrap(), c"own", 10).unwrap();
                    assert_eq!(own, name.to_bytes());
                }
            });
        }
    });
    assert!(open_count(&Vec::from_iter(handles.into_iter().map(|(_, handle)| handle))) <= 2);
}

#[test]
fn a_chain_deeper_than_a_stack_is_dropped() {
    let root = tempfile::tempdir().unwrap();
    let mut at = base(root.path(), 1);
    for _ in 0..300_000 {
        at = DirHandle::child(&at, c"d", &Stat::imagined(lifeboat_format::tree::EntryKind::Dir));
    }
    drop(at);
}

#[test]
fn only_regular_files_are_read() {
    let root = tempfile::tempdir().unwrap();
    let fd = base(root.path(), 1).fd().unwrap();
    fs::write(root.path().join("file"), "0123456789").unwrap();
    assert_eq!(read_start(&fd, c"file", 4).unwrap(), b"0123");
    assert_eq!(read_start(&fd, c"file", 40).unwrap(), b"0123456789");
    std::os::unix::fs::symlink("file", root.path().join("link")).unwrap();
    read_start(&fd, c"link", 4).unwrap_err();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(CWD, root.path().join("fifo"), fifo, Mode::RUSR, 0).unwrap();
    read_start(&fd, c"fifo", 4).unwrap_err();
    fs::create_dir(root.path().join("dir")).unwrap();
    read_start(&fd, c"dir", 4).unwrap_err();
}
