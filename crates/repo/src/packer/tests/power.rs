//! The power goes at every call of a packer: an index segment that is left has all of its packs, so
//! that whoever finds it can believe it (P7 of docs/protocol.md).

use lifeboat_codec::hash::object_hash;
use lifeboat_format::id::ObjectHash;
use lifeboat_testkit::crash::{CrashStore, Fate, Image};

use super::*;
use crate::open::testing::reopen;

fn open_at(image: &Image) -> (CrashStore, Repository) {
    let store = image.reopen();
    let repository = reopen(&(Arc::new(store.clone()) as _), 2);
    (store, repository)
}

fn is_whole(image: &Image, key: &str, hash: ObjectHash) -> bool {
    image.get(key).is_some_and(|bytes| object_hash(bytes) == hash)
}

/// Every whole segment's packs are whole. How many such segments there are.
fn assert_segments_hold(image: &Image) -> usize {
    let (_store, repository) = open_at(image);
    let mut whole = 0;
    for key in image.keys().filter(|key| key.starts_with("index/")) {
        let Ok(parsed @ ObjectKey::Index(name)) = key.parse() else { panic!("{key}") };
        if !is_whole(image, key, name.hash) {
            continue;
        }
        whole += 1;
        let size = image.get(key).unwrap().len() as u64;
        let segment = Index::of_segment(&repository, parsed, size).unwrap();
        let packs = segment.for_each_pack(|pack| {
            let there = is_whole(image, &pack.key().to_string(), pack.name.hash);
            assert!(there, "{key} names {}, which is not whole", pack.key());
        });
        packs.unwrap();
    }
    whole
}

#[test]
fn a_segment_that_survives_a_power_cut_has_all_its_packs() {
    let store = CrashStore::new();
    repository(Arc::new(store.clone()));
    let empty = store.durable();
    let (mut segments, mut torn, mut calls) = (0, 0, 0);
    for call in 1.. {
        let (store, repository) = open_at(&empty);
        let mut packer = packer(&repository, 1 << 20);
        // Several segments of little data.
        Arc::get_mut(&mut packer.shared).unwrap().options.records_max = 100;
        store.cut_at(call, Fate::Torn);
        let claimed = Mutex::default();
        let run = (0..30).try_for_each(|number| unit(&packer, number, &claimed));
        let done = run.and_then(|()| packer.flush());
        let left = store.durable();
        let whole = assert_segments_hold(&left);
        if let Ok(listed) = done {
            // What a flush has returned is there: nothing can be lost any more.
            for object in listed {
                let key = object.kind.key(object.name).to_string();
                assert!(is_whole(&left, &key, object.name.hash), "{key} at call {call}");
            }
            assert!(whole > 0 && store.soon().is_empty(), "{:?}", store.soon());
            break;
        }
        segments += whole;
        torn += left.keys().filter(|key| key.starts_with("index/")).count() - whole;
        calls = call;
    }
    // How many there are of each depends on who is quicker, the workers or the store.
    assert!(calls > 10 && segments > 0 && torn > 0, "{calls}, {segments}, {torn}");
}
