//! Snapshots written anew without what is lost, the old ones forgotten.
//!
//! Knows what can't be had (packs that are missing, and what of damaged ones does not open), which snapshots need it, and how
//! a snapshot is committed. A snapshot that is whole is never touched.
//!
//! Invariants: the new record counts before the old one is forgotten, and says what it lacks: it is partial, has a problem for
//! each path and the tag `repaired`, names the old one, and keeps its marks, times and hold. As it has other roots it
//! replaces nothing (docs/format.md), and it supersedes no checkpoint. What only the old one reaches can be had back as long as
//! it is not collected.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use lifeboat_codec::compress::Compression;
use lifeboat_format::id::{ChunkId, RunId, SnapshotId};
use lifeboat_format::index::PackKind;
use lifeboat_format::key::{ObjectKey, PACKS, TREES};
use lifeboat_format::keys::SigningRole;
use lifeboat_format::snapshot::{Outcome, PROBLEMS_MAX, Problem, Root, Snapshot};
use lifeboat_format::tree::{Node, PathKey};
use serde::Serialize;

use super::rewrite::Rewrite;
use crate::cancel::Cancel;
use crate::check::lost::{Lost, find_lost};
use crate::check::{is_of_the_object, shown};
use crate::error::{Error, Kind, Result};
use crate::forget::{Guards, Why, forget};
use crate::heal::{self, require_healer};
use crate::index::Index;
use crate::index::marks::Marks;
use crate::log::{self, Decision, EntryDraft, Fold, append};
use crate::open::Repository;
use crate::packer::{Packer, PackerOptions};
use crate::reader::{Locate as _, Reader};
use crate::snapshots::{Known, Snapshots, seal};
use crate::stand::{self, Begun};
use crate::tree::build::TreeBuilder;
use crate::tree::nodes::Nodes;
use crate::tree::{TreeKeys, TreeRoot};

const OPERATION: &str = "repair snapshots of";
/// The tag of what was repaired.
pub const REPAIRED: &str = "repaired";
/// Paths of one snapshot that are kept one by one; any more are only counted.
pub const LEFT_OUT_MAX: usize = 10_000;

/// How to repair.
#[derive(Clone, Debug, Default)]
pub struct RepairOptions {
    /// Only these; all without.
    pub only: Vec<SnapshotId>,
    /// Reads all packs, and not only those that are known to be damaged or are not there.
    pub read_data: bool,
    /// Only says what would be done.
    pub dry_run: bool,
    /// How many packs are read at once; 0 for as many as there are cores and memory.
    pub threads: usize,
    /// The program, such as `lifeboat 0.1.0`.
    pub tool: String,
    /// Ends it early; what was repaired until then stays.
    pub cancel: Cancel,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Snapshots that were looked at.
    pub snapshots: u64,
    /// Those that lack something.
    pub repaired: Vec<Repaired>,
    /// Whether nothing was written since only saying was asked for.
    pub dry_run: bool,
}

/// A snapshot that lacks something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What has the rest of it; none if nothing is left, or only saying was asked for.
    pub new: Option<SnapshotId>,
    /// What is left out, at most [`LEFT_OUT_MAX`].
    pub left_out: Vec<LeftOut>,
    /// How much is left out in all.
    pub left_out_count: u64,
    /// Why the old one is still shown, if it is.
    pub kept: Option<String>,
}

/// Something that is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its path, with the root's in front; of entries whose names are lost that of the one before them.
    pub path: String,
    /// Why.
    pub why: String,
}

