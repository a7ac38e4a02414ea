//! The log against a model: random interleavings of writers, lost answers, intruders and checkpoints.
//!
//! The model is a list: what was appended, in order. Whatever happens, everybody who folds the log
//! comes to the model's state, by any way.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_format::entry::Until;

use proptest::prelude::*;

use super::*;

const WRITERS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// A writer commits an object, whatever it has seen so far.
    Commit { writer: usize },
    /// The same, and the answer to the create is lost, before or after it took effect.
    CommitUnanswered { writer: usize, after: bool },
    /// A writer commits a snapshot, held until the model's second if it says so.
    Snapshot { writer: usize, id: u8, until: Option<u64> },
    /// A writer forgets, shows again or holds a snapshot, whatever it has seen so far.
    Keep { writer: usize, kind: LogKind, id: u8, second: u64 },
    /// A writer looks at the log.
    Refresh { writer: usize },
    /// A writer starts anew.
    Load { writer: usize },
    /// A writer leaves a checkpoint of what it knows.
    Checkpoint { writer: usize },
    /// Somebody without a key takes the next number.
    Garbage,
    /// Somebody with a key replays an old entry at the next number.
    Replay,
    /// Something that may be skipped.
    Note,
}

fn step() -> impl Strategy<Value = Step> {
    let writer = 0..WRITERS;
    let kinds = prop::sample::select(vec![LogKind::Forget, LogKind::Restore, LogKind::Hold]);
    prop_oneof![
        6 => writer.clone().prop_map(|writer| Step::Commit { writer }),
        3 => (writer.clone(), any::<bool>())
            .prop_map(|(writer, after)| Step::CommitUnanswered { writer, after }),
        3 => (writer.clone(), 0..4_u8, prop::option::of(1..5_u64))
            .prop_map(|(writer, id, until)| Step::Snapshot { writer, id, until }),
        6 => (writer.clone(), kinds, 0..4_u8, 0..5_u64)
            .prop_map(|(writer, kind, id, second)| Step::Keep { writer, kind, id, second }),
        2 => writer.clone().prop_map(|writer| Step::Refresh { writer }),
        1 => writer.clone().prop_map(|writer| Step::Load { writer }),
        1 => writer.prop_map(|writer| Step::Checkpoint { writer }),
        1 => Just(Step::Garbage),
        1 => Just(Step::Replay),
        1 => Just(Step::Note),
    ]
}

struct World {
    store: Arc<dyn Store>,
    fault: FaultStore,
    watcher: Repository,
    writers: Vec<(Repository, Fold)>,
    /// The objects that count, by the entry that named them.
    model: Vec<(u64, ObjectKey)>,
    entries: u64,
    voids: BTreeSet<u64>,
    next_object: u64,
    /// Of each snapshot the forget that hides it, and what holds it.
    keeping: BTreeMap<u8, Kept>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    hidden: Option<u64>,
    hold: Option<(u64, u64)>,
}

impl World {
    fn new() -> Self {
        let store = mem();
        let watcher = new_in(&store, 1);
        let fault = FaultStore::new(Arc::clone(&store));
        let faulty: Arc<dyn Store> = Arc::new(fault.clone());
        let writers = (0..WRITERS as u64)
            .map(|writer| {
                let repository = reopen(&faulty, 10 + writer);
                let fold = Fold::load(&repository).unwrap();
                (repository, fold)
            })
            .collect();
        let (model, voids, keeping) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        Self { store, fault, watcher, writers, model, entries: 0, voids, next_object: 1, keeping }
    }

    fn commit(&mut self, writer: usize) {
        let (repository, fold) = &mut self.writers[writer];
        let number = self.next_object;
        self.next_object += 1;
        let head = put(repository, fold, number);
        assert_eq!(head.number, self.entries, "the next number, and only one of them");
        self.model.push((head.number, key_of(number)));
        self.entries += 1;
    }

    fn append(&mut self, writer: usize, draft: &EntryDraft) -> u64 {
        let (repository, fold) = &mut self.writers[writer];
        let head = append(repository, fold, |_| Ok(Decision::Append(draft.clone()))).unwrap();
        let number = head.unwrap().number;
        assert_eq!(number, self.entries, "the next number, and only one of them");
        self.entries += 1;
        number
    }

