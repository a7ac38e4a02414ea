//! The file in which `gc` keeps its marks from one run to the next.
//!
//! One file a log in the user's cache folder. Knows where it is; what is in it is the collector's, and proven by that: whoever
//! can write here can only make a collection take longer.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

use lifeboat_repo::gc::KeepMarks;
use lifeboat_repo::open::Repository;

use super::own_file;
use crate::settings::Settings;

#[derive(Debug)]
struct Marks {
    path: PathBuf,
}

/// What keeps the marks of this repository, where there is a folder for it.
pub(crate) fn keeper(settings: &Settings, repository: &Repository) -> Option<Arc<dyn KeepMarks>> {
    let name = format!("{}-{}.marks", repository.id(), repository.log_id());
    let (dir, _) = settings.cache.as_ref()?;
    let path = dir.join("marks").join(name);
    Some(Arc::new(Marks { path }))
}

impl KeepMarks for Marks {
    fn load(&self, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(bytes_max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            return Err(io::Error::other(format!("{} is too large", self.path.display())));
        }
        Ok(Some(bytes))
    }

    fn save(&self, bytes: &[u8]) -> io::Result<()> {
        own_file::replace(&self.path, bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_kept_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let marks = Marks { path: dir.path().join("marks").join("a-b.marks") };
        assert_eq!(marks.load(10).unwrap(), None);
        for bytes in [[1; 7].as_slice(), &[2; 10]] {
            marks.save(bytes).unwrap();
            assert_eq!(marks.load(10).unwrap().as_deref(), Some(bytes));
        }
        assert!(marks.load(9).is_err());
        assert_eq!(fs::metadata(&marks.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path().join("marks")).unwrap().count(), 1);
    }
}