/// Repairs the snapshots that are shown.
///
/// # Errors
/// [`Kind::NotFound`] for one that is not shown; [`Kind::Denied`] without a key of role *maintain*; [`Kind::Collected`] where
/// a collection came between; the store's; [`Kind::Cancelled`].
pub fn repair(
    repository: &Repository,
    fold: &mut Fold,
    options: &RepairOptions,
) -> Result<RepairReport> {
    if !options.dry_run {
        require_healer(repository, fold)?;
    }
    let chosen = chosen(repository, fold, &options.only)?;
    let begun = Begun::at(fold);
    let index = Arc::new(Index::load_what_is_there(repository, fold, |lost| {
        tracing::warn!(error = %lost.error, "{} is lost; `heal` or `repair index` come first", lost.key);
    }));
    let suspects = suspects(repository, fold, options.read_data)?;
    let lost = find_lost(repository, &index, &suspects, options.threads, &options.cancel)?;
    let reader = Reader::new(
        repository.io().clone(),
        Arc::clone(repository.keyring()),
        Arc::<Index>::clone(&index),
        repository.memory_bytes() / 8,
    );
    index.avoid(&lost.damaged_packs());
    let work = Work { repository, options, index, reader, lost, begun };
    let mut report = RepairReport {
        snapshots: chosen.len() as u64,
        dry_run: options.dry_run,
        ..RepairReport::default()
    };
    let mut clean = Marks::new();
    for known in &chosen {
        work.go_on()?;
        if !work.is_hurt(&known.snapshot, &mut clean)? {
            continue;
        }
        report.repaired.extend(work.snapshot(fold, known)?);
    }
    Ok(report)
}

/// The snapshots that are shown, or those of them that were asked for.
fn chosen(repository: &Repository, fold: &Fold, only: &[SnapshotId]) -> Result<Vec<Known>> {
    let snapshots = Snapshots::load(repository, fold)?;
    let mut chosen: Vec<Known> = snapshots.live().cloned().collect();
    for id in only {
        if !chosen.iter().any(|known| known.snapshot.id == *id) {
            return Err(Error::new(Kind::NotFound, "repair snapshot", id)
                .because("it is not among those that are shown"));
        }
    }
    chosen.retain(|known| only.is_empty() || only.contains(&known.snapshot.id));
    Ok(chosen)
}

/// The packs that are perhaps damaged: all, or those that are missing, have another length, or were found by a scrub. What
/// is missing has no length.
fn suspects(
    repository: &Repository,
    fold: &Fold,
    all: bool,
) -> Result<Vec<(ObjectKey, Option<u64>)>> {
    let mut found: BTreeMap<ObjectKey, u64> = BTreeMap::new();
    for prefix in [PACKS, TREES] {
        repository.io().list(prefix, |listed| {
            found.extend(listed.key.parse::<ObjectKey>().ok().map(|key| (key, listed.size)));
            Ok(())
        })?;
    }
    let noted = heal::lost_packs(fold);
    let mut suspects = Vec::new();
    for (key, live) in fold.objects().iter().filter(|(key, _)| !matches!(key, ObjectKey::Index(_)))
    {
        // A list may be late.
        let size = match found.get(key) {
            Some(size) => Some(*size),
            None => match repository.io().head(key) {
                Ok(info) => Some(info.size),
                Err(error) if error.kind() == Kind::NotFound => None,
                Err(error) => return Err(error),
            },
        };
        if all || noted.contains(key) || size != Some(live.size) {
            suspects.push((*key, size.map(|_| live.size)));
        }
    }
    suspects.sort_unstable();
    Ok(suspects)
}

/// What all snapshots share.
struct Work<'a> {
    repository: &'a Repository,
    options: &'a RepairOptions,
    index: Arc<Index>,
    reader: Reader,
    lost: Lost,
    begun: Begun,
}

