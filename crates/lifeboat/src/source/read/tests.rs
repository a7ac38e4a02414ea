use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use lifeboat_testkit::tree::Scratch;
use rustix::fs::{CWD, FallocateFlags, FileType, Mode, fallocate, mknodat};

use super::*;
use crate::source::exclude::Excludes;
use crate::source::walk::{Walk, WalkOptions};

fn item(path: &Path) -> WalkItem {
    let mut walk = Walk::new(path, &WalkOptions::default(), &Excludes::none()).unwrap();
    walk.next().unwrap().unwrap()
}

fn segments(path: &Path) -> Vec<(u64, u64, bool)> {
    let file = open_file(&item(path), Caching::Usual).unwrap();
    let all = file.segments().map(|segment| {
        let Segment { offset, len, is_hole } = segment.unwrap();
        (offset, len, is_hole)
    });
    let all = Vec::from_iter(all);
    let mut end = 0;
    for (offset, len, _) in &all {
        assert_eq!((*offset, *len > 0), (end, true), "no gaps: {all:?}");
        end += len;
    }
    assert_eq!(end, file.stat().size);
    all
}

#[test]
fn a_file_is_read_at_any_offset() {
    let scratch = Scratch::new().unwrap();
    let bytes = Vec::from_iter((0..300_000_u32).flat_map(u32::to_le_bytes));
    fs::write(scratch.join("file"), &bytes).unwrap();
    let file = open_file(&item(&scratch.join("file")), Caching::Usual).unwrap();
    let mut buffer = vec![0; 500_000];
    assert_eq!(file.read_at(0, &mut buffer).unwrap(), 500_000);
    assert_eq!(buffer, bytes[..500_000]);
    assert_eq!(file.read_at(1_000_001, &mut buffer).unwrap(), 199_999);
    assert_eq!(buffer[..199_999], bytes[1_000_001..]);
    assert_eq!(file.read_at(1_200_000, &mut buffer).unwrap(), 0);
    assert_eq!(file.read_at(9_000_000, &mut buffer).unwrap(), 0);
}

#[test]
fn holes_are_found_where_the_file_system_has_them() {
    const MIB: u64 = 1 << 20;
    let scratch = Scratch::new().unwrap();
    let make = |name: &str, size: u64, places: &[u64]| {
        let file = File::create(scratch.join(name)).unwrap();
        file.set_len(size).unwrap();
        for place in places {
            file.write_all_at(&[7; 4096], *place).unwrap();
        }
        segments(&scratch.join(name))
    };
    assert_eq!(make("empty", 0, &[]), []);
    assert_eq!(make("dense", 4096, &[0]), [(0, 4096, false)]);
    let hole = make("hole", 3 * MIB + 1, &[]);
    if hole == [(0, 3 * MIB + 1, false)] {
        // This file system knows no holes; that the rest is data is all there is to see.
        return;
    }
    assert_eq!(hole, [(0, 3 * MIB + 1, true)]);
    let start = make("start", MIB, &[MIB - 4096]);
    assert_eq!(start, [(0, MIB - 4096, true), (MIB - 4096, 4096, false)]);
    let end = make("end", MIB + 5, &[0]);
    assert_eq!(end, [(0, 4096, false), (4096, MIB - 4091, true)]);
    let middle = make("middle", 2 * MIB, &[0, MIB, MIB + 4096]);
    let expected = [
        (0, 4096, false),
        (4096, MIB - 4096, true),
        (MIB, 8192, false),
        (MIB + 8192, MIB - 8192, true),
    ];
    assert_eq!(middle, expected);
    // Reserved to the end: no hole, although nothing was written.
    let reserved = File::create(scratch.join("reserved")).unwrap();
    if fallocate(&reserved, FallocateFlags::empty(), 0, MIB).is_ok() {
        assert_eq!(segments(&scratch.join("reserved")), [(0, MIB, false)]);
    }
}

#[test]
fn a_file_that_shrinks_has_segments_to_the_size_it_had() {
    let scratch = Scratch::new().unwrap();
    let path = scratch.join("file");
    let sparse = File::create(&path).unwrap();
    sparse.set_len(1 << 20).unwrap();
    sparse.write_all_at(b"data", 1 << 19).unwrap();
    let file = open_file(&item(&path), Caching::Usual).unwrap();
    sparse.set_len(10).unwrap();
    let total: u64 = file.segments().map(|segment| segment.unwrap().len).sum();
    assert_eq!(total, 1 << 20);
    let mut buffer = [1; 100];
    assert_eq!(file.read_at(0, &mut buffer).unwrap(), 10);
}

