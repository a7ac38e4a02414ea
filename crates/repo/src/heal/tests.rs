mod entries;
mod opening;
mod segments;

use std::sync::Arc;

use lifeboat_format::config::Parity;
use lifeboat_format::entry::LogKind;
use lifeboat_format::id::ChunkId;
use lifeboat_store::{ErrorKind, Store, mem};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};

use super::*;
use crate::check::{CheckOptions, check};
use crate::io::Io;
use crate::log::commit;
use crate::open::init;
use crate::open::testing::{bytes_of, init_options, keys, lose, reopen, replace};
use crate::packer::testing::store_packs;
use crate::reader::{ChunkKind, Reader};
use crate::scrub::{ScrubOptions, scrub};

/// A repository with three packs that have a stripe of parity each, and the chunks in them.
struct World {
    store: Arc<dyn Store>,
    repository: Repository,
    chunks: Vec<(ChunkId, Vec<u8>)>,
    packs: Vec<ObjectKey>,
}

fn world_in(store: Arc<dyn Store>) -> World {
    let mut options = init_options(1);
    options.parity = Parity { data_permille: 30, tree_permille: 30 };
    let repository = init(Io::new(Arc::clone(&store)).unwrap(), &options).unwrap();
    let (objects, chunks) = store_packs(&repository, 1, 3);
    let mut fold = Fold::load(&repository).unwrap();
    commit(&repository, &mut fold, RunId([5; 16]), objects, Vec::new()).unwrap();
    let packs = keys(&store, "packs/").iter().map(|key| key.parse().unwrap()).collect();
    World { store, repository, chunks, packs }
}

fn world() -> World {
    world_in(mem())
}

impl World {
    fn fold(&self) -> Fold {
        Fold::load(&self.repository).unwrap()
    }

    /// Flips a bit in each of the first stripes of a pack.
    fn damage(&self, pack: usize, stripes: usize) {
        let key = self.packs[pack].to_string();
        let mut bytes = bytes_of(&self.store, &key);
        (0..stripes).for_each(|stripe| bytes[4096 * stripe + 200] ^= 1);
        replace(&self.store, &key, bytes);
    }

    /// The same objects in another store, opened.
    fn copy(&self) -> Repository {
        let store = mem();
        let io = Io::new(Arc::clone(&store)).unwrap();
        for key in keys(&self.store, "") {
            io.put_new(&key.parse().unwrap(), bytes_of(&self.store, &key).into()).unwrap();
        }
        reopen(&store, 7)
    }

    fn heal(&self, packs: &[usize], replica: Option<&Repository>) -> Vec<Outcome> {
        let objects: Vec<ObjectKey> = packs.iter().map(|pack| self.packs[*pack]).collect();
        let theirs = replica.map(|replica| (replica, Fold::load(replica).unwrap()));
        let theirs = theirs.as_ref().map(|(replica, fold)| (*replica, fold));
        let cancel = Cancel::new();
        let report = heal(&self.repository, &mut self.fold(), &objects, theirs, &cancel).unwrap();
        assert!(report.iter().map(|(key, _)| key).eq(&objects));
        report.into_iter().map(|(_, outcome)| outcome).collect()
    }

    fn assert_readable(&self) {
        let index = Arc::new(Index::load(&self.repository, &self.fold()).unwrap());
        let (io, keyring) = (self.repository.io().clone(), Arc::clone(self.repository.keyring()));
        let reader = Reader::new(io, keyring, index as _, 8 << 20);
        for (id, bytes) in &self.chunks {
            assert!(reader.read_chunk(ChunkKind::Data, *id).unwrap() == *bytes);
        }
    }
}

fn healed(outcome: &Outcome) -> (ObjectKey, Remedy) {
    let Outcome::Healed(key, remedy) = outcome else { panic!("{outcome:?}") };
    (*key, *remedy)
}

#[test]
fn a_damaged_pack_is_whole_again_under_a_new_key() {
    let world = world();
    let whole = bytes_of(&world.store, &world.packs[0].to_string());
    world.damage(0, 1);
    let outcomes = world.heal(&[0, 1], None);
    let (new, remedy) = healed(&outcomes[0]);
    assert!(matches!(outcomes[1], Outcome::Whole), "{outcomes:?}");
    assert_eq!(remedy, Remedy::Parity);
    assert_eq!(new.name().unwrap().hash, world.packs[0].name().unwrap().hash);
    assert!(bytes_of(&world.store, &new.to_string()) == whole);
    // The damaged one is left as it is, and counts on.
    assert!(bytes_of(&world.store, &world.packs[0].to_string()) != whole);
    let fold = world.fold();
    assert!(fold.object(&world.packs[0]).is_some());
    assert_eq!(fold.twins().into_iter().collect::<Vec<_>>(), [(world.packs[0], new)]);
    // Once is enough.
    let again = world.heal(&[0], None);
    assert!(matches!(again[0], Outcome::HealedBefore(key) if key == new), "{again:?}");
}

