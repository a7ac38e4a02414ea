//! Folding: entry after entry, what they add up to.
//!
//! Knows what entries mean for objects and snapshots ([`keeping`](super::keeping) which of these are
//! hidden or held); [`judge`] says which of them mean anything,
//! and checkpoints may stand for a beginning.
//!
//! Invariants: the state is a function of the entries' bytes and the configuration. Of an object or
//! snapshot that is named twice the first entry counts, so that nobody can take it over later.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::iter;
use std::sync::Arc;

use bytes::Bytes;
use lifeboat_format::config::Config;
use lifeboat_format::entry::{ListedObject, LogHeader, LogKind, ObjectKind};
use lifeboat_format::id::{LogId, ObjectHash, PublicKey, SnapshotId};
use lifeboat_format::index::IdPrefix;
use lifeboat_format::key::{LOG, ObjectKey};
use lifeboat_format::keys::SigningRole;
use lifeboat_format::locks::LockNote;

use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::log::collected::{Collected, Condemn, Taken};
use crate::log::fetch::{self, Fetched, Listing};
use crate::log::judge::{Link, Verdict, judge};
use crate::log::keeping::{Hold, Keeping};
use crate::log::ledger::Ledger;
use crate::log::merges::{LiveSegment, Merge, Merges};
use crate::log::{Head, checkpoint};
use crate::open::Repository;

/// Void entries that are remembered one by one; any more are only counted.
const VOIDS_MAX: usize = 1000;

/// What the entries up to some head add up to.
#[derive(Clone, Debug)]
pub struct Fold {
    pub(super) rules: Arc<Config>,
    pub(super) head: Option<Head>,
    /// Whether the entry at the head was whole, so that the next one must follow its hash.
    pub(super) head_is_whole: bool,
    pub(super) objects: Arc<HashMap<ObjectKey, LiveObject>>,
    pub(super) merges: Arc<Merges>,
    /// Packs that a maintainer has put beside others, as far as they count.
    pub(super) copies: Arc<HashSet<ObjectKey>>,
    pub(super) ledger: Arc<Ledger>,
    /// What was said last of locks.
    pub(super) locks: Option<Arc<LockNote>>,
    pub(super) snapshots: Vec<SnapshotRecord>,
    pub(super) snapshot_ids: HashSet<SnapshotId>,
    pub(super) keeping: Keeping,
    pub(super) collected: Collected,
    /// The last `condemn` or `delete`, as far as this fold has read the log itself.
    last_collection: Option<u64>,
    /// Whether anything that counted is gone.
    pub(super) has_deleted: bool,
    /// What is gone by a `delete` that this fold has read itself, whether it ever counted or not.
    lately_gone: HashSet<ObjectKey>,
    pub(super) voids: Vec<VoidEntry>,
    pub(super) void_count: u64,
    last_damage: Option<VoidEntry>,
    /// The last entry that a checkpoint in the store covers, as far as is known.
    pub(super) checkpoint: Option<u64>,
    pub(super) gap: Option<u64>,
    entries_read: u64,
    /// The number to be compared with what was remembered, and what was found there.
    witness: (Option<u64>, Option<ObjectHash>),
    pub(super) warnings: Vec<String>,
}

/// An object that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveObject {
    /// Its length in bytes.
    pub size: u64,
    /// The entry that made it count.
    pub entry: u64,
}

/// A snapshot as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// Its id, as the entry gives it.
    pub id: SnapshotId,
    /// The entry that it is in.
    pub entry: u64,
    /// The key that signed the entry.
    pub author: PublicKey,
    /// The sealed snapshot.
    pub sealed: Bytes,
}

/// An entry that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoidEntry {
    /// Its number.
    pub number: u64,
    /// Why.
    pub reason: String,
    /// Whether it is missing or its bytes may not be what they were, so that something that counted may
    /// be lost; otherwise somebody wrote what nobody had to believe.
    pub is_damage: bool,
}

