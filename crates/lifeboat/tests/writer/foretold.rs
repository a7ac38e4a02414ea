//! What a dry run of a collection says is ahead, beside what the real one then asks of the store.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_repo::gc::{GcOptions, Unused, collect};
use lifeboat_store::Verb;
use lifeboat_store::layer::record::RecordStore;
use lifeboat_testkit::tree::Scratch;

use crate::collected::forget_one;
use crate::world::{assert_clean, init_in, noise, open_in, options_of, run, settle};

fn options(dry_run: bool) -> GcOptions {
    GcOptions {
        delay: Duration::ZERO,
        trash_period: Duration::ZERO,
        max_unused: Unused::Bytes(0),
        threads: 2,
        dry_run,
        ..GcOptions::default()
    }
}

/// Reads, creates, removals and lists, each by its own count.
fn asked(store: &RecordStore) -> [u64; 4] {
    let kinds: [&[Verb]; 4] = [
        &[Verb::Get, Verb::GetRange, Verb::Head],
        &[Verb::Put, Verb::PutSoon],
        &[Verb::Delete, Verb::DeleteMany],
        &[Verb::List],
    ];
    kinds.map(|verbs| verbs.iter().map(|verb| store.count(*verb) as u64).sum())
}

/// Puts and removals are as many as foretold, but for packs that are open at once and index segments that are merged; reads are a
/// quarter more or less, and a few that look at what was just written.
#[test]
fn a_dry_run_foretells_what_a_run_asks_for() {
    let (source, store) = (Scratch::new().unwrap(), RecordStore::new(lifeboat_store::mem()));
    let repository = init_in(Arc::new(store.clone()));
    let write = |number: u64, seed| {
        fs::write(source.join(format!("file{number:04}")), noise(seed, 20_000)).unwrap();
    };
    (0..200).for_each(|number| write(number, number));
    settle();
    let first = run(&repository, &options_of(source.path())).snapshot.unwrap();
    (0..200).step_by(2).for_each(|number| write(number, 1000 + number));
    settle();
    run(&repository, &options_of(source.path()));
    forget_one(&repository, first);
    // Something that was condemned before, and is due.
    let slow = GcOptions {
        delay: Duration::from_secs(3600),
        max_unused: Unused::Unlimited,
        ..options(false)
    };
    collect(&repository, &slow).unwrap();

    let repository = open_in(Arc::new(store.clone())).unwrap();
    store.clear();
    let planned = collect(&repository, &options(true)).unwrap();
    let dry = asked(&store);
    let ahead = planned.ahead.unwrap();
    assert!(planned.repacked.objects > 10, "{planned:?}");
    store.clear();
    let done = collect(&repository, &options(false)).unwrap();
    let real = asked(&store);
    assert_clean(&repository);
    let more = |kind: usize| real[kind] - dry[kind];
    let near = |foretold: u64, is: u64, bound: u64| foretold.abs_diff(is) <= bound;
    assert!(near(ahead.get, more(0), ahead.get / 4 + 24), "{ahead:?}, {dry:?}, {real:?}");
    assert!(near(ahead.put, more(1), ahead.put / 4 + 4), "{ahead:?}, {dry:?}, {real:?}");
    assert!(near(ahead.delete, more(2), ahead.delete / 10 + 4), "{ahead:?}, {dry:?}, {real:?}");
    assert!(near(ahead.list, more(3), 2), "{ahead:?}, {dry:?}, {real:?}");
    assert!(near(ahead.bytes_freed, done.removed.bytes, ahead.bytes_freed / 10), "{done:?}");
}
