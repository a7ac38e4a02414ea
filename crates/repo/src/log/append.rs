//! Appending: fold to the head, decide, create the next number; if somebody was faster, decide again.
//!
//! Knows entries and lost answers; what is decided is the caller's. The create is the only moment at
//! which anything takes effect.
//!
//! Invariants: an entry is signed over the hash of the very entry it was decided at. After an error
//! the number is read back: the entry is ours if it bears a nonce that we tried. A create that is still
//! under way when this returns an error may yet succeed; it then says nothing but what the caller
//! decided at that head.

use std::time::Duration;

use bytes::Bytes;
use lifeboat_codec::sign::SigningKey;
use lifeboat_format::entry::{
    ListedObject, ListedSnapshot, LogEntry, LogHeader, LogKind, ReliedObject, SIGNATURE_CONTEXT,
    Until,
};
use lifeboat_format::id::{PublicKey, RunId, SnapshotId};
use lifeboat_format::index::IdPrefix;
use lifeboat_format::key::{ObjectKey, ObjectName};
use lifeboat_format::keys::SigningRole;
use lifeboat_format::locks::LockNote;
use lifeboat_format::scrub::ScrubNote;
use lifeboat_store::Payload;

use crate::error::{Error, Kind, Result};
use crate::log::Head;
use crate::log::backoff::Backoff;
use crate::log::fetch::{self, Fetched};
use crate::log::fold::Fold;
use crate::open::Repository;

/// Calls in a row without an answer, before the caller is told.
const FAILURES_MAX: u32 = 8;
/// The longest pause after another was faster: an append is a few round trips.
const CONFLICT_PAUSE_MAX: Duration = Duration::from_millis(200);
/// The longest pause after a call without an answer. Layers below have waited by themselves already.
const FAILURE_PAUSE_MAX: Duration = Duration::from_secs(2);

/// What a caller decided at a head.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each append, and it is moved once")]
pub enum Decision {
    /// To append this.
    Append(EntryDraft),
    /// That nothing is to be appended any more.
    Nothing,
}

/// An entry that has no place yet.
#[derive(Clone, Debug)]
pub struct EntryDraft {
    /// What it says.
    pub kind: LogKind,
    /// The role of the key that signs it.
    pub role: SigningRole,
    /// The run that it belongs to.
    pub run: RunId,
    /// Objects that count from now on.
    pub objects: Vec<ListedObject>,
    /// Sealed snapshots that exist from now on.
    pub snapshots: Vec<ListedSnapshot>,
    /// Index segments whose records are all in those among the objects.
    pub merged: Vec<ObjectName>,
    /// For each of the objects the ids that it has records of; none where all have records of any.
    pub prefixes: Vec<IdPrefix>,
    /// The snapshots that a forget, a restore or a hold speaks of.
    pub ids: Vec<SnapshotId>,
    /// Until when those are held that a hold speaks of, or the snapshots of a commit.
    pub until: Option<Until>,
    /// When it was written, in seconds since 1970, where that matters: for a forget.
    pub time: Option<u64>,
    /// The envelope of the sealed part; empty where there is none.
    pub body: Vec<u8>,
    /// Objects that are condemned and relied on all the same.
    pub relied: Vec<ReliedObject>,
    /// Of a `condemn`: the head that its mark was made at.
    pub mark: Option<u64>,
    /// Of a `delete`: the `condemn` that it closes.
    pub closes: Option<u64>,
    /// Snapshots that a `condemn` takes for dead, or that a `delete` says are gone.
    pub gone: Vec<SnapshotId>,
    /// What a scrub has found.
    pub scrub: Option<ScrubNote>,
    /// What is said of locks.
    pub locks: Option<LockNote>,
}

impl EntryDraft {
    /// A commit of nothing yet.
    pub fn commit(run: RunId, role: SigningRole) -> Self {
        Self::new(LogKind::Commit, role, run)
    }

    /// An entry of a kind that only a maintainer may write, and that says nothing yet.
    pub fn maintenance(kind: LogKind, run: RunId) -> Self {
        Self::new(kind, SigningRole::Maintain, run)
    }

    /// What a scrub says; any reader may pass over it.
    pub fn scrub(run: RunId, role: SigningRole, note: ScrubNote) -> Self {
        Self { scrub: Some(note), ..Self::new(LogKind::Note, role, run) }
    }

    /// An entry that says nothing, for one more place in the log; any reader may pass over it.
    pub(crate) fn note(run: RunId, role: SigningRole) -> Self {
        Self::new(LogKind::Note, role, run)
    }

    /// What is locked, and what is gone and still locked; any reader may pass over it.
    pub fn locks(run: RunId, note: LockNote) -> Self {
        Self { locks: Some(note), ..Self::new(LogKind::Note, SigningRole::Maintain, run) }
    }

    fn new(kind: LogKind, role: SigningRole, run: RunId) -> Self {
        Self {
            kind,
            role,
            run,
            objects: Vec::new(),
            snapshots: Vec::new(),
            merged: Vec::new(),
            prefixes: Vec::new(),
            ids: Vec::new(),
            until: None,
            time: None,
            body: Vec::new(),
            relied: Vec::new(),
            mark: None,
            closes: None,
            gone: Vec::new(),
            scrub: None,
            locks: None,
        }
    }

