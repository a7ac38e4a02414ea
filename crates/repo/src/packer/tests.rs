mod power;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::mpsc;

use lifeboat_codec::compress::Level;
use lifeboat_format::key::ObjectKey;
use lifeboat_store::layer::record::RecordStore;
use lifeboat_store::{ErrorKind, Store, Verb, mem};
use lifeboat_testkit::entropy::entropy;
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};
use lifeboat_testkit::link::LinkStore;

use super::*;
use crate::error::{Error, Kind};
use crate::io::Io;
use crate::log::Fold;
use crate::open::init;
use crate::open::testing::init_options;
use crate::reader::{ChunkKind, Locate as _, Reader};

const THREADS: u64 = 4;
/// Chunks are drawn from so many, so that threads meet.
const CHUNKS: u64 = 1500;

thread_local! {
    /// Whether this thread's compressor is broken.
    static SPOILT: Cell<bool> = const { Cell::new(false) };
}

/// What a bad compressor, or bad memory, would make of a compressed frame.
pub(super) fn spoil(compressed: &mut [u8]) {
    if SPOILT.get()
        && let Some(byte) = compressed.last_mut()
    {
        *byte ^= 0x10;
    }
}

fn repository(store: Arc<dyn Store>) -> Repository {
    let mut options = init_options(1);
    (options.pack_bytes, options.frame_bytes, options.tree_frame_bytes) =
        (64 << 10, 8 << 10, 4 << 10);
    init(Io::new(store).unwrap(), &options).unwrap()
}

fn packer(repository: &Repository, bytes_max: u64) -> Packer {
    let options = PackerOptions {
        compression: Compression::default(),
        verify_encode: true,
        dry_run: false,
        workers: 1,
        bytes_max,
        records_max: 300,
    };
    let fold = Fold::load(repository).unwrap();
    Packer::new(repository, Arc::new(Index::load(repository, &fold).unwrap()), options)
}

/// The bytes of a chunk: half of them compress.
fn chunk(number: u64) -> Vec<u8> {
    let mut bytes = vec![7; 100 + usize::try_from(number * 7919 % 3000).unwrap()];
    let noise = if number.is_multiple_of(2) { bytes.len() } else { 20 };
    entropy(number).fill(&mut bytes[..noise]).unwrap();
    bytes
}

/// One unit of work: chunks drawn from `seed` to a framer of its own. Their ids once they are claimed.
fn unit(packer: &Packer, seed: u64, claimed: &Mutex<HashMap<ChunkId, u64>>) -> Result<()> {
    let mut framer = packer.framer(PackKind::Data)?;
    for step in 0..25 {
        let draw = object_number(seed, step) % CHUNKS;
        let bytes = chunk(draw);
        let id = packer.repository().keyring().ids().data(&bytes);
        framer.offer(id, &bytes)?;
        claimed.lock().unwrap().insert(id, draw);
        if step % 10 == 9 {
            framer.yield_to_flush()?;
        }
        let state = packer.shared.lock();
        assert!(state.bytes <= packer.shared.options.bytes_max, "{} bytes", state.bytes);
    }
    Ok(())
}

fn object_number(seed: u64, step: u64) -> u64 {
    u64::from_le_bytes(entropy(seed << 20 | step).bytes().unwrap())
}

/// What `work` returns, unless it hangs.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        let result = work();
        done.send(()).unwrap();
        result
    });
    let waited = wait.recv_timeout(Duration::from_secs(60));
    assert_ne!(waited, Err(mpsc::RecvTimeoutError::Timeout), "it hangs");
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[test]
fn what_was_claimed_before_a_flush_is_located_and_listed_after_it() {
    // The smaller one has room for a few frames only.
    for bytes_max in [2 << 20, 40 << 10] {
        in_time(move || flush_beside_workers(bytes_max));
    }
}