impl Work<'_> {
    fn go_on(&self) -> Result<()> {
        match self.options.cancel.is_cancelled() {
            true => Err(Error::new(Kind::Cancelled, OPERATION, self.repository.io().describe())
                .because("it was asked to stop")),
            false => Ok(()),
        }
    }

    /// Why a chunk can't be had with its first `end` bytes, if it can't.
    fn why_lost(&self, id: &ChunkId, end: u64) -> Result<Option<String>> {
        self.go_on()?;
        let copies = match self.index.copies(id) {
            Ok(copies) => copies,
            Err(error) if is_of_the_object(&error) => return Ok(Some(error.to_string())),
            Err(error) => return Err(error),
        };
        let is_there = copies
            .iter()
            .any(|copy| u64::from(copy.length) >= end && self.lost.copy(id, copy).is_none());
        Ok(match copies.first() {
            _ if is_there => None,
            Some(copy) => Some(format!("chunk {id} can't be had from {}", copy.frame.pack)),
            None => Some(format!("the index does not have chunk {id}")),
        })
    }

    /// Whether anything that a snapshot needs is lost. Nodes of those that lack nothing are not looked at twice.
    fn is_hurt(&self, snapshot: &Snapshot, clean: &mut Marks) -> Result<bool> {
        let can_be_had = |id: &ChunkId, end| self.why_lost(id, end);
        let rewrite = self.rewrite(&can_be_had);
        let mut visited = Vec::new();
        for root in snapshot.roots.iter().filter_map(tree_root) {
            let seen = RefCell::new(&mut visited);
            let nodes = Nodes::new(&self.reader, &root, |id| match self.index.ordinal(id) {
                Ok(Some(node)) if clean.is_set(node) => false,
                Ok(Some(node)) => {
                    seen.borrow_mut().push(node);
                    true
                }
                // Reading it will say so.
                _ => true,
            });
            for (_, node) in nodes {
                self.go_on()?;
                let entries = match node {
                    Ok(Node::Leaf(entries)) => entries,
                    Ok(Node::Inner { .. }) => Vec::new(),
                    Err(error) if is_of_the_object(&error) => return Ok(true),
                    Err(error) => return Err(error),
                };
                for (_, entry) in &entries {
                    if rewrite.lost_content(entry)?.is_some()
                        || !rewrite.lost_attributes(entry)?.is_empty()
                    {
                        return Ok(true);
                    }
                }
            }
        }
        for node in visited {
            clean.set(node);
        }
        Ok(false)
    }

    fn rewrite<'w>(&'w self, can_be_had: &'w super::rewrite::CanBeHad<'w>) -> Rewrite<'w> {
        Rewrite { reader: &self.reader, can_be_had, is_of_the_object }
    }

    /// Writes a snapshot anew, and forgets the old one; nothing where nothing turns out to be lost.
    fn snapshot(&self, fold: &mut Fold, known: &Known) -> Result<Option<Repaired>> {
        let old = &known.snapshot;
        let mut repaired = Repaired {
            snapshot: old.id,
            new: None,
            left_out: Vec::new(),
            left_out_count: 0,
            kept: None,
        };
        let packer = Packer::new(self.repository, Arc::clone(&self.index), self.packer_options());
        let mut roots = Vec::with_capacity(old.roots.len());
        for root in &old.roots {
            let can_be_had = |id: &ChunkId, end| self.why_lost(id, end);
            let mut tell = |key: Option<&PathKey>, why: String| {
                repaired.left_out_count += 1;
                if repaired.left_out.len() < LEFT_OUT_MAX {
                    repaired.left_out.push(LeftOut { path: shown(root, key), why });
                }
            };
            let Some(tree) = tree_root(root) else {
                roots.push(root.clone());
                continue;
            };
            let framer = packer.framer(PackKind::Tree)?;
            let builder = TreeBuilder::new(TreeKeys::from(&**self.repository.keyring()), framer);
            let left = self
                .rewrite(&can_be_had)
                .tree(&tree, builder, &mut tell)
                .inspect_err(|_| packer.settle())?;
            roots.push(match left {
                Some(TreeRoot { id, level, entries, bytes }) => {
                    Root { tree: Some(id), level, entries, bytes, ..root.clone() }
                }
                None => Root { tree: None, level: 0, entries: 0, bytes: 0, ..root.clone() },
            });
        }
        if repaired.left_out_count == 0 {
            return Ok(None);
        }
        if self.options.dry_run {
            return Ok(Some(repaired));
        }
        if roots.iter().any(|root| root.tree.is_some()) {
            repaired.new = Some(self.commit(fold, known, roots, &repaired, &packer)?);
        }
        self.forget(fold, &mut repaired)?;
        Ok(Some(repaired))
    }

    fn packer_options(&self) -> PackerOptions {
        PackerOptions {
            compression: Compression::default(),
            verify_encode: true,
            dry_run: self.options.dry_run,
            workers: 1,
            bytes_max: self.repository.memory_bytes() / 4,
            records_max: 4096,
        }
    }

    /// Commits the new record, at whatever head it comes to stand.
    fn commit(
        &self,
        fold: &mut Fold,
        known: &Known,
        roots: Vec<Root>,
        repaired: &Repaired,
        packer: &Packer,
    ) -> Result<SnapshotId> {
        let run = RunId(self.repository.random()?);
        let objects = packer.flush()?;
        log::commit_copies(self.repository, fold, run, objects)?;
        let mut record = self.record(known, roots, run, repaired)?;
        append(self.repository, fold, |head| {
            let last = head.last_snapshot_of(self.repository);
            record.sequence = last.as_ref().map_or(0, |last| last.sequence + 1);
            record.previous = last.map(|last| last.hash);
            // What a mark that did not see the old one may take is looked for.
            let begun = match stand::is_protected(head, &known.snapshot.id, known.entry) {
                true => self.begun,
                false => Begun { next_number: 0 },
            };
            let mut draft = EntryDraft::commit(run, SigningRole::Maintain);
            draft.relied = stand::relied_on(self.repository, head, begun, &[], &record)?;
            draft.snapshots.push(seal(self.repository, &record)?);
            draft.until = known.hold.map(|hold| hold.until);
            Ok(Decision::Append(draft))
        })?;
        Ok(record.id)
    }

    fn record(
        &self,
        known: &Known,
        roots: Vec<Root>,
        run: RunId,
        repaired: &Repaired,
    ) -> Result<Snapshot> {
        let old = &known.snapshot;
        let mut record = Snapshot {
            id: SnapshotId(self.repository.random()?),
            run,
            roots,
            outcome: Outcome::Partial,
            replaces: Some(old.id),
            original: Some(old.original.unwrap_or(old.id)),
            tool: self.options.tool.clone(),
            ..old.clone()
        };
        if !record.tags.iter().any(|tag| tag == REPAIRED) {
            record.tags.push(REPAIRED.to_owned());
        }
        record.problems.count += repaired.left_out_count;
        let room = PROBLEMS_MAX.saturating_sub(record.problems.first.len());
        let problem = |left: &LeftOut| Problem { path: left.path.clone(), error: left.why.clone() };
        record.problems.first.extend(repaired.left_out.iter().take(room).map(problem));
        Ok(record)
    }

    /// Forgets the old record; one that is held stays.
    fn forget(&self, fold: &mut Fold, repaired: &mut Repaired) -> Result<()> {
        let rest = match repaired.new {
            Some(new) => format!("snapshot {new} has the rest"),
            None => "nothing is left of it".to_owned(),
        };
        let reason = Some(format!("repaired: {} paths are lost; {rest}", repaired.left_out_count));
        let why = Why { reason, tool: self.options.tool.clone() };
        let old = vec![repaired.snapshot];
        match forget(self.repository, fold, &Guards::OFF, &why, |_, _| Ok(old.clone())) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == Kind::Denied => {
                repaired.kept = Some(error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn tree_root(root: &Root) -> Option<TreeRoot> {
    let Root { level, entries, bytes, .. } = *root;
    Some(TreeRoot { id: root.tree?, level, entries, bytes })
}