#[test]
fn readers_take_either_of_the_two() {
    for lost in [0, 1] {
        let world = world();
        world.damage(0, 1);
        let (new, _) = healed(&world.heal(&[0], None)[0]);
        world.assert_readable();
        lose(&world.store, &[world.packs[0], new][lost].to_string());
        world.assert_readable();
        for read_data in [false, true] {
            let options = CheckOptions { read_data, ..CheckOptions::default() };
            let report = check(&world.repository, &options, &|_| {}).unwrap();
            // What was healed is none, as long as what took its place is there.
            let wanted = match (lost, read_data) {
                (0, _) => 0,
                (_, false) => 1,
                (_, true) => 2,
            };
            assert_eq!(report.problem_count, wanted, "{lost} {read_data}: {:?}", report.problems);
            assert_eq!(report.notes.len(), usize::from(lost == 0), "{:?}", report.notes);
        }
    }
}

#[test]
fn what_parity_can_not_make_comes_from_a_replica() {
    let world = world();
    let replica = world.copy();
    world.damage(0, 2);
    lose(&world.store, &world.packs[1].to_string());
    world.damage(2, 1);
    let outcomes = world.heal(&[0, 1, 2], None);
    assert!(matches!(outcomes[..2], [Outcome::Lost(_), Outcome::Lost(_)]), "{outcomes:?}");
    let Outcome::Lost(error) = &outcomes[0] else { unreachable!() };
    assert!(error.to_string().contains("stripes 0, 1 are damaged, and it has parity for one"));
    assert_eq!(healed(&outcomes[2]).1, Remedy::Parity);
    let outcomes = world.heal(&[0, 1], Some(&replica));
    assert_eq!([0, 1].map(|at: usize| healed(&outcomes[at]).1), [Remedy::Replica; 2]);
    world.assert_readable();
}

/// A replica that lies, or is damaged itself, spoils nothing.
#[test]
fn a_bad_replica_is_of_no_use() {
    let world = world();
    let copy = world.copy();
    let key = world.packs[0];
    let mut bytes = copy.io().get(&key).unwrap().to_vec();
    bytes[9] ^= 1;
    copy.io().delete(&key).unwrap();
    copy.io().put_new(&key, bytes.into()).unwrap();
    world.damage(0, 2);
    let before = keys(&world.store, "").len();
    assert!(matches!(world.heal(&[0], Some(&copy))[0], Outcome::Lost(_)));
    assert_eq!(keys(&world.store, "").len(), before, "nothing was put, and no entry");
}

#[test]
fn scrubs_say_what_there_is_to_heal() {
    let world = world();
    world.damage(0, 1);
    world.damage(2, 2);
    let all = || scrub(&world.repository, &ScrubOptions::default(), &|_| {}).unwrap();
    assert_eq!(all().damaged_count, 2);
    let mut wanted = vec![world.packs[0], world.packs[2]];
    wanted.sort_unstable();
    assert_eq!(damaged(&world.fold()), wanted);
    world.heal(&[0], None);
    assert_eq!(damaged(&world.fold()), [world.packs[2]]);
    let report = all();
    assert_eq!(report.damaged_count, 1);
    assert_eq!(report.damaged[0].object, world.packs[2].to_string());
}

