//! What was lost and is still in the live source is stored again by the next backup.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use lifeboat::repository::Io;
use lifeboat_format::key::ObjectKey;
use lifeboat_repo::gc::{GcOptions, collect};
use lifeboat_repo::heal;
use lifeboat_repo::log::Fold;

use crate::world::{self, Base, keys, noise, open_in};
use crate::{heal_all, scrubbed};

#[test]
fn the_next_backup_stores_again_what_is_lost() {
    let mut base = Base::new(0);
    let repository = open_in(&base.store).unwrap();
    let before = base.back_up(&repository);
    assert_eq!((before.stats.read_bytes, before.stats.new_chunks), (0, 0));
    // A pack is lost altogether, and another beyond what it has of parity, which is nothing.
    let io = Io::new(Arc::clone(&base.store)).unwrap();
    // Of the last commit with any, all of which the source has as it was.
    let fold = Fold::load(&repository).unwrap();
    let packs = fold.objects().iter().filter(|(key, _)| matches!(key, ObjectKey::Pack(_)));
    let last = packs.clone().map(|(_, live)| live.entry).max();
    let mut packs: Vec<ObjectKey> =
        packs.filter(|(_, live)| Some(live.entry) == last).map(|(key, _)| *key).collect();
    packs.sort_unstable();
    let [gone, spoilt] = [packs[0], packs[1]];
    let mut bytes = io.get(&spoilt).unwrap().to_vec();
    let len: u64 = bytes.len() as u64 + io.get(&gone).unwrap().len() as u64;
    bytes[1000] ^= 1;
    io.delete(&gone).unwrap();
    io.delete(&spoilt).unwrap();
    io.put_new(&spoilt, bytes.into()).unwrap();
    // Nobody knows of it: everything is taken over unread.
    let blind = base.back_up(&repository);
    assert_eq!((blind.stats.read_bytes, blind.stats.new_chunks), (0, 0));
    assert_eq!(scrubbed(&repository).damaged_count, 2);
    let again = base.back_up(&repository);
    assert!(again.stats.new_chunks > 0);
    assert!(again.stats.new_bytes <= len, "no more than what was in these packs");
    assert!(again.stats.new_bytes > len / 2, "{again:?}");
    // All snapshots are whole again, those of before, too.
    base.assert_restores(&repository, &BTreeMap::new(), "stored again");
    let third = base.back_up(&repository);
    assert_eq!((third.stats.read_bytes, third.stats.new_chunks), (0, 0), "once is enough");
    // Only when a scrub has verified the new copies, a collection lets go of the damaged packs.
    let gc = || {
        let options = GcOptions { delay: Duration::ZERO, ..GcOptions::default() };
        collect(&repository, &options).unwrap();
        Fold::load(&repository).unwrap()
    };
    let fold = gc();
    assert!(fold.object(&gone).is_some() && fold.object(&spoilt).is_some());
    scrubbed(&repository);
    let fold = gc();
    assert!(fold.object(&gone).is_none() && fold.object(&spoilt).is_none());
    assert!(heal::lost_packs(&fold).is_empty());
    let report = world::check(&repository);
    assert!(report.is_clean(), "{:#?}", report.problems);
    base.assert_restores(&repository, &BTreeMap::new(), "collected");
}

/// What the source does not have any more stays lost, and is named.
#[test]
fn what_the_source_has_not_is_named() {
    let mut base = Base::new(0);
    let repository = open_in(&base.store).unwrap();
    let path = base.scratch.join("src").join("changing");
    std::fs::write(&path, noise(5, 1000)).unwrap();
    let io = Io::new(Arc::clone(&base.store)).unwrap();
    for key in keys(&base.store, "packs/") {
        io.delete(&key.parse::<ObjectKey>().unwrap()).unwrap();
    }
    scrubbed(&repository);
    assert!(!heal_all(&repository, None).is_empty());
    base.back_up(&repository);
    let hit = crate::named_as_hit(&repository);
    let changing = BTreeSet::from([path.to_str().unwrap().to_owned()]);
    assert_eq!(hit.len(), 3, "{hit:?}");
    assert!(hit.values().all(|paths| *paths == changing), "{hit:?}");
    base.assert_restores(&repository, &hit, "gone");
}