impl Fold {
    /// Folds the log to its head, from the newest checkpoint that is whole.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] at an entry whose meaning this version does not know;
    /// [`Kind::Rollback`] when the log is not the one that was
    /// [remembered](Repository::remembered); the store's.
    pub fn load(repository: &Repository) -> Result<Self> {
        if let Some(mut fold) = Self::kept(repository)? {
            // Mostly nothing has come since, and one request says so.
            let next = fetch::entry(repository.io(), fold.next_number())?;
            let has_more =
                repository.remembered().is_some_and(|head| head.number >= fold.next_number());
            match next {
                // Later ones were there: a list shows what has become of them.
                None if has_more => {}
                None => {
                    fold.check_remembered(repository)?;
                    return Ok(fold);
                }
                Some(next) => {
                    fold.apply(&next)?;
                    fold.read_on(repository)?;
                    return Ok(fold);
                }
            }
        }
        let (state, unusable) = checkpoint::newest(repository)?;
        let mut fold = state.unwrap_or_else(|| Self::empty(repository));
        fold.warnings.extend(unusable);
        fold.read_on(repository)?;
        Ok(fold)
    }

    /// The fold of what is kept on this machine of the log, if that is a beginning of the one in the store: its last entry
    /// is still there, and the chain of hashes leads from it to all others.
    fn kept(repository: &Repository) -> Result<Option<Self>> {
        let io = repository.io();
        let mut fold = checkpoint::kept(repository).unwrap_or_else(|| Self::empty(repository));
        fold.witness.0 = repository.remembered().map(|head| head.number);
        let mut last = fold.head.and_then(|head| fetch::kept(io, head.number));
        while let Some(kept) = fetch::kept(io, fold.next_number()) {
            fold.apply(&kept)?;
            last = Some(kept);
        }
        let (Some(head), Some(bytes)) = (fold.head, last.and_then(|last| last.bytes)) else {
            return Ok(None);
        };
        let is_whole = fold.last_damage.is_none() && fold.head_is_whole;
        if is_whole && io.is_still(&ObjectKey::Log(head.number), &bytes)? {
            return Ok(Some(fold));
        }
        tracing::debug!("what is kept of the log is not what is in the store");
        io.forget_kept(LOG);
        Ok(None)
    }

    /// Folds every entry from the first, whatever checkpoints say.
    ///
    /// # Errors
    /// As [`Fold::load`].
    pub fn load_all(repository: &Repository) -> Result<Self> {
        let mut fold = Self::empty(repository);
        fold.read_on(repository)?;
        Ok(fold)
    }

    /// The fold of no entries.
    pub(super) fn empty(repository: &Repository) -> Self {
        Self::of_rules(Arc::new(repository.config().clone()))
    }

    pub(super) fn of_rules(rules: Arc<Config>) -> Self {
        Self {
            rules,
            head: None,
            head_is_whole: true,
            objects: Arc::default(),
            merges: Arc::default(),
            copies: Arc::default(),
            ledger: Arc::default(),
            locks: None,
            snapshots: Vec::new(),
            snapshot_ids: HashSet::new(),
            keeping: Keeping::default(),
            collected: Collected::default(),
            last_collection: None,
            has_deleted: false,
            lately_gone: HashSet::new(),
            voids: Vec::new(),
            void_count: 0,
            last_damage: None,
            checkpoint: None,
            gap: None,
            entries_read: 0,
            witness: (None, None),
            warnings: Vec::new(),
        }
    }

    /// Folds on by other roles than the configuration grants.
    #[cfg(test)]
    pub(crate) fn rules_for_tests(&mut self, change: impl Fn(&mut Vec<SigningRole>)) {
        let rules = Arc::make_mut(&mut self.rules);
        rules.keys.iter_mut().for_each(|key| change(&mut key.roles));
    }

    /// The log that it is of.
    pub fn log_id(&self) -> LogId {
        self.rules.log
    }

    /// The last entry; none in an empty log.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// The number of the entry that comes next.
    pub fn next_number(&self) -> u64 {
        self.head.map_or(0, |head| head.number + 1)
    }

    /// What the next entry names as the one before it.
    pub(super) fn previous_hash(&self) -> ObjectHash {
        self.head.map_or(ObjectHash([0; 32]), |head| head.hash)
    }

    /// The objects that count.
    pub fn objects(&self) -> &HashMap<ObjectKey, LiveObject> {
        &self.objects
    }

    /// The same, to be kept.
    pub(crate) fn shared_objects(&self) -> Arc<HashMap<ObjectKey, LiveObject>> {
        Arc::clone(&self.objects)
    }

    /// The object, if it counts.
    pub fn object(&self, key: &ObjectKey) -> Option<LiveObject> {
        self.objects.get(key).copied()
    }