    fn snapshot(&mut self, writer: usize, id: u8, until: Option<u64>) {
        let snapshots = vec![ListedSnapshot { id: SnapshotId([id; 16]), sealed: vec![id] }];
        let draft = EntryDraft::commit(RUN, SigningRole::Write);
        let draft = EntryDraft { snapshots, until: until.map(Until::from_number), ..draft };
        let entry = self.append(writer, &draft);
        let hold = until.map(|until| (entry, until));
        self.keeping.entry(id).or_insert(Kept { hidden: None, hold });
    }

    fn keep(&mut self, writer: usize, kind: LogKind, id: u8, second: u64) {
        let draft = EntryDraft {
            ids: vec![SnapshotId([id; 16])],
            until: Some(Until::from_number(second)).filter(|_| kind == LogKind::Hold),
            time: Some(second),
            ..EntryDraft::maintenance(kind, RUN)
        };
        let entry = self.append(writer, &draft);
        let Some(kept) = self.keeping.get_mut(&id) else { return };
        match kind {
            LogKind::Restore => kept.hidden = None,
            LogKind::Hold if second == 0 => kept.hold = None,
            LogKind::Hold if kept.hidden.is_none() => kept.hold = Some((entry, second)),
            LogKind::Forget if kept.hold.is_none_or(|(_, until)| until <= second) => {
                kept.hidden = kept.hidden.or(Some(entry));
            }
            _ => {}
        }
    }

    fn intrude(&mut self, bytes: Vec<u8>, is_void: bool) {
        put_raw(&self.watcher, self.entries, bytes);
        if is_void {
            self.voids.insert(self.entries);
        }
        self.entries += 1;
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Commit { writer } => self.commit(writer),
            Step::CommitUnanswered { writer, after } => {
                let moment = if after { Moment::After } else { Moment::Before };
                self.fault
                    .add(Rule::on(Verb::Put).below("log/").fails(ErrorKind::Unavailable, moment));
                self.commit(writer);
                self.fault.heal();
            }
            Step::Snapshot { writer, id, until } => self.snapshot(writer, id, until),
            Step::Keep { writer, kind, id, second } => self.keep(writer, kind, id, second),
            Step::Refresh { writer } => {
                let (repository, fold) = &mut self.writers[writer];
                fold.refresh(repository.io()).unwrap();
            }
            Step::Load { writer } => {
                let (repository, fold) = &mut self.writers[writer];
                *fold = Fold::load(repository).unwrap();
            }
            Step::Checkpoint { writer } => {
                let (repository, fold) = &self.writers[writer];
                checkpoint::write(repository, fold).unwrap();
            }
            Step::Garbage => self.intrude(b"garbage".to_vec(), true),
            Step::Replay if self.entries > 0 => {
                let first = bytes_of(&self.store, &ObjectKey::Log(0).to_string());
                self.intrude(first, true);
            }
            Step::Replay => {}
            Step::Note => {
                let fold = Fold::load(&self.watcher).unwrap();
                let note = LogHeader { kind: LogKind::Note, may_skip: true, ..header(&fold) };
                let signer = self.watcher.keyring().signer(&SigningRole::Write).unwrap();
                self.intrude(signed(&note, signer), false);
            }
        }
    }

    fn verify(&mut self) {
        let all = Fold::load_all(&self.watcher).unwrap();
        assert_eq!((all.next_number(), all.gap()), (self.entries, None));
        let voids: BTreeSet<u64> = all.voids().iter().map(|void| void.number).collect();
        assert_eq!(voids, self.voids);
        let mut model = self.model.clone();
        model.sort_unstable_by_key(|(_, key)| *key);
        let (_, objects, _, keeping) = state(&all);
        let found = keeping.iter().map(|fact| {
            let hold = fact.hold.map(|(entry, until)| (entry, until.number()));
            (fact.id.0[0], (fact.hidden, hold))
        });
        let expected = self.keeping.iter().map(|(id, kept)| (*id, (kept.hidden, kept.hold)));
        let expected = expected.filter(|(_, kept)| *kept != (None, None));
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        let objects: Vec<_> = objects.iter().map(|(key, live)| (live.entry, *key)).collect();
        assert_eq!(objects, model);
        let quick = Fold::load(&self.watcher).unwrap();
        assert_eq!(state(&quick), state(&all));
        // One that tells of void entries, unless a checkpoint stands for them; none of a checkpoint.
        assert_eq!(quick.warnings().len(), usize::from(quick.void_count() > 0));
        for (repository, fold) in &mut self.writers {
            fold.refresh(repository.io()).unwrap();
            assert_eq!(state(fold), state(&all));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn everybody_comes_to_the_same_state(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.verify();
    }
}
