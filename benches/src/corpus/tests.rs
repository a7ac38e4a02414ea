use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Edits, Random, Spec, build, files_below, next_day};

const SPEC: Spec = Spec { seed: 1, bytes: 4 << 20 };

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_below(folder).unwrap();
    files.iter().map(|f| (f.strip_prefix(folder).unwrap().into(), fs::read(f).unwrap())).collect()
}

fn metadata(folder: &Path) -> BTreeMap<PathBuf, Metadata> {
    let files = files_below(folder).unwrap();
    files.into_iter().map(|file| (file.clone(), file.metadata().unwrap())).collect()
}

#[test]
fn a_seed_gives_one_corpus_on_both_days() {
    let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for place in &places {
        build(place.path(), SPEC).unwrap();
    }
    let [first, second] = &places;
    let day_one = contents(first.path());
    assert!(day_one == contents(second.path()), "the first day differs");
    let edits = places.each_ref().map(|place| next_day(place.path(), SPEC).unwrap());
    assert_eq!(edits[0], edits[1]);
    let day_two = contents(first.path());
    assert!(day_two == contents(second.path()), "the next day differs");
    assert!(day_one != day_two, "nothing has changed");
}

#[test]
fn another_seed_gives_another_corpus() {
    let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    build(places[0].path(), SPEC).unwrap();
    build(places[1].path(), Spec { seed: 2, ..SPEC }).unwrap();
    assert!(contents(places[0].path()) != contents(places[1].path()));
}

#[test]
fn it_is_about_as_large_as_was_asked() {
    let place = tempfile::tempdir().unwrap();
    build(place.path(), SPEC).unwrap();
    let bytes: u64 = metadata(place.path()).values().map(|m| m.len().min(m.blocks() * 512)).sum();
    assert!(bytes > SPEC.bytes * 9 / 10 && bytes < SPEC.bytes * 13 / 10, "{bytes}");
}

#[test]
fn the_next_day_changes_what_it_says_and_no_more() {
    let place = tempfile::tempdir().unwrap();
    build(place.path(), SPEC).unwrap();
    let (before, old) = (contents(place.path()), metadata(place.path()));
    let edits = next_day(place.path(), SPEC).unwrap();
    let (after, new) = (contents(place.path()), metadata(place.path()));

    let mut seen = Edits { bytes: edits.bytes, ..Edits::default() };
    seen.removed = before.keys().filter(|file| !after.contains_key(*file)).count() as u64;
    seen.added = after.keys().filter(|file| !before.contains_key(*file)).count() as u64;
    for (file, content) in &before {
        let (old, new) = (&old[&place.path().join(file)], new.get(&place.path().join(file)));
        match after.get(file) {
            None => {}
            Some(now) if now != content => {
                seen.changed += 1;
                assert_eq!(old.ino(), new.unwrap().ino(), "{file:?} was replaced, not edited");
            }
            Some(_) => {
                let key = |m: &Metadata| (m.ino(), m.mtime(), m.mtime_nsec(), m.ctime_nsec());
                assert_eq!(key(old), key(new.unwrap()), "{file:?} was touched");
            }
        }
    }
    assert_eq!(seen, edits);
}

#[test]
fn the_image_is_sparse() {
    let place = tempfile::tempdir().unwrap();
    build(place.path(), SPEC).unwrap();
    let disk = fs::metadata(place.path().join("machine/disk.raw")).unwrap();
    assert!(disk.blocks() * 512 < disk.len() * 3 / 4, "{} of {}", disk.blocks(), disk.len());
}

#[test]
fn the_stream_of_numbers_never_changes() {
    let mut random = Random::new(1, "golden");
    let first = [random.draw(), random.draw()];
    assert_eq!(first, [256_604_748_066_501_298, 11_655_277_509_898_452_787]);
    assert_eq!(random.branch(5).draw(), 17_043_759_135_022_686_766);
}
