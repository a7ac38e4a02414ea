//! Repositories for tests: in memory, with a passphrase that costs next to nothing to try.

use std::sync::Arc;

use lifeboat_codec::Clock;
use lifeboat_format::keyslot::KeyFile;
use lifeboat_store::{Store, mem};
use lifeboat_testkit::clock::TestClock;
use lifeboat_testkit::entropy::entropy;
use zeroize::Zeroizing;

use crate::io::Io;
use crate::open::{InitOptions, OpenOptions, Repository, Unlock, init};
use crate::slots::{KdfCost, NewSlot, SlotSecret};

pub(crate) const PASSPHRASE: &str = "correct horse";
pub(crate) const CHEAP: KdfCost = KdfCost { memory_kib: 8, passes: 1, lanes: 1 };
pub(crate) const MEMORY_BYTES: u64 = 64 << 20;

pub(crate) fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(Zeroizing::new(text.to_owned()))
}

pub(crate) fn key_file(file: &KeyFile) -> Unlock {
    Unlock::KeyFile(Box::new(file.clone()))
}

pub(crate) fn passphrase_slot(text: &str) -> NewSlot {
    let secret = SlotSecret::Passphrase(Zeroizing::new(text.to_owned()), CHEAP);
    NewSlot { label: "me".to_owned(), secret }
}

pub(crate) fn init_options(seed: u64) -> InitOptions {
    let clock: Arc<dyn Clock> = Arc::new(TestClock::new());
    let mut options =
        InitOptions::new(entropy(seed), clock, MEMORY_BYTES, "lifeboat test").unwrap();
    options.slots.push(passphrase_slot(PASSPHRASE));
    options
}

pub(crate) fn open_options(seed: u64) -> OpenOptions {
    OpenOptions {
        entropy: entropy(seed),
        clock: Arc::new(TestClock::new()),
        memory_bytes: MEMORY_BYTES,
        remembered: None,
        exclusive: false,
    }
}

/// A new repository in `store`.
pub(crate) fn new_in(store: &Arc<dyn Store>, seed: u64) -> Repository {
    init(Io::new(Arc::clone(store)).unwrap(), &init_options(seed)).unwrap()
}

/// A new repository in memory, and its store.
pub(crate) fn new(seed: u64) -> (Arc<dyn Store>, Repository) {
    let store = mem();
    let repository = new_in(&store, seed);
    (store, repository)
}

/// The same repository opened once more, by somebody with other dice.
pub(crate) fn reopen(store: &Arc<dyn Store>, seed: u64) -> Repository {
    let io = Io::new(Arc::clone(store)).unwrap();
    crate::open::open(io, &passphrase(PASSPHRASE), &open_options(seed)).unwrap()
}

/// Puts `bytes` where the object `key` is.
pub(crate) fn replace(store: &Arc<dyn Store>, key: &str, bytes: Vec<u8>) {
    let io = Io::new(Arc::clone(store)).unwrap();
    io.block_on(async {
        store.delete(key).await.unwrap();
        store.put_new(key, bytes.into()).await.unwrap();
    });
}

/// The bytes of the object `key`.
pub(crate) fn bytes_of(store: &Arc<dyn Store>, key: &str) -> Vec<u8> {
    Io::new(Arc::clone(store)).unwrap().block_on(store.get(key)).unwrap().to_vec()
}

/// Removes the object `key`.
pub(crate) fn lose(store: &Arc<dyn Store>, key: &str) {
    Io::new(Arc::clone(store)).unwrap().block_on(store.delete(key)).unwrap();
}

/// All keys that begin with `prefix`, in order.
pub(crate) fn keys(store: &Arc<dyn Store>, prefix: &str) -> Vec<String> {
    let mut keys = Vec::new();
    Io::new(Arc::clone(store))
        .unwrap()
        .list(prefix, |listed| {
            keys.push(listed.key);
            Ok(())
        })
        .unwrap();
    keys.sort();
    keys
}