    /// The signed bytes of the entry after the head of `fold`.
    fn sign(self, fold: &Fold, nonce: [u8; 16], signer: &SigningKey) -> Result<Bytes> {
        let number = fold.next_number();
        let header = LogHeader {
            log: fold.log_id(),
            number,
            previous: fold.previous_hash(),
            kind: self.kind,
            may_skip: self.kind == LogKind::Note,
            run: self.run,
            nonce,
            objects: self.objects,
            relied: self.relied,
            snapshots: self.snapshots,
            merged: self.merged,
            prefixes: self.prefixes,
            ids: self.ids,
            until: self.until,
            time: self.time,
            mark: self.mark,
            closes: self.closes,
            gone: self.gone,
            scrub: self.scrub,
            locks: self.locks,
        };
        let unsigned = LogEntry::unsigned(&header, &self.body, &signer.public());
        let signature = signer.sign(SIGNATURE_CONTEXT, &unsigned);
        let bytes = LogEntry::assemble(unsigned, &signature).map_err(|cause| {
            Error::new(Kind::Invalid, "write", ObjectKey::Log(number)).because(cause)
        })?;
        Ok(Bytes::from(bytes))
    }
}

/// Appends what `decide` makes of the head, asking it again for as long as others are faster. The
/// entry's place, or `None` when `decide` wanted nothing.
///
/// # Errors
/// Those of `decide` and [`Fold::refresh`]. [`Kind::Denied`] without a key of the draft's role;
/// [`Kind::Corrupt`] when an entry is missing from the log; [`Kind::Unavailable`] when the store's
/// answers stay away: whether the entry was appended is then not known.
pub fn append(
    repository: &Repository,
    fold: &mut Fold,
    mut decide: impl FnMut(&Fold) -> Result<Decision>,
) -> Result<Option<Head>> {
    repository.require_writable()?;
    fold.require_appendable()?;
    let mut conflicts = Backoff::new(repository.entropy(), CONFLICT_PAUSE_MAX);
    let mut attempt = Attempt {
        repository,
        tried: Vec::new(),
        failures: 0,
        failing: Backoff::new(repository.entropy(), FAILURE_PAUSE_MAX),
    };
    loop {
        // Others' entries in between were folded: the decision is always for the newest head known.
        let Decision::Append(draft) = decide(fold)? else { return Ok(None) };
        match attempt.create(fold, draft)? {
            Created::Ours => return Ok(fold.head()),
            Created::Unknown(error) => attempt.pause_or(error)?,
            // Whoever was faster may not be the only one: go on from the very head.
            Created::Taken => {
                conflicts.wait()?;
                match fold.refresh(repository.io()) {
                    Err(error) if error.kind() == Kind::Unavailable => attempt.pause_or(error)?,
                    refreshed => {
                        refreshed?;
                    }
                }
            }
        }
    }
}

/// One caller's tries.
struct Attempt<'a> {
    repository: &'a Repository,
    /// What was tried at the number that is next.
    tried: Vec<Tried>,
    /// Calls in a row without an answer.
    failures: u32,
    failing: Backoff,
}

/// By what an entry is known as one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tried {
    nonce: [u8; 16],
    run: RunId,
    author: PublicKey,
}

/// What became of a create.
enum Created {
    /// The entry is in the log, and folded.
    Ours,
    /// Somebody else's is, and folded.
    Taken,
    /// There is no answer.
    Unknown(Error),
}

impl Attempt<'_> {
    /// Waits for better times, or gives up with `error`.
    fn pause_or(&mut self, error: Error) -> Result<()> {
        self.failures += 1;
        if self.failures == FAILURES_MAX {
            return Err(error);
        }
        self.failing.wait()
    }

    fn create(&mut self, fold: &mut Fold, draft: EntryDraft) -> Result<Created> {
        let io = self.repository.io();
        let number = fold.next_number();
        let signer = self.repository.keyring().signer(&draft.role)?;
        let nonce = self.repository.random()?;
        self.tried.push(Tried { nonce, run: draft.run, author: signer.public() });
        let bytes = draft.sign(fold, nonce, signer)?;
        let error = match io.put_new(&ObjectKey::Log(number), Payload::from(bytes.clone())) {
            Ok(()) => return self.settle(fold, Fetched::new(bytes), number),
            Err(error) => error,
        };
        match error.kind() {
            Kind::AlreadyExists | Kind::Unavailable | Kind::Internal => {}
            // Refused for good: nothing was created.
            _ => return Err(error),
        }
        match fetch::entry(io, number) {
            Ok(Some(found)) => {
                let created = self.settle(fold, found, number)?;
                // It is there; whether it stays after a power cut, only the store knows.
                if matches!(created, Created::Ours) {
                    io.sync()?;
                }
                Ok(created)
            }
            // Not there, or not there yet: another create of the same number decides which.
            Ok(None) => Ok(Created::Unknown(error)),
            Err(also) if also.kind() == Kind::Unavailable => Ok(Created::Unknown(error)),
            Err(also) => Err(also),
        }
    }

    /// Folds what is at `number` and says whose it is.
    fn settle(&mut self, fold: &mut Fold, found: Fetched, number: u64) -> Result<Created> {
        let entry = found.bytes.as_ref().and_then(|bytes| LogEntry::decode(bytes).ok());
        let is_ours = entry.is_some_and(|LogEntry { header, public, .. }| {
            let LogHeader { nonce, run, .. } = header;
            self.tried.contains(&Tried { nonce, run, author: public })
        });
        let voids = fold.void_count();
        fold.apply(&found)?;
        self.tried.clear();
        self.failures = 0;
        self.failing.reset();
        if is_ours && fold.void_count() > voids {
            return Err(Error::new(Kind::Denied, "append", ObjectKey::Log(number))
                .because("the entry is void: the key that signed it has not the role")
                .hint("ask the repository's owner for the role"));
        }
        Ok(if is_ours { Created::Ours } else { Created::Taken })
    }
}
