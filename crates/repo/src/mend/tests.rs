use std::sync::Arc;

use lifeboat_codec::compress::Compression;
use lifeboat_format::config::Parity;
use lifeboat_format::id::ChunkId;
use lifeboat_format::index::PackKind;
use lifeboat_store::{Store, mem};
use lifeboat_testkit::entropy::entropy;

use super::*;
use crate::index::Index;
use crate::log::Fold;
use crate::open::testing::{bytes_of, init_options, replace};
use crate::open::{Repository, init};
use crate::packer::{Packer, PackerOptions};
use crate::reader::{ChunkKind, Reader};

/// A repository with one data pack of 600 KiB, of which 30 thousandths are parity.
struct World {
    store: Arc<dyn Store>,
    repository: Repository,
    index: Arc<Index>,
    chunks: Vec<(ChunkId, Vec<u8>)>,
    key: ObjectKey,
    bytes: Vec<u8>,
    footer: Footer,
}

fn world(parity: Parity) -> World {
    let store = mem();
    let mut options = init_options(1);
    options.parity = parity;
    let repository = init(Io::new(Arc::clone(&store)).unwrap(), &options).unwrap();
    let fold = Fold::load(&repository).unwrap();
    let options = PackerOptions {
        compression: Compression::default(),
        verify_encode: true,
        dry_run: false,
        workers: 1,
        bytes_max: 64 << 20,
        records_max: 1000,
    };
    let index = Arc::new(Index::load(&repository, &fold).unwrap());
    let packer = Packer::new(&repository, Arc::clone(&index), options);
    let mut framer = packer.framer(PackKind::Data).unwrap();
    let mut chunks = Vec::new();
    for number in 0..30 {
        let mut bytes = vec![0; 20_000];
        entropy(number).fill(&mut bytes).unwrap();
        let id = repository.keyring().ids().data(&bytes);
        framer.offer(id, &bytes).unwrap();
        chunks.push((id, bytes));
        // Frames of two chunks, each over ten stripes or so.
        if number % 2 == 1 {
            framer.flush().unwrap();
        }
    }
    drop(framer);
    let objects = packer.flush().unwrap();
    let packs = objects.iter().map(|object| object.kind.key(object.name));
    let packs: Vec<ObjectKey> = packs.filter(|key| matches!(key, ObjectKey::Pack(_))).collect();
    let largest = packs.iter().max_by_key(|key| bytes_of(&store, &key.to_string()).len()).unwrap();
    let (key, bytes) = (*largest, bytes_of(&store, &largest.to_string()));
    let footer = Footer::parse(&bytes, bytes.len() as u64).unwrap();
    World { store, repository, index, chunks, key, bytes, footer }
}

fn with_parity() -> World {
    let world = world(Parity { data_permille: 30, tree_permille: 30 });
    assert!(world.footer.parity_stripes() >= 2, "or too little is shown: {:?}", world.footer);
    world
}

/// What may happen to a stripe.
const DAMAGES: [fn(&mut [u8]); 4] = [
    |stripe| stripe[0] ^= 1,
    |stripe| *stripe.last_mut().unwrap() ^= 0x80,
    |stripe| stripe.fill(0),
    |stripe| stripe.fill(0xff),
];

impl World {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Damages these stripes in the store.
    fn damage(&self, stripes: &[u64], damage: fn(&mut [u8])) {
        let mut bytes = self.bytes.clone();
        for stripe in stripes {
            let range = self.footer.stripe_range(*stripe);
            damage(&mut bytes[place(range.start)..place(range.end)]);
        }
        replace(&self.store, &self.key.to_string(), bytes);
    }

    fn whole(&self) -> Result<Bytes> {
        whole(self.repository.io(), self.key, self.size())
    }

    fn reader(&self) -> Reader {
        let (io, keyring) = (self.repository.io().clone(), Arc::clone(self.repository.keyring()));
        Reader::new(io, keyring, Arc::clone(&self.index) as _, 8 << 20)
    }

    fn last(&self) -> u64 {
        self.footer.stripe_count() - 1
    }
}

#[test]
fn as_many_stripes_as_there_is_parity_come_back() {
    let world = with_parity();
    let (parity, body) = (world.footer.parity_stripes(), world.footer.body_stripes());
    let first: Vec<u64> = (0..parity).collect();
    let end_of_body: Vec<u64> = (body - parity..body).collect();
    let of_both = vec![body - 1, body];
    let all_parity: Vec<u64> = (body..body + parity).collect();
    let spread = vec![1, body / 2];
    for stripes in [first, end_of_body, of_both, all_parity, spread] {
        for damage in DAMAGES {
            world.damage(&stripes, damage);
            let damaged = mend(world.repository.io(), world.key, world.size(), u64::MAX).unwrap();
            assert_eq!(damaged.stripes(), stripes);
            assert!(world.whole().unwrap() == world.bytes, "{stripes:?}");
        }
    }
}