    /// The index segments that have all records between them, in the order in which they answer: those
    /// that count and were not merged into another.
    pub fn segments(&self) -> Vec<LiveSegment> {
        let mut segments: Vec<_> = self
            .objects
            .iter()
            .filter(|(key, _)| matches!(key, ObjectKey::Index(_)) && !self.merges.has(key))
            .map(|(key, object)| {
                let segment =
                    LiveSegment { key: *key, object: *object, prefix: self.merges.prefix(key) };
                (self.merges.rank(&self.objects, *key), segment)
            })
            .collect();
        segments.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        segments.into_iter().map(|(_, segment)| segment).collect()
    }

    /// The segment, if it counts, merged into others or not.
    pub(crate) fn segment(&self, key: &ObjectKey) -> Option<LiveSegment> {
        let object = self.object(key)?;
        Some(LiveSegment { key: *key, object, prefix: self.merges.prefix(key) })
    }

    /// Whether the log that this is a fold of has this entry.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn has_entry(&self, io: &Io, entry: Head) -> Result<bool> {
        match self.head {
            Some(head) if entry.number < head.number => {
                let fetched = fetch::entry(io, entry.number)?;
                Ok(fetched.is_some_and(|fetched| fetched.hash == entry.hash))
            }
            head => Ok(head == Some(entry)),
        }
    }

    /// What a segment, with others perhaps, was merged from, in the order in which it answers; nothing
    /// for most.
    pub fn parts(&self, segment: &ObjectKey) -> Vec<LiveSegment> {
        self.merges.parts(segment)
    }

    /// The merges that count.
    pub(crate) fn merges(&self) -> &Arc<Merges> {
        &self.merges
    }

    /// For each pack of which a maintainer has put another of the same hash beside it later, the last of these: it was
    /// healed. What others name by the same hash stands for nothing: whoever only writes could put anything there.
    pub fn twins(&self) -> HashMap<ObjectKey, ObjectKey> {
        let is_pack = |key: &ObjectKey| matches!(key, ObjectKey::Pack(_) | ObjectKey::Tree(_));
        let packs = self.objects.iter().filter(|(key, _)| is_pack(key));
        let mut packs: Vec<_> = packs.map(|(key, live)| (key, live.entry)).collect();
        let hash = |key: &ObjectKey| key.name().map(|name| name.hash);
        // Names begin with their hashes, so those alike are neighbours.
        packs.sort_unstable();
        let mut twins = HashMap::new();
        for alike in packs.chunk_by(|(one, _), (other, _)| hash(one) == hash(other)) {
            let first = alike.iter().min_by_key(|(key, entry)| (*entry, *key));
            let copies =
                alike.iter().filter(|pack| self.copies.contains(pack.0) && Some(*pack) != first);
            let Some((last, _)) = copies.max_by_key(|(key, entry)| (*entry, *key)) else {
                continue;
            };
            let others = alike.iter().filter(|(key, _)| key != last);
            twins.extend(others.map(|(key, _)| (**key, **last)));
        }
        twins
    }

    /// Whether a maintainer has put this pack beside others, so that it has the bytes that its name says.
    pub(crate) fn is_copy(&self, pack: &ObjectKey) -> bool {
        self.copies.contains(pack)
    }

    /// What scrubs have read, and when.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The same, to be kept.
    pub(crate) fn shared_ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// What was said last of locks; nothing where nobody has said anything yet.
    pub fn locks(&self) -> Option<&LockNote> {
        self.locks.as_deref()
    }

    /// All segments that others have the records of.
    pub fn merged_segments(&self) -> impl Iterator<Item = LiveSegment> {
        let all = self.objects.iter().filter(|(key, _)| self.merges.has(key));
        all.map(|(key, object)| LiveSegment {
            key: *key,
            object: *object,
            prefix: self.merges.prefix(key),
        })
    }

    /// Whether others have all records of this segment.
    pub fn is_merged(&self, segment: &ObjectKey) -> bool {
        self.merges.has(segment)
    }

    /// All snapshots in the order of the log, those that others have taken the place of among them.
    pub fn snapshots(&self) -> &[SnapshotRecord] {
        &self.snapshots
    }

    /// The number of the forget that hides the snapshot; none while it is shown.
    pub fn hidden(&self, id: &SnapshotId) -> Option<u64> {
        self.keeping.hidden(id)
    }

    /// All snapshots that are hidden, in no order, with the number of the forget that hides each.
    pub fn all_hidden(&self) -> impl Iterator<Item = (SnapshotId, u64)> {
        self.keeping.all_hidden()
    }

    /// What holds the snapshot, or held it: the fold has no clock to tell whether that has ended.
    pub fn hold(&self, id: &SnapshotId) -> Option<Hold> {
        self.keeping.hold(id)
    }

    /// All holds that were not released, in no order. One that a snapshot had when it was hidden stays.
    pub fn all_holds(&self) -> impl Iterator<Item = (SnapshotId, Hold)> {
        self.keeping.all_holds()
    }

    /// The `condemn`s that no `delete` has closed, by their entries' numbers.
    pub fn condemns(&self) -> &BTreeMap<u64, Condemn> {
        self.collected.open()
    }

    /// Whether an open `condemn` names the object: it can be read, and nobody should begin to rely on it.
    pub fn is_condemned(&self, key: &ObjectKey) -> bool {
        self.collected.is_condemned(key)
    }

    /// All that open `condemn`s name.
    pub fn condemned(&self) -> impl Iterator<Item = &ObjectKey> {
        self.collected.condemned()
    }

    /// Whether the snapshot is gone for good.
    pub fn is_gone(&self, snapshot: &SnapshotId) -> bool {
        self.collected.gone().contains(snapshot)
    }

    /// The last `condemn` or `delete` among the entries that this fold has read itself.
    pub fn last_collection(&self) -> Option<u64> {
        self.last_collection
    }

    /// Whether a `delete` that this fold has read itself says that the object is gone, whether it ever counted
    /// or not.
    pub fn is_lately_gone(&self, key: &ObjectKey) -> bool {
        self.lately_gone.contains(key)
    }

    /// Whether anything was ever taken away, so that segments may have records of packs that do not count.
    pub fn has_deleted(&self) -> bool {
        self.has_deleted
    }

    /// Entries that mean nothing, the first of them one by one.
    pub fn voids(&self) -> &[VoidEntry] {
        &self.voids
    }

    /// How many entries mean nothing.
    pub fn void_count(&self) -> u64 {
        self.void_count
    }

    /// The last entry that is damaged or missing: what it said, such as a newer snapshot, is not seen.
    pub fn last_damage(&self) -> Option<&VoidEntry> {
        self.last_damage.as_ref()
    }

    /// The first number at which an entry is missing although later ones are there.
    pub fn gap(&self) -> Option<u64> {
        self.gap
    }

    /// Refuses where nothing can be appended, so that a run need not begin that could not end.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] when an entry is missing: whoever does not see the far side of the hole
    /// would fill it, and void what follows.
    pub fn require_appendable(&self) -> Result<()> {
        let Some(number) = self.gap else { return Ok(()) };
        Err(Error::new(Kind::Corrupt, "append to the log after", ObjectKey::Log(number))
            .because("the entry is missing, and later ones or a checkpoint show that it was there")
            .hint(
                "`heal` marks its place if a checkpoint has what it said, and puts it back from a copy (--from); reading \
                 and restoring go on working",
            ))
    }

    /// The last entry that a checkpoint covers, as far as is known: what it and those before it said is in there.
    pub fn covered(&self) -> Option<u64> {
        self.checkpoint
    }

    /// How many entries were read, and not taken from a checkpoint.
    pub fn entries_read(&self) -> u64 {
        self.entries_read
    }

    /// What was wrong and could be passed over, for the user.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Folds the entries that were added since; whether there were any.
    ///
    /// # Errors
    /// As [`Fold::load`]. What was folded before the error stays.
    pub fn refresh(&mut self, io: &Io) -> Result<bool> {
        let before = self.head;
        while let Some(fetched) = fetch::entry(io, self.next_number())? {
            self.apply(&fetched)?;
        }
        Ok(self.head != before)
    }

    /// Takes the next entry in.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] when its meaning is unknown to this version; the fold is then as it was.
    pub(super) fn apply(&mut self, fetched: &Fetched) -> Result<()> {
        let number = self.next_number();
        let link =
            if self.head_is_whole { Link::Follows(self.previous_hash()) } else { Link::Unknown };
        let verdict = judge(number, fetched, link, &self.rules)?;
        self.entries_read += 1;
        self.head = Some(Head { number, hash: fetched.hash });
        self.head_is_whole = !matches!(verdict, Verdict::Damaged(_));
        if self.witness.0 == Some(number) {
            self.witness.1 = Some(fetched.hash);
        }
        match verdict {
            Verdict::Counts(author, header) => match header.kind {
                LogKind::Commit => self.count(author, *header),
                LogKind::Condemn => self.condemn(*header),
                LogKind::Delete => self.delete(&header),
                _ => self.keeping.count(&header, &self.snapshot_ids),
            },
            Verdict::Noted(header) => {
                if let Some(note) = header.scrub {
                    Arc::make_mut(&mut self.ledger).add(number, note);
                }
                if let Some(note) = header.locks {
                    self.locks = Some(Arc::new(note));
                }
            }
            Verdict::Skipped => {}
            Verdict::Damaged(reason) => self.void(VoidEntry { number, reason, is_damage: true }),
            Verdict::Void(reason) => self.void(VoidEntry { number, reason, is_damage: false }),
        }
        Ok(())
    }

    fn count(&mut self, author: PublicKey, header: LogHeader) {
        let entry = header.number;
        self.collected.rely_on(&header.relied);
        for snapshot in &header.snapshots {
            if !self.snapshot_ids.contains(&snapshot.id) {
                self.keeping.commit(snapshot.id, &header);
            }
        }
        let keys = header.objects.iter().map(|object| object.kind.key(object.name));
        let prefixes = header.prefixes.into_iter().chain(iter::repeat(IdPrefix::WHOLE));
        let into = keys.zip(prefixes).collect();
        let mut added = Vec::new();
        let is_maintainer = self.rules.roles(&author).contains(&SigningRole::Maintain);
        let is_pack = |object: &ListedObject| object.kind != ObjectKind::Index;
        if is_maintainer && header.snapshots.is_empty() && header.objects.iter().all(is_pack) {
            let keys = header.objects.iter().map(|object| object.kind.key(object.name));
            Arc::make_mut(&mut self.copies).extend(keys);
        }
        let objects = Arc::make_mut(&mut self.objects);
        for object in header.objects {
            let (key, live) =
                (object.kind.key(object.name), LiveObject { size: object.size, entry });
            if let Entry::Vacant(vacant) = objects.entry(key) {
                vacant.insert(live);
                added.push(key);
            }
        }
        // Whoever only writes could hide with it what others have.
        if !header.merged.is_empty() && is_maintainer {
            let parts = header.merged.into_iter().map(ObjectKey::Index).collect();
            let merge = Merge { entry, into, parts };
            if self.merges.can_add(&self.objects, &merge) {
                Arc::make_mut(&mut self.merges).add(&self.objects, merge);
            } else {
                // A part does not count, perhaps since the entry that named it is damaged, and then
                // nor do its packs: what the segments say of these nobody may rely on.
                for key in added {
                    Arc::make_mut(&mut self.objects).remove(&key);
                }
            }
        }
        for snapshot in header.snapshots {
            if self.snapshot_ids.insert(snapshot.id) {
                let sealed = Bytes::from(snapshot.sealed);
                self.snapshots.push(SnapshotRecord { id: snapshot.id, entry, author, sealed });
            }
        }
    }

    fn condemn(&mut self, header: LogHeader) {
        let LogHeader { number, mark, objects, gone, .. } = header;
        // One that does not say what it was decided at spares nothing that came since.
        let Some(mark) = mark.filter(|mark| *mark < number) else {
            let reason = "it does not say at which head it was decided".to_owned();
            return self.void(VoidEntry { number, reason, is_damage: false });
        };
        self.last_collection = Some(number);
        let relied = BTreeSet::new();
        self.collected.condemn(number, Condemn { mark, objects, gone, relied });
    }

    fn delete(&mut self, header: &LogHeader) {
        let number = header.number;
        let Some(Taken { objects, snapshots }) = self.collected.delete(header) else {
            let reason = "it closes no 'condemn' that is open".to_owned();
            return self.void(VoidEntry { number, reason, is_damage: false });
        };
        self.last_collection = Some(number);
        self.has_deleted = true;
        let counting = Arc::make_mut(&mut self.objects);
        for key in &objects {
            if let Some(live) = counting.remove(key) {
                Arc::make_mut(&mut self.merges).forget(key, live);
            }
        }
        if objects.iter().any(|key| self.copies.contains(key)) {
            let copies = Arc::make_mut(&mut self.copies);
            copies.retain(|key| !objects.contains(key));
        }
        self.lately_gone.extend(objects);
        let gone: HashSet<_> = snapshots.into_iter().collect();
        self.snapshots.retain(|record| !gone.contains(&record.id));
    }

    fn void(&mut self, entry: VoidEntry) {
        self.void_count += 1;
        if entry.is_damage {
            self.last_damage = Some(entry.clone());
        }
        if self.voids.len() < VOIDS_MAX {
            self.voids.push(entry);
        }
    }

    /// Reads from the next number to the head, and compares with what was remembered.
    fn read_on(&mut self, repository: &Repository) -> Result<()> {
        self.witness.0 = repository.remembered().map(|head| head.number);
        // What a checkpoint says of its own entry is as good as that.
        self.witness.1 =
            self.head.filter(|head| self.witness.0 == Some(head.number)).map(|head| head.hash);
        self.read_to_head(repository.io(), &BTreeMap::new())?;
        let first_damage = self.voids.iter().find(|void| void.is_damage);
        if let Some(VoidEntry { number, reason, .. }) = first_damage.or(self.voids.first()) {
            let (key, count) = (ObjectKey::Log(*number), self.void_count);
            self.warnings.push(format!(
                "{count} entries of the log mean nothing, so what they said is not seen, among them \
                 {key}: {reason}"
            ));
        }
        self.check_remembered(repository)
    }

    /// Reads from the next number to the head; of the entries that `spares` has these are taken, and what is behind each
    /// is believed as behind any other that is damaged in the store.
    pub(super) fn read_to_head(&mut self, io: &Io, spares: &BTreeMap<u64, Bytes>) -> Result<()> {
        let mut listing = Listing::around(io, self.next_number())?;
        loop {
            let number = self.next_number();
            if !listing.covers(number) {
                listing = Listing::around(io, number)?;
            }
            let fetched = listing.fetch(io, number)?;
            for fetched in &fetched {
                match spares.get(&self.next_number()) {
                    Some(spare) => {
                        self.apply(&Fetched::new(spare.clone()))?;
                        self.head_is_whole = false;
                    }
                    None => self.apply(fetched)?,
                }
            }
            if fetched.is_empty() {
                let Some(next) = listing.next_after(number) else { return Ok(()) };
                // It was there when later ones were made, and is gone. What follows is still read.
                self.gap.get_or_insert(number);
                for number in number..next {
                    let reason = "it is missing from the store".to_owned();
                    self.void(VoidEntry { number, reason, is_damage: true });
                }
                self.head = Some(Head { number: next - 1, hash: ObjectHash([0; 32]) });
                self.head_is_whole = false;
            }
        }
    }

    fn check_remembered(&self, repository: &Repository) -> Result<()> {
        let Some(remembered) = repository.remembered() else { return Ok(()) };
        let rollback = |reason: String| {
            Err(Error::new(Kind::Rollback, "read the log of", repository.io().describe())
                .because(reason)
                .hint("the store was put back to an earlier state, or replaced: find out by whom"))
        };
        let number = remembered.number;
        if self.next_number() <= number {
            let end = match self.head {
                Some(head) => format!("ends at entry {}", head.number),
                None => "is empty".to_owned(),
            };
            return rollback(format!("it {end}, and entry {number} has been seen before"));
        }
        let of_head = self.head.filter(|head| head.number == number && self.head_is_whole);
        if self.witness.1.or(of_head.map(|head| head.hash)) == Some(remembered.hash) {
            return Ok(());
        }
        // Before a checkpoint, or another one. One that is damaged was told as such, or a checkpoint has what it said.
        match fetch::entry(repository.io(), number)? {
            Some(found) if found.hash == remembered.hash => Ok(()),
            Some(found) if is_damaged(number, &found, &self.rules)? => Ok(()),
            None if self.checkpoint > Some(number) || self.gap.is_some_and(|gap| gap < number) => {
                Ok(())
            }
            _ => rollback(format!("entry {number} is not the one that was seen before")),
        }
    }
}

/// Whether the bytes at this number are not what somebody put there.
pub(super) fn is_damaged(number: u64, found: &Fetched, rules: &Config) -> Result<bool> {
    Ok(matches!(judge(number, found, Link::Unknown, rules)?, Verdict::Damaged(_)))
}
