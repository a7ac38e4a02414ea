//! The heads of logs that were last seen, so that a log that was put back is noticed.
//!
//! One small file a log in the user's state folder, replaced atomically. It only ever helps to notice:
//! where it can't be read or written (a pod, another machine) everything works without it.

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_format::id::{LogId, ObjectHash, RepositoryId};
use lifeboat_repo::log::Head;
use lifeboat_repo::open::Repository;
use serde::{Deserialize, Serialize};

use super::own_file;
use crate::settings::Settings;

#[derive(Serialize, Deserialize)]
struct Seen {
    version: u32,
    number: u64,
    hash: ObjectHash,
}

const VERSION: u32 = 1;

/// Where the head of this log is remembered.
pub(crate) fn path(settings: &Settings, repository: RepositoryId, log: LogId) -> Option<PathBuf> {
    let dir = settings.state_dir.as_ref()?;
    Some(dir.join("heads").join(format!("{repository}-{log}.json")))
}

/// The head that was last seen.
pub(crate) fn recall(settings: &Settings, repository: RepositoryId, log: LogId) -> Option<Head> {
    read(&path(settings, repository, log)?)
}

/// Remembers the head, unless a later one is remembered.
pub(crate) fn remember(settings: &Settings, repository: &Repository, head: Option<Head>) {
    let Some(path) = path(settings, repository.id(), repository.log_id()) else { return };
    let Some(head) = head else { return };
    if read(&path).is_some_and(|known| known.number >= head.number) {
        return;
    }
    if let Err(error) = write(&path, head) {
        tracing::debug!(%error, path = %path.display(), "the head of the log is not remembered");
    }
}

fn read(path: &Path) -> Option<Head> {
    let seen: Seen = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (seen.version == VERSION).then_some(Head { number: seen.number, hash: seen.hash })
}

fn write(path: &Path, head: Head) -> std::io::Result<()> {
    let seen = Seen { version: VERSION, number: head.number, hash: head.hash };
    let text = serde_json::to_string(&seen)?;
    own_file::replace(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use lifeboat_format::id::ObjectHash;
    use lifeboat_repo::log::Head;

    #[test]
    fn what_was_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heads").join("a-b.json");
        assert_eq!(super::read(&path), None);
        let head = Head { number: 7, hash: ObjectHash([3; 32]) };
        super::write(&path, head).unwrap();
        assert_eq!(super::read(&path), Some(head));
        let later = Head { number: 8, hash: ObjectHash([4; 32]) };
        super::write(&path, later).unwrap();
        assert_eq!(super::read(&path), Some(later));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