#[test]
fn a_change_between_two_looks_is_told() {
    let scratch = Scratch::new().unwrap();
    let path = scratch.join("file");
    fs::write(&path, "1234").unwrap();
    let file = open_file(&item(&path), Caching::Usual).unwrap();
    let mut buffer = [0; 10];
    file.read_at(0, &mut buffer).unwrap();
    assert!(!changed(file.stat(), &file.stat_now().unwrap()), "reading is no change");
    // Past the tick of the clock in which it was made.
    std::thread::sleep(std::time::Duration::from_millis(30));
    fs::write(&path, "4321").unwrap();
    assert!(changed(file.stat(), &file.stat_now().unwrap()));
    let file = open_file(&item(&path), Caching::Usual).unwrap();
    File::options().append(true).open(&path).unwrap().set_len(5).unwrap();
    assert!(changed(file.stat(), &file.stat_now().unwrap()));
}

#[test]
fn what_took_the_place_of_a_file_is_read_if_it_is_a_file() {
    let scratch = Scratch::new().unwrap();
    let path = scratch.join("file");
    fs::write(&path, "old").unwrap();
    let old = item(&path);
    fs::write(scratch.join("new"), "the new one").unwrap();
    fs::rename(scratch.join("new"), &path).unwrap();
    let file = open_file(&old, Caching::Usual).unwrap();
    assert_eq!(file.stat().size, 11);
    assert_ne!(file.stat().inode, old.stat.inode);
    fs::remove_file(&path).unwrap();
    let gone = open_file(&old, Caching::Usual).unwrap_err();
    assert!(gone.to_string().contains("No such file"), "{gone}");
    symlink("elsewhere", &path).unwrap();
    let link = open_file(&old, Caching::Usual).unwrap_err();
    assert!(link.to_string().contains("symbolic link"), "{link}");
    fs::remove_file(&path).unwrap();
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let fifo = open_file(&old, Caching::Usual).unwrap_err();
    assert!(fifo.to_string().contains("something else"), "{fifo}");
    open_file(&item(&path), Caching::Usual).unwrap_err();
}

/// Whether the page cache has the first page of a file; if not, it may from now on.
fn is_cached(file: &File) -> bool {
    let mut byte = [0];
    let slices = &mut [IoSliceMut::new(&mut byte)];
    preadv2(file, slices, 0, ReadWriteFlags::NOWAIT) == Ok(1)
}

#[test]
fn what_is_read_past_the_page_cache_does_not_stay_there() {
    let scratch = Scratch::new().unwrap();
    let bytes = Vec::from_iter((0..300_000_u32).flat_map(u32::to_le_bytes));
    let mut number = 0;
    // A file that nobody has looked for there.
    let mut fresh = || {
        number += 1;
        let path = scratch.join(number.to_string());
        fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        (path, file)
    };
    if is_cached(&fresh().1) {
        lifeboat_testkit::skip::skip("this file system is the page cache");
        return;
    }
    let mut is_read_ahead = |caching| {
        let (path, plain) = fresh();
        let file = open_file(&item(&path), caching).unwrap();
        file.will_read(0..bytes.len() as u64);
        std::thread::sleep(std::time::Duration::from_millis(100));
        is_cached(&plain)
    };
    assert!((0..5).any(|_| is_read_ahead(Caching::Usual)));
    assert!((0..5).any(|_| !is_read_ahead(Caching::Bypass)));
    let mut is_kept = |caching, refused| {
        let (path, plain) = fresh();
        let file = open_file(&item(&path), caching).unwrap();
        file.keeps.store(refused, Ordering::Relaxed);
        let mut buffer = vec![0; bytes.len()];
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), bytes.len());
        assert!(buffer == bytes);
        is_cached(&plain)
    };
    // What others are at with a page may keep it there, and what was not forgotten stays; not each time.
    let mut is_ever_dropped = |refused| (0..5).any(|_| !is_kept(Caching::Bypass, refused));
    assert!(is_ever_dropped(false));
    // As if the file system refused it.
    assert!(is_ever_dropped(true));
    assert!((0..5).any(|_| is_kept(Caching::Usual, false)));
}
