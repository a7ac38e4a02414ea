//! Histories: what is done, inside which calls of what else, and what is cut off, drawn from a seed alone.
//!
//! Knows nothing of how anything is done. What an operation is about is drawn as a number, and chosen by it among what
//! there is by then.

use lifeboat_store::Verb;
use lifeboat_testkit::dice::Dice;
use lifeboat_testkit::fault::Moment;
use lifeboat_testkit::hook::Call;

/// How many sources there are.
pub(crate) const SOURCES: u64 = 3;
/// So many of a hundred histories begin with what chance alone would seldom bring together.
const THEMED: u64 = 20;
/// How deep operations are carried out inside others.
const DEPTH_MAX: u32 = 2;

/// What one program does.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Backs up a source; with or without comparing, stopped after so many files, with checkpoints all the time or none.
    Backup { source: u64, full: bool, stop_after: Option<u64>, checkpoints: bool },
    /// Forgets some of what is shown.
    Forget { choice: u64, count: u64 },
    /// Shows again some of what is forgotten.
    Undo { choice: u64, count: u64 },
    /// Holds a snapshot without end, or releases it.
    Hold { choice: u64, release: bool },
    /// Gives a snapshot another mark.
    Tag { choice: u64 },
    /// Collects, by these delays (or none) and this percentage of what may be unused (or none).
    Collect { delay: bool, trash: bool, unused: Option<u8>, dry_run: bool },
}

/// An operation, what is done while it goes on, and where it is cut off.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// No other step has it.
    pub(crate) number: u64,
    pub(crate) op: Op,
    pub(crate) inside: Vec<(Call, Step)>,
    pub(crate) cut: Option<(u64, Moment)>,
}

/// A history.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// Each step, and whether a source is changed before it: which, and by what dice.
    pub(crate) steps: Vec<(Option<(u64, u64)>, Step)>,
    /// Chooses which few snapshots are left in the end.
    pub(crate) left: u64,
}

impl History {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut draw = Draw { dice: Dice::new(seed), steps: 0 };
        // Nothing can be lost before something is there.
        let mut steps = vec![(
            None,
            draw.plain(Op::Backup { source: 0, full: true, stop_after: None, checkpoints: false }),
        )];
        if draw.dice.percent(THEMED) {
            steps.extend(draw.comeback().into_iter().map(|step| (None, step)));
        }
        for _ in 0..4 + draw.dice.below(4) {
            let edit = draw.dice.percent(50);
            let edit = edit.then(|| (draw.dice.below(SOURCES), draw.dice.next()));
            steps.push((edit, draw.step(0)));
        }
        Self { steps, left: draw.dice.next() }
    }
}

struct Draw {
    dice: Dice,
    steps: u64,
}

impl Draw {
    fn plain(&mut self, op: Op) -> Step {
        self.steps += 1;
        Step { number: self.steps, op, inside: Vec::new(), cut: None }
    }

    /// A snapshot is forgotten, condemned, shown again, compared with, and forgotten once more before the `delete`; now and
    /// then something of this is left out.
    fn comeback(&mut self) -> Vec<Step> {
        let back_up = Op::Backup { source: 0, full: false, stop_after: None, checkpoints: false };
        let slow = Op::Collect { delay: true, trash: false, unused: None, dry_run: false };
        let ops = [
            Op::Forget { choice: self.dice.next(), count: 4 },
            slow,
            Op::Undo { choice: self.dice.next(), count: 2 },
            back_up,
            Op::Forget { choice: self.dice.next(), count: 1 },
            self.collect(),
        ];
        let mut steps = Vec::new();
        for op in ops {
            if self.dice.percent(90) {
                let step =
                    if self.dice.percent(70) { self.plain(op) } else { self.with_more(op, 0) };
                steps.push(step);
            }
        }
        steps
    }

    fn step(&mut self, depth: u32) -> Step {
        let op = self.op(depth);
        self.with_more(op, depth)
    }

    fn with_more(&mut self, op: Op, depth: u32) -> Step {
        let mut step = self.plain(op);
        if depth < DEPTH_MAX {
            let (some, more) = if depth == 0 { (75, 35) } else { (30, 0) };
            if self.dice.percent(some) {
                step.inside.push((self.call(&step.op), self.step(depth + 1)));
            }
            if self.dice.percent(more) {
                step.inside.push((self.call(&step.op), self.step(depth + 1)));
            }
        }
        if self.dice.percent(10) {
            let moment = self.dice.one_of(&[Moment::Before, Moment::After]);
            step.cut = Some((1 + self.dice.below(60), moment));
        }
        step
    }

    fn op(&mut self, depth: u32) -> Op {
        let choice = self.dice.next();
        match self.dice.below(100) {
            // Inside others mostly what can hurt them.
            0..20 if depth > 0 => self.collect(),
            0..40 => Op::Backup {
                source: self.dice.below(SOURCES),
                full: self.dice.percent(40),
                stop_after: self.dice.percent(20).then(|| 1 + self.dice.below(8)),
                checkpoints: self.dice.percent(20),
            },
            40..55 => Op::Forget { choice, count: 1 + self.dice.below(4) },
            55..63 => Op::Undo { choice, count: 1 + self.dice.below(2) },
            63..67 => Op::Hold { choice, release: self.dice.percent(60) },
            67..71 => Op::Tag { choice },
            _ => self.collect(),
        }
    }

    fn collect(&mut self) -> Op {
        Op::Collect {
            delay: self.dice.percent(40),
            trash: self.dice.percent(15),
            unused: self.dice.one_of(&[Some(0), Some(0), Some(50), None]),
            dry_run: self.dice.percent(4),
        }
    }

    /// A call of this operation: one that matters to others, or any.
    fn call(&mut self, op: &Op) -> Call {
        let (verb, prefix) = match (op, self.dice.below(10)) {
            (_, 0..3) => (Some(Verb::Put), "log/"),
            (_, 3) => (Some(Verb::Get), "log/"),
            (Op::Backup { .. }, 4..6) => (Some(Verb::Put), "packs/"),
            (Op::Backup { .. }, 6) => (Some(Verb::Put), "trees/"),
            (Op::Backup { .. } | Op::Collect { .. }, 7) => (Some(Verb::Put), "index/"),
            (Op::Collect { .. }, 4) => (Some(Verb::Delete), ""),
            (Op::Collect { .. }, 5..7) => (Some(Verb::List), ""),
            _ => (None, ""),
        };
        let farthest = match (verb, prefix) {
            (None, _) => 50,
            (Some(Verb::Get | Verb::Put), "log/") => 3,
            _ => 4,
        };
        let moment = self.dice.one_of(&[Moment::Before, Moment::After]);
        Call { verb, prefix: prefix.to_owned(), number: 1 + self.dice.below(farthest), moment }
    }
}
