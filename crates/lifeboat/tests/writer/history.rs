//! Random histories beside plain copies: edits, backups of every kind, interruptions, several sources.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lifeboat::backup::{BackupOptions, Detect, Outcome};
use lifeboat::repository::{Repository, View};
use lifeboat::source::read::Caching;
use lifeboat_codec::compress::{Compression, Level};
use lifeboat_format::id::SnapshotId;
use lifeboat_testkit::crash::CrashStore;
use lifeboat_testkit::entropy::entropy;
use lifeboat_testkit::same_tree::assert_same_tree;
use lifeboat_testkit::tree::{Scratch, Shape, edit, random};

use crate::world::{
    StopAfter, assert_clean, assert_restores, assert_restores_beginning, init_in, open_in,
    options_of, plain_copy, restored, settle, snapshot,
};

const SHAPE: Shape = Shape { dirs: 10, files: 60, file_bytes_max: 150_000 };
const STEPS: u64 = 8;

struct Dice(lifeboat_codec::Entropy);

impl Dice {
    fn below(&self, end: u64) -> u64 {
        u64::from_le_bytes(self.0.bytes().unwrap()) % end
    }

    fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

struct History {
    dice: Dice,
    scratch: Scratch,
    store: CrashStore,
    sources: Vec<PathBuf>,
    /// Every whole snapshot, and a copy of its source as it was then.
    kept: Vec<(SnapshotId, PathBuf)>,
    interrupted: u64,
}

impl History {
    fn new(seed: u64) -> Self {
        let scratch = Scratch::new().unwrap();
        let sources: Vec<_> =
            (0..2).map(|number| scratch.join(format!("source{number}"))).collect();
        for (number, source) in sources.iter().enumerate() {
            std::fs::create_dir(source).unwrap();
            // The same seed twice would be the same files: half of what they have is.
            random(source, seed + number as u64 / 2, &SHAPE).unwrap();
        }
        let store = CrashStore::new();
        init_in(Arc::new(store.clone()));
        let dice = Dice(entropy(seed));
        Self { dice, scratch, store, sources, kept: Vec::new(), interrupted: 0 }
    }

    fn options(&self, source: usize) -> BackupOptions {
        BackupOptions {
            // Both one path each, one of them under a name.
            source: (source == 1).then(|| "named".to_owned()),
            detect: self.dice.pick(&[Detect::Incremental, Detect::Full, Detect::Differential]),
            checkpoint_interval: self.dice.pick(&[Duration::ZERO, Duration::from_secs(300)]),
            verify_encode: self.dice.pick(&[true, false]),
            caching: self.dice.pick(&[Caching::Usual, Caching::Bypass]),
            compression: self.dice.pick(&[Compression::Auto, Compression::Fixed(Level::STORED)]),
            ..options_of(&self.sources[source])
        }
    }

    fn step(&mut self, number: u64) {
        let source = usize::try_from(self.dice.below(2)).unwrap();
        let edits = usize::try_from(self.dice.below(12)).unwrap();
        edit(&self.sources[source], self.dice.below(u64::MAX), edits).unwrap();
        if self.dice.below(3) > 0 {
            settle();
        }
        let repository = open_in(Arc::new(self.store.clone())).unwrap();
        let stop = match self.dice.below(3) {
            0 => StopAfter::bytes(1 + self.dice.below(1_500_000)),
            1 => StopAfter::files(1 + self.dice.below(100)),
            _ => StopAfter::files(u64::MAX),
        };
        let threads = self.dice.pick(&[1, 2, 3]);
        let report = stop.with_threads(threads).run(&repository, &self.options(source));
        assert_clean(&repository);
        let path = &self.sources[source];
        match (report.outcome, report.snapshot) {
            (Outcome::Complete, Some(id)) => {
                let (view, scratch) = (View::load(&repository).unwrap(), Scratch::new().unwrap());
                let root = restored(&view, &snapshot(&view, id), &scratch);
                assert_same_tree(path, &root[0]);
                let copy = plain_copy(path, &self.scratch, &format!("copy{number}"));
                self.kept.push((id, copy));
            }
            (Outcome::Interrupted, checkpoint) => {
                self.interrupted += 1;
                if let Some(id) = checkpoint {
                    assert_restores_beginning(&repository, id, std::slice::from_ref(path));
                }
            }
            _ => panic!("{report:?}"),
        }
    }

    /// Whatever came later, every snapshot is what it was.
    fn end(&self, repository: &Repository) {
        for (id, copy) in &self.kept {
            assert_restores(repository, *id, std::slice::from_ref(copy));
        }
    }
}

#[test]
fn every_snapshot_of_a_random_history_restores() {
    let (mut kept, mut interrupted) = (0, 0);
    for seed in 0..4 {
        let mut history = History::new(100 * seed);
        for number in 0..STEPS {
            history.step(number);
        }
        history.end(&open_in(Arc::new(history.store.clone())).unwrap());
        kept += history.kept.len();
        interrupted += history.interrupted;
    }
    assert!(kept > 8 && interrupted > 4, "{kept} kept, {interrupted} interrupted");
}
