//! What most commands begin with: the open repository, its log folded, its snapshots, its chunks.

use std::cell::RefCell;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use lifeboat_format::snapshot::Snapshot;
use lifeboat_repo::Kind;
use lifeboat_repo::index::{Index, LostSegment};
use lifeboat_repo::log::Fold;
use lifeboat_repo::open::Repository;
use lifeboat_repo::reader::Reader;
use lifeboat_repo::snapshots::{Filter, Known, Snapshots};

use super::{heads, open, paths};
use crate::args::SelectArgs;
use crate::exit::RolledBack;
use crate::render::{Output, complain};
use crate::settings::{Settings, current_dir};

/// An open repository and the state of its log.
pub(crate) struct Session<'a> {
    pub(crate) repository: Repository,
    pub(crate) fold: Fold,
    settings: &'a Settings,
    warnings: RefCell<Vec<String>>,
}

/// The way to chunks.
pub(crate) struct Chunks {
    /// Finds them.
    pub(crate) index: Arc<Index>,
    /// Reads them.
    pub(crate) reader: Reader,
}

impl<'a> Session<'a> {
    /// Opens the repository and folds its log.
    pub(crate) fn open(settings: &'a Settings, output: &Output) -> Result<Self> {
        Self::of(open::open(settings, output)?, settings, output)
    }

    /// The same for a command that only reads, and does not ask again for what was read before.
    pub(crate) fn open_to_read(settings: &'a Settings, output: &Output) -> Result<Self> {
        Self::of(open::open_to_read(settings, output)?, settings, output)
    }

    /// Folds the log of a repository that is open.
    pub(crate) fn of(
        repository: Repository,
        settings: &'a Settings,
        output: &Output,
    ) -> Result<Self> {
        let fold = fold(&repository, settings)?;
        let warnings = RefCell::new(repository.warnings().to_vec());
        let session = Self { repository, fold, settings, warnings };
        for warning in session.fold.warnings() {
            if session.fold.last_damage().is_some() {
                // Something that counted may not be seen: whoever asked for quiet has to know, too.
                session.warn(warning.clone());
            } else {
                output.notice(format!("warning: {warning}"));
                session.warnings.borrow_mut().push(warning.clone());
            }
        }
        Ok(session)
    }

    /// Tells of damage that can be passed over, also whoever asked for quiet.
    fn warn(&self, warning: String) {
        complain(&format!("warning: {warning}"));
        self.warnings.borrow_mut().push(warning);
    }

    /// What was told of damage so far, for JSON.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.borrow().clone()
    }

    /// The snapshots; those that can't be opened are told on stderr.
    pub(crate) fn snapshots(&self) -> Result<Snapshots> {
        let snapshots = Snapshots::load(&self.repository, &self.fold)?;
        for lost in snapshots.unreadable() {
            self.warn(format!("snapshot {:.8}: {}", lost.id.to_string(), lost.reason));
        }
        Ok(snapshots)
    }

    /// Opens the index; segments that are damaged or lost are told on stderr, and the others serve.
    pub(crate) fn chunks(&self) -> Result<Chunks> {
        self.chunks_within(self.settings.memory_bytes / 8)
    }

    /// The same, with a reader that keeps so many bytes of frames.
    pub(crate) fn chunks_within(&self, frames_bytes: u64) -> Result<Chunks> {
        chunks(&self.repository, &self.fold, frames_bytes, |warning| self.warn(warning))
    }

    /// Remembers the head of the log after this command has appended to it.
    pub(crate) fn remember(&self) {
        heads::remember(self.settings, &self.repository, self.fold.head());
    }
}

/// Opens the index and makes a reader that keeps so many bytes of frames. Segments that are damaged or lost
/// are told to `warn`, and the others serve.
pub(crate) fn chunks(
    repository: &Repository,
    fold: &Fold,
    frames_bytes: u64,
    mut warn: impl FnMut(String),
) -> Result<Chunks> {
    let index = Index::load_what_is_there(repository, fold, |lost| {
        let LostSegment { key, error, is_replaced } = lost;
        let instead = if is_replaced { ", but the ones that it was merged from are" } else { "" };
        warn(format!("index segment {key} is not used{instead}: {error}"));
    });
    if fold.void_count() > 0 {
        // Some of the segments may be named by just the entries that are damaged.
        index.add_unnamed(repository, fold)?;
    }
    let index = Arc::new(index);
    let reader = Reader::new(
        repository.io().clone(),
        Arc::clone(repository.keyring()),
        Arc::<Index>::clone(&index),
        frames_bytes,
    );
    Ok(Chunks { index, reader })
}

/// Folds the log, compares it with the head that was seen last, and remembers the new one.
pub(crate) fn fold(repository: &Repository, settings: &Settings) -> Result<Fold> {
    let fold = Fold::load(repository)
        .map_err(|error| mark_rollback(error.into(), repository, settings))?;
    heads::remember(settings, repository, fold.head());
    Ok(fold)
}

/// Says where the head is remembered, if the error is that the log is another.
pub(crate) fn mark_rollback(
    error: lifeboat::Error,
    repository: &Repository,
    settings: &Settings,
) -> anyhow::Error {
    match heads::path(settings, repository.id(), repository.log_id()) {
        Some(path) if error.kind() == Kind::Rollback => {
            anyhow::Error::new(error).context(RolledBack(path))
        }
        _ => error.into(),
    }
}

/// The filter that these options mean.
pub(crate) fn filter(select: &SelectArgs) -> Result<Filter> {
    let cwd = current_dir()?;
    let absolute = |path: &Path| paths::absolute(&cwd, path).as_os_str().as_bytes().to_vec();
    Ok(Filter {
        source: select.source.clone(),
        host: select.host.clone(),
        tags: select.tag.clone(),
        paths: select.path.iter().map(|path| absolute(path)).collect(),
        checkpoints: false,
    })
}

/// The snapshots that a command is about: those that were named, or all that match, oldest first.
pub(crate) fn chosen<'s>(
    snapshots: &'s Snapshots,
    names: &[String],
    filter: &Filter,
) -> Result<Vec<&'s Known>> {
    if names.is_empty() {
        return Ok(snapshots.select(filter));
    }
    let mut chosen: Vec<&Known> = Vec::new();
    for name in names {
        let known = snapshots.resolve(name, filter)?;
        if chosen.iter().all(|other| other.snapshot.id != known.snapshot.id) {
            chosen.push(known);
        }
    }
    Ok(chosen)
}

/// The first digits of an id, as lists show it.
pub(crate) fn short(snapshot: &Snapshot) -> String {
    format!("{:.8}", snapshot.id.to_string())
}