/// What a key puts there that may only write stands for nothing, whatever its name says.
#[test]
fn a_twin_is_a_maintainers() {
    let world = world();
    let original = world.packs[0];
    let twin = ObjectName { upload: [9; 8], ..original.name().unwrap() };
    let key = ObjectKey::Pack(twin);
    let size = world.fold().object(&original).unwrap().size;
    let listed = ListedObject { kind: ObjectKind::Pack, name: twin, size };
    world.repository.io().put_new(&key, vec![7; 100].into()).unwrap();
    let mut fold = world.fold();
    fold.rules_for_tests(|roles| roles.retain(|role| *role != SigningRole::Maintain));
    commit(&world.repository, &mut fold, RunId([6; 16]), vec![listed], Vec::new()).unwrap();
    assert!(fold.object(&key).is_some() && fold.twins().is_empty(), "{:?}", fold.twins());
    // The same entry by a maintainer.
    assert_eq!(world.fold().twins().into_iter().collect::<Vec<_>>(), [(original, key)]);
    // A checkpoint knows, too.
    let whole = world.fold();
    assert!(log::checkpoint::write(&world.repository, &whole).unwrap());
    let from_checkpoint = world.fold();
    assert_eq!(from_checkpoint.entries_read(), 0);
    assert_eq!(from_checkpoint.twins(), whole.twins());
}

/// Nor does it stand for a pack that is gone, whose records would count again by that.
#[test]
fn what_stands_for_a_pack_that_is_gone_is_a_maintainers() {
    let world = world();
    let original = world.packs[0];
    let size = world.fold().object(&original).unwrap().size;
    let listed = |name| ListedObject { kind: ObjectKind::Pack, name, size };
    let gone = vec![listed(original.name().unwrap())];
    let mut fold = world.fold();
    for (kind, mark, closes) in
        [(LogKind::Condemn, Some(0), None), (LogKind::Delete, None, Some(1))]
    {
        let by = log::EntryDraft::maintenance(kind, RunId([8; 16]));
        let draft = log::EntryDraft { objects: gone.clone(), mark, closes, ..by };
        log::append(&world.repository, &mut fold, |_| Ok(log::Decision::Append(draft.clone())))
            .unwrap();
    }
    let claimed = ObjectName { upload: [9; 8], ..original.name().unwrap() };
    fold.rules_for_tests(|roles| roles.retain(|role| *role != SigningRole::Maintain));
    commit(&world.repository, &mut fold, RunId([6; 16]), vec![listed(claimed)], Vec::new())
        .unwrap();
    let stands = |fold: &Fold| {
        Index::load_what_is_there(&world.repository, fold, |_| ()).standing(&original)
    };
    assert!(fold.object(&ObjectKey::Pack(claimed)).is_some());
    assert_eq!(stands(&fold), original);
    // The same entry by a maintainer.
    assert_eq!(stands(&world.fold()), ObjectKey::Pack(claimed));
}

/// A collector may take the original between the heal's look and its entry.
#[test]
fn what_is_gone_meanwhile_gets_no_twin() {
    let world = world();
    world.damage(0, 1);
    let mut fold = world.fold();
    let all: Vec<ListedObject> = fold
        .objects()
        .iter()
        .filter_map(|(key, live)| {
            let (kind, name) = (kind_of(key)?, key.name()?);
            Some(ListedObject { kind, name, size: live.size })
        })
        .collect();
    let run = RunId([8; 16]);
    let by = |kind| log::EntryDraft::maintenance(kind, run);
    let mut others = world.fold();
    for (kind, mark, closes) in
        [(LogKind::Condemn, Some(0), None), (LogKind::Delete, None, Some(1))]
    {
        let draft = log::EntryDraft { objects: all.clone(), mark, closes, ..by(kind) };
        log::append(&world.repository, &mut others, |_| Ok(log::Decision::Append(draft.clone())))
            .unwrap();
    }
    let cancel = Cancel::new();
    let report = heal(&world.repository, &mut fold, &world.packs[..1], None, &cancel).unwrap();
    assert!(matches!(report[0].1, Outcome::NotNeeded(_)), "{report:?}");
    assert_eq!(keys(&world.store, "log/").len(), 3, "no entry named it");
}

#[test]
fn only_packs_that_count_are_healed() {
    let world = world();
    let other = ObjectKey::Pack(ObjectName { upload: [1; 8], ..world.packs[0].name().unwrap() });
    for key in [other, ObjectKey::Config] {
        let cancel = Cancel::new();
        let error = heal(&world.repository, &mut world.fold(), &[key], None, &cancel).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
    }
}

/// An answer that stays away is not damage.
#[test]
fn a_store_that_is_away_ends_it() {
    let store = FaultStore::new(mem());
    let world = world_in(Arc::new(store.clone()));
    store.add(Rule::any().below("packs/").forever().fails(ErrorKind::Unavailable, Moment::Before));
    let cancel = Cancel::new();
    let error =
        heal(&world.repository, &mut world.fold(), &world.packs[..1], None, &cancel).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}