#[test]
fn one_more_is_told_stripe_by_stripe() {
    let world = with_parity();
    let stripes: Vec<u64> = (0..=world.footer.parity_stripes()).map(|stripe| 3 * stripe).collect();
    world.damage(&stripes, |stripe| stripe[9] ^= 4);
    let error = world.whole().unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    let numbers: Vec<String> = stripes.iter().map(u64::to_string).collect();
    let parity = world.footer.parity_stripes();
    let wanted = format!(
        "mend {}: stripes {} are damaged, and it has parity for {parity}",
        world.key,
        numbers.join(", ")
    );
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_pack_without_parity_says_so() {
    let world = world(Parity::default());
    world.damage(&[0], |stripe| stripe[500] ^= 1);
    let error = world.whole().unwrap_err().to_string();
    assert!(error.ends_with("stripe 0 is damaged, and it has no parity"), "{error}");
}

#[test]
fn what_fits_into_no_memory_is_mended_in_columns() {
    let world = with_parity();
    let stripes = [2, world.last()];
    world.damage(&stripes, |stripe| stripe.fill(7));
    let patch = mend(world.repository.io(), world.key, world.size(), 1000).unwrap();
    let damaged = world.repository.io().get(&world.key).unwrap();
    let size = u64::from(world.footer.stripe_size());
    for range in
        [0..100, 2 * size - 1..2 * size + 1, 2 * size..3 * size, size..5 * size, 0..world.size()]
    {
        let read = |range: Range<u64>| Ok(damaged.slice(place(range.start)..place(range.end)));
        let wanted = &world.bytes[place(range.start)..place(range.end)];
        assert!(patch.read(range.clone(), read).unwrap() == wanted, "{range:?}");
    }
}

#[test]
fn copies_of_the_table_and_the_footer_are_made_again() {
    let world = with_parity();
    let tables = world.footer.stripes_range();
    let size = world.bytes.len();
    for damaged in [place(tables.start), place(tables.end) - 1, size - 100, size - 1] {
        let mut bytes = world.bytes.clone();
        bytes[damaged] ^= 1;
        bytes[0] ^= 1;
        replace(&world.store, &world.key.to_string(), bytes);
        assert!(world.whole().unwrap() == world.bytes, "byte {damaged}");
    }
    for both in [[place(tables.start), place(tables.end) - 1], [size - 100, size - 1]] {
        let mut bytes = world.bytes.clone();
        both.iter().for_each(|at| bytes[*at] ^= 1);
        replace(&world.store, &world.key.to_string(), bytes);
        assert_eq!(world.whole().unwrap_err().kind(), Kind::Corrupt);
    }
    replace(&world.store, &world.key.to_string(), world.bytes[..size - 200].to_vec());
    assert_eq!(world.whole().unwrap_err().kind(), Kind::Corrupt);
}

/// Whoever writes a pack can make it agree with its own table; its name still says otherwise.
#[test]
fn what_has_another_hash_is_not_whole() {
    let world = with_parity();
    assert!(world.whole().unwrap() == world.bytes);
    let mut name = world.key.name().unwrap();
    name.hash.0[0] ^= 1;
    let other = ObjectKey::Pack(name);
    world.repository.io().put_new(&other, world.bytes.clone().into()).unwrap();
    let error = whole(world.repository.io(), other, world.size()).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    let error = mend(world.repository.io(), world.key, world.size(), 0).unwrap_err();
    assert!(error.to_string().ends_with("none of its stripes is damaged"), "{error}");
}

#[test]
fn a_reader_goes_on_through_damage() {
    let world = with_parity();
    // The preamble that opens all frames, and one in the middle.
    world.damage(&[0, world.footer.body_stripes() / 2], |stripe| stripe.fill(0));
    let reader = world.reader();
    for (id, bytes) in &world.chunks {
        assert!(reader.read_chunk(ChunkKind::Data, *id).unwrap() == *bytes);
    }
    // And where many frames come at once.
    let reader = world.reader();
    let frames = world
        .chunks
        .iter()
        .map(|(id, _)| crate::reader::Locate::locate(&*world.index, id).unwrap().unwrap().frame);
    let fetch = reader.fetch(frames.collect(), 1 << 20);
    while fetch
        .next(|frame, bytes| bytes.map(|bytes| assert_eq!(bytes.len(), frame.raw_len as usize)))
        .unwrap()
    {}
}

#[test]
fn a_reader_names_the_frame_of_what_parity_can_not_make() {
    let world = with_parity();
    let stripes: Vec<u64> = (0..world.footer.body_stripes()).collect();
    world.damage(&stripes, |stripe| stripe[100] ^= 1);
    let reader = world.reader();
    let failed =
        world.chunks.iter().filter_map(|(id, _)| reader.read_chunk(ChunkKind::Data, *id).err());
    let failed: Vec<_> = failed.collect();
    assert!(!failed.is_empty());
    assert!(failed.iter().all(|error| error.kind() == Kind::Corrupt));
    assert!(failed[0].to_string().contains(&world.key.to_string()), "{}", failed[0]);
}