fn flush_beside_workers(bytes_max: u64) {
    let repository = repository(mem());
    let packer = packer(&repository, bytes_max);
    let claimed = Mutex::new(HashMap::new());
    let working = AtomicU64::new(THREADS);
    let mut listed: HashSet<ObjectKey> = HashSet::new();
    let mut flush = || {
        let before = claimed.lock().unwrap().clone();
        for object in packer.flush().unwrap() {
            let key = object.kind.key(object.name);
            assert_eq!(repository.io().head(&key).unwrap().size, object.size);
            assert!(listed.insert(key), "{key} is listed twice");
        }
        for id in before.keys() {
            let place = packer.shared.index.locate(id).unwrap().expect("it was claimed before");
            assert!(listed.contains(&place.frame.pack), "{} is not listed", place.frame.pack);
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (packer, claimed, working) = (packer.clone(), &claimed, &working);
            scope.spawn(move || {
                for number in 0..40 {
                    unit(&packer, thread << 10 | number, claimed).unwrap();
                }
                working.fetch_sub(1, Ordering::Release);
            });
        }
        while working.load(Ordering::Acquire) > 0 {
            flush();
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    flush();
    assert_eq!(packer.flush().unwrap(), []);
    assert_eq!(packer.shared.lock().bytes, 0);
    let (io, keyring) = (repository.io().clone(), Arc::clone(repository.keyring()));
    let reader = Reader::new(io, keyring, Arc::clone(&packer.shared.index) as _, 8 << 20);
    for (id, number) in claimed.into_inner().unwrap() {
        let read = reader.read_chunk(ChunkKind::Data, id).unwrap();
        assert!(read == chunk(number), "chunk {number}");
    }
}

/// Works with all threads until the run has failed; what each of them heard, the flush first.
fn errors_of_all(store: &FaultStore) -> Vec<Error> {
    let repository = repository(Arc::new(store.clone()));
    let packer = packer(&repository, 40 << 10);
    let claimed = Mutex::new(HashMap::new());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (packer, claimed) = (packer.clone(), &claimed);
                scope.spawn(move || {
                    let units = 0..100_000;
                    let mut ends =
                        units.map(|number| unit(&packer, thread << 10 | (number % 1000), claimed));
                    ends.find_map(Result::err)
                })
            })
            .collect();
        let flushed = loop {
            match packer.flush() {
                Err(error) => break error,
                Ok(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        // Nobody can commit afterwards.
        assert!(packer.flush().is_err());
        let worked = workers.into_iter().map(|worker| worker.join().unwrap().unwrap());
        std::iter::once(flushed).chain(worked).collect()
    })
}

#[test]
fn one_hears_why_a_run_failed_and_nobody_waits() {
    for (prefix, call) in
        [("packs/", 1), ("packs/", 3), ("packs/", 8), ("index/", 1), ("index/", 2)]
    {
        let errors = in_time(move || {
            let store = FaultStore::new(mem());
            let rule = Rule::on(Verb::Put).below(prefix).call(call);
            store.add(rule.fails(ErrorKind::NoSpace, Moment::Before));
            errors_of_all(&store)
        });
        let (why, others): (Vec<_>, Vec<_>) =
            errors.iter().partition(|error| error.kind() == Kind::NoSpace);
        assert_eq!(why.len(), 1, "{prefix} {call}: {errors:?}");
        assert_eq!(why[0].to_string().matches(prefix).count(), 1, "{:?}", why[0]);
        assert!(others.iter().all(|error| error.kind() == Kind::Cancelled), "{errors:?}");
    }
}

/// Of two packs on their way to a full disk one failed, and the process ended while the temporary
/// file of the other was still there.
#[test]
fn after_a_failure_it_waits_for_what_is_on_its_way() {
    let store = FaultStore::new(Arc::new(LinkStore::new(mem(), Duration::from_millis(50))));
    let repository = repository(Arc::new(store.clone()));
    let packer = packer(&repository, 2 << 20);
    let third = Rule::on(Verb::Put).below("packs/").call(3);
    store.add(third.fails(ErrorKind::NoSpace, Moment::Before));
    let claimed = Mutex::new(HashMap::new());
    let failed = (0..10_000).find_map(|number| unit(&packer, number, &claimed).err());
    assert_eq!(failed.unwrap().kind(), Kind::NoSpace);
    let travelling = || packer.shared.lock().travelling.len();
    assert!(travelling() > 0, "or nothing is shown");
    packer.settle();
    assert_eq!(travelling(), 0);
}

#[test]
fn what_goes_to_a_slow_store_is_compressed_harder() {
    let store = LinkStore::new(mem(), Duration::from_millis(100));
    let packer = packer(&repository(Arc::new(store)), 256 << 10);
    let claimed = Mutex::new(HashMap::new());
    let mut levels = (0..60).map(|number| {
        unit(&packer, number, &claimed).unwrap();
        packer.shared.balance.level()
    });
    assert!(levels.any(|level| level > Level::DEFAULT));
}

#[test]
fn a_frame_that_was_compressed_wrong_is_never_stored() {
    let repository = repository(mem());
    let spoilt = |verify_encode: bool| {
        let mut packer = packer(&repository, 1 << 20);
        let shared = Arc::get_mut(&mut packer.shared).unwrap();
        shared.options.verify_encode = verify_encode;
        let (bytes, mut framer) = (vec![5; 4000], packer.framer(PackKind::Data).unwrap());
        framer.offer(repository.keyring().ids().data(&bytes), &bytes).unwrap();
        SPOILT.set(true);
        let sealed = framer.flush();
        SPOILT.set(false);
        drop(framer);
        (sealed, packer.flush())
    };
    let (sealed, flushed) = spoilt(true);
    let error = sealed.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert!(error.hint_text().unwrap().contains("memory"), "{error}");
    assert_eq!(flushed.unwrap_err().kind(), Kind::Cancelled);
    // Whoever turns it off is not protected; or the seam would show nothing.
    let (sealed, flushed) = spoilt(false);
    sealed.unwrap();
    assert_eq!(flushed.unwrap().len(), 2);
}

#[test]
fn a_dry_run_counts_and_stores_nothing() {
    let store = FaultStore::new(mem());
    let repository = repository(Arc::new(store.clone()));
    let mut packer = packer(&repository, 1 << 20);
    Arc::get_mut(&mut packer.shared).unwrap().options.dry_run = true;
    let puts = || store.calls(Verb::Put) + store.calls(Verb::PutSoon);
    let before = puts();
    unit(&packer, 1, &Mutex::default()).unwrap();
    assert_eq!(packer.flush().unwrap(), []);
    assert_eq!(puts(), before);
    assert!(packer.stats().new_chunks > 0 && packer.stats().stored_bytes == 0);
}

/// Nothing that compresses, in packs of 512 KiB as others are of 32 MiB: requests for each byte are what
/// a store takes money for.
#[test]
fn packs_become_as_large_as_they_may_and_are_complete_one_after_the_other() {
    const PACK: u64 = 512 << 10;
    const PACKS: u64 = 32;
    let store = RecordStore::new(mem());
    let mut options = init_options(1);
    (options.pack_bytes, options.frame_bytes) = (PACK, 8 << 10);
    let repository = init(Io::new(Arc::new(store.clone())).unwrap(), &options).unwrap();
    let packer = packer(&repository, 4 * PACK);
    // As many records as a segment takes in a run with the default memory.
    let packer = Packer::new(
        &repository,
        Arc::clone(&packer.shared.index),
        PackerOptions { records_max: 100_000, ..packer.shared.options.clone() },
    );
    let mut framer = packer.framer(PackKind::Data).unwrap();
    let noise = entropy(7);
    let (mut steps, mut both_nearly_full) = (0, 0);
    for _ in 0..PACKS * PACK / 4096 {
        let bytes = noise.bytes::<4096>().unwrap();
        framer.offer(packer.repository().keyring().ids().data(&bytes), &bytes).unwrap();
        let state = packer.shared.lock();
        steps += 1;
        let nearly_full = state.open.iter().filter(|pack| pack.bytes > PACK * 3 / 4).count();
        both_nearly_full += u64::from(nearly_full == 2);
    }
    drop(framer);
    packer.flush().unwrap();
    let puts = store.keys(Verb::PutSoon);
    let packs = puts.iter().filter(|key| key.starts_with("packs/")).count() as u64;
    assert!((PACKS..=PACKS + 2).contains(&packs), "{packs} packs");
    assert!(both_nearly_full * 100 < steps * 5, "{both_nearly_full} of {steps}");
}
