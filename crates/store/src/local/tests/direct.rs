//! Objects that are written past the page cache.

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::*;
use crate::local::system::Call;

/// Whatever the lengths of pieces and of the whole, and wherever the disk stops taking it.
#[tokio::test]
async fn large_objects_are_written_past_the_cache_and_are_the_same() {
    let noise = |seed: usize, length: usize| -> Bytes {
        (0..length).map(|at| (at * 31 + seed * 7 + (at >> 8)).to_le_bytes()[0]).collect()
    };
    let (dir, store) = store();
    let probe = OFlags::WRONLY | OFlags::CREATE | OFlags::DIRECT;
    if openat(CWD, dir.path().join("probe"), probe, Mode::RWXU).is_err() {
        return lifeboat_testkit::skip::skip(
            "this file system has a cache that can't be passed by",
        );
    }
    let lengths = [0, 1, 4095, 4096, 1 << 20, (1 << 20) + 1, 5_000_000];
    for (number, last) in lengths.into_iter().enumerate() {
        let parts = vec![noise(1, 3_000_001), Bytes::new(), noise(2, 10), noise(3, last)];
        let whole = parts.concat();
        // Not at all, at the second write, and at none.
        for failing in [Some(0), Some(1), None] {
            if let Some(after) = failing {
                store.root.system.script.fail_after(Call::Write, after, Errno::INVAL);
            }
            let key = format!("packs/{number}-{failing:?}");
            store.put_new(&key, parts.clone().into()).await.unwrap();
            let found = store.get(&key).await.unwrap();
            assert!(found == whole, "{key}");
        }
    }
    // A disk that is full, or broken, is told as it is.
    store.root.system.script.fail_after(Call::Write, 1, Errno::NOSPC);
    let refused = store.put_new("packs/x", noise(1, 3_000_000).into()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NoSpace);
}
